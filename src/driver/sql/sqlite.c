// SPDX-License-Identifier: Apache-2.0
// wasmcloud:postgres over one SQLite file: a thread does one call after the other (sqlite_database.c), the
// loop watches their time.
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "driver/link_health.h"
#include "driver/sql/sql.h"
#include "driver/sql/sqlite_database.h"
#include "loop/work.h"
#include "os/private.h"

enum {
    CALLS_MAX = 1024,     // that wait
    BYTES_MAX = 64 << 20, // of them
    RETRY_MS_MIN = 100,
    RETRY_MS_MAX = 30000,
};

static const uint64_t ms = 1000000;

struct driver_link {
    loop *l;
    driver_link_options options; // the callbacks only
    sql_limits limits;
    sql_statements *statements;
    sqlite_database_options database_options;
    char path[PRIVATE_PATH_BYTES_MAX];
    driver_link_health health;
    loop_work_pool *pool; // of one thread
    size_t calls;
    size_t bytes;
    bool is_closing;
    loop_timer retry;
    uint64_t retry_ms;
    uint64_t random;
    loop_work file_work; // opens and closes
    // The thread's.
    sqlite_database *database;
    status code; // of file_work
    err e;
};

typedef struct running { // the driver's part of a request
    driver_link *link;
    loop_work work;
    _Atomic bool stop; // for the thread
    status why;        // STATUS_OK, or what stopped it
    status code;       // what the thread says
    err e;
} running;

// --- the file ----------------------------------------------------------------------------------------------

static void run_open(void *arg) {
    driver_link *k = arg;
    sqlite_database_close(k->database); // after a failure of the file
    k->database = NULL;
    k->code = sqlite_database_open(&k->database_options, &k->database, &k->e);
}

static void on_opened(void *arg) {
    driver_link *k = arg;
    if (k->is_closing) {
        loop_timer_start_in(&k->retry, 0);
    } else if (k->code == STATUS_OK) {
        k->retry_ms = RETRY_MS_MIN;
        driver_link_health_set(&k->health, DRIVER_UP, "", UINT64_MAX);
    } else {
        uint64_t wait = driver_wait(&k->random, k->retry_ms);
        k->retry_ms = k->retry_ms * 2 < RETRY_MS_MAX ? k->retry_ms * 2 : RETRY_MS_MAX;
        loop_timer_start_in(&k->retry, wait * ms);
        driver_link_health_set(&k->health, DRIVER_DOWN, k->e.message, k->retry.deadline_ns);
    }
}

static void run_close(void *arg) {
    driver_link *k = arg;
    sqlite_database_close(k->database);
    k->database = NULL;
}

static void on_closed_file(void *arg) {
    driver_link *k = arg;
    driver_link_options options = k->options;
    driver_link_health_done(&k->health);
    loop_work_pool_free(k->pool);
    sql_statements_free(k->statements);
    mem_free(k);
    options.on_closed(options.arg);
}

static void start(driver_link *k, loop_callback run, loop_callback done) {
    CHECK(loop_work_start(k->pool, &k->file_work, run, done, k, NULL) == STATUS_OK); // room is kept for it
}

static void on_retry(void *arg) {
    driver_link *k = arg;
    if (loop_work_is_active(&k->file_work)) {
        return; // on_opened comes back
    }
    if (k->is_closing) {
        start(k, run_close, on_closed_file);
    } else {
        k->health.now.next_try_ns = UINT64_MAX;
        start(k, run_open, on_opened);
    }
}

// --- a call ------------------------------------------------------------------------------------------------

static void run_call(void *arg) {
    sql_request *q = arg;
    running *x = q->driver;
    x->code = x->link->database == NULL ? err_set(&x->e, STATUS_CLOSED, "the database cannot be opened")
                                        : sqlite_database_run(x->link->database, q, &x->stop, &x->e);
}

static void end_call(sql_request *q) {
    running *x = q->driver;
    status why = x->why;
    if (x->work.was_cancelled || (x->code == STATUS_CANCELLED && why != STATUS_OK)) {
        sql_fail(q, why, "%s",
                 why == STATUS_TIMEOUT ? "the call took longer than it may; nothing was changed"
                                       : "cancelled");
    } else if (x->code == STATUS_OK) {
        sql_reply(q);
    } else {
        sql_fail(q, x->code == STATUS_CANCELLED ? STATUS_TIMEOUT : STATUS_CLOSED, "%s", x->e.message);
    }
}

