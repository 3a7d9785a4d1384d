// SPDX-License-Identifier: Apache-2.0
#include "host/log_ring.h"

#include <stdatomic.h>

#include "base/mem.h"
#include "os/fd.h"
#include "os/lock.h"
#include "os/memory_file.h"

// Positions count bytes since the beginning; a line is its length and its bytes, and goes round the end.
typedef struct ring_page {
    _Atomic uint64_t first; // of the oldest line
    _Atomic uint64_t end;
    uint8_t bytes[LOG_RING_BYTES];
} ring_page;

struct log_ring {
    int fd; // its lock is given up by a process that dies
    memory_map map;
};

enum { LENGTH_BYTES = 4 };

static ring_page *page_of(const log_ring *r) { return r->map.data; }

status log_ring_new(log_ring **ret, err *e) {
    log_ring *r = MEM_NEW(log_ring);
    r->fd = -1;
    status s = memory_file_shared("writ-log", sizeof(ring_page), &r->fd, e);
    if (s == STATUS_OK) {
        s = memory_map_shared(r->fd, sizeof(ring_page), &r->map, e);
    }
    if (s != STATUS_OK) {
        log_ring_free(r);
        return s;
    }
    *ret = r;
    return STATUS_OK;
}

void log_ring_free(log_ring *r) {
    if (r != NULL) {
        memory_map_done(&r->map);
        fd_close(r->fd);
        mem_free(r);
    }
}

static void copy_in(ring_page *p, uint64_t at, const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        p->bytes[(at + i) % LOG_RING_BYTES] = bytes[i];
    }
}

static void copy_out(const ring_page *p, uint64_t at, uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        bytes[i] = p->bytes[(at + i) % LOG_RING_BYTES];
    }
}

static uint32_t length_at(const ring_page *p, uint64_t at) {
    uint8_t n[LENGTH_BYTES];
    copy_out(p, at, n, sizeof n);
    return (uint32_t)n[0] | (uint32_t)n[1] << 8 | (uint32_t)n[2] << 16 | (uint32_t)n[3] << 24;
}

void log_ring_write(log_ring *r, slice line) {
    ring_page *p = page_of(r);
    const uint8_t n[LENGTH_BYTES] = {(uint8_t)line.len, (uint8_t)(line.len >> 8), 0, 0};
    if (line.len > LOG_RING_LINE_BYTES_MAX) {
        return;
    }
    process_lock_take(r->fd);
    uint64_t first = atomic_load_explicit(&p->first, memory_order_relaxed);
    uint64_t end = atomic_load_explicit(&p->end, memory_order_relaxed);
    while (end + LENGTH_BYTES + line.len - first > LOG_RING_BYTES) {
        first += LENGTH_BYTES + length_at(p, first);
    }
    atomic_store_explicit(&p->first, first, memory_order_relaxed);
    copy_in(p, end, n, sizeof n);
    copy_in(p, end + LENGTH_BYTES, line.data, line.len);
    atomic_store_explicit(&p->end, end + LENGTH_BYTES + line.len, memory_order_release);
    process_lock_give(r->fd);
}

uint64_t log_ring_end(const log_ring *r) {
    return atomic_load_explicit(&page_of(r)->end, memory_order_acquire);
}

static status read_locked(const ring_page *p, uint64_t *position, buf *ret) {
    uint64_t first = atomic_load_explicit(&p->first, memory_order_relaxed);
    uint64_t end = atomic_load_explicit(&p->end, memory_order_relaxed);
    uint64_t at = *position < first ? first : *position;
    uint8_t *room;
    if (at >= end) {
        return STATUS_NOT_FOUND;
    }
    uint32_t len = length_at(p, at);
    if (len > LOG_RING_LINE_BYTES_MAX || len > end - at) { // a position that nobody was given
        *position = end;
        return STATUS_NOT_FOUND;
    }
    TRY(buf_reserve(ret, len, &room));
    copy_out(p, at + LENGTH_BYTES, room, len);
    ret->len += len;
    *position = at + LENGTH_BYTES + len;
    return STATUS_OK;
}

status log_ring_read(log_ring *r, uint64_t *position, buf *ret) {
    buf_clear(ret);
    process_lock_take(r->fd);
    status s = read_locked(page_of(r), position, ret);
    process_lock_give(r->fd);
    return s;
}
