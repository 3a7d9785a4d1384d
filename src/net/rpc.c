// SPDX-License-Identifier: Apache-2.0
// The life of a connection. It ends in one place, end_now, which only the loop calls; whoever finds a reason
// leaves it with rpc_break.
#include "net/rpc.h"

#include <errno.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/rpc_internal.h"
#include "os/fd.h"
#include "os/socket.h"

static void on_end_soon(void *arg);
static void on_flush_soon(void *arg);
static void on_event(void *arg, unsigned events);

rpc_limits rpc_limits_default(void) {
    return (rpc_limits){
        .payload_bytes_max = 16 << 20,
        .calls_out_max = 4096,
        .calls_in_max = 4096,
        .in_bytes_max = 64 << 20,
        .out_bytes_max = 64 << 20,
    };
}

status rpc_new(loop *l, int fd, const rpc_limits *limits, const rpc_handler *handler, rpc **ret, err *e) {
    rpc *r = MEM_NEW(rpc);
    r->l = l;
    r->fd = fd;
    r->limits = limits != NULL ? *limits : rpc_limits_default();
    r->handler = *handler;
    CHECK(r->limits.calls_out_max <= RPC_CALLS_MAX && r->limits.calls_in_max <= RPC_CALLS_MAX);
    CHECK(r->limits.payload_bytes_max <= INT32_MAX);
    r->free_slot = UINT32_MAX;
    r->in = mem_alloc(RPC_IN_BYTES);
    r->requests = mem_calloc((size_t)r->limits.calls_in_max + 1, sizeof *r->requests);
    list_init(&r->open_requests);
    list_init(&r->kept);
    buf_init(&r->out, SIZE_MAX / 2); // bounded by rpc_put
    loop_soon_init(&r->end_soon, on_end_soon, r);
    loop_soon_init(&r->flush_soon, on_flush_soon, r);
    status code = loop_watch_start(&r->watch, l, fd, LOOP_READABLE, on_event, r, e);
    if (code != STATUS_OK) {
        rpc_free(r);
        return code;
    }
    *ret = r;
    return STATUS_OK;
}

void rpc_hold(rpc *r) { r->holds++; }

void rpc_drop(rpc *r) {
    CHECK(r->holds > 0);
    if (--r->holds == 0 && r->is_freed) {
        mem_free(r->slots);
        mem_free(r->requests);
        mem_free(r->in); // what a callback was given lies in here
        mem_free(r);
    }
}

static void close_socket(rpc *r) {
    loop_watch_stop(&r->watch);
    fd_close(r->fd);
    r->fd = -1;
    loop_soon_cancel(&r->end_soon);
    loop_soon_cancel(&r->flush_soon);
    buf_done(&r->out);
    buf_init(&r->out, 0);
    r->out_start = 0;
    mem_free(r->large);
    r->large = NULL;
}

void rpc_free(rpc *r) {
    if (r == NULL || r->is_freed) {
        return;
    }
    rpc_hold(r);
    r->is_freed = true;
    close_socket(r);
    rpc_calls_lost(r, true);
    rpc_requests_lost(r, false);
    rpc_drop(r);
}

void rpc_break(rpc *r, status why, const char *format, ...) {
    if (rpc_is_dead(r)) {
        return;
    }
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->broken = err_set(&r->why, why, "%s", text);
    loop_soon_add(r->l, &r->end_soon);
}

// All calls end, then the owner hears of it. Only the loop calls this.
static void end_now(rpc *r, status why, const err *e) {
    rpc_hold(r);
    close_socket(r);
    rpc_calls_lost(r, false);
    if (!r->is_freed) {
        rpc_requests_lost(r, true);
    }
    if (!r->is_freed && r->handler.on_closed != NULL) {
        r->handler.on_closed(r->handler.arg, why, e);
    }
    rpc_drop(r);
}

static void on_end_soon(void *arg) {
    rpc *r = arg;
    if (r->fd >= 0) {
        err e = r->why;
        end_now(r, r->broken, &e);
    }
}

static bool has_calls(const rpc *r) { return r->counters.calls_out > 0 || r->counters.calls_in > 0; }

// Ends when there is a reason. True when it has ended.
static bool end_if_due(rpc *r) {
    if (r->is_freed || r->fd < 0) {
        return true;
    }
    if (r->broken != STATUS_OK) {
        on_end_soon(r);
        return true;
    }
    if (r->said_bye && r->heard_bye && !has_calls(r) && rpc_out_bytes(r) == 0) {
        end_now(r, STATUS_OK, NULL);
        return true;
    }
    return false;
}

bool rpc_is_open(const rpc *r) { return !rpc_is_dead(r) && !r->said_bye; }

void rpc_close(rpc *r) {
    if (rpc_is_open(r)) {
        r->said_bye = true;
        rpc_put_head(r, RPC_BYE, 0, 0, slice_empty());
    }
}

rpc_counters rpc_count(const rpc *r) {
    rpc_counters c = r->counters;
    c.out_bytes = rpc_out_bytes(r);
    return c;
}

// --- receiving ---------------------------------------------------------------------------------------------

static void on_peer_gone(rpc *r) {
    if (r->said_bye && r->heard_bye && !has_calls(r)) {
        end_now(r, STATUS_OK, NULL);
        return;
    }
    err e = {0};
    err_set(&e, STATUS_CLOSED, "the other process closed the connection");
    end_now(r, STATUS_CLOSED, &e);
}

