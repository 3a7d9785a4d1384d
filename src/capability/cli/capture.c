// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "capability/cli/stdio.h"

static uint64_t now_ns(const wasi_instance *i) { return i->clock->monotonic_ns(i->clock->context); }

// A bucket that holds one second's worth.
static void refill(stdio_capture *c) {
    const uint64_t second_ns = 1000000000;
    uint64_t rate = c->instance->workload->limits.log_bytes_per_second_max;
    uint64_t now = now_ns(c->instance);
    uint64_t elapsed_ns = now - c->refilled_ns;
    if (elapsed_ns >= second_ns) {
        c->tokens = rate;
        c->refilled_ns = now;
        return;
    }
    uint64_t added = (uint64_t)((__uint128_t)elapsed_ns * rate / second_ns);
    if (added > 0) { // else keep collecting time, so that a slow rate is not rounded away
        c->tokens = c->tokens + added < rate ? c->tokens + added : rate;
        c->refilled_ns = now;
    }
}

static void emit(stdio_capture *c, stdio_lines *lines) {
    wasi_instance *i = c->instance;
    const wasi_log_sink *sink = &i->workload->log;
    refill(c);
    // An empty line costs too, or a guest could log newlines without bound.
    uint64_t cost = lines->len + 1;
    if (cost <= c->tokens && sink->line != NULL) {
        c->tokens -= cost;
        sink->line(sink->context, i, lines->is_stderr, slice_of(lines->line, lines->len));
    } else {
        i->counters.log_bytes_dropped += cost;
    }
    lines->len = 0;
}

// The part of a line without its newline; the rest of a line that was cut is dropped.
static void append(stdio_capture *c, stdio_lines *lines, slice bytes) {
    size_t max = c->instance->workload->limits.log_line_bytes_max;
    size_t room = lines->is_cut ? 0 : max - lines->len;
    size_t taken = bytes.len < room ? bytes.len : room;
    if (taken > 0) {
        memcpy(lines->line + lines->len, bytes.data, taken);
        lines->len += taken;
    }
    c->instance->counters.log_bytes_dropped += bytes.len - taken;
    if (taken < bytes.len && !lines->is_cut) {
        lines->is_cut = true;
        emit(c, lines);
    }
}

void stdio_capture_write(stdio_capture *c, stdio_lines *lines, slice bytes) {
    size_t at = 0;
    while (at < bytes.len) {
        size_t newline = slice_find(bytes, at, '\n');
        append(c, lines, slice_sub(bytes, at, newline));
        if (newline == SIZE_MAX) {
            return;
        }
        if (!lines->is_cut) {
            emit(c, lines);
        }
        lines->is_cut = false;
        at = newline + 1;
    }
}

static void capture_free(void *state) {
    stdio_capture *c = state;
    stdio_lines *both[] = {&c->out, &c->err};
    for (size_t i = 0; i < 2; i++) {
        if (both[i]->len > 0) {
            emit(c, both[i]);
        }
        mem_free(both[i]->line);
    }
    mem_free(c);
}

stdio_capture *stdio_capture_of(wasi_instance *i) {
    if (i->slots[WASI_SLOT_CLI].state != NULL) {
        return i->slots[WASI_SLOT_CLI].state;
    }
    stdio_capture *c = MEM_NEW(stdio_capture);
    size_t max = i->workload->limits.log_line_bytes_max;
    c->instance = i;
    c->out.line = mem_alloc(max > 0 ? max : 1);
    c->err.line = mem_alloc(max > 0 ? max : 1);
    c->err.is_stderr = true;
    c->tokens = i->workload->limits.log_bytes_per_second_max;
    c->refilled_ns = now_ns(i);
    i->slots[WASI_SLOT_CLI].state = c;
    i->slots[WASI_SLOT_CLI].free = capture_free;
    return c;
}
