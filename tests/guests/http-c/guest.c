// SPDX-License-Identifier: Apache-2.0
#include "guest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_add(struct text *text, const void *bytes, size_t length) {
    size_t room = TEXT_BYTES_MAX - text->length;
    length = length < room ? length : room;
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

static void text_vformat(struct text *text, const char *format, va_list arguments) {
    char line[1024];
    int length = vsnprintf(line, sizeof line, format, arguments);
    if (length > 0) {
        text_add(text, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
    }
}

void text_format(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    text_vformat(text, format, arguments);
    va_end(arguments);
}

static char decoded(const char **at) {
    const char *from = *at;
    if (from[0] == '%' && from[1] != '\0' && from[2] != '\0') {
        char digits[3] = {from[1], from[2], '\0'};
        *at = from + 3;
        return (char)strtoul(digits, NULL, 16);
    }
    *at = from + 1;
    return from[0] == '+' ? ' ' : from[0];
}

bool query_value(const char *query, const char *name, char *value, size_t size) {
    size_t name_length = strlen(name);
    for (const char *at = query; at != NULL && *at != '\0'; at = strchr(at, '&'), at = at ? at + 1 : NULL) {
        if (strncmp(at, name, name_length) != 0 || at[name_length] != '=') {
            continue;
        }
        size_t length = 0;
        for (at += name_length + 1; *at != '\0' && *at != '&' && length + 1 < size;) {
            value[length++] = decoded(&at);
        }
        value[length] = '\0';
        return true;
    }
    return false;
}

uint64_t query_number(const char *query, const char *name, uint64_t otherwise) {
    char digits[24];
    return query_value(query, name, digits, sizeof digits) ? strtoull(digits, NULL, 10) : otherwise;
}

void headers_add(http_own_fields_t headers, const char *name, const char *value) {
    http_field_name_t key = {(uint8_t *)name, strlen(name)};
    http_field_value_t field = {(uint8_t *)value, strlen(value)};
    http_header_error_t error;
    if (!http_method_fields_append(http_borrow_fields(headers), &key, &field, &error)) {
        abort(); // the names and values used here are right
    }
}

http_own_fields_t headers_of_type(const char *content_type) {
    http_own_fields_t headers = http_constructor_fields();
    headers_add(headers, "content-type", content_type);
    return headers;
}

http_own_outgoing_body_t answer_start(struct exchange *exchange, uint16_t status, http_own_fields_t headers) {
    http_own_outgoing_response_t response = http_constructor_outgoing_response(headers);
    http_own_outgoing_body_t body;
    if (!http_method_outgoing_response_set_status_code(http_borrow_outgoing_response(response), status) ||
        !http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body)) {
        abort();
    }
    http_result_own_outgoing_response_error_code_t answer = {.is_err = false};
    answer.val.ok = response;
    http_static_response_outparam_set(exchange->out, &answer);
    return body;
}

void answer_text(struct exchange *exchange, uint16_t status, const struct text *text) {
    http_own_outgoing_body_t body = answer_start(exchange, status, headers_of_type("text/plain"));
    io_own_output_stream_t stream;
    if (!http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream)) {
        abort();
    }
    stream_write(stream, text->bytes, text->length);
    io_output_stream_drop_own(stream);
    body_finish(body, NULL);
}

void answer_words(struct exchange *exchange, uint16_t status, const char *format, ...) {
    static struct text text;
    va_list arguments;
    va_start(arguments, format);
    text.length = 0;
    text_vformat(&text, format, arguments);
    va_end(arguments);
    answer_text(exchange, status, &text);
}

bool body_finish(http_own_outgoing_body_t body, http_own_fields_t *trailers) {
    http_error_code_t error;
    if (http_static_outgoing_body_finish(body, trailers, &error)) {
        return true;
    }
    http_error_code_free(&error);
    return false;
}

// Waits until the stream takes bytes; returns how many, 0 when it is closed.
static uint64_t stream_room(io_borrow_output_stream_t stream) {
    for (;;) {
        uint64_t room;
        io_stream_error_t error;
        if (!io_method_output_stream_check_write(stream, &room, &error)) {
            io_stream_error_free(&error);
            return 0;
        }
        if (room > 0) {
            return room;
        }
        poll_own_pollable_t ready = io_method_output_stream_subscribe(stream);
        poll_method_pollable_block(poll_borrow_pollable(ready));
        poll_pollable_drop_own(ready);
    }
}

bool stream_write(io_own_output_stream_t stream, const void *bytes, size_t length) {
    io_borrow_output_stream_t to = io_borrow_output_stream(stream);
    const uint8_t *at = bytes;
    while (length > 0) {
        uint64_t room = stream_room(to);
        if (room == 0) {
            return false;
        }
        handler_list_u8_t piece = {(uint8_t *)at, room < length ? (size_t)room : length};
        io_stream_error_t error;
        if (!io_method_output_stream_write(to, &piece, &error)) {
            io_stream_error_free(&error);
            return false;
        }
        at += piece.len;
        length -= piece.len;
    }
    return true;
}

bool stream_copy(io_own_output_stream_t to, io_own_input_stream_t from) {
    for (;;) {
        handler_list_u8_t piece;
        io_stream_error_t error;
        if (!io_method_input_stream_blocking_read(io_borrow_input_stream(from), CHUNK_BYTES_MAX, &piece,
                                                  &error)) {
            bool ended = error.tag == IO_STREAM_ERROR_CLOSED;
            io_stream_error_free(&error);
            return ended;
        }
        bool written = stream_write(to, piece.ptr, piece.len);
        handler_list_u8_free(&piece);
        if (!written) {
            return false;
        }
    }
}

bool body_trailers(http_own_incoming_body_t body, http_own_fields_t *ret_trailers) {
    http_own_future_trailers_t future = http_static_incoming_body_finish(body);
    http_own_pollable_t ready = http_method_future_trailers_subscribe(http_borrow_future_trailers(future));
    poll_method_pollable_block(poll_borrow_pollable(ready));
    poll_pollable_drop_own(ready);

    http_result_result_option_own_trailers_error_code_void_t result;
    bool there = http_method_future_trailers_get(http_borrow_future_trailers(future), &result) &&
                 !result.is_err && !result.val.ok.is_err && result.val.ok.val.ok.is_some;
    if (there) {
        *ret_trailers = result.val.ok.val.ok.val;
    }
    http_future_trailers_drop_own(future);
    return there;
}
