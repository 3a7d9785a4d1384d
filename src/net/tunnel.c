// SPDX-License-Identifier: Apache-2.0
#include "net/tunnel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "os/fd.h"
#include "os/socket.h"

enum { REQUEST_BYTES_MAX = 2 * (TUNNEL_HOST_BYTES_MAX + 16) + TUNNEL_AUTHORIZATION_BYTES_MAX + 128 };

struct tunnel {
    int fd;
    buf request; // what is left to be written starts at `sent`
    size_t sent;
    char head[TUNNEL_HEAD_BYTES_MAX];
    size_t head_len;
    loop_watch watch;
    loop_timer deadline;
    tunnel_ended ended;
    void *arg;
};

void tunnel_cancel(tunnel *t) {
    if (t == NULL) {
        return;
    }
    loop_watch_stop(&t->watch);
    loop_timer_stop(&t->deadline);
    fd_close(t->fd);
    secret_wipe(t->request.data, t->request.len); // who we are
    buf_done(&t->request);
    mem_free(t);
}

static void end(tunnel *t, status code, const err *e) {
    tunnel_ended ended = t->ended;
    void *arg = t->arg;
    int fd = code == STATUS_OK ? t->fd : -1;
    t->fd = code == STATUS_OK ? -1 : t->fd;
    tunnel_cancel(t);
    ended(arg, code, fd, e);
}

static void fail(tunnel *t, status code, const char *sentence) {
    err e;
    err_set(&e, code, "the proxy %s", sentence);
    end(t, code, &e);
}

static void fail_errno(tunnel *t, long negated) {
    err e;
    err_set_errno(&e, (int)-negated, "talk to the proxy");
    end(t, STATUS_IO, &e);
}

static void on_deadline(void *arg) { fail(arg, STATUS_TIMEOUT, "has not answered in time"); }

// --- the answer --------------------------------------------------------------------------------------------

// "HTTP/1.1 200 ..."; 0 for anything else.
static int code_of(const char *head, size_t len) {
    if (len < 12 || memcmp(head, "HTTP/1.", 7) != 0 || (head[7] != '0' && head[7] != '1') || head[8] != ' ') {
        return 0;
    }
    int code = 0;
    for (size_t i = 9; i < 12; i++) {
        if (head[i] < '0' || head[i] > '9') {
            return 0;
        }
        code = code * 10 + (head[i] - '0');
    }
    return head[12] == ' ' || head[12] == '\r' ? code : 0;
}

static void judge(tunnel *t) {
    int code = code_of(t->head, t->head_len);
    char sentence[96];
    if (code >= 200 && code <= 299) {
        end(t, STATUS_OK, NULL);
    } else if (code < 200 || code > 599) {
        fail(t, STATUS_INVALID, "has answered something that is not HTTP/1");
    } else if (code == 407) {
        fail(t, STATUS_DENIED, "asks who we are, or does not believe it (407)");
    } else {
        (void)snprintf(sentence, sizeof sentence, "%s (%d)",
                       code >= 500 ? "cannot reach the host" : "does not allow the connection", code);
        fail(t, code >= 500 ? STATUS_IO : STATUS_DENIED, sentence);
    }
}

// Looks at what has come before it takes it: what stands behind the head belongs to whoever gets the socket.
// True when there may be more.
static bool read_some(tunnel *t) {
    size_t old = t->head_len, room = sizeof t->head - old;
    long n = room == 0 ? 0 : socket_peek(t->fd, t->head + old, room);
    if (n == -EAGAIN) {
        return false;
    }
    if (n <= 0) {
        if (room == 0) {
            fail(t, STATUS_LIMIT, "has answered with a head that is too long");
        } else if (n == 0) {
            fail(t, STATUS_CLOSED, "has ended the connection");
        } else {
            fail_errno(t, n);
        }
        return false;
    }
    size_t from = old > 3 ? old - 3 : 0;
    const char *found = memmem(t->head + from, old + (size_t)n - from, "\r\n\r\n", 4);
    t->head_len = found != NULL ? (size_t)(found - t->head) + 4 : old + (size_t)n;
    (void)socket_receive(t->fd, t->head + old, t->head_len - old); // is there: it was seen
    if (found != NULL) {
        judge(t);
    }
    return found == NULL;
}

// --- the question ------------------------------------------------------------------------------------------

// True when all of it was written.
static bool write_some(tunnel *t) {
    while (t->sent < t->request.len) {
        long n = socket_send(t->fd, t->request.data + t->sent, t->request.len - t->sent);
        if (n < 0) {
            if (n != -EAGAIN) {
                fail_errno(t, n);
            }
            return false;
        }
        t->sent += (size_t)n;
    }
    loop_watch_set(&t->watch, LOOP_READABLE);
    return true;
}

static void on_events(void *arg, unsigned events) {
    (void)events;
    tunnel *t = arg;
    if (t->sent < t->request.len && !write_some(t)) {
        return;
    }
    while (read_some(t)) {
    }
}

// Names come from guests: nothing may end the line, or name anything but a host.
static bool is_host(slice host) {
    for (size_t i = 0; i < host.len; i++) {
        uint8_t c = host.data[i];
        bool is_letter = (c | 32) >= 'a' && (c | 32) <= 'z';
        if (!is_letter && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' && c != ':') {
            return false;
        }
    }
    return host.len > 0 && host.len <= TUNNEL_HOST_BYTES_MAX;
}

static status write_request(const tunnel_request *q, buf *ret) {
    bool is_v6 = slice_find(q->host, 0, ':') != SIZE_MAX;
    const char *left = is_v6 ? "[" : "", *right = is_v6 ? "]" : "";
    uint8_t *room;
    TRY(buf_reserve(ret, REQUEST_BYTES_MAX, &room)); // to grow would leave copies of who we are
    TRY(buf_append_format(ret, "CONNECT %s%.*s%s:%u HTTP/1.1\r\nHost: %s%.*s%s:%u\r\n", left,
                          SLICE_ARG(q->host), right, q->port, left, SLICE_ARG(q->host), right, q->port));
    if (q->authorization.len > 0) {
        TRY(buf_append_format(ret, "Proxy-Authorization: %.*s\r\n", SLICE_ARG(q->authorization)));
    }
    return buf_append(ret, slice_from_text("\r\n"));
}

status tunnel_start(loop *l, int fd, const tunnel_request *q, tunnel_ended ended, void *arg, tunnel **ret,
                    err *e) {
    if (!is_host(q->host) || q->authorization.len > TUNNEL_AUTHORIZATION_BYTES_MAX) {
        fd_close(fd);
        return err_set(e, STATUS_INVALID, "a proxy cannot be asked for this host");
    }
    tunnel *t = MEM_NEW(tunnel);
    t->fd = fd;
    t->ended = ended;
    t->arg = arg;
    buf_init(&t->request, REQUEST_BYTES_MAX);
    loop_timer_init(&t->deadline, l, on_deadline, t);
    status s = write_request(q, &t->request);
    s = s == STATUS_OK ? loop_watch_start(&t->watch, l, fd, LOOP_WRITABLE, on_events, t, e)
                       : err_set(e, s, "a request of a proxy is too long");
    if (s != STATUS_OK) {
        tunnel_cancel(t);
        return s;
    }
    loop_timer_start_at(&t->deadline, q->deadline_ns);
    *ret = t;
    return STATUS_OK;
}
