// SPDX-License-Identifier: Apache-2.0
#include "cli/lattice_connect.h"

#include "bus/bus_nats.h"
#include "cli/host_connector.h"
#include "cli/key_option.h"
#include "codec/utf.h"
#include "lattice/roles.h"
#include "os/clock.h"
#include "os/random.h"

// --- the connection ----------------------------------------------------------------------------------------

static void on_changed(void *arg, bool is_up, const char *reason) {
    cli_connection *c = arg;
    loop_stop(c->l);
    if (!is_up && reason != NULL) {
        utf8_shown(slice_from_text(reason), c->reason, sizeof c->reason);
        c->failures++;
    }
}

static void on_late(void *arg) { loop_stop(arg); }

// Each server is tried once: whoever waits at a terminal wants to know.
static status wait_until_up(cli_connection *c, size_t servers, uint64_t time_ns, const char *where, err *e) {
    loop_timer timer = {0};
    c->watcher = (bus_watcher){.changed = on_changed, .arg = c};
    bus_add_watcher(c->b, &c->watcher);
    loop_timer_init(&timer, c->l, on_late, c->l);
    loop_timer_start_in(&timer, time_ns);
    while (!bus_is_up(c->b) && loop_timer_is_active(&timer) && c->failures < servers) {
        loop_run(c->l);
    }
    loop_timer_stop(&timer);
    bool is_up = bus_is_up(c->b);
    return is_up ? STATUS_OK
                 : err_set(e, STATUS_IO, "cannot reach the lattice at %s: %s", where,
                           c->reason[0] != '\0' ? c->reason : "no answer in time");
}

static status open_nats(cli_connection *c, const cli_lattice_args *a, uint64_t time_ns, err *e) {
    const char *const *v = a->values;
    const connection_settings settings = {.servers =
                                              v[CLI_NATS] != NULL ? v[CLI_NATS] : "nats://127.0.0.1:4222",
                                          .creds_path = v[CLI_CREDS],
                                          .seed_path = v[CLI_SEED],
                                          .tls_ca_path = v[CLI_TLS_CA],
                                          .tls_certificate_path = v[CLI_TLS_CERT],
                                          .tls_key_path = v[CLI_TLS_KEY],
                                          .tls_first = v[CLI_TLS_FIRST] != NULL,
                                          .name = "writ"};
    TRY(connection_new(c->l, &settings, &c->servers, e));
    c->b = connection_bus(c->servers);
    size_t servers = 1;
    for (const char *at = settings.servers; *at != '\0'; at++) {
        servers += *at == ',';
    }
    return wait_until_up(c, servers, time_ns, settings.servers, e);
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
    return wait_until_up(c, 1, time_ns, a->host, e);
}

status cli_connection_open(cli_connection *c, const cli_lattice_args *a, uint64_t time_ns, err *e) {
    TRY(load_user(c, a, e));
    TRY(loop_new(NULL, &c->l, e));
    if (a->host != NULL) {
        c->to_host = host_connector_new(c->l, a->host);
        return open_host(c, a, time_ns, e);
    }
    return open_nats(c, a, time_ns, e);
}

void cli_connection_close(cli_connection *c) {
    bus_remove_watcher(&c->watcher);
    if (c->servers == NULL) {
        bus_free(c->b);
    }
    connection_free(c->servers);
    host_connector_free(c->to_host);
    loop_free(c->l);
    nkey_free(c->user);
}
