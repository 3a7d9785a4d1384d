// SPDX-License-Identifier: Apache-2.0
// The second draft's atomics, against a store that the test plays.
#include <sys/socket.h>

#include "capability/keyvalue/keyvalue_internal.h"
#include "helper_guest.h"
#include "policy/gate.h"
#include "test.h"
#include "wasi/keyvalue_atomics_draft2.h"
#include "wasi/keyvalue_store_draft2.h"

typedef struct place {
    guest g;
    _Atomic uint32_t state;
    wasi_link items[2];
    wasi_links links;
    rpc_share share;
    rpc *drivers, *server;
    gate *gate;
    int calls;
    char memory[8]; // of the guest
    char swapped[8];
    wasi_keyvalue_store_draft2_bucket *bucket;
} place;

// Guest memory may be elsewhere after each wait.
static void on_call(void *arg, rpc_request *q) {
    place *p = arg;
    const rpc_message *m = rpc_request_message(q);
    keyvalue_function f;
    keyvalue_call c = {0};
    auto_arena memory;
    auto_buf payload;
    arena_init(&memory, 1 << 16);
    buf_init(&payload, 1 << 16);
    REQUIRE(keyvalue_function_find(m->interface, m->function, &f));
    REQUIRE(keyvalue_call_decode(f, m->payload, &memory, &c, NULL) == STATUS_OK);
    if (f == KEYVALUE_COMPARE_AND_SWAP) {
        snprintf(p->swapped, sizeof p->swapped, "%.*s", SLICE_ARG(c.value));
    }
    memset(p->memory, 'x', sizeof p->memory);
    p->calls++;
    const keyvalue_answer a = {.is_there = true, .value = slice_from_text("old"), .number = 7};
    REQUIRE(keyvalue_answer_encode(f, &a, &payload, NULL) == STATUS_OK);
    rpc_answer(q, buf_slice(&payload));
}

static void place_init(place *p, const char *denied) {
    int fds[2];
    const rpc_handler handler = {.arg = p, .on_call = on_call};
    gate_rule rule = {.effect = GATE_DENY, .source = slice_from_text("the test")};
    wasi_keyvalue_store_draft2_result_bucket_error opened = {0};
    *p = (place){.state = WASI_LINK_OPEN};
    p->items[0] = (wasi_link){.interface = slice_from_text("wasi:keyvalue/store"),
                              .name = slice_from_text("default"),
                              .target = slice_from_text("memory"),
                              .target_name = slice_from_text("memory"),
                              .state = &p->state};
    p->items[1] = p->items[0];
    p->items[1].interface = slice_from_text("wasi:keyvalue/atomics");
    p->links = (wasi_links){.items = p->items, .count = 2, .drivers = &p->drivers, .share = &p->share};
    p->gate = gate_new((siphash_key){1, 2}, GATE_ALLOW);
    rule.patterns[GATE_FUNCTION] = slice_from_text(denied);
    EXPECT_OK(gate_set_rules(p->gate, &rule, denied[0] != '\0', NULL));
    guest_init(&p->g);
    p->g.workload.links = &p->links;
    p->g.workload.gate = p->gate;
    guest_start(&p->g);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    REQUIRE(rpc_new(p->g.loop, fds[0], NULL, &(rpc_handler){0}, &p->drivers, NULL) == STATUS_OK);
    REQUIRE(rpc_new(p->g.loop, fds[1], NULL, &handler, &p->server, NULL) == STATUS_OK);
    EXPECT_OK(wasi_keyvalue_store_draft2_open(&p->g, slice_from_text("b"), &opened, NULL));
    REQUIRE(!opened.is_err);
    p->bucket = opened.ok;
}

static void place_done(place *p) {
    wasi_keyvalue_store_draft2_bucket_drop(p->g.instance, p->bucket);
    rpc_free(p->drivers);
    rpc_free(p->server);
    guest_done(&p->g);
    gate_free(p->gate);
}

TEST(what_is_swapped_in_is_what_the_guest_gave) {
    static place p;
    wasi_keyvalue_atomics_draft2_result_cas_error made = {0};
    wasi_keyvalue_atomics_draft2_result_void_cas_error swapped = {0};
    err e = {0};
    place_init(&p, "");
    EXPECT_OK(wasi_keyvalue_atomics_draft2_cas_new(&p.g, p.bucket, slice_from_text("k"), &made, &e));
    REQUIRE(!made.is_err);
    guest_return(&p.g);
    snprintf(p.memory, sizeof p.memory, "new");
    EXPECT_OK(wasi_keyvalue_atomics_draft2_swap(&p.g, made.ok, slice_of(p.memory, 3), &swapped, &e));
    EXPECT(!swapped.is_err);
    EXPECT_TEXT(p.swapped, "new");
    place_done(&p);
}

// Whoever takes it away by the contract's name means both drafts.
TEST(a_rule_on_increment_holds_for_both_drafts) {
    static const char *const denied[] = {"increment", "increment-signed", "swap"};
    static place p;
    for (size_t i = 0; i < sizeof denied / sizeof denied[0]; i++) {
        wasi_keyvalue_atomics_draft2_result_s64_error sum = {0};
        err e = {0};
        place_init(&p, denied[i]);
        EXPECT_OK(wasi_keyvalue_atomics_draft2_increment(&p.g, p.bucket, slice_from_text("k"), 1, &sum, &e));
        EXPECT_EQ(sum.is_err, i < 2);
        EXPECT_EQ(p.calls, i < 2 ? 0 : 1);
        place_done(&p);
    }
}
