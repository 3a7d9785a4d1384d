// SPDX-License-Identifier: Apache-2.0
#include "lattice/wrpc_http_codec.h"

#include "test.h"

enum { OUT_MAX = 4096 };

static slice bytes_of(const char *text, size_t len) { return slice_of(text, len); }
#define BYTES(text) bytes_of(text, sizeof(text) - 1)

static void expect_request(const wrpc_http_request *r, slice expected) {
    auto_buf out;
    buf_init(&out, OUT_MAX);
    EXPECT_OK(wrpc_http_request_encode(r, &out, NULL));
    EXPECT_BYTES(buf_slice(&out), expected);
}

// GET / of http://h without fields: body and trailers follow, method, path, scheme, authority, fields.
#define GET_BYTES "\x00\x00\x00\x01\x01/\x01\x00\x01\x01h\x00"

TEST(a_request_byte_for_byte) {
    wrpc_http_request r = {.method = slice_from_text("GET"),
                           .path = slice_from_text("/"),
                           .has_scheme = true,
                           .scheme = slice_from_text("http"),
                           .authority = slice_from_text("h")};
    expect_request(&r, BYTES(GET_BYTES));
    r.has_options = true;
    expect_request(&r, BYTES(GET_BYTES "\x00"));
    r.first_byte_ns = 300;
    expect_request(&r, BYTES(GET_BYTES "\x01\x00\x01\xac\x02\x00"));
}

TEST(fields_of_one_name_are_one_entry_and_those_of_a_connection_stay) {
    static const http_header items[] = {{SLICE_LITERAL("X-A"), SLICE_LITERAL("1")},
                                        {SLICE_LITERAL("Host"), SLICE_LITERAL("h")},
                                        {SLICE_LITERAL("b"), SLICE_LITERAL("2")},
                                        {SLICE_LITERAL("Connection"), SLICE_LITERAL("close, X-Hop")},
                                        {SLICE_LITERAL("x-hop"), SLICE_LITERAL("4")},
                                        {SLICE_LITERAL("x-a"), SLICE_LITERAL("3")}};
    wrpc_http_request r = {.method = slice_from_text("BREW"), .headers = {items, 6}};
    expect_request(&r, BYTES("\x00\x00\x09\x04"
                             "BREW\x00\x00\x00\x02\x03x-a\x02\x01\x31\x01\x33\x01"
                             "b\x01\x01\x32"));
}

static status decode_request(slice bytes, arena *a, wrpc_http_request *ret) {
    return wrpc_http_request_decode(bytes, false, a, ret, NULL);
}

TEST(requests_are_read) {
    auto_arena a;
    wrpc_http_request r;
    arena_init(&a, 1 << 20);
    EXPECT_OK(decode_request(BYTES(GET_BYTES), &a, &r));
    EXPECT(slice_equal_text(r.method, "GET") && slice_equal_text(r.path, "/"));
    EXPECT(r.has_scheme && slice_equal_text(r.scheme, "http") && slice_equal_text(r.authority, "h"));
    EXPECT(!r.body.is_there && !r.trailers.is_there);
    EXPECT_OK(decode_request(
        BYTES("\x02hi\x01\x01\x01\x01t\x01\x01v\x03\x00\x00\x00\x01\x03x-a\x02\x01\x31\x01\x33"), &a, &r));
    EXPECT_BYTES(r.body.body, slice_from_text("hi"));
    EXPECT_EQ(r.trailers.trailers.count, 1);
    EXPECT(slice_equal_text(r.method, "PUT") && slice_equal_text(r.path, "/"));
    EXPECT_EQ(r.headers.count, 2);
    EXPECT(slice_equal_text(r.headers.items[1].value, "3"));
}

TEST(requests_against_the_rules_are_refused) {
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
#define CASE(text) {text, sizeof(text) - 1}
        CASE(""),
        CASE("\x00\x00\x0a"), // no such method
        CASE("\x00\x00\x09\x03"
             "A B\x00\x00\x00\x00"),                 // a method with a blank
        CASE("\x00\x00\x00\x01\x03/ x\x00\x00\x00"), // a path with a blank
        CASE("\x00\x00\x00\x00\x00\x01\x03"
             "a b\x00"),                                      // such an authority
        CASE("\x00\x00\x00\x00\x00\x00\x01\x03x:y\x01\x01v"), // a name with a colon
        CASE("\x00\x00\x00\x00\x00\x00\x01\x01x\x01\x03v\r\n"
             "w"),                                               // too short
        CASE("\x00\x00\x00\x00\x00\x00\x01\x01x\x01\x04v\r\nw"), // a line's end in a value
        CASE("\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x0f"),    // very many fields
        CASE(GET_BYTES "\x00"),                                  // a byte too many
#undef CASE
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        auto_arena a;
        wrpc_http_request r;
        arena_init(&a, 1 << 20);
        EXPECT_STATUS(decode_request(slice_of(cases[i].bytes, cases[i].len), &a, &r), STATUS_INVALID);
    }
}

