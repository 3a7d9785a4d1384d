// SPDX-License-Identifier: Apache-2.0
#include "net/grpc_answer.h"

#include "net/grpc.h"
#include "net/http.h"

// --- messages ----------------------------------------------------------------------------------------------

static status begin_message(grpc_answer *a, err *e) {
    const uint8_t *p = a->prefix;
    size_t len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    if (p[0] != 0) {
        return err_set(e, STATUS_INVALID, "the server sent a compressed message, which was not asked for");
    }
    if (len > a->message_bytes_max) {
        return err_set(e, STATUS_LIMIT, "the server sent a message of %zu bytes; at most %zu are taken", len,
                       a->message_bytes_max);
    }
    a->body_len = 0;
    return secret_new(len, &a->body, e);
}

static status end_message(grpc_answer *a, err *e) {
    secret whole = a->body;
    a->body = (secret){0};
    a->prefix_len = 0;
    return a->message(a->arg, &whole, e);
}

static size_t take(uint8_t *to, size_t have, size_t want, slice *from) {
    size_t n = want - have < from->len ? want - have : from->len;
    if (n > 0) {
        memcpy(to + have, from->data, n);
        *from = slice_sub(*from, n, from->len);
    }
    return have + n;
}

status grpc_answer_body(grpc_answer *a, slice bytes, err *e) {
    while (a->is_grpc && bytes.len > 0) {
        if (a->prefix_len < GRPC_PREFIX_BYTES) {
            a->prefix_len = take(a->prefix, a->prefix_len, GRPC_PREFIX_BYTES, &bytes);
            if (a->prefix_len < GRPC_PREFIX_BYTES) {
                return STATUS_OK;
            }
            TRY(begin_message(a, e));
        }
        a->body_len = take(a->body.data, a->body_len, a->body.len, &bytes);
        if (a->body_len == a->body.len) {
            TRY(end_message(a, e));
        }
    }
    return STATUS_OK;
}

void grpc_answer_done(grpc_answer *a) { secret_free(&a->body); }

// --- head and trailers -------------------------------------------------------------------------------------

static int hex_digit(uint8_t c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

static void keep_text(grpc_answer *a, slice value) {
    size_t len = 0;
    for (size_t i = 0; i < value.len && len + 1 < sizeof a->text; i++) {
        int byte = value.data[i];
        if (byte == '%' && i + 2 < value.len && hex_digit(value.data[i + 1]) >= 0 &&
            hex_digit(value.data[i + 2]) >= 0) {
            byte = hex_digit(value.data[i + 1]) * 16 + hex_digit(value.data[i + 2]);
            i += 2;
        }
        a->text[len++] = byte >= 0x20 && byte < 0x7f ? (char)byte : '?';
    }
    a->text[len] = '\0';
}

static void keep_field(grpc_answer *a, slice name, slice value) {
    uint64_t code;
    if (slice_equal_nocase(name, slice_from_text("content-type"))) {
        a->is_grpc = a->is_200 && slice_starts_with(value, "application/grpc");
    } else if (slice_equal_nocase(name, slice_from_text("grpc-message"))) {
        keep_text(a, value);
    } else if (slice_equal_nocase(name, slice_from_text("grpc-status"))) {
        a->has_code = true;
        a->code = slice_to_u64(value, &code) && code <= GRPC_CODE_MAX ? (unsigned)code : GRPC_UNKNOWN;
    }
}

// "HTTP/2 200": everything that an earlier head said is over.
static void begin_head(grpc_answer *a, slice line) {
    slice code = slice_sub(line, slice_find(line, 0, ' '), line.len);
    a->is_200 = slice_starts_with(code, " 200") && (code.len == 4 || code.data[4] == ' ');
    a->is_grpc = a->has_code = false;
    a->text[0] = '\0';
}

status grpc_answer_line(grpc_answer *a, slice line, err *e) {
    a->header_bytes += line.len;
    if (a->header_bytes > GRPC_HEADER_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "the server sent more than %d bytes of headers",
                       GRPC_HEADER_BYTES_MAX);
    }
    while (line.len > 0 && (line.data[line.len - 1] == '\r' || line.data[line.len - 1] == '\n')) {
        line.len--;
    }
    size_t colon = slice_find(line, 0, ':');
    if (slice_starts_with(line, "HTTP/")) {
        begin_head(a, line);
    } else if (colon != SIZE_MAX) {
        keep_field(a, slice_sub(line, 0, colon), http_trim(slice_sub(line, colon + 1, line.len)));
    }
    return STATUS_OK;
}
