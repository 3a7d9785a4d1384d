// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>

#include "capability/links.h"
#include "helper_guest.h"
#include "net/rpc.h"
#include "policy/gate.h"
#include "test.h"
#include "wasmcloud/bus_lattice.h"
#include "wasmcloud/bus_lattice_1.h"

typedef struct place { // a guest with two links of one interface, and who answers its calls
    guest g;
    _Atomic uint32_t states[2];
    wasi_link items[2];
    wasi_links links;
    rpc_share share;
    rpc *drivers, *server;
    int calls;
    uint32_t target; // of the last call
    char function[32];
    enum { ECHO, FAIL, KEEP } does;
    rpc_request *kept;
    int cancelled;
    gate *gate;
    int denials; // that were told to the log
    char why[ERR_MESSAGE_BYTES_MAX];
} place;

static void on_call(void *arg, rpc_request *q) {
    place *p = arg;
    const rpc_message *m = rpc_request_message(q);
    p->calls++;
    p->target = m->target;
    snprintf(p->function, sizeof p->function, "%.*s", SLICE_ARG(m->function));
    switch (p->does) {
    case ECHO:
        rpc_answer(q, m->payload);
        break;
    case FAIL:
        rpc_fail(q, STATUS_IO, "the backend is on fire");
        break;
    case KEEP:
        p->kept = q;
        break;
    }
}

static void on_cancel(void *arg, rpc_request *q) {
    place *p = arg;
    p->cancelled++;
    p->kept = NULL;
    rpc_fail(q, STATUS_CANCELLED, "given up");
}

static void on_denied(void *context, wasi_instance *instance, slice why) {
    place *p = context;
    (void)instance;
    p->denials++;
    snprintf(p->why, sizeof p->why, "%.*s", SLICE_ARG(why));
}

static void place_init(place *p) {
    int fds[2];
    *p = (place){0};
    p->items[0] = (wasi_link){.interface = slice_from_text("a:b/c"),
                              .name = slice_from_text("default"),
                              .target = slice_from_text("memory"),
                              .target_name = slice_from_text("kv"),
                              .number = 7,
                              .state = &p->states[0]};
    p->items[1] = p->items[0];
    p->items[1].name = slice_from_text("second");
    p->items[1].number = 8;
    p->items[1].state = &p->states[1];
    atomic_store(&p->states[0], WASI_LINK_OPEN);
    atomic_store(&p->states[1], WASI_LINK_OPEN);
    p->links = (wasi_links){.items = p->items, .count = 2, .drivers = &p->drivers, .share = &p->share};
    guest_init(&p->g);
    p->g.workload.name = slice_from_text("app");
    p->gate = gate_new((siphash_key){1, 2}, GATE_ALLOW);
    p->g.workload.links = &p->links;
    p->g.workload.gate = p->gate;
    p->g.workload.log.context = p;
    p->g.workload.log.denied = on_denied;
    guest_start(&p->g);
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    const rpc_handler handler = {.arg = p, .on_call = on_call, .on_cancel = on_cancel};
    EXPECT_OK(rpc_new(p->g.loop, fds[0], NULL, &(rpc_handler){0}, &p->drivers, NULL));
    EXPECT_OK(rpc_new(p->g.loop, fds[1], NULL, &handler, &p->server, NULL));
}

static void place_done(place *p) {
    rpc_free(p->drivers);
    p->drivers = NULL;
    if (p->kept != NULL) {
        rpc_fail(p->kept, STATUS_CLOSED, "over");
    }
    rpc_free(p->server);
    guest_done(&p->g);
    gate_free(p->gate);
}

static status call(place *p, const wasi_link *l, const char *payload, slice *ret, err *e) {
    return wasi_link_call(&p->g, l, slice_from_text("f"), slice_from_text(payload), ret, e);
}

TEST(a_call_travels_and_comes_back) {
    place p;
    err e;
    const wasi_link *l = NULL;
    slice answer = slice_empty();
    place_init(&p);
    EXPECT_OK(wasi_link_of(&p.g, slice_from_text("a:b/c"), &l, &e));
    EXPECT_OK(call(&p, l, "hello", &answer, &e));
    EXPECT(slice_equal_text(answer, "hello"));
    EXPECT_EQ(p.target, 7);
    EXPECT_TEXT(p.function, "f");
    EXPECT(p.g.suspends > 0);
    place_done(&p);
}

