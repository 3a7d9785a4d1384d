// SPDX-License-Identifier: Apache-2.0
// How a decision is made, first match wins:
//   1. nobody offers the interface (or a compatible version of it)     -> refused, no option helps, unless
//                                                                         a link leads it to a driver
//   2. its writ, or the trust in who signed it, does not cover it      -> refused, no option helps
//   3. a rule of the configuration reaches further than they allow     -> refused, a narrower rule helps
//   4. --refuse names it or its package                                -> refused
//      another workload is linked to it                                -> granted, by that workload
//   5. the configuration names authority for it                        -> granted
//   6. it carries no authority of its own (values, streams, clocks ...) -> granted
//   7. run-times import it whether they use it or not                  -> inert; under --strict refused,
//                                                                         unless --grant names it
//   8. anything else                                                   -> granted by --grant, else refused
// A contract without a link, and secrets without a grant of one, are refused like 8, because nobody imports
// them unawares; --grant binds them without.
#include "host/grants.h"

#include <stdio.h>

#include "base/mem.h"
#include "capability/links.h"
#include "capability/offers.h"
#include "component/forward.h"
#include "host/grants_writ.h"

struct grants {
    const workload_config *config;
    size_t count;
    grant_decision *decisions;
    const host_interface **interfaces; // what each decision binds; NULL where refused
    forward_interface **forwards;      // of those that only their component describes; else NULL
};

// Whether the pattern of an option ("wasi:sockets", "wasi:sockets/tcp", either with a version) covers a name.
static bool pattern_covers(const char *pattern, slice name) {
    slice text;
    semver version;
    component_name_split(slice_from_text(pattern), &text, &version);
    size_t at = slice_find(text, 0, '@');
    text = slice_sub(text, 0, at);
    if (slice_equal(text, name)) {
        return true;
    }
    // A package covers its interfaces.
    return slice_find(text, 0, '/') == SIZE_MAX && name.len > text.len && name.data[text.len] == '/' &&
           slice_equal(slice_sub(name, 0, text.len), text);
}

static bool any_covers(char *const *patterns, size_t count, slice name) {
    for (size_t i = 0; i < count; i++) {
        if (pattern_covers(patterns[i], name)) {
            return true;
        }
    }
    return false;
}

static void decide(grant_decision *d, grant_state state, const char *why, const char *option) {
    d->state = state;
    snprintf(d->why, sizeof d->why, "%s", why);
    snprintf(d->option, sizeof d->option, "%s", option);
}

// An import with a label has the link of that name alone.
static bool is_linked(const workload_config *c, slice interface, slice label, char *why, size_t why_bytes) {
    size_t count = 0;
    for (size_t i = 0; i < c->links.count; i++) {
        const host_link *l = &c->links.items[i];
        bool is_any = host_link_serves(l, slice_from_text(WASI_LINK_ANY));
        if (is_any ||
            (host_link_serves(l, interface) && (label.len == 0 || slice_equal_text(label, l->name)))) {
            snprintf(why, why_bytes, "linked to %s", l->target);
            count++;
        }
    }
    if (count > 1) {
        snprintf(why, why_bytes, "%zu links", count);
    }
    return count > 0;
}

// The authority that the configuration names for an interface; fills the sentence when there is some.
static bool has_authority(const workload_config *c, const wasi_offer *offer, slice label, bool is_command,
                          char *why, size_t why_bytes) {
    switch (offer->authority) {
    case WASI_AUTHORITY_NONE:
        snprintf(why, why_bytes, "carries no authority of its own");
        return true;
    case WASI_AUTHORITY_FILES:
        snprintf(why, why_bytes, "%zu director%s by --dir", c->directory_count,
                 c->directory_count == 1 ? "y" : "ies");
        return c->directory_count > 0;
    case WASI_AUTHORITY_ENVIRONMENT:
        snprintf(why, why_bytes, "%zu variable%s by --env, %zu argument%s", c->variable_count,
                 c->variable_count == 1 ? "" : "s", c->argument_count, c->argument_count == 1 ? "" : "s");
        return c->variable_count > 0 || c->argument_count > 0;
    case WASI_AUTHORITY_STDIO:
        snprintf(why, why_bytes, "%s",
                 c->stdio == HOST_STDIO_INHERIT ? "ours by --stdio inherit" : "ours, as it is a command");
        return c->stdio == HOST_STDIO_INHERIT || (c->stdio == HOST_STDIO_DEFAULT && is_command);
    case WASI_AUTHORITY_NETWORK:
        snprintf(why, why_bytes, "%zu rule%s by --allow-net", c->net_policy.rule_count,
                 c->net_policy.rule_count == 1 ? "" : "s");
        return !network_policy_is_empty(&c->net_policy);
    case WASI_AUTHORITY_HTTP:
        if (c->is_http_linked) {
            snprintf(why, why_bytes, "linked in the lattice");
            return true;
        }
        snprintf(why, why_bytes, "%zu rule%s by --allow-http", c->http_policy.rule_count,
                 c->http_policy.rule_count == 1 ? "" : "s");
        return !network_policy_is_empty(&c->http_policy);
    case WASI_AUTHORITY_CONFIG:
        snprintf(why, why_bytes, "%zu value%s of its configuration", c->value_count,
                 c->value_count == 1 ? "" : "s");
        return c->value_count > 0;
    case WASI_AUTHORITY_LINK:
        return is_linked(c, offer->interface->name, label, why, why_bytes);
    case WASI_AUTHORITY_SECRETS:
        snprintf(why, why_bytes, "%zu secret%s by %s", c->secret_count, c->secret_count == 1 ? "" : "s",
                 c->manifest_path != NULL ? "the manifest" : "--secret");
        return c->secret_count > 0;
    }
    return false;
}

