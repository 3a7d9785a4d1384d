// SPDX-License-Identifier: Apache-2.0
// Calls of the peer, until they are answered.
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/rpc_internal.h"

void rpc_put_head(rpc *r, enum rpc_frame_type type, uint16_t x, uint32_t slot, slice rest) {
    size_t length = RPC_HEAD_BYTES - 4 + rest.len;
    const uint8_t head[RPC_HEAD_BYTES] = {
        (uint8_t)length,
        (uint8_t)(length >> 8),
        (uint8_t)(length >> 16),
        (uint8_t)(length >> 24),
        (uint8_t)type,
        0,
        (uint8_t)x,
        (uint8_t)(x >> 8),
        (uint8_t)slot,
        (uint8_t)(slot >> 8),
        (uint8_t)(slot >> 16),
        (uint8_t)(slot >> 24),
    };
    rpc_put(r, slice_of(head, sizeof head), rest, slice_empty(), slice_empty());
}

void rpc_request_refuse(rpc *r, uint32_t slot, const char *why) {
    r->counters.refused++;
    rpc_put_head(r, RPC_ANSWER, STATUS_LIMIT, slot, slice_from_text(why));
}

static rpc_request *take_request(rpc *r) {
    list_node *node = list_pop_front(&r->kept);
    if (node != NULL) {
        r->kept_count--;
        return LIST_ENTRY(node, rpc_request, node);
    }
    return mem_try_alloc(sizeof(rpc_request));
}

// Names and payload to memory of the request's own.
static bool keep_bytes(rpc_request *q, uint8_t *own) {
    rpc_message *m = &q->m;
    q->own = own;
    if (own != NULL) {
        return true;
    }
    uint8_t *to = q->inline_bytes;
    if (q->bytes > sizeof q->inline_bytes) {
        to = q->own = mem_try_alloc(q->bytes);
        if (to == NULL) {
            return false;
        }
    }
    slice *parts[] = {&m->interface, &m->function, &m->payload};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i]->len > 0) {
            memcpy(to, parts[i]->data, parts[i]->len);
        }
        parts[i]->data = to;
        to += parts[i]->len;
    }
    return true;
}

static void give_request(rpc *r, rpc_request *q) {
    mem_free(q->own);
    if (r == NULL || r->is_freed || r->kept_count >= RPC_KEPT_REQUESTS) {
        mem_free(q);
        return;
    }
    list_push_back(&r->kept, &q->node);
    r->kept_count++;
}

static const char *why_refused(const rpc *r, uint32_t slot, size_t bytes) {
    if (slot >= r->limits.calls_in_max) {
        return "too many calls at one time";
    }
    return bytes > r->limits.in_bytes_max - r->counters.in_bytes ? "too many bytes of calls at one time"
                                                                 : NULL;
}

void rpc_request_new(rpc *r, uint32_t slot, const rpc_message *m, uint64_t time_ns, uint8_t *own) {
    size_t bytes = m->interface.len + m->function.len + m->payload.len;
    const char *refused = why_refused(r, slot, bytes);
    rpc_request *q = refused == NULL ? take_request(r) : NULL;
    if (q != NULL) {
        q->r = r;
        q->m = *m;
        q->bytes = bytes;
        q->own = NULL;
        if (!keep_bytes(q, own)) {
            give_request(r, q);
            q = NULL;
        }
    }
    if (q == NULL) {
        mem_free(own);
        rpc_request_refuse(r, slot, refused != NULL ? refused : "no memory for the call");
        return;
    }
    uint64_t now_ns = loop_now_ns(r->l);
    q->slot = slot;
    q->is_cancelled = false;
    q->data = NULL;
    q->deadline_ns = time_ns == 0 || time_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + time_ns;
    list_push_back(&r->open_requests, &q->node);
    r->requests[slot] = q;
    r->counters.calls_in++;
    r->counters.in_bytes += bytes;
    r->counters.served++;
    if (r->handler.on_call == NULL) {
        rpc_fail(q, STATUS_UNSUPPORTED, "this end answers no calls");
    } else {
        r->handler.on_call(r->handler.arg, q);
    }
}

void rpc_request_cancelled(rpc *r, uint32_t slot) {
    rpc_request *q = slot < r->limits.calls_in_max ? r->requests[slot] : NULL;
    if (q == NULL || q->is_cancelled) {
        return; // answered before the peer could know
    }
    q->is_cancelled = true;
    if (r->handler.on_cancel != NULL) {
        r->handler.on_cancel(r->handler.arg, q);
    }
}

const rpc_message *rpc_request_message(const rpc_request *q) { return &q->m; }
uint64_t rpc_request_deadline_ns(const rpc_request *q) { return q->deadline_ns; }
bool rpc_request_is_cancelled(const rpc_request *q) { return q->is_cancelled; }
void rpc_request_set_data(rpc_request *q, void *data) { q->data = data; }
void *rpc_request_data(const rpc_request *q) { return q->data; }

// Ends it, sending what is given.
static void end(rpc_request *q, status code, slice rest) {
    rpc *r = q->r;
    list_remove(&q->node);
    if (r != NULL) {
        r->counters.calls_in--;
        r->counters.in_bytes -= q->bytes;
        r->requests[q->slot] = NULL;
        rpc_put_head(r, RPC_ANSWER, (uint16_t)code, q->slot, rest);
    }
    give_request(r, q);
}

// Large answers have to leave as much room as they take, so that they cannot keep small ones out.
static bool has_room(const rpc *r, size_t bytes) {
    size_t used = rpc_out_bytes(r);
    size_t left = used < r->limits.out_bytes_max ? r->limits.out_bytes_max - used : 0;
    return bytes <= (bytes <= RPC_SMALL_ANSWER_BYTES || used == 0 ? left : left / 2);
}

void rpc_answer(rpc_request *q, slice payload) {
    const rpc *r = q->r;
    if (r != NULL && q->is_cancelled) {
        end(q, STATUS_CANCELLED, slice_empty());
    } else if (r != NULL && payload.len > r->limits.payload_bytes_max) {
        rpc_fail(q, STATUS_LIMIT, "an answer of %zu bytes; at most %u", payload.len,
                 r->limits.payload_bytes_max);
    } else if (r != NULL && !has_room(r, payload.len)) {
        rpc_fail(q, STATUS_LIMIT, "too many bytes of answers wait for the caller");
    } else {
        end(q, STATUS_OK, payload);
    }
}

void rpc_fail(rpc_request *q, status code, const char *format, ...) {
    CHECK(code != STATUS_OK);
    char text[RPC_MESSAGE_BYTES_MAX + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    end(q, code, q->is_cancelled ? slice_empty() : slice_from_text(text));
}

void rpc_requests_lost(rpc *r, bool tell) {
    list_node lost;
    list_init(&lost);
    for (list_node *node; (node = list_pop_front(&r->open_requests)) != NULL;) {
        list_push_back(&lost, node);
    }
    for (list_node *node; (node = list_pop_front(&lost)) != NULL;) {
        rpc_request *q = LIST_ENTRY(node, rpc_request, node);
        bool knew = q->is_cancelled;
        q->is_cancelled = true;
        r->counters.calls_in--;
        r->counters.in_bytes -= q->bytes;
        r->requests[q->slot] = NULL;
        q->r = NULL;
        if (tell && !knew && r->handler.on_cancel != NULL && !r->is_freed) {
            r->handler.on_cancel(r->handler.arg, q);
        }
    }
    while (!list_empty(&r->kept)) {
        mem_free(LIST_ENTRY(list_pop_front(&r->kept), rpc_request, node));
    }
    r->kept_count = 0;
}
