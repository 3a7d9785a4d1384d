// SPDX-License-Identifier: Apache-2.0
#include "host/host_secrets.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "os/clock.h"

#define REFRESH_PAUSE_NS 1000000000ull

typedef struct lane { // of one workload
    secret_grants *grants;
    uint64_t fetched_ns; // from what was read then
    uint64_t counted_ns;
    uint32_t count; // of reveals in the second since then
} lane;

typedef struct credentials { // of one link
    host_setting *settings;  // values in locked memory
    secret *values;
    size_t count;
} credentials;

struct host_secrets {
    host_secrets_options options;
    size_t workload_count;
    lane *lanes;
    credentials *links; // by number
    uint64_t read_ns;   // when the source was last asked for changes
};

static const host_secret_source *source_of(const host_secrets *s) {
    return s->options.observer != NULL ? s->options.observer->secrets : NULL;
}

static uint64_t now_s(void) { return clock_wall_now().seconds; }

// --- fetching ----------------------------------------------------------------------------------------------

typedef struct missing { // of all workloads and links
    buf text;
    size_t count;
} missing;

// Keeps what is missing and goes on; any other failure is one.
static status collect(missing *m, status s, err *e) {
    if (s != STATUS_NOT_FOUND) {
        return s;
    }
    m->count++;
    WRIT_UNUSED status full =
        buf_append_format(&m->text, "%s%s", m->text.len > 0 ? "\n" : "", e != NULL ? e->message : "");
    return STATUS_OK;
}

static status fetch_grants(host_secrets *s, uint32_t number, err *e) {
    const workload_config *w = &s->options.config->workloads[number];
    secret_grant *list = mem_calloc(w->secret_count + 1, sizeof *list);
    for (size_t i = 0; i < w->secret_count; i++) {
        const host_secret *from = &w->secrets[i];
        list[i] = (secret_grant){from->name, from->key, from->field, from->version};
    }
    status code = secret_grants_new(&source_of(s)->source, w->name, list, w->secret_count, now_s(),
                                    &s->lanes[number].grants, e);
    mem_free(list);
    return code;
}

// Credentials are settings, which are text that ends with a NUL.
static status keep_credential(credentials *c, const char *name, const secret_value *value, err *e) {
    slice bytes = secret_slice(&value->bytes);
    if (value->kind != SECRET_TEXT || memchr(bytes.data, 0, bytes.len) != NULL) {
        return err_set(e, STATUS_INVALID, "a credential must be text");
    }
    secret *kept = &c->values[c->count];
    TRY(secret_new(bytes.len + 1, kept, e));
    memcpy(kept->data, bytes.data, bytes.len);
    c->settings[c->count] = (host_setting){.name = mem_text_dup(name), .value = (char *)kept->data};
    c->count++;
    return STATUS_OK;
}

static status fetch_credential(host_secrets *s, credentials *c, const host_secret *wanted, err *e) {
    secret_value value = {0};
    const secret_source *source = &source_of(s)->source;
    TRY(source->get(source->context, wanted->key, wanted->field, wanted->version, now_s(), &value, e));
    status code = keep_credential(c, wanted->name, &value, e);
    secret_value_free(&value);
    return code;
}

static status fetch_credentials(host_secrets *s, const workload_config *w, const host_link *l, missing *m,
                                err *e) {
    credentials *c = &s->links[l->number];
    c->settings = mem_calloc(l->secret_count + 1, sizeof *c->settings);
    c->values = mem_calloc(l->secret_count + 1, sizeof *c->values);
    for (size_t i = 0; i < l->secret_count; i++) {
        err why = {0};
        status code = fetch_credential(s, c, &l->secrets[i], &why);
        if (code != STATUS_OK) {
            code = err_set(e, code, "workload %s, link \"%s\" to %s, %s: %s", w->name, l->name, l->target,
                           l->secrets[i].name, why.message);
        }
        TRY(collect(m, code, e));
    }
    return STATUS_OK;
}

static status fetch_workload(host_secrets *s, uint32_t number, missing *m, err *e) {
    const workload_config *w = &s->options.config->workloads[number];
    if (w->secret_count > 0) {
        TRY(collect(m, fetch_grants(s, number, e), e));
    }
    for (size_t i = 0; i < w->links.count; i++) {
        if (w->links.items[i].secret_count > 0) {
            TRY(fetch_credentials(s, w, &w->links.items[i], m, e));
        }
    }
    return STATUS_OK;
}

static status fetch_all(host_secrets *s, err *e) {
    missing m = {0};
    err own = {0};
    status code = STATUS_OK;
    buf_init(&m.text, ERR_MESSAGE_BYTES_MAX - 64);
    for (uint32_t i = 0; i < s->workload_count && code == STATUS_OK; i++) {
        code = fetch_workload(s, i, &m, &own);
    }
    if (code != STATUS_OK) {
        code = err_set(e, code, "%s", own.message);
    } else if (m.count > 0) {
        code = err_set(e, STATUS_NOT_FOUND, "%.*s", SLICE_ARG(buf_slice(&m.text)));
    }
    buf_done(&m.text);
    return code;
}

