// SPDX-License-Identifier: Apache-2.0
// Files below an open directory, for callers that must translate every error: all functions answer 0 or an
// errno value. Nothing here follows a symbolic link that the caller did not ask to follow, descriptors are
// close-on-exec, and opening never waits (a FIFO without a peer, a device).
#pragma once

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

typedef enum file_kind {
    FILE_KIND_UNKNOWN,
    FILE_KIND_BLOCK_DEVICE,
    FILE_KIND_CHARACTER_DEVICE,
    FILE_KIND_DIRECTORY,
    FILE_KIND_FIFO,
    FILE_KIND_SYMBOLIC_LINK,
    FILE_KIND_REGULAR,
    FILE_KIND_SOCKET,
} file_kind;

typedef struct file_time {
    int64_t seconds; // since 1970
    uint32_t nanoseconds;
} file_time;

typedef struct file_info {
    file_kind kind;
    uint64_t device;
    uint64_t inode;
    uint64_t link_count;
    uint64_t size;
    file_time accessed;
    file_time modified;
    file_time changed;
} file_info;

// --- opening; `flags` are those of open(2) ---------------------------------------------------------------

// Resolves all of `path` below `dir`: neither "..", nor a symbolic link, nor a rename at the same time leads
// out (EXDEV). ENOSYS on kernels without openat2, EAGAIN when renames got in the way too often.
int file_open_beneath(int dir, const char *path, int flags, int *ret_fd) WRIT_MUST_USE;
// Opens one component, which must not be a symbolic link (ELOOP, or ENOTDIR with O_DIRECTORY; with O_PATH
// alone the link itself).
int file_open_component(int dir, const char *name, int flags, int *ret_fd) WRIT_MUST_USE;

// --- what a directory holds: `name` is one component, links are not followed -----------------------------

int file_info_at(int dir, const char *name, file_info *ret) WRIT_MUST_USE;
// The target without NUL; ENAMETOOLONG when it does not fit, EINVAL when it is no link.
int file_read_link(int dir, const char *name, char *text, size_t size, size_t *ret_len) WRIT_MUST_USE;
int file_make_directory(int dir, const char *name) WRIT_MUST_USE;
int file_make_link(int dir, const char *name, const char *target) WRIT_MUST_USE; // symbolic
int file_link(int old_dir, const char *old_name, int new_dir, const char *new_name) WRIT_MUST_USE;
int file_rename(int old_dir, const char *old_name, int new_dir, const char *new_name) WRIT_MUST_USE;
int file_remove(int dir, const char *name) WRIT_MUST_USE;           // not a directory
int file_remove_directory(int dir, const char *name) WRIT_MUST_USE; // an empty one
typedef enum file_time_mode { FILE_TIME_KEEP, FILE_TIME_NOW, FILE_TIME_SET } file_time_mode;
typedef struct file_times {
    file_time_mode access_mode;
    file_time_mode modify_mode;
    file_time accessed; // FILE_TIME_SET
    file_time modified;
} file_times;
int file_set_times_at(int dir, const char *name, const file_times *times) WRIT_MUST_USE;

// --- open files ------------------------------------------------------------------------------------------

int file_info_of(int fd, file_info *ret) WRIT_MUST_USE;
// Also for descriptors that were opened with O_PATH.
int file_set_times(int fd, const file_times *times) WRIT_MUST_USE;
int file_set_size(int fd, uint64_t size) WRIT_MUST_USE;
int file_sync(int fd, bool data_only) WRIT_MUST_USE;
typedef enum file_advice {
    FILE_ADVICE_NORMAL,
    FILE_ADVICE_SEQUENTIAL,
    FILE_ADVICE_RANDOM,
    FILE_ADVICE_WILL_NEED,
    FILE_ADVICE_DONT_NEED,
    FILE_ADVICE_NO_REUSE,
} file_advice;
int file_advise(int fd, uint64_t offset, uint64_t length, file_advice advice) WRIT_MUST_USE;
// One transfer each; fewer bytes at the end of the file or when the disk is full.
int file_read(int fd, void *bytes, size_t len, uint64_t offset, size_t *ret_len) WRIT_MUST_USE;
int file_write(int fd, const void *bytes, size_t len, uint64_t offset, size_t *ret_len) WRIT_MUST_USE;
int file_append(int fd, const void *bytes, size_t len, size_t *ret_len) WRIT_MUST_USE;

// --- reading directories ---------------------------------------------------------------------------------

enum { FILE_LISTING_BYTES = 8192 };
typedef struct file_listing {
    size_t at;
    size_t len;
    _Alignas(16) uint8_t records[FILE_LISTING_BYTES];
} file_listing;

typedef struct file_entry {
    const char *name; // valid until the next call
    file_kind kind;   // FILE_KIND_UNKNOWN where the file system does not tell
} file_entry;

// The next entry of an open directory, "." and ".." included; `ret->name` is NULL at the end. `l` starts
// zeroed.
int file_next_entry(int fd, file_listing *l, file_entry *ret) WRIT_MUST_USE;
