// SPDX-License-Identifier: Apache-2.0
#include "host/switch_connector.h"

#include "base/list.h"
#include "base/mem.h"

typedef struct switch_connector {
    connector base; // first
    loop *loop;
    connector *inner;
    list_node requests;
    loop_soon soon; // tells those that found no way
    uint64_t last_id;
} switch_connector;

typedef struct request {
    list_node node;
    switch_connector *owner;
    uint64_t id;
    uint64_t inner_id; // 0 = it is on no way
    connect_request wanted;
    char host[CONNECT_HOST_BYTES_MAX]; // of `wanted`
    connect_callback done;
    void *arg;
} request;

static switch_connector *of(connector *c) { return (switch_connector *)c; }

static void on_done(void *arg, const connect_result *result) {
    request *q = arg;
    list_remove(&q->node);
    q->done(q->arg, result);
    mem_free(q);
}

static void send_on(switch_connector *s, request *q) {
    if (s->inner == NULL ||
        connector_request(s->inner, &q->wanted, on_done, q, &q->inner_id, NULL) != STATUS_OK) {
        q->inner_id = 0;
        loop_soon_add(s->loop, &s->soon);
    }
}

static request *first_without_way(switch_connector *s) {
    for (list_node *n = s->requests.next; n != &s->requests; n = n->next) {
        request *q = LIST_ENTRY(n, request, node);
        if (q->inner_id == 0) {
            return q;
        }
    }
    return NULL;
}

static void on_soon(void *arg) {
    switch_connector *s = arg;
    err e;
    err_set(&e, STATUS_CLOSED, "nobody makes connections now");
    const connect_result result = {.code = STATUS_CLOSED, .fd = -1, .e = &e};
    for (request *q = first_without_way(s); q != NULL; q = first_without_way(s)) {
        on_done(q, &result);
    }
}

static status on_request(connector *c, const connect_request *wanted, connect_callback done, void *arg,
                         uint64_t *ret_id, err *e) {
    switch_connector *s = of(c);
    if (wanted->host.len > CONNECT_HOST_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "a host name has at most %d bytes", CONNECT_HOST_BYTES_MAX);
    }
    request *q = MEM_NEW(request);
    *q = (request){.owner = s, .id = ++s->last_id, .wanted = *wanted, .done = done, .arg = arg};
    memcpy(q->host, wanted->host.len > 0 ? wanted->host.data : (const uint8_t *)"", wanted->host.len);
    q->wanted.host = slice_of(q->host, wanted->host.len);
    if (s->inner == NULL) {
        send_on(s, q);
    } else {
        status asked = connector_request(s->inner, &q->wanted, on_done, q, &q->inner_id, e);
        if (asked != STATUS_OK) { // its own words are worth more than ours
            mem_free(q);
            return asked;
        }
    }
    list_push_back(&s->requests, &q->node);
    *ret_id = q->id;
    return STATUS_OK;
}

static void give_up(request *q) {
    if (q->inner_id != 0) {
        connector_cancel(q->owner->inner, q->inner_id);
    }
    q->inner_id = 0;
}

static void on_cancel(connector *c, uint64_t id) {
    switch_connector *s = of(c);
    for (list_node *n = s->requests.next; n != &s->requests; n = n->next) {
        request *q = LIST_ENTRY(n, request, node);
        if (q->id == id) {
            give_up(q);
            list_remove(&q->node);
            mem_free(q);
            return;
        }
    }
}

static const connector_ops ops = {on_request, on_cancel};

connector *switch_connector_new(loop *l) {
    switch_connector *s = MEM_NEW(switch_connector);
    s->base.ops = &ops;
    s->loop = l;
    list_init(&s->requests);
    loop_soon_init(&s->soon, on_soon, s);
    return &s->base;
}

void switch_connector_set(connector *c, connector *inner) {
    switch_connector *s = of(c);
    if (s->inner == inner) {
        return;
    }
    for (list_node *n = s->requests.next; n != &s->requests; n = n->next) {
        give_up(LIST_ENTRY(n, request, node));
    }
    s->inner = inner;
    for (list_node *n = s->requests.next; n != &s->requests; n = n->next) {
        send_on(s, LIST_ENTRY(n, request, node));
    }
}

void switch_connector_free(connector *c) {
    if (c == NULL) {
        return;
    }
    switch_connector *s = of(c);
    loop_soon_cancel(&s->soon);
    for (list_node *n = list_pop_front(&s->requests); n != NULL; n = list_pop_front(&s->requests)) {
        request *q = LIST_ENTRY(n, request, node);
        give_up(q);
        mem_free(q);
    }
    mem_free(s);
}