static const char *inert_reason(const workload_config *c, wasi_authority authority) {
    bool by_manifest = c->manifest_path != NULL;
    switch (authority) {
    case WASI_AUTHORITY_FILES:
        return by_manifest ? "no directory is granted; dir./GUEST in its policy grants one"
                           : "no directory is granted; --dir HOST::GUEST grants one";
    case WASI_AUTHORITY_ENVIRONMENT:
        return by_manifest ? "empty; env.NAME in its policy grants a variable"
                           : "empty; --env NAME grants a variable";
    case WASI_AUTHORITY_STDIO:
        return by_manifest ? "output is discarded and counted; stdio: inherit in its policy shows it"
                           : "output is discarded and counted; --stdio inherit shows it";
    case WASI_AUTHORITY_NETWORK:
        return by_manifest ? "every socket is refused; allow-net in its policy grants a peer"
                           : "every socket is refused; --allow-net HOST:PORT grants a peer";
    case WASI_AUTHORITY_HTTP:
        return by_manifest ? "every request is refused; allow-http in its policy grants a host"
                           : "every request is refused; --allow-http HOST grants a host";
    case WASI_AUTHORITY_CONFIG:
        return "empty; the workload has no configuration";
    case WASI_AUTHORITY_LINK:
        return "no link; every call is an error";
    case WASI_AUTHORITY_SECRETS:
        return "none; every name is not found";
    case WASI_AUTHORITY_NONE:
        break;
    }
    return "";
}

static const char *refused_by(const workload_config *c) {
    return c->manifest_path != NULL ? "refused by its policy" : "refused by --refuse";
}

static void decide_offered(const workload_config *c, const wasi_offer *offer, slice name, bool is_command,
                           grant_decision *d) {
    char option[sizeof d->option], why[sizeof d->why];
    bool named = any_covers(c->grants, c->grant_count, name);
    bool by_manifest = c->manifest_path != NULL;
    snprintf(option, sizeof option, "%s %.*s", by_manifest ? "to its policy grant:" : "--grant",
             SLICE_ARG(name));
    if (any_covers(c->refusals, c->refusal_count, name)) {
        decide(d, GRANT_REFUSED, refused_by(c), "");
    } else if (has_authority(c, offer, d->label, is_command, why, sizeof why)) {
        decide(d, GRANT_GRANTED, why, "");
    } else if (offer->authority == WASI_AUTHORITY_LINK && !named) {
        snprintf(option, sizeof option,
                 by_manifest ? "a trait of type link for %.*s%s%.*s" : "--link %.*s%s%.*s=DRIVER",
                 SLICE_ARG(name),
                 d->label.len == 0 ? ""
                 : by_manifest     ? " with name "
                                   : "@",
                 SLICE_ARG(d->label));
        decide(d, GRANT_REFUSED, d->label.len == 0 ? "nothing is linked to it" : "no link has its name",
               option);
    } else if (offer->authority == WASI_AUTHORITY_SECRETS && !named) {
        decide(d, GRANT_REFUSED, "no secret is granted",
               c->manifest_path != NULL ? "a secret to its `secrets`" : "--secret NAME");
    } else if (!c->is_strict || named) {
        decide(d, GRANT_INERT, inert_reason(c, offer->authority), "");
    } else {
        decide(d, GRANT_REFUSED,
               by_manifest ? "it would be without authority, and its policy is strict"
                           : "it would be without authority, and --strict refuses that",
               option);
    }
}

