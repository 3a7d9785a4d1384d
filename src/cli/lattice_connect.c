// SPDX-License-Identifier: Apache-2.0
#include "cli/lattice_connect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus_nats.h"
#include "cli/host_connector.h"
#include "cli/key_option.h"
#include "codec/utf.h"
#include "host/local_connector.h"
#include "lattice/roles.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/private.h"
#include "os/random.h"
#include "os/whole_file.h"

enum { SERVERS_MAX = 8, CREDENTIALS_BYTES_MAX = 64 << 10 };

// --- servers and credentials -------------------------------------------------------------------------------

static status parse_servers(const char *text, nats_server servers[SERVERS_MAX], size_t *ret, err *e) {
    slice all = slice_from_text(text);
    size_t count = 0;
    for (size_t at = 0; at <= all.len;) {
        size_t end = slice_find(all, at, ',');
        end = end == SIZE_MAX ? all.len : end;
        if (count == SERVERS_MAX) {
            return err_set(e, STATUS_LIMIT, "--nats: more than %d servers", SERVERS_MAX);
        }
        if (nats_server_parse(slice_trimmed(slice_sub(all, at, end)), &servers[count++], e) != STATUS_OK) {
            return err_wrap(e, "--nats");
        }
        at = end + 1;
    }
    *ret = count;
    return STATUS_OK;
}

// A secret of ours: nobody else may read its file.
static status read_secret(const char *option, const char *path, buf *ret, err *e) {
    int fd = -1;
    if (private_secret_open(-1, path, path, &fd, e) != STATUS_OK) {
        return err_wrap(e, "--%s", option);
    }
    fd_close(fd);
    return file_read_whole(path, CREDENTIALS_BYTES_MAX, ret, e);
}

static status read_credentials(cli_connection *c, const cli_lattice_args *a, nats_credentials *ret, err *e) {
    const char *creds = a->values[CLI_CREDS], *seed = a->values[CLI_SEED];
    if (creds != NULL && seed != NULL) {
        return err_set(e, STATUS_INVALID, "--creds and --seed: name one");
    }
    TRY(creds != NULL ? read_secret("creds", creds, &c->creds, e) : STATUS_OK);
    TRY(seed != NULL ? read_secret("seed", seed, &c->seed, e) : STATUS_OK);
    *ret = (nats_credentials){.creds = buf_slice(&c->creds), .seed = slice_trimmed(buf_slice(&c->seed))};
    return STATUS_OK;
}

// --- TLS ---------------------------------------------------------------------------------------------------

static status read_pem(const cli_lattice_args *a, cli_setting which, buf *ret, err *e) {
    return a->values[which] == NULL ? STATUS_OK
                                    : file_read_whole(a->values[which], TLS_PEM_BYTES_MAX, ret, e);
}

static status make_tls(cli_connection *c, const cli_lattice_args *a, bool is_secure, err *e) {
    auto_buf ca = {0}, certificate = {0}, key = {0};
    trust_roots *roots = NULL;
    bool is_wanted = is_secure || a->values[CLI_TLS_CA] != NULL || a->values[CLI_TLS_CERT] != NULL ||
                     a->values[CLI_TLS_FIRST] != NULL;
    if (!is_wanted) {
        return STATUS_OK;
    }
    TRY(read_pem(a, CLI_TLS_CA, &ca, e));
    TRY(read_pem(a, CLI_TLS_CERT, &certificate, e));
    TRY(a->values[CLI_TLS_KEY] != NULL ? read_secret("tls-key", a->values[CLI_TLS_KEY], &key, e) : STATUS_OK);
    TRY(trust_roots_new(NULL, &roots, e));
    const tls_options o = {
        .roots = roots, .ca = buf_slice(&ca), .certificate = buf_slice(&certificate), .key = buf_slice(&key)};
    status s = tls_context_new(&o, &c->tls, e);
    trust_roots_free(roots);
    return s;
}

// --- the connection ----------------------------------------------------------------------------------------

static void on_changed(void *arg, bool is_up, const char *reason) {
    cli_connection *c = arg;
    loop_stop(c->l);
    if (!is_up && reason != NULL) {
        utf8_shown(slice_from_text(reason), c->reason, sizeof c->reason);
    }
}

static void on_late(void *arg) { loop_stop(arg); }

