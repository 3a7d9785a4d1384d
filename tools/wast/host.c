// SPDX-License-Identifier: Apache-2.0
// return-three: func() -> u32
// echo: func(text: string) -> string                 what came in goes out, in the encodings of both sides
// reverse: func(bytes: list<u8>) -> list<u8>
// swap: func(pair: tuple<u32, string>) -> tuple<string, u32>
// resource1: a resource that is a number
//   [constructor]resource1(rep: u32), [method]resource1.get(self) -> u32
//   [static]resource1.take(r: own) -> u32             gives the number and drops nothing
//   [static]resource1.pair(rep: u32) -> tuple<own, own>
//   [static]resource1.last-drop() -> u32, [static]resource1.drops() -> u32
#include "host.h"

#include "offer.h"

static wast_host *context_of(host_call *call) { return host_call_context(call); }

static void drop_resource1(void *context, void *rep) {
    wast_host *host = context;
    host->last_drop = (uint32_t)(uintptr_t)rep;
    host->drops++;
}

// --- types -------------------------------------------------------------------------------------------------

static const ctype_resource resource1 = {
    .interface = SLICE_LITERAL("host"), .name = SLICE_LITERAL("resource1"), .drop = drop_resource1};
static const ctype u8 = {.kind = CTYPE_U8, .size = 1, .align = 1, .flat_count = 1};
static const ctype u32 = {.kind = CTYPE_U32, .size = 4, .align = 4, .flat_count = 1};
static const ctype text = {.kind = CTYPE_STRING, .size = 8, .align = 4, .flat_count = 2, .has_pointer = true};
static const ctype bytes = {
    .kind = CTYPE_LIST, .size = 8, .align = 4, .flat_count = 2, .element = &u8, .has_pointer = true};
static const ctype own1 = {
    .kind = CTYPE_OWN, .size = 4, .align = 4, .flat_count = 1, .resource = &resource1, .has_handle = true};
static const ctype borrow1 = {
    .kind = CTYPE_BORROW, .size = 4, .align = 4, .flat_count = 1, .resource = &resource1, .has_handle = true};

#define TUPLE(name, first, second, second_at, bytes_, flat, ...)                                         \
    static const ctype_case name##_cases[] = {{.type = &first}, {.type = &second, .offset = second_at}}; \
    static const ctype name = {.kind = CTYPE_TUPLE,                                                      \
                               .size = bytes_,                                                           \
                               .align = 4,                                                               \
                               .flat_count = flat,                                                       \
                               .case_count = 2,                                                          \
                               .cases = name##_cases,                                                    \
                               __VA_ARGS__}
TUPLE(number_and_text, u32, text, 4, 12, 3, .has_pointer = true);
TUPLE(text_and_number, text, u32, 8, 12, 3, .has_pointer = true);
TUPLE(two_owns, own1, own1, 4, 8, 2, .has_handle = true);

