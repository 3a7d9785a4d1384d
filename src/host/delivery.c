// SPDX-License-Identifier: Apache-2.0
#include "host/delivery.h"

#include "base/mem.h"
#include "component/value_code.h"
#include "host/delivery_values.h"
#include "host/wire.h"

enum {
    ARGUMENT_BYTES_MAX = 64 << 20, // of arguments and result as values
    ANSWER_BYTES_MAX = 16 << 20,   // of the result as bytes
};

struct deliveries {
    deliveries_options options;
    list_node calls;
    uint32_t *workloads; // by number of a link: whose it is, from 1; 0 = nobody's
    uint32_t link_count;
    bool is_draining;
    loop_timer deadline;
    loop_soon drained;
};

typedef struct delivery {
    job base;
    deliveries *owner;
    rpc_request *request; // NULL once it is answered
    slice arguments;
    const component_func *func;
    const wasi_link *link;
    arena values;
    buf answer;
    status code; // unless STATUS_OK: why there is no answer, in `why`
    err why;
    list_node node;
} delivery;

// --- what is called ----------------------------------------------------------------------------------------

status delivery_caller_write(const delivery_caller *c, buf *ret, err *e) {
    wire_writer w = wire_writer_of(ret);
    wire_write_bytes(&w, c->name);
    wire_write_bytes(&w, c->issuer);
    wire_write_bytes(&w, c->link);
    return w.has_failed ? err_set(e, STATUS_LIMIT, "the call is too long") : STATUS_OK;
}

status delivery_caller_read(slice payload, delivery_caller *ret, slice *ret_rest, err *e) {
    wire_reader r = wire_reader_of(payload);
    delivery_caller c = {.name = wire_read_bytes(&r, GATE_NAME_BYTES_MAX),
                         .issuer = wire_read_bytes(&r, GATE_NAME_BYTES_MAX),
                         .link = wire_read_bytes(&r, GATE_NAME_BYTES_MAX)};
    if (r.has_failed) {
        return err_set(e, STATUS_INVALID, "the call does not say who makes it");
    }
    *ret = c;
    *ret_rest = r.rest;
    return STATUS_OK;
}

static const wasi_link *find_link(const deliveries *d, const rpc_message *m, uint32_t *ret_workload) {
    uint32_t number = m->target < d->link_count ? d->workloads[m->target] : 0;
    if (number == 0 || d->options.pools[number - 1] == NULL) {
        return NULL;
    }
    *ret_workload = number - 1;
    const wasi_links *links = &d->options.places[number - 1].workload->links;
    for (size_t k = 0; k < links->count; k++) {
        const wasi_link *l = &links->items[k];
        if (l->number == m->target && (l->is_any || slice_equal(l->interface, m->interface))) {
            return l;
        }
    }
    return NULL;
}

static status check_open(const wasi_link *l, err *e) {
    return atomic_load_explicit(l->state, memory_order_acquire) == WASI_LINK_OPEN
               ? STATUS_OK
               : err_set(e, STATUS_DENIED, "the link was cut");
}

// As wasi_call_check, in the other direction.
static status check_gate(const workload *w, const delivery_caller *c, const rpc_message *m, err *e) {
    const wasi_log_sink *log = &w->wasi.log;
    const gate_question q = {
        .parts = {[GATE_CALLER] = c->name,
                  [GATE_ISSUER] = c->issuer,
                  [GATE_TARGET] = w->wasi.name,
                  [GATE_INTERFACE] = slice_sub(m->interface, 0, slice_find(m->interface, 0, '@')),
                  [GATE_FUNCTION] = m->function,
                  [GATE_LINK] = c->link}};
    err why;
    status s = w->wasi.gate != NULL ? gate_check(w->wasi.gate, &q, &why)
                                    : err_set(&why, STATUS_DENIED, "there is no gate to ask");
    if (s != STATUS_OK) {
        log->denied(log->context, NULL, slice_from_text(why.message));
        return err_set(e, s, "%s", why.message);
    }
    return STATUS_OK;
}

static status find_function(const deliveries *d, const rpc_message *m, uint32_t *ret_workload,
                            const wasi_link **ret_link, const component_func **ret, slice *ret_arguments,
                            err *e) {
    const wasi_link *l = find_link(d, m, ret_workload);
    delivery_caller caller = {0};
    *ret_link = l;
    *ret_arguments = m->payload;
    if (l == NULL) {
        return err_set(e, STATUS_DENIED, "there is no such link");
    }
    const workload *w = d->options.places[*ret_workload].workload;
    TRY(check_open(l, e));
    if (l->is_any) {
        TRY(delivery_caller_read(m->payload, &caller, ret_arguments, e));
    } else {
        caller = (delivery_caller){.name = l->target_name, .link = l->name};
    }
    TRY(check_gate(w, &caller, m, e));
    *ret = component_program_export(w->program, m->interface, m->function);
    if (*ret == NULL) {
        return err_set(e, STATUS_UNSUPPORTED, "the component does not export %.*s with a function %.*s",
                       SLICE_ARG(slice_sub(m->interface, 0, 100)), SLICE_ARG(slice_sub(m->function, 0, 100)));
    }
    return delivery_values_check(*ret, e);
}

