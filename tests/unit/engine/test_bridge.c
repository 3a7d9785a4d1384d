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

TEST(what_failed_is_made_anew_for_the_next_caller_only) {
    app a;
    err e;
    uint64_t n = 0;
    open_front(&a);
    EXPECT_STATUS(app_number(&a, "run", 13, &n, &e), STATUS_TRAP);
    EXPECT_STATUS_ERR(app_number(&a, "run", 5, &n, &e), STATUS_OK, e);
    EXPECT_U64(n, 60);
    EXPECT_EQ(a.units[1].opened, 2);
    app_close(&a);
}

// --- where the failure goes --------------------------------------------------------------------------------

// go(0) returns an ok, 1 traps, 2 asks for too much memory and traps, 3 calls a realloc that misbehaves.
#define FAILING_CALLEE(RESULT)                                                                               \
    "(component (core module $m (memory (export \"mem\") 1)"                                                 \
    "  (global $calls (mut i32) (i32.const 0))"                                                              \
    "  (func (export \"realloc\") (param i32 i32 i32 i32) (result i32)"                                      \
    "    (if (result i32) (i32.eq (local.get 3) (i32.const 3)) (then (i32.const 0x7fffffff))"                \
    "      (else (i32.const 1024))))"                                                                        \
    "  (func $go (export \"go\") (param i32 i32 i32) (result i32)"                                           \
    "    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))"                                    \
    "    (if (i32.eq (local.get 0) (i32.const 1)) (then unreachable))"                                       \
    "    (if (i32.eq (local.get 0) (i32.const 2)) (then"                                                     \
    "      (if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))))"                 \
    "    (if (i32.eq (local.get 0) (i32.const 4)) (then (loop $l (br $l))))"                                 \
    "    (i32.store8 (i32.const 64) (i32.eq (local.get 0) (i32.const 5)))" /* an error of its own */         \
    "    (i32.store (i32.const 68) (global.get $calls)) (i32.store (i32.const 72) (i32.const 0))"            \
    "    (i32.store (i32.const 76) (i32.const 0))"                                                           \
    "    (i32.const 64))"                                                                                    \
    "  (func (export \"plain\") (param i32 i32 i32) (result i32)"                                            \
    "    (drop (call $go (local.get 0) (local.get 1) (local.get 2))) (i32.const 0)))"                        \
    "(core instance $i (instantiate $m))"                                                                    \
    "(type $why' (variant (case \"missing\") (case \"other\" string) (case \"io\" string)))"                 \
    "(export $why \"why\" (type $why'))"                                                                     \
    "(func $go (param \"n\" u32) (param \"s\" string) (result " RESULT ")"                                   \
    "  (canon lift (core func $i \"go\") (memory (core memory $i \"mem\")) (realloc (core func $i "          \
    "\"realloc\"))))"                                                                                        \
    "(func $plain (param \"n\" u32) (param \"s\" string) (result (result))"                                  \
    "  (canon lift (core func $i \"plain\") (memory (core memory $i \"mem\"))"                               \
    "    (realloc (core func $i \"realloc\"))))"                                                             \
    "(instance $x (export \"why\" (type $why)) (export \"go\" (func $go)) (export \"plain\" (func $plain)))" \
    "(export \"test:app/work\" (instance $x)))"

