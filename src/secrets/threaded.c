// SPDX-License-Identifier: Apache-2.0
#include "secrets/threaded.h"

#include "base/check.h"

static status attach(secret_backend *b, loop *l, err *e) {
    threaded_backend *t = (threaded_backend *)b;
    t->l = l;
    return loop_work_pool_new(l, 1, 0, &t->pool, e);
}

static void detach(secret_backend *b) {
    threaded_backend *t = (threaded_backend *)b;
    t->is_given_up = true;
    while (t->pool != NULL && !loop_work_pool_is_idle(t->pool)) {
        loop_turn(t->l, true);
    }
    t->is_given_up = false;
    loop_work_pool_free(t->pool);
    t->pool = NULL;
    t->batch = NULL;
}

static void on_thread(void *arg) {
    threaded_backend *t = arg;
    t->read(t, t->batch);
}

static void on_read(void *arg) {
    threaded_backend *t = arg;
    secret_batch *b = t->batch;
    t->batch = NULL;
    if (!t->is_given_up) {
        b->done(b->arg);
    }
}

static void fetch(secret_backend *b, secret_batch *batch) {
    threaded_backend *t = (threaded_backend *)b;
    t->batch = batch;
    // The only piece of work, so there is room for it.
    CHECK(loop_work_start(t->pool, &t->work, on_thread, on_read, t, NULL) == STATUS_OK);
}

static void release(secret_backend *b) {
    threaded_backend *t = (threaded_backend *)b;
    t->release(t);
}

static const secret_backend_ops ops = {attach, detach, fetch, release};

void threaded_backend_init(threaded_backend *t, void (*read)(threaded_backend *t, secret_batch *batch),
                           void (*release_it)(threaded_backend *t)) {
    *t = (threaded_backend){.base.ops = &ops, .read = read, .release = release_it};
}
