// SPDX-License-Identifier: Apache-2.0
// The page that a worker shares with the supervisor: signs of life and counters. One page per worker, so that
// none can write another's.
//
// The worker writes, the supervisor reads. What it reads is hostile input: it only compares and clamps, and
// nothing but logs, metrics and the decision to replace that worker follows from it.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "host/config.h"

typedef enum cell_state {
    CELL_STARTING,
    CELL_SERVING,
    CELL_DRAINING,
} cell_state;

typedef struct cell_work {                   // of one workload in this worker
    _Alignas(64) _Atomic uint32_t instances; // running now
    _Atomic uint32_t queued;                 // requests that wait for an instance
    _Atomic uint64_t requests;               // begun since the start
    _Atomic uint64_t deliveries;             // calls of drivers, likewise
    _Atomic uint64_t traps;
    _Atomic uint64_t timeouts; // by wall or CPU time
    _Atomic uint64_t rejected; // because of the bounds
    _Atomic uint64_t cpu_ns;   // of guests
} cell_work;

typedef struct cell {
    _Alignas(64) _Atomic uint64_t heartbeat_ns; // clock_now_ns of the last turn of the worker's loop
    _Atomic uint32_t state;                     // cell_state
    cell_work work[HOST_WORKLOADS_MAX];
} cell;

// Counters have one writer, so no read-modify-write is needed.
static inline void cell_add(_Atomic uint64_t *counter, uint64_t n) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}
static inline void cell_set(_Atomic uint32_t *gauge, uint32_t n) {
    atomic_store_explicit(gauge, n, memory_order_relaxed);
}