// run(n): the discriminant of the result, and of the error's case (times 10), and 100 when the string of the
// error speaks of the callee; n over 100 passes a bad pointer; 3 passes a string of three bytes.
#define FAILING_CALLER(RESULT)                                                                               \
    "(component (import \"test:app/work\" (instance $w"                                                      \
    "  (type $why' (variant (case \"missing\") (case \"other\" string) (case \"io\" string)))"               \
    "  (export \"why\" (type $why (eq $why')))"                                                              \
    "  (export \"go\" (func (param \"n\" u32) (param \"s\" string) (result " RESULT ")))"                    \
    "  (export \"plain\" (func (param \"n\" u32) (param \"s\" string) (result (result))))))"                 \
    "(core module $l (memory (export \"mem\") 1) (global $bad (export \"bad\") (mut i32) (i32.const 0))"     \
    "  (func (export \"realloc\") (param i32 i32 i32 i32) (result i32)"                                      \
    "    (if (result i32) (global.get $bad) (then (i32.const 0x7ffffff0)) (else (i32.const 2048)))))"        \
    "(core instance $l (instantiate $l))"                                                                    \
    "(core func $go (canon lower (func $w \"go\") (memory (core memory $l \"mem\"))"                         \
    "  (realloc (core func $l \"realloc\"))))"                                                               \
    "(core func $plain (canon lower (func $w \"plain\") (memory (core memory $l \"mem\"))))"                 \
    "(core module $m"                                                                                        \
    "  (import \"l\" \"mem\" (memory 1)) (import \"l\" \"bad\" (global $bad (mut i32)))"                     \
    "  (import \"\" \"go\" (func $go (param i32 i32 i32 i32)))"                                              \
    "  (import \"\" \"plain\" (func $plain (param i32 i32 i32) (result i32)))"                               \
    "  (func (export \"plain\") (param i32) (result i32)"                                                    \
    "    (call $plain (local.get 0) (i32.const 0) (i32.const 1)))"                                           \
    "  (func (export \"run\") (param $n i32) (result i32)"                                                   \
    "    (global.set $bad (i32.eq (local.get $n) (i32.const 200)))"                                          \
    "    (if (global.get $bad) (then (local.set $n (i32.const 1))))"                                         \
    "    (call $go (local.get $n)"                                                                           \
    "      (if (result i32) (i32.eq (local.get $n) (i32.const 100)) (then (i32.const -1)) (else (i32.const " \
    "0)))"                                                                                                   \
    "      (if (result i32) (i32.eq (local.get $n) (i32.const 3)) (then (i32.const 3)) (else (i32.const "    \
    "1)))"                                                                                                   \
    "      (i32.const 128))"                                                                                 \
    "    (i32.add (i32.load8_u (i32.const 128)) (i32.add (i32.mul (i32.const 10) (i32.load8_u (i32.const "   \
    "132)))"                                                                                                 \
    "      (i32.mul (i32.const 100)" /* "callee: test:app/work go: ..." */                                   \
    "        (i32.eq (i32.load (i32.const 2048)) (i32.const 0x6c6c6163)))))))"                               \
    "(core instance $i (instantiate $m (with \"l\" (instance $l))"                                           \
    "  (with \"\" (instance (export \"go\" (func $go)) (export \"plain\" (func $plain))))))"                 \
    "(func (export \"run\") (param \"n\" u32) (result u32) (canon lift (core func $i \"run\")))"             \
    "(func (export \"plain\") (param \"n\" u32) (result u32) (canon lift (core func $i \"plain\"))))"

static const app_link caller_to_callee[] = {{"caller", "test:app/work", "callee"}};

static void open_failing(app *a, const char *caller, const char *callee) {
    err e;
    memset(a, 0, sizeof *a);
    app_add(a, "caller", caller);
    app_add(a, "callee", callee);
    EXPECT_STATUS_ERR(app_link_all(a, caller_to_callee, 1, &e), STATUS_OK, e);
    a->units[1].memory_bytes_max = 4 << 20;
    a->units[1].cpu_ns_max = 20000000;
}

static uint64_t number_of(app *a, const char *name, uint32_t argument) {
    err e;
    uint64_t n = UINT64_MAX;
    EXPECT_STATUS_ERR(app_number(a, name, argument, &n, &e), STATUS_OK, e);
    return n;
}

TEST(a_callee_that_fails_is_an_error_with_a_reason) {
    app a;
    open_failing(&a, FAILING_CALLER("(result u32 (error string))"),
                 FAILING_CALLEE("(result u32 (error string))"));
    EXPECT_U64(number_of(&a, "run", 0), 10); // ok, one call of this instance so far
    EXPECT_U64(number_of(&a, "run", 0), 20);
    for (uint32_t n = 1; n <= 4; n++) { // the pointer of the string, 2048, is 0 in its lowest byte
        EXPECT_U64(number_of(&a, "run", n), 101);
        EXPECT_EQ(a.units[1].opened - a.units[1].closed, 0);
    }
    EXPECT_EQ(a.units[1].opened, 4);
    app_close(&a);
}

TEST(a_callee_that_fails_is_a_case_that_fits) {
    app a;
    open_failing(&a, FAILING_CALLER("(result u32 (error $why))"),
                 FAILING_CALLEE("(result u32 (error $why))"));
    EXPECT_U64(number_of(&a, "run", 1), 111); // "other", not "io"
    EXPECT_U64(number_of(&a, "run", 4), 111);
    EXPECT_U64(number_of(&a, "plain", 1), 1);
    EXPECT_U64(number_of(&a, "plain", 0), 0);
    app_close(&a);
}

