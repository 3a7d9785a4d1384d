// SPDX-License-Identifier: Apache-2.0
// A request is in one of two lists: those that run and those that wait. When one ends, the first that waits
// runs.
//
// A client that goes away while its request waits takes the request with it; one that goes away while it runs
// does not stop the guest, which may be in the middle of something that others rely on: its reads and writes
// fail, and its deadlines hold.
#include "host/request.h"

#include <stdio.h>

#include "base/mem.h"
#include "capability/http/incoming.h"

enum { TRAP_TEXT_BYTES_MAX = 1500, RESULT_ARENA_BYTES_MAX = 4096 };

typedef struct request {
    list_node node;
    request_pool *pool;
    bool is_running;         // in which list it is
    http_exchange *exchange; // NULL once `incoming` has released it
    http_incoming *incoming; // while it runs
    guest *guest;            // while it runs
    uint32_t uses;           // of the guest, before this one
    uint64_t deadline_ns;
    loop_timer deadline; // while it waits; the guest keeps it afterwards
} request;

typedef struct spare { // a guest that waits to serve again (--reuse)
    list_node node;
    guest *guest;
    uint32_t uses;
} spare;

struct request_pool {
    const guest_place *place;
    uint32_t running_max;
    uint32_t waiting_max;
    uint32_t reuse_max;
    list_node spares;
    list_node running;
    list_node waiting;
    uint32_t running_count;
    uint32_t waiting_count;
    loop_soon next; // runs what waits
};

static uint32_t share_of(uint32_t total, int workers, uint32_t min) {
    uint32_t share = total / (uint32_t)workers;
    return share > min ? share : min;
}

static void run_waiting(void *arg);

request_pool *request_pool_new(const guest_place *place, int worker_count) {
    const host_limits *l = &place->workload->config->limits;
    request_pool *p = MEM_NEW(request_pool);
    p->place = place;
    p->running_max = share_of(l->instances_max, worker_count, 1);
    p->waiting_max = share_of(l->queue_max, worker_count, l->queue_max > 0 ? 1 : 0);
    p->reuse_max = l->reuse_max;
    list_init(&p->spares);
    list_init(&p->running);
    list_init(&p->waiting);
    loop_soon_init(&p->next, run_waiting, p);
    return p;
}

static void show_counts(request_pool *p) {
    cell_set(&p->place->cell->instances, p->running_count);
    cell_set(&p->place->cell->queued, p->waiting_count);
}

static logger *log_of(const request_pool *p) { return p->place->workload->logger; }

// --- answers of our own ------------------------------------------------------------------------------------

static void reply(http_exchange *x, uint16_t code, const char *text) {
    if (http_exchange_is_aborted(x)) {
        return;
    }
    if (http_exchange_is_started(x)) {
        http_exchange_abort(x);
        return;
    }
    http_header headers[2] = {{SLICE_LITERAL("content-type"), SLICE_LITERAL("text/plain; charset=utf-8")},
                              {SLICE_LITERAL("retry-after"), SLICE_LITERAL("1")}};
    err e;
    if (http_exchange_reply(x, code, headers, code == 503 ? 2 : 1, slice_from_text(text), &e) != STATUS_OK) {
        http_exchange_abort(x);
    }
}

// --- ending ------------------------------------------------------------------------------------------------

static void request_free(request *q) {
    request_pool *p = q->pool;
    *(q->is_running ? &p->running_count : &p->waiting_count) -= 1;
    guest_free(q->guest);
    loop_timer_stop(&q->deadline);
    list_remove(&q->node);
    if (q->exchange != NULL) {
        http_exchange_release(q->exchange);
    }
    mem_free(q);
    show_counts(p);
    if (!list_empty(&p->waiting)) {
        loop_soon_add(p->place->loop, &p->next);
    }
}

static void log_end(const request *q, const guest_end *end, const char *event, const char *what) {
    char text[TRAP_TEXT_BYTES_MAX];
    guest_describe_trap(q->guest, end, text, sizeof text);
    const http_request *r = http_exchange_request(q->exchange);
    slice path = slice_sub(r->path_with_query, 0, 200);
    logger_guest_event(log_of(q->pool), LOG_ERROR, event,
                       LOG_FIELDS(LOG_TEXT("method", r->method), LOG_TEXT("path", path),
                                  LOG_TEXT("reason", slice_from_text(text))),
                       "%.*s %.*s %s: %s", SLICE_ARG(r->method), SLICE_ARG(path), what, text);
}

static void finish(request *q, http_incoming_outcome outcome) {
    http_incoming_end(q->incoming, outcome);
    q->incoming = NULL;
    q->exchange = NULL;
}

// A guest that may serve again is taken from the request and kept.
static void keep_guest(request *q) {
    if (q->uses + 1 < q->pool->reuse_max && guest_is_reusable(q->guest)) {
        spare *s = MEM_NEW(spare);
        s->guest = q->guest;
        s->uses = q->uses + 1;
        list_push_back(&q->pool->spares, &s->node);
        q->guest = NULL;
    }
}