// --- running -----------------------------------------------------------------------------------------------

static status call_it(delivery *d, component_instance *instance, const component_value *args,
                      component_value *ret, err *e) {
    const ctype_func *type = component_func_type(d->func);
    return component_call(instance, d->func, args, type->param_count, type->result != NULL ? ret : NULL,
                          &d->values, e);
}

// What the handler says of a call that it could not do is for whoever looks after the workload.
static void log_error_value(const delivery *d, const component_value *result) {
    const ctype *t = component_func_type(d->func)->result;
    const rpc_message *m = rpc_request_message(d->request);
    if (t == NULL || t->kind != CTYPE_RESULT || result->of.variant.tag == 0) {
        return;
    }
    bool has_text = t->error != NULL && t->error->kind == CTYPE_STRING;
    slice text = has_text ? slice_sub(result->of.variant.payload->of.string, 0, 500)
                          : slice_from_text("it gives no reason in words");
    logger_guest_event(job_pool_place(d->base.pool)->workload->logger, LOG_WARN, "delivery-error",
                       LOG_FIELDS(LOG_TEXT("interface", m->interface), LOG_TEXT("function", m->function),
                                  LOG_TEXT("reason", text)),
                       "%.*s answers with an error: %.*s", SLICE_ARG(m->function), SLICE_ARG(text));
}

// What the handler calls goes through the link that called it, until it chooses another.
static status choose_link(const delivery *d, wasi_instance *i, err *e) {
    const wasi_links *links = i->workload->links;
    bool is_default = d->link->is_any || slice_equal_text(d->link->name, "default");
    for (size_t k = 0; k < links->count && !is_default; k++) {
        const wasi_link *l = &links->items[k];
        if (l->number == d->link->number) {
            TRY(wasi_link_choose(i, l->interface, l->name, e));
        }
    }
    return STATUS_OK;
}

// Wrong arguments are the driver's fault: the guest has not failed then, and was not called.
static status body(job *j, component_instance *instance, err *e) {
    delivery *d = (delivery *)j;
    component_value *args = NULL;
    component_value result = {0};
    const ctype_func *type = component_func_type(d->func);
    TRY(choose_link(d, guest_wasi(j->guest), e));
    d->code = delivery_values_read(d->func, guest_wasi(j->guest), d->arguments, &d->values, &args, &d->why);
    if (d->code != STATUS_OK) {
        return STATUS_OK;
    }
    TRY(call_it(d, instance, args, &result, e));
    log_error_value(d, &result);
    d->code = value_code_write_result(type, &result, &d->answer, &d->why);
    return STATUS_OK;
}

static bool prepare(job *j) {
    const guest_place *place = job_pool_place(j->pool);
    cell_add(&place->cell->deliveries, 1);
    return true;
}

static void fail(delivery *d, status code, const char *why) {
    rpc_fail(d->request, code, "%s", why);
    d->request = NULL;
}

static void fail_logged(delivery *d, const guest_end *end, status code, const char *event, const char *what) {
    char text[JOB_TEXT_BYTES_MAX];
    const rpc_message *m = rpc_request_message(d->request);
    job_describe(&d->base, end, text);
    logger_guest_event(job_pool_place(d->base.pool)->workload->logger, LOG_ERROR, event,
                       LOG_FIELDS(LOG_TEXT("interface", m->interface), LOG_TEXT("function", m->function),
                                  LOG_TEXT("reason", slice_from_text(text))),
                       "%.*s %s: %s", SLICE_ARG(m->function), what, text);
    fail(d, code, text);
}

static void on_ended(job *j, const guest_end *end) {
    delivery *d = (delivery *)j;
    if (end == NULL) {
        fail(d, STATUS_LIMIT, "no instance was free in time");
        return;
    }
    switch (end->outcome) {
    case GUEST_RETURNED:
        if (d->code == STATUS_OK) {
            rpc_answer(d->request, buf_slice(&d->answer));
            d->request = NULL;
        } else {
            fail(d, d->code, d->why.message);
        }
        break;
    case GUEST_TIMED_OUT:
        fail_logged(d, end, STATUS_TIMEOUT, "timeout", "was stopped");
        break;
    case GUEST_CANCELLED:
        fail(d, STATUS_CANCELLED, "it was given up");
        break;
    case GUEST_EXITED:
    case GUEST_TRAPPED:
        fail_logged(d, end, STATUS_TRAP, "trap", "trapped");
        break;
    }
}

