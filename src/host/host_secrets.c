// SPDX-License-Identifier: Apache-2.0
#include "host/host_secrets.h"

#include <inttypes.h>

#include "base/mem.h"
#include "host/local_connector.h"
#include "os/clock.h"
#include "secrets/files.h"
#include "secrets/pool.h"
#include "secrets/vault.h"

#define SEALED_PAUSE_NS 1000000000ull

typedef struct lane { // of one workload
    uint32_t *items;  // in the pool, one for each of its secrets
    uint64_t counted_ns;
    uint32_t count; // of reveals in the second since then
} lane;

typedef struct credentials { // of one link
    const host_link *link;   // may have become one without secrets
    size_t count;            // of the secrets that it was made with
    uint32_t *items;         // in the pool, one for each of them
    host_setting *settings;  // values in locked memory
    secret *values;
} credentials;

typedef struct opener { // a server's credential from the sealed store
    host_secrets *of;
    uint32_t item;
} opener;

struct host_secrets {
    host_secrets_options options;
    size_t workload_count;
    lane *lanes;
    credentials *links; // by number
    secret_pool *pool;
    uint32_t *backends; // numbers in the pool, by host_secret.backend
    opener *openers;    // one for each of config->secret_backends
    host_secrets_watcher watcher;
};

bool host_secrets_need_store(const host_config *c) {
    bool needs = false;
    for (size_t i = 0; i < c->secret_backend_count; i++) {
        needs = needs || c->secret_backends[i].settings.credential_key != NULL;
    }
    for (size_t i = 0; i < c->workload_count; i++) {
        const workload_config *w = &c->workloads[i];
        for (size_t k = 0; k < w->secret_count; k++) {
            needs = needs || w->secrets[k].backend == 0;
        }
        for (size_t k = 0; k < w->links.count; k++) {
            for (size_t n = 0; n < w->links.items[k].secret_count; n++) {
                needs = needs || w->links.items[k].secrets[n].backend == 0;
            }
        }
    }
    return needs;
}

// --- what happens to backends ------------------------------------------------------------------------------

static const char *name_of(const host_secrets *s, uint32_t number) {
    for (size_t i = 0; i < s->options.config->secret_backend_count; i++) {
        if (s->backends[i + 1] == number) {
            return s->options.config->secret_backends[i].name;
        }
    }
    return "the store";
}

static void on_lost(void *context, uint32_t number, const err *why) {
    const host_secrets *s = context;
    logger_event(s->options.logger, LOG_WARN, "secrets",
                 LOG_FIELDS(LOG_TEXT("backend", slice_from_text(name_of(s, number)))),
                 "secrets of %s cannot be looked at again, and stay as they were: %s", name_of(s, number),
                 why->message);
}

static void on_back(void *context, uint32_t number) {
    const host_secrets *s = context;
    logger_event(s->options.logger, LOG_INFO, "secrets",
                 LOG_FIELDS(LOG_TEXT("backend", slice_from_text(name_of(s, number)))),
                 "secrets of %s can be looked at again", name_of(s, number));
}

static bool has_item(const credentials *c, uint32_t item) {
    bool has = false;
    for (size_t i = 0; c->link != NULL && i < c->link->secret_count; i++) {
        has = has || c->items[i] == item;
    }
    return has;
}

static void on_changed(void *context, uint32_t item, bool is_there) {
    const host_secrets *s = context;
    for (uint32_t i = 0; is_there && s->watcher.renewed != NULL && i < s->options.link_count; i++) {
        if (has_item(&s->links[i], item)) {
            s->watcher.renewed(s->watcher.context, i);
        }
    }
}

// --- making the pool ---------------------------------------------------------------------------------------

static status open_credential(void *context, secret_value *ret, err *e) {
    const opener *o = context;
    const secret_value *found = secret_pool_get(o->of->pool, o->item);
    if (found == NULL) {
        (void)secret_pool_state(o->of->pool, o->item, e);
        return err_wrap(e, "its credential");
    }
    return secret_value_copy(found, ret, e);
}

static status make_connector(WRIT_UNUSED void *context, loop *l, connector **ret, err *e) {
    return local_connector_new(l, NULL, ret, e);
}

static status make_backend(host_secrets *s, size_t index, secret_backend **ret, err *e) {
    const host_secret_backend *b = &s->options.config->secret_backends[index];
    if (b->settings.kind == SECRET_BACKEND_KUBERNETES) {
        *ret = files_backend_new(b->settings.directory);
        return STATUS_OK;
    }
    opener *o = &s->openers[index];
    const vault_options v = {
        .settings = &b->settings,
        .connector_new = make_connector,
        .connector_free = local_connector_free,
        .credential = b->settings.credential_key == NULL ? NULL : open_credential,
        .context = o,
    };
    if (v.credential != NULL) {
        o->of = s;
        o->item = secret_pool_add(s->pool, s->backends[0], b->settings.credential_key,
                                  b->settings.credential_field, NULL);
    }
    return vault_backend_new(&v, ret, e);
}

