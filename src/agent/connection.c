// SPDX-License-Identifier: Apache-2.0
#include "agent/connection.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "bus/bus_nats.h"
#include "crypto/secret.h"
#include "host/local_connector.h"
#include "os/fd.h"
#include "os/private.h"
#include "os/random.h"
#include "os/whole_file.h"

enum { CREDENTIALS_BYTES_MAX = 64 << 10, URL_BYTES_MAX = CONNECT_HOST_BYTES_MAX + 32 };

struct connection {
    connector *connector;
    bus *bus;
    tls_context *tls;
    nats_server servers[NATS_SERVERS_MAX];
    size_t server_count;
    buf creds, seed;
    char url[URL_BYTES_MAX];
};

// --- servers -----------------------------------------------------------------------------------------------

static status parse_servers(connection *c, slice all, err *e) {
    for (size_t at = 0; at <= all.len;) {
        size_t end = slice_find(all, at, ',');
        end = end == SIZE_MAX ? all.len : end;
        if (c->server_count == NATS_SERVERS_MAX) {
            return err_set(e, STATUS_LIMIT, "more than %d servers of NATS", NATS_SERVERS_MAX);
        }
        TRY(nats_server_parse(slice_trimmed(slice_sub(all, at, end)), &c->servers[c->server_count++], e));
        at = end + 1;
    }
    const nats_server *first = &c->servers[0];
    bool is_v6 = strchr(first->host, ':') != NULL;
    (void)snprintf(c->url, sizeof c->url, "%s://%s%.*s%s:%u", first->is_secure ? "tls" : "nats",
                   is_v6 ? "[" : "", CONNECT_HOST_BYTES_MAX, first->host, is_v6 ? "]" : "",
                   (unsigned)first->port);
    return STATUS_OK;
}

static bool is_secure(const connection *c) {
    bool is = false;
    for (size_t i = 0; i < c->server_count; i++) {
        is = is || c->servers[i].is_secure;
    }
    return is;
}

// --- credentials -------------------------------------------------------------------------------------------

// A secret of ours: nobody else may read its file.
static status read_secret(const char *path, buf *ret, err *e) {
    auto_fd fd = -1;
    TRY(private_secret_open(-1, path, path, &fd, e));
    return file_read_whole(path, CREDENTIALS_BYTES_MAX, ret, e);
}

// As a file of credentials has them.
static status join_credentials(const connection_settings *s, buf *ret, err *e) {
    buf_init(ret, CREDENTIALS_BYTES_MAX);
    status joined = buf_append_format(ret,
                                      "-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n"
                                      "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n",
                                      s->jwt, s->seed);
    return joined == STATUS_OK ? joined : err_set(e, joined, "the JWT of the user is too long");
}

static status read_credentials(connection *c, const connection_settings *s, nats_credentials *ret, err *e) {
    int ways = (s->creds_path != NULL) + (s->seed_path != NULL) + (s->seed != NULL);
    if (ways > 1 || (s->jwt != NULL && s->seed == NULL)) {
        return err_set(
            e, STATUS_INVALID,
            "a connection to NATS is proved by one of: a file of credentials, a file with a seed, a "
            "seed, a JWT with its seed");
    }
    if (s->creds_path != NULL) {
        TRY(read_secret(s->creds_path, &c->creds, e));
    } else if (s->jwt != NULL) {
        TRY(join_credentials(s, &c->creds, e));
    } else if (s->seed_path != NULL) {
        TRY(read_secret(s->seed_path, &c->seed, e));
    } else if (s->seed != NULL) {
        buf_init(&c->seed, CREDENTIALS_BYTES_MAX);
        TRY(buf_append_text(&c->seed, s->seed));
    }
    *ret = (nats_credentials){.creds = buf_slice(&c->creds), .seed = slice_trimmed(buf_slice(&c->seed))};
    return STATUS_OK;
}

// --- TLS ---------------------------------------------------------------------------------------------------

