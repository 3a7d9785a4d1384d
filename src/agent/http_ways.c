// SPDX-License-Identifier: Apache-2.0
#include "agent/http_ways.h"

#include "base/mem.h"
#include "host/handed_connector.h"

typedef struct way { // to one component
    http_ways *owner;
    char *id;
    connector *connector;
    http_client *client;
    list_node node;
} way;

struct http_ways {
    loop *loop;
    local_host *host;
    list_node list;
    size_t count;
};

static status open_way(void *context, uint32_t workload, int *ret_fd, err *e) {
    const way *w = context;
    (void)workload;
    return local_host_connect(w->owner->host, slice_from_text(w->id), ret_fd, e);
}

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
    handed_connector_free(x->connector);
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
    *x = (way){.owner = w, .id = mem_slice_dup(id)};
    x->connector = handed_connector_new(w->loop, open_way, x);
    list_push_back(&w->list, &x->node);
    w->count++;
    http_client_options o = http_client_options_default();
    o.connector = x->connector;
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
