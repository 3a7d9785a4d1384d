// SPDX-License-Identifier: Apache-2.0
// A request is in one of two lists: those that run and those that wait. When one ends, the first that waits
// runs. The bounds hold over all workers (admission.h), so the place that a request waits for may become free
// in another process, which cannot tell: while something waits, a timer tries again.
//
// A client that goes away takes its request with it, also while it runs: or clients that leave at once could
// hold all instances for as long as guests may wait. A guest that has answered in full may finish what it
// does.
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
    const host_limits *limits;
    list_node spares;
    list_node running;
    list_node waiting;
    uint32_t running_count;
    uint32_t waiting_count;
    loop_soon next;   // runs what waits
    loop_timer retry; // the same, when another worker may have made room
};

#define RETRY_NS 2000000ull

static void run_waiting(void *arg);

request_pool *request_pool_new(const guest_place *place) {
    request_pool *p = MEM_NEW(request_pool);
    p->place = place;
    p->limits = &place->workload->config->limits;
    list_init(&p->spares);
    list_init(&p->running);
    list_init(&p->waiting);
    loop_soon_init(&p->next, run_waiting, p);
    loop_timer_init(&p->retry, place->loop, run_waiting, p);
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
    admission_give(&p->place->admission, q->is_running ? ADMISSION_RUNNING : ADMISSION_WAITING);
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
    if (q->uses + 1 < q->pool->limits->reuse_max && guest_is_reusable(q->guest)) {
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
    cell_work *c = q->pool->place->cell;
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
    case GUEST_CANCELLED:
        finish(q, HTTP_INCOMING_ABORTED);
        break;
    case GUEST_EXITED:
    case GUEST_TRAPPED:
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

// At the end of the queue, or back at its head; of a request that is in neither list but has its place in the
// queue.
static void wait_for_room(request *q, bool first) {
    request_pool *p = q->pool;
    list_push_back(first ? p->waiting.next : &p->waiting, &q->node);
    p->waiting_count++;
    show_counts(p);
    http_exchange_bind(q->exchange, &waiting_ops, q);
    loop_timer_start_at(&q->deadline, q->deadline_ns);
    if (!loop_timer_is_active(&p->retry)) { // else each newcomer would put it off
        loop_timer_start_in(&p->retry, RETRY_NS);
    }
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

static void on_client_gone(void *context) {
    request *q = context;
    guest_cancel(q->guest);
}

// False when there is no room for another guest, which only happens when memory is short.
static bool prepare(request *q) {
    if (take_guest(q) != STATUS_OK) {
        return false;
    }
    http_incoming_options o = {
        .instance = guest_wasi(q->guest), .exchange = q->exchange, .aborted = on_client_gone, .context = q};
    if (http_incoming_new(&o, &q->incoming, NULL) != STATUS_OK) {
        guest_free(q->guest);
        q->guest = NULL;
        return false;
    }
    return true;
}

static bool take_place(const request_pool *p) {
    return admission_take(&p->place->admission, ADMISSION_RUNNING, p->limits->instances_max);
}

// Of a request that is in neither list and has a place among those that run. False when there was no memory;
// then the place is given back.
static bool run_request(request *q) {
    request_pool *p = q->pool;
    if (!prepare(q)) {
        admission_give(&p->place->admission, ADMISSION_RUNNING);
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
    while (!list_empty(&p->waiting) && take_place(p)) {
        request *q = LIST_ENTRY(list_pop_front(&p->waiting), request, node);
        p->waiting_count--;
        loop_timer_stop(&q->deadline);
        if (!run_request(q)) {
            wait_for_room(q, true);
            return;
        }
        admission_give(&p->place->admission, ADMISSION_WAITING);
    }
    if (!list_empty(&p->waiting)) {
        loop_timer_start_in(&p->retry, RETRY_NS);
    }
}

// --- admission ---------------------------------------------------------------------------------------------

static void reject(request_pool *p, http_exchange *x) {
    cell_add(&p->place->cell->rejected, 1);
    reply(x, 503, "too many requests are waiting\n");
    http_exchange_release(x);
}

void request_reject_unrouted(http_exchange *x) {
    reply(x, 404, "no workload of this host has a route for this host name and path\n");
    http_exchange_release(x);
}

static request *request_new(request_pool *p, http_exchange *x) {
    request *q = MEM_NEW(request);
    q->pool = p;
    q->exchange = x;
    q->deadline_ns = loop_now_ns(p->place->loop) + p->place->workload->wall_ns_max;
    list_init(&q->node);
    loop_timer_init(&q->deadline, p->place->loop, on_waited_too_long, q);
    return q;
}

void request_admit(request_pool *p, http_exchange *x) {
    request *q = request_new(p, x);
    if (list_empty(&p->waiting) && take_place(p) && run_request(q)) {
        return;
    }
    if (!admission_take(&p->place->admission, ADMISSION_WAITING, p->limits->queue_max)) {
        mem_free(q);
        reject(p, x);
        return;
    }
    wait_for_room(q, false);
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
    loop_timer_stop(&p->retry);
    mem_free(p);
}
