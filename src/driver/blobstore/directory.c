// SPDX-License-Identifier: Apache-2.0
// A blob store in files below a directory. Each call is a piece of work on a thread; what a thread does is in
// directory_store.c.
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "driver/blobstore/blobstore.h"
#include "driver/blobstore/directory_store.h"
#include "driver/link_health.h"
#include "loop/work.h"

enum {
    CALLS_MAX = 1024,
    BYTES_MAX = 256 << 20, // of the calls that wait, and of what they may answer
    THREADS_MAX = 2,
    QUEUE_MAX = 4 * CALLS_MAX, // calls, and uploads that are being removed
    RETRY_MS_MIN = 100,
    RETRY_MS_MAX = 30000,
    PATH_BYTES_MAX = 4096,
};

static const uint64_t ms = 1000000;

struct driver_link {
    loop *l;
    driver_link_options options; // the callbacks only
    blobstore_limits limits;
    directory_store_options store_options;
    char path[PATH_BYTES_MAX];
    driver_link_health health;
    loop_soon closed_soon;
    loop_work_pool *pool;
    blobstore_uploads uploads;
    uint32_t expiring; // uploads that are being removed
    list_node waiting; // blobstore_request, while there is no store yet
    size_t call_count;
    size_t call_bytes;
    loop_timer retry;
    uint64_t retry_ms;
    uint64_t random;
    bool is_closing;
    directory_store *store;
    // Of opening, the thread's while it is active.
    loop_work open_work;
    directory_store *opened;
    status open_code;
    err open_error;
};

typedef struct upload {
    blobstore_upload base; // first
    driver_link *link;
    directory_upload *files;
    loop_work work; // of removing it
} upload;

typedef struct job { // what becomes of a request; of its memory
    driver_link *link;
    blobstore_request *request;
    loop_work work;
    atomic_bool is_cancelled;
    status gave_up; // why, when is_cancelled
    upload *upload;
    size_t bytes;
    int problem;
    blobstore_answer answer;
} job;

// --- answers -----------------------------------------------------------------------------------------------

static void leave(job *j) {
    j->link->call_count--;
    j->link->call_bytes -= j->bytes;
}

static bool is_full(int problem) { return problem == ENOSPC || problem == EDQUOT; }
static bool is_denied(int problem) { return problem == EACCES || problem == EPERM || problem == EROFS; }

static void reply(job *j) {
    blobstore_request *q = j->request;
    leave(j);
    if (j->problem == 0) {
        blobstore_reply(q, &j->answer);
    } else if (j->problem < 0) {
        blobstore_reply_error(q, directory_error(j->problem));
    } else if (j->problem == ECANCELED) {
        blobstore_fail(q, j->gave_up, j->gave_up == STATUS_TIMEOUT ? "it took too long" : "cancelled");
    } else if (is_full(j->problem) || is_denied(j->problem)) {
        blobstore_reply_error(q, is_full(j->problem) ? BLOBSTORE_FULL : BLOBSTORE_DENIED);
    } else {
        err e;
        err_set_errno(&e, j->problem, "the directory");
        blobstore_fail(q, STATUS_IO, "%s", e.message);
    }
}

// --- uploads -----------------------------------------------------------------------------------------------

static void run_remove(void *arg) { directory_upload_free(((upload *)arg)->files); }

static void finish_closing(driver_link *k);

static void on_removed(void *arg) {
    upload *u = arg;
    driver_link *k = u->link;
    mem_free(u);
    k->expiring--;
    finish_closing(k);
}

// It was taken out of the table. One that a thread had begun has waited for its turn in the queue, so that
// there are no more of these than the queue has room for: the uploads of the table, and calls that begin one.
static void remove_upload(void *arg, blobstore_upload *base) {
    driver_link *k = arg;
    upload *u = (upload *)base;
    if (u->files == NULL) {
        mem_free(u);
        return;
    }
    k->expiring++;
    CHECK(loop_work_start(k->pool, &u->work, run_remove, on_removed, u, NULL) == STATUS_OK);
}

static void run_step(job *j, const blobstore_call *c) {
    switch (c->step) {
    case BLOBSTORE_BEGIN:
        j->problem = directory_upload_begin(j->link->store, c, &j->upload->files);
        break;
    case BLOBSTORE_APPEND:
        j->problem = directory_upload_append(j->upload->files, c->offset, c->bytes);
        break;
    case BLOBSTORE_FINISH:
        j->problem = directory_upload_finish(j->upload->files, c->offset);
        break;
    default:
        break;
    }
}