TEST(all_error_codes_are_written_and_read) {
    for (uint32_t code = 0; code < WRPC_HTTP_ERROR_COUNT; code++) {
        auto_buf out;
        auto_arena a;
        wrpc_http_response r = {.is_error = true, .error_code = code, .error_text = slice_from_text("why")},
                           got;
        buf_init(&out, OUT_MAX);
        arena_init(&a, 1 << 20);
        EXPECT_OK(wrpc_http_response_encode(&r, &out, NULL));
        EXPECT_OK(wrpc_http_response_decode(buf_slice(&out), &a, &got, NULL));
        EXPECT(got.is_error);
        EXPECT_EQ(got.error_code, code);
        EXPECT(wrpc_http_error_status(code) >= 400);
    }
    auto_arena a;
    wrpc_http_response got;
    arena_init(&a, 1 << 20);
    EXPECT_OK(wrpc_http_response_decode(BYTES("\x01\x26\x01\x01x"), &a, &got, NULL));
    EXPECT(slice_equal_text(got.error_text, "x"));
    EXPECT_OK(wrpc_http_response_decode(BYTES("\x01\x01\x01\x02NX\x01\x07"), &a, &got, NULL));
    EXPECT_OK(wrpc_http_response_decode(BYTES("\x01\x16\x01\x01\x01n\x01\x07"), &a, &got, NULL));
    EXPECT_STATUS(wrpc_http_response_decode(BYTES("\x01\x27"), &a, &got, NULL), STATUS_INVALID);
}

TEST(responses_are_written_and_read) {
    static const http_header items[] = {{SLICE_LITERAL("a"), SLICE_LITERAL("b")}};
    auto_buf out;
    auto_arena a;
    wrpc_http_response r = {.status = 404, .headers = {items, 1}}, got;
    buf_init(&out, OUT_MAX);
    arena_init(&a, 1 << 20);
    EXPECT_OK(wrpc_http_response_encode(&r, &out, NULL));
    EXPECT_BYTES(buf_slice(&out), BYTES("\x00\x00\x00\x94\x03\x01\x01"
                                        "a\x01\x01"
                                        "b"));
    EXPECT_OK(wrpc_http_response_decode(buf_slice(&out), &a, &got, NULL));
    EXPECT_EQ(got.status, 404);
    EXPECT_STATUS(wrpc_http_response_decode(BYTES("\x00\x00\x00\x64\x00"), &a, &got, NULL),
                  STATUS_INVALID); // 100
}

TEST(trailers_are_none_or_fields) {
    auto_buf out;
    auto_arena a;
    wrpc_http_fields got;
    buf_init(&out, OUT_MAX);
    arena_init(&a, 1 << 20);
    EXPECT_OK(wrpc_http_trailers_encode((wrpc_http_fields){NULL, 0}, &out, NULL));
    EXPECT_BYTES(buf_slice(&out), BYTES("\x00"));
    EXPECT_OK(wrpc_http_trailers_decode(BYTES("\x01\x01\x01t\x01\x01v"), &a, &got, NULL));
    EXPECT_EQ(got.count, 1);
    EXPECT_STATUS(wrpc_http_trailers_decode(slice_empty(), &a, &got, NULL), STATUS_INVALID);
}

// The stream's bytes, with the input cut into parts of `part`.
static status read_pieces(slice input, size_t part, buf *out, wrpc_pieces *p) {
    *p = (wrpc_pieces){.left = 0};
    for (size_t at = 0; at < input.len; at += part) {
        slice rest = slice_sub(input, at, at + part);
        while (rest.len > 0) {
            slice run;
            TRY(wrpc_pieces_read(p, &rest, &run));
            TRY(buf_append(out, run));
        }
    }
    return STATUS_OK;
}

TEST(pieces_are_read_wherever_they_are_cut) {
    static const char input[] = "\x03one\x82\x00tw\x01o\x00";
    for (size_t part = 1; part < sizeof input; part++) {
        auto_buf out;
        wrpc_pieces p;
        buf_init(&out, OUT_MAX);
        EXPECT_OK(read_pieces(BYTES(input), part, &out, &p));
        EXPECT_BYTES(buf_slice(&out), slice_from_text("onetwo"));
        EXPECT(p.is_ended);
    }
}

TEST(pieces_against_the_rules_are_refused) {
    auto_buf out;
    wrpc_pieces p;
    buf_init(&out, OUT_MAX);
    EXPECT_STATUS(read_pieces(BYTES("\x00x"), 9, &out, &p), STATUS_INVALID);
    EXPECT_STATUS(read_pieces(BYTES("\xff\xff\xff\xff\x1f"), 9, &out, &p), STATUS_INVALID);
    EXPECT_STATUS(read_pieces(BYTES("\x80\x80\x80\x80\x80\x00"), 9, &out, &p), STATUS_INVALID);
    EXPECT_OK(read_pieces(BYTES("\xff\xff\xff\xff\x0fx"), 9, &out, &p));
    EXPECT_U64(p.left, UINT32_MAX - 1);
}
