// SPDX-License-Identifier: Apache-2.0
#include "host/service.h"

#include "base/mem.h"
#include "host/request.h"
#include "host/routes.h"
#include "net/http_server.h"

struct service {
    service_options options;
    http_server *server;
    routes *routes;
};

static void on_request(void *arg, http_exchange *x) {
    service *s = arg;
    const http_request *r = http_exchange_request(x);
    uint32_t tag = http_exchange_tag(x); // of a workload, from 1
    uint32_t number = tag > 0 ? tag - 1 : routes_find(s->routes, r->authority, r->path_with_query);
    if (number == ROUTES_NONE || s->options.places[number].workload->kind != WORKLOAD_HTTP) {
        request_reject_unrouted(x);
        return;
    }
    request_admit(s->options.pools[number], x);
}

void service_adopt(service *s, int fd, uint32_t number) { http_server_adopt(s->server, fd, number + 1); }

static void on_drained(void *arg) {
    service *s = arg;
    s->options.drained(s->options.context);
}

static http_server_options server_options(const host_config *c) {
    http_server_options o = http_server_options_default();
    o.connections_max = c->connections_max;
    o.header_count_max = c->header_count_max;
    o.header_bytes_max = c->header_bytes_max;
    return o;
}

status service_new(const service_options *options, service **ret, err *e) {
    service *s = MEM_NEW(service);
    s->options = *options;
    http_server_options o = server_options(options->config);
    http_server_handler handler = {s, on_request, on_drained};
    status code = routes_new(options->config, &s->routes, e);
    if (code == STATUS_OK) {
        code = http_server_new(options->loop, options->listener_fd, &o, &handler, &s->server, e);
    }
    if (code != STATUS_OK) {
        service_free(s);
        return code;
    }
    *ret = s;
    return STATUS_OK;
}

void service_drain(service *s, uint64_t deadline_ns) { http_server_drain(s->server, deadline_ns); }

void service_retire(service *s, uint64_t deadline_ns) { http_server_retire(s->server, deadline_ns); }

void service_free(service *s) {
    if (s != NULL) {
        http_server_free(s->server);
        routes_free(s->routes);
        mem_free(s);
    }
}
