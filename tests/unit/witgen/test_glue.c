// SPDX-License-Identifier: Apache-2.0
// Generated glue for an interface with every type, driven with core values and memory laid out by hand after
// CanonicalABI.md ("Alignment", "Element Size", "Flattening", "Loading", "Storing").
#include <math.h>

#include "base/mem.h"
#include "helper_call.h"
#include "helper_impl.h"
#include "test.h"
#include "test/types_all.h"

static const host_func *find(const host_interface *i, const char *name) {
    for (uint32_t n = 0; n < i->func_count; n++) {
        if (slice_equal_text(i->funcs[n].name, name)) {
            return &i->funcs[n];
        }
    }
    return NULL;
}

static status run(host_call *call, const char *name, core_value *flat, err *e) {
    const host_func *f = find(&test_types_all_interface, name);
    if (f == NULL) {
        f = find(&test_types_shared_interface, name);
    }
    return f == NULL ? err_set(e, STATUS_NOT_FOUND, "no function %s", name) : f->body(call, flat, e);
}

// --- tables ----------------------------------------------------------------------------------------------

TEST(interface_says_what_it_offers) {
    EXPECT(slice_equal_text(test_types_shared_interface.name, "test:types/shared"));
    EXPECT_EQ(test_types_shared_interface.version.major, 1);
    EXPECT_EQ(test_types_shared_interface.version.minor, 2);
    EXPECT_EQ(test_types_shared_interface.version.patch, 3);
    EXPECT_EQ(test_types_shared_interface.resource_count, 1);
    EXPECT(test_types_shared_interface.resources[0] == &test_types_shared_thing_resource);
    EXPECT(slice_equal_text(test_types_shared_thing_resource.name, "thing"));
    EXPECT(slice_equal_text(test_types_shared_thing_resource.interface, "test:types/shared"));
    EXPECT(find(&test_types_shared_interface, "[constructor]thing") != NULL);
    EXPECT(find(&test_types_shared_interface, "[method]thing.value") != NULL);
    EXPECT(find(&test_types_shared_interface, "[static]thing.join") != NULL);
    EXPECT_EQ(test_types_all_interface.resource_count, 0);
}

TEST(layout_of_a_variant) {
    const ctype *t = &test_types_all_shape_type;
    EXPECT_EQ(t->kind, CTYPE_VARIANT);
    EXPECT_EQ(t->size, 16);
    EXPECT_EQ(t->align, 8);
    EXPECT_EQ(t->discriminant_size, 1);
    EXPECT_EQ(t->payload_offset, 8);
    EXPECT_EQ(t->flat_count, 3); // i32, i64 (f32, f64, i32 and i64 joined), i32
    EXPECT_EQ(t->case_count, 6);
    EXPECT(t->cases[0].type == NULL);
    EXPECT(t->has_pointer && !t->has_handle);
}

TEST(layout_of_a_record) {
    static const uint32_t offsets[] = {0,  1,  2,  4,  6,  8,  12, 16, 24, 32,  40,
                                       48, 52, 60, 68, 76, 77, 80, 84, 88, 104, 120};
    const ctype *t = &test_types_all_everything_type;
    REQUIRE(t->case_count == 22);
    for (uint32_t i = 0; i < t->case_count; i++) {
        EXPECT_EQ(t->cases[i].offset, offsets[i]);
    }
    EXPECT_EQ(t->size, 136);
    EXPECT_EQ(t->align, 8);
    EXPECT_EQ(t->flat_count, 31);
    EXPECT_EQ(t->cases[18].type->size, 4);  // option<u16>
    EXPECT_EQ(t->cases[19].type->size, 12); // result<u32, string>
    EXPECT_EQ(t->cases[17].type->size, 4);  // 17 flags
    EXPECT_EQ(t->cases[16].type->size, 1);  // 3 flags
    EXPECT(slice_equal_text(t->cases[12].name, "a-string"));
}

