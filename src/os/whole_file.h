// SPDX-License-Identifier: Apache-2.0
// Reading a file that the operator named, whole and bounded.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"

// Reads the regular file (or pipe) at `path` into an empty buffer. STATUS_NOT_FOUND, STATUS_LIMIT when it is
// larger than `bytes_max`, STATUS_INVALID for a directory, STATUS_IO otherwise; the message names the path.
status file_read_whole(const char *path, size_t bytes_max, buf *ret, err *e) WRIT_MUST_USE;