static status make_backends(host_secrets *s, err *e) {
    const host_config *c = s->options.config;
    s->backends = mem_calloc(c->secret_backend_count + 1, sizeof *s->backends);
    s->openers = mem_calloc(c->secret_backend_count + 1, sizeof *s->openers);
    if (s->options.sealed != NULL) {
        s->backends[0] = secret_pool_add_backend(
            s->pool, &(secret_pool_backend){s->options.sealed, SEALED_PAUSE_NS, 0, false});
        s->options.sealed = NULL; // the pool's
    } else if (host_secrets_need_store(c)) {
        return err_set(e, STATUS_UNSUPPORTED, "secrets are named, and there is no store to take them from");
    }
    for (size_t i = 0; i < c->secret_backend_count; i++) {
        const secret_settings *from = &c->secret_backends[i].settings;
        secret_pool_backend b = {.pause_ns = from->pause_ns,
                                 .keep_ns = from->keep_ns,
                                 .comes_later = from->credential_key != NULL};
        if (make_backend(s, i, &b.backend, e) != STATUS_OK) {
            return err_wrap(e, "%s", c->secret_backends[i].name);
        }
        s->backends[i + 1] = secret_pool_add_backend(s->pool, &b);
    }
    return STATUS_OK;
}

static uint32_t add_item(host_secrets *s, const host_secret *wanted) {
    return secret_pool_add(s->pool, s->backends[wanted->backend], wanted->key, wanted->field,
                           wanted->version);
}

static void add_link(host_secrets *s, const host_link *l) {
    credentials *c = &s->links[l->number];
    c->link = l;
    c->count = l->secret_count;
    c->items = mem_calloc(l->secret_count + 1, sizeof *c->items);
    c->settings = mem_calloc(l->secret_count + 1, sizeof *c->settings);
    c->values = mem_calloc(l->secret_count + 1, sizeof *c->values);
    for (size_t i = 0; i < l->secret_count; i++) {
        c->items[i] = add_item(s, &l->secrets[i]);
    }
}

static status check_count(const host_secrets *s, err *e) {
    size_t count = s->options.config->secret_backend_count; // each may need one of the sealed store
    for (size_t i = 0; i < s->workload_count; i++) {
        const workload_config *w = &s->options.config->workloads[i];
        count += w->secret_count;
        for (size_t k = 0; k < w->links.count; k++) {
            count += w->links.items[k].secret_count;
        }
    }
    return count <= SECRET_POOL_ITEMS_MAX
               ? STATUS_OK
               : err_set(e, STATUS_LIMIT, "%zu secrets are named, and a host has at most %d", count,
                         SECRET_POOL_ITEMS_MAX);
}

static void add_items(host_secrets *s) {
    for (size_t i = 0; i < s->workload_count; i++) {
        const workload_config *w = &s->options.config->workloads[i];
        s->lanes[i].items = mem_calloc(w->secret_count + 1, sizeof *s->lanes[i].items);
        for (size_t k = 0; k < w->secret_count; k++) {
            s->lanes[i].items[k] = add_item(s, &w->secrets[k]);
        }
        for (size_t k = 0; k < w->links.count; k++) {
            if (w->links.items[k].secret_count > 0) {
                add_link(s, &w->links.items[k]);
            }
        }
    }
}

// --- what is missing ---------------------------------------------------------------------------------------

typedef struct verdict {
    size_t missing;
    err first; // of the failures that are worse than that, else the first
} verdict;

static void check_item(const host_secrets *s, uint32_t item, const host_missing_secret *what, verdict *v) {
    const host_observer *o = s->options.observer;
    err why = {0};
    host_missing_secret m = *what;
    m.code = secret_pool_state(s->pool, item, &why);
    if (m.code == STATUS_OK && what->link != NULL) {
        const secret_value *value = secret_pool_get(s->pool, item);
        bool is_text = value != NULL && value->kind == SECRET_TEXT &&
                       memchr(value->bytes.data, 0, value->bytes.len) == NULL;
        m.code = is_text ? STATUS_OK : err_set(&why, STATUS_INVALID, "a credential must be text without NUL");
    }
    if (m.code == STATUS_OK) {
        return;
    }
    m.why = why.message;
    if (v->missing == 0 || (v->first.code == STATUS_NOT_FOUND && m.code != STATUS_NOT_FOUND)) {
        v->first = why;
    }
    v->missing++;
    if (o != NULL && o->missing != NULL) {
        o->missing(o->context, &m);
    }
}

