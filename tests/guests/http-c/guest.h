// SPDX-License-Identifier: Apache-2.0
//
// What the routes of this guest share: text of bounded size, headers, bodies.
#pragma once

#include "handler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_BYTES_MAX 65536
#define CHUNK_BYTES_MAX 65536

// A text under construction; what does not fit is dropped.
struct text {
    size_t length;
    char bytes[TEXT_BYTES_MAX];
};

void text_add(struct text *text, const void *bytes, size_t length);
void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

// One request on its way through a route. The route answers exactly once, then the instance ends.
struct exchange {
    exports_handler_own_incoming_request_t request;
    exports_handler_own_response_outparam_t out;
    const char *query; // after "?", terminated; empty without a query
};

// Finds NAME=… in the query, decodes %XX and "+" into `value` (cut to `size`, terminated).
bool query_value(const char *query, const char *name, char *value, size_t size);
uint64_t query_number(const char *query, const char *name, uint64_t otherwise);

void headers_add(http_own_fields_t headers, const char *name, const char *value);
http_own_fields_t headers_of_type(const char *content_type);

// Sends status and headers (takes `headers`); returns the open body.
http_own_outgoing_body_t answer_start(struct exchange *exchange, uint16_t status, http_own_fields_t headers);
void answer_text(struct exchange *exchange, uint16_t status, const struct text *text);
void answer_words(struct exchange *exchange, uint16_t status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Ends a body; takes `trailers` when it is not NULL.
bool body_finish(http_own_outgoing_body_t body, http_own_fields_t *trailers);

// Writes everything, waiting where the host asks to. False when the stream is closed.
bool stream_write(io_own_output_stream_t stream, const void *bytes, size_t length);

// Copies `from` to its end, in pieces as they come. False when either side breaks.
bool stream_copy(io_own_output_stream_t to, io_own_input_stream_t from);

// Waits for the trailers that follow a body; takes `body`. True when there are some.
bool body_trailers(http_own_incoming_body_t body, http_own_fields_t *ret_trailers);

void route_fetch(struct exchange *exchange);
void route_fault(struct exchange *exchange, const char *path);
