// SPDX-License-Identifier: Apache-2.0
// Values of random types, read from random memory, through a call to another component and back: what comes
// back is what the host reads from the same place at once, and where one traps so does the other.
//
// WRIT_SEED=N repeats a run; the seed of a failure is printed.
#include <stdlib.h>

#include "base/mem.h"
#include "test.h"
#include "unit/engine/helper_app.h"
#include "unit/engine/helper_types.h"

enum { TYPES = 60, POINTERS = 16, TEXT_MAX = 4 * TYPES_TEXT_MAX };

static const char *const encodings[] = {"utf8", "utf16", "latin1+utf16"};

// A heap that only grows, in a memory that grows with it.
#define HEAP                                                                                                \
    "(global $next (mut i32) (i32.const 8192))"                                                             \
    "(func (export \"realloc\") (param i32 i32 i32 i32) (result i32) (local $r i32)"                        \
    "  (local.set $r (i32.and (i32.add (global.get $next) (i32.sub (local.get 2) (i32.const 1)))"           \
    "    (i32.sub (i32.const 0) (local.get 2))))"                                                           \
    "  (global.set $next (i32.add (local.get $r) (local.get 3)))"                                           \
    "  (loop $l (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))"                \
    "    (then (br_if $l (i32.ne (memory.grow (i32.const 64)) (i32.const -1))))))"                          \
    "  (memory.copy (local.get $r) (local.get 0) (local.get 1))" /* what is made smaller is copied whole */ \
    "  (local.get $r))"

static void put(buf *b, const char *text) { (void)!buf_append_text(b, text); }

// echo(list<T>) -> list<T>: the same pointer and length.
static void put_callee(dice *d, buf *out) {
    buf types, type;
    buf_init(&types, TEXT_MAX);
    buf_init(&type, TEXT_MAX);
    uint32_t names = types_put(d, TYPES_AT_ROOT, &types, &type);
    (void)roll(d, 3); // the caller's encoding
    put(out, "(component (core module $m (memory (export \"mem\") 1)" HEAP
             "(func (export \"echo\") (param i32 i32) (result i32) (i32.store (i32.const 64) (local.get 0))"
             " (i32.store (i32.const 68) (local.get 1)) (i32.const 64)))"
             "(core instance $i (instantiate $m))\n");
    (void)!buf_append(out, buf_slice(&types));
    (void)!buf_append_format(out,
                             "(func $echo (param \"l\" (list %.*s)) (result (list %.*s)) (canon lift"
                             " (core func $i \"echo\") (memory (core memory $i \"mem\"))"
                             " (realloc (core func $i \"realloc\")) string-encoding=%s))\n(instance $x",
                             SLICE_ARG(buf_slice(&type)), SLICE_ARG(buf_slice(&type)), encodings[roll(d, 3)]);
    for (uint32_t i = 0; i < names; i++) {
        (void)!buf_append_format(out, " (export \"t%u\" (type $t%u))", i, i);
    }
    put(out, " (export \"echo\" (func $echo))) (export \"test:app/echo\" (instance $x)))");
    buf_done(&types);
    buf_done(&type);
}

static void put_import(dice *d, buf *type, buf *out) {
    buf types;
    buf_init(&types, TEXT_MAX);
    uint32_t names = types_put(d, TYPES_IN_INSTANCE, &types, type);
    put(out, "(component (import \"test:app/echo\" (instance $e\n");
    (void)!buf_append(out, buf_slice(&types));
    (void)!buf_append_format(out,
                             "(export \"echo\" (func (param \"l\" (list %.*s)) (result (list %.*s))))))\n",
                             SLICE_ARG(buf_slice(type)), SLICE_ARG(buf_slice(type)));
    for (uint32_t i = 0; i < names; i++) {
        (void)!buf_append_format(out, "(alias export $e \"t%u\" (type $t%u))", i, i);
    }
    buf_done(&types);
}

// Two functions of a pointer to a T: "here" returns it, "there" has it echoed.
static void put_caller(dice *d, buf *out) {
    buf type;
    buf_init(&type, TEXT_MAX);
    put_import(d, &type, out);
    const char *encoding = encodings[roll(d, 3)];
    put(out, "(core module $l (memory (export \"mem\") 1)" HEAP "(data (i32.const 0) \"");
    types_put_memory(d, out);
    (void)!buf_append_format(
        out,
        "\")) (core instance $l (instantiate $l))"
        "(core func $echo (canon lower (func $e \"echo\") (memory (core memory $l \"mem\"))"
        " (realloc (core func $l \"realloc\")) string-encoding=%s))",
        encoding);
    put(out, "(core module $m (import \"l\" \"mem\" (memory 1))"
             "(import \"\" \"echo\" (func $echo (param i32 i32 i32)))"
             "(func (export \"there\") (param i32) (result i32)"
             " (i32.store (i32.const 4200) (local.get 0)) (i32.store (i32.const 4204) (i32.const 1))"
             " (call $echo (local.get 0) (i32.const 1) (i32.const 4208)) (i32.const 4208))"
             "(func (export \"here\") (param i32) (result i32) (i32.store (i32.const 4200) (local.get 0))"
             " (i32.store (i32.const 4204) (i32.const 1)) (i32.const 4200)))"
             "(core instance $m (instantiate $m (with \"l\" (instance $l))"
             " (with \"\" (instance (export \"echo\" (func $echo))))))\n");
    static const char *const names[] = {"here", "there"};
    for (int i = 0; i < 2; i++) {
        (void)!buf_append_format(
            out,
            "(func (export \"%s\") (param \"p\" u32) (result (list %.*s)) (canon lift"
            " (core func $m \"%s\") (memory (core memory $l \"mem\")) string-encoding=%s))",
            names[i], SLICE_ARG(buf_slice(&type)), names[i], encoding);
    }
    put(out, ")");
    buf_done(&type);
}

