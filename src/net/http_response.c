// SPDX-License-Identifier: Apache-2.0
// Responses out. Small pieces (heads, short bodies, chunk sizes) are collected in the connection's block and
// leave together; large ones go from the writer's memory to the kernel at once, and only what it does not
// take is copied.
#include <errno.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/http_server_internal.h"

// --- bytes -------------------------------------------------------------------------------------------------

void http_connection_drop_output(http_connection *c) {
    if (c->out != NULL) {
        http_server_give_block(c->server, c->out);
        c->out = NULL;
    }
    c->out_start = c->out_end = 0;
    c->is_unwritable = false;
}

// Sends up to `count` parts. Returns how many bytes were taken.
static size_t send_parts(http_connection *c, const struct iovec *parts, int count) {
    if (c->is_unwritable || c->is_broken) {
        return 0;
    }
    ssize_t n = c->server->transport->send(c->fd, parts, count);
    if (n < 0) {
        if (errno == EAGAIN || errno == EINTR) {
            c->is_unwritable = true;
        } else {
            c->is_broken = true;
            http_connection_advance_soon(c);
        }
        return 0;
    }
    c->out_bytes += (size_t)n;
    return (size_t)n;
}

bool http_connection_flush(http_connection *c) {
    size_t pending = http_connection_pending(c);
    if (pending > 0) {
        struct iovec part = {c->out->bytes + c->out_start, pending};
        size_t sent = send_parts(c, &part, 1);
        c->out_start += sent;
        if (sent < pending) {
            c->is_unwritable =
                c->is_unwritable || !c->is_broken; // a short write: the kernel's buffer is full
            http_connection_watch_update(c);
            return false;
        }
        http_connection_drop_output(c);
        c->out_wait_ns = c->out_bytes = 0;
    }
    return !c->is_broken;
}

// Room at the end of the block; the caller has checked that it fits.
static uint8_t *reserve(http_connection *c, size_t len) {
    if (c->out == NULL) {
        c->out = http_server_take_block(c->server);
        c->out_start = c->out_end = 0;
    }
    if (HTTP_BLOCK_BYTES - c->out_end < len) {
        memmove(c->out->bytes, c->out->bytes + c->out_start, http_connection_pending(c));
        c->out_end -= c->out_start;
        c->out_start = 0;
    }
    CHECK(HTTP_BLOCK_BYTES - c->out_end >= len);
    return c->out->bytes + c->out_end;
}

static void append(http_connection *c, slice bytes) {
    if (bytes.len > 0) {
        memcpy(reserve(c, bytes.len), bytes.data, bytes.len);
        c->out_end += bytes.len;
    }
}

// Sends what is pending and then `parts`, in one system call; keeps what the kernel does not take.
static void send_through(http_connection *c, slice *parts, size_t count) {
    struct iovec vector[5];
    CHECK(count < sizeof vector / sizeof vector[0]);
    int n = 0;
    size_t pending = http_connection_pending(c);
    if (pending > 0) {
        vector[n++] = (struct iovec){c->out->bytes + c->out_start, pending};
    }
    for (size_t i = 0; i < count; i++) {
        vector[n++] = (struct iovec){(void *)(uintptr_t)parts[i].data, parts[i].len};
    }
    size_t sent = send_parts(c, vector, n);
    size_t of_pending = sent < pending ? sent : pending;
    c->out_start += of_pending;
    sent -= of_pending;
    for (size_t i = 0; i < count; i++) {
        size_t of_part = sent < parts[i].len ? sent : parts[i].len;
        append(c, slice_sub(parts[i], of_part, parts[i].len));
        sent -= of_part;
    }
    if (http_connection_pending(c) == 0) {
        http_connection_drop_output(c);
    } else if (!c->is_broken) {
        c->is_unwritable = true;
        http_connection_watch_update(c);
    }
}

// --- heads -------------------------------------------------------------------------------------------------

static uint8_t *put(uint8_t *at, const void *bytes, size_t len) {
    memcpy(at, bytes, len);
    return at + len;
}

#define PUT_LITERAL(at, text) put((at), (text), sizeof(text) - 1)