// Files whose names have ',' between, one behind the other.
static status read_authorities(const char *paths, buf *ret, err *e) {
    slice all = slice_from_text(paths);
    buf_init(ret, TLS_PEM_BYTES_MAX);
    for (size_t at = 0; at <= all.len;) {
        size_t end = slice_find(all, at, ',');
        end = end == SIZE_MAX ? all.len : end;
        auto_buf one = {0};
        char *path = mem_slice_dup(slice_trimmed(slice_sub(all, at, end)));
        status s = file_read_whole(path, TLS_PEM_BYTES_MAX, &one, e);
        mem_free(path);
        TRY(s);
        if (buf_append(ret, buf_slice(&one)) != STATUS_OK || buf_append_byte(ret, '\n') != STATUS_OK) {
            return err_set(e, STATUS_LIMIT, "the certificate authorities have more than %d bytes",
                           TLS_PEM_BYTES_MAX);
        }
        at = end + 1;
    }
    return STATUS_OK;
}

static status make_tls(connection *c, const connection_settings *s, err *e) {
    auto_buf ca = {0}, certificate = {0}, key = {0};
    trust_roots *roots = NULL;
    bool is_wanted = is_secure(c) || s->tls_wanted || s->tls_first || s->tls_ca_path != NULL ||
                     s->tls_certificate_path != NULL;
    if (!is_wanted) {
        return STATUS_OK;
    }
    TRY(s->tls_ca_path != NULL ? read_authorities(s->tls_ca_path, &ca, e) : STATUS_OK);
    TRY(s->tls_certificate_path != NULL
            ? file_read_whole(s->tls_certificate_path, TLS_PEM_BYTES_MAX, &certificate, e)
            : STATUS_OK);
    TRY(s->tls_key_path != NULL ? read_secret(s->tls_key_path, &key, e) : STATUS_OK);
    TRY(trust_roots_new(NULL, &roots, e));
    const tls_options o = {
        .roots = roots, .ca = buf_slice(&ca), .certificate = buf_slice(&certificate), .key = buf_slice(&key)};
    status made = tls_context_new(&o, &c->tls, e);
    trust_roots_free(roots);
    secret_wipe(key.data, key.capacity);
    return made;
}

// --- the whole ---------------------------------------------------------------------------------------------

static status connect_it(connection *c, loop *l, const connection_settings *s, err *e) {
    bus_nats_options o = {.nats = {.l = l,
                                   .servers = c->servers,
                                   .discovers = true,
                                   .name = s->name,
                                   .tls_first = s->tls_first,
                                   .random = random_u64()},
                          .domain = s->domain,
                          .replicas = s->replicas};
    TRY(parse_servers(c, slice_from_text(s->servers), e));
    TRY(read_credentials(c, s, &o.nats.credentials, e));
    TRY(make_tls(c, s, e));
    TRY(local_connector_new(l, NULL, &c->connector, e));
    o.nats.connector = c->connector;
    o.nats.server_count = c->server_count;
    o.nats.tls = c->tls;
    return bus_nats_new(&o, &c->bus, e);
}

status connection_new(loop *l, const connection_settings *settings, connection **ret, err *e) {
    connection *c = MEM_NEW(connection);
    status s = connect_it(c, l, settings, e);
    if (s != STATUS_OK) {
        connection_free(c);
        return s;
    }
    *ret = c;
    return STATUS_OK;
}

void connection_free(connection *c) {
    if (c == NULL) {
        return;
    }
    bus_free(c->bus);
    local_connector_free(c->connector);
    tls_context_free(c->tls);
    secret_wipe(c->creds.data, c->creds.capacity);
    secret_wipe(c->seed.data, c->seed.capacity);
    buf_done(&c->creds);
    buf_done(&c->seed);
    mem_free(c);
}

bus *connection_bus(connection *c) { return c->bus; }
const char *connection_url(const connection *c) { return c->url; }
