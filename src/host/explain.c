// SPDX-License-Identifier: Apache-2.0
#include "host/explain.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "capability/calls.h"
#include "capability/offers.h"

enum {
    LIST_BYTES_MAX = 400,
    PORT_USUAL = 443,
    SAME_MAX = 64, // calls that are looked through for one that is there already: more than contracts have
};

typedef struct call_list {
    wasi_wire_call *items;
    size_t count;
} call_list;

typedef struct reader {
    const host_config *config;
    const examination *x;
    explain_question q;
    const wasi_offer *offer; // NULL: the host has no such interface
    const host_callee *callee;
    const host_link *link;
    slice via; // the interface of the link; for most contracts that of the question
    gate *gate;
    explanation *ret;
} reader;

static void say(explain_step *s, bool is_good, const char *format, ...) WRIT_FORMAT(3, 4);
static void say(explain_step *s, bool is_good, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(s->text, sizeof s->text, format, args);
    va_end(args);
    s->is_asked = true;
    s->is_good = is_good;
}

static void advise(reader *r, const char *format, ...) WRIT_FORMAT(2, 3);
// Each line is needed.
static void advise(reader *r, const char *format, ...) {
    char *text = r->ret->change;
    size_t used = strlen(text), room = sizeof r->ret->change;
    if (used > 0 && used + 1 < room) {
        text[used++] = '\n';
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text + used, room - used, format, args);
    va_end(args);
}

static bool is_bad(const reader *r, explain_kind k) {
    const explain_step *s = &r->ret->steps[k];
    return s->is_asked && !s->is_good;
}

static bool is_of_manifest(const reader *r) { return r->x->workload->manifest_path != NULL; }

// --- the claim, and the import -----------------------------------------------------------------------------

static void say_believed(explain_step *s, const vetting *v) {
    const trust_issuer *believed = v->found.trust.believed;
    if (!vetting_is_signed(v)) {
        say(s, true, "nobody whom this host trusts vouches for it; it may run because of --unsigned");
    } else {
        slice note = believed != NULL ? slice_sub(believed->note, 0, 200) : slice_empty();
        say(s, true, "signed by %s%s%.*s%s", v->issuer.text, note.len > 0 ? ", trusted as " : "",
            SLICE_ARG(note), v->found.claims.has_allowance ? "; its writ has an allow-list" : "");
    }
}

// What a refusal says in its first line is why; the lines after it are what to do.
static void ask_claim(reader *r) {
    explain_step *s = &r->ret->steps[EXPLAIN_CLAIM];
    const examination *x = r->x;
    const char *why = x->not_believed.message, *more = strchr(why, '\n');
    if (x->bytes.len == 0 && x->unreadable.code != STATUS_OK) {
        say(s, false, "%s", x->unreadable.message);
        advise(r, "build the component, or name the file that it is in");
    } else if (x->not_believed.code == STATUS_OK) {
        say_believed(s, &x->vetting);
    } else {
        int n = more != NULL ? (int)(more - why) : (int)strlen(why);
        say(s, false, "%.*s", n, why);
        advise(r, "%s",
               more != NULL ? more + 1 : "get a component with a token that is right from its maker");
    }
}

static void ask_import(reader *r) {
    explain_step *s = &r->ret->steps[EXPLAIN_IMPORT];
    const grant_decision *d = examination_import(r->x, r->q.interface, r->q.link);
    if (r->x->decisions == NULL) {
        say(s, false, "%s", r->x->unreadable.message);
        advise(r, "build it as a component");
    } else if (d == NULL) {
        say(s, false, "its component does not import %.*s", SLICE_ARG(r->q.interface));
        advise(r, "nothing on this side: a component that does not import an interface cannot call it");
    } else if (d->state == GRANT_GRANTED) {
        say(s, true, "%s%s%s", d->why, d->limits[0] != '\0' ? "; its writ: " : "", d->limits);
    } else {
        say(s, false, "%s: %s", d->state == GRANT_INERT ? "bound without authority" : "refused at the start",
            d->why);
        if (d->option[0] == '\0') {
            advise(r, "%s", d->why);
        } else if (!is_bad(r, EXPLAIN_LINK)) { // else the link that is missing is what to add
            advise(r, "add %s", d->option);
        }
    }
}