// An import that another workload of this host satisfies. It carries no authority of this host's: what the
// callee may do is decided over the callee's own imports.
static void decide_callee(grants *g, const host_callee *callee, const grants_question *q,
                          const grants_writ *writ, grant_decision *d) {
    char why[sizeof d->why];
    if (!grants_writ_allows(writ, q, d)) {
        d->state = GRANT_REFUSED;
    } else if (any_covers(g->config->refusals, g->config->refusal_count, q->name)) {
        decide(d, GRANT_REFUSED, refused_by(g->config), "");
    } else {
        snprintf(why, sizeof why, "calls workload \"%.100s\"", callee->workload);
        decide(d, GRANT_GRANTED, why, "");
    }
}

// A contract that this host does not know, linked to a driver that does: its functions are what the component
// says, and the driver reads their arguments as it reads everything. True when there is such a link.
static bool decide_forwarded(grants *g, const component_item *item, const grants_question *q,
                             const grants_writ *writ, grant_decision *d, forward_interface **ret) {
    char why[sizeof d->why];
    err e = {0};
    if (!is_linked(g->config, q->name, d->label, why, sizeof why)) {
        return false;
    }
    if (!grants_writ_allows(writ, q, d)) {
        d->state = GRANT_REFUSED;
    } else if (any_covers(g->config->refusals, g->config->refusal_count, q->name)) {
        decide(d, GRANT_REFUSED, refused_by(g->config), "");
    } else if (forward_interface_new(item, wasi_link_forward, ret, &e) != STATUS_OK) {
        snprintf(why, sizeof why, "%.*s", (int)sizeof why - 1, e.message);
        decide(d, GRANT_REFUSED, why, "");
    } else {
        decide(d, GRANT_GRANTED, why, "");
    }
    return true;
}

static void decide_import(grants *g, const component_item *item, const grants_writ *writ, bool is_command,
                          grant_decision *d, const host_interface **ret, forward_interface **ret_forward) {
    slice name;
    semver version = {0};
    bool has_version = component_name_split(component_item_interface(item), &name, &version);
    d->import_name = item->name;
    d->interface = component_item_interface(item);
    d->label = component_item_label(item);
    *ret = NULL;
    if (item->kind != COMPONENT_INSTANCE) {
        decide(d, GRANT_REFUSED, "the host offers interfaces only, and this import is none", "");
        return;
    }
    const host_callee *callee = workload_config_import(g->config, name, d->label);
    if (callee != NULL) {
        const grants_question q = {name, has_version ? &version : NULL, WASI_AUTHORITY_NONE, g->config};
        decide_callee(g, callee, &q, writ, d);
        return;
    }
    const wasi_offer *offer = wasi_offer_find(name, has_version ? &version : NULL);
    const grants_question linked = {name, has_version ? &version : NULL, WASI_AUTHORITY_LINK, g->config};
    if (offer == NULL && decide_forwarded(g, item, &linked, writ, d, ret_forward)) {
        *ret = *ret_forward == NULL ? NULL : &(*ret_forward)->base;
        return;
    }
    if (offer == NULL) {
        decide(d, GRANT_REFUSED, "nothing on this host offers this interface", "");
        return;
    }
    if (has_version && !semver_compatible(&version, &offer->interface->version)) {
        char why[sizeof d->why];
        snprintf(why, sizeof why, "the host offers version %u.%u.%u, which is not compatible",
                 offer->interface->version.major, offer->interface->version.minor,
                 offer->interface->version.patch);
        decide(d, GRANT_REFUSED, why, "");
        return;
    }
    const grants_question question = {name, has_version ? &version : NULL, offer->authority, g->config};
    if (!grants_writ_allows(writ, &question, d)) {
        d->state = GRANT_REFUSED;
        return;
    }
    decide_offered(g->config, offer, name, is_command, d);
    *ret = d->state == GRANT_REFUSED ? NULL : offer->interface;
}

static bool exports_command(const component *c) {
    for (size_t i = 0; i < component_export_count(c); i++) {
        slice name;
        semver version;
        component_name_split(component_export_at(c, i)->name, &name, &version);
        if (slice_equal_text(name, "wasi:cli/run")) {
            return true;
        }
    }
    return false;
}

