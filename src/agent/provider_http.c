// SPDX-License-Identifier: Apache-2.0
#include "agent/provider_http.h"

#include <stdio.h>

#include "base/mem.h"
#include "host/log.h"
#include "host/routes.h"
#include "lattice/wrpc_http.h"
#include "net/http_server.h"
#include "os/fd.h"
#include "os/socket_open.h"

#define DEFAULT_ADDRESS "0.0.0.0:8000"
#define REQUEST_NS_DEFAULT 600000000000ull // as long as a call of a component may take
#define DRAIN_NS 10000000000ull
enum { ADDRESS_BYTES_MAX = 64, MILLISECONDS_MAX = 3600000, ANSWER_HEADERS = 1 };

typedef enum routing_mode { BY_ADDRESS, BY_PATH, BY_HOST } routing_mode;

typedef struct site { // where the requests of a route go
    char *link;
    uint64_t timeout_ns;
    bool is_read_only;
} site;

typedef struct listener { // an address
    provider_http *owner;
    list_node node;
    char address[ADDRESS_BYTES_MAX];
    int fd; // -1: it could not be had
    http_server *server;
    host_config config; // a workload for each site: its target
    site *sites;
    size_t site_count;
    routes *routes;
    bool is_wanted, is_draining;
    loop_soon drained;
} listener;

struct provider_http {
    const providers_options *host;
    char *id;
    list_node listeners, draining;
    list_node requests;
};

typedef struct request { // under way
    provider_http *owner;
    list_node node;
    wrpc_http_forward *forward;
} request;

static void complain(const provider_http *p, const char *what, const char *why) {
    if (p->host->logger != NULL) {
        logger_event(p->host->logger, LOG_WARN, "provider-http",
                     LOG_FIELDS(LOG_TEXT("provider", slice_from_text(p->id))), "%s: %s: %s", p->id, what,
                     why);
    }
}

// --- requests ----------------------------------------------------------------------------------------------

static void refuse(http_exchange *x, uint16_t code, const char *text) {
    const http_header plain = {slice_from_text("content-type"), slice_from_text("text/plain; charset=utf-8")};
    (void)!http_exchange_reply(x, code, &plain, ANSWER_HEADERS, slice_from_text(text), NULL);
    http_exchange_release(x);
}

static void request_free(request *r) {
    list_remove(&r->node);
    mem_free(r);
}

static void on_forwarded(void *arg, status why, const char *text) {
    (void)why; // the client knows
    (void)text;
    request_free(arg);
}

static void forward(listener *l, http_exchange *x, uint32_t number) {
    provider_http *p = l->owner;
    const site *s = &l->sites[number];
    const wrpc_http_forward_options o = {
        .loop = p->host->loop,
        .transport = p->host->calls,
        .invocation = {.source = slice_from_text(p->id),
                       .source_host = slice_from_text(p->host->host_id),
                       .link = slice_from_text(s->link),
                       .target = slice_from_text(l->config.workloads[number].name),
                       .instance = slice_from_text(WRPC_HTTP_INCOMING),
                       .deadline_ns = loop_now_ns(p->host->loop) + s->timeout_ns},
        .ended = on_forwarded,
        .arg = MEM_NEW(request)};
    request *r = o.arg;
    r->owner = p;
    list_push_back(&p->requests, &r->node);
    wrpc_http_forward_start(x, &o, &r->forward);
}

static bool only_reads(slice method) {
    return slice_equal_text(method, "GET") || slice_equal_text(method, "HEAD");
}

static void on_request(void *arg, http_exchange *x) {
    listener *l = arg;
    const http_request *q = http_exchange_request(x);
    uint32_t number =
        l->routes == NULL ? ROUTES_NONE : routes_find(l->routes, q->authority, q->path_with_query);
    if (number == ROUTES_NONE) {
        refuse(x, 404, "nothing is here\n");
    } else if (l->sites[number].is_read_only && !only_reads(q->method)) {
        refuse(x, 405, "here is only to be read\n");
    } else {
        forward(l, x, number);
    }
}

// --- listeners ---------------------------------------------------------------------------------------------

