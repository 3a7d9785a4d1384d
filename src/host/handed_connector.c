// SPDX-License-Identifier: Apache-2.0
#include "host/handed_connector.h"

#include <netinet/in.h>

#include "base/list.h"
#include "base/mem.h"

typedef struct handed {
    connector base; // first
    loop *loop;
    handed_open open;
    void *context;
    list_node requests;
    uint64_t last_id;
} handed;

typedef struct request {
    uint64_t id;
    handed *owner;
    uint32_t workload;
    connect_callback done;
    void *arg;
    loop_soon soon;
    list_node node;
} request;

// An address for whoever wants one; nothing goes there.
static loop_address no_address(void) {
    return (loop_address){.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
}

static void connect_it(void *arg) {
    request *q = arg;
    err e;
    connect_result r = {.fd = -1, .peer = no_address()};
    r.code = q->owner->open(q->owner->context, q->workload, &r.fd, &e);
    r.e = r.code == STATUS_OK ? NULL : &e;
    list_remove(&q->node);
    q->done(q->arg, &r);
    mem_free(q);
}

static status ask(connector *c, const connect_request *wanted, connect_callback done, void *arg,
                  uint64_t *ret_id, err *e) {
    handed *h = (handed *)c;
    if (wanted->action != CONNECT_TO || wanted->protocol != CONNECT_TCP) {
        return err_set(e, STATUS_UNSUPPORTED, "there are connections only, and no addresses");
    }
    request *q = MEM_NEW(request);
    *q = (request){.id = ++h->last_id, .owner = h, .workload = wanted->workload, .done = done, .arg = arg};
    loop_soon_init(&q->soon, connect_it, q);
    list_push_back(&h->requests, &q->node);
    loop_soon_add(h->loop, &q->soon);
    *ret_id = q->id;
    return STATUS_OK;
}

static void forget(request *q) {
    loop_soon_cancel(&q->soon);
    list_remove(&q->node);
    mem_free(q);
}

static void cancel(connector *c, uint64_t id) {
    handed *h = (handed *)c;
    for (list_node *n = h->requests.next; n != &h->requests; n = n->next) {
        request *q = LIST_ENTRY(n, request, node);
        if (q->id == id) {
            forget(q);
            return;
        }
    }
}

static const connector_ops ops = {ask, cancel};

connector *handed_connector_new(loop *l, handed_open open, void *context) {
    handed *h = MEM_NEW(handed);
    *h = (handed){.base = {&ops}, .loop = l, .open = open, .context = context};
    list_init(&h->requests);
    return &h->base;
}

void handed_connector_free(connector *c) {
    handed *h = (handed *)c;
    if (h == NULL) {
        return;
    }
    while (!list_empty(&h->requests)) {
        forget(LIST_ENTRY(h->requests.next, request, node));
    }
    mem_free(h);
}
