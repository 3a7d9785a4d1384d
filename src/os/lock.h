// SPDX-License-Identifier: Apache-2.0
// A lock file that says who holds it: for processes that write one file in turn. The lock is given up when
// its process ends, however it ends; the file stays, since removing it would let two hold "it".
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/err.h"

// Opens the file in an open directory; `make`: for writing, and a new one (mode 0600) where there is none.
// Else STATUS_NOT_FOUND.
status lock_open(int dir, const char *name, bool make, int *ret_fd, err *e) WRIT_MUST_USE;

// Waits until no other open file holds it (or, when `is_shared`, none that is not shared), at most `wait_ms`:
// then STATUS_TIMEOUT, with the process that holds it. `shown` is how messages call the file.
status lock_take(int fd, bool is_shared, uint32_t wait_ms, const char *shown, err *e) WRIT_MUST_USE;
void lock_give(int fd);

// A lock between processes that share an open file, by fork; a process that ends gives it up. Held for
// moments: waits for as long as it takes.
void process_lock_take(int fd);
void process_lock_give(int fd);
