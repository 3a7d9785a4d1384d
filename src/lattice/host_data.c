// SPDX-License-Identifier: Apache-2.0
#include "lattice/host_data.h"

#include <stdio.h>

#include "codec/base64.h"
#include "codec/json.h"

// --- values ------------------------------------------------------------------------------------------------

static status put_value(json_value *object, slice name, json_value *value, err *e) {
    char key[1024];
    if (name.len >= sizeof key || slice_find(name, 0, '\0') != SIZE_MAX) {
        json_free(value);
        return err_set(e, STATUS_INVALID, "a name in the configuration has %zu bytes or a NUL; at most %zu",
                       name.len, sizeof key - 1);
    }
    (void)snprintf(key, sizeof key, "%.*s", SLICE_ARG(name));
    json_put(object, key, value);
    return STATUS_OK;
}

static status make_values(const host_data_values *v, json_value **ret, err *e) {
    json_value *object = json_object_new();
    for (size_t i = 0; i < v->count; i++) {
        if (put_value(object, v->items[i].name, json_text(v->items[i].value), e) != STATUS_OK) {
            json_free(object);
            return STATUS_INVALID;
        }
    }
    *ret = object;
    return STATUS_OK;
}

static json_value *make_bytes(slice bytes) {
    json_value *array = json_array_new();
    for (size_t i = 0; i < bytes.len; i++) {
        json_push(array, json_integer_new(bytes.data[i]));
    }
    return array;
}

static json_value *make_texts(const slice *items, size_t count) {
    json_value *array = json_array_new();
    for (size_t i = 0; i < count; i++) {
        json_push(array, json_text(items[i]));
    }
    return array;
}

static json_value *make_secret(const host_data_secret *s) {
    json_value *object = json_object_new();
    json_put_text(object, "kind", slice_from_text(s->is_bytes ? "Bytes" : "String"));
    json_put(object, "value", s->is_bytes ? make_bytes(s->value) : json_text(s->value));
    return object;
}

static status make_secrets(const host_data_secrets *v, json_value **ret, err *e) {
    json_value *object = json_object_new();
    for (size_t i = 0; i < v->count; i++) {
        if (put_value(object, v->items[i].name, make_secret(&v->items[i]), e) != STATUS_OK) {
            json_free(object);
            return STATUS_INVALID;
        }
    }
    *ret = object;
    return STATUS_OK;
}

static void put_if_there(json_value *object, const char *key, slice text) {
    if (text.len > 0) {
        json_put_text(object, key, text);
    }
}

// Frees the value. What is written is wiped by who owns the buffer; the library's own memory when it is freed
// (process_wipe_freed).
static status write_out(json_value *v, buf *ret, err *e) {
    size_t before = ret->len;
    status s = json_write(v, 0, ret);
    json_free(v);
    if (s != STATUS_OK) {
        ret->len = before;
        return err_set(e, STATUS_LIMIT, "what a provider is told becomes longer than %zu bytes", ret->max);
    }
    return STATUS_OK;
}

// --- a link ------------------------------------------------------------------------------------------------

// null when there are none: an empty sealed map could not be told from a full one.
static status make_sealed(const host_data_secrets *secrets, const nkey *from, const nkey_public *to,
                          json_value **ret, err *e) {
    if (secrets->count == 0 || from == NULL) {
        *ret = json_null_new();
        return STATUS_OK;
    }
    json_value *plain = NULL;
    auto_buf text = {0};
    auto_buf sealed = {0};
    buf_init(&text, SECRET_BYTES_MAX);
    buf_init(&sealed, SECRET_BYTES_MAX + NKEY_SEAL_OVERHEAD_BYTES);
    TRY(make_secrets(secrets, &plain, e));
    status s = write_out(plain, &text, e);
    if (s == STATUS_OK) {
        s = nkey_seal(from, to, buf_slice(&text), &sealed, e);
    }
    secret_wipe(text.data, text.capacity);
    TRY(s);
    *ret = make_bytes(buf_slice(&sealed));
    return STATUS_OK;
}

static void put_link_names(json_value *o, const host_data_link *l) {
    json_put_text(o, "source_id", l->source_id);
    json_put_text(o, "target", l->target);
    json_put_text(o, "name", l->name);
    json_put_text(o, "wit_namespace", l->wit_namespace);
    json_put_text(o, "wit_package", l->wit_package);
    json_put(o, "interfaces", make_texts(l->interfaces, l->interface_count));
}

static status put_link_values(json_value *o, const host_data_link *l, const nkey *from, const nkey_public *to,
                              err *e) {
    json_value *v = NULL;
    TRY(make_values(&l->source_config, &v, e));
    json_put(o, "source_config", v);
    TRY(make_values(&l->target_config, &v, e));
    json_put(o, "target_config", v);
    TRY(make_sealed(&l->source_secrets, from, to, &v, e));
    json_put(o, "source_secrets", v);
    TRY(make_sealed(&l->target_secrets, from, to, &v, e));
    json_put(o, "target_secrets", v);
    return STATUS_OK;
}

static status make_link(const host_data_link *l, const nkey *from, const nkey_public *to, json_value **ret,
                        err *e) {
    json_value *o = json_object_new();
    put_link_names(o, l);
    status s = put_link_values(o, l, from, to, e);
    if (s != STATUS_OK) {
        json_free(o);
        return err_wrap(e, "link %.*s of %.*s", SLICE_ARG(l->name), SLICE_ARG(l->source_id));
    }
    *ret = o;
    return STATUS_OK;
}