TEST(what_the_caller_does_wrong_is_its_own_trap) {
    app a;
    err e;
    uint64_t n;
    open_failing(&a, FAILING_CALLER("(result u32 (error string))"),
                 FAILING_CALLEE("(result u32 (error string))"));
    EXPECT_STATUS(app_number(&a, "run", 100, &n, &e), STATUS_TRAP); // a bad pointer
    EXPECT_CONTAINS(e.message, "out of bounds");
    EXPECT_STATUS(app_number(&a, "run", 200, &n, &e), STATUS_TRAP); // no room for the reason
    EXPECT_CONTAINS(e.message, "realloc return");
    app_close(&a);
    EXPECT_EQ(a.units[1].opened, a.units[1].closed);
}

// --- waiting -----------------------------------------------------------------------------------------------

// add(n) waits n times before it adds 1; `next` makes it ask another component in between.
static const char waiter[] =
    "(component (import \"test:host/wait\" (instance $h (export \"wait\" (func (param \"n\" u32) (result "
    "u32)))))"
    "(core func $wait (canon lower (func $h \"wait\")))"
    "(core module $m (import \"\" \"wait\" (func $wait (param i32) (result i32)))"
    "  (func (export \"add\") (param i32) (result i32) (call $wait (local.get 0)))"
    "  (func (export \"after\") (param i32) (drop (call $after (i32.const 2))))"
    "  (func $after (param i32) (result i32) (local.get 0)))"
    "(core instance $i (instantiate $m (with \"\" (instance (export \"wait\" (func $wait))))))"
    "(func $add (param \"n\" u32) (result u32) (canon lift (core func $i \"add\")"
    "  (post-return (core func $i \"after\"))))"
    "(instance $x (export \"add\" (func $add)))"
    "(export \"test:app/sum@1.2.0\" (instance $x)))";

static const char between[] =
    "(component " IMPORT_SUM
    "(import \"test:host/wait\" (instance $h (export \"wait\" (func (param \"n\" u32) (result u32)))))"
    "(core func $wait (canon lower (func $h \"wait\")))"
    "(core module $m (import \"\" \"add\" (func $add (param i32) (result i32)))"
    "  (import \"\" \"wait\" (func $wait (param i32) (result i32)))"
    "  (func (export \"add\") (param i32) (result i32)"
    "    (call $wait (call $add (call $wait (local.get 0))))))"
    "(core instance $i (instantiate $m (with \"\" (instance (export \"add\" (func $add))"
    "  (export \"wait\" (func $wait))))))"
    "(func $add (param \"n\" u32) (result u32) (canon lift (core func $i \"add\")))"
    "(instance $x (export \"add\" (func $add)))"
    "(export \"test:app/sum@1.2.0\" (instance $x)))";

static void open_chain(app *a, const char *last) {
    static const app_link links[] = {{"front", "test:app/sum@1.0.0", "between"},
                                     {"between", "test:app/sum@1.0.0", "last"}};
    err e;
    memset(a, 0, sizeof *a);
    app_add(a, "front", front);
    app_add(a, "between", between);
    app_add(a, "last", last);
    EXPECT_STATUS_ERR(app_link_all(a, links, 2, &e), STATUS_OK, e);
}

TEST(callees_wait_below_each_other) {
    app a;
    open_chain(&a, waiter);
    EXPECT_U64(number_of(&a, "run", 2), 50); // 2 -> 3 -> 4 -> 5
    EXPECT_EQ(a.waits, 2 + 3 + 4);
    EXPECT_U64(number_of(&a, "run", 0), 30);
    EXPECT_EQ(a.units[1].opened + a.units[2].opened, 2);
    app_close(&a);
}

TEST(who_is_given_up_gives_up_whom_it_called) {
    for (uint32_t rounds = 1; rounds < 12; rounds++) {
        app a;
        open_chain(&a, waiter);
        app_call c = {.name = "run", .args = {{.kind = CTYPE_U32, .of.unsigned_ = 9}}, .arg_count = 1};
        EXPECT(!app_call_run(&a, &c, rounds));
        EXPECT_STATUS(c.result, STATUS_CANCELLED);
        EXPECT_EQ(a.units[1].opened, a.units[1].closed);
        EXPECT_EQ(a.units[2].opened, a.units[2].closed);
        app_call_done(&c);
        app_close(&a);
    }
}