// --- the link ----------------------------------------------------------------------------------------------

// "shop" is APPLICATION-shop.
static bool is_called(const char *name, slice asked) {
    slice whole = slice_from_text(name);
    return slice_equal(whole, asked) ||
           (whole.len > asked.len + 1 && asked.len > 0 && whole.data[whole.len - asked.len - 1] == '-' &&
            slice_equal(slice_sub(whole, whole.len - asked.len, whole.len), asked));
}

static bool is_wanted(const reader *r, const char *link_name, const char *target) {
    if (r->q.target.len > 0 && !is_called(target, r->q.target)) {
        return false;
    }
    slice name = r->q.link.len > 0 || r->q.target.len > 0 ? r->q.link : slice_from_text("default");
    return name.len == 0 || slice_equal_text(name, link_name);
}

static void find_link(reader *r) {
    const workload_config *w = r->x->workload;
    for (size_t i = 0; i < w->links.count && r->link == NULL; i++) {
        const host_link *l = &w->links.items[i];
        r->link = host_link_serves(l, r->via) && is_wanted(r, l->name, l->target_name) ? l : NULL;
    }
    for (size_t i = 0; i < w->callee_count && r->link == NULL && r->callee == NULL; i++) {
        const host_callee *c = &w->callees[i];
        bool is_it = slice_equal_text(r->q.interface, c->interface) && is_wanted(r, c->link, c->workload);
        r->callee = is_it ? c : NULL;
    }
}

static void list_links(const reader *r, char list[LIST_BYTES_MAX]) {
    const workload_config *w = r->x->workload;
    size_t n = 0;
    list[0] = '\0';
    for (size_t i = 0; i < w->callee_count && n < LIST_BYTES_MAX - 1; i++) {
        const host_callee *c = &w->callees[i];
        if (slice_equal_text(r->q.interface, c->interface)) {
            n += (size_t)snprintf(list + n, LIST_BYTES_MAX - n, "%s\"%.80s\" to %.80s", n > 0 ? ", " : "",
                                  c->link, c->workload);
        }
    }
    for (size_t i = 0; i < w->links.count && n < LIST_BYTES_MAX - 1; i++) {
        const host_link *l = &w->links.items[i];
        if (host_link_serves(l, r->via)) {
            n += (size_t)snprintf(list + n, LIST_BYTES_MAX - n, "%s\"%.80s\" to %.80s", n > 0 ? ", " : "",
                                  l->name, l->target_name);
        }
    }
}

static void miss_link(reader *r) {
    slice name = r->q.link.len > 0 ? r->q.link : slice_from_text("default"), i = r->via;
    char list[LIST_BYTES_MAX];
    list_links(r, list);
    say(&r->ret->steps[EXPLAIN_LINK], false, "no link%s%.*s%s%s%.*s for %.*s%s%s",
        r->q.link.len > 0 ? " named " : "", SLICE_ARG(r->q.link), r->q.target.len > 0 ? " to " : "", "",
        SLICE_ARG(r->q.target), SLICE_ARG(i), list[0] != '\0' ? "; there is " : "", list);
    size_t colon = slice_find(i, 0, ':'), slash = slice_find(i, 0, '/');
    if (!is_of_manifest(r)) {
        bool is_default = slice_equal_text(name, "default");
        advise(r, "add --link %.*s%s%.*s=DRIVER", SLICE_ARG(i), is_default ? "" : "@",
               SLICE_ARG(is_default ? slice_empty() : name));
    } else if (colon < slash && slash != SIZE_MAX) {
        advise(r,
               "add to its traits {type: link, properties: {name: %.*s, target: TARGET, namespace: %.*s, "
               "package: "
               "%.*s, interfaces: [%.*s]}}",
               SLICE_ARG(name), SLICE_ARG(slice_sub(i, 0, colon)), SLICE_ARG(slice_sub(i, colon + 1, slash)),
               SLICE_ARG(slice_sub(i, slash + 1, i.len)));
    }
}

