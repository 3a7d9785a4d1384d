// SPDX-License-Identifier: Apache-2.0
// What a function of the header finds (an end, room) is told by `soon`, from the loop.
#include "net/byte_stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "os/fd.h"
#include "os/socket.h"

enum {
    READ_BYTES = 64 << 10,
    READS_MAX = 4, // in one turn
    KEPT_BYTES = 1 << 20,
    SECURE_BYTES = 64 << 10, // that are encrypted before the kernel is asked
};

struct byte_stream {
    loop *l;
    int fd;
    byte_stream_limits limits;
    byte_stream_handler handler;
    loop_watch watch;
    loop_soon soon;
    buf in;
    size_t in_start;
    secret first; // goes out before `out`
    size_t first_sent;
    buf out;
    size_t out_start;
    tls_session *tls; // NULL = in the clear
    bool is_secure;
    bool is_blocked; // the kernel takes no more
    bool was_refused;
    bool is_paused;
    bool is_due; // look at what was read, and at what the session holds
    bool has_failed;
    bool has_ended; // on_end was called
    bool is_freed;
    unsigned holds;
    status why;
    err reason;
};

static void on_soon(void *arg);
static void on_event(void *arg, unsigned events);

// --- life --------------------------------------------------------------------------------------------------

static void release(byte_stream *s) {
    if (--s->holds > 0 || !s->is_freed) {
        return;
    }
    buf_done(&s->in);
    buf_done(&s->out);
    secret_free(&s->first);
    tls_session_free(s->tls);
    mem_free(s);
}

static void let_go(byte_stream *s) {
    loop_watch_stop(&s->watch);
    fd_close(s->fd);
    s->fd = -1;
}

status byte_stream_new(loop *l, int fd, const byte_stream_limits *limits, const byte_stream_handler *handler,
                       byte_stream **ret, err *e) {
    byte_stream *s = MEM_NEW(byte_stream);
    *s = (byte_stream){.l = l, .fd = fd, .limits = *limits, .handler = *handler};
    // Twice: what was sent is moved away only when it is half of it.
    buf_init(&s->in, 2 * (limits->in_bytes_max + READ_BYTES));
    buf_init(&s->out, 2 * limits->out_bytes_max);
    loop_soon_init(&s->soon, on_soon, s);
    socket_option_set(fd, IPPROTO_TCP, TCP_NODELAY, 1); // has no effect on local sockets
    socket_option_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    status code = loop_watch_start(&s->watch, l, fd, LOOP_READABLE, on_event, s, e);
    if (code != STATUS_OK) {
        byte_stream_free(s);
        return code;
    }
    *ret = s;
    return STATUS_OK;
}

void byte_stream_free(byte_stream *s) {
    if (s == NULL) {
        return;
    }
    CHECK(!s->is_freed);
    let_go(s);
    loop_soon_cancel(&s->soon);
    s->is_freed = true;
    s->holds++;
    release(s);
}

static bool is_open(const byte_stream *s) { return s->fd >= 0; }

// The end, told later.
static void fail(byte_stream *s, status why, const err *e, const char *text) {
    if (s->has_failed || s->is_freed) {
        return;
    }
    s->has_failed = true;
    s->why = why;
    if (e != NULL) {
        s->reason = *e;
    } else {
        (void)!err_set(&s->reason, why, "%s", text);
    }
    let_go(s);
    loop_soon_add(s->l, &s->soon);
}

static void fail_errno(byte_stream *s, long number) {
    err e;
    (void)!err_set_errno(&e, (int)-number, "the connection was lost");
    e.code = STATUS_CLOSED;
    fail(s, STATUS_CLOSED, &e, NULL);
}

static void set_events(byte_stream *s) {
    if (is_open(s)) {
        loop_watch_set(&s->watch, (s->is_paused ? 0u : LOOP_READABLE) | (s->is_blocked ? LOOP_WRITABLE : 0u));
    }
}

// --- writing -----------------------------------------------------------------------------------------------

