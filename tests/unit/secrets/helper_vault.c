// SPDX-License-Identifier: Apache-2.0
#include "helper_vault.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/mem.h"
#include "os/fd.h"

// --- the connector: one connection at a time is enough
// ------------------------------------------------------

typedef struct double_connector {
    connector base; // first
    loop *l;
    loop_soon soon;
    uint16_t port;
    connect_callback done;
    void *arg;
} double_connector;

static void on_soon(void *arg) {
    double_connector *c = arg;
    err e = {0};
    connect_result r = {.code = STATUS_OK,
                        .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(c->port)};
    socklen_t len = sizeof r.os_error;
    CHECK(connect(r.fd, (struct sockaddr *)&a, sizeof a) != 0 && errno == EINPROGRESS);
    struct pollfd writable = {.fd = r.fd, .events = POLLOUT};
    CHECK(poll(&writable, 1, -1) == 1);
    CHECK(getsockopt(r.fd, SOL_SOCKET, SO_ERROR, &r.os_error, &len) == 0);
    if (r.os_error != 0) {
        fd_close(r.fd);
        r = (connect_result){.code = STATUS_IO, .fd = -1, .os_error = ECONNREFUSED, .e = &e};
        err_set(&e, STATUS_IO, "refused");
    }
    c->done(c->arg, &r);
}

static status request(connector *base, const connect_request *wanted, connect_callback done, void *arg,
                      uint64_t *ret_id, err *e) {
    double_connector *c = (double_connector *)base;
    (void)e;
    c->port = wanted->port;
    c->done = done;
    c->arg = arg;
    loop_soon_init(&c->soon, on_soon, c);
    loop_soon_add(c->l, &c->soon);
    *ret_id = 1;
    return STATUS_OK;
}

static void cancel(connector *base, uint64_t id) {
    (void)id;
    loop_soon_cancel(&((double_connector *)base)->soon);
}

static status connector_new(void *context, loop *l, connector **ret, err *e) {
    static const connector_ops ops = {request, cancel};
    double_connector *c = MEM_NEW(double_connector);
    (void)context, (void)e;
    c->base.ops = &ops;
    c->l = l;
    *ret = &c->base;
    return STATUS_OK;
}

static void connector_free(connector *c) { mem_free(c); }

// --- the server --------------------------------------------------------------------------------------------

static void reply(http_exchange *x, unsigned code, const char *text) {
    CHECK(http_exchange_reply(x, (uint16_t)code, NULL, 0, slice_from_text(text), NULL) == STATUS_OK);
    http_exchange_release(x);
}

static void on_abort(void *arg) {
    vault_double *d = arg;
    if (d->held != NULL) {
        http_exchange *x = d->held;
        d->held = NULL;
        http_exchange_release(x);
    }
}

static void hold(vault_double *d, http_exchange *x) {
    static const http_exchange_ops ops = {.on_abort = on_abort};
    CHECK(d->held == NULL);
    d->held = x;
    http_exchange_bind(x, &ops, d);
}

static const vault_secret *find(const vault_double *d, const char *key, unsigned version) {
    const vault_secret *found = NULL;
    for (size_t i = 0; i < d->count; i++) {
        const vault_secret *s = &d->secrets[i];
        found = strcmp(s->key, key) == 0 && (version == 0 || s->version == version) ? s : found;
    }
    return found;
}

static void tell(vault_double *d, http_exchange *x, const char *path) {
    char key[128], text[1024];
    unsigned version = 0;
    CHECK(sscanf(path, "/v1/secret/data/%127[^?]?version=%u", key, &version) >= 1);
    const vault_secret *s = find(d, key, version);
    if (s == NULL || s->data[0] == '\0') {
        reply(x, 404, "{\"errors\":[]}");
        return;
    }
    (void)snprintf(text, sizeof text,
                   "{\"request_id\":\"1\",\"data\":{\"data\":%s,\"metadata\":{\"created_time\":\"x\","
                   "\"deletion_time\":\"\",\"destroyed\":false,\"version\":%u}},\"auth\":null}",
                   s->data, s->version);
    reply(x, 200, text);
}

static void tell_token(vault_double *d, http_exchange *x) {
    char text[256];
    (void)snprintf(text, sizeof text,
                   "{\"auth\":{\"client_token\":\"%s\",\"lease_duration\":3600,\"renewable\":true}}",
                   d->token);
    reply(x, 200, text);
}

static void on_request(void *arg, http_exchange *x) {
    vault_double *d = arg;
    const http_request *r = http_exchange_request(x);
    const http_header *token = http_header_find(r->headers, r->header_count, "x-vault-token");
    (void)snprintf(d->last_path, sizeof d->last_path, "%.*s", SLICE_ARG(r->path_with_query));
    bool is_login = strstr(d->last_path, "/login") != NULL;
    bool is_renewal = strcmp(d->last_path, "/v1/auth/token/renew-self") == 0;
    d->requests++;
    d->logins += is_login;
    d->renewals += is_renewal;
    if (d->is_silent) {
        hold(d, x);
    } else if (d->body != NULL) {
        reply(x, 200, d->body);
    } else if (d->answers != 0) {
        reply(x, d->answers, "{\"errors\":[\"no\"]}");
    } else if (!is_login && (token == NULL || !slice_equal_text(token->value, d->token))) {
        reply(x, 403, "{\"errors\":[\"permission denied\"]}");
    } else if (is_login || is_renewal) {
        tell_token(d, x);
    } else {
        tell(d, x, d->last_path);
    }
}

void vault_double_start(vault_double *d, loop *l) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    const http_server_handler handler = {d, on_request, NULL};
    const http_server_options o = http_server_options_default();
    *d = (vault_double){.l = l, .token = "good-token"};
    d->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(bind(d->fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(d->fd, 16) == 0);
    CHECK(getsockname(d->fd, (struct sockaddr *)&a, &len) == 0);
    d->port = ntohs(a.sin_port);
    CHECK(http_server_new(l, d->fd, &o, &handler, &d->server, NULL) == STATUS_OK);
    secret_settings_init(&d->settings, SECRET_BACKEND_VAULT);
    (void)snprintf(d->address, sizeof d->address, "http://127.0.0.1:%u", d->port);
    CHECK(secret_settings_set(&d->settings, slice_from_text("address"), slice_from_text(d->address), NULL) ==
          STATUS_OK);
}

void vault_double_stop(vault_double *d) {
    http_server_free(d->server);
    fd_close(d->fd);
    secret_settings_done(&d->settings);
}

void vault_double_put(vault_double *d, const char *key, const char *data) {
    const vault_secret *before = find(d, key, 0);
    CHECK(d->count < VAULT_DOUBLE_SECRETS);
    vault_secret *s = &d->secrets[d->count++];
    s->version = before == NULL ? 1 : before->version + 1;
    (void)snprintf(s->key, sizeof s->key, "%s", key);
    (void)snprintf(s->data, sizeof s->data, "%s", data);
}

static status credential(void *context, secret_value *ret, err *e) {
    const vault_double *d = context;
    secret_value v = {.kind = SECRET_TEXT};
    TRY(secret_new(strlen(d->token), &v.bytes, e));
    memcpy(v.bytes.data, d->token, v.bytes.len);
    *ret = v;
    return STATUS_OK;
}

status vault_double_backend(vault_double *d, secret_backend **ret) {
    const vault_options o = {.settings = &d->settings,
                             .connector_new = connector_new,
                             .connector_free = connector_free,
                             .credential = credential,
                             .context = d};
    return vault_backend_new(&o, ret, NULL);
}