TEST(types_of_handles) {
    const ctype_func *f = find(&test_types_all_interface, "handles")->type;
    EXPECT_EQ(f->param_count, 5);
    EXPECT_EQ(f->params[0].type->kind, CTYPE_OWN);
    EXPECT_EQ(f->params[3].type->kind, CTYPE_BORROW);
    EXPECT(f->params[0].type->resource == &test_types_shared_thing_resource);
    EXPECT(f->params[2].type->has_handle);
    EXPECT_EQ(f->result->kind, CTYPE_RESULT);
    EXPECT(find(&test_types_all_interface, "nothing")->type->result == NULL);
}

// --- values ----------------------------------------------------------------------------------------------

TEST(small_values_pass_in_registers) {
    host_call call;
    err e;
    fake_init(&call);
    core_value v[4];

    v[0].u32 = 7; // any value but 0 is true
    EXPECT_OK(run(&call, "flip", v, &e));
    EXPECT_EQ(v[0].u32, 1);
    v[0].u32 = 0xffffff05; // upper bits do not count
    EXPECT_OK(run(&call, "negate", v, &e));
    EXPECT_EQ(v[0].i32, -5);
    v[0].u64 = UINT64_MAX - 1;
    EXPECT_OK(run(&call, "long", v, &e));
    EXPECT_U64(v[0].u64, UINT64_MAX - 1);
    v[0].u32 = 0x10ffff;
    EXPECT_OK(run(&call, "letter", v, &e));
    EXPECT_EQ(v[0].u32, 0x10ffff);
    v[0].u32 = 0xd800;
    EXPECT_STATUS(run(&call, "letter", v, &e), STATUS_TRAP);
    v[0].u32 = 2;
    EXPECT_OK(run(&call, "retint", v, &e));
    EXPECT_EQ(v[0].u32, TEST_TYPES_ALL_COLOR_BLUE);
    v[0].u32 = 3;
    EXPECT_STATUS(run(&call, "retint", v, &e), STATUS_TRAP);
    EXPECT_CONTAINS(e.message, "color has no case number 3");
    v[0].u32 = 0xff; // bits beyond the labels do not count
    v[1].u32 = 0xfff20000;
    EXPECT_OK(run(&call, "mix", v, &e));
    EXPECT_EQ(v[0].u32, 0x7);
    v[0].u32 = 1;
    EXPECT_OK(run(&call, "done", v, &e));
    EXPECT_EQ(v[0].u32, 1);
    v[0].u32 = 2;
    EXPECT_STATUS(run(&call, "done", v, &e), STATUS_TRAP);
    v[0].u32 = 1, v[1].u32 = 2, v[2].u32 = 3;
    EXPECT_OK(run(&call, "status", v, &e));
    EXPECT_EQ(v[0].u32, 6);
    EXPECT_OK(run(&call, "nothing", v, &e));
    EXPECT_STATUS(run(&call, "fail", v, &e), STATUS_TRAP);
    EXPECT_TEXT(e.message, "as told");
    fake_done(&call);
}

TEST(nan_has_one_form) {
    host_call call;
    err e;
    fake_init(&call);
    core_value v[1];
    v[0].u32 = 0xffc12345;
    EXPECT_OK(run(&call, "half", v, &e));
    EXPECT_EQ(v[0].u32, 0x7fc00000);
    v[0].u64 = 0x7ff0000000000001; // signalling
    EXPECT_OK(run(&call, "double", v, &e));
    EXPECT_U64(v[0].u64, 0x7ff8000000000000);
    v[0].f64 = -0.0;
    EXPECT_OK(run(&call, "double", v, &e));
    EXPECT_U64(v[0].u64, 0x8000000000000000);
    fake_done(&call);
}