TEST(what_is_not_linked_is_named) {
    place p;
    err e;
    const wasi_link *l = NULL;
    place_init(&p);
    EXPECT_STATUS(wasi_link_of(&p.g, slice_from_text("a:b/d"), &l, &e), STATUS_NOT_FOUND);
    EXPECT_TEXT(e.message, "workload app has no link named \"default\" for a:b/d");
    p.g.workload.links = NULL;
    EXPECT_STATUS(wasi_link_of(&p.g, slice_from_text("a:b/c"), &l, &e), STATUS_NOT_FOUND);
    p.g.workload.links = &p.links;
    place_done(&p);
}

TEST(a_link_that_was_cut_is_refused_from_the_next_call_on) {
    place p;
    err e;
    const wasi_link *l = NULL;
    slice answer = slice_empty();
    place_init(&p);
    EXPECT_OK(wasi_link_of(&p.g, slice_from_text("a:b/c"), &l, &e));
    EXPECT_OK(call(&p, l, "1", &answer, &e));
    atomic_store(&p.states[0], WASI_LINK_CUT);
    EXPECT_STATUS(call(&p, l, "2", &answer, &e), STATUS_DENIED);
    EXPECT_TEXT(e.message, "the link \"default\" of workload app for a:b/c was cut");
    EXPECT_STATUS(wasi_link_of(&p.g, slice_from_text("a:b/c"), &l, &e), STATUS_DENIED);
    EXPECT_EQ(p.calls, 1);
    atomic_store(&p.states[0], WASI_LINK_OPEN);
    EXPECT_OK(call(&p, l, "3", &answer, &e));
    place_done(&p);
}

TEST(an_import_with_a_name_has_the_link_of_that_name) {
    place p;
    err e;
    const wasi_link *l = NULL;
    place_init(&p);
    p.g.label = slice_from_text("second");
    EXPECT_OK(wasi_link_of(&p.g, slice_from_text("a:b/c"), &l, &e));
    EXPECT_EQ(l->number, 8);
    EXPECT_OK(wasi_link_choose(p.g.instance, slice_from_text("a:b/c"), slice_from_text("default"), &e));
    EXPECT_OK(wasi_link_of(&p.g, slice_from_text("a:b/c"), &l, &e));
    EXPECT_EQ(l->number, 8); // whatever was chosen
    p.g.label = slice_from_text("third");
    EXPECT_STATUS(wasi_link_of(&p.g, slice_from_text("a:b/c"), &l, &e), STATUS_NOT_FOUND);
    p.g.label = slice_empty();
    place_done(&p);
}

TEST(a_name_chooses_among_links_of_one_interface) {
    place p;
    err e;
    const wasi_link *l = NULL;
    place_init(&p);
    EXPECT_OK(wasi_link_choose(p.g.instance, slice_from_text("a:b/c"), slice_from_text("second"), &e));
    EXPECT_OK(wasi_link_of(&p.g, slice_from_text("a:b/c"), &l, &e));
    EXPECT_EQ(l->number, 8);
    EXPECT_STATUS(wasi_link_choose(p.g.instance, slice_from_text("a:b/c"), slice_from_text("third"), &e),
                  STATUS_NOT_FOUND);
    EXPECT_STATUS(wasi_link_of(&p.g, slice_from_text("a:b/c"), &l, &e), STATUS_NOT_FOUND);
    EXPECT_CONTAINS(e.message, "\"third\"");
    EXPECT_OK(wasi_link_choose(p.g.instance, slice_from_text("a:b/c"), slice_from_text("default"), &e));
    EXPECT_OK(wasi_link_of(&p.g, slice_from_text("a:b/c"), &l, &e));
    EXPECT_EQ(l->number, 7);
    place_done(&p);
}

TEST(names_are_bounded_in_length_and_number) {
    place p;
    err e;
    char name[WASI_LINK_NAME_BYTES_MAX + 2];
    place_init(&p);
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    EXPECT_STATUS(wasi_link_choose(p.g.instance, slice_from_text("a:b/c"), slice_from_text(name), &e),
                  STATUS_LIMIT);
    for (int i = 0; i <= WASI_LINK_NAMES_MAX; i++) {
        snprintf(name, sizeof name, "a:b/i%d", i);
        EXPECT_STATUS(wasi_link_choose(p.g.instance, slice_from_text(name), slice_from_text("default"), &e),
                      i < WASI_LINK_NAMES_MAX ? STATUS_NOT_FOUND : STATUS_LIMIT);
    }
    EXPECT_EQ(p.g.instance->counters.limits_hit, 1);
    place_done(&p);
}

TEST(what_the_driver_says_reaches_the_caller) {
    place p;
    err e;
    slice answer = slice_empty();
    place_init(&p);
    p.does = FAIL;
    EXPECT_STATUS(call(&p, &p.items[0], "x", &answer, &e), STATUS_IO);
    EXPECT_TEXT(e.message, "memory through the link \"default\": the backend is on fire");
    place_done(&p);
}