// An upload lives on after a step that went well, or was not begun.
static void end_step(job *j, const blobstore_call *c) {
    bool goes_on = j->problem == 0 ? c->step == BLOBSTORE_BEGIN || c->step == BLOBSTORE_APPEND
                                   : j->problem == ECANCELED && c->step != BLOBSTORE_BEGIN;
    if (goes_on) {
        j->answer.upload = arena_copy(&j->request->memory, slice_from_text(j->upload->base.name));
        blobstore_uploads_end_step(&j->upload->base, j->problem == 0 ? c->bytes.len : 0);
    } else {
        blobstore_uploads_remove(&j->upload->base);
        remove_upload(j->link, &j->upload->base);
    }
}

// Whether the step may be taken; answers otherwise.
static bool take_step(driver_link *k, job *j) {
    blobstore_request *q = j->request;
    if (q->call.step != BLOBSTORE_BEGIN) {
        upload *found = (upload *)blobstore_uploads_begin_step(&k->uploads, q);
        if (found != NULL) { // else the job is gone
            j->upload = found;
        }
        return found != NULL;
    }
    upload *u = MEM_NEW(upload);
    u->link = k;
    if (!blobstore_uploads_add(&k->uploads, &u->base)) {
        mem_free(u);
        blobstore_reply_error(q, BLOBSTORE_TOO_MANY);
        return false;
    }
    u->base.is_busy = true;
    loop_timer_stop(&u->base.idle);
    j->upload = u;
    return true;
}

// --- work --------------------------------------------------------------------------------------------------

static void run_job(void *arg) {
    job *j = arg;
    const blobstore_call *c = &j->request->call;
    if (atomic_load(&j->is_cancelled)) {
        j->problem = ECANCELED;
    } else if (c->function == BLOBSTORE_WRITE) {
        run_step(j, c);
    } else {
        j->problem = directory_store_do(j->link->store, c, &j->request->memory, &j->is_cancelled, &j->answer);
    }
}

static void on_job_done(void *arg) {
    job *j = arg;
    if (j->work.was_cancelled) {
        j->problem = ECANCELED;
    }
    if (j->upload != NULL) {
        end_step(j, &j->request->call);
    }
    reply(j);
}

static void start(job *j) {
    CHECK(loop_work_start(j->link->pool, &j->work, run_job, on_job_done, j, NULL) == STATUS_OK);
}

static void give_up(job *j, status why) {
    if (atomic_load(&j->is_cancelled)) {
        return;
    }
    j->gave_up = why;
    atomic_store(&j->is_cancelled, true);
    if (loop_work_is_active(&j->work)) {
        loop_work_cancel(&j->work);
    } else {
        list_remove(&j->request->node);
        j->work.was_cancelled = true;
        on_job_done(j);
    }
}

static void on_deadline(void *arg) { give_up(((blobstore_request *)arg)->data, STATUS_TIMEOUT); }

static void call(driver_link *k, driver_call *c) {
    size_t bytes = c->payload.len + 2 * (size_t)BLOBSTORE_PART_BYTES_MAX / 16;
    if (k->health.now.state == DRIVER_DOWN) {
        driver_fail(c, STATUS_CLOSED, "%s", k->health.now.reason);
        return;
    }
    if (k->call_count >= CALLS_MAX || bytes > BYTES_MAX - k->call_bytes) {
        driver_fail(c, STATUS_LIMIT, "too many calls wait for the directory (%zu)", k->call_count);
        return;
    }
    blobstore_request *q = blobstore_receive(c, &k->limits);
    job *j = q == NULL ? NULL : ARENA_NEW(&q->memory, job);
    if (j == NULL) {
        return; // answered; a new arena has room for a job
    }
    *j = (job){.link = k, .request = q, .bytes = bytes};
    q->data = j;
    if (q->call.function == BLOBSTORE_WRITE && !take_step(k, j)) {
        return;
    }
    k->call_count++;
    k->call_bytes += bytes;
    if (c->deadline_ns != UINT64_MAX) {
        loop_timer_init(&q->timer, k->l, on_deadline, q);
        loop_timer_start_at(&q->timer, c->deadline_ns);
    }
    if (k->store != NULL) {
        start(j);
    } else {
        list_push_back(&k->waiting, &q->node);
    }
}

static void cancel(driver_link *k, driver_call *c) {
    (void)k;
    give_up(((blobstore_request *)c->data)->data, STATUS_CANCELLED);
}

// --- opening and closing -----------------------------------------------------------------------------------

static void run_open(void *arg) {
    driver_link *k = arg;
    k->open_code = directory_store_open(&k->store_options, &k->opened, &k->open_error);
}

