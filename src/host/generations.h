// SPDX-License-Identifier: Apache-2.0
// A host that is replaced by another while it serves: `writ up`, whose manifest has changed.
//
// A small process, which reads nothing and holds no code, starts the host in a copy of itself: a generation.
// On SIGHUP it starts the next generation beside the running one. That one reads, believes, decides and
// compiles everything for itself; when all its workers serve on the same listening sockets, the old
// generation is told to retire: it accepts no more, answers what it has, and ends. When the next one does not
// get so far, nothing has changed. The process with the drivers is the small process's child: links that are
// the same in two generations keep what they have.
//
//   SIGHUP            the next generation; the end when it comes because our terminal is gone
//   SIGINT, SIGTERM   the end of all; a second one at once
#pragma once

#include "base/buf.h"
#include "host/config.h"

typedef struct generation generation; // seen from inside

typedef struct generations_options {
    // Runs a host; in a process of its own. Must lead host_run here with generation_adopt and
    // generation_serving. Returns its exit status.
    int (*run)(void *context, generation *g);
    // Somebody must hear it: the next generation failed with this exit status, and nothing has changed.
    void (*kept)(void *context, int exit_status);
    void *context;
} generations_options;

// Until the end. `ret_exit` is the exit status of the generation that was the last; in the copies, what `run`
// returned.
status generations_run(const generations_options *o, int *ret_exit, err *e) WRIT_MUST_USE;

// Before host_run: the sockets of the generation before, if there was one, and the process with the drivers.
void generation_adopt(generation *g, host_config *c);
// All workers serve; `fds` are the sockets (host_observer.listening).
void generation_serving(generation *g, const int *fds, size_t count);

// Bytes that the generation after this one gets, once this one serves: before generation_serving. Nobody else
// reads them.
enum { GENERATION_MEMORY_BYTES_MAX = 8 << 20 };
void generation_remember(generation *g, slice bytes);
// Those of the generation before; empty when there was none, or it left none.
status generation_remembered(const generation *g, buf *ret, err *e) WRIT_MUST_USE;