static void check_workload(const host_secrets *s, const workload_config *w, const lane *l, verdict *v) {
    for (size_t i = 0; i < w->secret_count; i++) {
        const host_missing_secret m = {
            .origin = w->secrets[i].origin, .workload = w->name, .name = w->secrets[i].name};
        check_item(s, l->items[i], &m, v);
    }
    for (size_t k = 0; k < w->links.count; k++) {
        const host_link *link = &w->links.items[k];
        for (size_t i = 0; i < link->secret_count; i++) {
            const host_missing_secret m = {.origin = link->secrets[i].origin,
                                           .workload = w->name,
                                           .link = link,
                                           .name = link->secrets[i].name};
            check_item(s, s->links[link->number].items[i], &m, v);
        }
    }
}

// A server that does not answer is a lack of this machine, for whoever reads the exit code.
static status code_of(status s) { return s == STATUS_CLOSED || s == STATUS_TIMEOUT ? STATUS_IO : s; }

static status check_all(const host_secrets *s, err *e) {
    verdict v = {0};
    for (size_t i = 0; i < s->workload_count; i++) {
        check_workload(s, &s->options.config->workloads[i], &s->lanes[i], &v);
    }
    if (v.missing == 0) {
        return STATUS_OK;
    }
    const char *how = v.first.code != STATUS_NOT_FOUND ? " cannot be had"
                      : v.missing == 1                 ? " is missing"
                                                       : " are missing";
    return err_set(e, code_of(v.first.code), "%zu secret%s%s; nothing runs: %s", v.missing,
                   v.missing == 1 ? "" : "s", how, v.first.message);
}

static status fetch_all(host_secrets *s, err *e) {
    TRY(check_count(s, e));
    TRY(make_backends(s, e));
    add_items(s);
    TRY(secret_pool_fetch(s->pool, e));
    return check_all(s, e);
}

status host_secrets_new(const host_secrets_options *o, host_secrets **ret, err *e) {
    if (!host_config_needs_secrets(o->config)) {
        secret_backend_free(o->sealed);
        *ret = NULL;
        return STATUS_OK;
    }
    host_secrets *s = MEM_NEW(host_secrets);
    const secret_pool_events events = {s, on_lost, on_back, on_changed};
    s->options = *o;
    s->workload_count = o->config->workload_count;
    s->lanes = mem_calloc(s->workload_count + 1, sizeof *s->lanes);
    s->links = mem_calloc(o->link_count + 1u, sizeof *s->links);
    s->pool = secret_pool_new(&events, NULL, NULL);
    status code = fetch_all(s, e);
    if (code != STATUS_OK) {
        host_secrets_free(s);
        return code;
    }
    *ret = s;
    return STATUS_OK;
}

static void free_link(credentials *c) {
    for (size_t i = 0; i < c->count; i++) {
        mem_free(c->settings[i].name);
        secret_free(&c->values[i]);
    }
    mem_free(c->items);
    mem_free(c->settings);
    mem_free(c->values);
}

void host_secrets_free(host_secrets *s) {
    if (s == NULL) {
        return;
    }
    secret_pool_free(s->pool);
    secret_backend_free(s->options.sealed);
    for (size_t i = 0; i < s->workload_count; i++) {
        mem_free(s->lanes[i].items);
    }
    for (size_t i = 0; i < s->options.link_count; i++) {
        free_link(&s->links[i]);
    }
    mem_free(s->lanes);
    mem_free(s->links);
    mem_free(s->backends);
    mem_free(s->openers);
    mem_free(s);
}

status host_secrets_watch(host_secrets *s, loop *l, const host_secrets_watcher *w, err *e) {
    if (s == NULL) {
        return STATUS_OK;
    }
    s->watcher = *w;
    return secret_pool_watch(s->pool, l, e);
}

void host_secrets_unwatch(host_secrets *s) {
    if (s != NULL) {
        secret_pool_unwatch(s->pool);
        s->watcher = (host_secrets_watcher){0};
    }
}

// --- revealing ---------------------------------------------------------------------------------------------

static const workload_config *workload_of(const host_secrets *s, uint32_t workload) {
    return s != NULL && workload < s->workload_count ? &s->options.config->workloads[workload] : NULL;
}

