// SPDX-License-Identifier: Apache-2.0
// A host that runs nothing: its control interface on a server of NATS, and an owner who says at once that all
// is as it was asked for, but for images whose name has "broken" in it. For clients of 1.x to talk to.
//
//   control_host PORT [unsigned]     prints its key when it is ready; ends with standard input, or when asked
//
// links: lattice
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "bus/bus_nats.h"
#include "identity/nkey.h"
#include "lattice/control.h"
#include "os/clock.h"
#include "os/random.h"
#include "unit/net/helper_connector.c" // NOLINT: the connector of the tests of net/

typedef struct place {
    loop *l;
    direct_connector connector;
    bus *b;
    lattice_control *control;
    nkey_text key;
    loop_watch input;
    loop_soon end;
} place;

static lattice_time now(void *arg) {
    const place *p = arg;
    clock_wall wall = clock_wall_now();
    return (lattice_time){.now_ns = loop_now_ns(p->l),
                          .unix_ns = wall.seconds * 1000000000ull + wall.nanoseconds};
}

static void fill(void *arg, void *ret, size_t len) {
    (void)arg;
    random_fill(ret, len);
}

static const char *failure_of(slice ref) {
    char text[CORE_REF_BYTES_MAX + 1];
    (void)snprintf(text, sizeof text, "%.*s", SLICE_ARG(ref));
    return strstr(text, "broken") == NULL ? NULL : "failed to fetch component: it is broken";
}

static void make_components(place *p) {
    lattice_core *core = lattice_control_core(p->control);
    for (size_t i = lattice_core_component_count(core); i > 0; i--) {
        lattice_component c;
        if (lattice_core_component_at(core, i - 1, &c) && c.generation != c.running_generation) {
            char *id = mem_slice_dup(c.id);
            lattice_core_component_is(core, now(p), slice_from_text(id), c.generation, NULL,
                                      failure_of(c.ref));
            mem_free(id);
        }
    }
}

static void make_providers(place *p) {
    lattice_core *core = lattice_control_core(p->control);
    for (size_t i = lattice_core_provider_count(core); i > 0; i--) {
        lattice_provider v;
        if (!lattice_core_provider_at(core, i - 1, &v) || (v.is_wanted && v.is_running)) {
            continue;
        }
        char *id = mem_slice_dup(v.id);
        if (v.is_wanted) {
            lattice_core_provider_is(core, now(p), slice_from_text(id), v.generation, NULL,
                                     failure_of(v.ref));
        } else {
            lattice_core_provider_ended(core, now(p), slice_from_text(id), "stop");
        }
        mem_free(id);
    }
}

static void on_changed(void *context, unsigned changes) {
    (void)changes;
    make_components(context);
    make_providers(context);
}

static void on_stop(void *context, uint64_t timeout_ns) {
    place *p = context;
    (void)timeout_ns;
    loop_soon_add(p->l, &p->end); // not from inside
}

static void on_end(void *arg) {
    place *p = arg;
    lattice_control_stopped(p->control);
    loop_stop(p->l);
}

static void on_ready(void *context) {
    const place *p = context;
    printf("%s\n", p->key.text);
    (void)fflush(stdout);
}

static void on_input(void *arg, unsigned events) {
    place *p = arg;
    char bytes[64];
    (void)events;
    if (read(STDIN_FILENO, bytes, sizeof bytes) <= 0) {
        on_end(p);
    }
}

static status make_bus(place *p, const char *port, err *e) {
    const nats_server server = {.host = "127.0.0.1", .port = (uint16_t)strtoul(port, NULL, 10)};
    const bus_nats_options o = {.nats = {.l = p->l,
                                         .connector = &p->connector.base,
                                         .servers = &server,
                                         .server_count = 1,
                                         .random = random_u64()}};
    return bus_nats_new(&o, &p->b, e);
}

static status make_control(place *p, bool is_unsigned, err *e) {
    static const lattice_pair labels[] = {{SLICE_LITERAL("hostcore.arch"), SLICE_LITERAL("x86_64")},
                                          {SLICE_LITERAL("hostcore.os"), SLICE_LITERAL("linux")},
                                          {SLICE_LITERAL("hostcore.osfamily"), SLICE_LITERAL("unix")}};
    const lattice_control_options o = {
        .ctl = p->b,
        .rpc = p->b,
        .now = now,
        .random = fill,
        .arg = p,
        .owner = {.context = p, .changed = on_changed, .stop = on_stop, .ready = on_ready},
        .core = {.host_id = slice_from_text(p->key.text),
                 .friendly_name = slice_from_text("quiet-river-1234"),
                 .version = slice_from_text("1.9.2"),
                 .lattice = slice_from_text("default"),
                 .ctl_url = slice_from_text("nats://127.0.0.1:4222"),
                 .rpc_url = slice_from_text("nats://127.0.0.1:4222"),
                 .labels = {.count = 3, .items = labels},
                 .allows_unsigned_peers = is_unsigned,
                 .heartbeat_ns = 1000000000}};
    return lattice_control_new(&o, &p->control, e);
}

static status make_key(place *p, err *e) {
    nkey *key;
    TRY(nkey_generate(NKEY_SERVER, &key, e));
    const nkey_public public = nkey_public_of(key);
    p->key = nkey_public_text(&public);
    nkey_free(key);
    return STATUS_OK;
}

static status begin(place *p, int argc, char **argv, err *e) {
    TRY(loop_new(NULL, &p->l, e));
    direct_connector_init(&p->connector, p->l);
    loop_soon_init(&p->end, on_end, p);
    TRY(make_key(p, e));
    TRY(make_bus(p, argv[1], e));
    TRY(make_control(p, argc > 2, e));
    return loop_watch_start(&p->input, p->l, STDIN_FILENO, LOOP_READABLE, on_input, p, e);
}

int main(int argc, char **argv) {
    place p = {0};
    err e = {0};
    if (argc < 2 || begin(&p, argc, argv, &e) != STATUS_OK) {
        (void)fprintf(stderr, "control_host PORT [unsigned]: %s\n", e.message);
        return 1;
    }
    loop_run(p.l);
    for (int i = 0; i < 64; i++) { // what was published last goes out
        loop_turn(p.l, false);
    }
    loop_watch_stop(&p.input);
    lattice_control_free(p.control);
    bus_free(p.b);
    direct_connector_done(&p.connector);
    loop_free(p.l);
    return 0;
}
