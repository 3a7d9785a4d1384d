// SPDX-License-Identifier: Apache-2.0
// Files and directories that nobody but our own user may change: for keys, and for what we believe because we
// wrote it.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/err.h"

// Opens the directory, making it and its missing parents (mode 0700). STATUS_DENIED when it belongs to
// somebody else or others may write to it.
status private_directory_open(const char *path, int *ret_fd, err *e) WRIT_MUST_USE;

// Makes a new file in an open directory (mode 0600); for reading and writing. 0 or an errno value.
int private_file_create(int dir, const char *name, int *ret_fd) WRIT_MUST_USE;

// Makes an empty file that only this user can read, unless it is there; for libraries that open files by
// themselves and would make one that others can read. `path` is absolute.
enum { PRIVATE_PATH_BYTES_MAX = 4096 };
status private_file_make(const char *path, err *e) WRIT_MUST_USE;

// Whether the open file is a regular one of our user that nobody else may write (and, for a secret, read).
bool private_file_is_ours(int fd, bool is_secret);

// Opens for reading a file that holds a secret: a regular one of this user that nobody else can read. `name`
// is below the open directory `dir` and no symbolic link, or any path when `dir` is -1. `shown` is how
// messages call it. STATUS_NOT_FOUND, or STATUS_DENIED with what to do about it.
status private_secret_open(int dir, const char *name, const char *shown, int *ret_fd, err *e) WRIT_MUST_USE;

// What somebody else put there for us: mounted files, whose owner is root or this user.
typedef enum private_mounted {
    PRIVATE_MOUNTED_PLACE,     // a directory: others may at most add to it (its sticky bit is set)
    PRIVATE_MOUNTED_DIRECTORY, // a directory that nobody else may write
    PRIVATE_MOUNTED_FILE,      // a regular file that nobody else may write
    PRIVATE_MOUNTED_SECRET,    // a regular file that nobody else may write, and only its group may read
} private_mounted;
// STATUS_DENIED with what to do about it.
status private_mounted_check(int fd, private_mounted what, const char *shown, err *e) WRIT_MUST_USE;
// Opens it for reading, through symbolic links, and checks it.
status private_mounted_open(const char *path, private_mounted what, int *ret_fd, err *e) WRIT_MUST_USE;