static void ask_link(reader *r) {
    explain_step *s = &r->ret->steps[EXPLAIN_LINK];
    if (r->link != NULL) {
        say(s, true, "\"%s\" to %s", r->link->name, r->link->target);
        (void)snprintf(r->ret->target, sizeof r->ret->target, "%s", r->link->target_name);
    } else if (r->callee != NULL) {
        bool is_there =
            host_config_find(r->config, slice_from_text(r->callee->workload)) < HOST_WORKLOADS_MAX;
        say(s, is_there, "\"%s\" to the component %s%s", r->callee->link, r->callee->workload,
            is_there ? "" : ", which this host does not run");
        (void)snprintf(r->ret->target, sizeof r->ret->target, "%s", r->callee->workload);
        if (is_there && r->x->not_linked.code != STATUS_OK) {
            say(s, false, "%s", r->x->not_linked.message);
            advise(r, "link it to a component that exports what it imports");
        } else if (!is_there) {
            advise(r, "give it a trait of type spreadscaler with `instances: N`");
        }
    } else {
        miss_link(r);
    }
}

// --- the name that is reached ------------------------------------------------------------------------------

static status split_host(slice target, slice *ret_host, uint16_t *ret_port, err *e) {
    bool has_bracket = target.len > 0 && target.data[0] == '[';
    size_t end = has_bracket ? slice_find(target, 0, ']') : slice_find(target, 0, ':');
    slice rest = end == SIZE_MAX ? slice_empty() : slice_sub(target, end + (has_bracket ? 1 : 0), target.len);
    uint64_t port = PORT_USUAL;
    *ret_host = slice_sub(target, has_bracket ? 1 : 0, end == SIZE_MAX ? target.len : end);
    if (rest.len > 0 && (rest.data[0] != ':' || !slice_to_u64(slice_sub(rest, 1, rest.len), &port) ||
                         port == 0 || port > UINT16_MAX)) {
        return err_set(e, STATUS_INVALID, "\"%.*s\" is not HOST or HOST:PORT",
                       SLICE_ARG(slice_sub(target, 0, 80)));
    }
    *ret_port = (uint16_t)port;
    return STATUS_OK;
}

static status ask_host(reader *r, const network_policy *policy, const char *option, err *e) {
    explain_step *s = &r->ret->steps[EXPLAIN_NAME];
    slice host;
    uint16_t port = 0;
    err why = {0};
    TRY(split_host(r->q.target, &host, &port, e));
    if (network_policy_check_host(policy, host, port, option, &why) == STATUS_OK) {
        say(s, true, "%.*s:%u is among the hosts that it was granted", SLICE_ARG(host), port);
        return STATUS_OK;
    }
    say(s, false, "%s", why.message);
    if (is_of_manifest(r)) {
        advise(r, "add `%s: %.*s:%u` to its policy", option + 2, SLICE_ARG(host), port);
    } else {
        advise(r, "add %s %.*s:%u", option, SLICE_ARG(host), port);
    }
    return STATUS_OK;
}

static void ask_secret(reader *r) {
    explain_step *s = &r->ret->steps[EXPLAIN_NAME];
    const workload_config *w = r->x->workload;
    for (size_t i = 0; i < w->secret_count; i++) {
        if (slice_equal_text(r->q.target, w->secrets[i].name)) {
            say(s, true, "it was granted the secret %s", w->secrets[i].name);
            return;
        }
    }
    say(s, false, "it was not granted a secret of the name %.*s", SLICE_ARG(r->q.target));
    advise(r, is_of_manifest(r) ? "name %.*s among its secrets" : "add --secret %.*s",
           SLICE_ARG(r->q.target));
}

