// SPDX-License-Identifier: Apache-2.0
#include "unit/net/helper_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"

enum { BIG_BYTES = 8 << 20, QUIET_TURNS = 20 };

static uint64_t fixture_now(void *arg) { return ((fixture *)arg)->now_ns; }

// One exchange that goes on after on_request.
typedef struct job {
    fixture *f;
    http_exchange *x;
    bool echoes;
    size_t left; // of /big
} job;

static void finish(job *j) {
    http_exchange_release(j->x);
    mem_free(j);
}

static void on_abort(void *arg) {
    job *j = arg;
    j->f->aborts++;
    if (j->f->held == j->x) {
        j->f->held = NULL;
    }
    finish(j);
}

void fixture_release_held(fixture *f) {
    f->held = NULL;
    finish(f->held_job);
}

static void end(job *j) {
    if (http_exchange_end(j->x, NULL, 0, NULL) != STATUS_OK) {
        http_exchange_abort(j->x);
    }
    finish(j);
}

static void on_read_progress(void *arg) {
    job *j = arg;
    for (;;) {
        size_t room = j->echoes ? http_exchange_room(j->x) : 4096;
        slice bytes = slice_empty();
        if (room == 0) {
            return;
        }
        switch (http_exchange_read(j->x, room, &bytes)) {
        case HTTP_BODY_DATA:
            if (j->echoes) {
                CHECK(http_exchange_write(j->x, bytes, NULL) == STATUS_OK);
            } else {
                CHECK(buf_append(&j->f->received, bytes) == STATUS_OK);
            }
            break;
        case HTTP_BODY_END: {
            if (j->echoes) {
                size_t count = 0;
                const http_header *trailers = http_exchange_trailers(j->x, &count);
                CHECK(http_exchange_end(j->x, trailers, count, NULL) == STATUS_OK);
            } else {
                char text[32];
                int len = snprintf(text, sizeof text, "%zu", j->f->received.len);
                CHECK(http_exchange_reply(j->x, 200, NULL, 0, slice_of(text, (size_t)len), NULL) ==
                      STATUS_OK);
            }
            finish(j);
            return;
        }
        case HTTP_BODY_WAIT:
            return;
        default:
            return; // on_abort follows
        }
    }
}

static void on_big_progress(void *arg) {
    job *j = arg;
    static const uint8_t zeros[64 * 1024];
    for (size_t room; j->left > 0 && (room = http_exchange_room(j->x)) > 0;) {
        size_t n = j->left < room ? j->left : room;
        n = n < sizeof zeros ? n : sizeof zeros;
        CHECK(http_exchange_write(j->x, slice_of(zeros, n), NULL) == STATUS_OK);
        j->left -= n;
    }
    if (j->left == 0) {
        end(j);
    }
}

static const http_exchange_ops hold_ops = {NULL, NULL, on_abort};
static const http_exchange_ops read_ops = {on_read_progress, on_read_progress, on_abort};
static const http_exchange_ops big_ops = {NULL, on_big_progress, on_abort};

static void copy_text(char *to, size_t size, slice from) { snprintf(to, size, "%.*s", SLICE_ARG(from)); }

static void reply_fields(http_exchange *x) {
    const http_request *r = http_exchange_request(x);
    auto_buf text;
    buf_init(&text, 32 * 1024);
    for (size_t i = 0; i < r->header_count; i++) {
        CHECK(buf_append_format(&text, "[%.*s]=[%.*s]\n", SLICE_ARG(r->headers[i].name),
                                SLICE_ARG(r->headers[i].value)) == STATUS_OK);
    }
    CHECK(http_exchange_reply(x, 200, NULL, 0, buf_slice(&text), NULL) == STATUS_OK);
}

static void reply_chunks(http_exchange *x) {
    static const http_header fields[] = {{SLICE_LITERAL("X-A"), SLICE_LITERAL("1")},
                                         {SLICE_LITERAL("Transfer-Encoding"), SLICE_LITERAL("gzip")}};
    http_response_head head = {200, fields, 2, -1};
    CHECK(http_exchange_start(x, &head, NULL) == STATUS_OK);
    CHECK(http_exchange_write(x, slice_from_text("one"), NULL) == STATUS_OK);
    CHECK(http_exchange_write(x, slice_from_text("two"), NULL) == STATUS_OK);
    CHECK(http_exchange_write(x, slice_from_text("three"), NULL) == STATUS_OK);
    static const http_header trailer = {SLICE_LITERAL("X-Sum"), SLICE_LITERAL("11")};
    CHECK(http_exchange_end(x, &trailer, 1, NULL) == STATUS_OK);
}

