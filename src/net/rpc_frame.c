// SPDX-License-Identifier: Apache-2.0
// Frames of the peer. Everything in them is checked here, before anybody else sees it.
#include "base/mem.h"
#include "net/rpc_internal.h"

static uint16_t get_u16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static uint32_t get_u32(const uint8_t *p) { return get_u16(p) | (uint32_t)get_u16(p + 2) << 16; }
static uint64_t get_u64(const uint8_t *p) { return get_u32(p) | (uint64_t)get_u32(p + 4) << 32; }

typedef struct frame {
    uint8_t type;
    uint16_t x;
    uint32_t slot;
    size_t size; // of the whole frame
    const uint8_t *bytes;
} frame;

static size_t frame_size_max(const rpc *r) {
    return RPC_CALL_HEAD_BYTES + 2 * (size_t)RPC_NAME_BYTES_MAX + r->limits.payload_bytes_max;
}

// The head of a frame, `have` bytes of which are there (at least RPC_HEAD_BYTES).
static bool read_head(rpc *r, const uint8_t *bytes, frame *ret) {
    *ret = (frame){.type = bytes[4],
                   .x = get_u16(bytes + 6),
                   .slot = get_u32(bytes + 8),
                   .size = 4 + (size_t)get_u32(bytes),
                   .bytes = bytes};
    if (ret->type < RPC_CALL || ret->type > RPC_BYE || bytes[5] != 0) {
        rpc_break(r, STATUS_INVALID, "a frame of unknown type %u", ret->type);
    } else if (ret->size < RPC_HEAD_BYTES || ret->size > frame_size_max(r)) {
        rpc_break(r, STATUS_INVALID, "a frame of %zu bytes", ret->size);
    } else if (ret->slot >= RPC_CALLS_MAX) {
        rpc_break(r, STATUS_INVALID, "a call with the number %u", ret->slot);
    } else if (ret->type == RPC_CALL && (r->heard_bye || ret->size < RPC_CALL_HEAD_BYTES)) {
        rpc_break(r, STATUS_INVALID,
                  r->heard_bye ? "a call after the end of calls" : "a call without its head");
    } else if (ret->type == RPC_CALL && ret->slot < r->limits.calls_in_max &&
               r->requests[ret->slot] != NULL) {
        rpc_break(r, STATUS_INVALID, "two calls with the number %u", ret->slot);
    } else {
        return true;
    }
    return false;
}

// `own`: the frame's memory, which becomes the request's, or NULL. True when it was taken.
static bool take_call(rpc *r, const frame *f, uint8_t *own) {
    const uint8_t *p = f->bytes;
    size_t function_len = get_u32(p + 16);
    uint64_t time_ns = get_u64(p + 20);
    size_t left = f->size - RPC_CALL_HEAD_BYTES;
    if (f->x > RPC_NAME_BYTES_MAX || function_len > RPC_NAME_BYTES_MAX || left < f->x + function_len ||
        left - f->x - function_len > r->limits.payload_bytes_max) {
        rpc_break(r, STATUS_INVALID, "a call whose parts do not fit it");
        return false;
    }
    p += RPC_CALL_HEAD_BYTES;
    rpc_message m = {.target = get_u32(f->bytes + 12),
                     .interface = slice_of(p, f->x),
                     .function = slice_of(p + f->x, function_len),
                     .payload = slice_of(p + f->x + function_len, left - f->x - function_len)};
    rpc_request_new(r, f->slot, &m, time_ns, own);
    return true;
}

static void take_answer(rpc *r, const frame *f) {
    size_t left = f->size - RPC_HEAD_BYTES;
    if (f->x > STATUS_INTERNAL || (f->x == STATUS_OK && left > r->limits.payload_bytes_max) ||
        (f->x != STATUS_OK && left > RPC_MESSAGE_BYTES_MAX)) {
        rpc_break(r, STATUS_INVALID, "an answer that breaks the rules (status %u, %zu bytes)", f->x, left);
        return;
    }
    rpc_call_answered(r, f->slot, (status)f->x, slice_of(f->bytes + RPC_HEAD_BYTES, left));
}

// True when the memory `own` was taken.
static bool take(rpc *r, const frame *f, uint8_t *own) {
    switch (f->type) {
    case RPC_CALL:
        return take_call(r, f, own);
    case RPC_ANSWER:
        take_answer(r, f);
        return false;
    default:
        break;
    }
    if (f->size != RPC_HEAD_BYTES || f->x != 0 || (f->type == RPC_BYE && (f->slot != 0 || r->heard_bye))) {
        rpc_break(r, STATUS_INVALID, "a frame of type %u that breaks the rules", f->type);
    } else if (f->type == RPC_CANCEL) {
        rpc_request_cancelled(r, f->slot);
    } else {
        r->heard_bye = true;
        rpc_close(r);
    }
    return false;
}

// A frame that does not fit the buffer gets memory of its own, unless nobody will read it.
static void begin_large(rpc *r, const frame *f, size_t have) {
    bool is_call = f->type == RPC_CALL;
    bool fits = !is_call || (f->slot < r->limits.calls_in_max &&
                             f->size <= r->limits.in_bytes_max - r->counters.in_bytes);
    r->large = fits ? mem_try_alloc(f->size) : NULL;
    if (r->large != NULL) {
        memcpy(r->large, f->bytes, have);
        r->large_len = have;
        r->large_size = f->size;
    } else if (is_call) {
        r->skip = f->size - have;
        rpc_request_refuse(r, f->slot, "too many bytes of calls at one time");
    } else {
        rpc_break(r, STATUS_LIMIT, "no memory for an answer of %zu bytes", f->size);
    }
    r->in_start = r->in_len;
}

static bool skip_refused(rpc *r) {
    size_t have = r->in_len - r->in_start;
    size_t count = r->skip < have ? r->skip : have;
    r->skip -= count;
    r->in_start += count;
    return r->skip == 0;
}

void rpc_take_frames(rpc *r) {
    while (!r->is_freed && !rpc_is_dead(r) && skip_refused(r)) {
        size_t have = r->in_len - r->in_start;
        frame f;
        if (have < RPC_HEAD_BYTES || !read_head(r, r->in + r->in_start, &f)) {
            break;
        }
        if (f.size > have) {
            if (f.size > RPC_IN_BYTES) {
                begin_large(r, &f, have);
                continue;
            }
            break;
        }
        r->in_start += f.size;
        take(r, &f, NULL);
    }
    if (!r->is_freed && r->in_start > 0) {
        memmove(r->in, r->in + r->in_start, r->in_len - r->in_start);
        r->in_len -= r->in_start;
        r->in_start = 0;
    }
}

void rpc_take_large(rpc *r) {
    uint8_t *bytes = r->large;
    r->large = NULL;
    frame f;
    bool taken = read_head(r, bytes, &f) && take(r, &f, bytes);
    if (!taken) {
        mem_free(bytes);
    }
}
