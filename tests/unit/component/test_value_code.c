// SPDX-License-Identifier: Apache-2.0
// Values of every type from bytes and back. The bytes are written down by hand from the rules of the
// encoding.
#include "component/value_code.h"

#include "base/mem.h"
#include "test.h"
#include "unit/component/helper_wat.h"

typedef struct fixture {
    buf binary;
    component *component;
    arena arena;
} fixture;

// A component that exports one function f of the parameters, with the result.
static const ctype_func *setup(fixture *f, const char *params, const char *result) {
    char text[4096];
    *f = (fixture){0};
    arena_init(&f->arena, 1 << 20);
    snprintf(text, sizeof text,
             "(component"
             " (type $item (record (field \"name\" string) (field \"n\" u16)))"
             " (export $Item \"item\" (type $item))"
             " (type $shape (variant (case \"none\") (case \"circle\" f32) (case \"box\" (tuple s8 s8))))"
             " (export $Shape \"shape\" (type $shape))"
             " (type $colour (enum \"red\" \"green\")) (export $Colour \"colour\" (type $colour))"
             " (type $perms (flags \"r\" \"w\" \"x\")) (export $Perms \"perms\" (type $perms))"
             " (type $thing (resource (rep i32))) (export $Thing \"thing\" (type $thing))"
             " (core module $m (memory (export \"m\") 1)"
             "  (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) (i32.const 0))"
             "  (func (export \"f\") %s))"
             " (core instance $i (instantiate $m))"
             " (func (export \"f\") %s %s (canon lift (core func $i \"f\") (memory (core memory $i \"m\"))"
             "  (realloc (core func $i \"realloc\")))))",
             "(param i32 i32) (result i32) unreachable", params, result);
    EXPECT_OK(wat_decode(text, &f->binary, &f->component, NULL));
    for (size_t i = 0; i < component_export_count(f->component); i++) {
        const component_item *item = component_export_at(f->component, i);
        if (item->kind == COMPONENT_FUNC) {
            return item->func;
        }
    }
    EXPECT(false);
    return NULL;
}

static void teardown(fixture *f) {
    component_free(f->component);
    buf_done(&f->binary);
    arena_done(&f->arena);
}

// list<T> in, list<T> out: any T has the same core type then.
static void expect_kept(const char *type, slice bytes) {
    char params[512], result[512];
    fixture f;
    err e = {0};
    snprintf(params, sizeof params, "(param \"x\" (list %s))", type);
    snprintf(result, sizeof result, "(result (list %s))", type);
    const ctype_func *func = setup(&f, params, result);
    auto_buf out;
    component_value *args = NULL;
    buf_init(&out, 4096);
    EXPECT_OK(value_code_check(func, NULL));
    if (EXPECT_STATUS(value_code_read_params(func, bytes, &f.arena, &args, &e), STATUS_OK)) {
        EXPECT_OK(value_code_write_result(func, args, &out, NULL));
        EXPECT_BYTES(buf_slice(&out), bytes);
    } else {
        printf("    %s: %s\n", type, e.message);
    }
    // Cut short anywhere it is refused, and so is a byte too many.
    for (size_t i = 0; i < bytes.len; i++) {
        EXPECT_STATUS(value_code_read_params(func, slice_sub(bytes, 0, i), &f.arena, &args, &e),
                      STATUS_INVALID);
    }
    uint8_t longer[256];
    memcpy(longer, bytes.data, bytes.len);
    longer[bytes.len] = 0;
    EXPECT_STATUS(value_code_read_params(func, slice_of(longer, bytes.len + 1), &f.arena, &args, &e),
                  STATUS_INVALID);
    teardown(&f);
}

#define BYTES(text) slice_of(text, sizeof(text) - 1)

