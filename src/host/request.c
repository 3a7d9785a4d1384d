// SPDX-License-Identifier: Apache-2.0
// A client that goes away takes its request with it, also while it runs: or clients that leave at once could
// hold all instances for as long as guests may wait. A guest that has answered in full may finish what it
// does.
#include "host/request.h"

#include "base/mem.h"
#include "capability/http/incoming.h"

enum { RESULT_ARENA_BYTES_MAX = 4096 };

typedef struct request {
    job base;
    http_exchange *exchange; // NULL once `incoming` has released it
    http_incoming *incoming; // while it runs
} request;

static const guest_place *place_of(const request *q) { return job_pool_place(q->base.pool); }

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

void request_reject_unrouted(http_exchange *x) {
    reply(x, 404, "no workload of this host has a route for this host name and path\n");
    http_exchange_release(x);
}

// --- ending ------------------------------------------------------------------------------------------------

static void log_end(const request *q, const guest_end *end, const char *event, const char *what) {
    char text[JOB_TEXT_BYTES_MAX];
    job_describe(&q->base, end, text);
    const http_request *r = http_exchange_request(q->exchange);
    slice path = slice_sub(r->path_with_query, 0, 200);
    logger_guest_event(place_of(q)->workload->logger, LOG_ERROR, event,
                       LOG_FIELDS(LOG_TEXT("method", r->method), LOG_TEXT("path", path),
                                  LOG_TEXT("reason", slice_from_text(text))),
                       "%.*s %.*s %s: %s", SLICE_ARG(r->method), SLICE_ARG(path), what, text);
}

static void finish(request *q, http_incoming_outcome outcome) {
    http_incoming_end(q->incoming, outcome);
    q->incoming = NULL;
    q->exchange = NULL;
}

static void on_ended(job *j, const guest_end *end) {
    request *q = (request *)j;
    if (end == NULL) {
        reply(q->exchange, 504, "no instance was free in time\n");
        return;
    }
    switch (end->outcome) {
    case GUEST_RETURNED:
        finish(q, HTTP_INCOMING_RETURNED);
        break;
    case GUEST_TIMED_OUT:
        log_end(q, end, "timeout", "was stopped");
        finish(q, HTTP_INCOMING_TIMED_OUT);
        break;
    case GUEST_CANCELLED:
        finish(q, HTTP_INCOMING_ABORTED);
        break;
    case GUEST_EXITED:
    case GUEST_TRAPPED:
        log_end(q, end, "trap", "trapped");
        finish(q, HTTP_INCOMING_TRAPPED);
        break;
    }
}

static void on_undo(job *j) {
    request *q = (request *)j;
    if (q->incoming != NULL) {
        finish(q, HTTP_INCOMING_ABORTED);
    }
}

static void on_release(job *j) {
    request *q = (request *)j;
    if (q->exchange != NULL) {
        http_exchange_release(q->exchange);
    }
    mem_free(q);
}

// --- running -----------------------------------------------------------------------------------------------

static status body(job *j, component_instance *instance, err *e) {
    request *q = (request *)j;
    component_value args[2];
    http_incoming_args(q->incoming, args);
    auto_arena a;
    arena_init(&a, RESULT_ARENA_BYTES_MAX);
    return component_call(instance, place_of(q)->workload->entry, args, 2, NULL, &a, e);
}

static void on_client_gone(void *context) {
    request *q = context;
    job_cancel(&q->base);
}

static bool prepare(job *j) {
    request *q = (request *)j;
    http_incoming_options o = {
        .instance = guest_wasi(j->guest), .exchange = q->exchange, .aborted = on_client_gone, .context = q};
    if (http_incoming_new(&o, &q->incoming, NULL) != STATUS_OK) {
        return false;
    }
    cell_add(&place_of(q)->cell->requests, 1);
    return true;
}

static const job_ops ops = {
    .prepare = prepare, .body = body, .ended = on_ended, .undo = on_undo, .release = on_release};

// --- admission ---------------------------------------------------------------------------------------------

static void on_abort(void *arg) {
    request *q = arg;
    job_drop(&q->base);
}

static const http_exchange_ops waiting_ops = {.on_abort = on_abort};

void request_admit(job_pool *p, http_exchange *x) {
    const guest_place *place = job_pool_place(p);
    request *q = MEM_NEW(request);
    q->exchange = x;
    http_exchange_bind(x, &waiting_ops, q); // until it runs
    if (!job_admit(p, &q->base, &ops, loop_now_ns(place->loop) + place->workload->wall_ns_max)) {
        reply(x, 503, "too many requests are waiting\n");
        on_release(&q->base);
    }
}
