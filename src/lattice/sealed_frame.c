// SPDX-License-Identifier: Apache-2.0
#include "lattice/sealed_frame.h"

#include "lattice/bytes.h"

// What a call may end with, by its number on the wire.
static const status codes[] = {
    [1] = STATUS_INVALID, [2] = STATUS_UNSUPPORTED, [3] = STATUS_DENIED,    [4] = STATUS_NOT_FOUND,
    [5] = STATUS_LIMIT,   [6] = STATUS_TIMEOUT,     [7] = STATUS_CANCELLED, [8] = STATUS_CLOSED,
    [9] = STATUS_TRAP,    [10] = STATUS_INTERNAL,
};
enum { CODE_COUNT = sizeof codes / sizeof *codes, CODE_CLOSED = 8 };

static uint8_t code_number(status code) {
    for (uint8_t i = 1; i < CODE_COUNT; i++) {
        if (codes[i] == code) {
            return i;
        }
    }
    return CODE_CLOSED;
}

// --- reading -----------------------------------------------------------------------------------------------

static bool is_name(slice s, size_t max) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] <= ' ' || s.data[i] >= 0x7f) {
            return false;
        }
    }
    return s.len <= max;
}

static bool read_call(bytes_reader *r, frame *f) {
    uint64_t flags = bytes_take_number(r, 1);
    lattice_invocation *i = &f->invocation;
    f->sent_ms = bytes_take_number(r, 8);
    f->wait_ms = (uint32_t)bytes_take_number(r, 4);
    i->is_idempotent = (flags & FRAME_IDEMPOTENT) != 0;
    i->source = bytes_take_run(r, 2);
    i->source_issuer = bytes_take_run(r, 1);
    i->link = bytes_take_run(r, 2);
    i->target = bytes_take_run(r, 2);
    i->instance = bytes_take_run(r, 2);
    i->function = bytes_take_run(r, 2);
    i->trace = bytes_take_run(r, 1);
    f->total = (uint32_t)bytes_take_number(r, 4);
    return flags <= FRAME_IDEMPOTENT && is_name(i->source, LATTICE_ID_BYTES_MAX) &&
           is_name(i->source_issuer, UINT8_MAX) && is_name(i->link, LATTICE_ID_BYTES_MAX) &&
           is_name(i->target, LATTICE_ID_BYTES_MAX) && is_name(i->instance, LATTICE_INSTANCE_BYTES_MAX) &&
           is_name(i->function, LATTICE_FUNCTION_BYTES_MAX) && is_name(i->trace, FRAME_TRACE_BYTES_MAX) &&
           i->target.len > 0 && f->total <= LATTICE_PARAMS_BYTES_MAX;
}

static bool read_path(bytes_reader *r, frame *f, bool may_be_root) {
    f->path = (unsigned)bytes_take_number(r, 1);
    return f->path < LATTICE_PATHS_MAX || (may_be_root && f->path == FRAME_ROOT_PATH);
}

static bool read_fail(bytes_reader *r, frame *f) {
    uint64_t number = bytes_take_number(r, 1);
    f->code = number > 0 && number < CODE_COUNT ? codes[number] : STATUS_CLOSED;
    return r->rest.len <= FRAME_TEXT_BYTES_MAX;
}

// Everything before the body.
static bool read_rest(bytes_reader *r, frame *f) {
    switch (f->kind) {
    case FRAME_CALL:
        return f->is_from_caller && read_call(r, f);
    case FRAME_ANSWER:
        f->total = (uint32_t)bytes_take_number(r, 4);
        return !f->is_from_caller && f->total <= LATTICE_PARAMS_BYTES_MAX;
    case FRAME_ROOT:
    case FRAME_GREET:
        return true;
    case FRAME_DATA:
        return read_path(r, f, false);
    case FRAME_END:
        return read_path(r, f, false) && r->rest.len == 0;
    case FRAME_CREDIT:
        if (!read_path(r, f, true)) {
            return false;
        }
        f->credit = (uint32_t)bytes_take_number(r, 4);
        return r->rest.len == 0;
    case FRAME_CANCEL:
        return f->is_from_caller && r->rest.len == 0;
    case FRAME_FAIL:
        return !f->is_from_caller && read_fail(r, f);
    case FRAME_ASK:
        return f->is_from_caller && r->rest.len == 0;
    case FRAME_STATE: {
        uint64_t known = bytes_take_number(r, 1);
        f->is_known = known == 1;
        if (known > 1) {
            return false;
        }
        f->received = (uint32_t)bytes_take_number(r, 4);
        f->asked = (uint32_t)bytes_take_number(r, 4);
        return !f->is_from_caller && r->rest.len == 0;
    }
    case FRAME_HERE:
    case FRAME_HEARD:
    case FRAME_GOODBYE:
        return r->rest.len == 0;
    }
    return false;
}

