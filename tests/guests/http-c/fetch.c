// SPDX-License-Identifier: Apache-2.0
//
// GET or POST /fetch?url=U: sends the request on to U and relays status and body. A refusal is a 502 that
// names the error code as the WIT does.
#include "guest.h"

#include <stdlib.h>
#include <string.h>

static const char *error_name(const http_error_code_t *error) {
    static const char *const names[] = {
        "DNS-timeout",
        "DNS-error",
        "destination-not-found",
        "destination-unavailable",
        "destination-IP-prohibited",
        "destination-IP-unroutable",
        "connection-refused",
        "connection-terminated",
        "connection-timeout",
        "connection-read-timeout",
        "connection-write-timeout",
        "connection-limit-reached",
        "TLS-protocol-error",
        "TLS-certificate-error",
        "TLS-alert-received",
        "HTTP-request-denied",
        "HTTP-request-length-required",
        "HTTP-request-body-size",
        "HTTP-request-method-invalid",
        "HTTP-request-URI-invalid",
        "HTTP-request-URI-too-long",
        "HTTP-request-header-section-size",
        "HTTP-request-header-size",
        "HTTP-request-trailer-section-size",
        "HTTP-request-trailer-size",
        "HTTP-response-incomplete",
        "HTTP-response-header-section-size",
        "HTTP-response-header-size",
        "HTTP-response-body-size",
        "HTTP-response-trailer-section-size",
        "HTTP-response-trailer-size",
        "HTTP-response-transfer-coding",
        "HTTP-response-content-coding",
        "HTTP-response-timeout",
        "HTTP-upgrade-failed",
        "HTTP-protocol-error",
        "loop-detected",
        "configuration-error",
        "internal-error",
    };
    return names[error->tag];
}

static bool is_post(struct exchange *exchange) {
    http_method_t method;
    http_method_incoming_request_method(http_borrow_incoming_request(exchange->request), &method);
    bool post = method.tag == HTTP_METHOD_POST;
    http_method_free(&method);
    return post;
}

// Makes the request out of a URL like http://host:port/path; false when the host finds it malformed.
static bool request_make(const char *url, bool post, http_own_outgoing_request_t *ret_request) {
    bool https = strncmp(url, "https://", 8) == 0;
    if (!https && strncmp(url, "http://", 7) != 0) {
        return false;
    }
    const char *host = url + (https ? 8 : 7);
    size_t host_length = strcspn(host, "/?");
    const char *path = host + host_length;

    http_own_outgoing_request_t request = http_constructor_outgoing_request(http_constructor_fields());
    http_borrow_outgoing_request_t borrowed = http_borrow_outgoing_request(request);
    http_method_t method = {.tag = post ? HTTP_METHOD_POST : HTTP_METHOD_GET};
    http_scheme_t scheme = {.tag = https ? HTTP_SCHEME_HTTPS : HTTP_SCHEME_HTTP};
    handler_string_t authority = {(uint8_t *)host, host_length};
    handler_string_t target = {(uint8_t *)path, strlen(path)};
    if (target.len == 0) {
        target = (handler_string_t){(uint8_t *)"/", 1};
    }
    if (!http_method_outgoing_request_set_method(borrowed, &method) ||
        !http_method_outgoing_request_set_scheme(borrowed, &scheme) ||
        !http_method_outgoing_request_set_authority(borrowed, &authority) ||
        !http_method_outgoing_request_set_path_with_query(borrowed, &target)) {
        http_outgoing_request_drop_own(request);
        return false;
    }
    *ret_request = request;
    return true;
}

// The request body goes on to the other server as it arrives.
static void body_forward(struct exchange *exchange, http_own_outgoing_body_t to) {
    http_own_incoming_body_t from;
    io_own_input_stream_t in;
    io_own_output_stream_t out;
    if (!http_method_incoming_request_consume(http_borrow_incoming_request(exchange->request), &from) ||
        !http_method_incoming_body_stream(http_borrow_incoming_body(from), &in) ||
        !http_method_outgoing_body_write(http_borrow_outgoing_body(to), &out)) {
        abort();
    }
    bool whole = stream_copy(out, in);
    io_input_stream_drop_own(in);
    io_output_stream_drop_own(out);
    http_incoming_body_drop_own(from);
    if (whole) {
        body_finish(to, NULL);
    } else {
        http_outgoing_body_drop_own(to);
    }
}

static void relay(struct exchange *exchange, http_own_incoming_response_t response) {
    http_borrow_incoming_response_t borrowed = http_borrow_incoming_response(response);
    http_own_fields_t headers = headers_of_type("text/plain");
    headers_add(headers, "x-relayed", "1");
    uint16_t status = http_method_incoming_response_status(borrowed);
    http_own_incoming_body_t from;
    io_own_input_stream_t in;
    if (!http_method_incoming_response_consume(borrowed, &from) ||
        !http_method_incoming_body_stream(http_borrow_incoming_body(from), &in)) {
        abort();
    }
    http_own_outgoing_body_t to = answer_start(exchange, status, headers);
    io_own_output_stream_t out;
    if (!http_method_outgoing_body_write(http_borrow_outgoing_body(to), &out)) {
        abort();
    }
    bool whole = stream_copy(out, in);
    io_input_stream_drop_own(in);
    io_output_stream_drop_own(out);
    http_incoming_body_drop_own(from);
    http_incoming_response_drop_own(response);
    if (whole) {
        body_finish(to, NULL);
    } else {
        http_outgoing_body_drop_own(to);
    }
}

static void refuse(struct exchange *exchange, http_error_code_t *error) {
    answer_words(exchange, 502, "error: %s\n", error_name(error));
    http_error_code_free(error);
}

static void relay_when_there(struct exchange *exchange, http_own_future_incoming_response_t future) {
    http_borrow_future_incoming_response_t borrowed = http_borrow_future_incoming_response(future);
    http_own_pollable_t ready = http_method_future_incoming_response_subscribe(borrowed);
    poll_method_pollable_block(poll_borrow_pollable(ready));
    poll_pollable_drop_own(ready);
    http_result_result_own_incoming_response_error_code_void_t result;
    if (!http_method_future_incoming_response_get(borrowed, &result) || result.is_err) {
        abort();
    }
    if (result.val.ok.is_err) {
        refuse(exchange, &result.val.ok.val.err);
    } else {
        relay(exchange, result.val.ok.val.ok);
    }
    http_future_incoming_response_drop_own(future);
}

void route_fetch(struct exchange *exchange) {
    char url[2048];
    bool post = is_post(exchange);
    http_own_outgoing_request_t request;
    if (!query_value(exchange->query, "url", url, sizeof url) || !request_make(url, post, &request)) {
        answer_words(exchange, 400, "no usable ?url=\n");
        return;
    }
    http_own_request_options_t options = http_constructor_request_options();
    uint64_t timeout_ms = query_number(exchange->query, "timeout", 0);
    if (timeout_ms > 0) {
        http_duration_t duration = timeout_ms * 1000000;
        http_method_request_options_set_first_byte_timeout(http_borrow_request_options(options), &duration);
    }
    http_own_outgoing_body_t body;
    if (!http_method_outgoing_request_body(http_borrow_outgoing_request(request), &body)) {
        abort();
    }
    outgoing_own_future_incoming_response_t future;
    outgoing_error_code_t error;
    if (!outgoing_handle(request, &options, &future, &error)) {
        http_outgoing_body_drop_own(body);
        refuse(exchange, &error);
        return;
    }
    if (post) {
        body_forward(exchange, body);
    } else {
        body_finish(body, NULL);
    }
    relay_when_there(exchange, future);
}
