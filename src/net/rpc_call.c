// SPDX-License-Identifier: Apache-2.0
// Our calls. A slot is in use until its answer, also when nobody waits for that any more.
#include "base/check.h"
#include "base/mem.h"
#include "codec/utf.h"
#include "net/rpc_internal.h"

enum { SLOTS_AT_FIRST = 64 };

static bool take_slot(rpc *r, uint32_t *ret) {
    if (r->free_slot == UINT32_MAX) {
        uint32_t count = r->slot_count == 0 ? SLOTS_AT_FIRST : r->slot_count * 2;
        count = count < r->limits.calls_out_max ? count : r->limits.calls_out_max;
        if (count == r->slot_count) {
            return false;
        }
        r->slots = mem_resize(r->slots, count * sizeof *r->slots);
        for (uint32_t i = count; i-- > r->slot_count;) { // low numbers first
            r->slots[i] = (rpc_slot){.next_free = r->free_slot};
            r->free_slot = i;
        }
        r->slot_count = count;
    }
    *ret = r->free_slot;
    r->free_slot = r->slots[*ret].next_free;
    return true;
}

static void account(rpc *r, uint32_t slot, rpc_share *share, size_t bytes) {
    r->slots[slot].share = share;
    r->slots[slot].bytes = bytes;
    r->counters.calls_out++;
    r->counters.call_bytes += bytes;
    if (share != NULL) {
        share->calls++;
        share->bytes += bytes;
    }
}

static void give_slot(rpc *r, uint32_t slot) {
    const rpc_slot *s = &r->slots[slot];
    r->counters.calls_out--;
    r->counters.call_bytes -= s->bytes;
    if (s->share != NULL) {
        s->share->calls--;
        s->share->bytes -= s->bytes;
    }
    r->slots[slot] = (rpc_slot){.next_free = r->free_slot};
    r->free_slot = slot;
}

// The call is the caller's again.
static void detach(rpc_call *c) {
    loop_timer_stop(&c->deadline);
    loop_soon_cancel(&c->soon);
    c->r = NULL;
    c->l = NULL;
}

static void tell(rpc_call *c, status code, slice payload, const err *e) {
    rpc_ended ended = c->ended;
    void *arg = c->arg;
    detach(c);
    const rpc_result result = {.code = code, .payload = payload, .e = e};
    ended(arg, &result);
}

static void tell_failure(rpc_call *c, status code, const char *why) {
    err e = {0};
    err_set(&e, code, "%s", why);
    tell(c, code, slice_empty(), &e);
}

static const char lost_text[] = "the connection to the other process was lost";

static void on_soon(void *arg) {
    rpc_call *c = arg;
    tell_failure(c, STATUS_CLOSED, lost_text);
}

// Nobody waits any more; the slot stays until the answer.
static void abandon(rpc_call *c) {
    rpc *r = c->r;
    if (r != NULL) {
        r->slots[c->slot].call = NULL;
        rpc_put_head(r, RPC_CANCEL, 0, c->slot, slice_empty());
    }
}

static void on_deadline(void *arg) {
    rpc_call *c = arg;
    abandon(c);
    tell_failure(c, STATUS_TIMEOUT, "no answer in time");
}

static status check_call(const rpc *r, const rpc_message *m, size_t frame_bytes, err *e) {
    if (!rpc_is_open(r)) {
        return err_set(e, STATUS_CLOSED, "the connection to the other process is closed");
    }
    if (m->interface.len > RPC_NAME_BYTES_MAX || m->function.len > RPC_NAME_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "the name of a function has at most %d bytes", RPC_NAME_BYTES_MAX);
    }
    if (m->payload.len > r->limits.payload_bytes_max) {
        return err_set(e, STATUS_LIMIT, "arguments of %zu bytes; at most %u", m->payload.len,
                       r->limits.payload_bytes_max);
    }
    if (rpc_out_bytes(r) + frame_bytes > r->limits.out_bytes_max) {
        return err_set(e, STATUS_LIMIT, "too many bytes wait for the other process (%zu)", rpc_out_bytes(r));
    }
    return STATUS_OK;
}

