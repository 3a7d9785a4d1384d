// SPDX-License-Identifier: Apache-2.0
// Values of a random type read from the rest of the input: reading never leaves it, and what was read is
// written in no more bytes and read again as the same values.
//
// links: component
#include "base/check.h"
#include "component/value_code.h"
#include "fuzz.h"
#include "types.h"

static void read_back(const ctype_func *f, const component_value *args, slice bytes, arena *a) {
    component_value *again = NULL;
    auto_buf second;
    CHECK(value_code_read_params(f, bytes, a, &again, NULL) == STATUS_OK);
    CHECK(same(f->result, &args[0], &again[0]));
    buf_init(&second, 1 << 20);
    CHECK(value_code_write_result(f, &again[0], &second, NULL) == STATUS_OK);
    CHECK(slice_equal(bytes, buf_slice(&second)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, size};
    auto_arena a;
    auto_buf first;
    err e = {0};
    if (size > 1 << 16) {
        return 0;
    }
    arena_init(&a, 8 << 20);
    buf_init(&first, 1 << 20);
    const ctype *type = make_type(&in, &a, 0);
    const ctype_param param = {.type = type};
    const ctype_func f = {.param_count = 1, .params = &param, .result = type};
    component_value *args = NULL;
    status supported = value_code_check(&f, NULL);
    CHECK((supported != STATUS_OK) == type->has_handle);
    if (value_code_read_params(&f, slice_of(in.data, in.left), &a, &args, &e) != STATUS_OK) {
        CHECK(e.code == STATUS_INVALID && e.message[0] != '\0');
    } else if (supported == STATUS_OK) {
        CHECK(value_code_write_result(&f, &args[0], &first, NULL) == STATUS_OK);
        CHECK(first.len <= in.left); // the shortest form
        read_back(&f, &args[0], buf_slice(&first), &a);
    }
    return 0;
}