static status wait_until_up(cli_connection *c, uint64_t time_ns, const char *where, err *e) {
    loop_timer timer = {0};
    c->watcher = (bus_watcher){.changed = on_changed, .arg = c};
    bus_add_watcher(c->b, &c->watcher);
    loop_timer_init(&timer, c->l, on_late, c->l);
    loop_timer_start_in(&timer, time_ns);
    while (!bus_is_up(c->b) && loop_timer_is_active(&timer)) {
        loop_run(c->l);
    }
    loop_timer_stop(&timer);
    bool is_up = bus_is_up(c->b);
    return is_up ? STATUS_OK
                 : err_set(e, STATUS_IO, "cannot reach the lattice at %s: %s", where,
                           c->reason[0] != '\0' ? c->reason : "no answer in time");
}

static status open_nats(cli_connection *c, const cli_lattice_args *a, uint64_t time_ns, err *e) {
    const char *where = a->values[CLI_NATS] != NULL ? a->values[CLI_NATS] : "nats://127.0.0.1:4222";
    nats_server servers[SERVERS_MAX];
    bool is_secure = false;
    bus_nats_options o = {.nats = {.l = c->l,
                                   .connector = c->connector,
                                   .servers = servers,
                                   .name = "writ",
                                   .tls_first = a->values[CLI_TLS_FIRST] != NULL,
                                   .random = random_u64()}};
    TRY(parse_servers(where, servers, &o.nats.server_count, e));
    for (size_t i = 0; i < o.nats.server_count; i++) {
        is_secure |= servers[i].is_secure;
    }
    TRY(read_credentials(c, a, &o.nats.credentials, e));
    TRY(make_tls(c, a, is_secure, e));
    o.nats.tls = c->tls;
    TRY(bus_nats_new(&o, &c->b, e));
    return wait_until_up(c, time_ns, where, e);
}

// --- who asks ----------------------------------------------------------------------------------------------

static status sign(void *arg, slice subject, slice payload, buf *ret, err *e) {
    clock_wall now = clock_wall_now();
    return roles_sign(arg, subject, payload, now.seconds * 1000 + now.nanoseconds / 1000000, slice_empty(),
                      ret, e);
}

static status load_user(cli_connection *c, const cli_lattice_args *a, err *e) {
    const char *name = a->values[CLI_SIGN_WITH];
    if (name == NULL) {
        return STATUS_OK;
    }
    TRY(cli_key_load(name, a->keys, a->passphrase_file, &c->user, e));
    if (nkey_public_of(c->user).kind != NKEY_USER) {
        return err_set(e, STATUS_INVALID, "--sign-with %.80s: this is a key of kind %s, not of a user", name,
                       nkey_kind_name(nkey_public_of(c->user).kind));
    }
    c->signer = (lattice_signer){sign, c->user};
    return STATUS_OK;
}

static status open_host(cli_connection *c, const cli_lattice_args *a, uint64_t time_ns, err *e) {
    const nats_server server = {.host = "host", .port = 1}; // of no meaning: all leads to the socket
    const slice local = slice_from_text(HOST_BUS_USER);
    const bus_nats_options o = {.nats = {.l = c->l,
                                         .connector = c->to_host,
                                         .servers = &server,
                                         .server_count = 1,
                                         .name = "writ",
                                         .credentials = {.user = local, .password = local},
                                         .random = random_u64()}};
    TRY(bus_nats_new(&o, &c->b, e));
    return wait_until_up(c, time_ns, a->host, e);
}

status cli_connection_open(cli_connection *c, const cli_lattice_args *a, uint64_t time_ns, err *e) {
    TRY(load_user(c, a, e));
    TRY(loop_new(NULL, &c->l, e));
    if (a->host != NULL) {
        c->to_host = host_connector_new(c->l, a->host);
        return open_host(c, a, time_ns, e);
    }
    TRY(local_connector_new(c->l, NULL, &c->connector, e));
    return open_nats(c, a, time_ns, e);
}

void cli_connection_close(cli_connection *c) {
    bus_remove_watcher(&c->watcher);
    bus_free(c->b);
    tls_context_free(c->tls);
    local_connector_free(c->connector);
    host_connector_free(c->to_host);
    loop_free(c->l);
    nkey_free(c->user);
    buf_done(&c->creds);
    buf_done(&c->seed);
}
