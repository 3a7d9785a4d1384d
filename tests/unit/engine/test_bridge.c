// SPDX-License-Identifier: Apache-2.0
// Calls between components that share nothing: who pays, who fails, who waits.
#include "test.h"

#include "unit/engine/helper_app.h"

// A callee that counts its calls: add(n) -> n + calls so far.
static const char counter[] = "(component (core module $m (global $calls (mut i32) (i32.const 0))"
                              "  (func (export \"add\") (param i32) (result i32)"
                              "    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))"
                              "    (if (i32.eq (local.get 0) (i32.const 13)) (then unreachable))"
                              "    (if (i32.eq (local.get 0) (i32.const 14)) (then (loop $l (br $l))))"
                              "    (i32.add (local.get 0) (global.get $calls))))"
                              "(core instance $i (instantiate $m))"
                              "(func $add (param \"n\" u32) (result u32) (canon lift (core func $i \"add\")))"
                              "(instance $x (export \"add\" (func $add)))"
                              "(export \"test:app/sum@1.2.0\" (instance $x)))";

#define IMPORT_SUM                                               \
    "(import \"test:app/sum@1.0.0\" (instance $sum"              \
    "  (export \"add\" (func (param \"n\" u32) (result u32)))))" \
    "(core func $add (canon lower (func $sum \"add\")))"

static const char front[] =
    "(component " IMPORT_SUM "(core module $m"
    "  (import \"\" \"add\" (func $add (param i32) (result i32)))"
    "  (func (export \"run\") (param i32) (result i32) (i32.mul (call $add (local.get 0)) (i32.const 10))))"
    "(core instance $i (instantiate $m (with \"\" (instance (export \"add\" (func $add))))))"
    "(func (export \"run\") (param \"n\" u32) (result u32) (canon lift (core func $i \"run\"))))";

static const app_link front_to_counter[] = {{"front", "test:app/sum@1.0.0", "counter"}};

static void open_front(app *a) {
    err e;
    memset(a, 0, sizeof *a);
    app_add(a, "front", front);
    app_add(a, "counter", counter);
    EXPECT_STATUS_ERR(app_link_all(a, front_to_counter, 1, &e), STATUS_OK, e);
}

TEST(a_callee_lives_as_long_as_its_caller) {
    app a;
    err e;
    uint64_t n = 0;
    open_front(&a);
    EXPECT_STATUS_ERR(app_number(&a, "run", 5, &n, &e), STATUS_OK, e);
    EXPECT_U64(n, 60);
    EXPECT_STATUS_ERR(app_number(&a, "run", 5, &n, &e), STATUS_OK, e);
    EXPECT_U64(n, 70);
    EXPECT_EQ(a.units[1].opened, 1);
    EXPECT_EQ(a.units[1].closed, 0);
    app_close(&a);
    EXPECT_EQ(a.units[1].closed, 1);
}

TEST(a_caller_without_a_place_for_it_traps_and_names_who_failed) {
    app a;
    err e;
    uint64_t n = 0;
    open_front(&a);
    EXPECT_STATUS(app_number(&a, "run", 13, &n, &e), STATUS_TRAP);
    EXPECT_CONTAINS(e.message, "test:app/sum add: counter: ");
    EXPECT_CONTAINS(e.message, "unreachable");
    app_close(&a);
    EXPECT_EQ(a.units[1].closed, 1);
}

TEST(a_callee_that_computes_for_ever_pays_with_its_own_time) {
    app a;
    err e;
    uint64_t n = 0;
    open_front(&a);
    a.units[1].cpu_ns_max = 30000000;
    EXPECT_STATUS(app_number(&a, "run", 14, &n, &e), STATUS_TRAP);
    EXPECT_CONTAINS(e.message, "counter: over its CPU time limit");
    EXPECT(a.units[1].cpu_ns >= 30000000);
    app_close(&a);
}