TEST(a_failure_goes_up_until_somebody_has_a_place_for_it) {
    app a;
    err e;
    uint64_t n;
    open_chain(&a, counter);
    EXPECT_STATUS(app_number(&a, "run", 12, &n, &e), STATUS_TRAP); // 12 -> 13, where the last one traps
    EXPECT_CONTAINS(e.message, "between: ");
    EXPECT_CONTAINS(e.message, "last: ");
    EXPECT_CONTAINS(e.message, "unreachable");
    EXPECT_EQ(a.units[1].opened, a.units[1].closed);
    EXPECT_EQ(a.units[2].opened, a.units[2].closed);
    app_close(&a);
}

// --- circles -----------------------------------------------------------------------------------------------

// add(n) = n == 0 ? 0 : 1 + add(n - 1) of another instance; an error at the end of the road is 1000.
static const char circle[] =
    "(component (import \"test:app/round\" (instance $r"
    "  (export \"add\" (func (param \"n\" u32) (result (result u32))))))"
    "(core module $l (memory (export \"mem\") 1))"
    "(core instance $l (instantiate $l))"
    "(core func $add (canon lower (func $r \"add\") (memory (core memory $l \"mem\"))))"
    "(core module $m (import \"l\" \"mem\" (memory 1)) (import \"\" \"add\" (func $add (param i32 i32)))"
    "  (global $busy (mut i32) (i32.const 0))"
    "  (func $count (param $n i32) (result i32)"
    "    (if (global.get $busy) (then unreachable))" // never entered again
    "    (if (i32.eqz (local.get $n)) (then (return (i32.const 0))))"
    "    (global.set $busy (i32.const 1))"
    "    (call $add (i32.sub (local.get $n) (i32.const 1)) (i32.const 64))"
    "    (global.set $busy (i32.const 0))"
    "    (if (i32.load8_u (i32.const 64)) (then (return (i32.const 1000))))"
    "    (i32.add (i32.const 1) (i32.load (i32.const 68))))"
    "  (func (export \"run\") (param i32) (result i32) (call $count (local.get 0)))"
    "  (func (export \"add\") (param i32) (result i32)"
    "    (i32.store8 (i32.const 32) (i32.const 0))"
    "    (i32.store (i32.const 36) (call $count (local.get 0))) (i32.const 32)))"
    "(core instance $i (instantiate $m (with \"l\" (instance $l))"
    "  (with \"\" (instance (export \"add\" (func $add))))))"
    "(func (export \"run\") (param \"n\" u32) (result u32) (canon lift (core func $i \"run\")))"
    "(func $a (param \"n\" u32) (result (result u32)) (canon lift (core func $i \"add\")"
    "  (memory (core memory $l \"mem\"))))"
    "(instance $x (export \"add\" (func $a)))"
    "(export \"test:app/round\" (instance $x)))";

TEST(circles_end_at_the_depth_limit) {
    static const app_link links[] = {{"a", "test:app/round", "b"}, {"b", "test:app/round", "a"}};
    app a;
    err e;
    memset(&a, 0, sizeof a);
    app_add(&a, "a", circle);
    app_add(&a, "b", circle);
    REQUIRE(app_link_all(&a, links, 2, &e) == STATUS_OK);
    EXPECT_U64(number_of(&a, "run", 3), 3);
    EXPECT_U64(number_of(&a, "run", BRIDGE_DEPTH_MAX - 1), BRIDGE_DEPTH_MAX - 1);
    EXPECT_U64(number_of(&a, "run", BRIDGE_DEPTH_MAX), 1000 + BRIDGE_DEPTH_MAX - 1);
    EXPECT_U64(number_of(&a, "run", 100000), 1000 + BRIDGE_DEPTH_MAX - 1);
    app_close(&a);
}

TEST(a_component_may_call_itself_in_another_instance) {
    static const app_link links[] = {{"a", "test:app/round", "a"}};
    app a;
    err e;
    memset(&a, 0, sizeof a);
    app_add(&a, "a", circle);
    REQUIRE(app_link_all(&a, links, 1, &e) == STATUS_OK);
    EXPECT_U64(number_of(&a, "run", 5), 5);
    app_close(&a);
    EXPECT_EQ(a.units[0].closed, 5);
}

