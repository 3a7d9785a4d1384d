// SPDX-License-Identifier: Apache-2.0
#include "api/component_facts.h"

#include <unistd.h>

#include "base/mem.h"
#include "codec/json.h"
#include "host/compile.h"
#include "host/examination.h"
#include "host/workload.h"
#include "os/clock.h"
#include "os/memory_file.h"

// --- finding -----------------------------------------------------------------------------------------------

static json_value *texts_json(token_texts list) {
    json_value *a = json_array_new();
    for (size_t i = 0; i < list.count; i++) {
        json_push(a, json_text(list.at[i]));
    }
    return a;
}

static json_value *claims_json(const token_claims *c) {
    json_value *o = json_object_new();
    nkey_text issuer = nkey_public_text(&c->issuer), subject = nkey_public_text(&c->subject);
    json_put_text(o, "issuer", slice_from_text(issuer.text));
    json_put_text(o, "subject", slice_from_text(subject.text));
    json_put_text(o, "name", c->name);
    json_put_text(o, "version", c->version);
    json_put_text(o, "alias", c->call_alias);
    json_put(o, "tags", texts_json(c->tags));
    json_put_integer(o, "revision", c->has_revision ? c->revision : 0);
    json_put_integer(o, "expires", c->has_expiry ? (int64_t)c->expires_at_s : -1);
    json_put_integer(o, "begins", c->has_not_before ? (int64_t)c->not_before_s : -1);
    return o;
}

static json_value *functions_json(const component_item *interface) {
    json_value *a = json_array_new();
    for (size_t i = 0; i < interface->item_count; i++) {
        if (interface->items[i].kind == COMPONENT_FUNC) {
            json_push(a, json_text(interface->items[i].name));
        }
    }
    return a;
}

static json_value *exports_json(const component *c) {
    json_value *o = json_object_new(), *alone = json_array_new();
    for (size_t i = 0; i < component_export_count(c); i++) {
        const component_item *item = component_export_at(c, i);
        char *name = mem_slice_dup(item->name);
        if (item->kind == COMPONENT_INSTANCE) {
            json_put(o, name, functions_json(item));
        } else if (item->kind == COMPONENT_FUNC) {
            json_push(alone, json_text(item->name));
        }
        mem_free(name);
    }
    json_put(o, "", alone);
    return o;
}

static status compile(const host_config *c, const examination *x, logger *l, err *e) {
    artifacts made = {0};
    compile_job job = {.config = c,
                       .component = x->component,
                       .component_fd = -1,
                       .logger = l,
                       .options = compile_engine_options(c, false)};
    job.options.level = engine_level_choose(&job.options);
    TRY(memory_file_from_bytes("writ-component", buf_slice(&x->bytes), &job.component_fd, e));
    status s = compile_modules(&job, &made, e);
    artifacts_done(&made);
    (void)close(job.component_fd);
    return s;
}

static status examine(const host_config *c, const examination *x, logger *l, err *e) {
    const err *const found[] = {&x->unreadable, &x->not_believed, &x->not_granted};
    workload_kind kind;
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++) {
        if (found[i]->code != STATUS_OK) {
            *e = *found[i];
            return e->code;
        }
    }
    TRY(workload_kind_of(x->component, x->workload, false, &kind, e));
    return compile(c, x, l, e);
}

static bool has_http_limits(const examination *x) {
    const grant_decision *d =
        examination_import(x, slice_from_text("wasi:http/outgoing-handler"), slice_empty());
    return d != NULL && d->limits[0] != '\0';
}

static json_value *facts_json(const host_config *c, uint32_t number, logger *l) {
    json_value *o = json_object_new();
    examination x;
    err e;
    examination_make(c, number, clock_wall_now().seconds, &x);
    json_put_text(o, "name", slice_from_text(c->workloads[number].name));
    if (examine(c, &x, l, &e) != STATUS_OK) {
        json_put_text(o, "failure", slice_from_text(e.message));
    } else {
        json_put(o, "exports", exports_json(x.component));
        json_put_bool(o, "http-limits", has_http_limits(&x));
        if (vetting_is_signed(&x.vetting)) {
            json_put(o, "claims", claims_json(vetting_claims(&x.vetting)));
        }
    }
    examination_done(&x);
    return o;
}

status component_facts_find(const host_config *c, buf *ret, err *e) {
    logger *l;
    const logger_options o = {.workload = SLICE_LITERAL("host"), .is_json = c->is_json, .fd = STDERR_FILENO};
    TRY(logger_new(&o, &l, e));
    json_value *list = json_array_new();
    for (uint32_t i = 0; i < c->workload_count; i++) {
        json_push(list, facts_json(c, i, l));
    }
    logger_free(l);
    status s = json_write(list, 0, ret);
    json_free(list);
    return s == STATUS_OK ? s : err_set(e, STATUS_LIMIT, "the components export too much");
}

