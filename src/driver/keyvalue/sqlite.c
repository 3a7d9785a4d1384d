// SPDX-License-Identifier: Apache-2.0
// Key-value in one SQLite file. The loop collects calls while a thread works; each time the thread is free it
// gets all that wait, as one batch. What the thread does is in sqlite_store.c.
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "driver/keyvalue/keyvalue.h"
#include "driver/keyvalue/sqlite_store.h"
#include "driver/link_health.h"
#include "loop/work.h"

enum {
    CALLS_MAX = 4096,     // that wait
    BYTES_MAX = 64 << 20, // of them
    BATCH_MAX = 256,
    RETRY_MS_MIN = 100,
    RETRY_MS_MAX = 30000,
    BUSY_MS_MAX = 2000,
    PATH_BYTES_MAX = 4096,
};

static const uint64_t ms = 1000000;

struct driver_link {
    loop *l;
    driver_link_options options; // the callbacks only
    keyvalue_limits limits;
    sqlite_store_options store_options;
    char path[PATH_BYTES_MAX];
    driver_link_health health;
    loop_work_pool *pool;
    loop_work work;
    bool is_closing;
    list_node waiting; // keyvalue_request
    size_t waiting_count;
    size_t waiting_bytes;
    loop_timer retry;
    uint64_t retry_ms;
    uint64_t random;
    // The thread's while `work` is active.
    sqlite_store *store;
    list_node batch;
    list_node *batch_end; // what was done of it
    status code;
    err e;
};

// --- requests that wait ------------------------------------------------------------------------------------

static void take_from_waiting(driver_link *k, keyvalue_request *q) {
    list_remove(&q->node);
    k->waiting_count--;
    k->waiting_bytes -= q->origin->payload.len;
}

static void fail_waiting(driver_link *k, status code, const char *why) {
    while (!list_empty(&k->waiting)) {
        keyvalue_request *q = LIST_ENTRY(k->waiting.next, keyvalue_request, node);
        take_from_waiting(k, q);
        keyvalue_fail(q, code, "%s", why);
    }
}

typedef struct waiting_request { // `data` of a request
    sqlite_outcome outcome;
    driver_link *link;
    bool is_in_batch;
} waiting_request;

static void on_deadline(void *arg) {
    keyvalue_request *q = arg;
    waiting_request *w = q->data;
    if (!w->is_in_batch) { // else it is the thread's; the batch ends soon
        take_from_waiting(w->link, q);
        keyvalue_fail(q, STATUS_TIMEOUT, "the database was busy for too long");
    }
}

// --- the thread --------------------------------------------------------------------------------------------

static void advance(driver_link *k);

static void run_open(void *arg) {
    driver_link *k = arg;
    k->code = sqlite_store_open(&k->store_options, &k->store, &k->e);
}

static void run_batch(void *arg) {
    driver_link *k = arg;
    k->code = sqlite_store_run(k->store, &k->batch, &k->batch_end, &k->e);
}

static void run_close(void *arg) {
    driver_link *k = arg;
    sqlite_store_close(k->store);
    k->store = NULL;
    k->code = STATUS_OK;
}

// --- back on the loop --------------------------------------------------------------------------------------

static void try_later(driver_link *k) {
    uint64_t wait = driver_wait(&k->random, k->retry_ms);
    k->retry_ms = k->retry_ms * 2 < RETRY_MS_MAX ? k->retry_ms * 2 : RETRY_MS_MAX;
    loop_timer_start_in(&k->retry, wait * ms);
    driver_link_health_set(&k->health, DRIVER_DOWN, k->e.message, k->retry.deadline_ns);
    fail_waiting(k, STATUS_CLOSED, k->health.now.reason);
}

static void on_opened(void *arg) {
    driver_link *k = arg;
    if (k->code == STATUS_OK) {
        k->retry_ms = RETRY_MS_MIN;
        driver_link_health_set(&k->health, DRIVER_UP, "", UINT64_MAX);
    } else if (!k->is_closing) {
        try_later(k);
    }
    advance(k);
}

