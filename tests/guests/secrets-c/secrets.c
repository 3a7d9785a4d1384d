// SPDX-License-Identifier: Apache-2.0
//
// Asks for the secret that the query names and tells what it got; ../README.md lists the routes.
#include "revealing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct answer {
    uint16_t status;
    revealing_list_u8_t body;
} answer;

static answer say(uint16_t status, const char *text) {
    return (answer){status, {(uint8_t *)strdup(text), strlen(text)}};
}

static answer refusal(const wasmcloud_secrets_store_secrets_error_t *e) {
    return e->tag == WASMCLOUD_SECRETS_STORE_SECRETS_ERROR_NOT_FOUND ? say(404, "not-found\n")
                                                                     : say(502, "error\n");
}

static answer reveal(wasmcloud_secrets_store_own_secret_t secret) {
    wasmcloud_secrets_store_secret_value_t value;
    wasmcloud_secrets_reveal_reveal(wasmcloud_secrets_store_borrow_secret(secret), &value);
    return value.tag == WASMCLOUD_SECRETS_STORE_SECRET_VALUE_STRING
               ? (answer){200, {value.val.string.ptr, value.val.string.len}}
               : (answer){206, value.val.bytes}; // so that the two can be told apart
}

static answer use(wasmcloud_secrets_store_own_secret_t secret) {
    answer a = reveal(secret);
    char text[32];
    snprintf(text, sizeof text, "%zu bytes\n", a.body.len);
    return say(200, text);
}

// "/get?NAME" asks for it alone, "/reveal?NAME" for its value, "/use?NAME" sees the value and tells its
// length.
static answer ask(const char *path) {
    const char *query = strchr(path, '?');
    wasmcloud_secrets_store_own_secret_t secret;
    wasmcloud_secrets_store_secrets_error_t e;
    if (query == NULL) {
        return say(404, "no name\n");
    }
    revealing_string_t name = {(uint8_t *)(query + 1), strlen(query + 1)};
    if (!wasmcloud_secrets_store_get(&name, &secret, &e)) {
        return refusal(&e);
    }
    if (strncmp(path, "/use", 4) == 0) {
        return use(secret);
    }
    return strncmp(path, "/reveal", 7) == 0 ? reveal(secret) : say(200, "there\n");
}

static void send(exports_handler_own_response_outparam_t out, const answer *a) {
    http_own_outgoing_response_t response = http_constructor_outgoing_response(http_constructor_fields());
    http_own_outgoing_body_t body;
    io_own_output_stream_t stream;
    http_method_outgoing_response_set_status_code(http_borrow_outgoing_response(response), a->status);
    http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body);
    http_result_own_outgoing_response_error_code_t result = {.is_err = false, .val.ok = response};
    http_static_response_outparam_set(out, &result);
    http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream);
    for (size_t at = 0; at < a->body.len; at += 4096) {
        revealing_list_u8_t piece = {a->body.ptr + at, a->body.len - at < 4096 ? a->body.len - at : 4096};
        io_stream_error_t e;
        if (!io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(stream), &piece, &e)) {
            break;
        }
    }
    io_output_stream_drop_own(stream);
    http_error_code_t e;
    http_static_outgoing_body_finish(body, NULL, &e);
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    char path[1024] = "";
    revealing_string_t asked = {0};
    if (http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &asked)) {
        size_t n = asked.len < sizeof path - 1 ? asked.len : sizeof path - 1;
        memcpy(path, asked.ptr, n);
    }
    answer a = ask(path);
    send(out, &a);
    http_incoming_request_drop_own(request);
}