// --- reading -----------------------------------------------------------------------------------------------

typedef struct facts_reader {
    arena *memory;
    bool has_failed;
} facts_reader;

static slice read_text(facts_reader *r, const json_value *v) {
    slice text = slice_empty();
    if (json_as_text(v, &text) && text.len > 0) {
        text = arena_copy(r->memory, text);
        r->has_failed = r->has_failed || text.data == NULL;
    }
    return text;
}

static nkey_public read_key(facts_reader *r, const json_value *v) {
    nkey_public key = {0};
    slice text = slice_empty();
    (void)json_as_text(v, &text);
    r->has_failed = r->has_failed || nkey_public_parse(text, &key, NULL) != STATUS_OK;
    return key;
}

static int64_t read_integer(const json_value *v) {
    int64_t n = -1;
    (void)json_as_integer(v, &n);
    return n;
}

static token_texts read_texts(facts_reader *r, const json_value *v) {
    size_t count = json_count(v);
    slice *list = ARENA_ARRAY(r->memory, slice, count + 1);
    if (list == NULL) {
        r->has_failed = true;
        return (token_texts){0};
    }
    for (size_t i = 0; i < count; i++) {
        list[i] = read_text(r, json_at(v, i));
    }
    return (token_texts){count, list};
}

static void read_claims(facts_reader *r, const json_value *v, token_claims *ret) {
    int64_t expires = read_integer(json_get(v, "expires")), begins = read_integer(json_get(v, "begins"));
    *ret = (token_claims){.kind = TOKEN_COMPONENT,
                          .issuer = read_key(r, json_get(v, "issuer")),
                          .subject = read_key(r, json_get(v, "subject")),
                          .name = read_text(r, json_get(v, "name")),
                          .version = read_text(r, json_get(v, "version")),
                          .call_alias = read_text(r, json_get(v, "alias")),
                          .tags = read_texts(r, json_get(v, "tags")),
                          .has_revision = true,
                          .revision = (int32_t)read_integer(json_get(v, "revision")),
                          .has_expiry = expires >= 0,
                          .expires_at_s = expires >= 0 ? (uint64_t)expires : 0,
                          .has_not_before = begins >= 0,
                          .not_before_s = begins >= 0 ? (uint64_t)begins : 0};
}

static size_t count_exports(const json_value *v) {
    size_t count = 0;
    void *at = NULL;
    slice key;
    const json_value *functions;
    while (json_next_member(v, &at, &key, &functions)) {
        count += json_count(functions);
    }
    return count < COMPONENT_FACTS_EXPORTS_MAX ? count : COMPONENT_FACTS_EXPORTS_MAX;
}

static void read_exports(facts_reader *r, const json_value *v, component_facts *ret) {
    size_t room = count_exports(v);
    component_export *list = ARENA_ARRAY(r->memory, component_export, room + 1);
    void *at = NULL;
    slice key;
    const json_value *functions;
    r->has_failed = r->has_failed || list == NULL;
    while (!r->has_failed && json_next_member(v, &at, &key, &functions)) {
        slice interface = key.len == 0 ? key : arena_copy(r->memory, key);
        for (size_t i = 0; i < json_count(functions); i++) {
            if (ret->export_count < room) {
                list[ret->export_count++] =
                    (component_export){interface, read_text(r, json_at(functions, i))};
            }
        }
    }
    ret->exports = list;
}

static void read_facts(facts_reader *r, const json_value *v, component_facts *ret) {
    const json_value *claims = json_get(v, "claims");
    *ret = (component_facts){.name = read_text(r, json_get(v, "name")),
                             .failure = read_text(r, json_get(v, "failure")),
                             .has_claims = json_is_object(claims)};
    if (ret->has_claims) {
        read_claims(r, claims, &ret->claims);
    }
    if (ret->failure.len == 0) {
        read_exports(r, json_get(v, "exports"), ret);
        (void)json_as_bool(json_get(v, "http-limits"), &ret->has_http_limits);
    }
}

status component_facts_read(slice text, arena *memory, component_facts **ret, size_t *ret_count, err *e) {
    json_value *v = NULL;
    facts_reader r = {.memory = memory};
    TRY(json_parse(text, &v, e));
    size_t count = json_count(v);
    component_facts *list = ARENA_ARRAY(memory, component_facts, count + 1);
    r.has_failed = list == NULL;
    for (size_t i = 0; i < count && !r.has_failed; i++) {
        read_facts(&r, json_at(v, i), &list[i]);
    }
    json_free(v);
    if (r.has_failed) {
        return err_set(e, STATUS_LIMIT, "what was found out about components is too long, or malformed");
    }
    *ret = list;
    *ret_count = count;
    return STATUS_OK;
}