static status ask_name(reader *r, err *e) {
    wasi_authority a = r->offer != NULL ? r->offer->authority : WASI_AUTHORITY_NONE;
    if (r->q.target.len == 0) {
        return STATUS_OK;
    }
    if (a == WASI_AUTHORITY_HTTP) {
        return ask_host(r, &r->x->workload->http_policy, "--allow-http", e);
    }
    if (a == WASI_AUTHORITY_NETWORK) {
        return ask_host(r, &r->x->workload->net_policy, "--allow-net", e);
    }
    if (a == WASI_AUTHORITY_SECRETS) {
        ask_secret(r);
    }
    return STATUS_OK;
}

// --- the rules ---------------------------------------------------------------------------------------------

static void add_call(call_list *list, const wasi_wire_call *c) {
    for (size_t i = 0; i < list->count && i < SAME_MAX; i++) {
        if (slice_equal(list->items[i].interface, c->interface) &&
            slice_equal(list->items[i].function, c->function)) {
            return;
        }
    }
    if ((list->count & (list->count - 1)) == 0) { // 0, 1, 2, 4 ...
        list->items = mem_resize(list->items, (list->count == 0 ? 1 : 2 * list->count) * sizeof *list->items);
    }
    list->items[list->count++] = *c;
}

// What the functions of one import send, all of them or those of the name `only`, through whatever link or
// one of `interface`. False: it has no such function.
static bool add_calls(const component_item *import, slice only, slice interface, call_list *list) {
    bool has_it = false;
    for (size_t k = 0; k < import->item_count; k++) {
        slice name = import->items[k].name;
        wasi_wire_call calls[WASI_CALLS_MAX];
        if (import->items[k].kind == COMPONENT_FUNC &&
            (only.len == 0 || slice_equal(wasi_calls_short_name(name), wasi_calls_short_name(only)))) {
            size_t count = wasi_calls_of(component_item_interface(import), name, calls);
            for (size_t c = 0; c < count; c++) {
                if (interface.len == 0 || slice_equal(calls[c].interface, interface)) {
                    add_call(list, &calls[c]);
                }
            }
            has_it = true;
        }
    }
    return has_it;
}

static slice interface_of(const component_item *import) {
    slice name;
    semver version;
    (void)component_name_split(component_item_interface(import), &name, &version);
    return name;
}

static bool is_through(const component_item *import, slice link) {
    slice label = component_item_label(import);
    return label.len == 0 || slice_equal(label, link);
}

// What the question is about. A name that is no function of the import is one that rules have.
static void list_asked(const reader *r, call_list *list) {
    const component *c = r->x->component;
    slice link = slice_from_text(r->link->name);
    bool has_it = false;
    for (size_t i = 0; i < component_import_count(c); i++) {
        const component_item *item = component_import_at(c, i);
        if (slice_equal(interface_of(item), r->q.interface) && is_through(item, link)) {
            has_it = add_calls(item, r->q.function, slice_empty(), list) || has_it;
        }
    }
    if (!has_it && r->q.function.len > 0) {
        add_call(list, &(wasi_wire_call){r->via, r->q.function});
    }
}

// All that goes through a link of `interface`, whichever import sends it.
static void list_through(const component *c, slice interface, slice link, call_list *list) {
    for (size_t i = 0; i < component_import_count(c); i++) {
        const component_item *item = component_import_at(c, i);
        if (is_through(item, link)) {
            (void)add_calls(item, slice_empty(), interface, list);
        }
    }
}