static void reply(keyvalue_request *q) {
    const waiting_request *w = q->data;
    if (w->outcome.code == STATUS_OK) {
        keyvalue_reply(q, &w->outcome.answer);
    } else {
        keyvalue_fail(q, w->outcome.code, "%s", w->outcome.problem);
    }
}

static void on_closed_file(void *arg) {
    driver_link *k = arg;
    if (!k->is_closing) {
        try_later(k);
    }
    advance(k);
}

static void start(driver_link *k, loop_callback run, loop_callback done) {
    CHECK(loop_work_start(k->pool, &k->work, run, done, k, NULL) == STATUS_OK); // one at a time
}

// To the front of those that wait. What became of it in the meantime happens now.
static void put_back(driver_link *k, keyvalue_request *q) {
    list_remove(&q->node);
    list_push_back(k->waiting.next, &q->node);
    k->waiting_count++;
    k->waiting_bytes += q->origin->payload.len;
    ((waiting_request *)q->data)->is_in_batch = false;
    if (q->origin->is_cancelled) {
        take_from_waiting(k, q);
        keyvalue_fail(q, STATUS_CANCELLED, "cancelled");
    } else if (q->origin->deadline_ns <= loop_now_ns(k->l)) {
        on_deadline(q);
    }
}

static void on_batch_done(void *arg) {
    driver_link *k = arg;
    const list_node *last_done = k->batch_end->prev;
    while (k->batch.prev != last_done) {
        put_back(k, LIST_ENTRY(k->batch.prev, keyvalue_request, node));
    }
    for (list_node *node; (node = list_pop_front(&k->batch)) != NULL;) {
        reply(LIST_ENTRY(node, keyvalue_request, node));
    }
    if (k->code != STATUS_OK) {
        start(k, run_close, on_closed_file);
        return;
    }
    advance(k);
}

static void fill_batch(driver_link *k) {
    size_t count = 0;
    while (!list_empty(&k->waiting) && count++ < BATCH_MAX) {
        keyvalue_request *q = LIST_ENTRY(k->waiting.next, keyvalue_request, node);
        take_from_waiting(k, q);
        ((waiting_request *)q->data)->is_in_batch = true;
        list_push_back(&k->batch, &q->node);
    }
}

static void finish_closing(driver_link *k) {
    driver_link_options options = k->options;
    loop_timer_stop(&k->retry);
    driver_link_health_done(&k->health);
    loop_work_pool_free(k->pool);
    keyvalue_limits_done(&k->limits);
    mem_free(k);
    options.on_closed(options.arg);
}

// Gives the thread what is to be done next. Called from the loop, except by call(), which never gets to
// closing.
static void advance(driver_link *k) {
    if (loop_work_is_active(&k->work)) {
        return;
    }
    if (k->is_closing) {
        if (k->store != NULL) {
            start(k, run_close, on_closed_file);
        } else {
            finish_closing(k);
        }
    } else if (k->store != NULL && !list_empty(&k->waiting)) {
        fill_batch(k);
        start(k, run_batch, on_batch_done);
    }
}

static void on_retry(void *arg) {
    driver_link *k = arg;
    if (k->is_closing) {
        advance(k);
    } else if (!loop_work_is_active(&k->work)) {
        k->health.now.next_try_ns = UINT64_MAX;
        start(k, run_open, on_opened);
    }
}

// --- the driver --------------------------------------------------------------------------------------------

static status read_path(const driver_environment *env, const driver_values *settings, driver_link *k,
                        err *e) {
    slice path = SLICE_LITERAL("keyvalue.sqlite3");
    (void)!driver_values_text(settings, "path", &path);
    return driver_path(env, "path", path, k->path, sizeof k->path, e);
}

