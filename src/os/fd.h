// SPDX-License-Identifier: Apache-2.0
// File descriptors: closing them, their flags, and whole reads and writes that survive signals.
// Every descriptor that Writ makes is close-on-exec; a child gets what process_spawn or a channel passes it.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

void fd_close(int fd); // accepts -1

static inline void fd_cleanup(int *fd) { fd_close(*fd); }
#define auto_fd WRIT_CLEANUP(fd_cleanup) int

// Makes /dev/null of those of the descriptors 0, 1 and 2 that are closed. First thing in a process: else
// files and sockets get these numbers, and are written to by whoever means standard output.
void fd_open_standard(void);

// What nobody reads and nothing comes from, in place of a descriptor that is open; that stays when it fails.
void fd_replace_by_null(int fd);
// The same as a new descriptor; -1 when it fails.
int fd_open_null(void);

status fd_set_nonblocking(int fd, bool nonblocking, err *e) WRIT_MUST_USE;
// A second descriptor of the same open file.
status fd_duplicate(int fd, int *ret, err *e) WRIT_MUST_USE;

// Opens a directory that the operator named; the message names it.
status fd_open_directory(const char *path, int *ret, err *e) WRIT_MUST_USE;
// What a path leads to, to be named and not read; -1 when there is nothing.
int fd_open_named(const char *path);

// Reads up to `len` bytes at `offset`; fewer only at the end of the file.
status fd_read_at(int fd, void *bytes, size_t len, uint64_t offset, size_t *ret_len, err *e) WRIT_MUST_USE;
// What there is now, at least one byte: STATUS_NOT_FOUND when there is nothing, STATUS_CLOSED at the end.
status fd_read_some(int fd, void *bytes, size_t len, size_t *ret_len) WRIT_MUST_USE;
// Writes everything, waiting where the descriptor is not ready.
status fd_write_all(int fd, slice bytes, err *e) WRIT_MUST_USE;
// Writes everything or nothing and never waits: false when the reader is behind (or gone). For log lines, at
// most PIPE_BUF bytes, which pipes take whole.
bool fd_write_if_ready(int fd, slice bytes);
