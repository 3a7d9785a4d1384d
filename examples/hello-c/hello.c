// SPDX-License-Identifier: Apache-2.0
//
// The smallest useful HTTP component: it greets, and says what it saw of the request.
//
// `hello.h` is generated from world.wit by `wit-bindgen c`; build.sh shows how. A handle such as
// `own_fields` is the component's until it is given away in a call or dropped; `borrow_…` lends it.
#include "hello.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_MAX 4096
#define SHOWN_BYTES_MAX 1024

typedef exports_handler_own_incoming_request_t incoming_request;
typedef exports_handler_own_response_outparam_t response_outparam;

// The text of the answer. What does not fit is left out; nothing here grows with the request.
struct text {
    size_t length;
    char bytes[TEXT_BYTES_MAX];
};

static void text_add(struct text *text, const void *bytes, size_t length) {
    size_t room = TEXT_BYTES_MAX - text->length;
    if (length > SHOWN_BYTES_MAX) {
        length = SHOWN_BYTES_MAX;
    }
    if (length > room) {
        length = room;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

static void text_add_words(struct text *text, const char *words) { text_add(text, words, strlen(words)); }

static void text_add_number(struct text *text, size_t number) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    text_add(text, digits + at, sizeof digits - at);
}

static void text_add_method(struct text *text, http_borrow_incoming_request_t request) {
    static const char *const names[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                        "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    http_method_t method;
    http_method_incoming_request_method(request, &method);
    if (method.tag == HTTP_METHOD_OTHER) {
        text_add(text, method.val.other.ptr, method.val.other.len);
    } else {
        text_add_words(text, names[method.tag]);
    }
    http_method_free(&method);
}

// "/hello?name=Ada" greets Ada, anything else the world.
static void text_add_greeting(struct text *text, const char *path, size_t length) {
    static const char key[] = "?name=";
    const char *name = memmem(path, length, key, sizeof key - 1);
    text_add_words(text, "Hello, ");
    if (name != NULL && name + sizeof key - 1 < path + length) {
        name += sizeof key - 1;
        text_add(text, name, (size_t)(path + length - name));
    } else {
        text_add_words(text, "world");
    }
    text_add_words(text, "! This is a WebAssembly component, written in C.\n\n");
}

static size_t header_count(http_borrow_incoming_request_t request) {
    http_own_headers_t headers = http_method_incoming_request_headers(request);
    http_list_tuple2_field_name_field_value_t entries;
    http_method_fields_entries(http_borrow_fields(headers), &entries);
    size_t count = entries.len;
    http_list_tuple2_field_name_field_value_free(&entries);
    http_fields_drop_own(headers);
    return count;
}

static void describe(struct text *text, http_borrow_incoming_request_t request) {
    hello_string_t path = {0};
    http_method_incoming_request_path_with_query(request, &path);
    text_add_greeting(text, (const char *)path.ptr, path.len);
    text_add_words(text, "method:  ");
    text_add_method(text, request);
    text_add_words(text, "\npath:    ");
    text_add(text, path.ptr, path.len);
    text_add_words(text, "\nheaders: ");
    text_add_number(text, header_count(request));
    text_add_words(text, "\n\nThis component was granted nothing but the request that it answers.\n");
    hello_string_free(&path);
}

static http_own_fields_t response_headers(void) {
    static const char name[] = "content-type";
    static const char value[] = "text/plain; charset=utf-8";
    http_own_fields_t headers = http_constructor_fields();
    http_field_name_t key = {(uint8_t *)name, sizeof name - 1};
    http_field_value_t field = {(uint8_t *)value, sizeof value - 1};
    http_header_error_t error;
    http_method_fields_append(http_borrow_fields(headers), &key, &field, &error);
    return headers;
}

// Writes the text, as fast as the host takes it, then ends the body. A client that has gone away is no
// fault of ours: then there is nobody to tell.
static void send(http_own_outgoing_body_t body, const struct text *text) {
    // `blocking-write-and-flush` takes at most 4096 bytes at a time.
    _Static_assert(TEXT_BYTES_MAX <= 4096, "the text must fit one write");
    io_own_output_stream_t stream;
    http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream);
    hello_list_u8_t chunk = {(uint8_t *)text->bytes, text->length};
    io_stream_error_t stream_error;
    if (!io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(stream), &chunk,
                                                          &stream_error)) {
        io_stream_error_free(&stream_error);
    }
    io_output_stream_drop_own(stream);
    http_error_code_t error;
    if (!http_static_outgoing_body_finish(body, NULL, &error)) {
        http_error_code_free(&error);
    }
}

void exports_handler_handle(incoming_request request, response_outparam out) {
    struct text text = {0};
    describe(&text, http_borrow_incoming_request(request));

    http_own_outgoing_response_t response = http_constructor_outgoing_response(response_headers());
    http_own_outgoing_body_t body;
    http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body);
    http_result_own_outgoing_response_error_code_t answer = {.is_err = false};
    answer.val.ok = response;
    http_static_response_outparam_set(out, &answer);

    send(body, &text);
    http_incoming_request_drop_own(request);
}
