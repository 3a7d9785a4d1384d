// SPDX-License-Identifier: Apache-2.0
// A peer on the bus that says anything to calls that are made and to functions that are served. The input is
// steps of a kind, a length and bytes; whatever comes, each call ends once and nothing is left.
//
// links: lattice
#include <stdio.h>

#include "base/check.h"
#include "bus/bus_local.h"
#include "driver/blobstore/blobstore.h"
#include "fuzz.h"
#include "lattice/wrpc.h"
#include "lattice/wrpc_blobstore.h"

enum { STEPS_MAX = 64, CALLS_MAX = 16, TURNS = 12 };

typedef struct state state;

typedef struct call {
    lattice_call call; // in front
    state *s;
    bool is_open, has_results;
} call;

struct state {
    uint64_t now;
    loop *l;
    bus *b;
    wrpc *w;
    wrpc_export exports[3];
    lattice_server server;
    wrpc_blobs *blobs;
    call calls[CALLS_MAX];
    size_t call_count;
    driver_call driver_calls[CALLS_MAX];
    size_t driver_count, driver_open;
    size_t served_open;
    bus_subscription all;
    char own[BUS_SUBJECT_BYTES_MAX]; // the last subject that somebody wants an answer on
};

static uint64_t now_ns(void *arg) { return ((state *)arg)->now; }

// --- the functions that are served -------------------------------------------------------------------------

static bool paths(void *context, slice target, slice instance, slice function, lattice_paths *ret_up,
                  lattice_paths *ret_down) {
    (void)context, (void)target;
    *ret_up = *ret_down = (lattice_paths){{"0.0", "0.1"}, 2};
    return slice_equal_text(instance, "a:b/c") || wrpc_blobstore_paths(instance, function, ret_up, ret_down);
}

static void on_data(lattice_served *q, size_t path, slice bytes) {
    (void)path;
    if (bytes.len > 0 && bytes.data[0] == 'f') {
        q->transport->fail(q, STATUS_IO, "fuzz");
    } else if (bytes.len > 0 && bytes.data[0] == 'a') {
        q->transport->answer(q, bytes);
        status s = q->transport->write(q, 0, bytes);
        (void)s;
        q->transport->end(q, 0);
        q->transport->end(q, 1);
    }
}

static void on_served_end(lattice_served *q, status code) {
    (void)code;
    state *s = q->data;
    CHECK(s->served_open > 0);
    s->served_open--;
}

static const lattice_served_ops served_ops = {.on_data = on_data, .ended = on_served_end};

// A driver that takes all it is told to.
static void backend_call(void *context, driver_call *c) {
    static const uint8_t begun[] = {0, 0, 1, 'u'}, done[] = {0, 1}, part[] = {0, 1, 'r', 3, 3, 1, 2, 3},
                         page[] = {0, 1, 1, 'n', 0};
    (void)context;
    blobstore_function f;
    CHECK(blobstore_function_find(c->function, &f));
    slice answer = slice_of(done, 1);
    if (f == BLOBSTORE_WRITE) {
        answer = c->payload.data[0] == BLOBSTORE_BEGIN ? slice_of(begun, sizeof begun) : slice_of(done, 2);
    } else if (f == BLOBSTORE_READ) {
        answer = slice_of(part, sizeof part);
    } else if (f == BLOBSTORE_LIST) {
        answer = slice_of(page, sizeof page);
    }
    driver_answer(c, answer);
}

static void backend_cancel(void *context, driver_call *c) { (void)context, (void)c; }

static void serve(void *context, lattice_served *q) {
    state *s = context;
    wrpc_blob_backend backend = {.loop = s->l, .call = backend_call, .cancel = backend_cancel, .context = s};
    if (!slice_equal_text(q->invocation.instance, "a:b/c")) {
        wrpc_blobstore_serve(q, &backend);
        return;
    }
    s->served_open++;
    q->ops = &served_ops;
    q->data = s;
}

// --- calls -------------------------------------------------------------------------------------------------

static void on_results(lattice_call *c, slice results) {
    call *k = (call *)(void *)c;
    CHECK(k->is_open && !k->has_results);
    k->has_results = true;
    if (results.len > 2 && results.data[2] == 'c') {
        k->is_open = false;
        lattice_call_cancel(c);
    }
}