static void set_rule(place *p, gate_part part, const char *pattern) {
    gate_rule rule = {.effect = GATE_DENY, .source = slice_from_text("app.yaml:7")};
    rule.patterns[part] = slice_from_text(pattern);
    EXPECT_OK(gate_set_rules(p->gate, &rule, 1, NULL));
}

TEST(a_call_that_a_rule_denies_goes_nowhere) {
    place p;
    err e;
    slice answer = slice_empty();
    place_init(&p);
    set_rule(&p, GATE_FUNCTION, "f");
    EXPECT_STATUS(call(&p, &p.items[0], "x", &answer, &e), STATUS_DENIED);
    EXPECT_TEXT(e.message, "app may not call f of a:b/c at kv: denied by the rule at app.yaml:7");
    EXPECT_TEXT(p.why, e.message);
    EXPECT_STATUS(call(&p, &p.items[0], "x", &answer, NULL), STATUS_DENIED);
    EXPECT_EQ(p.denials, 2);
    EXPECT_EQ(p.g.instance->counters.calls_denied, 2);
    EXPECT_EQ(p.calls, 0);
    set_rule(&p, GATE_FUNCTION, "g"); // from the next call on
    EXPECT_OK(call(&p, &p.items[0], "x", &answer, &e));
    EXPECT_EQ(p.calls, 1);
    place_done(&p);
}

TEST(the_gate_is_asked_about_all_parts) {
    static const char *const parts[GATE_PARTS] = {
        [GATE_CALLER] = "app",      [GATE_ISSUER] = "AKEY", [GATE_TARGET] = "kv",
        [GATE_INTERFACE] = "a:b/c", [GATE_FUNCTION] = "f",  [GATE_LINK] = "second",
    };
    place p;
    err e;
    slice answer = slice_empty();
    place_init(&p);
    p.g.workload.issuer = slice_from_text("AKEY");
    for (gate_part part = 0; part < GATE_PARTS; part++) {
        if (parts[part] != NULL) {
            set_rule(&p, part, "other");
            EXPECT_OK(call(&p, &p.items[1], "x", &answer, &e));
            set_rule(&p, part, parts[part]);
            EXPECT_STATUS(call(&p, &p.items[1], "x", &answer, &e), STATUS_DENIED);
        }
    }
    place_done(&p);
}

TEST(without_a_gate_nothing_is_allowed) {
    place p;
    err e;
    slice answer = slice_empty();
    place_init(&p);
    p.g.workload.gate = NULL;
    EXPECT_STATUS(call(&p, &p.items[0], "x", &answer, &e), STATUS_DENIED);
    EXPECT_EQ(p.calls, 0);
    place_done(&p);
}

TEST(a_call_has_a_deadline) {
    place p;
    err e;
    slice answer = slice_empty();
    place_init(&p);
    p.does = KEEP;
    p.items[0].timeout_ns = 1000000;
    EXPECT_STATUS(call(&p, &p.items[0], "x", &answer, &e), STATUS_TIMEOUT);
    place_done(&p);
}

static void lose_drivers(host_call *call_, void *arg) {
    place *p = arg;
    (void)call_;
    rpc_free(p->server);
    p->server = NULL;
    while (!p->g.is_woken) {
        loop_turn(p->g.loop, true);
    }
}

TEST(drivers_that_go_are_told) {
    place p;
    err e;
    slice answer = slice_empty();
    place_init(&p);
    p.does = KEEP;
    p.g.on_suspend = lose_drivers;
    p.g.on_suspend_arg = &p;
    EXPECT_STATUS(call(&p, &p.items[0], "x", &answer, &e), STATUS_CLOSED);
    rpc_free(p.drivers);
    p.drivers = NULL;
    EXPECT_STATUS(call(&p, &p.items[0], "x", &answer, &e), STATUS_CLOSED);
    EXPECT_CONTAINS(e.message, "being replaced");
    place_done(&p);
}

TEST(a_guest_that_is_given_up_gives_up_its_call) {
    place p;
    err e;
    slice answer = slice_empty();
    place_init(&p);
    p.does = KEEP;
    p.g.suspends = 1000; // the next one says that the guest is being given up
    EXPECT_STATUS(call(&p, &p.items[0], "x", &answer, &e), STATUS_CANCELLED);
    for (int i = 0; i < 10 && p.cancelled == 0; i++) {
        loop_turn(p.g.loop, true);
    }
    EXPECT_EQ(p.cancelled, 1);
    place_done(&p);
}