status host_data_write_link(const host_data_link *l, const nkey *host_xkey, const nkey_public *provider_xkey,
                            buf *ret, err *e) {
    json_value *v = NULL;
    TRY(make_link(l, host_xkey, provider_xkey, &v, e));
    return write_out(v, ret, e);
}

status host_data_write_link_end(const host_data_link *l, buf *ret, err *e) {
    host_data_link bare = *l;
    bare.source_config = bare.target_config = (host_data_values){NULL, 0};
    return host_data_write_link(&bare, NULL, NULL, ret, e);
}

status host_data_write_values(const host_data_values *v, buf *ret, err *e) {
    json_value *object = NULL;
    TRY(make_values(v, &object, e));
    return write_out(object, ret, e);
}

// --- all of it ---------------------------------------------------------------------------------------------

static void put_switch(json_value *o, const char *key, const bool *value) {
    if (value != NULL) {
        json_put_bool(o, key, *value);
    }
}

static slice text_or(slice text, const char *otherwise) {
    return text.len > 0 ? text : slice_from_text(otherwise);
}

static json_value *make_otel(const host_data_otel *t) {
    json_value *o = json_object_new();
    json_put_bool(o, "enable_observability", t->is_enabled);
    put_switch(o, "enable_traces", t->traces);
    put_switch(o, "enable_metrics", t->metrics);
    put_switch(o, "enable_logs", t->logs);
    put_if_there(o, "observability_endpoint", t->endpoint);
    put_if_there(o, "traces_endpoint", t->traces_endpoint);
    put_if_there(o, "metrics_endpoint", t->metrics_endpoint);
    put_if_there(o, "logs_endpoint", t->logs_endpoint);
    json_put_text(o, "protocol", slice_from_text(t->is_grpc ? "Grpc" : "Http"));
    json_put(o, "additional_ca_paths", make_texts(t->ca_paths, t->ca_path_count));
    json_put_text(o, "trace_level", text_or(t->trace_level, "info"));
    return o;
}

static status put_links(json_value *o, const host_data *d, err *e) {
    const nkey_public to = nkey_public_of(d->provider_xkey);
    json_value *links = json_array_new();
    for (size_t i = 0; i < d->link_count; i++) {
        json_value *link = NULL;
        if (make_link(&d->links[i], d->host_xkey, &to, &link, e) != STATUS_OK) {
            json_free(links);
            return e == NULL ? STATUS_INVALID : e->code;
        }
        json_push(links, link);
    }
    json_put(o, "link_definitions", links);
    return STATUS_OK;
}

static status put_keys(json_value *o, const host_data *d, err *e) {
    const nkey_public host = nkey_public_of(d->host_xkey);
    auto_secret seed = {0};
    TRY(nkey_seed_text(d->provider_xkey, &seed, e));
    json_put_text(o, "host_xkey_public_key", slice_from_text(nkey_public_text(&host).text));
    json_put_text(o, "provider_xkey_private_key", secret_slice(&seed));
    return STATUS_OK;
}

static status put_all(json_value *o, const host_data *d, err *e) {
    json_value *v = NULL;
    json_put_text(o, "host_id", d->host_id);
    json_put_text(o, "lattice_rpc_prefix", d->lattice);
    json_put_text(o, "link_name", slice_from_text("default"));
    json_put_text(o, "lattice_rpc_user_jwt", d->jwt);
    json_put_text(o, "lattice_rpc_user_seed", d->seed);
    json_put_text(o, "lattice_rpc_url", d->url);
    json_put_text(o, "provider_key", d->provider_id);
    json_put(o, "env_values", json_object_new());
    json_put_text(o, "instance_id", d->instance_id);
    TRY(put_links(o, d, e));
    json_put(o, "cluster_issuers", json_array_new());
    TRY(make_values(&d->config, &v, e));
    json_put(o, "config", v);
    TRY(make_secrets(&d->secrets, &v, e));
    json_put(o, "secrets", v);
    TRY(put_keys(o, d, e));
    json_put_integer(o, "default_rpc_timeout_ms", (int64_t)d->rpc_timeout_ms);
    json_put_bool(o, "structured_logging", d->structured_logging);
    json_put_text(o, "log_level", text_or(d->log_level, "info"));
    json_put(o, "otel_config", make_otel(&d->otel));
    return STATUS_OK;
}

status host_data_write(const host_data *d, buf *ret, err *e) {
    json_value *o = json_object_new();
    err why = {0};
    if (put_all(o, d, &why) != STATUS_OK) {
        json_free(o);
        return err_set(e, why.code, "what provider %.*s is told: %s", SLICE_ARG(d->provider_id), why.message);
    }
    return write_out(o, ret, e);
}

status host_data_write_line(const host_data *d, buf *ret, err *e) {
    auto_buf text = {0};
    size_t before = ret->len;
    buf_init(&text, HOST_DATA_BYTES_MAX);
    status s = host_data_write(d, &text, e);
    if (s == STATUS_OK && (base64_encode(BASE64_STANDARD, buf_slice(&text), ret) != STATUS_OK ||
                           buf_append_text(ret, "\r\n") != STATUS_OK)) {
        ret->len = before;
        s = err_set(e, STATUS_LIMIT, "what provider %.*s is told becomes longer than %zu bytes",
                    SLICE_ARG(d->provider_id), ret->max);
    }
    secret_wipe(text.data, text.capacity);
    return s;
}
