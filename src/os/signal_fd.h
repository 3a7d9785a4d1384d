// SPDX-License-Identifier: Apache-2.0
// Signals as a descriptor, for a process without a loop (loop/signal.h is for those with one).
#pragma once

#include <signal.h>
#include <stddef.h>

#include "base/attributes.h"
#include "base/err.h"

typedef struct signal_fd {
    int fd;        // readable when one has come
    sigset_t mask; // what was blocked before
} signal_fd;

// Blocks the signals and makes the descriptor, close-on-exec and non-blocking.
status signal_fd_open(const int *numbers, size_t count, signal_fd *ret, err *e) WRIT_MUST_USE;
// The next signal, or 0 when none has come.
int signal_fd_next(signal_fd *s);
// Signals are as they were before.
void signal_fd_close(signal_fd *s);