static void tell_drained(deliveries *owner) {
    if (owner->is_draining && list_empty(&owner->calls)) {
        loop_timer_stop(&owner->deadline);
        loop_soon_add(owner->options.loop, &owner->drained);
    }
}

static void on_release(job *j) {
    delivery *d = (delivery *)j;
    deliveries *owner = d->owner;
    if (d->request != NULL) {
        fail(d, STATUS_CANCELLED, "it was given up");
    }
    list_remove(&d->node);
    arena_done(&d->values);
    buf_done(&d->answer);
    mem_free(d);
    tell_drained(owner);
}

static const job_ops ops = {.prepare = prepare, .body = body, .ended = on_ended, .release = on_release};

// --- admission ---------------------------------------------------------------------------------------------

static void admit(deliveries *owner, rpc_request *q, uint32_t number, const wasi_link *link,
                  const component_func *func, slice arguments) {
    const guest_place *place = &owner->options.places[number];
    uint64_t own = loop_now_ns(place->loop) + place->workload->wall_ns_max;
    uint64_t asked = rpc_request_deadline_ns(q);
    delivery *d = MEM_NEW(delivery);
    d->owner = owner;
    d->request = q;
    d->func = func;
    d->arguments = arguments;
    d->link = link;
    arena_init(&d->values, ARGUMENT_BYTES_MAX);
    buf_init(&d->answer, ANSWER_BYTES_MAX);
    list_push_back(&owner->calls, &d->node);
    rpc_request_set_data(q, d);
    if (!job_admit(owner->options.pools[number], &d->base, &ops, asked < own ? asked : own)) {
        fail(d, STATUS_LIMIT, "too many requests and calls are waiting for an instance");
        on_release(&d->base);
    }
}

void deliveries_call(deliveries *d, rpc_request *q) {
    const component_func *func = NULL;
    const wasi_link *link = NULL;
    uint32_t number = 0;
    slice arguments;
    err e = {0};
    if (d->is_draining) {
        rpc_fail(q, STATUS_NOT_FOUND, "this worker ends");
        return;
    }
    status s = find_function(d, rpc_request_message(q), &number, &link, &func, &arguments, &e);
    if (s != STATUS_OK) {
        rpc_fail(q, s, "%s", e.message);
        return;
    }
    admit(d, q, number, link, func, arguments);
}

void deliveries_cancel(rpc_request *q) {
    delivery *d = rpc_request_data(q);
    if (d != NULL) {
        job_cancel(&d->base);
    }
}

// --- the end -----------------------------------------------------------------------------------------------

static void on_deadline(void *arg) {
    deliveries *d = arg;
    for (list_node *n = d->calls.next, *next; n != &d->calls; n = next) {
        next = n->next;
        job_cancel(&LIST_ENTRY(n, delivery, node)->base);
    }
}

static void on_drained(void *arg) {
    deliveries *d = arg;
    d->options.drained(d->options.context);
}

void deliveries_drain(deliveries *d, uint64_t deadline_ns) {
    if (!d->is_draining) {
        d->is_draining = true;
        loop_timer_start_at(&d->deadline, deadline_ns);
        tell_drained(d);
    }
}

static void note_links(deliveries *d) {
    for (uint32_t i = 0; i < d->options.count; i++) {
        const wasi_links *links = &d->options.places[i].workload->links;
        for (size_t k = 0; k < links->count; k++) {
            uint32_t number = links->items[k].number;
            if (number >= d->link_count) {
                d->workloads = mem_resize(d->workloads, (number + 1u) * sizeof *d->workloads);
                memset(&d->workloads[d->link_count], 0, (number + 1u - d->link_count) * sizeof *d->workloads);
                d->link_count = number + 1;
            }
            d->workloads[number] = i + 1;
        }
    }
}

deliveries *deliveries_new(const deliveries_options *o) {
    deliveries *d = MEM_NEW(deliveries);
    d->options = *o;
    note_links(d);
    list_init(&d->calls);
    loop_timer_init(&d->deadline, o->loop, on_deadline, d);
    loop_soon_init(&d->drained, on_drained, d);
    return d;
}

void deliveries_free(deliveries *d) {
    if (d != NULL) {
        loop_timer_stop(&d->deadline);
        loop_soon_cancel(&d->drained);
        mem_free(d->workloads);
        mem_free(d);
    }
}