static void on_call_done(void *arg) {
    sql_request *q = arg;
    running *x = q->driver;
    driver_link *k = x->link;
    k->calls--;
    k->bytes -= q->origin->payload.len;
    if (!x->work.was_cancelled && x->code != STATUS_OK && x->code != STATUS_CANCELLED &&
        k->health.now.state == DRIVER_UP && !k->is_closing) {
        driver_link_health_set(&k->health, DRIVER_DOWN, x->e.message, loop_now_ns(k->l));
        loop_timer_start_in(&k->retry, 0);
    }
    end_call(q);
}

static void stop_call(sql_request *q, status why) {
    running *x = q->driver;
    x->why = x->why == STATUS_OK ? why : x->why;
    atomic_store_explicit(&x->stop, true, memory_order_relaxed);
    loop_work_cancel(&x->work);
}

static void on_deadline(void *arg) { stop_call(arg, STATUS_TIMEOUT); }

static void call(driver_link *k, driver_call *c) {
    if (k->health.now.state == DRIVER_DOWN) {
        driver_fail(c, STATUS_CLOSED, "%s", k->health.now.reason);
        return;
    }
    if (k->calls >= CALLS_MAX || k->bytes + c->payload.len > BYTES_MAX) {
        driver_fail(c, STATUS_LIMIT, "too many calls wait for the database (%zu)", k->calls);
        return;
    }
    sql_request *q = sql_receive(c, &k->limits, k->statements, sizeof(running));
    if (q == NULL) {
        return;
    }
    running *x = q->driver;
    x->link = k;
    k->calls++;
    k->bytes += c->payload.len;
    uint64_t end = loop_now_ns(k->l) + k->limits.run_ns_max;
    loop_timer_init(&q->timer, k->l, on_deadline, q);
    loop_timer_start_at(&q->timer, c->deadline_ns < end ? c->deadline_ns : end);
    CHECK(loop_work_start(k->pool, &x->work, run_call, on_call_done, q, NULL) ==
          STATUS_OK); // room was counted
}

static void cancel(driver_link *k, driver_call *c) {
    (void)k;
    stop_call(c->data, STATUS_CANCELLED);
}

// --- the driver --------------------------------------------------------------------------------------------

static status read_settings(const driver_environment *env, const driver_values *settings, driver_link *k,
                            err *e) {
    uint64_t total = 1 << 30;
    bool syncs = true;
    TRY(sql_limits_read(settings, &k->limits, e));
    slice path = SLICE_LITERAL("postgres.sqlite3");
    (void)!driver_values_text(settings, "path", &path);
    TRY(driver_path(env, "path", path, k->path, sizeof k->path, e));
    TRY(driver_values_number(settings, "total-bytes-max", 1 << 16, 1ull << 42, &total, e));
    TRY(driver_values_bool(settings, "sync", &syncs, e));
    k->database_options = (sqlite_database_options){.path = k->path,
                                                    .total_bytes_max = total,
                                                    .value_bytes_max = SQL_ANSWER_BYTES_MAX,
                                                    .syncs = syncs,
                                                    .read_only = k->limits.read_only};
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
    loop_timer_init(&k->retry, env->l, on_retry, k);
    status code = read_settings(env, &options->settings, k, e);
    if (code == STATUS_OK) {
        code = loop_work_pool_new(env->l, 1, CALLS_MAX + 1, &k->pool, e);
    }
    if (code != STATUS_OK) {
        mem_free(k);
        return code;
    }
    k->statements = sql_statements_new(k->limits.statements_max);
    start(k, run_open, on_opened);
    *ret = k;
    return STATUS_OK;
}

static void link_close(driver_link *k) {
    CHECK(k->calls == 0);
    k->is_closing = true;
    loop_timer_start_in(&k->retry, 0); // from the loop
}

static void health(const driver_link *k, driver_health *ret) { *ret = k->health.now; }

static const driver_setting settings[] = {
    SQL_SETTINGS,
    {"path", "the file; relative to the host's directory for data. Default postgres.sqlite3", false, false},
    {"total-bytes-max", "the size of the file, in bytes; default 1073741824", false, false},
    {"sync", "whether a change is on the disk when it is answered; default true", false, false},
    {NULL, NULL, false, false},
};

const driver sql_sqlite = {
    .version = DRIVER_VERSION,
    .name = "sqlite",
    .interfaces = sql_interfaces,
    .settings = settings,
    .link_open = link_open,
    .link_close = link_close,
    .call = call,
    .cancel = cancel,
    .health = health,
};