static void forget_sites(listener *l) {
    routes_free(l->routes);
    l->routes = NULL;
    for (size_t i = 0; i < l->site_count; i++) {
        mem_free(l->sites[i].link);
    }
    mem_free(l->sites);
    l->sites = NULL;
    l->site_count = 0;
    host_config_done(&l->config);
    host_config_init(&l->config);
}

static void listener_free(listener *l) {
    list_remove(&l->node);
    loop_soon_cancel(&l->drained);
    http_server_free(l->server);
    fd_close(l->fd);
    forget_sites(l);
    host_config_done(&l->config);
    mem_free(l);
}

static void on_drained_soon(void *arg) { listener_free(arg); }

static void on_drained(void *arg) {
    listener *l = arg;
    loop_soon_add(l->owner->host->loop, &l->drained); // the server is on the stack
}

static void drain(listener *l) {
    list_remove(&l->node);
    list_push_back(&l->owner->draining, &l->node);
    l->is_draining = true;
    if (l->server == NULL) {
        listener_free(l);
    } else {
        http_server_drain(l->server, loop_now_ns(l->owner->host->loop) + DRAIN_NS);
    }
}

// "0.0.0.0:8000", "[::]:8000"
static bool parse_address(slice text, socket_address *ret) {
    size_t colon = SIZE_MAX;
    uint64_t port = 0;
    for (size_t at = 0; (at = slice_find(text, at, ':')) != SIZE_MAX; at++) {
        colon = at;
    }
    if (colon == SIZE_MAX || !slice_to_u64(slice_sub(text, colon + 1, text.len), &port) ||
        port > UINT16_MAX) {
        return false;
    }
    slice host = slice_sub(text, 0, colon);
    bool is_bracketed = host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';
    return socket_address_parse(is_bracketed ? slice_sub(host, 1, host.len - 1) : host, (uint16_t)port, ret);
}

static status open_listener(listener *l, err *e) {
    const http_server_options options = http_server_options_default();
    const http_server_handler handler = {.arg = l, .on_request = on_request, .on_drained = on_drained};
    socket_address a;
    if (!parse_address(slice_from_text(l->address), &a)) {
        return err_set(e, STATUS_INVALID, "it is no address with a port");
    }
    TRY(socket_listen_group(&a, 1, &l->fd, e));
    status s = http_server_new(l->owner->host->loop, l->fd, &options, &handler, &l->server, e);
    if (s != STATUS_OK) {
        fd_close(l->fd);
        l->fd = -1;
    }
    return s;
}

void provider_http_retry(provider_http *p) {
    for (list_node *n = p->listeners.next; n != &p->listeners; n = n->next) {
        listener *l = LIST_ENTRY(n, listener, node);
        err e = {0};
        if (l->server == NULL && open_listener(l, &e) != STATUS_OK) {
            complain(p, l->address, e.message);
        }
    }
}

static listener *find_listener(provider_http *p, slice address) {
    for (list_node *n = p->listeners.next; n != &p->listeners; n = n->next) {
        listener *l = LIST_ENTRY(n, listener, node);
        if (slice_equal_text(address, l->address)) {
            return l;
        }
    }
    if (address.len >= ADDRESS_BYTES_MAX) {
        return NULL;
    }
    listener *l = MEM_NEW(listener);
    l->owner = p;
    l->fd = -1;
    host_config_init(&l->config);
    loop_soon_init(&l->drained, on_drained_soon, l);
    (void)snprintf(l->address, sizeof l->address, "%.*s", SLICE_ARG(address));
    list_push_back(&p->listeners, &l->node);
    return l;
}

// --- links -------------------------------------------------------------------------------------------------

static slice setting(const host_data_values *v, const char *name, const char *otherwise) {
    slice found = slice_from_text(otherwise);
    for (size_t i = 0; i < v->count; i++) {
        if (slice_equal_nocase(v->items[i].name, slice_from_text(name))) {
            found = v->items[i].value;
        }
    }
    return found;
}