// --- comparing ---------------------------------------------------------------------------------------------

static bool same(const ctype *t, const component_value *a, const component_value *b);

static bool same_items(const ctype *t, const component_value *a, const component_value *b) {
    bool all = a->of.list.count == b->of.list.count;
    for (uint32_t i = 0; i < a->of.list.count && all; i++) {
        const ctype *item = t->kind == CTYPE_LIST ? t->element : t->cases[i].type;
        const component_value x = component_value_at(a, i), y = component_value_at(b, i);
        all = same(item, &x, &y);
    }
    return all;
}

static const ctype *payload_of(const ctype *t, uint32_t tag) {
    switch (t->kind) {
    case CTYPE_OPTION:
        return t->element;
    case CTYPE_RESULT:
        return tag == 0 ? t->element : t->error;
    case CTYPE_VARIANT:
        return t->cases[tag].type;
    default:
        return NULL;
    }
}

static bool same_variant(const ctype *t, const component_value *a, const component_value *b) {
    const component_value *x = a->of.variant.payload, *y = b->of.variant.payload;
    return a->of.variant.tag == b->of.variant.tag && (x == NULL) == (y == NULL) &&
           (x == NULL || same(payload_of(t, a->of.variant.tag), x, y));
}

static bool same(const ctype *t, const component_value *a, const component_value *b) {
    switch (t->kind) {
    case CTYPE_BOOL:
        return a->of.boolean == b->of.boolean;
    case CTYPE_F32:
        return memcmp(&a->of.f32, &b->of.f32, 4) == 0;
    case CTYPE_STRING:
        return slice_equal(a->of.string, b->of.string);
    case CTYPE_LIST:
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
        return same_items(t, a, b);
    case CTYPE_VARIANT:
    case CTYPE_ENUM:
    case CTYPE_OPTION:
    case CTYPE_RESULT:
        return same_variant(t, a, b);
    default:
        return a->of.unsigned_ == b->of.unsigned_;
    }
}

typedef struct counts {
    uint32_t passed;
    uint32_t trapped;
} counts;

// In two apps, since the host reads strings where they are, and both calls write to memory.
static void compare_at(app *a, app *b, uint32_t pointer, counts *n) {
    component_value p = {.kind = CTYPE_U32, .of.unsigned_ = pointer};
    app_call here = {.name = "here", .args = {p}, .arg_count = 1};
    app_call there = {.name = "there", .args = {p}, .arg_count = 1};
    app_restart(a);
    app_restart(b);
    EXPECT(app_call_run(a, &here, 100000));
    EXPECT(app_call_run(b, &there, 100000));
    EXPECT_EQ(here.result, there.result);
    if (here.result == STATUS_OK && there.result == STATUS_OK) {
        slice name = slice_from_text("here");
        const component_func *f = component_program_export(a->units[0].program, slice_empty(), name);
        EXPECT(same(component_func_type(f)->result, &here.ret, &there.ret));
        n->passed++;
    } else {
        n->trapped++;
    }
    app_call_done(&here);
    app_call_done(&there);
}

static bool open_app(app *a, const char *caller, const char *callee) {
    static const app_link links[] = {{"caller", "test:app/echo", "callee"}};
    err e;
    memset(a, 0, sizeof *a);
    app_add(a, "caller", caller);
    app_add(a, "callee", callee);
    return EXPECT_STATUS_ERR(app_link_all(a, links, 1, &e), STATUS_OK, e);
}

static void compare(uint64_t seed, counts *n) {
    dice first = {seed}, second = {seed}, pointers = {~seed};
    buf caller, callee;
    app here, there;
    buf_init(&caller, TEXT_MAX);
    buf_init(&callee, TEXT_MAX);
    put_caller(&first, &caller);
    put_callee(&second, &callee);
    bool here_is_open = open_app(&here, buf_text(&caller), buf_text(&callee));
    bool there_is_open = open_app(&there, buf_text(&caller), buf_text(&callee));
    for (int i = 0; i < POINTERS && here_is_open && there_is_open; i++) {
        compare_at(&here, &there, roll(&pointers, TYPES_MEMORY_BYTES / 8) * 8, n);
    }
    app_close(&here);
    app_close(&there);
    if (test_run_state.failures > 0 && test_run_state.verbose) {
        printf("%s\n", buf_text(&callee));
    }
    buf_done(&caller);
    buf_done(&callee);
}

TEST(values_of_random_types_come_back_the_same) {
    const char *seed_text = getenv("WRIT_SEED");
    uint64_t seed = 20261122;
    if (seed_text != NULL) {
        REQUIRE(slice_to_u64(slice_from_text(seed_text), &seed));
    }
    counts n = {0};
    for (uint64_t i = 0; i < TYPES && test_run_state.failures == 0; i++) {
        compare(seed + i, &n);
        if (test_run_state.failures > 0) {
            printf("    repeat with WRIT_SEED=%" PRIu64 "\n", seed + i);
        }
    }
    if (test_run_state.verbose) {
        printf("%u values, %u traps\n", n.passed, n.trapped);
    }
    EXPECT(n.passed > TYPES * POINTERS / 5);
    EXPECT(n.trapped > TYPES * POINTERS / 50);
}