static uint8_t *put_number(uint8_t *at, uint64_t number) {
    char digits[20];
    size_t n = sizeof digits;
    do {
        digits[--n] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return put(at, digits + n, sizeof digits - n);
}

// Fields that describe the connection or the framing, which are ours to write. RFC 9110 section 7.6.1.
static bool is_ours(slice name) {
    static const char *const ours[] = {"connection", "content-length",   "transfer-encoding",
                                       "keep-alive", "proxy-connection", "upgrade",
                                       "trailer"};
    uint8_t first = (uint8_t)(name.data[0] | 0x20);
    if (first != 'c' && first != 't' && first != 'k' && first != 'p' && first != 'u') {
        return false;
    }
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (slice_equal_nocase(name, slice_from_text(ours[i]))) {
            return true;
        }
    }
    return false;
}

static status check_fields(const http_header *fields, size_t count, size_t *ret_bytes, err *e) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (!http_token_is_valid(fields[i].name) || !http_value_is_valid(fields[i].value)) {
            return err_set(e, STATUS_INVALID, "response field \"%.*s\" has a malformed name or value",
                           SLICE_ARG(slice_sub(fields[i].name, 0, 64)));
        }
        bytes += fields[i].name.len + fields[i].value.len + 4;
    }
    if (bytes > HTTP_RESPONSE_HEAD_MAX) {
        return err_set(e, STATUS_LIMIT, "response fields take more than %d bytes", HTTP_RESPONSE_HEAD_MAX);
    }
    *ret_bytes = bytes;
    return STATUS_OK;
}

static uint8_t *put_fields(uint8_t *at, const http_header *fields, size_t count, bool *ret_has_date) {
    for (size_t i = 0; i < count; i++) {
        slice name = fields[i].name;
        if (is_ours(name)) {
            continue;
        }
        if (name.len == 4 && slice_equal_nocase(name, slice_from_text("date"))) {
            *ret_has_date = true;
        }
        at = put(at, name.data, name.len);
        at = PUT_LITERAL(at, ": ");
        if (fields[i].value.len > 0) {
            at = put(at, fields[i].value.data, fields[i].value.len);
        }
        at = PUT_LITERAL(at, "\r\n");
    }
    return at;
}

static uint8_t *put_status_line(uint8_t *at, unsigned code) {
    const char *reason = http_reason(code);
    at = PUT_LITERAL(at, "HTTP/1.1 ");
    at = put_number(at, code);
    at = PUT_LITERAL(at, " ");
    at = put(at, reason, strlen(reason));
    return PUT_LITERAL(at, "\r\n");
}

static void choose_framing(http_exchange *x, const http_response_head *head) {
    if (x->is_head_request || http_status_has_no_body(head->status)) {
        x->framing = HTTP_FRAMING_NONE;
    } else if (head->content_length >= 0) {
        x->framing = HTTP_FRAMING_LENGTH;
        x->left = (uint64_t)head->content_length;
    } else if (x->request.minor_version >= 1) {
        x->framing = HTTP_FRAMING_CHUNKED;
    } else {
        x->framing = HTTP_FRAMING_CLOSE;
        x->closes = true;
    }
}

static uint8_t *put_framing(uint8_t *at, const http_exchange *x, const http_response_head *head) {
    bool has_length = head->content_length >= 0 && head->status != 204;
    if (x->framing == HTTP_FRAMING_CHUNKED) {
        at = PUT_LITERAL(at, "Transfer-Encoding: chunked\r\n");
    } else if (has_length) { // also for HEAD and 304: what GET would have
        at = PUT_LITERAL(at, "Content-Length: ");
        at = put_number(at, (uint64_t)head->content_length);
        at = PUT_LITERAL(at, "\r\n");
    }
    if (x->closes) {
        at = PUT_LITERAL(at, "Connection: close\r\n");
    } else if (x->request.minor_version == 0) {
        at = PUT_LITERAL(at, "Connection: keep-alive\r\n");
    }
    return at;
}

enum { FIXED_HEAD_BYTES = 256 }; // status line, Date, framing and Connection

static status check_alive(const http_exchange *x, err *e) {
    if (x->is_aborted || x->c->is_broken) {
        return err_set(e, STATUS_CLOSED, "the client is gone");
    }
    return STATUS_OK;
}

