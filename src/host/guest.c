// SPDX-License-Identifier: Apache-2.0
// How a run proceeds: step() resumes the task. The task finishes (then the run ends), has used its time slice
// (then it queues itself behind the other guests of its workload), or waits (then a wake queues it). The
// deadline's timer and guest_cancel end the run between two steps; freeing the task unwinds it.
#include "host/guest.h"

#include <stdio.h>

#include "base/mem.h"
#include "os/clock.h"

#define TURN_NS 1000000u // of one workload in one turn of the loop

struct guest {
    guest_place place;
    core_store *store;
    wasi_instance *wasi;
    component_instance *instance;
    core_task *task; // NULL between runs
    guest_run_options run;
    guest_turn turn; // in place.queue
    loop_timer deadline;
    bool is_cancelled;
    bool is_broken; // must not run again
    status result;  // of the body
    err e;
};

static void step(void *arg);
static void on_deadline(void *arg);

// --- turns -------------------------------------------------------------------------------------------------

void guest_turn_init(guest_turn *t, void (*run)(void *arg), void *arg) {
    *t = (guest_turn){.run = run, .arg = arg};
    list_init(&t->node);
}

void guest_queue_add(guest_queue *q, guest_turn *t) {
    if (!t->is_queued) {
        t->is_queued = true;
        list_push_back(&q->waiting, &t->node);
        loop_soon_add(q->loop, &q->soon);
    }
}

void guest_turn_cancel(guest_turn *t) {
    if (t->is_queued) {
        t->is_queued = false;
        list_remove(&t->node);
    }
}

static void run_queue(void *arg) {
    guest_queue *q = arg;
    uint64_t end = clock_now_ns() + TURN_NS;
    do {
        list_node *n = list_pop_front(&q->waiting);
        if (n == NULL) {
            return;
        }
        guest_turn *t = LIST_ENTRY(n, guest_turn, node);
        t->is_queued = false;
        t->run(t->arg);
    } while (clock_now_ns() < end);
    if (!list_empty(&q->waiting)) {
        loop_soon_add(q->loop, &q->soon);
    }
}

void guest_queue_init(guest_queue *q, loop *l) {
    *q = (guest_queue){.loop = l};
    list_init(&q->waiting);
    loop_soon_init(&q->soon, run_queue, q);
}

void guest_queue_done(guest_queue *q) { loop_soon_cancel(&q->soon); }

// --- a guest -----------------------------------------------------------------------------------------------

static void queue_add(guest *g) { guest_queue_add(g->place.queue, &g->turn); }

static void wake(void *waker) { queue_add(waker); }

status guest_new(const guest_place *place, guest **ret, err *e) {
    core_store *store = NULL;
    TRY(engine_store_new(place->workload->engine, &place->workload->store_options, &store, e));
    guest *g = MEM_NEW(guest);
    g->place = *place;
    g->store = store;
    guest_turn_init(&g->turn, step, g);
    loop_timer_init(&g->deadline, place->loop, on_deadline, g);
    wasi_instance_options o = {.workload = &place->workload->wasi,
                               .loop = place->loop,
                               .connector = place->connector,
                               .http = place->http,
                               .wake = wake,
                               .waker = g};
    status s = wasi_instance_new(&o, &g->wasi, e);
    if (s != STATUS_OK) {
        guest_free(g);
        return s;
    }
    *ret = g;
    return STATUS_OK;
}

static void stop_run(guest *g) {
    guest_turn_cancel(&g->turn);
    loop_timer_stop(&g->deadline);
    if (g->task != NULL) {
        g->store->ops->task_free(g->task);
        g->task = NULL;
    }
}

void guest_free(guest *g) {
    if (g == NULL) {
        return;
    }
    stop_run(g);
    if (g->instance != NULL) {
        component_instance_free(g->instance);
    }
    wasi_instance_free(g->wasi);
    engine_store_free(g->store);
    mem_free(g);
}