bool frame_read(slice bytes, frame *ret) {
    bytes_reader r = {bytes, false};
    frame f = {0};
    uint64_t kind = bytes_take_number(&r, 1);
    f.is_from_caller = (kind & FRAME_FROM_CALLER) != 0;
    f.kind = (frame_kind)(kind & ~(uint64_t)FRAME_FROM_CALLER);
    f.call = bytes_take_number(&r, 8);
    f.index = (uint32_t)bytes_take_number(&r, 4);
    if (!read_rest(&r, &f) || r.is_short) {
        return false;
    }
    f.body = r.rest;
    if ((f.kind == FRAME_CALL || f.kind == FRAME_ANSWER) && f.body.len > f.total) {
        return false;
    }
    *ret = f;
    return true;
}

// --- writing -----------------------------------------------------------------------------------------------

static status write_call(const frame *f, buf *b) {
    const lattice_invocation *i = &f->invocation;
    if (!is_name(i->source, LATTICE_ID_BYTES_MAX) || !is_name(i->source_issuer, UINT8_MAX) ||
        !is_name(i->link, LATTICE_ID_BYTES_MAX) || !is_name(i->target, LATTICE_ID_BYTES_MAX) ||
        !is_name(i->instance, LATTICE_INSTANCE_BYTES_MAX) ||
        !is_name(i->function, LATTICE_FUNCTION_BYTES_MAX) || i->target.len == 0) {
        return STATUS_INVALID;
    }
    // A trace that does not fit is no reason to fail a call.
    slice trace = is_name(i->trace, FRAME_TRACE_BYTES_MAX) ? i->trace : slice_empty();
    TRY(bytes_put_number(b, i->is_idempotent ? FRAME_IDEMPOTENT : 0, 1));
    TRY(bytes_put_number(b, f->sent_ms, 8));
    TRY(bytes_put_number(b, f->wait_ms, 4));
    TRY(bytes_put_run(b, i->source, 2));
    TRY(bytes_put_run(b, i->source_issuer, 1));
    TRY(bytes_put_run(b, i->link, 2));
    TRY(bytes_put_run(b, i->target, 2));
    TRY(bytes_put_run(b, i->instance, 2));
    TRY(bytes_put_run(b, i->function, 2));
    TRY(bytes_put_run(b, trace, 1));
    return bytes_put_number(b, f->total, 4);
}

status frame_write(const frame *f, buf *b) {
    TRY(bytes_put_number(b, f->kind | (f->is_from_caller ? (unsigned)FRAME_FROM_CALLER : 0), 1));
    TRY(bytes_put_number(b, f->call, 8));
    TRY(bytes_put_number(b, f->index, 4));
    switch (f->kind) {
    case FRAME_CALL:
        return write_call(f, b);
    case FRAME_ANSWER:
        return bytes_put_number(b, f->total, 4);
    case FRAME_DATA:
    case FRAME_END:
        return bytes_put_number(b, f->path, 1);
    case FRAME_CREDIT:
        TRY(bytes_put_number(b, f->path, 1));
        return bytes_put_number(b, f->credit, 4);
    case FRAME_FAIL:
        return bytes_put_number(b, code_number(f->code), 1);
    case FRAME_STATE:
        TRY(bytes_put_number(b, f->is_known, 1));
        TRY(bytes_put_number(b, f->received, 4));
        return bytes_put_number(b, f->asked, 4);
    case FRAME_ROOT:
    case FRAME_CANCEL:
    case FRAME_GREET:
    case FRAME_HERE:
    case FRAME_HEARD:
    case FRAME_GOODBYE:
    case FRAME_ASK:
        break;
    }
    return STATUS_OK;
}
