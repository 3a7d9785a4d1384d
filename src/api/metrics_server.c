// SPDX-License-Identifier: Apache-2.0
#include "api/metrics_server.h"

#include <string.h>

#include "api/answer.h"
#include "base/mem.h"
#include "net/http_server.h"

enum {
    TEXT_BYTES_MAX = 4 << 20, // HOST_WORKLOADS_MAX workloads with the longest labels
    CLIENTS_MAX = 16,
};

// There are few places, so that slow clients do not keep them long; one that asks seldom connects anew.
#define HEADER_NS_MAX 5000000000ull
#define IDLE_NS_MAX 10000000000ull

struct metrics_server {
    metrics_source source;
    http_server *server;
};

#define HEADER(name_, value_) \
    { .name = SLICE_LITERAL(name_), .value = SLICE_LITERAL(value_) }
static const http_header prometheus_type[] = {
    HEADER("content-type", "text/plain; version=0.0.4; charset=utf-8")};
static const http_header openmetrics_type[] = {
    HEADER("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")};
static const http_header plain_type[] = {HEADER("content-type", "text/plain; charset=utf-8")};
static const http_header allow[] = {HEADER("allow", "GET, HEAD"),
                                    HEADER("content-type", "text/plain; charset=utf-8")};

static metrics_format wanted_format(const http_request *r) {
    static const char name[] = "application/openmetrics-text";
    const http_header *accept = http_header_find(r->headers, r->header_count, "accept");
    bool accepts = accept != NULL && accept->value.len > 0 &&
                   memmem(accept->value.data, accept->value.len, name, sizeof name - 1) != NULL;
    return accepts ? METRICS_OPENMETRICS : METRICS_PROMETHEUS;
}

// A failure to answer means that the client is gone.
static void reply(http_exchange *x, uint16_t code, const http_header *headers, size_t count, slice body) {
    (void)!http_exchange_reply(x, code, headers, count, body, NULL);
}

static void reply_metrics(const metrics_server *m, http_exchange *x) {
    auto_buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    metrics_format format = wanted_format(http_exchange_request(x));
    if (m->source.write(m->source.arg, format, &text) == STATUS_OK) {
        answer_send(x, 200, format == METRICS_OPENMETRICS ? openmetrics_type : prometheus_type, 1, &text);
        return;
    }
    reply(x, 500, plain_type, 1, slice_from_text("the metrics are longer than they may be\n"));
    http_exchange_release(x);
}

static void on_request(void *arg, http_exchange *x) {
    const http_request *r = http_exchange_request(x);
    slice path = slice_sub(r->path_with_query, 0, slice_find(r->path_with_query, 0, '?'));
    bool is_read = slice_equal_text(r->method, "GET") || slice_equal_text(r->method, "HEAD");
    if (!slice_equal_text(path, "/metrics")) {
        reply(x, 404, plain_type, 1, slice_from_text("there is /metrics\n"));
    } else if (!is_read) {
        reply(x, 405, allow, 2, slice_from_text("metrics can be read only\n"));
    } else {
        reply_metrics(arg, x);
        return;
    }
    http_exchange_release(x);
}

status metrics_server_new(loop *l, int listen_fd, const metrics_source *source, metrics_server **ret,
                          err *e) {
    metrics_server *m = MEM_NEW(metrics_server);
    m->source = *source;
    http_server_options o = http_server_options_default();
    o.connections_max = CLIENTS_MAX;
    o.header_ns_max = HEADER_NS_MAX;
    o.idle_ns_max = IDLE_NS_MAX;
    o.header_bytes_max = 8 << 10;
    o.header_count_max = 64;
    o.target_bytes_max = 1 << 10;
    o.body_bytes_max = 0;
    http_server_handler handler = {.arg = m, .on_request = on_request};
    status code = http_server_new(l, listen_fd, &o, &handler, &m->server, e);
    if (code != STATUS_OK) {
        metrics_server_free(m);
        return code;
    }
    *ret = m;
    return STATUS_OK;
}

void metrics_server_free(metrics_server *m) {
    if (m != NULL) {
        http_server_free(m->server);
        mem_free(m);
    }
}
