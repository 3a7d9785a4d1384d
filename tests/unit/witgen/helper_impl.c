// SPDX-License-Identifier: Apache-2.0
// The hand-written side of wit/types.wit: everything comes back as it came in.
#include "helper_impl.h"
#include "base/check.h"
#include "base/mem.h"
#include "helper_call.h"
#include "test/types_all.h"

// Results must not point into guest memory, since the guest's allocator runs before they are read.
static slice keep(host_call *call, slice s) { return arena_copy(host_call_arena(call), s); }

static void keep_shape(host_call *call, test_types_all_shape *s) {
    if (s->tag == TEST_TYPES_ALL_SHAPE_NAMED) {
        s->of.named = keep(call, s->of.named);
    }
}

status test_types_all_scalars(host_call *call, bool a, int8_t b, uint8_t c, int16_t d, uint16_t e_, int32_t f,
                              uint32_t g, int64_t h, uint64_t i, float j, double k, uint32_t l,
                              test_types_all_tuple_bool_s8_u8_s16_u16_s32_u32_s64_u64_f32_f64_char *ret,
                              err *e) {
    (void)call, (void)e;
    ret->f0 = a;
    ret->f1 = b;
    ret->f2 = c;
    ret->f3 = d;
    ret->f4 = e_;
    ret->f5 = f;
    ret->f6 = g;
    ret->f7 = h;
    ret->f8 = i;
    ret->f9 = j;
    ret->f10 = k;
    ret->f11 = l;
    return STATUS_OK;
}

status test_types_all_echo(host_call *call, const test_types_all_everything *e_,
                           test_types_all_everything *ret, err *e) {
    (void)e;
    *ret = *e_;
    ret->a_string = keep(call, ret->a_string);
    ret->bytes = keep(call, ret->bytes);
    if (ret->outcome.is_err) {
        ret->outcome.err = keep(call, ret->outcome.err);
    }
    keep_shape(call, &ret->form);
    return STATUS_OK;
}

status test_types_all_reform(host_call *call, const test_types_all_shape *form, test_types_all_shape *ret,
                             err *e) {
    (void)e;
    *ret = *form;
    keep_shape(call, ret);
    return STATUS_OK;
}

status test_types_all_lists(host_call *call, const test_types_all_list_u32 *numbers,
                            const test_types_all_list_string *texts, const test_types_all_list_point *points,
                            const test_types_all_list_list_u8 *nested,
                            test_types_all_tuple_list_u32_list_string_list_point_list_list_u8 *ret, err *e) {
    (void)e;
    ret->f0 = *numbers;
    ret->f1 = *texts;
    ret->f2 = *points;
    ret->f3 = *nested;
    for (size_t i = 0; i < texts->count; i++) {
        ret->f1.items[i] = keep(call, texts->items[i]);
    }
    for (size_t i = 0; i < nested->count; i++) {
        ret->f3.items[i] = keep(call, nested->items[i]);
    }
    return STATUS_OK;
}

// Gives back first, maybe and several, in this order; an error when the lent one has the value 0.
status test_types_all_handles(host_call *call, test_types_shared_thing *first,
                              const test_types_all_option_thing *maybe,
                              const test_types_all_list_thing *several, test_types_shared_thing *lent,
                              const test_types_all_list_borrow_thing *all_lent,
                              test_types_all_result_list_thing_color *ret, err *e) {
    (void)e;
    uint32_t sum = lent->value;
    for (size_t i = 0; i < all_lent->count; i++) {
        sum += all_lent->items[i]->value;
    }
    test_types_shared_thing **items = arena_calloc(host_call_arena(call), several->count + 2, sizeof *items);
    CHECK(items != NULL);
    size_t n = 0;
    items[n++] = first;
    if (maybe->some) {
        items[n++] = maybe->value;
    }
    for (size_t i = 0; i < several->count; i++) {
        items[n++] = several->items[i];
    }
    ret->is_err = sum == 0;
    if (ret->is_err) {
        ret->err = TEST_TYPES_ALL_COLOR_BLUE;
    } else {
        ret->ok.items = items;
        ret->ok.count = n;
    }
    return STATUS_OK;
}

#define ECHO(name, type)                                      \
    status name(host_call *call, type x, type *ret, err *e) { \
        (void)call, (void)e;                                  \
        *ret = x;                                             \
        return STATUS_OK;                                     \
    }
ECHO(test_types_all_flip, bool)
ECHO(test_types_all_half, float)
ECHO(test_types_all_double, double)
ECHO(test_types_all_letter, uint32_t)
ECHO(test_types_all_long, uint64_t)
ECHO(test_types_all_retint, test_types_all_color)

status test_types_all_negate(host_call *call, int8_t x, int8_t *ret, err *e) {
    (void)call, (void)e;
    *ret = (int8_t)-x;
    return STATUS_OK;
}

status test_types_all_mix(host_call *call, test_types_all_small x, test_types_all_wide y,
                          test_types_all_wide *ret, err *e) {
    (void)call, (void)e;
    *ret = x | y;
    return STATUS_OK;
}

status test_types_all_nothing(host_call *call, err *e) {
    (void)call, (void)e;
    return STATUS_OK;
}

status test_types_all_done(host_call *call, const test_types_all_result_void_void *x,
                           test_types_all_result_void_void *ret, err *e) {
    (void)call, (void)e;
    *ret = *x;
    return STATUS_OK;
}

status test_types_all_status(host_call *call, uint8_t int_, uint8_t err_, uint8_t ret_, uint8_t *ret,
                             err *e) {
    (void)call, (void)e;
    *ret = (uint8_t)(int_ + err_ + ret_);
    return STATUS_OK;
}

status test_types_all_fail(host_call *call, err *e) {
    (void)call;
    return err_set(e, STATUS_TRAP, "as told");
}

status test_types_all_perhaps(host_call *call, const test_types_all_option_string *x,
                              test_types_all_option_string *ret, err *e) {
    (void)e;
    *ret = *x;
    ret->value = keep(call, ret->value);
    return STATUS_OK;
}

// --- things ----------------------------------------------------------------------------------------------

test_types_shared_thing *thing_new(uint32_t value) {
    test_types_shared_thing *t = MEM_NEW(test_types_shared_thing);
    t->value = value;
    return t;
}

void test_types_shared_thing_drop(void *context, void *rep) {
    (void)context;
    mem_free(rep);
}

status test_types_shared_thing_new(host_call *call, uint32_t n, test_types_shared_thing **ret, err *e) {
    (void)call, (void)e;
    *ret = thing_new(n);
    return STATUS_OK;
}

status test_types_shared_thing_value(host_call *call, test_types_shared_thing *self, uint32_t *ret, err *e) {
    (void)call, (void)e;
    *ret = self->value;
    return STATUS_OK;
}

status test_types_shared_thing_join(host_call *call, test_types_shared_thing *a, test_types_shared_thing *b,
                                    test_types_shared_thing **ret, err *e) {
    (void)call, (void)e;
    a->value += b->value;
    *ret = a;
    return STATUS_OK;
}