TEST(scalars_are_stored) {
    host_call call;
    err e;
    fake_init(&call);
    core_value v[13] = {0};
    v[0].u32 = 1, v[1].i32 = -1, v[2].u32 = 0x1ff, v[3].i32 = -2, v[4].u32 = 0x1ffff, v[5].i32 = -3,
    v[6].u32 = 6;
    v[7].i64 = -7, v[8].u64 = 8, v[9].f32 = 1.5F, v[10].f64 = 2.5, v[11].u32 = 'x', v[12].u32 = 64;
    EXPECT_OK(run(&call, "scalars", v, &e));
    const uint8_t *p = call.memory + 64;
    EXPECT_EQ(p[0], 1);
    EXPECT_EQ((int8_t)p[1], -1);
    EXPECT_EQ(p[2], 0xff);
    EXPECT_EQ((int16_t)host_load_u16(p + 4), -2);
    EXPECT_EQ(host_load_u16(p + 6), 0xffff);
    EXPECT_EQ((int32_t)host_load_u32(p + 8), -3);
    EXPECT_EQ(host_load_u32(p + 12), 6);
    EXPECT_EQ((int64_t)host_load_u64(p + 16), -7);
    EXPECT_EQ(host_load_u64(p + 24), 8);
    EXPECT_EQ(host_load_u32(p + 32), 0x3fc00000);
    EXPECT_U64(host_load_u64(p + 40), 0x4004000000000000);
    EXPECT_EQ(host_load_u32(p + 48), 'x');

    v[12].u32 = 65; // the result's area is not aligned
    EXPECT_STATUS(run(&call, "scalars", v, &e), STATUS_TRAP);
    v[12].u32 = FAKE_MEMORY_BYTES - 48; // nor does it fit here
    EXPECT_STATUS(run(&call, "scalars", v, &e), STATUS_TRAP);
    v[12].u32 = 0xfffffff8;
    EXPECT_STATUS(run(&call, "scalars", v, &e), STATUS_TRAP);
    fake_done(&call);
}

// A record of everything at 512, with its strings at 1024.
static void put_everything(host_call *call) {
    uint8_t *p = call->memory + 512;
    p[0] = 2; // true
    p[1] = 0x80;
    p[2] = 0xff;
    host_store_u16(p + 4, 0x8000);
    host_store_u16(p + 6, 0xffff);
    host_store_u32(p + 8, 0x80000000);
    host_store_u32(p + 12, 12);
    host_store_u64(p + 16, 0x8000000000000000);
    host_store_u64(p + 24, 24);
    host_store_u32(p + 32, 0x7fa00001); // a NaN
    host_store_u64(p + 40, 0x4004000000000000);
    host_store_u32(p + 48, 0x1f600);
    host_store_u32(p + 52, 1024);
    host_store_u32(p + 56, 5);
    host_store_u32(p + 60, 1032);
    host_store_u32(p + 64, 3);
    host_store_u32(p + 68, 1);
    host_store_u32(p + 72, 0xffffffff);
    p[76] = 1;
    p[77] = 0xfd;
    host_store_u32(p + 80, 0x10001);
    p[84] = 1;
    host_store_u16(p + 86, 0xbeef);
    p[88] = 1;
    host_store_u32(p + 92, 1040);
    host_store_u32(p + 96, 4);
    p[104] = 9;
    host_store_u64(p + 112, 10);
    p[120] = TEST_TYPES_ALL_SHAPE_AT;
    host_store_u32(p + 128, 0xfffffffe);
    host_store_u32(p + 132, 3);
    fake_put(call, 1024, "hello", 5);
    fake_put(call, 1032, "\1\2\3", 3);
    fake_put(call, 1040, "oops", 4);
}