// --- linking -----------------------------------------------------------------------------------------------

static status link_only(const char *caller, const char *callee, err *e) {
    app a;
    memset(&a, 0, sizeof a);
    app_add(&a, "front", caller);
    app_add(&a, "counter", callee);
    status s = app_link_all(&a, front_to_counter, 1, e);
    app_close(&a);
    return s;
}

#define EXPORTS_ADD(TYPE, NAME)                                                  \
    "(component (core module $m (func (export \"add\") (param i32) (result i32)" \
    "  (local.get 0))) (core instance $i (instantiate $m))"                      \
    "(func $add " TYPE " (canon lift (core func $i \"add\")))"                   \
    "(instance $x (export \"add\" (func $add))) (export \"" NAME "\" (instance $x)))"

TEST(an_interface_must_be_exported_in_a_compatible_version_with_the_same_types) {
    err e;
    EXPECT_OK(link_only(front, EXPORTS_ADD("(param \"n\" u32) (result u32)", "test:app/sum@1.0.0"), &e));
    EXPECT_STATUS(link_only(front, EXPORTS_ADD("(param \"n\" u32) (result u32)", "test:app/sum@2.0.0"), &e),
                  STATUS_NOT_FOUND);
    EXPECT_CONTAINS(e.message, "counter does not export test:app/sum@1.0.0");
    EXPECT_STATUS(link_only(front, EXPORTS_ADD("(param \"n\" u32) (result u32)", "test:app/sums@1.0.0"), &e),
                  STATUS_NOT_FOUND);
    EXPECT_STATUS(link_only(front, EXPORTS_ADD("(param \"n\" u32) (result s32)", "test:app/sum@1.0.0"), &e),
                  STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "func(n: u32) -> s32");
}

// --- resources ---------------------------------------------------------------------------------------------

// A resource `cell` with a number; `living` counts those whose destructor has not run.
static const char cells[] =
    "(component (core module $l (memory (export \"mem\") 1) (global $living (mut i32) (i32.const 0))"
    "  (func (export \"made\") (global.set $living (i32.add (global.get $living) (i32.const 1))))"
    "  (func (export \"living\") (result i32) (global.get $living))"
    "  (func (export \"dtor\") (param i32)"
    "    (if (i32.eq (local.get 0) (i32.const 66)) (then unreachable))"
    "    (global.set $living (i32.sub (global.get $living) (i32.const 1)))))"
    "(core instance $l (instantiate $l))"
    "(type $cell' (resource (rep i32) (dtor (core func $l \"dtor\"))))"
    "(core func $new (canon resource.new $cell'))"
    "(core func $drop (canon resource.drop $cell'))"
    "(core func $rep (canon resource.rep $cell'))"
    "(core module $m (import \"\" \"new\" (func $new (param i32) (result i32)))"
    "  (import \"\" \"drop\" (func $drop (param i32))) (import \"\" \"rep\" (func $rep (param i32) (result "
    "i32)))"
    "  (import \"l\" \"made\" (func $made)) (import \"l\" \"living\" (func $living (result i32)))"
    "  (func (export \"new\") (param i32) (result i32) (call $made) (call $new (local.get 0)))"
    "  (func (export \"get\") (param i32) (result i32)"
    "    (if (i32.eq (local.get 0) (i32.const 13)) (then unreachable)) (local.get 0))"
    "  (func (export \"take\") (param $own i32) (param $borrow i32) (result i32) (local $n i32)"
    "    (local.set $n (i32.add (call $rep (local.get $own)) (local.get $borrow)))"
    "    (call $drop (local.get $own)) (local.get $n))"
    "  (func (export \"same\") (param i32) (result i32) (local.get 0))"
    "  (func (export \"living\") (result i32) (call $living)))"
    "(core instance $i (instantiate $m (with \"l\" (instance $l)) (with \"\" (instance"
    "  (export \"new\" (func $new)) (export \"drop\" (func $drop)) (export \"rep\" (func $rep))))))"
    "(component $out"
    "  (import \"cell\" (type $c (sub resource)))"
    "  (import \"new\" (func $new (param \"n\" u32) (result (own $c))))"
    "  (import \"get\" (func $get (param \"self\" (borrow $c)) (result u32)))"
    "  (import \"take\" (func $take (param \"own\" (own $c)) (param \"from\" (borrow $c)) (result u32)))"
    "  (import \"same\" (func $same (param \"own\" (own $c)) (result (own $c))))"
    "  (import \"living\" (func $living (result u32)))"
    "  (export $x \"cell\" (type $c))"
    "  (export \"[constructor]cell\" (func $new) (func (param \"n\" u32) (result (own $x))))"
    "  (export \"[method]cell.get\" (func $get) (func (param \"self\" (borrow $x)) (result u32)))"
    "  (export \"take\" (func $take) (func (param \"own\" (own $x)) (param \"from\" (borrow $x)) (result "
    "u32)))"
    "  (export \"same\" (func $same) (func (param \"own\" (own $x)) (result (own $x))))"
    "  (export \"living\" (func $living) (func (result u32))))"
    "(func $new (param \"n\" u32) (result (own $cell')) (canon lift (core func $i \"new\")))"
    "(func $get (param \"self\" (borrow $cell')) (result u32) (canon lift (core func $i \"get\")))"
    "(func $take (param \"own\" (own $cell')) (param \"from\" (borrow $cell')) (result u32)"
    "  (canon lift (core func $i \"take\")))"
    "(func $same (param \"own\" (own $cell')) (result (own $cell')) (canon lift (core func $i \"same\")))"
    "(func $living (result u32) (canon lift (core func $i \"living\")))"
    "(instance $o (instantiate $out (with \"cell\" (type $cell')) (with \"new\" (func $new))"
    "  (with \"get\" (func $get)) (with \"take\" (func $take)) (with \"same\" (func $same))"
    "  (with \"living\" (func $living))))"
    "(export \"test:app/cells\" (instance $o)))";

