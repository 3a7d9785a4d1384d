// SPDX-License-Identifier: Apache-2.0
// A job is in one of two lists: those that run and those that wait. When one ends, the first that waits runs.
// The bounds hold over all workers (admission.h), so the place that a job waits for may become free in
// another process, which cannot tell: while something waits, a timer tries again.
#include "host/job.h"

#include "base/mem.h"
#include "capability/links.h"

#define RETRY_NS 2000000ull

typedef struct spare { // a guest that waits to serve again (--reuse)
    list_node node;
    guest *guest;
    uint32_t uses;
} spare;

struct job_pool {
    const guest_place *place;
    const host_limits *limits;
    list_node spares;
    list_node running;
    list_node waiting;
    uint32_t running_count;
    uint32_t waiting_count;
    loop_soon next;   // runs what waits
    loop_timer retry; // the same, when another worker may have made room
};

static void run_waiting(void *arg);

job_pool *job_pool_new(const guest_place *place) {
    job_pool *p = MEM_NEW(job_pool);
    p->place = place;
    p->limits = &place->workload->config->limits;
    list_init(&p->spares);
    list_init(&p->running);
    list_init(&p->waiting);
    loop_soon_init(&p->next, run_waiting, p);
    loop_timer_init(&p->retry, place->loop, run_waiting, p);
    return p;
}

const guest_place *job_pool_place(const job_pool *p) { return p->place; }

bool job_pool_is_idle(const job_pool *p) { return p->running_count == 0 && p->waiting_count == 0; }

static void show_counts(job_pool *p) {
    cell_set(&p->place->cell->instances, p->running_count);
    cell_set(&p->place->cell->queued, p->waiting_count);
}

// --- ending ------------------------------------------------------------------------------------------------

void job_drop(job *j) {
    job_pool *p = j->pool;
    *(j->is_running ? &p->running_count : &p->waiting_count) -= 1;
    admission_give(&p->place->admission, j->is_running ? ADMISSION_RUNNING : ADMISSION_WAITING);
    if (j->is_running && j->ops->undo != NULL) {
        j->ops->undo(j);
    }
    guest_free(j->guest);
    loop_timer_stop(&j->deadline);
    list_remove(&j->node);
    j->ops->release(j);
    show_counts(p);
    if (!list_empty(&p->waiting)) {
        loop_soon_add(p->place->loop, &p->next);
    }
}

void job_cancel(job *j) {
    if (j->is_running) {
        guest_cancel(j->guest);
    } else {
        job_drop(j);
    }
}

// A guest that may serve again is taken from the job and kept. Which links it, or a delivery for it, has
// chosen is over with this job.
static void keep_guest(job *j) {
    if (j->uses + 1 < j->pool->limits->reuse_max && guest_is_reusable(j->guest)) {
        spare *s = MEM_NEW(spare);
        s->guest = j->guest;
        s->uses = j->uses + 1;
        wasi_link_choose_none(guest_wasi(j->guest));
        list_push_back(&j->pool->spares, &s->node);
        j->guest = NULL;
    }
}

static void on_ended(void *context, guest *g, const guest_end *end) {
    (void)g;
    job *j = context;
    cell_work *c = j->pool->place->cell;
    if (end->outcome == GUEST_TIMED_OUT) {
        cell_add(&c->timeouts, 1);
    } else if (end->outcome == GUEST_EXITED || end->outcome == GUEST_TRAPPED) {
        cell_add(&c->traps, 1);
    }
    j->ops->ended(j, end);
    keep_guest(j);
    job_drop(j);
}

void job_describe(const job *j, const guest_end *end, char text[JOB_TEXT_BYTES_MAX]) {
    guest_describe_trap(j->guest, end, text, JOB_TEXT_BYTES_MAX);
}

// --- waiting -----------------------------------------------------------------------------------------------

static void on_waited_too_long(void *arg) {
    job *j = arg;
    cell_add(&j->pool->place->cell->timeouts, 1);
    j->ops->ended(j, NULL);
    job_drop(j);
}

