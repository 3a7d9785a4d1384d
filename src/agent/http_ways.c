// SPDX-License-Identifier: Apache-2.0
#include "agent/http_ways.h"

#include <netinet/in.h>

#include "base/mem.h"
#include "os/fd.h"

typedef struct way { // to one component
    connector base;  // first
    http_ways *owner;
    char *id;
    http_client *client;
    list_node requests; // for connections
    uint64_t last_id;
    list_node node;
} way;

typedef struct request {
    uint64_t id;
    way *way;
    connect_callback done;
    void *arg;
    loop_soon soon;
    list_node node;
} request;

struct http_ways {
    loop *loop;
    local_host *host;
    list_node list;
    size_t count;
};

// --- connections -------------------------------------------------------------------------------------------

// An address for whoever wants one; nothing goes there.
static loop_address no_address(void) {
    return (loop_address){.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
}

static void connect_it(void *arg) {
    request *q = arg;
    err e;
    connect_result r = {.fd = -1, .peer = no_address()};
    r.code = local_host_connect(q->way->owner->host, slice_from_text(q->way->id), &r.fd, &e);
    r.e = r.code == STATUS_OK ? NULL : &e;
    list_remove(&q->node);
    q->done(q->arg, &r);
    mem_free(q);
}

static status ask(connector *c, const connect_request *wanted, connect_callback done, void *arg,
                  uint64_t *ret_id, err *e) {
    way *w = (way *)c;
    if (wanted->action != CONNECT_TO) {
        return err_set(e, STATUS_UNSUPPORTED, "there are connections to workers only");
    }
    request *q = MEM_NEW(request);
    *q = (request){.id = ++w->last_id, .way = w, .done = done, .arg = arg};
    loop_soon_init(&q->soon, connect_it, q);
    list_push_back(&w->requests, &q->node);
    loop_soon_add(w->owner->loop, &q->soon);
    *ret_id = q->id;
    return STATUS_OK;
}

static void cancel(connector *c, uint64_t id) {
    way *w = (way *)c;
    for (list_node *n = w->requests.next; n != &w->requests; n = n->next) {
        request *q = LIST_ENTRY(n, request, node);
        if (q->id == id) {
            loop_soon_cancel(&q->soon);
            list_remove(&q->node);
            mem_free(q);
            return;
        }
    }
}

static const connector_ops ops = {ask, cancel};

// --- all of them -------------------------------------------------------------------------------------------

static way *find(http_ways *w, slice id) {
    for (list_node *n = w->list.next; n != &w->list; n = n->next) {
        way *x = LIST_ENTRY(n, way, node);
        if (slice_equal_text(id, x->id)) {
            return x;
        }
    }
    return NULL;
}

static void free_way(way *x) {
    http_client_free(x->client);
    list_remove(&x->node);
    x->owner->count--;
    mem_free(x->id);
    mem_free(x);
}

http_client *http_ways_to(http_ways *w, slice id) {
    way *x = find(w, id);
    if (x != NULL || w->count == HTTP_WAYS_MAX) {
        return x == NULL ? NULL : x->client;
    }
    x = MEM_NEW(way);
    *x = (way){.base = {&ops}, .owner = w, .id = mem_slice_dup(id)};
    list_init(&x->requests);
    list_push_back(&w->list, &x->node);
    w->count++;
    http_client_options o = http_client_options_default();
    o.connector = &x->base;
    if (http_client_new(w->loop, &o, &x->client, NULL) != STATUS_OK) {
        free_way(x);
        return NULL;
    }
    return x->client;
}

http_ways *http_ways_new(loop *l) {
    http_ways *w = MEM_NEW(http_ways);
    w->loop = l;
    list_init(&w->list);
    return w;
}

void http_ways_use(http_ways *w, local_host *h) { w->host = h; }

void http_ways_free(http_ways *w) {
    if (w == NULL) {
        return;
    }
    while (!list_empty(&w->list)) {
        free_way(LIST_ENTRY(w->list.next, way, node));
    }
    mem_free(w);
}