static routing_mode mode_of(const provider_wants *w) {
    slice mode = setting(&w->config, "routing_mode", "address");
    return slice_equal_text(mode, "path") ? BY_PATH : slice_equal_text(mode, "host") ? BY_HOST : BY_ADDRESS;
}

static bool is_ours(const provider_http *p, const host_data_link *l) {
    bool handles = false;
    for (size_t i = 0; i < l->interface_count; i++) {
        handles = handles || slice_equal_text(l->interfaces[i], "incoming-handler");
    }
    return handles && slice_equal_text(l->source_id, p->id) && slice_equal_text(l->wit_namespace, "wasi") &&
           slice_equal_text(l->wit_package, "http");
}

static status check_settings(const host_data_link *l, err *e) {
    static const char *const unserved[] = {"tls_cert_file",        "tls_priv_key_file",
                                           "cache_control",        "cors_allowed_origins",
                                           "cors_allowed_headers", "cors_allowed_methods"};
    for (size_t i = 0; i < sizeof unserved / sizeof unserved[0]; i++) {
        if (setting(&l->source_config, unserved[i], "").len > 0) {
            return err_set(e, STATUS_UNSUPPORTED, "this server has no %s; the one of 1.x does, as a program",
                           unserved[i]);
        }
    }
    return STATUS_OK;
}

static status read_site(const host_data_link *l, site *ret, err *e) {
    slice timeout = setting(&l->source_config, "timeout_ms", "");
    uint64_t ms = REQUEST_NS_DEFAULT / 1000000;
    if (timeout.len > 0 && (!slice_to_u64(timeout, &ms) || ms == 0 || ms > MILLISECONDS_MAX)) {
        return err_set(e, STATUS_INVALID, "timeout_ms is a number from 1 to %d", MILLISECONDS_MAX);
    }
    *ret =
        (site){NULL, ms * 1000000, slice_equal_text(setting(&l->source_config, "readonly_mode", ""), "true")};
    return STATUS_OK;
}

static status read_route(const host_data_link *l, routing_mode mode, slice *ret_host, slice *ret_path,
                         err *e) {
    *ret_host = mode == BY_HOST ? setting(&l->source_config, "host", "") : slice_empty();
    *ret_path = mode == BY_PATH ? setting(&l->source_config, "path", "") : slice_from_text("/");
    if ((mode == BY_HOST && ret_host->len == 0) || ret_path->len == 0) {
        return err_set(e, STATUS_INVALID, "the server routes by %s, and the link's source has none",
                       mode == BY_HOST ? "host" : "path");
    }
    return STATUS_OK;
}

// `host` may be NULL. What is no route is found out before there is a workload for it.
static status add_route(listener *to, slice target, const char *host, const char *path, err *e) {
    workload_config *w = NULL;
    TRY(route_check(host, path, e));
    TRY(host_config_add_workload(&to->config, &w, e));
    mem_free(w->name);
    w->name = mem_slice_dup(target);
    return workload_config_add_route(w, host, path, e);
}

static bool same_host(slice host, const char *other) {
    return other == NULL ? host.len == 0 : slice_equal_nocase(host, slice_from_text(other));
}

// Two links with one route would take all others with them.
static status check_route(const listener *l, slice host, slice path, err *e) {
    for (size_t i = 0; i < l->config.workload_count; i++) {
        const workload_config *w = &l->config.workloads[i];
        if (same_host(host, w->routes[0].host) && slice_equal_text(path, w->routes[0].path)) {
            return err_set(e, STATUS_EXISTS, "%s has the requests for %.*s%.*s at %s already", w->name,
                           SLICE_ARG(host), SLICE_ARG(path), l->address);
        }
    }
    return STATUS_OK;
}

static void make_routes(provider_http *p) {
    for (list_node *n = p->listeners.next; n != &p->listeners; n = n->next) {
        listener *l = LIST_ENTRY(n, listener, node);
        err e = {0};
        if (l->is_wanted && routes_new(&l->config, &l->routes, &e) != STATUS_OK) {
            complain(p, l->address, e.message);
        }
    }
}

