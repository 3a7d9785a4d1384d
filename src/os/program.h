// SPDX-License-Identifier: Apache-2.0
// Programs of others that this one runs and does not trust more than it must: a capability provider. Other
// than tools (os/process.h) they get no environment but what is named here, cannot gain privileges, leave no
// core dump, are killed when the thread that started them ends, and cannot look into or signal any process
// that they did not start, whosever it is (Landlock; without it, on old kernels, only what the system's own
// rules forbid). Files and the network are theirs as they are the user's.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "os/process.h"

typedef struct program_options {
    int program_fd;                 // what is executed: a file or a memory file
    const char *const *argv;        // NULL-terminated, at least the name
    const char *const *environment; // all of it, NULL-terminated
    int input_fd;                   // becomes its standard input
    int output_fd;                  // becomes its standard output and error
} program_options;

// It leads a process group of its own (process_signal_group). The failure of executing it is told here:
// returns when it runs.
status program_spawn(const program_options *options, process *ret, err *e) WRIT_MUST_USE;

// For its standard input: the reader's end blocks, as programs expect, the writer's does not.
status program_input_pipe(int *ret_read, int *ret_write, err *e) WRIT_MUST_USE;
// For its output: the other way round.
status program_output_pipe(int *ret_read, int *ret_write, err *e) WRIT_MUST_USE;
