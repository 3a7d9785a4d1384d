// SPDX-License-Identifier: Apache-2.0
// All secrets of a host, each once, from whatever backends: fetched before anything runs, then asked for
// again from time to time. Values lie in locked memory, here and nowhere else of the process.
//
//   add backends and secrets -> secret_pool_fetch -> secret_pool_watch (on the loop of the host) -> unwatch
//
// A value is as new as the backend's pause says. What is not found any more is given no more; what cannot be
// fetched for another reason stays as it was, at most for as long as the backend's `keep_ns` says, and each
// version no longer than its own time.
#pragma once

#include "secrets/backend.h"

typedef struct secret_pool secret_pool;

enum { SECRET_POOL_ITEMS_MAX = 8192, SECRET_POOL_BACKENDS_MAX = 256 };

typedef struct secret_pool_events { // from the loop, after the start; each may be NULL
    void *context;
    // What a backend has could not be fetched, the first time in a row, and again.
    void (*lost)(void *context, uint32_t backend, const err *why);
    void (*back)(void *context, uint32_t backend);
    // It has another value now, or none any more.
    void (*changed)(void *context, uint32_t item, bool is_there);
} secret_pool_events;

typedef struct secret_pool_backend {
    secret_backend *backend; // the pool's from then on
    uint64_t pause_ns;       // between two batches
    uint64_t keep_ns;        // how long values are given that could not be fetched again; 0 = no bound
    bool comes_later;        // it needs values of the others
} secret_pool_backend;

// `wall_s` NULL = the clock of the machine.
secret_pool *secret_pool_new(const secret_pool_events *events, uint64_t (*wall_s)(void *arg), void *arg);
void secret_pool_free(secret_pool *p); // accepts NULL; when unwatched
// The number of it, from 0. Before secret_pool_fetch.
uint32_t secret_pool_add_backend(secret_pool *p, const secret_pool_backend *b);
// The number of the secret, the same for the same one. Texts are copied. Before secret_pool_fetch.
uint32_t secret_pool_add(secret_pool *p, uint32_t backend, const char *key, const char *field,
                         const char *version);

// Fetches all, on a loop of its own, until each was answered. What could not be had is told by
// secret_pool_state; a failure is that the machine lacks something.
status secret_pool_fetch(secret_pool *p, err *e) WRIT_MUST_USE;
// What the last fetch of it ended with.
status secret_pool_state(const secret_pool *p, uint32_t item, err *e);

status secret_pool_watch(secret_pool *p, loop *l, err *e) WRIT_MUST_USE;
void secret_pool_unwatch(secret_pool *p); // idempotent; accepts NULL. May turn the loop

// Borrowed until the loop turns; NULL when it is not there (any more).
const secret_value *secret_pool_get(const secret_pool *p, uint32_t item);
