// SPDX-License-Identifier: Apache-2.0
// The last lines of a host's log, in memory that all its generations share: written by each, read by the one
// that is asked for them. Lines have positions, which only grow, so that a reader goes on where it was, also
// with the next generation. Old lines make room for new ones.
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum { LOG_RING_BYTES = 4 << 20, LOG_RING_LINE_BYTES_MAX = 8 << 10 };

typedef struct log_ring log_ring;

// Before the first process that uses it is forked.
status log_ring_new(log_ring **ret, err *e) WRIT_MUST_USE;
void log_ring_free(log_ring *r); // accepts NULL; of this process alone

void log_ring_write(log_ring *r, slice line); // over the maximum: it is left out

uint64_t log_ring_end(const log_ring *r); // the position after the last line
// The next line at or after `*position`, which moves behind it. STATUS_NOT_FOUND at the end. `ret` is emptied
// first.
status log_ring_read(log_ring *r, uint64_t *position, buf *ret) WRIT_MUST_USE;
