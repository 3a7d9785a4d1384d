// SPDX-License-Identifier: Apache-2.0
#include "driver/cron/cron.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "codec/date.h"
#include "codec/values.h"
#include "driver/messaging/messaging.h"
#include "os/clock.h"

#define SECOND_NS 1000000000ull
#define LOOK_NS (30 * SECOND_NS) // how often the clock is looked at, which somebody may set
#define RETRY_NS_MIN (SECOND_NS / 20)
#define RETRY_NS_MAX (5 * SECOND_NS)

typedef struct job job;

typedef struct run {          // a call of a job
    driver_delivery delivery; // first
    job *job;
    bool is_used;
    bool is_on_its_way;
    uint64_t moment_s;
    uint64_t wait_ns; // before the next attempt to begin it
    loop_timer retry;
} run;

struct job {
    driver_link *link;
    cron_job config;   // its slices are in the link's memory
    buf payload;       // of the call
    uint64_t looked_s; // by the wall clock
    uint64_t next_s;
    loop_timer timer;
    run runs[CRON_OVERLAP_MAX];
    bool is_owed; // a call for moments that were missed
};

struct driver_link {
    loop *l;
    loop_clock wall;
    driver_link_options options;
    arena memory;
    job *jobs;
    size_t count;
    bool overlaps;
    bool makes_up; // for moments that were missed
    bool sends_messages;
    slice subject;
    uint64_t random;
    uint64_t since_ns;
    loop_soon closed;
};

static uint64_t machine_wall_ns(void *arg) {
    (void)arg;
    clock_wall w = clock_wall_now();
    return w.seconds * SECOND_NS + w.nanoseconds;
}

static uint64_t wall_ns(const driver_link *k) { return k->wall.now_ns(k->wall.arg); }

// --- calls -------------------------------------------------------------------------------------------------

static void begin(run *r);

static bool is_running(const job *j) {
    for (size_t i = 0; i < CRON_OVERLAP_MAX; i++) {
        if (j->runs[i].is_used) {
            return true;
        }
    }
    return false;
}

static void start(job *j, uint64_t moment_s) {
    for (size_t i = 0; i < CRON_OVERLAP_MAX; i++) {
        run *r = &j->runs[i];
        if (!r->is_used) {
            r->is_used = true;
            r->moment_s = moment_s;
            r->wait_ns = 0;
            begin(r);
            return;
        }
    }
    j->is_owed = j->link->makes_up;
}

static void finish(run *r) {
    job *j = r->job;
    r->is_used = false;
    if (j->is_owed && !is_running(j)) {
        j->is_owed = false;
        start(j, r->moment_s);
    }
}

// It was not begun. The next moment of the job takes its place.
static void try_later(run *r) {
    driver_link *k = r->job->link;
    r->wait_ns = r->wait_ns == 0 ? RETRY_NS_MIN : r->wait_ns * 2;
    r->wait_ns = r->wait_ns < RETRY_NS_MAX ? r->wait_ns : RETRY_NS_MAX;
    loop_timer_start_in(&r->retry, driver_wait(&k->random, r->wait_ns));
}

static void on_retry(void *arg) { begin(arg); }

// What the handler did wrong stands in the log of its workload.
static void tell_lost(const run *r, status why) {
    const driver_link_options *o = &r->job->link->options;
    bool is_known = why == STATUS_OK || why == STATUS_TRAP || why == STATUS_TIMEOUT || why == STATUS_DENIED;
    if (o->on_lost != NULL && !is_known) {
        char moment[DATE_TEXT_BYTES], text[128];
        (void)snprintf(text, sizeof text, "the call of %s: %s", date_text(r->moment_s, moment),
                       status_name(why));
        o->on_lost(o->arg, text, why);
    }
}

static void on_ended(driver_delivery *d, status code, slice payload, const err *e) {
    (void)payload, (void)e;
    run *r = (run *)d;
    r->is_on_its_way = false;
    if (code != STATUS_LIMIT) {
        tell_lost(r, code);
    }
    if (code == STATUS_LIMIT) {
        try_later(r);
    } else {
        finish(r);
    }
}

static void begin(run *r) {
    const job *j = r->job;
    const driver_link *k = j->link;
    r->delivery = (driver_delivery){
        .interface = slice_from_text(k->sends_messages ? MESSAGING_HANDLER : "wasmcloud:cron/scheduler"),
        .function = slice_from_text(k->sends_messages ? "handle-message" : "invoke"),
        .payload = buf_slice(&j->payload),
        .deadline_ns = UINT64_MAX,
        .ended = on_ended};
    r->is_on_its_way =
        k->options.deliver != NULL && k->options.deliver(k->options.arg, &r->delivery, NULL) == STATUS_OK;
    if (!r->is_on_its_way) {
        try_later(r);
    }
}