static status reserve_head(http_exchange *x, size_t bytes, uint8_t **ret, err *e) {
    http_connection *c = x->c;
    if (http_connection_pending(c) + bytes > HTTP_BLOCK_BYTES) {
        http_connection_flush(c);
        if (http_connection_pending(c) + bytes > HTTP_BLOCK_BYTES) {
            return err_set(e, STATUS_LIMIT, "the client has not read what was sent before this response");
        }
    }
    *ret = reserve(c, bytes);
    return STATUS_OK;
}

status http_exchange_start(http_exchange *x, const http_response_head *head, err *e) {
    CHECK(!x->is_released && !x->is_started);
    TRY(check_alive(x, e));
    if (head->status < 200 || head->status > 599) {
        return err_set(e, STATUS_INVALID, "%u is not the status of a final response", head->status);
    }
    size_t bytes = 0;
    TRY(check_fields(head->headers, head->header_count, &bytes, e));
    uint8_t *from = NULL;
    TRY(reserve_head(x, bytes + FIXED_HEAD_BYTES, &from, e));
    x->is_started = true;
    x->closes = x->closes || x->c->server->is_draining;
    choose_framing(x, head);
    bool has_date = false;
    uint8_t *at = put_status_line(from, head->status);
    at = put_fields(at, head->headers, head->header_count, &has_date);
    if (!has_date) {
        at = PUT_LITERAL(at, "Date: ");
        at = put(at, http_server_date(x->c->server), 29);
        at = PUT_LITERAL(at, "\r\n");
    }
    at = put_framing(at, x, head);
    at = PUT_LITERAL(at, "\r\n");
    CHECK((size_t)(at - from) <= bytes + FIXED_HEAD_BYTES);
    x->c->out_end += (size_t)(at - from);
    http_connection_advance_soon(x->c);
    return STATUS_OK;
}

status http_exchange_inform(http_exchange *x, uint16_t status_code, const http_header *headers, size_t count,
                            err *e) {
    CHECK(!x->is_released && !x->is_started && status_code >= 100 && status_code < 200 && status_code != 101);
    TRY(check_alive(x, e));
    size_t bytes = 0;
    TRY(check_fields(headers, count, &bytes, e));
    if (x->request.minor_version == 0) {
        return STATUS_OK; // RFC 9110 section 15.2: not to a HTTP/1.0 client
    }
    uint8_t *from = NULL;
    TRY(reserve_head(x, bytes + FIXED_HEAD_BYTES, &from, e));
    bool has_date = false;
    uint8_t *at = put_fields(put_status_line(from, status_code), headers, count, &has_date);
    at = PUT_LITERAL(at, "\r\n");
    x->c->out_end += (size_t)(at - from);
    http_connection_advance_soon(x->c);
    return STATUS_OK;
}

// --- bodies ------------------------------------------------------------------------------------------------

enum { CHUNK_OVERHEAD = 16 };

size_t http_exchange_room(http_exchange *x) {
    if (x->is_aborted || x->c->is_broken) {
        return 0;
    }
    size_t pending = http_connection_pending(x->c);
    if (pending > HTTP_BODY_ROOM / 2) {
        http_connection_flush(x->c);
        pending = http_connection_pending(x->c);
    }
    if (pending > HTTP_BODY_ROOM / 2) {
        x->wants_write = true;
        http_connection_watch_update(x->c);
        return 0;
    }
    return HTTP_BODY_ROOM - pending;
}

bool http_exchange_is_flushed(const http_exchange *x) { return http_connection_pending(x->c) == 0; }

static size_t put_chunk_size(char text[CHUNK_OVERHEAD], size_t size) {
    return (size_t)snprintf(text, CHUNK_OVERHEAD, "%zx\r\n", size);
}

static void write_body(http_exchange *x, slice bytes) {
    http_connection *c = x->c;
    char size[CHUNK_OVERHEAD];
    bool is_chunked = x->framing == HTTP_FRAMING_CHUNKED;
    slice parts[3] = {slice_empty(), bytes, slice_empty()};
    if (is_chunked) {
        parts[0] = slice_of(size, put_chunk_size(size, bytes.len));
        parts[2] = slice_from_text("\r\n");
    }
    if (bytes.len >= HTTP_SMALL_WRITE || http_connection_pending(c) + bytes.len >= HTTP_SMALL_WRITE * 2) {
        send_through(c, is_chunked ? parts : &parts[1], is_chunked ? 3 : 1);
        return;
    }
    for (int i = 0; i < 3; i++) {
        append(c, parts[i]);
    }
    http_connection_advance_soon(c);
}

