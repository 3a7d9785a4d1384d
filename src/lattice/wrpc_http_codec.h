// SPDX-License-Identifier: Apache-2.0
// The types of wrpc:http 0.1.0 as C values, and their bytes. Reads hostile bytes within the bounds of
// lattice/wrpc_http.h; slices are borrowed from the input, lists come from an arena. Pure. Fuzzed by
// fuzz/fuzz_wrpc_http.c.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "codec/values.h"
#include "lattice/wrpc_pieces.h"
#include "net/http.h"
#include "net/http_client.h"

typedef struct wrpc_http_fields {
    const http_header *items;
    size_t count;
} wrpc_http_fields;

// A body or trailers in place of a mark that they follow on their path.
typedef struct wrpc_http_inline {
    bool is_there;
    slice body;                // of a body: all of it
    wrpc_http_fields trailers; // of trailers
} wrpc_http_inline;

typedef struct wrpc_http_request {
    wrpc_http_inline body, trailers;
    slice method;
    slice path; // "/" when there is none
    bool has_scheme;
    slice scheme;    // "http", "https" or another one
    slice authority; // may be empty
    wrpc_http_fields headers;
    bool has_options; // of wrpc:http/outgoing-handler; nanoseconds, 0 = not said
    uint64_t connect_ns;
    uint64_t first_byte_ns;
    uint64_t between_bytes_ns;
} wrpc_http_request;

typedef struct wrpc_http_response {
    bool is_error;
    uint32_t error_code; // a case of error-code
    slice error_text;    // of those that have one
    wrpc_http_inline body, trailers;
    uint16_t status;
    wrpc_http_fields headers;
} wrpc_http_response;

// The cases of error-code that this host gives; the others have only a name here.
enum {
    WRPC_HTTP_DNS_TIMEOUT = 0,
    WRPC_HTTP_DNS_ERROR = 1,
    WRPC_HTTP_DESTINATION_NOT_FOUND = 2,
    WRPC_HTTP_DESTINATION_UNAVAILABLE = 3,
    WRPC_HTTP_DESTINATION_IP_PROHIBITED = 4,
    WRPC_HTTP_CONNECTION_REFUSED = 6,
    WRPC_HTTP_CONNECTION_TERMINATED = 7,
    WRPC_HTTP_CONNECTION_TIMEOUT = 8,
    WRPC_HTTP_CONNECTION_READ_TIMEOUT = 9,
    WRPC_HTTP_CONNECTION_LIMIT_REACHED = 11,
    WRPC_HTTP_TLS_PROTOCOL_ERROR = 12,
    WRPC_HTTP_TLS_CERTIFICATE_ERROR = 13,
    WRPC_HTTP_REQUEST_DENIED = 15,
    WRPC_HTTP_REQUEST_METHOD_INVALID = 18,
    WRPC_HTTP_REQUEST_URI_INVALID = 19,
    WRPC_HTTP_RESPONSE_INCOMPLETE = 25,
    WRPC_HTTP_RESPONSE_HEADER_SECTION_SIZE = 26,
    WRPC_HTTP_RESPONSE_TIMEOUT = 33,
    WRPC_HTTP_PROTOCOL_ERROR = 35,
    WRPC_HTTP_INTERNAL_ERROR = 38,
    WRPC_HTTP_ERROR_COUNT = 39,
};
const char *wrpc_http_error_name(uint32_t error_code); // "connection-refused"
uint32_t wrpc_http_error_of(http_failure failure);
unsigned wrpc_http_error_status(uint32_t error_code); // 502, 504 ... for who waits for a response

// Bodies and trailers are marked as following. Fields about a connection are left out, names are lower-case,
// and those of one name are one entry. STATUS_LIMIT over the maximum of `out`.
status wrpc_http_request_encode(const wrpc_http_request *r, buf *out, err *e) WRIT_MUST_USE;
status wrpc_http_response_encode(const wrpc_http_response *r, buf *out, err *e) WRIT_MUST_USE;
status wrpc_http_trailers_encode(wrpc_http_fields trailers, buf *out,
                                 err *e) WRIT_MUST_USE; // none: the mark 00

// STATUS_INVALID: malformed, or against a rule of HTTP (a name, a value, a status); STATUS_LIMIT. Fields
// about a connection are left out.
status wrpc_http_request_decode(slice params, bool is_outgoing, arena *a, wrpc_http_request *ret,
                                err *e) WRIT_MUST_USE;
status wrpc_http_response_decode(slice results, arena *a, wrpc_http_response *ret, err *e) WRIT_MUST_USE;
status wrpc_http_trailers_decode(slice bytes, arena *a, wrpc_http_fields *ret, err *e) WRIT_MUST_USE;