// A call that nobody could begin is over when its next moment comes.
static void give_up_waiting(job *j) {
    for (size_t i = 0; i < CRON_OVERLAP_MAX; i++) {
        run *r = &j->runs[i];
        if (r->is_used && !r->is_on_its_way) {
            loop_timer_stop(&r->retry);
            r->is_used = false;
        }
    }
}

// --- moments -----------------------------------------------------------------------------------------------

static void wait_for_next(job *j, uint64_t now_ns) {
    uint64_t next_ns = j->next_s > UINT64_MAX / SECOND_NS ? UINT64_MAX : j->next_s * SECOND_NS;
    uint64_t left = next_ns > now_ns ? next_ns - now_ns : 0;
    loop_timer_start_in(&j->timer, left < LOOK_NS ? left : LOOK_NS);
}

static void come(job *j, uint64_t now_s) {
    const driver_link *k = j->link;
    uint64_t moment = j->next_s;
    bool is_late = now_s - moment > CRON_LATE_S;
    j->next_s = cron_next(&j->config.schedule, now_s);
    give_up_waiting(j);
    if (is_late && !k->makes_up) {
        return;
    }
    if (is_running(j) && !k->overlaps) {
        j->is_owed = k->makes_up;
        return;
    }
    start(j, moment);
}

static void on_time(void *arg) {
    job *j = arg;
    uint64_t now_ns = wall_ns(j->link), now_s = now_ns / SECOND_NS;
    if (now_s < j->looked_s) { // somebody has set the clock back
        j->next_s = cron_next(&j->config.schedule, now_s);
    } else if (now_s >= j->next_s) {
        come(j, now_s);
    }
    j->looked_s = now_s;
    wait_for_next(j, now_ns);
}

// --- links -------------------------------------------------------------------------------------------------

static status read_missed(driver_link *k, const driver_values *v, err *e) {
    slice text;
    if (driver_values_text(v, "missed", &text) != STATUS_OK) {
        return STATUS_OK;
    }
    k->makes_up = slice_equal_text(text, "once");
    return k->makes_up || slice_equal_text(text, "skip")
               ? STATUS_OK
               : err_set(e, STATUS_INVALID, "the setting missed is skip or once, not \"%.*s\"",
                         SLICE_ARG(slice_sub(text, 0, 40)));
}

static status read_subject(driver_link *k, const driver_values *v, err *e) {
    slice text;
    if (driver_values_text(v, "subject", &text) != STATUS_OK) {
        return STATUS_OK;
    }
    if (!subject_is_plain(text)) {
        return err_set(e, STATUS_INVALID,
                       "the setting subject: \"%.*s\" is no subject that a message can have",
                       SLICE_ARG(slice_sub(text, 0, 60)));
    }
    k->sends_messages = true;
    k->subject = arena_copy(&k->memory, text);
    return STATUS_OK;
}

static status make_payload(job *j, err *e) {
    const driver_link *k = j->link;
    buf_init(&j->payload, CRON_PAYLOAD_BYTES_MAX + 1024);
    if (k->sends_messages) {
        const messaging_message m = {.subject = k->subject, .body = j->config.payload};
        return messaging_message_encode(&m, &j->payload, e);
    }
    values_writer w = values_writer_of(&j->payload);
    values_write_bytes(&w, j->config.payload);
    return values_write_end(&w, "the payload", e);
}

static status make_job(driver_link *k, job *j, const cron_job *from, err *e) {
    uint64_t now_ns = wall_ns(k);
    j->link = k;
    j->config.schedule = from->schedule;
    j->config.payload = arena_copy(&k->memory, from->payload);
    loop_timer_init(&j->timer, k->l, on_time, j);
    for (size_t i = 0; i < CRON_OVERLAP_MAX; i++) {
        j->runs[i].job = j;
        loop_timer_init(&j->runs[i].retry, k->l, on_retry, &j->runs[i]);
    }
    TRY(make_payload(j, e));
    j->looked_s = now_ns / SECOND_NS;
    j->next_s = cron_next(&from->schedule, j->looked_s);
    wait_for_next(j, now_ns);
    return STATUS_OK;
}