size_t byte_stream_queued(const byte_stream *s) {
    return s->first.len - s->first_sent + s->out.len - s->out_start +
           (s->tls != NULL ? tls_session_pending(s->tls).len : 0);
}

// How many the kernel took; fewer than all of them: the rest has to wait, or the stream is lost.
static size_t send_some(byte_stream *s, slice bytes) {
    long n = socket_send(s->fd, bytes.data, bytes.len);
    if (n < 0 && n != -EAGAIN) {
        fail_errno(s, n);
    }
    s->is_blocked = n < (long)bytes.len;
    return n > 0 ? (size_t)n : 0;
}

// The next plain bytes to go.
static slice next_bytes(const byte_stream *s) {
    return s->first.len > 0 ? slice_sub(secret_slice(&s->first), s->first_sent, s->first.len)
                            : slice_sub(buf_slice(&s->out), s->out_start, s->out.len);
}

static void took(byte_stream *s, size_t bytes) {
    if (s->first.len > 0) {
        s->first_sent += bytes;
        if (s->first_sent == s->first.len) {
            secret_free(&s->first);
            s->first = (secret){0};
            s->first_sent = 0;
        }
        return;
    }
    s->out_start += bytes;
    if (s->out_start == s->out.len) {
        s->out_start = 0;
        buf_clear(&s->out);
        if (s->out.capacity > KEPT_BYTES) {
            buf_done(&s->out);
            buf_init(&s->out, 2 * s->limits.out_bytes_max);
        }
    }
}

// False when there is nothing, or it cannot be.
static bool encrypt_more(byte_stream *s) {
    slice plain = slice_sub(next_bytes(s), 0, SECURE_BYTES);
    err e;
    if (!s->is_secure || plain.len == 0) {
        return false;
    }
    status code = tls_session_write(s->tls, plain, &e);
    if (code != STATUS_OK) {
        fail(s, code, &e, NULL);
        return false;
    }
    took(s, plain.len);
    return true;
}

static void flush_secure(byte_stream *s) {
    do {
        slice pending = tls_session_pending(s->tls);
        if (pending.len > 0) {
            tls_session_sent(s->tls, send_some(s, pending));
        }
    } while (is_open(s) && !s->is_blocked && encrypt_more(s));
}

static void flush(byte_stream *s) {
    s->is_blocked = false;
    if (s->tls != NULL) {
        flush_secure(s);
    } else {
        for (slice next; is_open(s) && !s->is_blocked && (next = next_bytes(s)).len > 0;) {
            took(s, send_some(s, next));
        }
    }
    if (s->was_refused && byte_stream_queued(s) <= s->limits.out_bytes_max / 2) {
        loop_soon_add(s->l, &s->soon);
    }
    set_events(s);
}

void byte_stream_flush(byte_stream *s) {
    if (is_open(s) && !s->is_blocked) {
        flush(s);
    }
}

static void flush_soon(byte_stream *s) {
    if (!s->is_blocked) {
        loop_soon_add(s->l, &s->soon);
    }
}

status byte_stream_reserve(byte_stream *s, size_t bytes, uint8_t **ret) {
    if (!is_open(s)) {
        return STATUS_CLOSED;
    }
    size_t queued = byte_stream_queued(s);
    if (queued > s->limits.out_bytes_max || bytes > s->limits.out_bytes_max - queued) {
        s->was_refused = true;
        flush_soon(s);
        return STATUS_LIMIT;
    }
    if (s->out_start > 0 && s->out_start >= s->out.len / 2) {
        buf_consume(&s->out, s->out_start);
        s->out_start = 0;
    }
    return buf_reserve(&s->out, bytes, ret);
}

void byte_stream_commit(byte_stream *s, size_t bytes) {
    CHECK(bytes <= s->out.capacity - s->out.len);
    s->out.len += bytes;
    flush_soon(s);
}

status byte_stream_write(byte_stream *s, slice bytes) {
    uint8_t *to = NULL;
    TRY(byte_stream_reserve(s, bytes.len, &to));
    if (bytes.len > 0) {
        memcpy(to, bytes.data, bytes.len);
    }
    byte_stream_commit(s, bytes.len);
    return STATUS_OK;
}

