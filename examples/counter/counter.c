// SPDX-License-Identifier: Apache-2.0
//
// A page that counts its visitors. The number is in a key-value store, the greeting in the configuration; the
// manifest app.yaml says which store, and what the greeting is.
//
// `counter.h` is generated from world.wit by `wit-bindgen c`; build.sh shows how.
#include "counter.h"

#include <stdint.h>
#include <string.h>

enum { PAGE_BYTES_MAX = 1024 };

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

static counter_string_t text_of(const char *text) {
    return (counter_string_t){(uint8_t *)text, strlen(text)};
}

// One more visitor; false when the store cannot be reached or says no.
static bool count(uint64_t *ret) {
    counter_string_t bucket_name = text_of("pages"), key = text_of("visits");
    keyvalue_own_bucket_t bucket;
    keyvalue_error_t error;
    if (!keyvalue_open(&bucket_name, &bucket, &error)) {
        keyvalue_error_free(&error);
        return false;
    }
    // Atomic: two requests at one time, in any process, never get the same number.
    bool is_counted = atomics_increment(keyvalue_borrow_bucket(bucket), &key, 1, ret, &error);
    if (!is_counted) {
        keyvalue_error_free(&error);
    }
    keyvalue_bucket_drop_own(bucket);
    return is_counted;
}

static void add_greeting(page *p) {
    counter_string_t key = text_of("greeting");
    counter_option_string_t value;
    config_error_t error;
    if (!config_get(&key, &value, &error)) {
        config_error_free(&error);
        add_words(p, "Hello");
        return;
    }
    if (value.is_some) {
        add(p, value.val.ptr, value.val.len);
    } else {
        add_words(p, "Hello");
    }
    counter_option_string_free(&value);
}

static void answer(exports_handler_own_response_outparam_t out, uint16_t status, const page *p) {
    http_own_outgoing_response_t response = http_constructor_outgoing_response(http_constructor_fields());
    http_own_outgoing_body_t body;
    io_own_output_stream_t stream;
    http_method_outgoing_response_set_status_code(http_borrow_outgoing_response(response), status);
    http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body);
    http_result_own_outgoing_response_error_code_t result = {.is_err = false};
    result.val.ok = response;
    http_static_response_outparam_set(out, &result);

    http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream);
    counter_list_u8_t bytes = {(uint8_t *)p->bytes, p->length};
    io_stream_error_t broken; // a client that has gone away is no fault of ours
    if (!io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(stream), &bytes, &broken)) {
        io_stream_error_free(&broken);
    }
    io_output_stream_drop_own(stream);
    http_error_code_t error;
    if (!http_static_outgoing_body_finish(body, NULL, &error)) {
        http_error_code_free(&error);
    }
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    page p = {0};
    uint64_t visits;
    if (count(&visits)) {
        add_greeting(&p);
        add_words(&p, ", visitor number ");
        add_number(&p, visits);
        add_words(&p, ".\n");
        answer(out, 200, &p);
    } else {
        add_words(&p, "The counter cannot be reached.\n");
        answer(out, 503, &p);
    }
    http_incoming_request_drop_own(request);
}
