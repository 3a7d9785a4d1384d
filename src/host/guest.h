// SPDX-License-Identifier: Apache-2.0
// One running guest: its store, its instance, its task on the loop, its deadlines. What runs in it (a
// request, a command) is a body that its owner gives.
//
//   guest_new    a store from the pool; nothing has run yet
//   guest_run    instantiates if that has not happened yet, then runs the body as a task: starts at once
//   unless
//                others of its workload wait for their turn, goes on when something that it waits for happens
//                or others had their turn
//   `ended`      is called once per run, from guest_run itself or from the loop; may free or run the guest
//   again
//
// Turns: the guests of one workload that could run wait in a queue of their own, and each turn of the loop
// gives every such queue about one time slice. So a workload with a thousand busy guests takes as much of a
// worker as one with a single busy guest, and a turn of the loop stays short.
//
// Belongs to the thread of its loop.
#pragma once

#include "base/list.h"
#include "host/admission.h"
#include "host/cell.h"
#include "host/workload.h"
#include "loop/loop.h"
#include "net/connector.h"

typedef struct guest_turn { // one that may wait in the queue
    list_node node;
    bool is_queued;
    void (*run)(void *arg);
    void *arg;
} guest_turn;

typedef struct guest_queue { // of the guests of one workload that could run
    list_node waiting;
    loop_soon soon;
    loop *loop;
} guest_queue;

void guest_queue_init(guest_queue *q, loop *l);
void guest_queue_done(guest_queue *q); // all guests must be gone; accepts a zeroed one

void guest_turn_init(guest_turn *t, void (*run)(void *arg), void *arg);
// `run` is called from the loop, once; nothing when it waits already.
void guest_queue_add(guest_queue *q, guest_turn *t);
void guest_turn_cancel(guest_turn *t);

typedef struct guest_place { // where guests live: the same for all of a workload in a worker
    const workload *workload;
    loop *loop;
    connector *connector;
    cell_work *cell;
    guest_queue *queue;
    admission admission;
    struct http_client *http; // NULL when outgoing requests are not granted
} guest_place;

typedef struct guest guest;

typedef enum guest_outcome {
    GUEST_RETURNED,
    GUEST_EXITED,    // called wasi:cli/exit, see exit_code
    GUEST_TRAPPED,   // its own fault, or a limit other than time
    GUEST_TIMED_OUT, // over its wall or CPU time
    GUEST_CANCELLED, // by guest_cancel
} guest_outcome;

typedef struct guest_end {
    guest_outcome outcome;
    uint8_t exit_code;
    err e; // why, unless it returned or exited
} guest_end;

typedef struct guest_run_options {
    // Runs inside the task, may suspend. Its status is the outcome.
    status (*body)(void *context, guest *g, component_instance *instance, err *e);
    void (*ended)(void *context, guest *g, const guest_end *end);
    void *context;
    uint64_t cpu_ns_max;  // 0 = no limit
    uint64_t deadline_ns; // of loop_now_ns; 0 = none
} guest_run_options;

// STATUS_LIMIT when the pool has no room.
status guest_new(const guest_place *place, guest **ret, err *e) WRIT_MUST_USE;
// Cancels what runs, without calling `ended`. Accepts NULL. Not from inside the body.
void guest_free(guest *g);

void guest_run(guest *g, const guest_run_options *options);
// Ends the run with GUEST_CANCELLED, from the loop, soon.
void guest_cancel(guest *g);

wasi_instance *guest_wasi(guest *g);
core_store *guest_store(guest *g);
// Whether it may run again: it has returned, without a trap or an exit.
bool guest_is_reusable(const guest *g);
// Why it trapped, for the log: reason, demangled functions.
void guest_describe_trap(const guest *g, const guest_end *end, char *text, size_t size);
