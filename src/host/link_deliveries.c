// SPDX-License-Identifier: Apache-2.0
// Calls of drivers to the workloads at the other end of their links.
#include "base/mem.h"
#include "host/link_server_internal.h"

typedef struct delivery { // of a driver, until its answer
    driver_delivery *base;
    served_link *link;
    attached *worker; // NULL: it is gone
    rpc_call call;
    list_node node; // of the link
} delivery;

static void on_delivered(void *arg, const rpc_result *result);

static attached *choose_of(const link_session *s) {
    attached *best = NULL;
    for (list_node *n = s->workers.next; n != &s->workers; n = n->next) {
        attached *a = LIST_ENTRY(n, attached, node);
        if (!a->is_ending && rpc_is_open(a->rpc) &&
            (best == NULL || a->delivery_count < best->delivery_count)) {
            best = a;
        }
    }
    return best;
}

static bool find_number(const link_session *s, const served_link *l, uint32_t *ret) {
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->places[i].link == l) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static attached *choose_worker(const served_link *l, uint32_t *ret_number) {
    const link_server *server = l->events.context;
    attached *found = NULL;
    for (list_node *n = server->sessions.next; n != &server->sessions && found == NULL; n = n->next) {
        const link_session *s = LIST_ENTRY(n, link_session, node);
        found = find_number(s, l, ret_number) ? choose_of(s) : NULL;
    }
    return found;
}

static status send_delivery(delivery *x, err *e) {
    const driver_delivery *d = x->base;
    uint32_t number = 0;
    attached *a = choose_worker(x->link, &number);
    if (a == NULL) {
        return err_set(e, STATUS_CLOSED, "no worker serves now");
    }
    if (a->delivery_count >= LINK_SERVER_WORKER_DELIVERIES_MAX) {
        return err_set(e, STATUS_LIMIT, "%u calls of drivers are on their way to each worker",
                       a->delivery_count);
    }
    const rpc_message m = {number, d->interface, d->function, d->payload};
    TRY(rpc_call_start(a->rpc, &x->call, &m, d->deadline_ns, on_delivered, x, e));
    x->worker = a;
    a->delivery_count++;
    return STATUS_OK;
}

static void leave_worker(delivery *x) {
    if (x->worker != NULL) {
        x->worker->delivery_count--;
        x->worker = NULL;
    }
}

static void free_delivery(delivery *x) {
    leave_worker(x);
    x->base->host = NULL;
    x->link->delivery_count--;
    list_remove(&x->node);
    mem_free(x);
}

// A worker that ends says so, and has not begun the call (host/delivery.h).
static bool was_not_begun(delivery *x, const rpc_result *result) {
    attached *a = x->worker;
    if (result->code != STATUS_NOT_FOUND) {
        return false;
    }
    if (a != NULL) {
        a->is_ending = true;
    }
    leave_worker(x);
    return true;
}

static void end_delivery(delivery *x, status code, slice payload, const err *e) {
    driver_delivery *d = x->base;
    served_link *l = x->link;
    free_delivery(x);
    d->ended(d, code, payload, code == STATUS_OK ? NULL : e);
    served_link_close_unused(l);
}

static void on_delivered(void *arg, const rpc_result *result) {
    delivery *x = arg;
    err e = {0};
    if (!was_not_begun(x, result)) {
        end_delivery(x, result->code, result->payload, result->e);
    } else if (send_delivery(x, &e) != STATUS_OK) { // to another one
        e.code = STATUS_LIMIT;
        end_delivery(x, STATUS_LIMIT, slice_empty(), &e);
    }
}

status link_deliver(served_link *l, driver_delivery *d, err *e) {
    if (l->delivery_count >= LINK_SERVER_DELIVERIES_MAX) {
        return err_set(e, STATUS_LIMIT, "%u calls of this link are on their way", l->delivery_count);
    }
    delivery *x = MEM_NEW(delivery);
    *x = (delivery){.base = d, .link = l};
    status s = send_delivery(x, e);
    if (s != STATUS_OK) {
        mem_free(x);
        return s;
    }
    d->host = x;
    l->delivery_count++;
    list_push_back(&l->deliveries, &x->node);
    return STATUS_OK;
}

void link_deliver_cancel(driver_delivery *d) {
    delivery *x = d->host;
    if (x != NULL) {
        rpc_call_cancel(&x->call);
        free_delivery(x);
    }
}

// The driver has cancelled its own, or forgotten them.
void link_end_deliveries(served_link *l) {
    while (!list_empty(&l->deliveries)) {
        link_deliver_cancel(LIST_ENTRY(l->deliveries.next, delivery, node)->base);
    }
}

void link_orphan_deliveries(const attached *a) {
    list_node *links = &a->session->server->links;
    for (list_node *k = links->next; k != links; k = k->next) {
        served_link *l = LIST_ENTRY(k, served_link, node);
        for (list_node *n = l->deliveries.next; n != &l->deliveries; n = n->next) {
            delivery *x = LIST_ENTRY(n, delivery, node);
            x->worker = x->worker == a ? NULL : x->worker;
        }
    }
}
