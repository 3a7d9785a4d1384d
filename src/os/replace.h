// SPDX-License-Identifier: Apache-2.0
// Writing a file that the operator named, whole or not at all.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

// Writes the bytes beside `path`, syncs and renames, so that a reader finds the old file or the new one and
// never a part. A file that was there keeps its permissions, without set-user-ID and the like, since the new
// one belongs to us; a new one gets 0666 less the umask. A symbolic link is followed. STATUS_INVALID when
// something else than a regular file is there, STATUS_NOT_FOUND when the directory is missing, STATUS_IO
// otherwise; the message names the path.
status file_replace_whole(const char *path, slice bytes, err *e) WRIT_MUST_USE;
// The same for a program: who may read it may run it (a new one gets 0777 less the umask).
status file_replace_program(const char *path, slice bytes, err *e) WRIT_MUST_USE;
