// SPDX-License-Identifier: Apache-2.0
// Any bytes from a client, in any pieces, to the HTTP server: it never reads past what it was sent, every
// exchange ends, and every answer is one that the server meant to give. The first bytes of the input choose
// the pieces, how much the client takes of the answers, and when it goes away.
//
// links: net
#include <errno.h>

#include "base/check.h"
#include "base/mem.h"
#include "fuzz.h"
#include "net/http_server_internal.h"

enum { STEPS_MAX = 4000, OUTPUT_CHECK_BYTES = 9 };

// The client at the other end. There is one connection, so the transport finds it through its descriptor's
// place.
typedef struct client {
    slice left;      // to send
    uint32_t random; // sizes of the pieces
    bool is_ended;   // closed instead of silent when everything is sent
    bool is_slow;    // takes little of what is sent to it
    size_t received;
    uint8_t start[OUTPUT_CHECK_BYTES];
} client;

static client *the_client(void) { // what the descriptor is to a real transport
    static client c;
    return &c;
}

static uint32_t next(client *c, uint32_t below) {
    c->random = c->random * 1664525u + 1013904223u;
    return (c->random >> 16) % below;
}

static ssize_t receive(int fd, void *bytes, size_t len) {
    (void)fd;
    client *c = the_client();
    if (c->left.len == 0) {
        errno = EAGAIN;
        return c->is_ended ? 0 : -1;
    }
    uint32_t pieces[] = {1, 7, 100, 70000};
    size_t n = 1 + next(c, pieces[next(c, 4)]);
    n = n < len ? n : len;
    n = n < c->left.len ? n : c->left.len;
    memcpy(bytes, c->left.data, n);
    c->left = slice_sub(c->left, n, c->left.len);
    return (ssize_t)n;
}

static ssize_t take(int fd, const struct iovec *parts, int count) {
    (void)fd;
    client *c = the_client();
    size_t total = 0;
    size_t room = c->is_slow ? next(c, 300) : SIZE_MAX;
    if (room == 0) {
        errno = EAGAIN;
        return -1;
    }
    for (int i = 0; i < count; i++) {
        for (size_t j = 0; j < parts[i].iov_len && total < room; j++, total++) {
            if (c->received < OUTPUT_CHECK_BYTES) {
                c->start[c->received] = ((const uint8_t *)parts[i].iov_base)[j];
            }
            c->received++;
        }
    }
    return (ssize_t)total;
}

static const http_transport transport = {receive, take};

// The handler: echoes, reads, drops or keeps, as the path says.
typedef struct job {
    http_exchange *x;
    bool is_aborted;
} job;

static void finish(job *j) {
    http_exchange_release(j->x);
    mem_free(j);
}

static void on_abort(void *arg) { finish(arg); }

static void on_progress(void *arg) {
    job *j = arg;
    for (;;) {
        size_t room = http_exchange_room(j->x);
        slice bytes = slice_empty();
        if (room == 0) {
            return;
        }
        http_body_state state = http_exchange_read(j->x, room, &bytes);
        if (state == HTTP_BODY_DATA) {
            CHECK(bytes.len > 0 && bytes.len <= room);
            if (http_exchange_write(j->x, bytes, NULL) != STATUS_OK) {
                return; // on_abort follows
            }
        } else if (state == HTTP_BODY_END) {
            size_t count = 0;
            const http_header *trailers = http_exchange_trailers(j->x, &count);
            if (http_exchange_end(j->x, trailers, count, NULL) == STATUS_OK) {
                finish(j);
            }
            return;
        } else {
            return;
        }
    }
}

static const http_exchange_ops ops = {on_progress, on_progress, on_abort};

static void check_request(const http_request *r) {
    CHECK(http_token_is_valid(r->method));
    CHECK(slice_equal_text(r->path_with_query, "*") ||
          (http_path_is_valid(r->path_with_query) && r->path_with_query.data[0] == '/'));
    CHECK(r->authority.len == 0 ? r->minor_version == 0 : http_authority_is_valid(r->authority));
    for (size_t i = 0; i < r->header_count; i++) {
        CHECK(http_token_is_valid(r->headers[i].name) && http_value_is_valid(r->headers[i].value));
    }
}

static void on_request(void *arg, http_exchange *x) {
    (void)arg;
    const http_request *r = http_exchange_request(x);
    check_request(r);
    job *j = MEM_NEW(job);
    j->x = x;
    http_response_head head = {200, r->headers, r->header_count, r->content_length};
    if (slice_starts_with(r->path_with_query, "/n")) {
        finish(j);
        return;
    }
    http_exchange_bind(x, &ops, j);
    if (slice_starts_with(r->path_with_query, "/k")) {
        return; // kept until the end
    }
    if (http_exchange_start(x, &head, NULL) == STATUS_OK) {
        on_progress(j);
    } else {
        http_exchange_abort(x);
        finish(j);
    }
}

static uint64_t no_time(void *arg) { return *(uint64_t *)arg; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3) {
        return 0;
    }
    client *c = the_client();
    *c = (client){.left = slice_of(data + 3, size - 3), .random = (uint32_t)(data[0] | data[1] << 8)};
    c->is_ended = (data[2] & 1) != 0;
    c->is_slow = (data[2] & 2) != 0;
    uint64_t now = 1;
    loop_clock clock = {no_time, &now};
    loop *l = NULL;
    http_server *s = NULL;
    http_server_options options = http_server_options_default();
    http_server_handler handler = {NULL, on_request, NULL};
    CHECK(loop_new(&clock, &l, NULL) == STATUS_OK);
    CHECK(http_server_new(l, -1, &options, &handler, &s, NULL) == STATUS_OK);
    http_server_set_transport(s, &transport);
    http_connection *connection = http_connection_new(s, -1);
    for (int i = 0; i < STEPS_MAX && http_server_count(s).open > 0; i++) {
        bool had = c->left.len > 0;
        http_connection_on_event(connection, LOOP_READABLE | (next(c, 2) != 0 ? LOOP_WRITABLE : 0u));
        loop_turn(l, false);
        if (!had && http_server_count(s).open > 0 && connection->phase != HTTP_PHASE_CLOSING &&
            next(c, 8) == 0) {
            break;
        }
    }
    CHECK(c->received < OUTPUT_CHECK_BYTES || memcmp(c->start, "HTTP/1.1 ", OUTPUT_CHECK_BYTES) == 0);
    http_server_free(s);
    loop_free(l);
    return 0;
}
