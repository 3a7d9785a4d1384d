// SPDX-License-Identifier: Apache-2.0
// A backend whose fetching blocks: it runs on another thread. For backends that read files.
#pragma once

#include "loop/work.h"
#include "secrets/backend.h"

typedef struct threaded_backend threaded_backend;
struct threaded_backend {
    secret_backend base;
    // On another thread; nothing else of the backend is in use meanwhile.
    void (*read)(threaded_backend *t, secret_batch *batch);
    void (*release)(threaded_backend *t); // frees it
    loop *l;
    loop_work_pool *pool;
    loop_work work;
    secret_batch *batch; // NULL = none
    bool is_given_up;
};

void threaded_backend_init(threaded_backend *t, void (*read)(threaded_backend *t, secret_batch *batch),
                           void (*release)(threaded_backend *t));
