// SPDX-License-Identifier: Apache-2.0
#include "agent/provider_driver_blobs.h"

#include "base/mem.h"
#include "driver/blobstore/blobstore.h"
#include "lattice/wrpc_blobstore.h"

typedef struct blob_use { // a call of the lattice
    list_node node;
    lattice_invocation invocation; // of who called; outlives the call
    buf names;
    provider_driver_way way; // NULL: there is none any more
    void *context;
    list_node calls; // of the driver, not answered
} blob_use;

typedef struct blob_call { // one of the driver
    rpc_call call;
    list_node node;
    driver_call *c;
} blob_call;

static void free_use(void *context) {
    blob_use *u = context;
    list_remove(&u->node);
    buf_done(&u->names);
    mem_free(u);
}

// Takes it off the list, and gives the driver's call back.
static driver_call *leave(blob_call *x) {
    driver_call *c = x->c;
    c->data = NULL;
    list_remove(&x->node);
    rpc_call_cancel(&x->call);
    mem_free(x);
    return c;
}

static void on_answered(void *arg, const rpc_result *r) {
    driver_call *c = leave(arg);
    if (r->code == STATUS_OK) {
        driver_answer(c, r->payload);
    } else {
        driver_fail(c, r->code, "%s", r->e->message);
    }
}

static status begin(blob_use *u, driver_call *c, err *e) {
    rpc *r = NULL;
    rpc_message m = {0, c->interface, c->function, c->payload};
    if (u->way == NULL) {
        return err_set(e, STATUS_CLOSED, "the provider is stopped");
    }
    TRY(u->way(u->context, &u->invocation, c->interface, &r, &m.target, e));
    blob_call *x = MEM_NEW(blob_call);
    x->c = c;
    status s = rpc_call_start(r, &x->call, &m, c->deadline_ns, on_answered, x, e);
    if (s != STATUS_OK) {
        mem_free(x);
        return s;
    }
    c->data = x;
    list_push_back(&u->calls, &x->node);
    return STATUS_OK;
}

static void call(void *context, driver_call *c) {
    err e = {0};
    c->data = NULL;
    if (begin(context, c, &e) != STATUS_OK) {
        driver_fail(c, e.code, "%s", e.message);
    }
}

static void cancel(void *context, driver_call *c) {
    (void)context;
    if (c->data != NULL) {
        driver_fail(leave(c->data), STATUS_CANCELLED, "nobody waits for it");
    }
}

void provider_driver_blobs_serve(lattice_served *q, loop *l, provider_driver_way way, void *context,
                                 list_node *group) {
    blob_use *u = MEM_NEW(blob_use);
    const wrpc_blob_backend backend = {
        .loop = l, .call = call, .cancel = cancel, .context = u, .done = free_use};
    u->invocation = lattice_invocation_keep(&q->invocation, &u->names);
    u->way = way;
    u->context = context;
    list_init(&u->calls);
    list_push_back(group, &u->node);
    wrpc_blobstore_serve(q, &backend);
}

void provider_driver_blobs_end_all(list_node *group) {
    for (list_node *n = list_pop_front(group); n != NULL; n = list_pop_front(group)) {
        blob_use *u = LIST_ENTRY(n, blob_use, node);
        u->way = NULL;
        while (!list_empty(&u->calls)) {
            driver_fail(leave(LIST_ENTRY(u->calls.next, blob_call, node)), STATUS_CLOSED,
                        "the provider is stopped");
        }
    }
}