static void on_ended(void *context, guest *g, const guest_end *end) {
    (void)g;
    request *q = context;
    cell *c = q->pool->place->cell;
    switch (end->outcome) {
    case GUEST_RETURNED:
        finish(q, HTTP_INCOMING_RETURNED);
        keep_guest(q);
        break;
    case GUEST_TIMED_OUT:
        cell_add(&c->timeouts, 1);
        log_end(q, end, "timeout", "was stopped");
        finish(q, HTTP_INCOMING_TIMED_OUT);
        break;
    case GUEST_EXITED:
    case GUEST_TRAPPED:
    case GUEST_CANCELLED:
        cell_add(&c->traps, 1);
        log_end(q, end, "trap", "trapped");
        finish(q, HTTP_INCOMING_TRAPPED);
        break;
    }
    request_free(q);
}

// --- waiting -----------------------------------------------------------------------------------------------

static void on_abort(void *arg) { request_free(arg); }

static const http_exchange_ops waiting_ops = {.on_abort = on_abort};

static void on_waited_too_long(void *arg) {
    request *q = arg;
    cell_add(&q->pool->place->cell->timeouts, 1);
    reply(q->exchange, 504, "no instance was free in time\n");
    request_free(q);
}

// At the end of the queue; of a request that is in neither list.
static void wait_for_room(request *q) {
    request_pool *p = q->pool;
    list_push_back(&p->waiting, &q->node);
    p->waiting_count++;
    show_counts(p);
    http_exchange_bind(q->exchange, &waiting_ops, q);
    loop_timer_start_at(&q->deadline, q->deadline_ns);
}

// --- running -----------------------------------------------------------------------------------------------

static status body(void *context, guest *g, component_instance *instance, err *e) {
    (void)g;
    request *q = context;
    component_value args[2];
    http_incoming_args(q->incoming, args);
    auto_arena a;
    arena_init(&a, RESULT_ARENA_BYTES_MAX);
    return component_call(instance, q->pool->place->workload->entry, args, 2, NULL, &a, e);
}

// One that has served before, or a fresh one.
static status take_guest(request *q) {
    list_node *n = list_pop_front(&q->pool->spares);
    if (n == NULL) {
        return guest_new(q->pool->place, &q->guest, NULL);
    }
    spare *s = LIST_ENTRY(n, spare, node);
    q->guest = s->guest;
    q->uses = s->uses;
    mem_free(s);
    return STATUS_OK;
}

// False when there is no room for another guest, which only happens when memory is short.
static bool prepare(request *q) {
    if (take_guest(q) != STATUS_OK) {
        return false;
    }
    http_incoming_options o = {.instance = guest_wasi(q->guest), .exchange = q->exchange};
    if (http_incoming_new(&o, &q->incoming, NULL) != STATUS_OK) {
        guest_free(q->guest);
        q->guest = NULL;
        return false;
    }
    return true;
}

// Of a request that is in neither list.
static bool run_request(request *q) {
    request_pool *p = q->pool;
    if (!prepare(q)) {
        return false;
    }
    q->is_running = true;
    list_push_back(&p->running, &q->node);
    p->running_count++;
    show_counts(p);
    cell_add(&p->place->cell->requests, 1);
    guest_run(q->guest, &(guest_run_options){
                            .body = body,
                            .ended = on_ended,
                            .context = q,
                            .cpu_ns_max = p->place->workload->cpu_ns_max,
                            .deadline_ns = q->deadline_ns,
                        });
    return true;
}

static void run_waiting(void *arg) {
    request_pool *p = arg;
    while (!list_empty(&p->waiting) && p->running_count < p->running_max) {
        request *q = LIST_ENTRY(list_pop_front(&p->waiting), request, node);
        p->waiting_count--;
        loop_timer_stop(&q->deadline);
        if (!run_request(q)) {
            wait_for_room(q);
            return;
        }
    }
}

// --- admission ---------------------------------------------------------------------------------------------

static void reject(request_pool *p, http_exchange *x) {
    cell_add(&p->place->cell->rejected, 1);
    reply(x, 503, "too many requests are waiting\n");
    http_exchange_release(x);
}

void request_admit(request_pool *p, http_exchange *x) {
    bool can_run = p->running_count < p->running_max && list_empty(&p->waiting);
    if (!can_run && p->waiting_count >= p->waiting_max) {
        reject(p, x);
        return;
    }
    request *q = MEM_NEW(request);
    q->pool = p;
    q->exchange = x;
    q->deadline_ns = loop_now_ns(p->place->loop) + p->place->workload->wall_ns_max;
    list_init(&q->node);
    loop_timer_init(&q->deadline, p->place->loop, on_waited_too_long, q);
    if (can_run && run_request(q)) {
        return;
    }
    if (p->running_count == 0) { // nobody would make room
        mem_free(q);
        reject(p, x);
        return;
    }
    wait_for_room(q);
}

void request_pool_free(request_pool *p) {
    if (p == NULL) {
        return;
    }
    while (!list_empty(&p->running)) {
        finish(LIST_ENTRY(p->running.next, request, node), HTTP_INCOMING_ABORTED);
        request_free(LIST_ENTRY(p->running.next, request, node));
    }
    while (!list_empty(&p->waiting)) {
        request_free(LIST_ENTRY(p->waiting.next, request, node));
    }
    for (list_node *n; (n = list_pop_front(&p->spares)) != NULL;) {
        guest_free(LIST_ENTRY(n, spare, node)->guest);
        mem_free(LIST_ENTRY(n, spare, node));
    }
    loop_soon_cancel(&p->next);
    mem_free(p);
}