status byte_stream_write_secret(byte_stream *s, secret *taken) {
    auto_secret mine = *taken;
    *taken = (secret){0};
    if (!is_open(s)) {
        return STATUS_CLOSED;
    }
    if (s->first.len > 0 || s->out_start < s->out.len) {
        return STATUS_LIMIT;
    }
    s->first = mine;
    mine = (secret){0};
    flush_soon(s);
    return STATUS_OK;
}

// --- reading -----------------------------------------------------------------------------------------------

static void consume(byte_stream *s, size_t bytes) {
    s->in_start += bytes;
    if (s->in_start == s->in.len) {
        s->in_start = 0;
        buf_clear(&s->in);
        if (s->in.capacity > KEPT_BYTES) {
            buf_done(&s->in);
            buf_init(&s->in, 2 * (s->limits.in_bytes_max + READ_BYTES));
        }
    }
}

// Bytes that came in the clear would be taken for the first ones under TLS.
static bool refuse_mixed(byte_stream *s) {
    bool is_mixed = s->tls != NULL && !s->is_secure && s->in.len > s->in_start;
    if (is_mixed) {
        fail(s, STATUS_INVALID, NULL, "the peer sent more in the clear where TLS was to begin");
    }
    return is_mixed;
}

// Gives the handler what there is.
static void deliver(byte_stream *s) {
    size_t there = s->in.len - s->in_start;
    if (s->is_paused || !is_open(s) || there == 0 || refuse_mixed(s)) {
        return;
    }
    size_t taken = s->handler.on_bytes(s->handler.arg, slice_of(s->in.data + s->in_start, there));
    if (!is_open(s)) {
        return;
    }
    CHECK(taken <= there);
    consume(s, taken);
    if (!refuse_mixed(s) && there - taken >= s->limits.in_bytes_max) {
        fail(s, STATUS_LIMIT, NULL, "the peer sent a message that is longer than the limit");
    }
}

// Room for READ_BYTES behind what is there; NULL when memory is out.
static uint8_t *read_room(byte_stream *s) {
    if (s->in_start > 0 && s->in_start >= s->in.len / 2) {
        buf_consume(&s->in, s->in_start);
        s->in_start = 0;
    }
    uint8_t *to = NULL;
    if (buf_reserve(&s->in, READ_BYTES, &to) != STATUS_OK) {
        fail(s, STATUS_LIMIT, NULL, "no memory for what the peer sends");
        return NULL;
    }
    return to;
}

// How many bytes the socket gave; 0 when there are none, or the stream is lost.
static size_t receive_some(byte_stream *s, uint8_t *to) {
    long n = socket_receive(s->fd, to, READ_BYTES);
    if (n == 0) {
        fail(s, STATUS_CLOSED, NULL, "the peer closed the connection");
    } else if (n < 0 && n != -EAGAIN) {
        fail_errno(s, n);
    }
    return n > 0 ? (size_t)n : 0;
}

// False: no plain bytes came.
static bool decrypt_some(byte_stream *s) {
    uint8_t *to = read_room(s);
    size_t count = 0;
    status code = to == NULL ? STATUS_LIMIT : STATUS_OK;
    err e;
    for (size_t n = 0; code == STATUS_OK && count < READ_BYTES; count += code == STATUS_OK ? n : 0) {
        code = tls_session_read(s->tls, to + count, READ_BYTES - count, &n, &e);
    }
    s->in.len += count;
    // An end is seen again by the next call, when the handler has got what came before.
    if (count == 0 && code != STATUS_NOT_FOUND && to != NULL) {
        flush(s); // perhaps an alert
        fail(s, code, &e, NULL);
    }
    return count > 0;
}

static void shake_hands(byte_stream *s) {
    err e;
    status code = tls_session_handshake(s->tls, &e);
    flush(s);
    if (code == STATUS_OK && is_open(s)) {
        s->is_secure = true;
        flush_soon(s);
        if (s->handler.on_secure != NULL) {
            s->handler.on_secure(s->handler.arg);
        }
    } else if (code != STATUS_OK && code != STATUS_NOT_FOUND) {
        fail(s, code, &e, NULL);
    }
}