static void on_call_data(lattice_call *c, size_t path, slice bytes) {
    call *k = (call *)(void *)c;
    CHECK(k->is_open && k->has_results && path < 2 && bytes.len > 0);
    lattice_call_pause(c, bytes.data[0] == 'p');
}

static void on_ended(lattice_call *c, status code, const err *e) {
    call *k = (call *)(void *)c;
    CHECK(k->is_open && (code == STATUS_OK) == (e == NULL));
    k->is_open = false;
}

static const lattice_call_ops call_ops = {
    .on_results = on_results, .on_data = on_call_data, .ended = on_ended};

static void start_call(state *s, slice params) {
    if (s->call_count == CALLS_MAX) {
        return;
    }
    call *k = &s->calls[s->call_count++];
    k->s = s;
    k->call.ops = &call_ops;
    k->call.up = k->call.down = (lattice_paths){{"0.0", "0.1"}, 2};
    k->call.invocation = (lattice_invocation){.source = slice_from_text("s"),
                                              .link = slice_from_text("default"),
                                              .target = slice_from_text("peer"),
                                              .instance = slice_from_text("a:b/c"),
                                              .function = slice_from_text("f"),
                                              .params = params,
                                              .deadline_ns = s->now + 5000};
    k->is_open = lattice_call_start(wrpc_transport(s->w), &k->call, NULL) == STATUS_OK;
    if (k->is_open) {
        status w = lattice_call_write(&k->call, 0, params);
        CHECK(w == STATUS_OK);
        lattice_call_end(&k->call, 0);
    }
}

static void on_driver_end(driver_call *c, status code, slice payload, const err *e) {
    (void)payload;
    state *s = c->host;
    CHECK((code == STATUS_OK) == (e == NULL) && s->driver_open > 0);
    s->driver_open--;
}

// A call of a workload for objects, whose provider is the fuzzer.
static void start_blob(state *s, uint8_t kind, slice payload) {
    if (s->driver_count == CALLS_MAX) {
        return;
    }
    driver_call *c = &s->driver_calls[s->driver_count++];
    *c = (driver_call){.interface = slice_from_text(BLOBSTORE_INTERFACE),
                       .function = slice_from_text(
                           blobstore_function_name((blobstore_function)(kind % BLOBSTORE_FUNCTION_COUNT))),
                       .payload = payload,
                       .deadline_ns = s->now + 5000,
                       .end = on_driver_end,
                       .host = s};
    s->driver_open++;
    wrpc_blobs_call(s->blobs, c);
}

// --- what is said ------------------------------------------------------------------------------------------

static void on_any(void *arg, bus_subscription *sub, const bus_message *m) {
    state *s = arg;
    (void)sub;
    if (m->reply.len > 0 && m->reply.len < sizeof s->own) {
        snprintf(s->own, sizeof s->own, "%.*s", SLICE_ARG(m->reply));
    }
}

static void say(state *s, const char *subject, const char *below, const char *reply, slice headers,
                slice payload) {
    char text[BUS_SUBJECT_BYTES_MAX + 64];
    snprintf(text, sizeof text, "%s%s", subject, below);
    bus_message m = {slice_from_text(text), slice_from_text(reply), headers, payload};
    status code = bus_publish(s->b, &m, NULL);
    (void)code;
}

static void turn(state *s) {
    for (int i = 0; i < TURNS; i++) {
        loop_turn(s->l, false);
    }
}

#define BLOB_SUBJECT "main.me.wrpc.0.0.1." WRPC_BLOBSTORE_NEW ".write-container-data"

