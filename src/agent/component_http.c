// SPDX-License-Identifier: Apache-2.0
#include "agent/component_http.h"

#include "base/mem.h"
#include "lattice/wrpc_http.h"
#include "net/http_server.h"
#include "os/fd.h"

enum { CONNECTIONS_MAX = 4096, FIELDS_MAX = 256, FIELD_BYTES_MAX = 128 << 10, TARGET_BYTES_MAX = 64 << 10 };

struct component_http {
    component_http_options options;
    list_node callers, requests;
    size_t caller_count;
};

typedef struct caller { // a component
    component_http *owner;
    char *id;
    http_server *server;
    list_node node;
} caller;

typedef struct request { // under way
    component_http *owner;
    wrpc_http_forward *forward;
    list_node node;
} request;

// --- requests ----------------------------------------------------------------------------------------------

static void request_free(request *r) {
    list_remove(&r->node);
    mem_free(r);
}

static void on_forwarded(void *arg, status why, const char *text) {
    (void)why, (void)text; // the component knows
    request_free(arg);
}

static void forward(const caller *c, http_exchange *x, const component_route *to) {
    component_http *h = c->owner;
    const wrpc_http_forward_options o = {
        .loop = h->options.loop,
        .transport = h->options.calls,
        .invocation = {.source = slice_from_text(c->id),
                       .source_issuer = to->issuer,
                       .link = slice_from_text(COMPONENT_HTTP_LINK),
                       .target = to->target,
                       .instance = slice_from_text(WRPC_HTTP_OUTGOING),
                       .deadline_ns = loop_now_ns(h->options.loop) + h->options.call_ns},
        .ended = on_forwarded,
        .arg = MEM_NEW(request)};
    request *r = o.arg;
    r->owner = h;
    list_push_back(&h->requests, &r->node);
    wrpc_http_forward_start(x, &o, &r->forward);
}

static void on_request(void *arg, http_exchange *x) {
    const caller *c = arg;
    const component_asked asked = {slice_from_text(COMPONENT_HTTP_INTERFACE),
                                   slice_from_text(COMPONENT_HTTP_LINK), slice_from_text(WRPC_HTTP_FUNCTION)};
    component_route to;
    status s = component_links_route(c->owner->options.links, slice_from_text(c->id), &asked, &to, NULL);
    if (s == STATUS_OK) {
        forward(c, x, &to);
    } else {
        wrpc_http_refuse(x, s == STATUS_NOT_FOUND ? STATUS_DENIED : s); // the link is gone
    }
}

// --- who makes them ----------------------------------------------------------------------------------------

static http_server_options server_options(void) {
    http_server_options o = http_server_options_default();
    o.connections_max = CONNECTIONS_MAX;
    o.header_count_max = FIELDS_MAX;
    o.header_bytes_max = FIELD_BYTES_MAX;
    o.target_bytes_max = TARGET_BYTES_MAX;
    o.rate_bytes_min = 0; // a component may take its time, which is bounded elsewhere
    return o;
}

static void caller_free(caller *c) {
    http_server_free(c->server);
    list_remove(&c->node);
    c->owner->caller_count--;
    mem_free(c->id);
    mem_free(c);
}

static caller *find_or_add(component_http *h, slice id) {
    for (list_node *n = h->callers.next; n != &h->callers; n = n->next) {
        caller *c = LIST_ENTRY(n, caller, node);
        if (slice_equal_text(id, c->id)) {
            return c;
        }
    }
    if (h->caller_count == COMPONENT_HTTP_CALLERS_MAX) {
        return NULL;
    }
    caller *c = MEM_NEW(caller);
    *c = (caller){.owner = h, .id = mem_slice_dup(id)};
    list_push_back(&h->callers, &c->node);
    h->caller_count++;
    const http_server_options options = server_options();
    const http_server_handler handler = {.arg = c, .on_request = on_request};
    if (http_server_new(h->options.loop, -1, &options, &handler, &c->server, NULL) != STATUS_OK) {
        caller_free(c);
        return NULL;
    }
    return c;
}

void component_http_adopt(component_http *h, slice id, int fd) {
    const caller *c = find_or_add(h, id);
    if (c == NULL) {
        fd_close(fd); // who made it sees its end
        return;
    }
    http_server_adopt(c->server, fd, 0);
}

component_http *component_http_new(const component_http_options *options) {
    component_http *h = MEM_NEW(component_http);
    h->options = *options;
    list_init(&h->callers);
    list_init(&h->requests);
    return h;
}

void component_http_free(component_http *h) {
    if (h == NULL) {
        return;
    }
    while (!list_empty(&h->requests)) {
        request *r = LIST_ENTRY(h->requests.next, request, node);
        wrpc_http_forward_cancel(r->forward);
        request_free(r);
    }
    while (!list_empty(&h->callers)) {
        caller_free(LIST_ENTRY(h->callers.next, caller, node));
    }
    mem_free(h);
}
