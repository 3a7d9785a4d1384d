// SPDX-License-Identifier: Apache-2.0
#include "api/metrics.h"

#include <stdio.h>

#include "base/mem.h"

#ifndef WRIT_VERSION
#error "the build defines WRIT_VERSION"
#endif

enum { REFUSAL_COUNT = REFUSAL_NOT_ALLOWED + 1 };

// --- of a workload -----------------------------------------------------------------------------------------

// A host with one workload has no label for it: there is nothing to tell apart.
static void put_name(metrics_writer *w, const host_status *s, size_t i, const char *name,
                     const char *suffix) {
    METRICS_PUT(w, "%s%s", name, suffix);
    if (s->config->workload_count > 1) {
        METRICS_PUT(w, "{");
        metrics_label(w, "workload", slice_from_text(s->config->workloads[i].name), true);
        METRICS_PUT(w, "}");
    }
}

static void put_value(metrics_writer *w, const host_status *s, size_t i, const char *name, const char *suffix,
                      uint64_t value) {
    put_name(w, s, i, name, suffix);
    METRICS_PUT(w, " %llu\n", (unsigned long long)value);
}

static void put_info_of(metrics_writer *w, const host_status *s, size_t i) {
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
    METRICS_PUT(w, "writ_workload_info{");
    metrics_label(w, "workload", slice_from_text(s->config->workloads[i].name), false);
    metrics_label(w, "name", c != NULL ? c->name : slice_empty(), false);
    metrics_label(w, "signature", slice_from_text(vetting_is_signed(v) ? "signed" : "unsigned"), false);
    metrics_label(w, "issuer", slice_from_text(issuer.text), false);
    metrics_label(w, "subject", slice_from_text(subject.text), false);
    metrics_label(w, "revision", slice_from_text(revision), false);
    metrics_label(w, "version", c != NULL ? c->version : slice_empty(), s->identity == NULL);
    if (s->identity != NULL) {
        spiffe_id id;
        METRICS_PUT(w, "spiffe_id=\"%s\"", host_identity_of_workload(s->identity, v, &id) ? id.text : "");
    }
    METRICS_PUT(w, "} 1\n");
}

static void put_info(metrics_writer *w, const host_status *s) {
    metrics_family(w, "writ_workload_info", "gauge", "The workload and what its token says of it; always 1.");
    for (size_t i = 0; i < s->config->workload_count; i++) {
        put_info_of(w, s, i);
    }
}

// SPIFFE IDs have only characters that need no escape, and are not cut: half of one is another.
static void put_spiffe(metrics_writer *w, const host_status *s) {
    if (s->identity == NULL) {
        return;
    }
    const svid *own = host_identity_svid(s->identity);
    metrics_family(w, "writ_host_spiffe_info", "gauge", "The SPIFFE ID of this host; always 1.");
    METRICS_PUT(w, "writ_host_spiffe_info{spiffe_id=\"%s\"} 1\n", own->id.text);
    metrics_gauge(w, "writ_host_svid_expires_timestamp_seconds", "When the X.509-SVID of this host expires.",
                  own->not_after_s > 0 ? (uint64_t)own->not_after_s : 0);
    metrics_counter(w, "writ_host_svid_rotations", "X.509-SVIDs that followed the first one.",
                    host_identity_rotations(s->identity));
}

static void put_expiries(metrics_writer *w, const host_status *s) {
    bool is_first = true;
    for (size_t i = 0; i < s->config->workload_count; i++) {
        uint64_t end;
        if (!vetting_expiry(&s->vettings[i], &end)) {
            continue;
        }
        if (is_first) {
            metrics_family(w, "writ_workload_token_expires_timestamp_seconds", "gauge",
                           "When its token, or the trust in it, ends; absent when it does not.");
        }
        is_first = false;
        put_value(w, s, i, "writ_workload_token_expires_timestamp_seconds", "", end);
    }
}

static void put_refusals_of(metrics_writer *w, const host_status *s, size_t i) {
    for (int r = REFUSAL_UNSIGNED; r < REFUSAL_COUNT; r++) {
        METRICS_PUT(w, "writ_workload_refusals_total{");
        if (s->config->workload_count > 1) {
            metrics_label(w, "workload", slice_from_text(s->config->workloads[i].name), false);
        }
        METRICS_PUT(w, "reason=\"%s\"} %d\n", refusal_name((refusal)r),
                    s->vettings[i].found.reason == (refusal)r);
    }
}

static void put_identity(metrics_writer *w, const host_status *s) {
    metrics_family(w, "writ_build_info", "gauge", "The version of the host; always 1.");
    METRICS_PUT(w, "writ_build_info{version=\"%s\"} 1\n", WRIT_VERSION);
    put_info(w, s);
    put_spiffe(w, s);
    metrics_family(w, "writ_workload_signed", "gauge",
                   "Whether somebody whom this host trusts vouches for the component (0: it runs unsigned).");
    for (size_t i = 0; i < s->config->workload_count; i++) {
        put_value(w, s, i, "writ_workload_signed", "", vetting_is_signed(&s->vettings[i]));
    }
    put_expiries(w, s);
    metrics_family(w, "writ_workload_refusals", "counter",
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

static void put_figures(metrics_writer *w, const host_status *s, const workload_figures *list) {
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
        metrics_family(w, figures[f].name, is_counter ? "counter" : "gauge", figures[f].help);
        for (size_t i = 0; i < s->config->workload_count; i++) {
            put_value(w, s, i, figures[f].name, is_counter ? "_total" : "",
                      figure_of(&list[i], &s->config->workloads[i].limits, figures[f].which));
        }
    }
}

static void put_work(metrics_writer *w, const host_status *s) {
    host_figures f = {0};
    host_status_read(s, &f);
    metrics_gauge(w, "writ_workers", "Worker processes that there should be; 0: all runs in one process.",
                  f.workers);
    metrics_gauge(w, "writ_workers_serving", "Worker processes that serve now.", f.workers_serving);
    metrics_counter(w, "writ_worker_restarts", "Worker processes that ended and were replaced.",
                    f.worker_restarts);
    workload_figures *list = mem_calloc(s->config->workload_count + 1, sizeof *list);
    for (uint32_t i = 0; i < s->config->workload_count; i++) {
        host_status_read_workload(s, i, &list[i]);
    }
    put_figures(w, s, list);
    metrics_family(w, "writ_workload_cpu_seconds", "counter", "CPU time of guests.");
    for (size_t i = 0; i < s->config->workload_count; i++) {
        put_name(w, s, i, "writ_workload_cpu_seconds", "_total");
        METRICS_PUT(w, " %llu.%06llu\n", (unsigned long long)(list[i].cpu_ns / 1000000000u),
                    (unsigned long long)(list[i].cpu_ns / 1000u % 1000000u));
    }
    mem_free(list);
}

status metrics_write(const host_status *s, metrics_format format, buf *ret) {
    metrics_writer w = {ret, format, false};
    put_identity(&w, s);
    put_work(&w, s);
    return metrics_end(&w);
}

static status write_status(const void *source, metrics_format format, buf *ret) {
    return metrics_write(source, format, ret);
}

status metrics_new(loop *l, int listen_fd, const host_status *s, metrics_server **ret, err *e) {
    const metrics_source source = {write_status, s};
    return metrics_server_new(l, listen_fd, &source, ret, e);
}
