// SPDX-License-Identifier: Apache-2.0
// What all generated glue shares. Copied next to it by the build; includes nothing above component/.
//
// Own handles are lifted in two steps: `glue_own_check` looks at each in its place among the arguments and
// notes it, `glue_owns_take` removes all of them from the guest's table once every argument was lifted. So a
// trap in the middle leaves every object where it was.
#pragma once

#include <math.h>

#include "component/host.h"

extern const ctype glue_bool, glue_s8, glue_u8, glue_s16, glue_u16, glue_s32, glue_u32, glue_s64, glue_u64,
    glue_f32, glue_f64, glue_char, glue_string;

typedef struct glue_own {
    uint32_t handle;
    const ctype_resource *type;
    struct glue_own *next;
} glue_own;

typedef struct glue_owns {
    glue_own first[4]; // most calls have one
    uint32_t count;
    glue_own *more; // in the call's arena, newest first
} glue_owns;

static inline status glue_own_check(host_call *call, uint32_t handle, const ctype_resource *type,
                                    glue_owns *owns, void **ret, err *e) {
    TRY(host_check_own(call, handle, type, ret, e));
    if (owns->count < 4) {
        owns->first[owns->count++] = (glue_own){handle, type, NULL};
        return STATUS_OK;
    }
    glue_own *own = ARENA_NEW(host_call_arena(call), glue_own);
    if (own == NULL) {
        return err_set(e, STATUS_TRAP, "the arguments of one call need more memory than a call may use");
    }
    *own = (glue_own){handle, type, owns->more};
    owns->more = own;
    return STATUS_OK;
}

static inline status glue_owns_take(host_call *call, const glue_owns *owns, err *e) {
    void *rep = NULL; // the check already stored it
    for (uint32_t i = 0; i < owns->count; i++) {
        TRY(host_take_own(call, owns->first[i].handle, owns->first[i].type, &rep, e));
    }
    for (const glue_own *own = owns->more; own != NULL; own = own->next) {
        TRY(host_take_own(call, own->handle, own->type, &rep, e));
    }
    return STATUS_OK;
}

static inline status glue_bad_case(err *e, uint32_t tag, const char *type, uint32_t count) {
    return err_set(e, STATUS_TRAP, "%s has no case number %u (it has %u)", type, tag, count);
}

static inline status glue_new_list(host_call *call, uint32_t count, size_t size, void **ret, err *e) {
    void *items = arena_calloc(host_call_arena(call), count, size);
    if (items == NULL) {
        return err_set(e, STATUS_TRAP, "a list of %u elements needs more memory than a call may use", count);
    }
    *ret = items;
    return STATUS_OK;
}

static inline status glue_lift_bytes(host_call *call, uint32_t ptr, uint32_t count, slice *ret, err *e) {
    uint8_t *data = NULL;
    TRY(host_list_at(call, ptr, count, 1, 1, &data, e));
    *ret = slice_of(data, count);
    return STATUS_OK;
}

// The area that the guest made for a result. Checked before the call, so that a bad pointer has no effect,
// and looked up again after it: what is lowered first may move the memory.
static inline status glue_check_return(host_call *call, uint32_t ptr, uint32_t size, uint32_t align, err *e) {
    uint8_t *at = NULL;
    return host_memory_at(call, ptr, size, align, &at, e);
}

static inline status glue_store_pair(host_call *call, uint32_t ptr, uint32_t first, uint32_t second, err *e) {
    uint8_t *p = NULL;
    TRY(host_memory_at(call, ptr, 8, 4, &p, e));
    host_store_u32(p, first);
    host_store_u32(p + 4, second);
    return STATUS_OK;
}

static inline status glue_store_string(host_call *call, uint32_t ptr, slice text, err *e) {
    uint32_t data = 0;
    uint32_t length = 0;
    TRY(host_lower_string(call, text, &data, &length, e));
    return glue_store_pair(call, ptr, data, length, e);
}

static inline status glue_store_bytes(host_call *call, uint32_t ptr, slice bytes, err *e) {
    uint32_t data = 0;
    uint32_t count = 0;
    TRY(host_lower_bytes(call, bytes, &data, &count, e));
    return glue_store_pair(call, ptr, data, count, e);
}

static inline status glue_store_own(host_call *call, uint8_t *p, const ctype_resource *type, void *rep,
                                    err *e) {
    uint32_t handle = 0;
    TRY(host_lower_own(call, type, rep, &handle, e)); // runs no guest code, so `p` stays valid
    host_store_u32(p, handle);
    return STATUS_OK;
}

// Allocates the elements of a list result in the guest.
static inline status glue_alloc_list(host_call *call, size_t count, uint32_t size, uint32_t align,
                                     uint32_t *ret, err *e) {
    if (count > UINT32_MAX / size) {
        return err_set(e, STATUS_TRAP, "a list of %zu elements does not fit into the guest's memory", count);
    }
    return host_alloc(call, (uint32_t)count * size, align, ret, e);
}

// One NaN for all, so that a guest cannot tell which machine it runs on (CanonicalABI.md,
// "canonicalize_nan32").
static inline float glue_canonical_f32(float x) {
    const uint32_t canonical = 0x7fc00000;
    if (isnan(x)) {
        memcpy(&x, &canonical, sizeof x);
    }
    return x;
}

static inline double glue_canonical_f64(double x) {
    const uint64_t canonical = 0x7ff8000000000000;
    if (isnan(x)) {
        memcpy(&x, &canonical, sizeof x);
    }
    return x;
}

static inline float glue_load_f32(const uint8_t *p) {
    float x;
    memcpy(&x, p, sizeof x);
    return glue_canonical_f32(x);
}

static inline double glue_load_f64(const uint8_t *p) {
    double x;
    memcpy(&x, p, sizeof x);
    return glue_canonical_f64(x);
}

static inline void glue_store_f32(uint8_t *p, float x) {
    x = glue_canonical_f32(x);
    memcpy(p, &x, sizeof x);
}

static inline void glue_store_f64(uint8_t *p, double x) {
    x = glue_canonical_f64(x);
    memcpy(p, &x, sizeof x);
}
