// SPDX-License-Identifier: Apache-2.0
// The two formats differ, for what is used here, in the name that stands in the TYPE line of a counter and in
// the last line.
// Sources: "Exposition formats" of Prometheus (text format 0.0.4); OpenMetrics 1.0.0.
#include "api/metrics.h"

#include <stdio.h>

#include "api/answer.h"
#include "base/mem.h"
#include "net/http_server.h"

#ifndef WRIT_VERSION
#error "the build defines WRIT_VERSION"
#endif

enum {
    TEXT_BYTES_MAX = 4 << 20, // HOST_WORKLOADS_MAX workloads with the longest labels
    LABEL_BYTES_MAX = 256,    // of one value; longer ones are cut
    CLIENTS_MAX = 16,
    REFUSAL_COUNT = REFUSAL_NOT_ALLOWED + 1,
};

// There are few places, so that slow clients do not keep them long; one that asks seldom connects anew.
#define HEADER_NS_MAX 5000000000ull
#define IDLE_NS_MAX 10000000000ull

// --- the text ----------------------------------------------------------------------------------------------

typedef struct writer {
    buf *out;
    metrics_format format;
    bool has_failed;
} writer;

#define PUT(w, ...) \
    ((w)->has_failed = (w)->has_failed || buf_append_format((w)->out, __VA_ARGS__) != STATUS_OK)

static void put_family(writer *w, const char *name, const char *type, const char *help) {
    bool is_suffixed = w->format == METRICS_PROMETHEUS && strcmp(type, "counter") == 0;
    const char *suffix = is_suffixed ? "_total" : "";
    PUT(w, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix, type);
}

// Names come from tokens and options: what could end the label or the line is escaped. A cut does not split
// a character.
static void put_label(writer *w, const char *name, slice value, bool is_last) {
    size_t len = value.len < LABEL_BYTES_MAX ? value.len : LABEL_BYTES_MAX;
    while (len < value.len && len > 0 && (value.data[len] & 0xc0) == 0x80) {
        len--;
    }
    PUT(w, "%s=\"", name);
    for (size_t i = 0; i < len; i++) {
        uint8_t c = value.data[i];
        if (c == '\n') {
            PUT(w, "\\n");
        } else if (c == '\\' || c == '"') {
            PUT(w, "\\%c", c);
        } else {
            PUT(w, "%c", c < 0x20 || c == 0x7f ? '?' : c);
        }
    }
    PUT(w, "\"%s", is_last ? "" : ",");
}

static void put_gauge(writer *w, const char *name, const char *help, uint64_t value) {
    put_family(w, name, "gauge", help);
    PUT(w, "%s %llu\n", name, (unsigned long long)value);
}

static void put_counter(writer *w, const char *name, const char *help, uint64_t value) {
    put_family(w, name, "counter", help);
    PUT(w, "%s_total %llu\n", name, (unsigned long long)value);
}

// --- of a workload -----------------------------------------------------------------------------------------

// A host with one workload has no label for it: there is nothing to tell apart.
static void put_name(writer *w, const host_status *s, size_t i, const char *name, const char *suffix) {
    PUT(w, "%s%s", name, suffix);
    if (s->config->workload_count > 1) {
        PUT(w, "{");
        put_label(w, "workload", slice_from_text(s->config->workloads[i].name), true);
        PUT(w, "}");
    }
}

static void put_value(writer *w, const host_status *s, size_t i, const char *name, const char *suffix,
                      uint64_t value) {
    put_name(w, s, i, name, suffix);
    PUT(w, " %llu\n", (unsigned long long)value);
}

static void put_info_of(writer *w, const host_status *s, size_t i) {
    const vetting *v = &s->vettings[i];
    const token_claims *c = vetting_claims(v);
    nkey_text issuer = {{0}}, subject = {{0}};
    char revision[16] = "";
    if (c != NULL) {
        issuer = nkey_public_text(&c->issuer);
        subject = nkey_public_text(&c->subject);
        if (c->has_revision) {
            snprintf(revision, sizeof revision, "%d", (int)c->revision);
        }
    }
    PUT(w, "writ_workload_info{");
    put_label(w, "workload", slice_from_text(s->config->workloads[i].name), false);
    put_label(w, "name", c != NULL ? c->name : slice_empty(), false);
    put_label(w, "signature", slice_from_text(vetting_is_signed(v) ? "signed" : "unsigned"), false);
    put_label(w, "issuer", slice_from_text(issuer.text), false);
    put_label(w, "subject", slice_from_text(subject.text), false);
    put_label(w, "revision", slice_from_text(revision), false);
    put_label(w, "version", c != NULL ? c->version : slice_empty(), s->identity == NULL);
    if (s->identity != NULL) {
        spiffe_id id;
        PUT(w, "spiffe_id=\"%s\"", host_identity_of_workload(s->identity, v, &id) ? id.text : "");
    }
    PUT(w, "} 1\n");
}