// Calls that were given up count until the drivers have let go of them: else a guest whose requests are given
// up again and again would take the connection from all other workloads.
TEST(calls_that_were_given_up_count_for_their_workload) {
    place p;
    err e;
    slice answer = slice_empty();
    place_init(&p);
    p.does = KEEP;
    p.g.suspends = 1000; // the next one says that the guest is being given up
    EXPECT_STATUS(call(&p, &p.items[0], "x", &answer, &e), STATUS_CANCELLED);
    EXPECT_EQ(p.share.calls, 1);
    EXPECT_EQ(p.share.bytes, strlen("a:b/cfx"));
    for (int i = 0; i < 10 && p.share.calls > 0; i++) {
        loop_turn(p.g.loop, true);
    }
    EXPECT_EQ(p.share.calls, 0);
    EXPECT_EQ(p.share.bytes, 0);
    place_done(&p);
}

TEST(a_workload_keeps_to_its_share_of_the_connection) {
    place p;
    err e;
    slice answer = slice_empty();
    place_init(&p);
    rpc_share full = {.calls = 4096}; // as if so many were waiting
    p.links.share = &full;
    EXPECT_STATUS(call(&p, &p.items[0], "x", &answer, &e), STATUS_LIMIT);
    EXPECT_EQ(p.calls, 0);
    full = (rpc_share){.bytes = 64 << 20};
    EXPECT_STATUS(call(&p, &p.items[0], "x", &answer, &e), STATUS_LIMIT);
    full = (rpc_share){0};
    EXPECT_OK(call(&p, &p.items[0], "x", &answer, &e));
    place_done(&p);
}

// --- wasmcloud:bus/lattice ---------------------------------------------------------------------------------

TEST(a_guest_chooses_by_target_interfaces) {
    place p;
    err e;
    const wasi_link *l = NULL;
    wasmcloud_bus_lattice_call_target_interface *one = NULL;
    wasmcloud_bus_lattice_result_void_string done = {0};
    place_init(&p);
    for (int i = 0; i < 2; i++) {
        const char *name = i == 0 ? "second" : "third";
        EXPECT_OK(wasmcloud_bus_lattice_call_target_interface_new(
            &p.g, slice_from_text("a"), slice_from_text("b"), slice_from_text("c"), &one, &e));
        const wasmcloud_bus_lattice_list_call_target_interface list = {&one, 1};
        EXPECT_OK(wasmcloud_bus_lattice_set_link_name(&p.g, slice_from_text(name), &list, &done, &e));
        EXPECT_EQ(done.is_err, i == 1);
    }
    char said[200];
    snprintf(said, sizeof said, "%.*s", SLICE_ARG(done.err));
    EXPECT_TEXT(said, "workload app has no link named \"third\" for a:b/c");
    EXPECT_STATUS(wasi_link_of(&p.g, slice_from_text("a:b/c"), &l, &e), STATUS_NOT_FOUND);
    place_done(&p);
}

TEST(version_1_says_nothing_until_the_call) {
    place p;
    err e;
    const wasi_link *l = NULL;
    wasmcloud_bus_lattice_1_call_target_interface *one = NULL;
    place_init(&p);
    EXPECT_OK(wasmcloud_bus_lattice_1_call_target_interface_new(
        &p.g, slice_from_text("a"), slice_from_text("b"), slice_from_text("c"), &one, &e));
    const wasmcloud_bus_lattice_1_list_call_target_interface list = {&one, 1};
    EXPECT_OK(wasmcloud_bus_lattice_1_set_link_name(&p.g, slice_from_text("third"), &list, &e));
    EXPECT_STATUS(wasi_link_of(&p.g, slice_from_text("a:b/c"), &l, &e), STATUS_NOT_FOUND);
    place_done(&p);
}

TEST(names_of_interfaces_are_bounded) {
    place p;
    err e;
    char name[WASI_LINK_NAME_BYTES_MAX + 1];
    wasmcloud_bus_lattice_call_target_interface *one = NULL;
    place_init(&p);
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    EXPECT_STATUS(wasmcloud_bus_lattice_call_target_interface_new(
                      &p.g, slice_from_text("a"), slice_from_text("b"), slice_from_text(name), &one, &e),
                  STATUS_TRAP);
    EXPECT_OK(wasmcloud_bus_lattice_call_target_interface_new(&p.g, slice_empty(), slice_empty(),
                                                              slice_empty(), &one, &e));
    const wasmcloud_bus_lattice_list_call_target_interface list = {&one, 1};
    wasmcloud_bus_lattice_result_void_string done = {0};
    EXPECT_OK(wasmcloud_bus_lattice_set_link_name(&p.g, slice_empty(), &list, &done, &e));
    EXPECT(done.is_err);
    place_done(&p);
}
