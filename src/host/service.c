// SPDX-License-Identifier: Apache-2.0
#include "host/service.h"

#include "base/mem.h"
#include "host/request.h"
#include "net/http_server.h"

struct service {
    service_options options;
    http_server *server;
    request_pool *pool;
};

static void on_request(void *arg, http_exchange *x) {
    service *s = arg;
    request_admit(s->pool, x);
}

static void on_drained(void *arg) {
    service *s = arg;
    s->options.drained(s->options.context);
}

static http_server_options server_options(const host_limits *l) {
    http_server_options o = http_server_options_default();
    o.connections_max = l->connections_max;
    o.header_count_max = l->header_count_max;
    o.header_bytes_max = l->header_bytes_max;
    return o;
}

status service_new(const service_options *options, service **ret, err *e) {
    service *s = MEM_NEW(service);
    s->options = *options;
    s->pool = request_pool_new(options->place);
    http_server_options o = server_options(&options->place->workload->config->limits);
    http_server_handler handler = {s, on_request, on_drained};
    status code = http_server_new(options->place->loop, options->listener_fd, &o, &handler, &s->server, e);
    if (code != STATUS_OK) {
        service_free(s);
        return code;
    }
    *ret = s;
    return STATUS_OK;
}

void service_drain(service *s, uint64_t deadline_ns) { http_server_drain(s->server, deadline_ns); }

void service_free(service *s) {
    if (s != NULL) {
        request_pool_free(s->pool); // releases every exchange
        http_server_free(s->server);
        mem_free(s);
    }
}