static void put_info(writer *w, const host_status *s) {
    put_family(w, "writ_workload_info", "gauge", "The workload and what its token says of it; always 1.");
    for (size_t i = 0; i < s->config->workload_count; i++) {
        put_info_of(w, s, i);
    }
}

// SPIFFE IDs have only characters that need no escape, and are not cut: half of one is another.
static void put_spiffe(writer *w, const host_status *s) {
    if (s->identity == NULL) {
        return;
    }
    const svid *own = host_identity_svid(s->identity);
    put_family(w, "writ_host_spiffe_info", "gauge", "The SPIFFE ID of this host; always 1.");
    PUT(w, "writ_host_spiffe_info{spiffe_id=\"%s\"} 1\n", own->id.text);
    put_gauge(w, "writ_host_svid_expires_timestamp_seconds", "When the X.509-SVID of this host expires.",
              own->not_after_s > 0 ? (uint64_t)own->not_after_s : 0);
    put_counter(w, "writ_host_svid_rotations", "X.509-SVIDs that followed the first one.",
                host_identity_rotations(s->identity));
}

static void put_expiries(writer *w, const host_status *s) {
    bool is_first = true;
    for (size_t i = 0; i < s->config->workload_count; i++) {
        uint64_t end;
        if (!vetting_expiry(&s->vettings[i], &end)) {
            continue;
        }
        if (is_first) {
            put_family(w, "writ_workload_token_expires_timestamp_seconds", "gauge",
                       "When its token, or the trust in it, ends; absent when it does not.");
        }
        is_first = false;
        put_value(w, s, i, "writ_workload_token_expires_timestamp_seconds", "", end);
    }
}

static void put_refusals_of(writer *w, const host_status *s, size_t i) {
    for (int r = REFUSAL_UNSIGNED; r < REFUSAL_COUNT; r++) {
        PUT(w, "writ_workload_refusals_total{");
        if (s->config->workload_count > 1) {
            put_label(w, "workload", slice_from_text(s->config->workloads[i].name), false);
        }
        PUT(w, "reason=\"%s\"} %d\n", refusal_name((refusal)r), s->vettings[i].found.reason == (refusal)r);
    }
}

static void put_identity(writer *w, const host_status *s) {
    put_family(w, "writ_build_info", "gauge", "The version of the host; always 1.");
    PUT(w, "writ_build_info{version=\"%s\"} 1\n", WRIT_VERSION);
    put_info(w, s);
    put_spiffe(w, s);
    put_family(w, "writ_workload_signed", "gauge",
               "Whether somebody whom this host trusts vouches for the component (0: it runs unsigned).");
    for (size_t i = 0; i < s->config->workload_count; i++) {
        put_value(w, s, i, "writ_workload_signed", "", vetting_is_signed(&s->vettings[i]));
    }
    put_expiries(w, s);
    put_family(w, "writ_workload_refusals", "counter",
               "Refusals of the component by reason; under --unsigned its start was one.");
    for (size_t i = 0; i < s->config->workload_count; i++) {
        put_refusals_of(w, s, i);
    }
}

typedef enum figure {
    FIGURE_RUNNING,
    FIGURE_INSTANCES_MAX,
    FIGURE_WAITING,
    FIGURE_QUEUE_MAX,
    FIGURE_REQUESTS,
    FIGURE_DELIVERIES,
    FIGURE_REJECTED,
    FIGURE_TRAPS,
    FIGURE_TIMEOUTS,
} figure;

