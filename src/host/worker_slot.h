// SPDX-License-Identifier: Apache-2.0
// One place for a worker under the supervisor: starts its process, watches it, replaces it. The supervisor
// decides when.
#pragma once

#include "host/admission.h"
#include "host/broker.h"
#include "host/cell.h"
#include "host/drivers.h"
#include "host/reveal_desk.h"
#include "host/supervisor.h"
#include "loop/loop.h"
#include "os/memory_file.h"
#include "os/process.h"

typedef enum slot_state {
    SLOT_EMPTY,    // no process; a restart may be planned
    SLOT_STARTING, // not ready yet
    SLOT_SERVING,
    SLOT_DRAINING,
} slot_state;

typedef struct worker_slot worker_slot;

typedef struct slot_events {
    void *context;
    void (*ready)(void *context, worker_slot *s);
    void (*failed)(void *context, worker_slot *s, const err *why); // before it was ready, with its own words
    void (*finished)(void *context, worker_slot *s, uint8_t exit_status);
    void (*ended)(void *context, worker_slot *s, process_exit x); // the process is gone; the slot is empty
} slot_events;

typedef struct slot_place { // the same for all slots
    const supervisor_options *options;
    loop *loop;
    connector *connector; // that connects for all
    drivers *drivers;     // NULL when no workload has a link
    int config_fd;
    int admission_fd;
    admission_page *admissions; // one for each workload
    slot_events events;
    workload_figures *ended; // for each workload, receives the counters of workers that end
} slot_place;

struct worker_slot {
    const slot_place *place;
    uint32_t index;
    slot_state state;
    process process;
    pid_t pid; // stays when the process is gone
    channel channel;
    broker *broker;
    reveal_desk *reveals;
    int cell_fd;
    memory_map cell_page;
    int error_fd; // what it writes to its standard error; -1 when that is ours
    loop_watch process_watch, channel_watch, error_watch;
    loop_timer restart;
    uint64_t started_ns;
    uint64_t died_ns;   // of the predecessor; 0 for the first
    uint64_t last_beat; // value of the heartbeat, and when it last changed
    uint64_t last_change_ns;
    uint64_t log_bytes[HOST_WORKLOADS_MAX + 1]; // that events of each workload, and its own, may still use
    uint64_t log_refilled_ns;                   // when that was filled up
    uint32_t log_dropped;                       // since then
    uint32_t failures;                          // in a row, of workers that did not live long
    bool is_retiring;                           // told to, and alive
    bool is_hung;                               // we killed it for that
    bool has_failed;                            // it has said so
    bool was_ready;
    bool is_replacement;
};

void slot_init(worker_slot *s, const slot_place *place, uint32_t index);
status slot_start(worker_slot *s, err *e) WRIT_MUST_USE;
void slot_plan_restart(worker_slot *s, uint64_t delay_ns);
// Gives a worker that serves a new connection to the drivers.
void slot_connect_drivers(worker_slot *s);
void slot_drain(worker_slot *s);
void slot_retire(worker_slot *s); // MESSAGE_RETIRE; slot_drain may follow
void slot_kill(worker_slot *s);
// Whether its heartbeat has not changed for too long, seen at `now_ns`.
bool slot_is_hung(worker_slot *s, uint64_t now_ns);
void slot_done(worker_slot *s); // kills and reaps what is left

static inline const cell *slot_cell(const worker_slot *s) { return s->cell_page.data; }