TEST(everything_through_memory_and_back) {
    host_call call;
    err e;
    fake_init(&call);
    put_everything(&call);
    core_value v[2];
    v[0].u32 = 512;
    v[1].u32 = 256;
    EXPECT_STATUS_ERR(run(&call, "echo", v, &e), STATUS_OK, e);
    const uint8_t *p = call.memory + 256;
    EXPECT_EQ(p[0], 1); // canonical true
    EXPECT_BYTES(slice_of(p + 1, 2), slice_of("\x80\xff", 2));
    EXPECT_BYTES(slice_of(p + 4, 28), fake_slice(&call, 516, 28));
    EXPECT_EQ(host_load_u32(p + 32), 0x7fc00000);
    EXPECT_BYTES(slice_of(p + 40, 12), fake_slice(&call, 552, 12));
    EXPECT_BYTES(fake_slice(&call, fake_u32(&call, 256 + 52), fake_u32(&call, 256 + 56)),
                 slice_from_text("hello"));
    EXPECT_BYTES(fake_slice(&call, fake_u32(&call, 256 + 60), fake_u32(&call, 256 + 64)),
                 slice_of("\1\2\3", 3));
    EXPECT_BYTES(slice_of(p + 68, 9), fake_slice(&call, 580, 9));
    EXPECT_EQ(p[77], 0x05); // only the labels
    EXPECT_EQ(host_load_u32(p + 80), 0x10001);
    EXPECT_EQ(p[84], 1);
    EXPECT_EQ(host_load_u16(p + 86), 0xbeef);
    EXPECT_EQ(p[88], 1);
    EXPECT_BYTES(fake_slice(&call, fake_u32(&call, 256 + 92), fake_u32(&call, 256 + 96)),
                 slice_from_text("oops"));
    EXPECT_EQ(p[104], 9);
    EXPECT_EQ(host_load_u64(p + 112), 10);
    EXPECT_EQ(p[120], TEST_TYPES_ALL_SHAPE_AT);
    EXPECT_BYTES(slice_of(p + 128, 8), fake_slice(&call, 640, 8));
    fake_done(&call);
}

