#include "answer.h"

#include <string.h>

enum { PIECE_BYTES = 4096 }; // as much as one blocking write takes

static void add_header(http_borrow_fields_t headers, const char *name, const char *value) {
    http_field_name_t key = {(uint8_t *)name, strlen(name)};
    http_field_value_t text = {(uint8_t *)value, strlen(value)};
    http_header_error_t wrong;
    if (!http_method_fields_append(headers, &key, &text, &wrong)) {
        http_header_error_free(&wrong);
    }
}

// A client that has gone away is no fault of ours: what cannot be written is dropped.
static void write_all(io_borrow_output_stream_t stream, const char *text) {
    size_t left = strlen(text);
    while (left > 0) {
        size_t count = left < PIECE_BYTES ? left : PIECE_BYTES;
        app_list_u8_t piece = {(uint8_t *)text, count};
        io_stream_error_t broken;
        if (!io_method_output_stream_blocking_write_and_flush(stream, &piece, &broken)) {
            io_stream_error_free(&broken);
            return;
        }
        text += count;
        left -= count;
    }
}

void answer(exports_handler_own_response_outparam_t out, uint16_t status, const char *type,
            const char *text) {
    http_own_fields_t headers = http_constructor_fields();
    add_header(http_borrow_fields(headers), "content-type", type);
    http_own_outgoing_response_t response = http_constructor_outgoing_response(headers);
    http_own_outgoing_body_t body;
    io_own_output_stream_t stream;
    http_method_outgoing_response_set_status_code(http_borrow_outgoing_response(response), status);
    http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body);
    http_result_own_outgoing_response_error_code_t result = {.is_err = false, .val.ok = response};
    http_static_response_outparam_set(out, &result);

    http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream);
    write_all(io_borrow_output_stream(stream), text);
    io_output_stream_drop_own(stream);
    http_error_code_t error;
    if (!http_static_outgoing_body_finish(body, NULL, &error)) {
        http_error_code_free(&error);
    }
}
