// SPDX-License-Identifier: Apache-2.0
// Anonymous files in memory (memfd), with which processes share bytes: sealed copies that nobody can change
// any more, and pages that both sides write.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

// A file with these bytes, sealed: neither its size nor its contents can change.
status memory_file_from_bytes(const char *name, slice bytes, int *ret_fd, err *e) WRIT_MUST_USE;

// A sealed copy of the whole file behind `fd`, at most `max` bytes (STATUS_LIMIT over it). A copy, because a
// file that somebody truncates while it is mapped kills the process that reads it.
status memory_file_copy(const char *name, int fd, size_t max, int *ret_fd, err *e) WRIT_MUST_USE;

// An empty file for somebody else to fill, and what makes it final afterwards. Sealing fails while the other
// still has it mapped for writing.
status memory_file_new(const char *name, int *ret_fd, err *e) WRIT_MUST_USE;
status memory_file_seal(int fd, err *e) WRIT_MUST_USE;

// A zeroed file of fixed size that every holder may write.
status memory_file_shared(const char *name, size_t bytes, int *ret_fd, err *e) WRIT_MUST_USE;

// A zeroed file of fixed size, mapped here for writing; everybody else can only read it, and sees each write.
typedef struct memory_map memory_map;
status memory_file_published(const char *name, size_t bytes, int *ret_fd, memory_map *ret,
                             err *e) WRIT_MUST_USE;

// A mapping of a whole memory file. Checks that its size cannot change, so that access never faults, and for
// read-only mappings that its contents cannot change either.
struct memory_map {
    void *data;
    size_t len;
};

status memory_map_read(int fd, size_t max, memory_map *ret, err *e) WRIT_MUST_USE;
status memory_map_shared(int fd, size_t bytes, memory_map *ret, err *e) WRIT_MUST_USE; // exactly `bytes` long
// Of a published file: what it shows changes.
status memory_map_watch(int fd, size_t bytes, memory_map *ret, err *e) WRIT_MUST_USE;
void memory_map_done(memory_map *m); // accepts a zeroed one

static inline slice memory_map_slice(const memory_map *m) { return slice_of(m->data, m->len); }