#define CELL_USER(BODY)                                                                                \
    "(component (import \"test:app/cells\" (instance $c"                                               \
    "  (export \"cell\" (type $t (sub resource)))"                                                     \
    "  (export \"[constructor]cell\" (func (param \"n\" u32) (result (own $t))))"                      \
    "  (export \"[method]cell.get\" (func (param \"self\" (borrow $t)) (result u32)))"                 \
    "  (export \"take\" (func (param \"own\" (own $t)) (param \"from\" (borrow $t)) (result u32)))"    \
    "  (export \"same\" (func (param \"own\" (own $t)) (result (own $t))))"                            \
    "  (export \"living\" (func (result u32)))))"                                                      \
    "(alias export $c \"cell\" (type $t))"                                                             \
    "(core func $new (canon lower (func $c \"[constructor]cell\")))"                                   \
    "(core func $get (canon lower (func $c \"[method]cell.get\")))"                                    \
    "(core func $take (canon lower (func $c \"take\")))"                                               \
    "(core func $same (canon lower (func $c \"same\")))"                                               \
    "(core func $living (canon lower (func $c \"living\")))"                                           \
    "(core func $drop (canon resource.drop $t))"                                                       \
    "(core module $m (import \"\" \"new\" (func $new (param i32) (result i32)))"                       \
    "  (import \"\" \"get\" (func $get (param i32) (result i32)))"                                     \
    "  (import \"\" \"take\" (func $take (param i32 i32) (result i32)))"                               \
    "  (import \"\" \"same\" (func $same (param i32) (result i32)))"                                   \
    "  (import \"\" \"living\" (func $living (result i32)))"                                           \
    "  (import \"\" \"drop\" (func $drop (param i32)))"                                                \
    "  (func (export \"run\") (param i32) (result i32) (local $a i32) (local $b i32) " BODY "))"       \
    "(core instance $i (instantiate $m (with \"\" (instance (export \"new\" (func $new))"              \
    "  (export \"get\" (func $get)) (export \"take\" (func $take)) (export \"living\" (func $living))" \
    "  (export \"same\" (func $same)) (export \"drop\" (func $drop))))))"                              \
    "(func (export \"run\") (param \"n\" u32) (result u32) (canon lift (core func $i \"run\"))))"

static void open_cells(app *a, const char *user) {
    static const app_link links[] = {{"user", "test:app/cells", "cells"}};
    err e;
    memset(a, 0, sizeof *a);
    app_add(a, "user", user);
    app_add(a, "cells", cells);
    EXPECT_STATUS_ERR(app_link_all(a, links, 1, &e), STATUS_OK, e);
}