static void step(state *s, uint8_t kind, slice bytes) {
    static const char *const below[] = {
        "",        ".results",    ".results.0.0", ".results.0.1", ".results.0",
        ".params", ".params.0.0", ".params.1",    ".params.0.1",  ".x"};
    char own[BUS_SUBJECT_BYTES_MAX];
    snprintf(own, sizeof own, "%s", s->own);
    switch (kind) {
    case 'c':
        start_call(s, bytes);
        break;
    case 'b':
        start_blob(s, bytes.len > 0 ? bytes.data[0] : 0, slice_sub(bytes, 1, bytes.len));
        break;
    case 'i':
        say(s, "main.me.wrpc.0.0.1.a:b/c.f", "", "_INBOX.fuzz", slice_empty(), bytes);
        break;
    case 'I':
        say(s, BLOB_SUBJECT, "", "_INBOX.fuzz", slice_empty(), bytes);
        break;
    case 'r':
        say(s, "main.me.wrpc.0.0.1." WRPC_BLOBSTORE_OLD ".get-container-data", "", "_INBOX.fuzz",
            slice_empty(), bytes);
        break;
    case 'a':
        say(s, own, "", "_INBOX.fuzz.peer", slice_empty(), bytes);
        break;
    case 'h':
        say(s, own, ".results", "", bytes, slice_empty());
        break;
    case 'H':
        say(s, own, "", "", bytes, slice_empty());
        break;
    case 't':
        s->now += 1000;
        break;
    case 'T':
        s->now += 4000;
        break;
    case 'd':
        bus_tell_watchers(s->b, false, "fuzz");
        break;
    default:
        say(s, own, below[kind % (sizeof below / sizeof below[0])], "", slice_empty(), bytes);
        break;
    }
    turn(s);
}

static void start(state *s) {
    static const char *const exports[][2] = {{"a:b/c", "f"},
                                             {WRPC_BLOBSTORE_NEW, "write-container-data"},
                                             {WRPC_BLOBSTORE_OLD, "get-container-data"}};
    s->now = 1000000;
    CHECK(loop_new(&(loop_clock){now_ns, s}, &s->l, NULL) == STATUS_OK);
    CHECK(bus_local_new(&(bus_local_options){.l = s->l, .random = 1}, &s->b, NULL) == STATUS_OK);
    s->server = (lattice_server){.context = s, .paths = paths, .call = serve};
    wrpc_options options = {.bus = s->b,
                            .loop = s->l,
                            .lattice = slice_from_text("main"),
                            .server = &s->server,
                            .random = {1, 2},
                            .serve_ns = 20000,
                            .params_ns = 10000};
    CHECK(wrpc_new(&options, &s->w, NULL) == STATUS_OK);
    for (size_t i = 0; i < 3; i++) {
        CHECK(wrpc_export_start(s->w, &s->exports[i], slice_from_text("me"), slice_from_text(exports[i][0]),
                                slice_from_text(exports[i][1]), NULL) == STATUS_OK);
    }
    wrpc_blobs_options blobs = {
        .loop = s->l,
        .transport = wrpc_transport(s->w),
        .invocation = {.source = slice_from_text("s"), .target = slice_from_text("peer")},
        .call_ns = 5000};
    s->blobs = wrpc_blobs_new(&blobs);
    CHECK(bus_subscribe(s->b, &s->all, slice_from_text(">"), slice_empty(), on_any, s, NULL) == STATUS_OK);
}

static void finish(state *s) {
    for (int i = 0; i < 6; i++) {
        s->now += UINT64_C(100000000000000);
        turn(s);
    }
    for (size_t i = 0; i < s->call_count; i++) {
        CHECK(!s->calls[i].is_open);
    }
    CHECK(s->driver_open == 0 && s->served_open == 0);
    wrpc_blobs_free(s->blobs);
    turn(s);
    s->now += 100000;
    turn(s);
    wrpc_counters c = wrpc_count(s->w);
    CHECK(c.calls == 0 && c.serving == 0 && c.queued_bytes == 0);
    bus_unsubscribe(&s->all);
    for (size_t i = 0; i < 3; i++) {
        wrpc_export_stop(&s->exports[i]);
    }
    wrpc_free(s->w);
    bus_free(s->b);
    loop_free(s->l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static state s;
    s = (state){.now = 0};
    start(&s);
    for (int steps = 0; size >= 2 && steps < STEPS_MAX; steps++) {
        size_t len = data[1] < size - 2 ? data[1] : size - 2;
        step(&s, data[0], slice_of(data + 2, len));
        data += 2 + len;
        size -= 2 + len;
    }
    finish(&s);
    return 0;
}
