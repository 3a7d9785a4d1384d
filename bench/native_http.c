// SPDX-License-Identifier: Apache-2.0
// Our HTTP server with handlers in C instead of a guest: what serving a component is measured against.
//
//   native_http PORT [PROCESSES]
//
// GET / answers "hello", GET /wait the same after 10 ms (the upstream of the benchmark of outgoing requests);
// any other path echoes the request's body as it comes. The processes share the port.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/loop.h"
#include "net/http_server.h"

enum { WAIT_NS = 10000000 };

static void answer_hello(http_exchange *x) {
    static const http_header type = {SLICE_LITERAL("Content-Type"), SLICE_LITERAL("text/plain")};
    if (http_exchange_reply(x, 200, &type, 1, slice_from_text("hello"), NULL) != STATUS_OK) {
        http_exchange_abort(x);
    }
    http_exchange_release(x);
}

// --- answers that wait
// -------------------------------------------------------------------------------------------

typedef struct delayed {
    http_exchange *x;
    loop_timer timer;
} delayed;

static void on_delay_over(void *arg) {
    delayed *d = arg;
    answer_hello(d->x);
    mem_free(d);
}

static void on_delayed_abort(void *arg) {
    delayed *d = arg;
    loop_timer_stop(&d->timer);
    http_exchange_release(d->x);
    mem_free(d);
}

static void on_delayed_progress(void *arg) { (void)arg; }

static const http_exchange_ops delayed_ops = {on_delayed_progress, on_delayed_progress, on_delayed_abort};

static void answer_later(loop *l, http_exchange *x) {
    delayed *d = MEM_NEW(delayed);
    d->x = x;
    loop_timer_init(&d->timer, l, on_delay_over, d);
    http_exchange_bind(x, &delayed_ops, d);
    loop_timer_start_in(&d->timer, WAIT_NS);
}

// --- echoes
// ------------------------------------------------------------------------------------------------------

typedef struct echo {
    http_exchange *x;
} echo;

// Moves what there is; true when the exchange is over.
static bool pump(echo *w) {
    size_t room = 0;
    while ((room = http_exchange_room(w->x)) > 0) {
        slice bytes = slice_empty();
        switch (http_exchange_read(w->x, room, &bytes)) {
        case HTTP_BODY_DATA:
            if (http_exchange_write(w->x, bytes, NULL) != STATUS_OK) {
                return true;
            }
            break;
        case HTTP_BODY_WAIT:
            return false;
        case HTTP_BODY_END:
            if (http_exchange_end(w->x, NULL, 0, NULL) != STATUS_OK) {
                http_exchange_abort(w->x);
            }
            return true;
        default:
            return true;
        }
    }
    return http_exchange_is_aborted(w->x);
}

static void on_progress(void *arg) {
    echo *w = arg;
    if (pump(w)) {
        http_exchange_release(w->x);
        mem_free(w);
    }
}

static void on_abort(void *arg) {
    echo *w = arg;
    http_exchange_release(w->x);
    mem_free(w);
}

static const http_exchange_ops echo_ops = {on_progress, on_progress, on_abort};

static void on_request(void *arg, http_exchange *x) {
    const http_request *r = http_exchange_request(x);
    if (slice_equal_text(r->path_with_query, "/")) {
        answer_hello(x);
        return;
    }
    if (slice_equal_text(r->path_with_query, "/wait")) {
        answer_later(arg, x);
        return;
    }
    http_response_head head = {.status = 200, .content_length = r->content_length};
    echo *w = MEM_NEW(echo);
    w->x = x;
    http_exchange_bind(x, &echo_ops, w);
    if (http_exchange_start(x, &head, NULL) != STATUS_OK) {
        http_exchange_abort(x);
    }
    on_progress(w);
}

static int listen_on(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 4096) != 0) {
        perror("listen");
        exit(1);
    }
    return fd;
}

static void serve(uint16_t port) {
    err e = {0};
    loop *l = NULL;
    http_server *s = NULL;
    http_server_options options = http_server_options_default();
    http_server_handler handler = {.on_request = on_request};
    int fd = listen_on(port);
    status made = loop_new(NULL, &l, &e);
    handler.arg = l;
    if (made != STATUS_OK || http_server_new(l, fd, &options, &handler, &s, &e) != STATUS_OK) {
        fprintf(stderr, "%s\n", e.message);
        exit(1);
    }
    loop_run(l);
}

int main(int argc, char **argv) {
    uint16_t port = argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 8000;
    long processes = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
    signal(SIGPIPE, SIG_IGN);
    for (long i = 1; i < processes; i++) {
        if (fork() == 0) {
            break;
        }
    }
    serve(port);
    return 0;
}