// What the session holds, until the handler wants no more.
static void drain_secure(byte_stream *s) {
    if (!s->is_secure) {
        shake_hands(s);
    }
    while (is_open(s) && s->is_secure && !s->is_paused && decrypt_some(s)) {
        deliver(s);
    }
    if (is_open(s) && tls_session_pending(s->tls).len > 0) {
        flush(s);
    }
}

// False when there is no more for now.
static bool receive_secure(byte_stream *s) {
    uint8_t bytes[READ_BYTES] WRIT_UNINITIALIZED;
    size_t taken = 0;
    err e;
    size_t n = receive_some(s, bytes);
    if (n == 0) {
        return false;
    }
    status code = tls_session_put(s->tls, slice_of(bytes, n), &taken, &e);
    if (code != STATUS_OK || taken < n) {
        fail(s, STATUS_LIMIT, NULL, "the peer sent more under TLS than can be held");
        return false;
    }
    drain_secure(s);
    return n == READ_BYTES;
}

static bool receive_clear(byte_stream *s) {
    uint8_t *to = read_room(s);
    size_t n = to == NULL ? 0 : receive_some(s, to);
    s->in.len += n;
    if (n > 0) {
        deliver(s);
    }
    return n == READ_BYTES;
}

static bool receive(byte_stream *s) { return s->tls != NULL ? receive_secure(s) : receive_clear(s); }

// --- the loop ----------------------------------------------------------------------------------------------

static void tell_end(byte_stream *s) {
    if (s->has_failed && !s->has_ended && !s->is_freed) {
        s->has_ended = true;
        s->handler.on_end(s->handler.arg, s->why, &s->reason);
    }
}

static void on_event(void *arg, unsigned events) {
    byte_stream *s = arg;
    s->holds++;
    if ((events & LOOP_WRITABLE) != 0) {
        flush(s);
    }
    for (int i = 0; i < READS_MAX && is_open(s) && !s->is_paused && receive(s); i++) {
    }
    if ((events & LOOP_ERROR) != 0) {
        fail(s, STATUS_CLOSED, NULL, "the connection was lost");
    }
    tell_end(s);
    release(s);
}

static void tell_room(byte_stream *s) {
    if (s->was_refused && is_open(s) && byte_stream_queued(s) <= s->limits.out_bytes_max / 2) {
        s->was_refused = false;
        if (s->handler.on_room != NULL) {
            s->handler.on_room(s->handler.arg);
        }
    }
}

static void on_soon(void *arg) {
    byte_stream *s = arg;
    s->holds++;
    if (is_open(s) && !s->is_blocked) {
        flush(s);
    }
    tell_room(s);
    if (is_open(s) && s->is_due) {
        s->is_due = false;
        deliver(s);
        if (is_open(s) && s->tls != NULL && !s->is_paused) {
            drain_secure(s);
        }
    }
    tell_end(s);
    release(s);
}

void byte_stream_pause(byte_stream *s) {
    s->is_paused = true;
    set_events(s);
}

void byte_stream_resume(byte_stream *s) {
    if (s->is_paused) {
        s->is_paused = false;
        s->is_due = true;
        set_events(s);
        loop_soon_add(s->l, &s->soon);
    }
}

// --- TLS ---------------------------------------------------------------------------------------------------

status byte_stream_start_tls(byte_stream *s, tls_context *tls, slice host, err *e) {
    if (!is_open(s)) {
        return err_set(e, STATUS_CLOSED, "the connection has ended");
    }
    if (s->tls != NULL || byte_stream_queued(s) > 0) {
        return err_set(e, STATUS_INVALID, "TLS begins once, when everything in the clear was sent");
    }
    TRY(tls_session_new(tls, host, &s->tls, e));
    s->is_due = true;
    loop_soon_add(s->l, &s->soon);
    return STATUS_OK;
}

bool byte_stream_is_secure(const byte_stream *s) { return s->is_secure; }
