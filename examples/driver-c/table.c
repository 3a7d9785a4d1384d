// SPDX-License-Identifier: Apache-2.0
//
// A page that throws two dice: GET /6 throws two with six sides, GET / shows what was thrown. Who throws, the
// component does not know.
//
// `table.h` is generated from wit/dice.wit by `wit-bindgen c`; build.sh shows how.
#include "table.h"

#include <stdint.h>
#include <string.h>

enum { PAGE_BYTES_MAX = 4096 };

// What does not fit is left out. No printf: it would need files, which this component has not.
typedef struct page {
    size_t length;
    char bytes[PAGE_BYTES_MAX];
} page;

static void add(page *p, const void *bytes, size_t length) {
    size_t room = PAGE_BYTES_MAX - p->length;
    length = length < room ? length : room;
    memcpy(p->bytes + p->length, bytes, length);
    p->length += length;
}

static void add_words(page *p, const char *words) { add(p, words, strlen(words)); }

static void add_number(page *p, uint64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    add(p, digits + at, sizeof digits - at);
}

static void add_throw(page *p, const dice_throw_t *t) {
    for (size_t i = 0; i < t->values.len; i++) {
        add_words(p, i == 0 ? "" : " + ");
        add_number(p, t->values.ptr[i]);
    }
    add_words(p, " = ");
    add_number(p, t->total);
    add_words(p, "\n");
}

static uint16_t add_error(page *p, const dice_error_t *e) {
    if (e->tag == DICE_ERROR_OTHER) {
        add(p, e->val.other.ptr, e->val.other.len);
        add_words(p, "\n");
        return 502;
    }
    add_words(p, e->tag == DICE_ERROR_NO_SUCH_DIE ? "no die has so many sides: " : "too many dice: ");
    add_number(p, e->tag == DICE_ERROR_NO_SUCH_DIE ? e->val.no_such_die : e->val.too_many);
    add_words(p, "\n");
    return 400;
}

static uint16_t throw_two(page *p, uint32_t sides) {
    dice_throw_t t;
    dice_error_t e;
    uint16_t status = 200;
    if (dice_roll(sides, 2, &t, &e)) {
        add_throw(p, &t);
        table_list_u32_free(&t.values);
    } else {
        status = add_error(p, &e);
        dice_error_free(&e);
    }
    return status;
}

static uint16_t show(page *p) {
    dice_list_throw_t list;
    dice_error_t e;
    uint16_t status = 200;
    if (dice_history(10, &list, &e)) {
        for (size_t i = 0; i < list.len; i++) {
            add_throw(p, &list.ptr[i]);
        }
        dice_list_throw_free(&list);
    } else {
        status = add_error(p, &e);
        dice_error_free(&e);
    }
    return status;
}

static void answer(exports_handler_own_response_outparam_t out, uint16_t status, const page *p) {
    http_own_outgoing_response_t response = http_constructor_outgoing_response(http_constructor_fields());
    http_own_outgoing_body_t body;
    http_method_outgoing_response_set_status_code(http_borrow_outgoing_response(response), status);
    bool has_body = http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body);

    http_result_own_outgoing_response_error_code_t result = {.is_err = false, .val.ok = response};
    http_static_response_outparam_set(out, &result);
    if (!has_body) {
        return;
    }
    io_own_output_stream_t stream;
    if (http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream)) {
        table_list_u8_t bytes = {(uint8_t *)p->bytes, p->length};
        io_stream_error_t error;
        if (!io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(stream), &bytes,
                                                              &error)) {
            io_stream_error_free(&error);
        }
        io_output_stream_drop_own(stream);
    }
    http_error_code_t error;
    if (!http_static_outgoing_body_finish(body, NULL, &error)) {
        http_error_code_free(&error);
    }
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    table_string_t path;
    uint32_t sides = 0;
    page p = {0};
    if (http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &path)) {
        for (size_t i = 1; i < path.len && path.ptr[i] >= '0' && path.ptr[i] <= '9' && sides < 1000000; i++) {
            sides = sides * 10 + (uint32_t)(path.ptr[i] - '0');
        }
        table_string_free(&path);
    }
    http_incoming_request_drop_own(request);
    uint16_t status = sides == 0 ? show(&p) : throw_two(&p, sides);
    answer(out, status, &p);
}