// What the next read fills, and how much of it.
static size_t room(rpc *r, uint8_t **ret) {
    if (r->large != NULL) {
        *ret = r->large + r->large_len;
        return r->large_size - r->large_len;
    }
    *ret = r->in + r->in_len;
    return RPC_IN_BYTES - r->in_len;
}

static void took(rpc *r, size_t count) {
    if (r->large != NULL) {
        r->large_len += count;
        if (r->large_len == r->large_size) {
            rpc_take_large(r);
        }
        return;
    }
    r->in_len += count;
    rpc_take_frames(r);
}

// Reads once and does what came. True when there is likely more.
static bool receive(rpc *r) {
    uint8_t *to;
    size_t size = room(r, &to);
    long n = socket_receive(r->fd, to, size);
    r->counters.reads++;
    if (n == -EAGAIN) {
        return false;
    }
    if (n <= 0) { // a reset is how a peer ends that left something unread
        on_peer_gone(r);
        return false;
    }
    took(r, (size_t)n);
    return !end_if_due(r) && (size_t)n == size;
}

static void receive_some(rpc *r) {
    for (int i = 0; i < RPC_READS_MAX && receive(r); i++) {
    }
}

// --- sending -----------------------------------------------------------------------------------------------

// Each call of the peer is worth one short answer, each of ours one cancel, besides what the limit is for. A
// peer that follows the rules cannot make more.
static size_t out_bytes_hard_max(const rpc *r) {
    return r->limits.out_bytes_max +
           (size_t)r->limits.calls_in_max * (RPC_HEAD_BYTES + RPC_MESSAGE_BYTES_MAX) +
           (size_t)r->limits.calls_out_max * RPC_HEAD_BYTES + RPC_CALL_HEAD_BYTES;
}

void rpc_put(rpc *r, slice head, slice a, slice b, slice c) {
    if (rpc_is_dead(r)) {
        return;
    }
    if (r->out_start > 0 && r->out_start >= r->out.len / 2) {
        buf_consume(&r->out, r->out_start);
        r->out_start = 0;
    }
    size_t total = head.len + a.len + b.len + c.len;
    if (rpc_out_bytes(r) + total > out_bytes_hard_max(r)) {
        rpc_break(r, STATUS_LIMIT, "the other process does not read: %zu bytes wait for it",
                  rpc_out_bytes(r));
        return;
    }
    uint8_t *to = NULL;
    if (buf_reserve(&r->out, total, &to) != STATUS_OK) {
        rpc_break(r, STATUS_LIMIT, "no memory for %zu bytes to send", total);
        return;
    }
    const slice parts[] = {head, a, b, c};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].len > 0) {
            memcpy(to, parts[i].data, parts[i].len);
            to += parts[i].len;
        }
    }
    r->out.len += total;
    if (!r->is_blocked) {
        loop_soon_add(r->l, &r->flush_soon);
    }
}

static void set_blocked(rpc *r, bool is_blocked) {
    if (is_blocked != r->is_blocked) {
        r->is_blocked = is_blocked;
        loop_watch_set(&r->watch, LOOP_READABLE | (is_blocked ? LOOP_WRITABLE : 0u));
    }
}

static void on_all_written(rpc *r) {
    r->out_start = 0;
    if (r->out.capacity > RPC_KEPT_OUT_BYTES) {
        buf_done(&r->out);
        buf_init(&r->out, SIZE_MAX / 2);
    }
    buf_clear(&r->out);
    set_blocked(r, false);
    end_if_due(r);
}

// The peer takes nothing any more, but what it sent before counts.
static void on_cannot_write(rpc *r, int error) {
    for (int i = 0; i < RPC_READS_MAX * 16; i++) {
        if (!receive(r)) {
            break;
        }
    }
    if (!r->is_freed && !rpc_is_dead(r)) {
        if (error == EPIPE || error == ECONNRESET) {
            on_peer_gone(r);
        } else {
            rpc_break(r, STATUS_IO, "write to the other process: error %d", error);
            end_if_due(r);
        }
    }
}

static void flush(rpc *r) {
    size_t left = rpc_out_bytes(r);
    if (left == 0) {
        end_if_due(r);
        return;
    }
    long n = socket_send(r->fd, r->out.data + r->out_start, left);
    r->counters.writes++;
    if (n == -EAGAIN || (n >= 0 && (size_t)n < left)) {
        r->out_start += n < 0 ? 0 : (size_t)n;
        set_blocked(r, true);
    } else if (n < 0) {
        on_cannot_write(r, (int)-n);
    } else {
        on_all_written(r);
    }
}

static void on_flush_soon(void *arg) {
    rpc *r = arg;
    rpc_hold(r);
    if (!end_if_due(r)) {
        flush(r);
    }
    rpc_drop(r);
}

static void on_event(void *arg, unsigned events) {
    rpc *r = arg;
    rpc_hold(r);
    if (!end_if_due(r) && (events & (LOOP_READABLE | LOOP_ERROR)) != 0) {
        receive_some(r);
    }
    if (!end_if_due(r) && (events & LOOP_ERROR) != 0) {
        on_peer_gone(r);
    } else if (!r->is_freed && r->fd >= 0 && (events & LOOP_WRITABLE) != 0) {
        flush(r);
    }
    rpc_drop(r);
}