TEST(bad_values_in_memory_trap) {
    static const struct {
        uint32_t at;
        uint8_t byte;
        const char *says;
    } cases[] = {
        {512 + 76, 3, "color has no case number 3"},
        {512 + 84, 2, "option_u16 has no case number 2"},
        {512 + 88, 2, "result_u32_string has no"},
        {512 + 120, 6, "shape has no case number 6"},
        {512 + 50, 0x11, "no character"},
        {512 + 54, 0xff, "out of bounds"},
        {512 + 59, 0xff, "out of bounds"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        host_call call;
        err e;
        fake_init(&call);
        put_everything(&call);
        call.memory[cases[i].at] = cases[i].byte;
        core_value v[2];
        v[0].u32 = 512;
        v[1].u32 = 256;
        EXPECT_STATUS(run(&call, "echo", v, &e), STATUS_TRAP);
        EXPECT_CONTAINS(e.message, cases[i].says);
        fake_done(&call);
    }
}

TEST(spilled_arguments_are_checked) {
    host_call call;
    err e;
    fake_init(&call);
    core_value v[2];
    v[1].u32 = 256;
    v[0].u32 = 516;
    EXPECT_STATUS(run(&call, "echo", v, &e), STATUS_TRAP);
    EXPECT_TEXT(e.message, "unaligned");
    v[0].u32 = FAKE_MEMORY_BYTES - 128;
    EXPECT_STATUS(run(&call, "echo", v, &e), STATUS_TRAP);
    EXPECT_TEXT(e.message, "out of bounds");
    fake_done(&call);
}

TEST(joined_flat_values) {
    host_call call;
    err e;
    fake_init(&call);
    core_value v[4] = {0};
    v[3].u32 = 256;
    v[0].u32 = TEST_TYPES_ALL_SHAPE_CIRCLE; // an f32 in the low half of an i64
    v[1].u64 = 0xdeadbeef3fc00000;
    EXPECT_OK(run(&call, "reform", v, &e));
    EXPECT_EQ(call.memory[256], TEST_TYPES_ALL_SHAPE_CIRCLE);
    EXPECT_EQ(fake_u32(&call, 264), 0x3fc00000);
    v[0].u32 = TEST_TYPES_ALL_SHAPE_SQUARE;
    v[1].u64 = 0x4004000000000000;
    EXPECT_OK(run(&call, "reform", v, &e));
    EXPECT_U64(host_load_u64(call.memory + 264), 0x4004000000000000);
    v[0].u32 = TEST_TYPES_ALL_SHAPE_NAMED; // a pointer in an i64, a length in an i32
    fake_put(&call, 1024, "name", 4);
    v[1].u64 = 0xffffffff00000400;
    v[2].u32 = 4;
    EXPECT_OK(run(&call, "reform", v, &e));
    EXPECT_BYTES(fake_slice(&call, fake_u32(&call, 264), fake_u32(&call, 268)), slice_from_text("name"));
    v[0].u32 = TEST_TYPES_ALL_SHAPE_BIG;
    v[1].u64 = UINT64_MAX;
    EXPECT_OK(run(&call, "reform", v, &e));
    EXPECT_U64(host_load_u64(call.memory + 264), UINT64_MAX);
    v[0].u32 = 6;
    EXPECT_STATUS(run(&call, "reform", v, &e), STATUS_TRAP);
    fake_done(&call);
}

TEST(lists) {
    host_call call;
    err e;
    fake_init(&call);
    static const uint32_t numbers[] = {1, 2, 3}, texts[] = {1200, 3, 1203, 0}, points[] = {1, 2, 3, 4};
    static const uint32_t nested[] = {1200, 2, 1201, 1};
    fake_put(&call, 1024, numbers, sizeof numbers);
    fake_put(&call, 1040, texts, sizeof texts);
    fake_put(&call, 1056, points, sizeof points);
    fake_put(&call, 1072, nested, sizeof nested);
    fake_put(&call, 1200, "abc", 3);
    core_value v[9];
    v[0].u32 = 1024, v[1].u32 = 3, v[2].u32 = 1040, v[3].u32 = 2, v[4].u32 = 1056, v[5].u32 = 2;
    v[6].u32 = 1072, v[7].u32 = 2, v[8].u32 = 256;
    EXPECT_STATUS_ERR(run(&call, "lists", v, &e), STATUS_OK, e);
    EXPECT_EQ(fake_u32(&call, 260), 3);
    EXPECT_BYTES(fake_slice(&call, fake_u32(&call, 256), 12), slice_of(numbers, 12));
    EXPECT_EQ(fake_u32(&call, 268), 2);
    uint32_t at = fake_u32(&call, 264);
    EXPECT_BYTES(fake_slice(&call, fake_u32(&call, at), fake_u32(&call, at + 4)), slice_from_text("abc"));
    EXPECT_EQ(fake_u32(&call, at + 12), 0);
    EXPECT_BYTES(fake_slice(&call, fake_u32(&call, 272), 16), slice_of(points, 16));
    at = fake_u32(&call, 280);
    EXPECT_BYTES(fake_slice(&call, fake_u32(&call, at + 8), fake_u32(&call, at + 12)), slice_from_text("b"));

    v[1].u32 = 0x40000001; // times 4 overflows 32 bits
    EXPECT_STATUS(run(&call, "lists", v, &e), STATUS_TRAP);
    v[1].u32 = 3;
    v[0].u32 = 1026;
    EXPECT_STATUS(run(&call, "lists", v, &e), STATUS_TRAP);
    EXPECT_TEXT(e.message, "unaligned");
    fake_done(&call);
}

TEST(optional_string_and_a_guest_without_memory) {
    host_call call;
    err e;
    fake_init(&call);
    fake_put(&call, 1024, "yes", 3);
    core_value v[4];
    v[0].u32 = 1, v[1].u32 = 1024, v[2].u32 = 3, v[3].u32 = 256;
    EXPECT_OK(run(&call, "perhaps", v, &e));
    EXPECT_EQ(call.memory[256], 1);
    EXPECT_BYTES(fake_slice(&call, fake_u32(&call, 260), fake_u32(&call, 264)), slice_from_text("yes"));
    call.refuses_alloc = true;
    EXPECT_STATUS(run(&call, "perhaps", v, &e), STATUS_TRAP);
    v[0].u32 = 0;
    EXPECT_OK(run(&call, "perhaps", v, &e));
    EXPECT_EQ(call.memory[256], 0);
    fake_done(&call);
}

// --- handles ---------------------------------------------------------------------------------------------

TEST(constructor_method_and_static) {
    host_call call;
    err e;
    fake_init(&call);
    core_value v[2];
    v[0].u32 = 40;
    EXPECT_OK(run(&call, "[constructor]thing", v, &e));
    uint32_t a = v[0].u32;
    v[0].u32 = 2;
    EXPECT_OK(run(&call, "[constructor]thing", v, &e));
    uint32_t b = v[0].u32;
    v[0].u32 = a, v[1].u32 = b;
    EXPECT_OK(run(&call, "[static]thing.join", v, &e));
    uint32_t joined = v[0].u32;
    EXPECT_OK(run(&call, "[method]thing.value", v, &e));
    EXPECT_EQ(v[0].u32, 42);
    v[0].u32 = 9;
    EXPECT_STATUS(run(&call, "[method]thing.value", v, &e), STATUS_TRAP);
    mem_free(call.handles[joined].rep);
    mem_free(call.handles[b].rep);
    fake_done(&call);
}

// Things 1 to 9 behind the handles 1 to 9, and lists of handles at 1024 (own) and 1100 (borrow).
static void put_things(host_call *call, test_types_shared_thing things[9]) {
    for (uint32_t i = 0; i < 9; i++) {
        things[i].value = i + 1;
        fake_add_handle(call, &test_types_shared_thing_resource, &things[i]);
    }
    static const uint32_t own[] = {3, 4, 5, 6}, borrowed[] = {8, 9};
    fake_put(call, 1024, own, sizeof own);
    fake_put(call, 1100, borrowed, sizeof borrowed);
}

static void handle_arguments(core_value v[9]) {
    v[0].u32 = 1;
    v[1].u32 = 1, v[2].u32 = 2;    // some
    v[3].u32 = 1024, v[4].u32 = 4; // own
    v[5].u32 = 7;                  // lent
    v[6].u32 = 1100, v[7].u32 = 2; // all lent
    v[8].u32 = 256;
}

static int handles_left(const host_call *call) {
    int n = 0;
    for (size_t i = 0; i < FAKE_HANDLES; i++) {
        n += call->handles[i].type != NULL;
    }
    return n;
}

TEST(own_handles_move) {
    host_call call;
    err e;
    test_types_shared_thing things[9];
    fake_init(&call);
    put_things(&call, things);
    core_value v[9];
    handle_arguments(v);
    EXPECT_STATUS_ERR(run(&call, "handles", v, &e), STATUS_OK, e);
    EXPECT_EQ(call.memory[256], 0);
    EXPECT_EQ(fake_u32(&call, 264), 6);
    uint32_t at = fake_u32(&call, 260);
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t handle = fake_u32(&call, at + 4 * i);
        REQUIRE(handle < FAKE_HANDLES);
        EXPECT(call.handles[handle].rep == &things[i]);
    }
    EXPECT_EQ(handles_left(&call), 9);
    fake_done(&call);
}

