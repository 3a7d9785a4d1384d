// SPDX-License-Identifier: Apache-2.0
// Hearing that something in directories has changed (inotify). What has changed, whoever hears it looks up.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/err.h"

// A descriptor, close-on-exec and non-blocking, that is readable when something has changed.
status file_watch_open(int *ret_fd, err *e) WRIT_MUST_USE;
// Also what is in this directory from now on, itself not followed as a link; again is fine. STATUS_LIMIT when
// the system gives no more watches, STATUS_NOT_FOUND when it is no directory (any more).
status file_watch_add(int fd, const char *directory, err *e) WRIT_MUST_USE;
// Takes what has come; false when there was nothing.
bool file_watch_drain(int fd);
