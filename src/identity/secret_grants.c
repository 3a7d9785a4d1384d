// SPDX-License-Identifier: Apache-2.0
#include "identity/secret_grants.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

typedef struct granted {
    char *name;
    char *key;
    char *field;   // NULL = the only one
    char *version; // NULL = the newest
    bool is_there;
    secret_value value;
} granted;

struct secret_grants {
    char *workload;
    size_t count;
    granted *items;
};

static char *dup_or_null(const char *text) { return text == NULL ? NULL : mem_text_dup(text); }

static status check_list(const char *workload, const secret_grant *grants, size_t count, err *e) {
    if (count > SECRET_GRANTS_MAX) {
        return err_set(e, STATUS_LIMIT, "workload %s: %zu secrets, and %d is the most", workload, count,
                       SECRET_GRANTS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(grants[i].name);
        if (len == 0 || len > SECRET_GRANT_NAME_BYTES_MAX) {
            return err_set(e, STATUS_INVALID, "workload %s: the name of a secret has 1 to %d bytes", workload,
                           SECRET_GRANT_NAME_BYTES_MAX);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(grants[i].name, grants[k].name) == 0) {
                return err_set(e, STATUS_INVALID, "workload %s: two secrets are called %s", workload,
                               grants[i].name);
            }
        }
    }
    return STATUS_OK;
}

static bool same_value(const secret_value *a, const secret_value *b) {
    return a->kind == b->kind && slice_equal(secret_slice(&a->bytes), secret_slice(&b->bytes));
}

// One of them anew. `missing` takes a line about what is not found.
static status fetch(granted *g, const secret_source *source, uint64_t now_s, buf *missing,
                    size_t *ret_changed, err *e) {
    secret_value value = {0};
    status s = source->get(source->context, g->key, g->field, g->version, now_s, &value, e);
    if (s == STATUS_NOT_FOUND) {
        char message[ERR_MESSAGE_BYTES_MAX];
        memcpy(message, e->message, sizeof message);
        WRIT_UNUSED status full = buf_append_format(missing, "\n  %s: %s", g->name, message);
        secret_value_free(&g->value);
        g->is_there = false;
        return STATUS_OK;
    }
    if (s != STATUS_OK) {
        return err_wrap(e, "the secret %s", g->name);
    }
    *ret_changed += !g->is_there || !same_value(&value, &g->value);
    secret_value_free(&g->value);
    g->value = value;
    g->is_there = true;
    return STATUS_OK;
}

static status fetch_all(secret_grants *g, const secret_source *source, uint64_t now_s, size_t *ret_changed,
                        err *e) {
    auto_buf missing;
    err own = {0}, first = {0};
    size_t gone = 0, changed = 0;
    buf_init(&missing, ERR_MESSAGE_BYTES_MAX - 128);
    for (size_t i = 0; i < g->count; i++) {
        if (fetch(&g->items[i], source, now_s, &missing, &changed, &own) != STATUS_OK &&
            first.code == STATUS_OK) {
            first = own;
        }
        gone += !g->items[i].is_there;
    }
    *ret_changed = changed;
    if (first.code != STATUS_OK) {
        return err_set(e, first.code, "workload %s: %s", g->workload, first.message);
    }
    if (gone > 0) {
        return err_set(e, STATUS_NOT_FOUND, "workload %s: %zu secret%s missing%.*s", g->workload, gone,
                       gone == 1 ? " is" : "s are", SLICE_ARG(buf_slice(&missing)));
    }
    return STATUS_OK;
}

status secret_grants_new(const secret_source *source, const char *workload, const secret_grant *grants,
                         size_t count, uint64_t now_s, secret_grants **ret, err *e) {
    size_t ignored;
    TRY(check_list(workload, grants, count, e));
    secret_grants *g = MEM_NEW(secret_grants);
    g->workload = mem_text_dup(workload);
    g->count = count;
    g->items = mem_calloc(count, sizeof *g->items);
    for (size_t i = 0; i < count; i++) {
        g->items[i] = (granted){.name = mem_text_dup(grants[i].name),
                                .key = mem_text_dup(grants[i].key),
                                .field = dup_or_null(grants[i].field),
                                .version = dup_or_null(grants[i].version)};
    }
    status s = fetch_all(g, source, now_s, &ignored, e);
    if (s != STATUS_OK) {
        secret_grants_free(g);
        return s;
    }
    *ret = g;
    return STATUS_OK;
}

void secret_grants_free(secret_grants *g) {
    if (g == NULL) {
        return;
    }
    for (size_t i = 0; i < g->count; i++) {
        secret_value_free(&g->items[i].value);
        mem_free(g->items[i].name);
        mem_free(g->items[i].key);
        mem_free(g->items[i].field);
        mem_free(g->items[i].version);
    }
    mem_free(g->items);
    mem_free(g->workload);
    mem_free(g);
}

status secret_grants_refresh(secret_grants *g, const secret_source *source, uint64_t now_s,
                             size_t *ret_changed, err *e) {
    return fetch_all(g, source, now_s, ret_changed, e);
}

size_t secret_grants_count(const secret_grants *g) { return g->count; }
const char *secret_grants_name(const secret_grants *g, size_t index) { return g->items[index].name; }

static const granted *find(const secret_grants *g, slice name) {
    for (size_t i = 0; i < g->count; i++) {
        if (g->items[i].is_there && slice_equal_text(name, g->items[i].name)) {
            return &g->items[i];
        }
    }
    return NULL;
}

status secret_grants_reveal(const secret_grants *g, slice name, const secret_audit *audit, secret_value *ret,
                            err *e) {
    const granted *found = find(g, name);
    const secret_revealed what = {slice_from_text(g->workload), name, found != NULL,
                                  found != NULL ? found->value.version : 0};
    secret_value copy = {0};
    if (audit != NULL && audit->revealed != NULL) {
        audit->revealed(audit->context, &what);
    }
    if (found == NULL) {
        return err_set(e, STATUS_NOT_FOUND, "workload %s has no such secret", g->workload);
    }
    TRY(secret_new(found->value.bytes.len, &copy.bytes, e));
    memcpy(copy.bytes.data, found->value.bytes.data, copy.bytes.len);
    copy.kind = found->value.kind;
    copy.version = found->value.version;
    *ret = copy;
    return STATUS_OK;
}