// `schedule` and `payload` are one job, `cronjobs` is a list; there may be both.
static status read_jobs(const driver_values *v, cron_job *list, size_t *ret_count, err *e) {
    slice text, payload = slice_from_text("{}");
    size_t count = 0;
    if (driver_values_text(v, "cronjobs", &text) == STATUS_OK) {
        TRY(cron_jobs_parse(text, list, &count, e));
    }
    if (driver_values_text(v, "schedule", &text) == STATUS_OK) {
        if (count == CRON_JOBS_MAX) {
            return err_set(e, STATUS_LIMIT, "a link has at most %d jobs", CRON_JOBS_MAX);
        }
        (void)!driver_values_text(v, "payload", &payload);
        if (payload.len > CRON_PAYLOAD_BYTES_MAX) {
            return err_set(e, STATUS_INVALID, "the setting payload has at most %d bytes",
                           CRON_PAYLOAD_BYTES_MAX);
        }
        TRY(cron_parse(text, &list[count].schedule, e));
        list[count++].payload = payload;
    }
    *ret_count = count;
    return count > 0
               ? STATUS_OK
               : err_set(e, STATUS_INVALID, "there is no job: the driver cron needs schedule or cronjobs");
}

static status fill(driver_link *k, const driver_values *v, err *e) {
    cron_job *list = ARENA_ARRAY(&k->memory, cron_job, CRON_JOBS_MAX);
    size_t count = 0;
    TRY(driver_values_bool(v, "overlap", &k->overlaps, e));
    TRY(read_missed(k, v, e));
    TRY(read_subject(k, v, e));
    TRY(read_jobs(v, list, &count, e));
    k->jobs = mem_calloc(count, sizeof *k->jobs);
    for (size_t i = 0; i < count; i++) {
        k->count = i + 1;
        TRY(make_job(k, &k->jobs[i], &list[i], e));
    }
    return STATUS_OK;
}

static void release(driver_link *k) {
    for (size_t i = 0; i < k->count; i++) {
        job *j = &k->jobs[i];
        loop_timer_stop(&j->timer);
        for (size_t n = 0; n < CRON_OVERLAP_MAX; n++) {
            loop_timer_stop(&j->runs[n].retry);
            if (j->runs[n].is_on_its_way) {
                k->options.deliver_cancel(k->options.arg, &j->runs[n].delivery);
            }
        }
        buf_done(&j->payload);
    }
    mem_free(k->jobs);
    arena_done(&k->memory);
}

static void on_closed_soon(void *arg) {
    driver_link *k = arg;
    void (*on_closed)(void *) = k->options.on_closed;
    void *on_closed_arg = k->options.arg;
    mem_free(k);
    on_closed(on_closed_arg);
}

static status link_open(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                        err *e) {
    enum { MEMORY_BYTES_MAX = CRON_JOBS_MAX * (CRON_PAYLOAD_BYTES_MAX + 1024) };
    driver_link *k = MEM_NEW(driver_link);
    k->l = env->l;
    k->wall = env->wall.now_ns != NULL ? env->wall : (loop_clock){machine_wall_ns, NULL};
    k->options = *options;
    k->random = env->random;
    k->since_ns = loop_now_ns(env->l);
    arena_init(&k->memory, MEMORY_BYTES_MAX);
    loop_soon_init(&k->closed, on_closed_soon, k);
    status s = fill(k, &options->settings, e);
    if (s != STATUS_OK) {
        release(k);
        mem_free(k);
        return s;
    }
    *ret = k;
    return STATUS_OK;
}

static void link_close(driver_link *k) {
    release(k);
    loop_soon_add(k->l, &k->closed);
}

static void call(driver_link *k, driver_call *c) {
    (void)k;
    driver_fail(c, STATUS_UNSUPPORTED, "the driver cron calls, and cannot be called");
}

static void cancel(driver_link *k, driver_call *c) { // all are answered at once
    (void)k, (void)c;
}

static void health(const driver_link *k, driver_health *ret) {
    *ret = (driver_health){.state = DRIVER_UP, .since_ns = k->since_ns, .next_try_ns = UINT64_MAX};
}

static const char *const interfaces[] = {"wasmcloud:cron/scheduler", MESSAGING_HANDLER, NULL};

static const driver_setting settings[] = {
    {"schedule", "when, in UTC: five fields, six with seconds first, @hourly and its like, or @every 30s",
     false, false},
    {"payload", "what is passed, with `schedule`; default: {}", false, false},
    {"cronjobs", "several jobs: NAME=SCHEDULE[:PAYLOAD], a line each or with ';' between", false, false},
    {"subject", "call handle-message with this subject, in place of invoke", false, false},
    {"overlap", "true: call although the call before still runs, up to 16; default false", false, false},
    {"missed", "moments that were missed: skip (the default), or once: one call makes up for all", false,
     false},
    {NULL, NULL, false, false},
};

const driver cron_timer = {
    .version = DRIVER_VERSION,
    .name = "cron",
    .interfaces = interfaces,
    .settings = settings,
    .link_open = link_open,
    .link_close = link_close,
    .call = call,
    .cancel = cancel,
    .health = health,
};