TEST(a_resource_stands_in_the_callers_table_and_lives_in_the_callee) {
    app a;
    open_cells(&a,
               CELL_USER("(local.set $a (call $new (i32.const 20))) (local.set $b (call $new (i32.const 3)))"
                         "(local.set $a (call $same (local.get $a)))"
                         // 20 + 3, and 2 alive
                         "(i32.add (i32.mul (i32.const 100) (call $living))"
                         "  (i32.add (call $get (local.get $a)) (call $get (local.get $b))))"));
    EXPECT_U64(number_of(&a, "run", 0), 223);
    EXPECT_U64(number_of(&a, "run", 0), 423);
    app_close(&a);
}

TEST(what_is_given_back_and_what_is_dropped_is_destroyed_once) {
    app a;
    open_cells(&a,
               CELL_USER("(local.set $a (call $new (i32.const 20))) (local.set $b (call $new (i32.const 3)))"
                         "(local.set $a (call $take (local.get $a) (local.get $b)))" // 23, 1 alive
                         "(local.set $a (i32.add (local.get $a) (i32.mul (i32.const 100) (call $living))))"
                         "(call $drop (local.get $b))"
                         "(i32.add (local.get $a) (i32.mul (i32.const 1000) (call $living)))"));
    EXPECT_U64(number_of(&a, "run", 0), 123);
    app_close(&a);
}

TEST(a_handle_is_good_for_its_own_type_and_only_as_long_as_it_is_there) {
    static const char *const bodies[] = {
        "(call $get (i32.const 9))", // never given
        "(local.set $a (call $new (i32.const 1))) (call $drop (local.get $a)) (call $get (local.get $a))",
        "(local.set $a (call $new (i32.const 1))) (call $take (local.get $a) (local.get $a))",
        ("(local.set $a (call $new (i32.const 1))) (drop (call $same (local.get $a)))"
         "(call $drop (local.get $a)) (call $drop (local.get $a)) (i32.const 0)"),
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        char text[4096];
        app a;
        err e;
        uint64_t n;
        const char *whole = CELL_USER("@");
        size_t at = (size_t)(strstr(whole, "@") - whole);
        (void)snprintf(text, sizeof text, "%.*s%s%s", (int)at, whole, bodies[i], whole + at + 1);
        open_cells(&a, text);
        EXPECT_STATUS(app_number(&a, "run", 0, &n, &e), STATUS_TRAP);
        EXPECT_CONTAINS(e.message, "handle index");
        app_close(&a);
    }
}

TEST(a_destructor_that_fails_ends_the_callee_and_not_the_caller) {
    app a;
    err e;
    uint64_t n;
    open_cells(&a,
               CELL_USER("(local.set $a (call $new (i32.const 66))) (local.set $b (call $new (i32.const 5)))"
                         "(call $drop (local.get $a))"
                         // what the callee held is gone: its handles can only be dropped
                         "(if (local.get 0) (then (return (call $get (local.get $b)))))"
                         "(call $drop (local.get $b)) (call $living)"));
    EXPECT_U64(number_of(&a, "run", 0), 0);
    EXPECT_EQ(a.units[1].opened, 2);
    EXPECT_STATUS(app_number(&a, "run", 1, &n, &e), STATUS_TRAP);
    EXPECT_CONTAINS(e.message, "has failed before");
    app_close(&a);
}

TEST(resources_of_others_do_not_go_between_components) {
    static const char passes_thing[] =
        "(component (import \"test:host/things\" (instance $h (export \"thing\" (type (sub resource)))))"
        "(alias export $h \"thing\" (type $t))"
        "(core module $m (func (export \"add\") (param i32) (result i32) (local.get 0)))"
        "(core instance $i (instantiate $m))"
        "(func $add (param \"n\" (own $t)) (result u32) (canon lift (core func $i \"add\")))"
        "(instance $x (export \"add\" (func $add)))"
        "(export \"test:app/sum@1.0.0\" (instance $x)))";
    err e;
    EXPECT_STATUS(link_only(front, passes_thing, &e), STATUS_UNSUPPORTED);
    EXPECT_CONTAINS(e.message, "resources that counter does not define itself");
}