static void on_opened(void *arg) {
    driver_link *k = arg;
    list_node *node;
    if (k->open_code == STATUS_OK) {
        k->store = k->opened;
        driver_link_health_set(&k->health, DRIVER_UP, "", UINT64_MAX);
        while ((node = list_pop_front(&k->waiting)) != NULL) {
            start(LIST_ENTRY(node, blobstore_request, node)->data);
        }
    } else if (!k->is_closing) {
        loop_timer_start_in(&k->retry, driver_wait(&k->random, k->retry_ms) * ms);
        k->retry_ms = k->retry_ms * 2 < RETRY_MS_MAX ? k->retry_ms * 2 : RETRY_MS_MAX;
        driver_link_health_set(&k->health, DRIVER_DOWN, k->open_error.message, k->retry.deadline_ns);
        while ((node = list_pop_front(&k->waiting)) != NULL) {
            job *j = LIST_ENTRY(node, blobstore_request, node)->data;
            blobstore_request *q = j->request;
            if (j->upload != NULL) {
                blobstore_uploads_remove(&j->upload->base);
                mem_free(j->upload);
            }
            leave(j);
            blobstore_fail(q, STATUS_CLOSED, "%s", k->health.now.reason);
        }
    }
    finish_closing(k);
}

static void open_store(void *arg) {
    driver_link *k = arg;
    k->health.now.next_try_ns = UINT64_MAX;
    CHECK(loop_work_start(k->pool, &k->open_work, run_open, on_opened, k, NULL) == STATUS_OK);
}

static void free_link(driver_link *k) {
    loop_timer_stop(&k->retry);
    driver_link_health_done(&k->health);
    loop_soon_cancel(&k->closed_soon);
    directory_store_close(k->store); // two descriptors
    loop_work_pool_free(k->pool);
    blobstore_limits_done(&k->limits);
    mem_free(k);
}

static void finish_closing(driver_link *k) {
    if (k->is_closing && k->expiring == 0 && !loop_work_is_active(&k->open_work)) {
        driver_link_options options = k->options;
        free_link(k);
        options.on_closed(options.arg);
    }
}

static void on_close_soon(void *arg) { finish_closing(arg); }

static void link_close(driver_link *k) {
    CHECK(k->call_count == 0);
    k->is_closing = true;
    loop_timer_stop(&k->retry);
    for (blobstore_upload *u; (u = blobstore_uploads_take(&k->uploads)) != NULL;) {
        remove_upload(k, u);
    }
    loop_soon_add(k->l, &k->closed_soon);
}

// --- the driver --------------------------------------------------------------------------------------------

static status read_path(const driver_environment *env, const driver_values *settings, driver_link *k,
                        err *e) {
    slice root = SLICE_LITERAL("blobstore");
    (void)!driver_values_text(settings, "root", &root);
    return driver_path(env, "root", root, k->path, sizeof k->path, e);
}

static status read_settings(const driver_environment *env, const driver_values *settings, driver_link *k,
                            err *e) {
    uint64_t total = 10ull << 30;
    bool syncs = true;
    TRY(blobstore_limits_read(settings, &k->limits, e));
    TRY(read_path(env, settings, k, e));
    TRY(driver_values_number(settings, "total-bytes-max", 1 << 16, 1ull << 50, &total, e));
    TRY(driver_values_bool(settings, "sync", &syncs, e));
    k->store_options = (directory_store_options){.path = k->path, .total_bytes_max = total, .syncs = syncs};
    return loop_work_pool_new(env->l, THREADS_MAX, QUEUE_MAX, &k->pool, e);
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
    loop_timer_init(&k->retry, env->l, open_store, k);
    loop_soon_init(&k->closed_soon, on_close_soon, k);
    blobstore_uploads_init(&k->uploads, env->l, &k->limits, remove_upload, k);
    status code = read_settings(env, &options->settings, k, e);
    if (code != STATUS_OK) {
        free_link(k);
        return code;
    }
    open_store(k);
    *ret = k;
    return STATUS_OK;
}

static void health(const driver_link *k, driver_health *ret) { *ret = k->health.now; }

static const driver_setting settings[] = {
    BLOBSTORE_SETTINGS,
    {"root", "the directory; relative to the host's directory for data. Default blobstore", false, false},
    {"total-bytes-max", "all objects together, in bytes, and 4096 for each; default 10737418240", false,
     false},
    {"sync", "whether a write is on the disk when it is answered; default true", false, false},
    {NULL, NULL, false, false},
};

const driver blobstore_directory = {
    .version = DRIVER_VERSION,
    .name = "directory",
    .interfaces = blobstore_interfaces,
    .settings = settings,
    .link_open = link_open,
    .link_close = link_close,
    .call = call,
    .cancel = cancel,
    .health = health,
};
