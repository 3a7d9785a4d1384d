// SPDX-License-Identifier: Apache-2.0
// Standard input, output and error, which we share with whoever started us: their flags are not ours to
// change, so they may block, and readiness is asked for before each transfer.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

enum { STDIO_WRITE_BYTES_MAX = 4096 }; // PIPE_BUF: a writable pipe has room for this much

// Whether a read (or a write of STDIO_WRITE_BYTES_MAX) would return at once; also at the end and after an
// error.
bool stdio_can_read(int fd);
bool stdio_can_write(int fd);
bool stdio_is_terminal(int fd);
bool stdio_is_nonblocking(int fd);

// One read; STATUS_CLOSED at the end, and with 0 bytes STATUS_OK when there is nothing now.
status stdio_read(int fd, void *bytes, size_t len, size_t *ret_len, err *e) WRIT_MUST_USE;
// One write, `ret_len` may be less than all. STATUS_CLOSED when nobody reads any more.
status stdio_write(int fd, slice bytes, size_t *ret_len, err *e) WRIT_MUST_USE;
