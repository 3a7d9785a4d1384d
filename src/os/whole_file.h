// SPDX-License-Identifier: Apache-2.0
// Reading a file that the operator named, whole and bounded.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"

// Reads the regular file (or pipe) at `path` into an empty buffer. STATUS_NOT_FOUND, STATUS_LIMIT when it is
// larger than `bytes_max`, STATUS_INVALID for a directory, STATUS_IO otherwise; the message names the path.
status file_read_whole(const char *path, size_t bytes_max, buf *ret, err *e) WRIT_MUST_USE;
// The same for a file that others name: STATUS_INVALID unless it is a regular one, so that it never waits.
status file_read_regular(const char *path, size_t bytes_max, buf *ret, err *e) WRIT_MUST_USE;
// The same for a file whose words are believed: STATUS_DENIED unless it is a regular file of root or our user
// that nobody else may write. What is checked is what is read. A link that leads nowhere is STATUS_IO: a disk
// that is not mounted yet must not read as "nothing was decided".
status file_read_trusted(const char *path, size_t bytes_max, buf *ret, err *e) WRIT_MUST_USE;
