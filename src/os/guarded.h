// SPDX-License-Identifier: Apache-2.0
// Files that decide what a machine does, in a directory that only root or our own user may change; replaced
// whole while others read them.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

// Opens the directory. STATUS_NOT_FOUND when there is none, STATUS_DENIED when it belongs to another user or
// others may write to it, STATUS_IO also for a link that leads nowhere.
status guarded_directory_open(const char *path, int *ret_fd, err *e) WRIT_MUST_USE;

// Waits until no other process holds the lock "NAME.lock" of the directory (os/lock.h), at most 10 s. Closing
// the descriptor gives it up.
status guarded_lock(int dir, const char *name, int *ret_fd, err *e) WRIT_MUST_USE;

// Under the lock: writes the file beside (".NAME.new"; what a crash left there is removed), syncs, renames
// and syncs the directory. A new file has mode 0600; one that was there keeps who may read it.
status guarded_replace(int dir, const char *name, slice bytes, err *e) WRIT_MUST_USE;
