// SPDX-License-Identifier: Apache-2.0
// The process of a provider of 1.x: started with one line on its standard input, read line by line, seen
// ending. Its environment is RUST_LOG and OTEL_* of ours, nothing else.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"
#include "loop/loop.h"

typedef struct provider_process provider_process;

enum {
    PROVIDER_SAID_BYTES_MAX = 2048,           // of a line; longer ones are several
    PROVIDER_SAID_BYTES_A_SECOND = 128 << 10, // over it lines are dropped, and counted
};

typedef struct provider_process_owner {
    void *arg;
    void (*said)(void *arg, slice line); // printable; valid during the call
    void (*ended)(void *arg, const char *how);
} provider_process_owner;

provider_process *provider_process_new(loop *l, const provider_process_owner *owner);
void provider_process_free(provider_process *p); // accepts NULL; kills

// `name` is what it is called in lists of processes. Copies and wipes `line`. Only while it does not run.
status provider_process_spawn(provider_process *p, int program_fd, const char *name, slice line,
                              err *e) WRIT_MUST_USE;
void provider_process_kill(provider_process *p); // with what it started itself; `ended` is not called