// Whatever is wrong with one argument, no own handle has moved.
TEST(a_trap_leaves_every_handle) {
    static const struct {
        int argument;
        uint32_t value;
    } bad[] = {{0, 15},         {0, 0},  {1, 2},    {2, 14}, {3, 1025},
               {4, 0x7fffffff}, {5, 12}, {6, 4095}, {7, 3},  {8, 257}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        host_call call;
        err e;
        test_types_shared_thing things[9];
        fake_init(&call);
        put_things(&call, things);
        core_value v[9];
        handle_arguments(v);
        v[bad[i].argument].u32 = bad[i].value;
        EXPECT_STATUS(run(&call, "handles", v, &e), STATUS_TRAP);
        EXPECT_EQ(handles_left(&call), 9);
        fake_done(&call);
    }
}

TEST(one_handle_twice_traps) {
    host_call call;
    err e;
    test_types_shared_thing things[9];
    fake_init(&call);
    put_things(&call, things);
    core_value v[9];
    handle_arguments(v);
    v[2].u32 = 1; // as the first argument
    EXPECT_STATUS(run(&call, "handles", v, &e), STATUS_TRAP);
    handle_arguments(v);
    v[5].u32 = 3; // owned in the list, lent here
    EXPECT_STATUS(run(&call, "handles", v, &e), STATUS_TRAP);
    fake_done(&call);
}
