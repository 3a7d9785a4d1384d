// SPDX-License-Identifier: Apache-2.0
// A host that is replaced by another while it serves: `writ up`, whose manifests have changed.
//
// A small process, which reads nothing and holds no code, starts the host in a copy of itself: a generation.
// On SIGHUP, or when the running generation asks for it, it starts the next one beside it. That one reads,
// believes, decides and compiles everything for itself; when all its workers serve on the same listening
// sockets, the old generation is told to retire: it accepts no more, answers what it has, and ends. When the
// next one does not get so far, nothing has changed. The process with the drivers is the small process's
// child: links that are the same in two generations keep what they have.
//
// What generations tell their successors are memory files that the small process passes on unread: the plan,
// which says what to run, and the summary, which says what ran.
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
    // The first one serves. May be NULL.
    void (*serving)(void *context);
    void *context;
    // Who says what runs, by generations_assign and so on; nobody else does then. Its end is ours. Borrowed;
    // NULL = there is none.
    struct channel *owner;
    // Looks at what a plan would run, in a process of its own, and writes what it found to the memory file
    // `ret_fd`, also when it returns another exit status than 0. May be NULL.
    int (*check)(void *context, int plan_fd, int ret_fd);
    bool is_background; // nobody reads our standard error once the first one serves
} generations_options;

// Until the end. `ret_exit` is the exit status of the generation that was the last; in the copies, what `run`
// returned.
status generations_run(const generations_options *o, int *ret_exit, err *e) WRIT_MUST_USE;

// --- the owner ---------------------------------------------------------------------------------------------

typedef enum generations_event_kind {
    GENERATIONS_TAKEN,   // the next generation serves what was assigned
    GENERATIONS_REFUSED, // it ended before that; what ran before goes on
    GENERATIONS_CHECKED,
    // A generation is about to start: on this channel it asks for its sessions with drivers
    // (driver_process_ask_session).
    GENERATIONS_BEGINS,
} generations_event_kind;

typedef struct generations_event { // descriptors are the receiver's to close; -1 = there is none
    generations_event_kind kind;
    int exit_status; // of one that was refused, or that checked
    int report_fd;   // what it wrote to its standard error
    int result_fd;   // GENERATIONS_CHECKED
    int drivers_fd;  // GENERATIONS_BEGINS
} generations_event;

// The next generation runs this plan. One at a time: the answer comes before another is assigned.
status generations_assign(struct channel *c, int plan_fd, err *e) WRIT_MUST_USE;
// Likewise one at a time, beside generations that come and go.
status generations_check(struct channel *c, int plan_fd, err *e) WRIT_MUST_USE;
// STATUS_NOT_FOUND when there is nothing now, STATUS_CLOSED when all have ended.
status generations_receive(struct channel *c, generations_event *ret) WRIT_MUST_USE;

// --- seen from inside --------------------------------------------------------------------------------------

// Before host_run: the sockets of the generation before, if there was one, and the process with the drivers.
void generation_adopt(generation *g, host_config *c);

// Memory files; -1 where there is none, as in the first generation.
int generation_plan(const generation *g);
int generation_summary(const generation *g);
bool generation_is_reread(const generation *g); // SIGHUP: what the plan has read before is to be read again
bool generation_keeps_changes(const generation *g); // then: but what was changed by hand came after SIGHUP

bool generation_is_reported(const generation *g); // what it says is an answer until it serves

// All workers serve; `fds` are the sockets (host_observer.listening). The files are for whoever comes next,
// -1 where there is none (no summary without a plan); the caller keeps its descriptors. What is written to
// standard error from now on is nobody's answer.
void generation_serving(generation *g, const int *fds, size_t count, int plan_fd, int summary_fd);

// Bytes that the generation after this one gets, once this one serves: before generation_serving. Nobody else
// reads them.
enum { GENERATION_MEMORY_BYTES_MAX = 8 << 20 };
void generation_remember(generation *g, slice bytes);
// Those of the generation before; empty when there was none, or it left none.
status generation_remembered(const generation *g, buf *ret, err *e) WRIT_MUST_USE;

// --- while it serves ---------------------------------------------------------------------------------------

// Asks for the next generation, with this plan. The answer comes on the channel.
status generation_ask_next(generation *g, int plan_fd, err *e) WRIT_MUST_USE;
// From now on this is the plan, for whoever comes next.
status generation_keep_plan(generation *g, int plan_fd, err *e) WRIT_MUST_USE;
void generation_ask_end(generation *g); // of all of them

typedef struct generation_answer {
    bool is_taken;   // the next one serves; this one is about to be told to retire
    int exit_status; // else: of the next one
    int report_fd;   // what it wrote to its standard error; the receiver's to close; -1 = nothing was kept
} generation_answer;

int generation_channel(const generation *g); // readable when an answer has come, or the parent is gone
// STATUS_NOT_FOUND when there is none now, STATUS_CLOSED.
status generation_receive(generation *g, generation_answer *ret) WRIT_MUST_USE;