static bool find(const host_secrets *s, uint32_t workload, slice name, uint32_t *ret_item) {
    const workload_config *w = workload_of(s, workload);
    for (size_t i = 0; w != NULL && i < w->secret_count; i++) {
        if (slice_equal_text(name, w->secrets[i].name)) {
            *ret_item = s->lanes[workload].items[i];
            return true;
        }
    }
    return false;
}

bool host_secrets_knows(const host_secrets *s, uint32_t workload, slice name) {
    uint32_t item;
    return find(s, workload, name, &item);
}

// Each is a line of the audit log, whose disk a guest must not fill.
static status check_rate(lane *l, err *e) {
    uint64_t now = clock_now_ns();
    if (now - l->counted_ns >= 1000000000u) {
        l->counted_ns = now;
        l->count = 0;
    }
    if (l->count == HOST_REVEALS_PER_SECOND_MAX) {
        return err_set(e, STATUS_LIMIT,
                       "secrets are revealed %d times in a second already, which is the limit",
                       HOST_REVEALS_PER_SECOND_MAX);
    }
    l->count++;
    return STATUS_OK;
}

static void on_recorded(void *arg, status code, const err *why) {
    host_reveal *r = arg;
    r->from = NULL;
    if (code == STATUS_OK) {
        r->done(r->arg, STATUS_OK, NULL);
        return;
    }
    err e;
    secret_value_free(&r->value);
    r->value = (secret_value){0};
    (void)err_set(&e, STATUS_DENIED, "the audit log cannot record it: %s", why->message);
    r->done(r->arg, STATUS_DENIED, &e);
}

static status refuse(host_secrets *s, const workload_config *w, slice name, err *e) {
    host_audit_tell(s->watcher.audit, AUDIT_REFUSAL,
                    AUDIT_FIELDS(audit_text("workload", w->name), audit_text("what", "secret"),
                                 audit_slice("name", name), audit_text("why", "it has no such secret")));
    return err_set(e, STATUS_NOT_FOUND, "workload %s has no such secret", w->name);
}

status host_secrets_reveal(host_secrets *s, uint32_t workload, slice name, host_reveal *r, bool *ret_waits,
                           err *e) {
    const workload_config *w = workload_of(s, workload);
    uint32_t item;
    if (w == NULL) {
        return err_set(e, STATUS_NOT_FOUND, "workload %" PRIu32 " has no secrets", workload);
    }
    if (!find(s, workload, name, &item)) {
        return refuse(s, w, name, e);
    }
    TRY(check_rate(&s->lanes[workload], e));
    const secret_value *value = secret_pool_get(s->pool, item);
    if (value == NULL) {
        return err_set(e, STATUS_NOT_FOUND, "the secret is gone, or its time is over");
    }
    TRY(secret_value_copy(value, &r->value, e));
    status asked = host_audit_ask(s->watcher.audit, AUDIT_SECRET_REVEAL,
                                  AUDIT_FIELDS(audit_text("workload", w->name), audit_slice("name", name),
                                               audit_number("version", (int64_t)value->version)),
                                  on_recorded, r, &r->event, ret_waits, e);
    if (asked != STATUS_OK) {
        secret_value_free(&r->value);
        r->value = (secret_value){0};
        return asked;
    }
    r->from = *ret_waits ? s : NULL;
    return STATUS_OK;
}

void host_reveal_cancel(host_reveal *r) {
    if (r->from != NULL) {
        host_audit_forget(r->from->watcher.audit, r->event);
        r->from = NULL;
        secret_value_free(&r->value);
        r->value = (secret_value){0};
    }
}

// --- lending -----------------------------------------------------------------------------------------------

// As settings, which end with a NUL. One that is gone keeps the value that it had.
static void renew(host_secrets *s, credentials *c, size_t i) {
    const secret_value *value = secret_pool_get(s->pool, c->items[i]);
    secret kept = {0};
    if (value == NULL || memchr(value->bytes.data, 0, value->bytes.len) != NULL ||
        secret_new(value->bytes.len + 1, &kept, NULL) != STATUS_OK) {
        return;
    }
    memcpy(kept.data, value->bytes.data, value->bytes.len);
    secret_free(&c->values[i]);
    c->values[i] = kept;
    mem_free(c->settings[i].name);
    c->settings[i] = (host_setting){mem_text_dup(c->link->secrets[i].name), (char *)kept.data};
}

void host_secrets_lend(host_secrets *s, host_link *l) {
    if (s == NULL || l->number >= s->options.link_count || s->links[l->number].link == NULL) {
        return;
    }
    credentials *c = &s->links[l->number];
    for (size_t i = 0; i < c->link->secret_count; i++) {
        renew(s, c, i);
    }
    l->credentials = c->settings;
    l->credential_count = c->link->secret_count;
}