status grants_new(const component *c, const workload_config *config, const grants_writ *writ, grants **ret,
                  err *e) {
    size_t count = component_import_count(c);
    if (count > GRANTS_IMPORTS_MAX) { // each is compared with every rule
        return err_set(e, STATUS_LIMIT, "the component has %zu imports, more than the limit of %d", count,
                       GRANTS_IMPORTS_MAX);
    }
    grants *g = mem_try_calloc(1, sizeof *g);
    if (g == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for the decisions over %zu imports", count);
    }
    g->config = config;
    g->count = count;
    g->decisions = mem_try_calloc(count, sizeof *g->decisions);
    g->interfaces = mem_try_calloc(count, sizeof *g->interfaces);
    g->forwards = mem_try_calloc(count, sizeof(forward_interface *));
    if (g->decisions == NULL || g->interfaces == NULL || g->forwards == NULL) {
        grants_free(g);
        return err_set(e, STATUS_LIMIT, "no memory for the decisions over %zu imports", count);
    }
    bool is_command = exports_command(c);
    for (size_t i = 0; i < count; i++) {
        decide_import(g, component_import_at(c, i), writ, is_command, &g->decisions[i], &g->interfaces[i],
                      &g->forwards[i]);
    }
    *ret = g;
    return STATUS_OK;
}

void grants_free(grants *g) {
    if (g != NULL) {
        for (size_t i = 0; g->forwards != NULL && i < g->count; i++) {
            forward_interface_free(g->forwards[i]);
        }
        mem_free(g->forwards);
        mem_free(g->decisions);
        mem_free(g->interfaces);
        mem_free(g);
    }
}

size_t grants_count(const grants *g) { return g->count; }
const grant_decision *grants_at(const grants *g, size_t index) { return &g->decisions[index]; }

status grants_check(const grants *g, err *e) {
    auto_buf text;
    buf_init(&text, ERR_MESSAGE_BYTES_MAX - 64);
    size_t refused = 0, shown = 0;
    for (size_t i = 0; i < g->count; i++) {
        const grant_decision *d = &g->decisions[i];
        if (d->state != GRANT_REFUSED) {
            continue;
        }
        refused++;
        if (buf_append_format(&text, "\n  %.*s: %s%s%s", SLICE_ARG(d->import_name), d->why,
                              d->option[0] != '\0' ? "; add " : "", d->option) == STATUS_OK) {
            shown++;
        }
    }
    if (refused == 0) {
        return STATUS_OK;
    }
    return err_set(e, STATUS_DENIED, "refused to start: %zu import%s not granted%.*s%s", refused,
                   refused == 1 ? " is" : "s are", SLICE_ARG(buf_slice(&text)),
                   shown < refused ? "\n  ..." : "");
}

void grants_bind_callee(grants *g, const host_interface *h, slice label) {
    for (size_t i = 0; i < g->count; i++) {
        slice name;
        semver version;
        const grant_decision *d = &g->decisions[i];
        bool has_version = component_name_split(d->interface, &name, &version);
        if (d->state == GRANT_GRANTED && slice_equal(name, h->name) && slice_equal(d->label, label) &&
            workload_config_import(g->config, name, label) != NULL &&
            (!has_version || semver_compatible(&version, &h->version))) {
            g->interfaces[i] = h;
        }
    }
}

static status admit(void *context, const component_import *asked, const host_interface **ret, err *e) {
    const grants *g = context;
    const semver version = asked->version != NULL ? *asked->version : (semver){0};
    for (size_t i = 0; i < g->count; i++) {
        slice import_name;
        semver import_version = {0};
        component_name_split(g->decisions[i].interface, &import_name, &import_version);
        if (slice_equal(import_name, asked->name) && semver_compare(&import_version, &version) == 0 &&
            slice_equal(g->decisions[i].label, asked->label) && g->interfaces[i] != NULL) {
            *ret = g->interfaces[i];
            return STATUS_OK;
        }
    }
    return err_set(e, STATUS_DENIED, "%.*s is not granted", SLICE_ARG(asked->name));
}

component_gate grants_gate(const grants *g) {
    return (component_gate){.context = (void *)(uintptr_t)g, .admit = admit};
}

status grants_suggest(const grants *g, buf *ret) {
    for (size_t i = 0; i < g->count; i++) {
        const grant_decision *d = &g->decisions[i];
        if (d->state == GRANT_REFUSED && d->option[0] != '\0') {
            TRY(buf_append_format(ret, "%s%s", ret->len > 0 ? " " : "", d->option));
        }
    }
    return STATUS_OK;
}
