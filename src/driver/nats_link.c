// SPDX-License-Identifier: Apache-2.0
#include "driver/nats_link.h"

#include <stdio.h>

#include "base/mem.h"
#include "os/random.h"

static const uint64_t ms = 1000000;

// --- settings ----------------------------------------------------------------------------------------------

static status read_servers(const driver_values *v, nats_server *ret, size_t *ret_count, err *e) {
    slice list = SLICE_LITERAL("nats://127.0.0.1:4222");
    if (driver_values_text(v, "url", &list) != STATUS_OK &&
        driver_values_text(v, "cluster_uris", &list) != STATUS_OK) {
        (void)!driver_values_text(v, "cluster_uri", &list);
    }
    size_t count = 0;
    for (size_t at = 0; at <= list.len;) {
        size_t end = at;
        while (end < list.len && list.data[end] != ',' && list.data[end] != ';') {
            end++;
        }
        if (count == NATS_LINK_SERVERS_MAX) {
            return err_set(e, STATUS_LIMIT, "the setting url names at most %d servers",
                           NATS_LINK_SERVERS_MAX);
        }
        if (nats_server_parse(slice_trimmed(slice_sub(list, at, end)), &ret[count++], e) != STATUS_OK) {
            return err_wrap(e, "the setting url");
        }
        at = end + 1;
    }
    *ret_count = count;
    return STATUS_OK;
}

static slice value_of(const driver_values *v, const char *name) {
    slice text = slice_empty();
    (void)!driver_values_text(v, name, &text);
    return text;
}

static status make_tls(nats_link *k, const driver_environment *env, const driver_link_options *o, err *e) {
    bool is_on = false;
    for (size_t i = 0; i < k->server_count; i++) {
        is_on = is_on || k->servers[i].is_secure;
    }
    TRY(driver_values_bool(&o->settings, "tls", &is_on, e));
    TRY(driver_values_bool(&o->settings, "tls-first", &k->tls_first, e));
    if (k->tls_first && !is_on) {
        return err_set(e, STATUS_INVALID, "the setting tls-first is for TLS, which is off: set tls=true");
    }
    return driver_tls_make(env, o, is_on, &k->tls, e);
}

status nats_link_storage(const driver_values *settings, uint64_t *ret_replicas, bool *ret_in_memory, err *e) {
    slice storage = SLICE_LITERAL("file");
    *ret_replicas = 1;
    TRY(driver_values_number(settings, "replicas", 1, 5, ret_replicas, e));
    (void)!driver_values_text(settings, "storage", &storage);
    *ret_in_memory = slice_equal_text(storage, "memory");
    return *ret_in_memory || slice_equal_text(storage, "file")
               ? STATUS_OK
               : err_set(e, STATUS_INVALID, "the setting storage is file or memory");
}

static status read_settings(nats_link *k, const driver_environment *env, const driver_link_options *o,
                            err *e) {
    uint64_t time_ms = 10000;
    slice user = value_of(&o->settings, "user");
    if (user.len >= sizeof k->user) {
        return err_set(e, STATUS_INVALID, "the setting user has at most %zu bytes", sizeof k->user - 1);
    }
    snprintf(k->user, sizeof k->user, "%.*s", SLICE_ARG(user));
    TRY(driver_values_number(&o->settings, "timeout-ms", 10, 3600000, &time_ms, e));
    k->time_ns_max = time_ms * ms;
    TRY(read_servers(&o->settings, k->servers, &k->server_count, e));
    return make_tls(k, env, o, e);
}

status nats_link_init(nats_link *k, const driver_environment *env, const driver_link_options *options,
                      err *e) {
    if (env->connector == NULL) {
        return err_set(e, STATUS_UNSUPPORTED, "this host makes no connections for drivers");
    }
    *k = (nats_link){.l = env->l, .connector = env->connector, .options = *options, .random = env->random};
    k->options.settings = (driver_values){0};
    driver_link_health_init(&k->health, env->l, options);
    return read_settings(k, env, options, e);
}

void nats_link_done(nats_link *k) {
    driver_link_health_done(&k->health);
    tls_context_free(k->tls);
    k->tls = NULL;
}

// --- connections -------------------------------------------------------------------------------------------

static nats_credentials credentials_of(const nats_link *k) {
    const driver_values *v = &k->options.credentials;
    return (nats_credentials){.user = slice_from_text(k->user),
                              .password = value_of(v, "password"),
                              .token = value_of(v, "token"),
                              .seed = value_of(v, "seed"),
                              .creds = value_of(v, "creds")};
}

status nats_link_connect(nats_link *k, nats_options *o, nats **ret, err *e) {
    o->l = k->l;
    o->connector = k->connector;
    o->servers = k->servers;
    o->server_count = k->server_count;
    o->name = "writ";
    o->tls = k->tls;
    o->tls_first = k->tls_first;
    o->credentials = credentials_of(k);
    random_fill(&o->random, sizeof o->random); // names of inboxes: nobody may guess another link's
    return nats_new(o, ret, e);
}

void nats_link_set_health(nats_link *k, driver_state state, const char *reason, uint64_t next_try_ns) {
    driver_link_health_set(&k->health, state, reason, next_try_ns);
}

void nats_link_set_credentials(nats_link *k, nats *n, const driver_values *credentials) {
    k->options.credentials = *credentials;
    const nats_credentials c = credentials_of(k);
    nats_set_credentials(n, &c);
}

status nats_link_peers(const driver_values *settings, driver_peer found, void *arg, err *e) {
    nats_server servers[NATS_LINK_SERVERS_MAX];
    size_t count = 0;
    TRY(read_servers(settings, servers, &count, e));
    for (size_t i = 0; i < count; i++) {
        found(arg, slice_from_text(servers[i].host), servers[i].port);
    }
    return STATUS_OK;
}