// At the end of the queue, or back at its head; of a job that is in neither list but has its place in the
// queue.
static void wait_for_room(job *j, bool first) {
    job_pool *p = j->pool;
    list_push_back(first ? p->waiting.next : &p->waiting, &j->node);
    p->waiting_count++;
    show_counts(p);
    loop_timer_start_at(&j->deadline, j->deadline_ns);
    if (!loop_timer_is_active(&p->retry)) { // else each newcomer would put it off
        loop_timer_start_in(&p->retry, RETRY_NS);
    }
}

// --- running -----------------------------------------------------------------------------------------------

static status body(void *context, guest *g, component_instance *instance, err *e) {
    (void)g;
    job *j = context;
    return j->ops->body(j, instance, e);
}

// One that has served before, or a fresh one.
static status take_guest(job *j) {
    list_node *n = list_pop_front(&j->pool->spares);
    if (n == NULL) {
        return guest_new(j->pool->place, &j->guest, NULL);
    }
    spare *s = LIST_ENTRY(n, spare, node);
    j->guest = s->guest;
    j->uses = s->uses;
    mem_free(s);
    return STATUS_OK;
}

// False when there is no room for another guest, which only happens when memory is short.
static bool prepare(job *j) {
    if (take_guest(j) != STATUS_OK) {
        return false;
    }
    if (!j->ops->prepare(j)) {
        guest_free(j->guest);
        j->guest = NULL;
        return false;
    }
    return true;
}

static bool take_place(const job_pool *p) {
    return admission_take(&p->place->admission, ADMISSION_RUNNING, p->limits->instances_max);
}

// Of a job that is in neither list and has a place among those that run. False when there was no memory; then
// the place is given back.
static bool run_job(job *j) {
    job_pool *p = j->pool;
    if (!prepare(j)) {
        admission_give(&p->place->admission, ADMISSION_RUNNING);
        return false;
    }
    j->is_running = true;
    list_push_back(&p->running, &j->node);
    p->running_count++;
    show_counts(p);
    guest_run(j->guest, &(guest_run_options){
                            .body = body,
                            .ended = on_ended,
                            .context = j,
                            .cpu_ns_max = p->place->workload->cpu_ns_max,
                            .deadline_ns = j->deadline_ns,
                        });
    return true;
}

static void run_waiting(void *arg) {
    job_pool *p = arg;
    while (!list_empty(&p->waiting) && take_place(p)) {
        job *j = LIST_ENTRY(list_pop_front(&p->waiting), job, node);
        p->waiting_count--;
        loop_timer_stop(&j->deadline);
        if (!run_job(j)) {
            wait_for_room(j, true);
            return;
        }
        admission_give(&p->place->admission, ADMISSION_WAITING);
    }
    if (!list_empty(&p->waiting)) {
        loop_timer_start_in(&p->retry, RETRY_NS);
    }
}

// --- admission ---------------------------------------------------------------------------------------------

bool job_admit(job_pool *p, job *j, const job_ops *ops, uint64_t deadline_ns) {
    j->pool = p;
    j->ops = ops;
    j->deadline_ns = deadline_ns;
    list_init(&j->node);
    loop_timer_init(&j->deadline, p->place->loop, on_waited_too_long, j);
    if (list_empty(&p->waiting) && take_place(p) && run_job(j)) {
        return true;
    }
    if (!admission_take(&p->place->admission, ADMISSION_WAITING, p->limits->queue_max)) {
        cell_add(&p->place->cell->rejected, 1);
        return false;
    }
    wait_for_room(j, false);
    return true;
}

void job_pool_free(job_pool *p) {
    if (p == NULL) {
        return;
    }
    while (!list_empty(&p->running)) {
        job_drop(LIST_ENTRY(p->running.next, job, node));
    }
    while (!list_empty(&p->waiting)) {
        job_drop(LIST_ENTRY(p->waiting.next, job, node));
    }
    for (list_node *n; (n = list_pop_front(&p->spares)) != NULL;) {
        guest_free(LIST_ENTRY(n, spare, node)->guest);
        mem_free(LIST_ENTRY(n, spare, node));
    }
    loop_soon_cancel(&p->next);
    loop_timer_stop(&p->retry);
    mem_free(p);
}