static status check_share(const rpc *r, const rpc_share *s, size_t bytes, err *e) {
    size_t all = r->limits.in_bytes_max;
    size_t left = r->counters.call_bytes < all ? all - r->counters.call_bytes : 0;
    if (s == NULL) {
        return STATUS_OK;
    }
    if (s->calls >= r->limits.calls_out_max - r->counters.calls_out) {
        return err_set(e, STATUS_LIMIT, "%u calls wait already, which is the share of one caller", s->calls);
    }
    if (s->bytes > left || bytes > left - s->bytes) {
        return err_set(e, STATUS_LIMIT, "calls with %zu bytes wait already, which is the share of one caller",
                       s->bytes);
    }
    return STATUS_OK;
}

static void put_u32(uint8_t *p, uint32_t v) {
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static void put_call(rpc *r, uint32_t slot, const rpc_message *m, uint64_t time_ns) {
    size_t size = RPC_CALL_HEAD_BYTES + m->interface.len + m->function.len + m->payload.len;
    uint8_t head[RPC_CALL_HEAD_BYTES] = {0};
    put_u32(head, (uint32_t)(size - 4));
    head[4] = RPC_CALL;
    head[6] = (uint8_t)m->interface.len;
    head[7] = (uint8_t)(m->interface.len >> 8);
    put_u32(head + 8, slot);
    put_u32(head + 12, m->target);
    put_u32(head + 16, (uint32_t)m->function.len);
    put_u32(head + 20, (uint32_t)time_ns);
    put_u32(head + 24, (uint32_t)(time_ns >> 32));
    rpc_put(r, slice_of(head, sizeof head), m->interface, m->function, m->payload);
}

status rpc_call_start(rpc *r, rpc_call *c, const rpc_message *m, uint64_t deadline_ns, rpc_ended ended,
                      void *arg, err *e) {
    CHECK(c->l == NULL);
    size_t bytes = m->interface.len + m->function.len + m->payload.len;
    rpc_share *share = c->share;
    TRY(check_call(r, m, RPC_CALL_HEAD_BYTES + bytes, e));
    TRY(check_share(r, share, bytes, e));
    uint64_t now_ns = loop_now_ns(r->l);
    if (deadline_ns <= now_ns) {
        return err_set(e, STATUS_TIMEOUT, "the time for the call is over before it began");
    }
    uint32_t slot = 0;
    if (!take_slot(r, &slot)) {
        return err_set(e, STATUS_LIMIT, "too many calls at one time (%u)", r->limits.calls_out_max);
    }
    *c = (rpc_call){.r = r, .ended = ended, .arg = arg, .l = r->l, .slot = slot, .share = share};
    loop_timer_init(&c->deadline, r->l, on_deadline, c);
    loop_soon_init(&c->soon, on_soon, c);
    r->slots[slot] = (rpc_slot){.call = c, .is_used = true};
    account(r, slot, share, bytes);
    r->counters.started++;
    put_call(r, slot, m, deadline_ns == UINT64_MAX ? 0 : deadline_ns - now_ns);
    if (deadline_ns != UINT64_MAX) {
        loop_timer_start_at(&c->deadline, deadline_ns);
    }
    return STATUS_OK;
}

void rpc_call_cancel(rpc_call *c) {
    if (c->l != NULL) {
        abandon(c);
        detach(c);
    }
}

void rpc_call_answered(rpc *r, uint32_t slot, status code, slice rest) {
    if (slot >= r->slot_count || !r->slots[slot].is_used) {
        rpc_break(r, STATUS_INVALID, "an answer to no call (number %u)", slot);
        return;
    }
    rpc_call *c = r->slots[slot].call;
    give_slot(r, slot);
    if (c == NULL) {
        return;
    }
    if (code == STATUS_OK) {
        tell(c, STATUS_OK, rest, NULL);
        return;
    }
    err e = {.code = code};
    utf8_shown(rest, e.message, sizeof e.message);
    tell(c, code, slice_empty(), &e);
}

void rpc_calls_lost(rpc *r, bool later) {
    for (uint32_t i = 0; i < r->slot_count; i++) {
        rpc_call *c = r->slots[i].call;
        if (!r->slots[i].is_used) {
            continue;
        }
        give_slot(r, i);
        if (c == NULL) {
            continue;
        }
        c->r = NULL;
        if (later) {
            loop_timer_stop(&c->deadline);
            loop_soon_add(c->l, &c->soon);
        } else {
            tell_failure(c, STATUS_CLOSED, lost_text);
        }
    }
}
