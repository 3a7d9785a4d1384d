// SPDX-License-Identifier: Apache-2.0
// The movers of the canonical ABI over random guest memory, random flat values and a random type.
//
// Whatever a guest passes, lifting ends with a value or a trap and touches nothing outside the guest's memory
// (an exact allocation, which every call of realloc moves). What was lifted survives lowering into another
// guest, in any string encoding, and a direct move gives the same as lifting and lowering.
//
// links: component
#include "../tests/unit/component/helper_fake.c"

#include "base/check.h"
#include "component/abi.h"
#include "fuzz.h"
#include "types.h"

enum { MEMORY_BYTES = 4096, FLAT_MAX = 64, HANDLES = 8 };

static const handle_type guest_resource = {.instance = 9, .destructor = HANDLE_NO_DESTRUCTOR};
static const handle_type *const resource_types[] = {&guest_resource};

// --- guests ------------------------------------------------------------------------------------------------

typedef struct side {
    fake_guest guest;
    handle_table table;
    abi_side abi;
} side;

static void side_init(side *s, memory_encoding encoding, size_t bytes) {
    fake_init(&s->guest, bytes);
    handle_table_init(&s->table, 64);
    s->abi =
        (abi_side){.memory = fake_memory(&s->guest, encoding), .handles = &s->table, .types = resource_types};
}

static void side_done(side *s) {
    handle_table_done(&s->table);
    fake_done(&s->guest);
}

static void add_handles(side *s) {
    uint32_t index;
    for (uintptr_t i = 1; i <= HANDLES; i++) {
        CHECK(handle_add(&s->table, &guest_resource, i, NULL, &index, NULL) == STATUS_OK);
    }
}

// --- the test ----------------------------------------------------------------------------------------------

typedef struct run {
    const ctype *type;
    arena *arena;
    uint8_t memory[MEMORY_BYTES];
    core_value flat[FLAT_MAX];
    bool in_memory;
    uint32_t ptr;
    memory_encoding from_encoding;
    memory_encoding to_encoding;
} run;

static void start_source(run *r, side *s) {
    side_init(s, r->from_encoding, MEMORY_BYTES);
    memcpy(s->guest.bytes, r->memory, MEMORY_BYTES);
    add_handles(s);
}

static abi_place source_place(run *r) { return r->in_memory ? abi_memory(r->ptr) : abi_flat(r->flat); }

static void lift_back(run *r, side *from, core_value *flat, const component_value *want) {
    component_value v;
    memset(&v, 0, sizeof v);
    CHECK(abi_lift(r->type, &from->abi, abi_flat(flat), r->arena, &v, NULL) == STATUS_OK);
    CHECK(same(r->type, want, &v));
}

static void lower_and_lift(run *r, const component_value *value) {
    side to;
    core_value flat[FLAT_MAX];
    uint32_t consumed = 0;
    memset(flat, 0, sizeof flat);
    side_init(&to, r->to_encoding, 1 << 20);
    if (abi_lower(r->type, value, &to.abi, abi_flat(flat), &consumed, NULL) == STATUS_OK) {
        lift_back(r, &to, flat, value);
    }
    side_done(&to);
}

static void move_and_lift(run *r, const component_value *value) {
    side from;
    side to;
    core_value flat[FLAT_MAX];
    memset(flat, 0, sizeof flat);
    start_source(r, &from);
    side_init(&to, r->to_encoding, 1 << 20);
    status s = abi_move(r->type, &from.abi, source_place(r), &to.abi, abi_flat(flat), NULL);
    if (s == STATUS_OK && value != NULL) {
        lift_back(r, &to, flat, value);
    }
    side_done(&from);
    side_done(&to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, size};
    arena a;
    arena_init(&a, 32 << 20);
    run r = {.arena = &a};
    r.from_encoding = (memory_encoding)(take(&in) % 3);
    r.to_encoding = (memory_encoding)(take(&in) % 3);
    r.in_memory = take(&in) % 2 != 0;
    r.type = make_type(&in, &a, 0);
    if (r.type->flat_count == 0 || r.type->flat_count > FLAT_MAX) {
        arena_done(&a);
        return 0;
    }
    for (uint32_t i = 0; i < r.type->flat_count; i++) {
        r.flat[i].u64 = take(&in) | (uint64_t)take(&in) << 8;
        r.flat[i].u64 |= take(&in) % 16 == 0 ? (uint64_t)take(&in) << 56 | 0xff000000u : 0;
    }
    for (size_t i = 0; i < MEMORY_BYTES; i++) {
        r.memory[i] = in.left > 0 ? in.data[i % in.left] : 0;
    }
    side from;
    start_source(&r, &from);
    uint8_t *ignored;
    component_value v;
    memset(&v, 0, sizeof v);
    r.ptr = r.flat[0].u32 & ~7u;
    bool inside = !r.in_memory || memory_range(&from.abi.memory, r.ptr, r.type->size, r.type->align, "value",
                                               &ignored, NULL) == STATUS_OK;
    if (inside && abi_lift(r.type, &from.abi, source_place(&r), &a, &v, NULL) == STATUS_OK) {
        lower_and_lift(&r, &v);
        move_and_lift(&r, &v);
    } else if (inside) {
        move_and_lift(&r, NULL);
    }
    side_done(&from);
    arena_done(&a);
    return 0;
}
