// SPDX-License-Identifier: Apache-2.0
// A type of the first half of the input, a text of the second: reading never leaves the text, and what was
// read is written as a text that is read as the same value and written alike. Values that come as bytes are
// written and read again, too.
//
// links: component
#include "base/check.h"
#include "component/value_code.h"
#include "component/wave.h"
#include "fuzz.h"
#include "types.h"

// `is_exact`: without NaNs of other bits than text gives.
static void write_again(const ctype *t, const component_value *v, bool is_exact, arena *a) {
    auto_buf first, second;
    component_value again;
    err e = {0};
    buf_init(&first, 4 << 20);
    buf_init(&second, 4 << 20);
    if (wave_write(t, v, &first) != STATUS_OK) {
        return;
    }
    status s = wave_read(t, buf_slice(&first), a, &again, &e);
    if (s == STATUS_LIMIT) {
        return;
    }
    CHECK(s == STATUS_OK);
    CHECK(!is_exact || same(t, v, &again));
    CHECK(wave_write(t, &again, &second) == STATUS_OK);
    CHECK(slice_equal(buf_slice(&first), buf_slice(&second)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *colon = size > 0 ? memchr(data, ':', size) : NULL;
    if (colon == NULL || size > 1 << 16) {
        return 0;
    }
    input in = {data, (size_t)(colon - data)};
    slice rest = slice_of(colon + 1, size - (size_t)(colon - data) - 1);
    auto_arena a;
    err e = {0};
    component_value v;
    arena_init(&a, 32 << 20);
    const ctype *type = make_type(&in, &a, 0);
    status s = wave_read(type, rest, &a, &v, &e);
    CHECK(s == STATUS_OK || e.message[0] != '\0');
    if (s == STATUS_OK) {
        write_again(type, &v, true, &a);
    }
    const ctype_param param = {.type = type};
    const ctype_func f = {.param_count = 1, .params = &param, .result = type};
    component_value *args = NULL;
    if (value_code_check(&f, NULL) == STATUS_OK &&
        value_code_read_params(&f, rest, &a, &args, NULL) == STATUS_OK) {
        write_again(type, &args[0], false, &a);
    }
    return 0;
}