status http_exchange_write(http_exchange *x, slice bytes, err *e) {
    CHECK(x->is_started && !x->is_ended && !x->is_released);
    TRY(check_alive(x, e));
    if (bytes.len == 0 || x->framing == HTTP_FRAMING_NONE) {
        return STATUS_OK;
    }
    CHECK(bytes.len <= HTTP_BODY_ROOM - http_connection_pending(x->c));
    if (x->framing == HTTP_FRAMING_LENGTH) {
        if (bytes.len > x->left) {
            return err_set(e, STATUS_INVALID, "the response body is longer than its content length");
        }
        x->left -= bytes.len;
    }
    write_body(x, bytes);
    return STATUS_OK;
}

static status write_trailers(http_exchange *x, const http_header *trailers, size_t count, err *e) {
    size_t bytes = 0;
    TRY(check_fields(trailers, count, &bytes, e));
    uint8_t *from = NULL;
    TRY(reserve_head(x, bytes + 8, &from, e));
    uint8_t *at = PUT_LITERAL(from, "0\r\n");
    bool has_date = false;
    at = put_fields(at, trailers, count, &has_date);
    at = PUT_LITERAL(at, "\r\n");
    x->c->out_end += (size_t)(at - from);
    return STATUS_OK;
}

status http_exchange_end(http_exchange *x, const http_header *trailers, size_t count, err *e) {
    CHECK(x->is_started && !x->is_ended && !x->is_released);
    TRY(check_alive(x, e));
    status result = STATUS_OK;
    if (x->framing == HTTP_FRAMING_LENGTH && x->left > 0) {
        result = err_set(e, STATUS_INVALID, "the response body is shorter than its content length");
    } else if (x->framing == HTTP_FRAMING_CHUNKED) {
        result = write_trailers(x, trailers, count, e);
    }
    if (result != STATUS_OK) {
        http_connection_flush(x->c); // what there is of it, so that the client sees a body that was cut short
        http_exchange_abort(x);
        return result;
    }
    x->is_ended = true;
    if (!x->c->is_advancing) {
        http_connection_flush(x->c);
    }
    return STATUS_OK;
}

status http_exchange_reply(http_exchange *x, uint16_t status_code, const http_header *headers, size_t count,
                           slice body, err *e) {
    CHECK(body.len <= HTTP_BODY_ROOM / 2);
    http_response_head head = {status_code, headers, count, (int64_t)body.len};
    TRY(http_exchange_start(x, &head, e));
    if (x->framing == HTTP_FRAMING_LENGTH && body.len > HTTP_BODY_ROOM - http_connection_pending(x->c)) {
        http_connection_flush(x->c);
        if (body.len > HTTP_BODY_ROOM - http_connection_pending(x->c)) {
            http_exchange_abort(x);
            return err_set(e, STATUS_CLOSED, "the client has not read what was sent before this response");
        }
    }
    TRY(http_exchange_write(x, body, e));
    return http_exchange_end(x, NULL, 0, e);
}

// An answer of the server's own, after which the connection ends (or, for the handler that gave up, may go
// on).
void http_response_refuse(http_connection *c, uint16_t status_code) {
    http_exchange *x = c->x;
    bool goes_on = x != NULL && x->is_dispatched && x->is_released && !x->is_aborted && !x->closes;
    char head[256];
    bool has_body = x == NULL || !x->is_head_request;
    char body[64];
    const char *reason = http_reason(status_code);
    int body_len = snprintf(body, sizeof body, "%u %s\n", status_code, reason);
    int len =
        snprintf(head, sizeof head,
                 "HTTP/1.1 %u %s\r\nDate: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n%s\r\n%s",
                 status_code, reason, http_server_date(c->server), body_len,
                 goes_on ? "" : "Connection: close\r\n", has_body ? body : "");
    if (x != NULL) {
        x->is_started = x->is_ended = true;
    }
    if (http_connection_pending(c) + (size_t)len <= HTTP_BLOCK_BYTES) {
        append(c, slice_of(head, (size_t)len));
    }
}