#define FUNC(name, param_name, param_type, result_type)                                    \
    static const ctype_param name##_params[] = {{SLICE_LITERAL(param_name), &param_type}}; \
    static const ctype_func name = {.param_count = 1, .params = name##_params, .result = &result_type}
static const ctype_func number_type = {.result = &u32};
FUNC(echo_type, "text", text, text);
FUNC(reverse_type, "bytes", bytes, bytes);
FUNC(swap_type, "pair", number_and_text, text_and_number);
FUNC(new_type, "rep", u32, own1);
FUNC(get_type, "self", borrow1, u32);
FUNC(take_type, "r", own1, u32);
FUNC(pair_type, "rep", u32, two_owns);

// --- functions ---------------------------------------------------------------------------------------------

static status return_three(host_call *call, core_value *flat, err *e) {
    (void)call;
    (void)e;
    flat[0].u64 = 3;
    return STATUS_OK;
}

static status store_pair(host_call *call, uint32_t at, uint32_t first, uint32_t second, err *e) {
    uint8_t *to;
    TRY(host_memory_at(call, at, 8, 4, &to, e));
    host_store_u32(to, first);
    host_store_u32(to + 4, second);
    return STATUS_OK;
}

static status echo(host_call *call, core_value *flat, err *e) {
    slice s;
    uint32_t ptr;
    uint32_t length;
    TRY(host_lift_string(call, flat[0].u32, flat[1].u32, &s, e));
    TRY(host_lower_string(call, s, &ptr, &length, e));
    return store_pair(call, flat[2].u32, ptr, length, e);
}

static status reverse(host_call *call, core_value *flat, err *e) {
    uint8_t *in;
    uint32_t count = flat[1].u32;
    uint32_t ptr;
    TRY(host_list_at(call, flat[0].u32, count, 1, 1, &in, e));
    uint8_t *out = arena_alloc(host_call_arena(call), count);
    if (out == NULL) {
        return err_set(e, STATUS_TRAP, "a list of %u bytes is too long", count);
    }
    for (uint32_t i = 0; i < count; i++) {
        out[i] = in[count - 1 - i];
    }
    TRY(host_lower_bytes(call, slice_of(out, count), &ptr, &count, e));
    return store_pair(call, flat[2].u32, ptr, count, e);
}

static status swap(host_call *call, core_value *flat, err *e) {
    slice s;
    uint32_t ptr;
    uint32_t length;
    uint8_t *to;
    TRY(host_lift_string(call, flat[1].u32, flat[2].u32, &s, e));
    TRY(host_lower_string(call, s, &ptr, &length, e));
    TRY(store_pair(call, flat[3].u32, ptr, length, e));
    TRY(host_memory_at(call, flat[3].u32 + 8, 4, 4, &to, e));
    host_store_u32(to, flat[0].u32);
    return STATUS_OK;
}

static status construct(host_call *call, core_value *flat, err *e) {
    uint32_t handle;
    TRY(host_lower_own(call, &resource1, (void *)(uintptr_t)flat[0].u32, &handle, e));
    flat[0].u64 = handle;
    return STATUS_OK;
}

static status get(host_call *call, core_value *flat, err *e) {
    void *rep;
    TRY(host_lift_borrow(call, flat[0].u32, &resource1, &rep, e));
    flat[0].u64 = (uint32_t)(uintptr_t)rep;
    return STATUS_OK;
}

static status take(host_call *call, core_value *flat, err *e) {
    void *rep;
    TRY(host_check_own(call, flat[0].u32, &resource1, &rep, e));
    TRY(host_take_own(call, flat[0].u32, &resource1, &rep, e));
    flat[0].u64 = (uint32_t)(uintptr_t)rep;
    return STATUS_OK;
}

static status pair(host_call *call, core_value *flat, err *e) {
    uint32_t first;
    uint32_t second;
    TRY(host_lower_own(call, &resource1, (void *)(uintptr_t)flat[0].u32, &first, e));
    TRY(host_lower_own(call, &resource1, (void *)(uintptr_t)(flat[0].u32 + 1), &second, e));
    return store_pair(call, flat[1].u32, first, second, e);
}

static status last_drop(host_call *call, core_value *flat, err *e) {
    (void)e;
    flat[0].u64 = context_of(call)->last_drop;
    return STATUS_OK;
}

static status drops(host_call *call, core_value *flat, err *e) {
    (void)e;
    flat[0].u64 = context_of(call)->drops;
    return STATUS_OK;
}

static const host_func funcs[] = {
    {SLICE_LITERAL("return-three"), &number_type, return_three},
    {SLICE_LITERAL("echo"), &echo_type, echo},
    {SLICE_LITERAL("reverse"), &reverse_type, reverse},
    {SLICE_LITERAL("swap"), &swap_type, swap},
    {SLICE_LITERAL("[constructor]resource1"), &new_type, construct},
    {SLICE_LITERAL("[method]resource1.get"), &get_type, get},
    {SLICE_LITERAL("[static]resource1.take"), &take_type, take},
    {SLICE_LITERAL("[static]resource1.pair"), &pair_type, pair},
    {SLICE_LITERAL("[static]resource1.last-drop"), &number_type, last_drop},
    {SLICE_LITERAL("[static]resource1.drops"), &number_type, drops},
};

static const ctype_resource *const resources[] = {&resource1};

const host_interface wast_host_interface = {
    .name = SLICE_LITERAL("host"),
    .func_count = sizeof funcs / sizeof funcs[0],
    .funcs = funcs,
    .resource_count = 1,
    .resources = resources,
};