static void run_body(core_store *store, void *arg) {
    guest *g = arg;
    g->result = STATUS_OK;
    if (g->instance == NULL) {
        g->result = component_instantiate(g->place.workload->program, store, g->wasi, &g->instance, &g->e);
    }
    if (g->result == STATUS_OK) {
        g->result = g->run.body(g->run.context, g, g->instance, &g->e);
    }
}

static guest_outcome outcome_of(const guest *g) {
    engine_stop stop = engine_store_stop(g->store);
    if (g->result == STATUS_OK) {
        return GUEST_RETURNED;
    }
    if (g->wasi->has_exited) {
        return GUEST_EXITED;
    }
    if (stop == ENGINE_STOP_CPU || stop == ENGINE_STOP_DEADLINE) {
        return GUEST_TIMED_OUT;
    }
    return GUEST_TRAPPED;
}

static void end_run(guest *g, guest_outcome outcome) {
    guest_end end = {.outcome = outcome, .exit_code = g->wasi->exit_code, .e = g->e};
    g->is_broken = outcome != GUEST_RETURNED;
    cell_add(&g->place.cell->cpu_ns, engine_store_cpu_ns(g->store));
    stop_run(g);
    g->run.ended(g->run.context, g, &end);
}

static void step(void *arg) {
    guest *g = arg;
    if (g->is_cancelled) {
        err_set(&g->e, STATUS_CANCELLED, "given up");
        end_run(g, GUEST_CANCELLED);
    } else if (g->store->ops->task_resume(g->task)) {
        end_run(g, outcome_of(g));
    } else if (engine_store_is_runnable(g->store)) {
        queue_add(g);
    }
}

static void on_deadline(void *arg) {
    guest *g = arg;
    err_set(&g->e, STATUS_TIMEOUT, "past its deadline, while it waited");
    end_run(g, GUEST_TIMED_OUT);
}

void guest_run(guest *g, const guest_run_options *options) {
    g->run = *options;
    err_clear(&g->e);
    engine_store_budget(g->store, options->cpu_ns_max, options->deadline_ns);
    status s = g->store->ops->task_new(g->store, run_body, g, &g->task, &g->e);
    if (s != STATUS_OK) {
        end_run(g, GUEST_TRAPPED);
        return;
    }
    if (options->deadline_ns != 0) {
        loop_timer_start_at(&g->deadline, options->deadline_ns);
    }
    if (list_empty(&g->place.queue->waiting)) {
        step(g);
    } else {
        queue_add(g);
    }
}

void guest_cancel(guest *g) {
    if (g->task != NULL) {
        g->is_cancelled = true;
        queue_add(g);
    }
}

wasi_instance *guest_wasi(guest *g) { return g->wasi; }
core_store *guest_store(guest *g) { return g->store; }
bool guest_is_reusable(const guest *g) { return !g->is_broken && g->instance != NULL; }

// ": last host calls: [method]a.b, c"
static void append_calls(const guest *g, char *text, size_t size) {
    const host_func *calls[COMPONENT_LAST_CALLS_MAX];
    size_t count = g->instance == NULL ? 0 : component_instance_last_calls(g->instance, calls);
    size_t at = strlen(text);
    for (size_t i = 0; i < count && at < size; i++) {
        int n = snprintf(text + at, size - at, "%s%.*s", i == 0 ? "; last host calls: " : ", ",
                         SLICE_ARG(calls[i]->name));
        at += n > 0 ? (size_t)n : 0;
    }
}

void guest_describe_trap(const guest *g, const guest_end *end, char *text, size_t size) {
    const engine_trap *trap = engine_store_trap(g->store);
    engine_stop stop = engine_store_stop(g->store);
    if (trap->kind != ENGINE_TRAP_NONE && stop == ENGINE_STOP_NONE) {
        engine_trap_format(trap, text, size);
    } else {
        // Giving a task up stops it too, but why it was given up stands in `e`.
        bool says_why = stop != ENGINE_STOP_NONE && stop != ENGINE_STOP_CANCELLED;
        (void)snprintf(text, size, "%s", says_why ? engine_stop_name(stop) : end->e.message);
    }
    append_calls(g, text, size);
}