static status add_link(provider_http *p, const provider_wants *w, const host_data_link *l, err *e) {
    routing_mode mode = mode_of(w);
    slice default_address = setting(&w->config, "default_address", DEFAULT_ADDRESS), host, path;
    slice address = mode == BY_ADDRESS ? setting(&l->source_config, "address", "") : slice_empty();
    site made;
    TRY(check_settings(l, e));
    TRY(read_site(l, &made, e));
    TRY(read_route(l, mode, &host, &path, e));
    listener *to = find_listener(p, address.len > 0 ? address : default_address);
    if (to == NULL) {
        return err_set(e, STATUS_INVALID, "its address is too long");
    }
    TRY(check_route(to, host, path, e));
    char *host_text = host.len > 0 ? mem_slice_dup(host) : NULL, *path_text = mem_slice_dup(path);
    status s = add_route(to, l->target, host_text, path_text, e);
    mem_free(host_text);
    mem_free(path_text);
    TRY(s);
    made.link = mem_slice_dup(l->name);
    to->sites = mem_resize(to->sites, (to->site_count + 1) * sizeof *to->sites);
    to->sites[to->site_count++] = made;
    to->is_wanted = true;
    return STATUS_OK;
}

static void close_unwanted(provider_http *p) {
    for (list_node *n = p->listeners.next, *next = n->next; n != &p->listeners; n = next, next = n->next) {
        if (!LIST_ENTRY(n, listener, node)->is_wanted) {
            drain(LIST_ENTRY(n, listener, node));
        }
    }
}

status provider_http_want(provider_http *p, const provider_wants *w, err *e) {
    if (p->host->calls == NULL) {
        return err_set(e, STATUS_UNSUPPORTED, "providers of this host call nobody");
    }
    for (list_node *n = p->listeners.next; n != &p->listeners; n = n->next) {
        listener *l = LIST_ENTRY(n, listener, node);
        forget_sites(l);
        l->is_wanted = false;
    }
    for (size_t i = 0; i < w->link_count; i++) {
        const host_data_link *l = &w->links[i];
        err why = {0};
        if (is_ours(p, l) && add_link(p, w, l, &why) != STATUS_OK) {
            char what[LATTICE_ID_BYTES_MAX + 40];
            (void)snprintf(what, sizeof what, "the link to %.*s is left out", SLICE_ARG(l->target));
            complain(p, what, why.message);
        }
    }
    make_routes(p);
    close_unwanted(p);
    provider_http_retry(p);
    return STATUS_OK;
}

void provider_http_drain(provider_http *p) {
    for (list_node *n = p->listeners.next; n != &p->listeners; n = n->next) {
        LIST_ENTRY(n, listener, node)->is_wanted = false;
    }
    close_unwanted(p);
}

bool provider_http_is_idle(const provider_http *p) {
    return list_empty(&p->requests) && list_empty(&p->listeners) && list_empty(&p->draining);
}

bool provider_http_is_healthy(const provider_http *p) {
    bool is_healthy = true;
    for (list_node *n = p->listeners.next; n != &p->listeners; n = n->next) {
        is_healthy = is_healthy && LIST_ENTRY(n, listener, node)->server != NULL;
    }
    return is_healthy;
}

// --- the whole ---------------------------------------------------------------------------------------------

provider_http *provider_http_new(const providers_options *host, slice id) {
    provider_http *p = MEM_NEW(provider_http);
    p->host = host;
    p->id = mem_slice_dup(id);
    list_init(&p->listeners);
    list_init(&p->draining);
    list_init(&p->requests);
    return p;
}

static void free_all(list_node *listeners) {
    while (!list_empty(listeners)) {
        listener_free(LIST_ENTRY(listeners->next, listener, node));
    }
}

void provider_http_free(provider_http *p) {
    if (p == NULL) {
        return;
    }
    while (!list_empty(&p->requests)) {
        request *r = LIST_ENTRY(p->requests.next, request, node);
        wrpc_http_forward_cancel(r->forward);
        request_free(r);
    }
    free_all(&p->listeners);
    free_all(&p->draining);
    mem_free(p->id);
    mem_free(p);
}