TEST(values_of_every_type_are_kept) {
    expect_kept("bool", BYTES("\x02\x00\x01"));
    expect_kept("u8", BYTES("\x03\x00\x7f\xff"));
    expect_kept("s8", BYTES("\x02\x80\x7f"));
    expect_kept("u16", BYTES("\x02\xff\xff\x03\x05"));
    expect_kept("s16", BYTES("\x02\x7f\x3f"));
    expect_kept("u32", BYTES("\x01\xff\xff\xff\xff\x0f"));
    expect_kept("s32", BYTES("\x02\x7f\xc0\x00"));
    expect_kept("u64", BYTES("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    expect_kept("s64", BYTES("\x02\x40\x00"));
    expect_kept("f32", BYTES("\x02\x00\x00\x80\x3f\x01\x00\xc0\x7f"));
    expect_kept("f64", BYTES("\x01\x00\x00\x00\x00\x00\x00\xf0\xbf"));
    expect_kept("char", BYTES("\x02z\xe2\x82\xac"));
    expect_kept("string", BYTES("\x02\x00\x05gr\xc3\xbc!"));
    expect_kept("(list (list u8))", BYTES("\x01\x02\x00\x02\xff\x00"));
    expect_kept("(tuple u8 string bool)", BYTES("\x01\x07\x01x\x01"));
    expect_kept("(option (option u8))", BYTES("\x03\x00\x01\x00\x01\x01\x09"));
    expect_kept("(result string (error u16))", BYTES("\x02\x00\x02ok\x01\x80\x01"));
    expect_kept("(result)", BYTES("\x02\x00\x01"));
    expect_kept("(result (error string))", BYTES("\x02\x00\x01\x03"
                                                 "bad"));
    expect_kept("$Item", BYTES("\x01\x05"
                               "apple\x80\x02"));
    expect_kept("$Shape", BYTES("\x03\x00\x01\x00\x00\x80\x3f\x02\xff\x01"));
    expect_kept("$Colour", BYTES("\x02\x01\x00"));
    expect_kept("$Perms", BYTES("\x02\x05\x00"));
}

static void expect_refused(const char *type, slice bytes, const char *why) {
    char params[512];
    fixture f;
    err e = {0};
    component_value *args = NULL;
    snprintf(params, sizeof params, "(param \"x\" (list %s))", type);
    const ctype_func *func = setup(&f, params, "(result (list u8))");
    EXPECT_STATUS(value_code_read_params(func, bytes, &f.arena, &args, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, why);
    EXPECT(args == NULL);
    teardown(&f);
}

TEST(hostile_bytes_are_refused) {
    expect_refused("u32", BYTES("\x01\x05\x05"), "too many at the end");
    expect_refused("bool", BYTES("\x01\x02"), "the arguments: at byte");
    expect_refused("$Shape", BYTES("\x01\x03"), "the arguments: at byte");
    expect_refused("$Perms", BYTES("\x01\x08"), "flags have a bit that no flag has");
    expect_refused("string", BYTES("\x01\x02\xff\xff"), "the arguments: at byte");
    expect_refused("string", BYTES("\xff\xff\xff\xff\x0f"), "the arguments: at byte");
}

TEST(values_may_not_take_more_memory_than_the_arena_has) {
    fixture f;
    err e = {0};
    component_value *args = NULL;
    const ctype_func *func = setup(&f, "(param \"x\" (list bool))", "(result (list u8))");
    uint8_t *bytes = mem_calloc(1 << 20, 1);
    memcpy(bytes, "\x80\x80\x3f", 3); // 1032192 of them, in as many bytes
    EXPECT_STATUS(value_code_read_params(func, slice_of(bytes, 3 + 1032192), &f.arena, &args, &e),
                  STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "more memory than one call may use");
    mem_free(bytes);
    teardown(&f);
}

TEST(functions_with_resources_are_refused) {
    fixture f;
    err e = {0};
    EXPECT_STATUS(value_code_check(setup(&f, "(param \"x\" (list (own $Thing)))", "(result (list u8))"), &e),
                  STATUS_UNSUPPORTED);
    EXPECT_CONTAINS(e.message, "a function with resources");
    teardown(&f);
}

TEST(parameters_and_no_result) {
    fixture f;
    component_value *args = NULL;
    auto_buf out;
    buf_init(&out, 16);
    const ctype_func *func = setup(&f, "(param \"x\" string)", "(result (list u8))");
    EXPECT_OK(value_code_read_params(func, BYTES("\x02hi"), &f.arena, &args, NULL));
    EXPECT_BYTES(args[0].of.string, BYTES("hi"));
    const ctype_func none = {.param_count = 0};
    EXPECT_OK(value_code_read_params(&none, slice_empty(), &f.arena, &args, NULL));
    EXPECT_OK(value_code_write_result(&none, NULL, &out, NULL));
    EXPECT_EQ(out.len, 0);
    teardown(&f);
}

TEST(a_result_that_is_too_long_is_told) {
    fixture f;
    component_value *args = NULL;
    auto_buf out;
    buf_init(&out, 4);
    const ctype_func *func = setup(&f, "(param \"x\" (list u8))", "(result (list u8))");
    EXPECT_OK(value_code_read_params(func, BYTES("\x05\x01\x02\x03\x04\x05"), &f.arena, &args, NULL));
    EXPECT_STATUS(value_code_write_result(func, args, &out, NULL), STATUS_LIMIT);
    teardown(&f);
}