static gate_question question_of(const reader *r, const wasi_wire_call *c) {
    const vetting *v = &r->x->vetting;
    bool is_signed = r->x->bytes.len > 0 && vetting_is_signed(v);
    return (gate_question){
        .parts = {[GATE_CALLER] = slice_from_text(r->x->workload->name),
                  [GATE_ISSUER] = is_signed ? slice_from_text(v->issuer.text) : slice_empty(),
                  [GATE_TARGET] = slice_from_text(r->ret->target),
                  [GATE_INTERFACE] = c->interface,
                  [GATE_FUNCTION] = c->function,
                  [GATE_LINK] = slice_from_text(r->link != NULL ? r->link->name : r->callee->link)}};
}

// Of an import that another component serves.
static slice component_function_at(const examination *x, slice interface, slice link, size_t index) {
    const grant_decision *d = examination_import(x, interface, link);
    const component *c = x->component;
    for (size_t i = 0; d != NULL && i < component_import_count(c); i++) {
        const component_item *item = component_import_at(c, i);
        for (size_t k = 0; slice_equal(item->name, d->import_name) && k < item->item_count; k++) {
            if (item->items[k].kind == COMPONENT_FUNC && index-- == 0) {
                return item->items[k].name;
            }
        }
    }
    return slice_empty();
}

slice explain_function_at(const examination *x, slice interface, slice link, size_t index) {
    call_list list = {.count = 0};
    if (workload_config_callee(x->workload, interface, link) != NULL) {
        return component_function_at(x, interface, link, index);
    }
    if (x->component != NULL) {
        list_through(x->component, interface, link, &list);
    }
    slice found = index < list.count ? list.items[index].function : slice_empty();
    mem_free(list.items);
    return found;
}

static void advise_rule(reader *r, const gate_rule *rule, slice interface, slice function) {
    bool is_for_all = rule->patterns[GATE_INTERFACE].len == 0 && rule->patterns[GATE_FUNCTION].len == 0;
    if (!is_of_manifest(r)) {
        advise(r, "leave out %.*s, or name less in it", SLICE_ARG(rule->source));
    } else if (is_for_all) { // what `only` leaves over
        advise(r, "add a line to `only` of the policy at %.*s: %s -> %s %.*s.%.*s", SLICE_ARG(rule->source),
               r->x->workload->name, r->ret->target, SLICE_ARG(interface), SLICE_ARG(function));
    } else {
        advise(r, "take the line at %.*s out of `deny`, or name less in it", SLICE_ARG(rule->source));
    }
}

static status deny_by_rule(reader *r, const gate_question *q, const gate_decision *d, err *e) {
    explain_step *s = &r->ret->steps[EXPLAIN_RULE];
    slice function = q->parts[GATE_FUNCTION];
    if (d->rule == NULL) {
        say(s, false, "%.*s: names of more than %d bytes match no rule and are refused", SLICE_ARG(function),
            GATE_NAME_BYTES_MAX);
        advise(r, "use shorter names");
        return STATUS_OK;
    }
    say(s, false, "%.*s is denied by the rule at %.*s%s%.*s", SLICE_ARG(function), SLICE_ARG(d->rule->source),
        d->rule->reason.len > 0 ? ", " : "", SLICE_ARG(d->rule->reason));
    advise_rule(r, d->rule, q->parts[GATE_INTERFACE], function);
    r->ret->rules.len = 0;
    return gate_explain(r->gate, q, &r->ret->rules) == STATUS_OK
               ? STATUS_OK
               : err_set(e, STATUS_LIMIT, "there are too many rules of calls to tell about");
}

// False: there is no further one.
static bool call_at(const reader *r, const call_list *list, size_t index, wasi_wire_call *ret) {
    if (r->callee == NULL) {
        *ret = index < list->count ? list->items[index] : (wasi_wire_call){0};
    } else if (r->q.function.len > 0) {
        *ret = (wasi_wire_call){r->q.interface, index == 0 ? r->q.function : slice_empty()};
    } else {
        slice link = slice_from_text(r->callee->link);
        *ret = (wasi_wire_call){r->q.interface, component_function_at(r->x, r->q.interface, link, index)};
    }
    return ret->function.len > 0;
}

