// SPDX-License-Identifier: Apache-2.0
#include "driver/provider/greeter.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/mem.h"
#include "os/fd.h"
#include "os/random.h"
#include "os/socket.h"

static const char closed[] = "the other end has closed the connection";

struct greeter {
    greeting greeting;
    slice key;
    int fd;
    size_t sent;
    loop_watch watch;
    loop_timer deadline;
    greeter_ended ended;
    void *arg;
};

void greeter_cancel(greeter *g) {
    if (g == NULL) {
        return;
    }
    loop_watch_stop(&g->watch);
    loop_timer_stop(&g->deadline);
    fd_close(g->fd);
    mem_free(g);
}

static void end(greeter *g, status code, const err *e) {
    greeter_ended ended = g->ended;
    void *arg = g->arg;
    int fd = code == STATUS_OK ? g->fd : -1;
    g->fd = code == STATUS_OK ? -1 : g->fd;
    greeter_cancel(g);
    ended(arg, code, fd, e);
}

static void fail(greeter *g, status code, const char *sentence) {
    err e;
    err_set(&e, code, "%s", sentence);
    end(g, code, &e);
}

static void fail_errno(greeter *g, long negated) {
    err e;
    if (negated == -ECONNRESET || negated == -EPIPE) {
        fail(g, STATUS_CLOSED, closed);
        return;
    }
    err_set_errno(&e, (int)-negated, "greet");
    end(g, STATUS_IO, &e);
}

static void on_deadline(void *arg) { fail(arg, STATUS_TIMEOUT, "the other end did not greet in time"); }

// True when all of it was written.
static bool write_some(greeter *g) {
    greeting *x = &g->greeting;
    while (g->sent < x->out_len) {
        long n = socket_send(g->fd, x->out + g->sent, x->out_len - g->sent);
        if (n == -EAGAIN) {
            loop_watch_set(&g->watch, LOOP_WRITABLE);
            return false;
        }
        if (n < 0) {
            fail_errno(g, n);
            return false;
        }
        g->sent += (size_t)n;
    }
    x->out_len = 0;
    g->sent = 0;
    loop_watch_set(&g->watch, LOOP_READABLE);
    return true;
}

// True when a message may be complete; false when it has ended or has to wait.
static bool read_some(greeter *g) {
    uint8_t bytes[GREETING_BYTES_MAX];
    size_t taken;
    err e;
    long n = socket_receive(g->fd, bytes, greeting_wants(&g->greeting));
    if (n == -EAGAIN) {
        return false;
    }
    if (n < 0) {
        fail_errno(g, n);
        return false;
    }
    if (n == 0) { // which is what the other end does to whoever has another key
        fail(g, STATUS_CLOSED, closed);
        return false;
    }
    status s = greeting_take(&g->greeting, g->key, slice_of(bytes, (size_t)n), &taken, &e);
    if (s != STATUS_OK) {
        end(g, s, &e);
    }
    return s == STATUS_OK;
}

static void on_ready(void *arg, unsigned events) {
    (void)events;
    greeter *g = arg;
    while (write_some(g)) {
        if (g->greeting.is_done) {
            end(g, STATUS_OK, NULL);
            return;
        }
        if (!read_some(g)) {
            return;
        }
    }
}

status greeter_start(loop *l, int fd, greeting_side side, slice key, greeter_ended ended, void *arg,
                     greeter **ret, err *e) {
    greeter *g = MEM_NEW(greeter);
    uint8_t nonce[GREETING_NONCE_BYTES];
    random_fill(nonce, sizeof nonce);
    greeting_begin(&g->greeting, side, nonce);
    g->key = key;
    g->fd = fd;
    g->ended = ended;
    g->arg = arg;
    (void)socket_option_set(fd, IPPROTO_TCP, TCP_NODELAY, 1); // calls go out in one piece
    loop_timer_init(&g->deadline, l, on_deadline, g);
    status s = loop_watch_start(&g->watch, l, fd, side == GREETING_CLIENT ? LOOP_WRITABLE : LOOP_READABLE,
                                on_ready, g, e);
    if (s != STATUS_OK) {
        greeter_cancel(g);
        return s;
    }
    loop_timer_start_in(&g->deadline, GREETER_MS_MAX * 1000000ull);
    *ret = g;
    return STATUS_OK;
}
