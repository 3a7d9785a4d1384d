// SPDX-License-Identifier: Apache-2.0
// The text of the metrics: what it says of signed and unsigned workloads, and that no label can end its line.
#include "api/metrics.h"

#include "test.h"

typedef struct fixture {
    workload_config workloads[2];
    host_config config;
    vetting vettings[2];
    host_status status;
    buf text;
} fixture;

static void read_figures(void *source, host_figures *ret) {
    (void)source;
    *ret = (host_figures){.workers = 2, .workers_serving = 1, .worker_restarts = 3};
}

static void read_workload(void *source, uint32_t number, workload_figures *ret) {
    (void)source;
    *ret = (workload_figures){.running = 4, .waiting = 5, .requests = 6 + number, .cpu_ns = 1002003004};
}

static void setup(fixture *f) {
    *f = (fixture){0};
    for (size_t i = 0; i < 2; i++) {
        f->workloads[i] =
            (workload_config){.name = (char *)(i == 0 ? "hello" : "other"), .limits = host_limits_default()};
    }
    f->config.workloads = f->workloads;
    f->config.workload_count = 1;
    f->status = (host_status){
        .config = &f->config, .vettings = f->vettings, .read = read_figures, .read_workload = read_workload};
}

static const char *text_of(fixture *f, metrics_format format) {
    buf_done(&f->text);
    buf_init(&f->text, 64 << 10);
    EXPECT_OK(metrics_write(&f->status, format, &f->text));
    return buf_text(&f->text);
}

static void sign(fixture *f) {
    f->vettings[0].found.has_token = true;
    token_claims *c = &f->vettings[0].found.claims;
    c->name = slice_from_text("shop/hello");
    c->issuer.kind = NKEY_ACCOUNT;
    c->subject.kind = NKEY_MODULE;
    c->has_revision = true;
    c->revision = 7;
    c->has_expiry = true;
    c->expires_at_s = 1800000000;
}

TEST(unsigned_says_so) {
    fixture f;
    setup(&f);
    f.vettings[0].found.reason = REFUSAL_UNSIGNED;
    const char *text = text_of(&f, METRICS_PROMETHEUS);
    EXPECT_CONTAINS(text, "\nwrit_workload_signed 0\n");
    EXPECT_CONTAINS(text, "signature=\"unsigned\",issuer=\"\",subject=\"\"");
    EXPECT_CONTAINS(text, "writ_workload_refusals_total{reason=\"unsigned\"} 1\n");
    EXPECT_CONTAINS(text, "writ_workload_refusals_total{reason=\"not-allowed\"} 0\n");
    EXPECT(strstr(text, "expires_timestamp") == NULL);
    buf_done(&f.text);
}

TEST(signed_names_who_and_until_when) {
    fixture f;
    setup(&f);
    sign(&f);
    const char *text = text_of(&f, METRICS_PROMETHEUS);
    EXPECT_CONTAINS(text, "\nwrit_workload_signed 1\n");
    EXPECT_CONTAINS(text, "workload=\"hello\",name=\"shop/hello\",signature=\"signed\",issuer=\"A");
    EXPECT_CONTAINS(text, "\",subject=\"M");
    EXPECT_CONTAINS(text, "revision=\"7\"");
    EXPECT_CONTAINS(text, "\nwrit_workload_token_expires_timestamp_seconds 1800000000\n");
    buf_done(&f.text);
}

TEST(figures) {
    fixture f;
    setup(&f);
    const char *text = text_of(&f, METRICS_PROMETHEUS);
    EXPECT_CONTAINS(text, "\nwrit_workers 2\n");
    EXPECT_CONTAINS(text, "\nwrit_workers_serving 1\n");
    EXPECT_CONTAINS(text, "# TYPE writ_worker_restarts_total counter\nwrit_worker_restarts_total 3\n");
    EXPECT_CONTAINS(text, "\nwrit_workload_instances_running 4\n");
    EXPECT_CONTAINS(text, "\nwrit_workload_requests_waiting 5\n");
    EXPECT_CONTAINS(text, "\nwrit_workload_requests_admitted_total 6\n");
    EXPECT_CONTAINS(text, "\nwrit_workload_cpu_seconds_total 1.002003\n");
    buf_done(&f.text);
}

TEST(openmetrics_names_families_and_ends) {
    fixture f;
    setup(&f);
    const char *text = text_of(&f, METRICS_OPENMETRICS);
    EXPECT_CONTAINS(text, "# TYPE writ_worker_restarts counter\nwrit_worker_restarts_total 3\n");
    EXPECT(strcmp(text + strlen(text) - 6, "# EOF\n") == 0);
    EXPECT(strstr(text_of(&f, METRICS_PROMETHEUS), "# EOF") == NULL);
    buf_done(&f.text);
}

TEST(labels_cannot_end_their_line) {
    fixture f;
    setup(&f);
    sign(&f);
    f.vettings[0].found.claims.name = slice_from_text("a\"} 1\nwrit_workload_signed 1\n\\\x01");
    const char *text = text_of(&f, METRICS_PROMETHEUS);
    EXPECT_CONTAINS(text, "name=\"a\\\"} 1\\nwrit_workload_signed 1\\n\\\\?\",");
    static char name[4096];
    memset(name, 'x', sizeof name - 1);
    memcpy(name + 255, "\xc3\xa9", 2);
    f.vettings[0].found.claims.name = slice_from_text(name);
    text = text_of(&f, METRICS_PROMETHEUS);
    EXPECT_CONTAINS(text, "xxx\",signature=");
    buf_done(&f.text);
}

TEST(the_longest_text_fits_an_answer) {
    fixture f;
    setup(&f);
    sign(&f);
    static char name[4096];
    memset(name, '"', sizeof name - 1);
    f.workloads[0].name = name;
    f.vettings[0].found.claims.name = f.vettings[0].found.claims.version = slice_from_text(name);
    EXPECT(strlen(text_of(&f, METRICS_OPENMETRICS)) < 16 << 10);
    buf_done(&f.text);
}

TEST(many_workloads_are_told_apart) {
    fixture f;
    setup(&f);
    f.config.workload_count = 2;
    const char *text = text_of(&f, METRICS_PROMETHEUS);
    EXPECT_CONTAINS(text, "\nwrit_workload_requests_admitted_total{workload=\"hello\"} 6\n");
    EXPECT_CONTAINS(text, "\nwrit_workload_requests_admitted_total{workload=\"other\"} 7\n");
    EXPECT_CONTAINS(text, "writ_workload_signed{workload=\"other\"}");
    EXPECT_CONTAINS(text, "refusals_total{workload=\"other\",reason=\"unsigned\"} 0\n");
    EXPECT_CONTAINS(text, "cpu_seconds_total{workload=\"other\"} 1.002003\n");
    const char *family = strstr(text, "# TYPE writ_workload_traps_total");
    EXPECT(family != NULL && strstr(family + 1, "# TYPE writ_workload_traps_total") == NULL);
    EXPECT_CONTAINS(text, "\nwrit_workers 2\n");
    buf_done(&f.text);
}
