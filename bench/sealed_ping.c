// SPDX-License-Identifier: Apache-2.0
// What a call between two hosts takes, sealed: two processes with a connection to a NATS server each, one
// call at a time. To be held against bench_nats_ping, which is a request and its answer on the same server.
//
//   bench_sealed_ping HOST PORT BYTES COUNT   -> {"calls": N, "bytes": N, "mean": ns, "p50": ns, "p99": ns}
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "bus/bus_nats.h"
#include "lattice/sealed.h"
#include "os/clock.h"
#include "os/random.h"

#include "unit/net/helper_connector.c" // NOLINT

enum { WARM_UP = 1000 };

typedef struct bench {
    loop *l;
    direct_connector connector;
    bus *b;
    bus_watcher watcher;
    cluster *cluster;
    sealed *s;
    lattice_call call;
    nkey_public peer;
    slice payload;
    size_t left, count, warm;
    uint64_t begun_ns, *taken; // NULL: serves
} bench;

static void need(status code, const err *e) {
    if (code != STATUS_OK) {
        fprintf(stderr, "%s\n", e->message);
        exit(1);
    }
}

static size_t number(const char *text, size_t max) {
    uint64_t n;
    if (!slice_to_u64(slice_from_text(text), &n) || n > max) {
        fprintf(stderr, "%s is no number up to %zu\n", text, max);
        exit(2);
    }
    return (size_t)n;
}

// --- who serves --------------------------------------------------------------------------------------------

static bool paths(WRIT_UNUSED void *context, WRIT_UNUSED slice target, WRIT_UNUSED slice instance,
                  WRIT_UNUSED slice function, WRIT_UNUSED lattice_paths *up,
                  WRIT_UNUSED lattice_paths *down) {
    return true;
}
static void on_served_ended(WRIT_UNUSED lattice_served *q, WRIT_UNUSED status code) {}
static void serve(WRIT_UNUSED void *context, lattice_served *q) {
    static const lattice_served_ops served_ops = {.ended = on_served_ended};
    q->ops = &served_ops;
    q->transport->answer(q, q->invocation.params);
}

// --- who calls ---------------------------------------------------------------------------------------------

static void call_next(bench *x);

static void on_ended(lattice_call *c, status code, const err *e) {
    bench *x = LIST_ENTRY(c, bench, call);
    uint64_t now = clock_now_ns();
    need(code, e);
    if (x->warm > 0) {
        x->warm--;
    } else {
        x->taken[x->count++] = now - x->begun_ns;
        x->left--;
    }
    if (x->left == 0) {
        loop_stop(x->l);
    } else {
        call_next(x);
    }
}

static void call_next(bench *x) {
    static const lattice_call_ops call_ops = {.ended = on_ended};
    err e = {0};
    x->call = (lattice_call){.ops = &call_ops,
                             .invocation = {.source = SLICE_LITERAL("bench-caller"),
                                            .link = SLICE_LITERAL("default"),
                                            .target = SLICE_LITERAL("bench-callee"),
                                            .instance = SLICE_LITERAL("bench:echo/echo@1.0.0"),
                                            .function = SLICE_LITERAL("echo"),
                                            .params = x->payload,
                                            .deadline_ns = loop_now_ns(x->l) + UINT64_C(10000000000)}};
    x->begun_ns = clock_now_ns();
    need(lattice_call_start(sealed_to(x->s, &x->peer), &x->call, &e), &e);
}

// --- both --------------------------------------------------------------------------------------------------

static void on_bus(void *arg, bool is_up, const char *reason) {
    bench *x = arg;
    if (is_up && x->taken != NULL && x->call.ops == NULL) {
        call_next(x);
    } else if (!is_up) {
        fprintf(stderr, "%s\n", reason);
    }
}

static void connect_bus(bench *x, const char *host, const char *port) {
    err e = {0};
    nats_server server = {.port = (uint16_t)number(port, UINT16_MAX)};
    snprintf(server.host, sizeof server.host, "%s", host);
    need(loop_new(NULL, &x->l, &e), &e);
    direct_connector_init(&x->connector, x->l);
    const bus_nats_options o = {.nats = {.l = x->l,
                                         .connector = &x->connector.base,
                                         .servers = &server,
                                         .server_count = 1,
                                         .random = random_u64()}};
    need(bus_nats_new(&o, &x->b, &e), &e);
    x->watcher = (bus_watcher){.changed = on_bus, .arg = x};
    bus_add_watcher(x->b, &x->watcher);
}

static void join(bench *x, const nkey *cluster_key, const nkey *key) {
    err e = {0};
    auto_buf token = {0};
    const nkey_public issuer = nkey_public_of(cluster_key);
    const cluster_admission a = {nkey_public_of(key), slice_empty(), slice_from_text("bench"),
                                 clock_wall_now().seconds, 3600};
    buf_init(&token, CLUSTER_TOKEN_BYTES_MAX);
    need(cluster_admit(cluster_key, &a, &token, &e), &e);
    x->cluster = cluster_new();
    need(cluster_trust(x->cluster, &issuer, UINT64_MAX, &e), &e);
    const sealed_options o = {
        .bus = x->b,
        .session = {.key = key,
                    .token = buf_slice(&token),
                    .lattice = slice_from_text("bench"),
                    .epoch = 1,
                    .cluster = x->cluster},
        .server = {.paths = paths, .call = serve},
    };
    need(sealed_new(&o, &x->s, &e), &e);
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void report(const bench *x) {
    uint64_t sum = 0;
    for (size_t i = 0; i < x->count; i++) {
        sum += x->taken[i];
    }
    qsort(x->taken, x->count, sizeof *x->taken, by_size);
    printf("{\"calls\": %zu, \"bytes\": %zu, \"mean\": %llu, \"p50\": %llu, \"p99\": %llu}\n", x->count,
           x->payload.len, (unsigned long long)(sum / x->count), (unsigned long long)x->taken[x->count / 2],
           (unsigned long long)x->taken[x->count * 99 / 100]);
}

int main(int argc, char **argv) {
    static bench x;
    nkey *cluster_key, *keys[2];
    err e = {0};
    if (argc != 5) {
        fprintf(stderr, "usage: bench_sealed_ping HOST PORT BYTES COUNT\n");
        return 2;
    }
    need(nkey_generate(NKEY_CLUSTER, &cluster_key, &e), &e);
    need(nkey_generate(NKEY_SERVER, &keys[0], &e), &e);
    need(nkey_generate(NKEY_SERVER, &keys[1], &e), &e);
    pid_t server = fork();
    if (server != 0) {
        x.peer = nkey_public_of(keys[0]);
        size_t len = number(argv[3], LATTICE_PARAMS_BYTES_MAX);
        x.payload = slice_of(mem_calloc(1, len + 1), len);
        x.left = number(argv[4], 100000000);
        x.warm = WARM_UP;
        x.taken = mem_calloc(x.left, sizeof *x.taken);
        usleep(500000); // the other one subscribes
    }
    connect_bus(&x, argv[1], argv[2]);
    join(&x, cluster_key, keys[server == 0 ? 0 : 1]);
    loop_run(x.l);
    report(&x);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return 0;
}