// One function, or all of them; the first that is denied is told about.
static status ask_list(reader *r, const call_list *list, err *e) {
    wasi_wire_call c;
    for (size_t i = 0; call_at(r, list, i, &c); i++) {
        gate_question q = question_of(r, &c);
        gate_decision d = gate_decide(r->gate, &q);
        if (!d.is_allowed) {
            return deny_by_rule(r, &q, &d, e);
        }
        r->ret->rules.len = 0;
        if (gate_explain(r->gate, &q, &r->ret->rules) != STATUS_OK) {
            return err_set(e, STATUS_LIMIT, "there are too many rules of calls to tell about");
        }
    }
    say(&r->ret->steps[EXPLAIN_RULE], true, "%s",
        r->config->rules.count == 0 ? "there is no rule of calls" : "no rule of calls denies it");
    return STATUS_OK;
}

static status ask_rules(reader *r, err *e) {
    call_list list = {.count = 0};
    if (r->link != NULL && r->x->component != NULL) {
        list_asked(r, &list);
        if (r->q.function.len == 0 && slice_equal(r->via, r->q.interface)) {
            list_through(r->x->component, r->via, slice_from_text(r->link->name), &list);
        }
    }
    status s = ask_list(r, &list, e);
    mem_free(list.items);
    return s;
}

// --- the whole ---------------------------------------------------------------------------------------------

static bool goes_through_link(const reader *r) {
    return r->callee != NULL || r->offer == NULL || r->offer->authority == WASI_AUTHORITY_LINK ||
           !slice_equal(r->via, r->q.interface) ||
           workload_config_import(r->x->workload, r->q.interface, slice_empty()) != NULL;
}

static void sum_up(explanation *x) {
    x->is_allowed = true;
    for (int k = EXPLAIN_KINDS; k-- > 0;) {
        if (x->steps[k].is_asked && !x->steps[k].is_good) {
            x->is_allowed = false;
            x->denied_by = (explain_kind)k;
        }
    }
}

static status ask(reader *r, err *e) {
    ask_claim(r);
    find_link(r);
    if (goes_through_link(r) && examination_import(r->x, r->q.interface, r->q.link) != NULL) {
        ask_link(r);
    }
    ask_import(r);
    if (r->x->decisions != NULL) {
        TRY(ask_name(r, e));
    }
    return r->link != NULL || r->callee != NULL ? ask_rules(r, e) : STATUS_OK;
}

static status open_reader(reader *r, err *e) {
    static const siphash_key nobody_chooses_names = {0};
    r->offer = wasi_offer_find(r->q.interface, NULL);
    r->via = wasi_calls_interface(r->q.interface);
    buf_init(&r->ret->rules, EXPLAIN_RULES_BYTES_MAX);
    return host_rules_gate(&r->config->rules, nobody_chooses_names, &r->gate, e);
}

status explain_call(const host_config *config, const examination *x, const explain_question *q,
                    explanation *ret, err *e) {
    *ret = (explanation){0};
    reader r = {.config = config, .x = x, .q = *q, .ret = ret};
    TRY(open_reader(&r, e));
    status s = ask(&r, e);
    gate_free(r.gate);
    sum_up(ret);
    if (s != STATUS_OK) {
        explanation_done(ret);
    }
    return s;
}

void explanation_done(explanation *x) { buf_done(&x->rules); }

uint32_t explain_find(const host_config *config, slice name) {
    uint32_t found = host_config_find(config, name);
    size_t count = 0;
    if (found < HOST_WORKLOADS_MAX) {
        return found;
    }
    for (uint32_t i = 0; i < config->workload_count; i++) {
        if (is_called(config->workloads[i].name, name)) {
            found = i;
            count++;
        }
    }
    return count == 1 ? found : HOST_WORKLOADS_MAX;
}