static status read_settings(const driver_environment *env, const driver_values *settings, driver_link *k,
                            err *e) {
    uint64_t total = 1 << 30;
    bool syncs = true;
    TRY(keyvalue_limits_read(settings, &k->limits, e));
    TRY(read_path(env, settings, k, e));
    TRY(driver_values_number(settings, "total-bytes-max", 1 << 16, 1ull << 42, &total, e));
    TRY(driver_values_bool(settings, "sync", &syncs, e));
    k->store_options = (sqlite_store_options){
        .path = k->path, .total_bytes_max = total, .busy_ms_max = BUSY_MS_MAX, .syncs = syncs};
    return STATUS_OK;
}

static status link_open(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                        err *e) {
    driver_link *k = MEM_NEW(driver_link);
    k->l = env->l;
    k->options = *options;
    k->random = env->random;
    k->retry_ms = RETRY_MS_MIN;
    driver_link_health_init(&k->health, env->l, options);
    list_init(&k->waiting);
    list_init(&k->batch);
    loop_timer_init(&k->retry, env->l, on_retry, k);
    status code = read_settings(env, &options->settings, k, e);
    code = code == STATUS_OK ? keyvalue_watch_open(env, options, &k->limits, e) : code;
    if (code == STATUS_OK) {
        code = loop_work_pool_new(env->l, 1, 0, &k->pool, e);
    }
    if (code != STATUS_OK) {
        keyvalue_limits_done(&k->limits);
        mem_free(k);
        return code;
    }
    start(k, run_open, on_opened);
    *ret = k;
    return STATUS_OK;
}

static void link_close(driver_link *k) {
    CHECK(list_empty(&k->waiting));
    k->is_closing = true;
    loop_timer_start_in(&k->retry, 0); // from the loop
}

static void call(driver_link *k, driver_call *c) {
    if (k->health.now.state == DRIVER_DOWN) {
        driver_fail(c, STATUS_CLOSED, "%s", k->health.now.reason);
        return;
    }
    if (k->waiting_count >= CALLS_MAX || k->waiting_bytes + c->payload.len > BYTES_MAX) {
        driver_fail(c, STATUS_LIMIT, "too many calls wait for the database (%zu)", k->waiting_count);
        return;
    }
    keyvalue_request *q = keyvalue_receive(c, &k->limits);
    if (q == NULL) {
        return;
    }
    _Static_assert(sizeof(waiting_request) <= sizeof q->room, "a request has room for it");
    waiting_request *w = (waiting_request *)q->room;
    w->link = k;
    q->data = w;
    list_push_back(&k->waiting, &q->node);
    k->waiting_count++;
    k->waiting_bytes += c->payload.len;
    if (c->deadline_ns != UINT64_MAX) {
        loop_timer_init(&q->timer, k->l, on_deadline, q);
        loop_timer_start_at(&q->timer, c->deadline_ns);
    }
    advance(k);
}

static void cancel(driver_link *k, driver_call *c) {
    keyvalue_request *q = c->data;
    if (!((waiting_request *)q->data)->is_in_batch) {
        take_from_waiting(k, q);
        keyvalue_fail(q, STATUS_CANCELLED, "cancelled");
    }
}

static void health(const driver_link *k, driver_health *ret) { *ret = k->health.now; }

static const driver_setting settings[] = {
    KEYVALUE_SETTINGS,
    {"path", "the file; relative to the host's directory for data. Default keyvalue.sqlite3", false, false},
    {"total-bytes-max", "the size of the file, in bytes; default 1073741824", false, false},
    {"sync", "whether a write is on the disk when it is answered; default true", false, false},
    {NULL, NULL, false, false},
};

const driver keyvalue_sqlite = {
    .version = DRIVER_VERSION,
    .name = "sqlite",
    .interfaces = keyvalue_interfaces,
    .settings = settings,
    .link_open = link_open,
    .link_close = link_close,
    .call = call,
    .cancel = cancel,
    .health = health,
};