static uint64_t figure_of(const workload_figures *f, const host_limits *l, figure which) {
    switch (which) {
    case FIGURE_RUNNING:
        return f->running;
    case FIGURE_INSTANCES_MAX:
        return l->instances_max;
    case FIGURE_WAITING:
        return f->waiting;
    case FIGURE_QUEUE_MAX:
        return l->queue_max;
    case FIGURE_REQUESTS:
        return f->requests;
    case FIGURE_DELIVERIES:
        return f->deliveries;
    case FIGURE_REJECTED:
        return f->rejected;
    case FIGURE_TRAPS:
        return f->traps;
    case FIGURE_TIMEOUTS:
        return f->timeouts;
    }
    return 0;
}

static void put_figures(writer *w, const host_status *s, const workload_figures *list) {
    static const struct {
        figure which;
        bool is_counter;
        const char *name, *help;
    } figures[] = {
        {FIGURE_RUNNING, false, "writ_workload_instances_running", "Instances that run now."},
        {FIGURE_INSTANCES_MAX, false, "writ_workload_instances_max", "How many may run at one time."},
        {FIGURE_WAITING, false, "writ_workload_requests_waiting",
         "Requests and calls of drivers that wait for an instance."},
        {FIGURE_QUEUE_MAX, false, "writ_workload_queue_max", "How many may wait."},
        {FIGURE_REQUESTS, true, "writ_workload_requests_admitted", "Requests that were given an instance."},
        {FIGURE_DELIVERIES, true, "writ_workload_deliveries",
         "Calls of drivers, such as messages, that were given an instance."},
        {FIGURE_REJECTED, true, "writ_workload_requests_rejected",
         "Requests answered with 503, and calls of drivers refused, because of the bounds."},
        {FIGURE_TRAPS, true, "writ_workload_traps", "Instances that trapped."},
        {FIGURE_TIMEOUTS, true, "writ_workload_timeouts",
         "Instances that were stopped because their time was over."},
    };
    for (size_t f = 0; f < sizeof figures / sizeof figures[0]; f++) {
        bool is_counter = figures[f].is_counter;
        put_family(w, figures[f].name, is_counter ? "counter" : "gauge", figures[f].help);
        for (size_t i = 0; i < s->config->workload_count; i++) {
            put_value(w, s, i, figures[f].name, is_counter ? "_total" : "",
                      figure_of(&list[i], &s->config->workloads[i].limits, figures[f].which));
        }
    }
}

static void put_work(writer *w, const host_status *s) {
    host_figures f = {0};
    host_status_read(s, &f);
    put_gauge(w, "writ_workers", "Worker processes that there should be; 0: all runs in one process.",
              f.workers);
    put_gauge(w, "writ_workers_serving", "Worker processes that serve now.", f.workers_serving);
    put_counter(w, "writ_worker_restarts", "Worker processes that ended and were replaced.",
                f.worker_restarts);
    workload_figures *list = mem_calloc(s->config->workload_count + 1, sizeof *list);
    for (uint32_t i = 0; i < s->config->workload_count; i++) {
        host_status_read_workload(s, i, &list[i]);
    }
    put_figures(w, s, list);
    put_family(w, "writ_workload_cpu_seconds", "counter", "CPU time of guests.");
    for (size_t i = 0; i < s->config->workload_count; i++) {
        put_name(w, s, i, "writ_workload_cpu_seconds", "_total");
        PUT(w, " %llu.%06llu\n", (unsigned long long)(list[i].cpu_ns / 1000000000u),
            (unsigned long long)(list[i].cpu_ns / 1000u % 1000000u));
    }
    mem_free(list);
}

status metrics_write(const host_status *s, metrics_format format, buf *ret) {
    writer w = {ret, format, false};
    put_identity(&w, s);
    put_work(&w, s);
    if (format == METRICS_OPENMETRICS) {
        PUT(&w, "# EOF\n");
    }
    return w.has_failed ? STATUS_LIMIT : STATUS_OK;
}

// --- serving it --------------------------------------------------------------------------------------------

struct metrics {
    const host_status *status;
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

static void reply_metrics(const metrics *m, http_exchange *x) {
    auto_buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    metrics_format format = wanted_format(http_exchange_request(x));
    if (metrics_write(m->status, format, &text) == STATUS_OK) {
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

status metrics_new(loop *l, int listen_fd, const host_status *s, metrics **ret, err *e) {
    metrics *m = MEM_NEW(metrics);
    m->status = s;
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
        metrics_free(m);
        return code;
    }
    *ret = m;
    return STATUS_OK;
}

void metrics_free(metrics *m) {
    if (m != NULL) {
        http_server_free(m->server);
        mem_free(m);
    }
}
