// SPDX-License-Identifier: Apache-2.0
// Requests, responses and trailers of wrpc:http from any bytes, and streams in pieces: the first byte says
// what it is. What is read keeps the rules of HTTP, and is written to bytes that are read as the same.
//
// links: lattice
#include "base/check.h"
#include "fuzz.h"
#include "lattice/wrpc_http.h"
#include "lattice/wrpc_http_codec.h"

enum { MEMORY_MAX = 16 << 20 };

static void check_fields(wrpc_http_fields f) {
    CHECK(f.count <= WRPC_HTTP_HEADERS_MAX);
    for (size_t i = 0; i < f.count; i++) {
        CHECK(http_token_is_valid(f.items[i].name) && http_value_is_valid(f.items[i].value));
        CHECK(!http_field_is_transport(f.items[i].name));
    }
}

static void request(slice bytes, bool is_outgoing) {
    auto_arena a;
    auto_buf out;
    wrpc_http_request r, again;
    err e = {0};
    arena_init(&a, MEMORY_MAX);
    buf_init(&out, MEMORY_MAX);
    if (wrpc_http_request_decode(bytes, is_outgoing, &a, &r, &e) != STATUS_OK) {
        CHECK(e.message[0] != '\0');
        return;
    }
    CHECK(http_token_is_valid(r.method));
    check_fields(r.headers);
    check_fields(r.trailers.trailers);
    CHECK(wrpc_http_request_encode(&r, &out, NULL) == STATUS_OK);
    CHECK(wrpc_http_request_decode(buf_slice(&out), is_outgoing, &a, &again, NULL) == STATUS_OK);
    CHECK(slice_equal(r.method, again.method) && slice_equal(r.path, again.path) &&
          slice_equal(r.authority, again.authority) && r.headers.count == again.headers.count);
}

static void response(slice bytes) {
    auto_arena a;
    auto_buf out;
    wrpc_http_response r, again;
    arena_init(&a, MEMORY_MAX);
    buf_init(&out, MEMORY_MAX);
    if (wrpc_http_response_decode(bytes, &a, &r, NULL) != STATUS_OK) {
        return;
    }
    check_fields(r.headers);
    CHECK(r.is_error ? r.error_code < WRPC_HTTP_ERROR_COUNT : r.status >= 200 && r.status <= 599);
    CHECK(wrpc_http_response_encode(&r, &out, NULL) == STATUS_OK);
    CHECK(wrpc_http_response_decode(buf_slice(&out), &a, &again, NULL) == STATUS_OK);
    CHECK(r.is_error == again.is_error && r.error_code == again.error_code && r.status == again.status);
}

static void trailers(slice bytes) {
    auto_arena a;
    wrpc_http_fields f;
    arena_init(&a, MEMORY_MAX);
    if (wrpc_http_trailers_decode(bytes, &a, &f, NULL) == STATUS_OK) {
        check_fields(f);
    }
}

// In one go and byte by byte it is the same.
static size_t read_all(slice bytes, size_t part, status *ret) {
    wrpc_pieces p = {.left = 0};
    size_t sum = 0;
    *ret = STATUS_OK;
    for (size_t at = 0; at < bytes.len && *ret == STATUS_OK; at += part) {
        slice rest = slice_sub(bytes, at, at + part), run;
        while (rest.len > 0 && *ret == STATUS_OK) {
            *ret = wrpc_pieces_read(&p, &rest, &run);
            sum += run.len;
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    slice rest = slice_of(data + 1, size - 1);
    status whole, parts;
    switch (data[0] % 5) {
    case 0:
        request(rest, false);
        break;
    case 1:
        request(rest, true);
        break;
    case 2:
        response(rest);
        break;
    case 3:
        trailers(rest);
        break;
    default:
        CHECK(read_all(rest, rest.len > 0 ? rest.len : 1, &whole) == read_all(rest, 1, &parts) &&
              whole == parts);
        break;
    }
    return 0;
}
