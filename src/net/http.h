// SPDX-License-Identifier: Apache-2.0
// Words that the HTTP server, the HTTP client and their users share. Source: RFC 9110 (semantics), RFC 9112
// (HTTP/1.1).
#pragma once

#include "base/slice.h"

// A header or trailer field. Names compare without case; values are bytes without leading or trailing blanks.
typedef struct http_header {
    slice name;
    slice value;
} http_header;

// What reading a body gives.
typedef enum http_body_state {
    HTTP_BODY_DATA,   // at least one byte
    HTTP_BODY_WAIT,   // nothing yet: the reader's on_readable will be called
    HTTP_BODY_END,    // the regular end; trailers are there now
    HTTP_BODY_FAILED, // it will never be complete
} http_body_state;

// RFC 9110 section 5.6.2: methods and field names.
bool http_token_is_valid(slice token);
// RFC 9110 section 5.5: printable ASCII, blank, tab and bytes over 0x7f; no blanks at the ends. Empty is
// valid.
bool http_value_is_valid(slice value);
// Host or authority without user information: "name", "name:port", "[v6]:port". RFC 3986 section 3.2.2.
bool http_authority_is_valid(slice authority);
// The path and query of a request: starts with '/' (or '?' when the path is empty), only visible ASCII, no
// '#'.
bool http_path_is_valid(slice path);

// "Not Found"; "" for a code without a name.
const char *http_reason(unsigned status);
// Whether a response with this status never has a body: 1xx, 204, 304.
bool http_status_has_no_body(unsigned status);

// The first field of that name, NULL when there is none.
const http_header *http_header_find(const http_header *headers, size_t count, const char *name);
// Whether a field is about the connection between two neighbours, or has a place of its own (Host): RFC 9110
// section 7.6.1. Such fields are not passed on.
bool http_field_is_transport(slice name);
// Without blanks and tabs at both ends.
slice http_trim(slice value);