status host_secrets_new(const host_secrets_options *o, host_secrets **ret, err *e) {
    if (!host_config_needs_secrets(o->config)) {
        *ret = NULL;
        return STATUS_OK;
    }
    if (o->observer == NULL || o->observer->secrets == NULL) {
        return err_set(e, STATUS_UNSUPPORTED, "secrets are named, and there is no store to take them from");
    }
    host_secrets *s = MEM_NEW(host_secrets);
    s->options = *o;
    s->workload_count = o->config->workload_count;
    s->lanes = mem_calloc(s->workload_count + 1, sizeof *s->lanes);
    s->links = mem_calloc(o->link_count + 1u, sizeof *s->links);
    status code = fetch_all(s, e);
    if (code != STATUS_OK) {
        host_secrets_free(s);
        return code;
    }
    *ret = s;
    return STATUS_OK;
}

void host_secrets_free(host_secrets *s) {
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->workload_count; i++) {
        secret_grants_free(s->lanes[i].grants);
    }
    for (size_t i = 0; i < s->options.link_count; i++) {
        for (size_t k = 0; k < s->links[i].count; k++) {
            mem_free(s->links[i].settings[k].name);
            secret_free(&s->links[i].values[k]);
        }
        mem_free(s->links[i].settings);
        mem_free(s->links[i].values);
    }
    mem_free(s->lanes);
    mem_free(s->links);
    mem_free(s);
}

// --- revealing ---------------------------------------------------------------------------------------------

static secret_grants *grants_of(const host_secrets *s, uint32_t workload) {
    return s != NULL && workload < s->workload_count ? s->lanes[workload].grants : NULL;
}

bool host_secrets_knows(const host_secrets *s, uint32_t workload, slice name) {
    const secret_grants *g = grants_of(s, workload);
    for (size_t i = 0; g != NULL && i < secret_grants_count(g); i++) {
        if (slice_equal_text(name, secret_grants_name(g, i))) {
            return true;
        }
    }
    return false;
}

static void complain(const host_secrets *s, const err *e) {
    logger_event(s->options.logger, LOG_WARN, "secrets", NULL, 0, "secrets are not as they should be: %s",
                 e->message);
}

// Reading may take a while, and whoever asks is served by the loop of all workloads.
static void read_source(host_secrets *s) {
    const host_secret_source *source = source_of(s);
    uint64_t now = clock_now_ns();
    bool is_new;
    err e = {0};
    if (now - s->read_ns < REFRESH_PAUSE_NS) {
        return;
    }
    s->read_ns = now;
    if (source->refresh != NULL && source->refresh(source->context, &is_new, &e) != STATUS_OK) {
        complain(s, &e);
    }
}

// A version may end although nothing has changed, or could be read. What cannot be fetched now stays as it
// was, and what is gone is not revealed: secret_grants sees to both.
static void refresh(host_secrets *s, uint32_t workload) {
    lane *l = &s->lanes[workload];
    size_t changed;
    err e = {0};
    read_source(s);
    if (l->fetched_ns == s->read_ns) {
        return;
    }
    l->fetched_ns = s->read_ns;
    if (secret_grants_refresh(l->grants, &source_of(s)->source, now_s(), &changed, &e) != STATUS_OK) {
        complain(s, &e);
    }
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

typedef struct record { // of one reveal
    const host_observer *observer;
    status code;
    err e;
} record;

static void on_revealed(void *context, const secret_revealed *what) {
    record *r = context;
    if (r->observer->revealed != NULL) {
        r->code = r->observer->revealed(r->observer->context, what, &r->e);
    }
}

status host_secrets_reveal(host_secrets *s, uint32_t workload, slice name, secret_value *ret, err *e) {
    secret_grants *g = grants_of(s, workload);
    if (g == NULL) {
        return err_set(e, STATUS_NOT_FOUND, "workload %" PRIu32 " has no secrets", workload);
    }
    if (host_secrets_knows(s, workload, name)) { // else nobody asks twice
        TRY(check_rate(&s->lanes[workload], e));
    }
    refresh(s, workload);
    record r = {.observer = s->options.observer};
    const secret_audit audit = {&r, on_revealed};
    secret_value value = {0};
    TRY(secret_grants_reveal(g, name, &audit, &value, e));
    if (r.code != STATUS_OK) {
        secret_value_free(&value);
        return err_set(e, STATUS_DENIED, "the audit log cannot record it: %s", r.e.message);
    }
    *ret = value;
    return STATUS_OK;
}

// --- lending -----------------------------------------------------------------------------------------------

void host_secrets_lend(const host_secrets *s, host_link *l) {
    if (s != NULL && l->number < s->options.link_count && s->links[l->number].count > 0) {
        l->credentials = s->links[l->number].settings;
        l->credential_count = s->links[l->number].count;
    }
}