static void on_request(void *arg, http_exchange *x) {
    fixture *f = arg;
    f->requests++;
    const http_request *r = http_exchange_request(x);
    copy_text(f->last_method, sizeof f->last_method, r->method);
    copy_text(f->last_scheme, sizeof f->last_scheme, r->scheme);
    copy_text(f->last_authority, sizeof f->last_authority, r->authority);
    copy_text(f->last_path, sizeof f->last_path, r->path_with_query);
    slice path = slice_sub(r->path_with_query, 0, slice_find(r->path_with_query, 0, '?'));
    job *j = MEM_NEW(job);
    *j = (job){.f = f, .x = x};
    if (slice_equal_text(path, "/hold")) {
        f->held = x;
        f->held_job = j;
        http_exchange_bind(x, &hold_ops, j);
    } else if (slice_equal_text(path, "/echo")) {
        j->echoes = true;
        http_exchange_bind(x, &read_ops, j);
        http_response_head head = {200, NULL, 0, r->content_length};
        CHECK(http_exchange_start(x, &head, NULL) == STATUS_OK);
        on_read_progress(j);
    } else if (slice_equal_text(path, "/read")) {
        http_exchange_bind(x, &read_ops, j);
        on_read_progress(j);
    } else if (slice_equal_text(path, "/big")) {
        j->left = BIG_BYTES;
        http_exchange_bind(x, &big_ops, j);
        http_response_head head = {200, NULL, 0, BIG_BYTES};
        CHECK(http_exchange_start(x, &head, NULL) == STATUS_OK);
        on_big_progress(j);
    } else if (slice_equal_text(path, "/none")) {
        finish(j);
    } else if (slice_equal_text(path, "/fields")) {
        reply_fields(x);
        finish(j);
    } else if (slice_equal_text(path, "/chunks")) {
        reply_chunks(x);
        finish(j);
    } else {
        CHECK(http_exchange_reply(x, 200, NULL, 0, slice_from_text("hello"), NULL) == STATUS_OK);
        finish(j);
    }
}

static void on_drained(void *arg) { ((fixture *)arg)->is_drained = true; }

void fixture_start(fixture *f, const http_server_options *options) {
    signal(SIGPIPE, SIG_IGN);
    *f = (fixture){.now_ns = 1000000000};
    f->options = options != NULL ? *options : http_server_options_default();
    buf_init(&f->received, 1 << 20);
    loop_clock clock = {fixture_now, f};
    CHECK(loop_new(&clock, &f->l, NULL) == STATUS_OK);
    f->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    CHECK(bind(f->listen_fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(f->listen_fd, 128) == 0);
    CHECK(getsockname(f->listen_fd, (struct sockaddr *)&a, &len) == 0);
    f->port = ntohs(a.sin_port);
    http_server_handler handler = {f, on_request, on_drained};
    CHECK(http_server_new(f->l, f->listen_fd, &f->options, &handler, &f->server, NULL) == STATUS_OK);
}

void fixture_stop(fixture *f) {
    http_server_free(f->server);
    close(f->listen_fd);
    loop_free(f->l);
    buf_done(&f->received);
}

int client_connect(const fixture *f) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(f->port)};
    CHECK(connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); // what is sent arrives at once
    return fd;
}

void client_send(int fd, const char *text) {
    size_t len = strlen(text);
    ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
    CHECK(n == (ssize_t)len || errno == EPIPE || errno == ECONNRESET);
}

// Nothing else is on this loop, so when some turns in a row move nothing, nothing will.
void client_collect(fixture *f, int fd, answer *a) {
    for (int quiet = 0; quiet < QUIET_TURNS && !a->is_closed; quiet++) {
        loop_turn(f->l, false);
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        if (poll(&readable, 1, 0) > 0 && a->len < sizeof a->text - 1) {
            ssize_t n = recv(fd, a->text + a->len, sizeof a->text - 1 - a->len, MSG_DONTWAIT);
            a->is_closed = n <= 0;
            a->len += n > 0 ? (size_t)n : 0;
            quiet = 0;
        }
    }
    a->text[a->len] = '\0';
}

void exchange(fixture *f, const char *request, answer *a) {
    *a = (answer){0};
    int fd = client_connect(f);
    client_send(fd, request);
    client_collect(f, fd, a);
    close(fd);
    for (int i = 0; i < QUIET_TURNS; i++) {
        loop_turn(f->l, false);
    }
}

int answer_status(const answer *a) {
    int code = 0;
    return a->len >= 12 && sscanf(a->text, "HTTP/1.1 %3d", &code) == 1 ? code : 0;
}
