// SPDX-License-Identifier: Apache-2.0
#include "host/host_secrets.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "helper_secrets.h"
#include "os/clock.h"
#include "test.h"

typedef struct fixture {
    double_backend backend;
    host_observer observer;
    host_config config;
    logger *logger;
    host_secrets *secrets;
    loop *l;
    audit *log;
    nkey *key;
    host_audit *audit;
    char directory[64];
    int missing;
    char first_missing[128];
} fixture;

static void on_missing(void *context, const host_missing_secret *m) {
    fixture *f = context;
    if (f->missing++ == 0) {
        snprintf(f->first_missing, sizeof f->first_missing, "%s %s %s", m->origin == NULL ? "-" : m->origin,
                 m->workload, m->name);
    }
}

static void init(fixture *f, int workloads) {
    const host_secret key = {.name = "key", .key = "key"};
    workload_config *w;
    *f = (fixture){.directory = "/tmp/writ-reveal-XXXXXX"};
    double_backend_init(&f->backend);
    f->observer = (host_observer){.context = f, .missing = on_missing};
    EXPECT(mkdtemp(f->directory) != NULL);
    host_config_init(&f->config);
    for (int i = 0; i < workloads; i++) {
        EXPECT_OK(host_config_add_workload(&f->config, &w, NULL));
        w->name = mem_text_dup("app");
        EXPECT_OK(workload_config_add_secret(w, &key, NULL));
    }
    EXPECT_OK(logger_new(&(logger_options){.fd = STDERR_FILENO}, &f->logger, NULL));
}

static status make(fixture *f, err *e) {
    const host_secrets_options o = {
        .config = &f->config, .sealed = &f->backend.base, .observer = &f->observer, .logger = f->logger};
    return host_secrets_new(&o, &f->secrets, e);
}

static void watch(fixture *f, bool has_log) {
    char path[128];
    EXPECT_OK(loop_new(NULL, &f->l, NULL));
    if (has_log) {
        snprintf(path, sizeof path, "%s/audit.log", f->directory);
        EXPECT_OK(nkey_generate(NKEY_SERVER, &f->key, NULL));
        const audit_options o = {.path = path, .key = f->key, .by = "test", .sync_every = AUDIT_SYNC_NEVER};
        EXPECT_OK(audit_open(&o, &f->log, NULL));
        EXPECT_OK(host_audit_new(f->log, f->l, f->logger, &f->audit, NULL));
    }
    const host_secrets_watcher w = {.audit = f->audit};
    EXPECT_OK(host_secrets_watch(f->secrets, f->l, &w, NULL));
}

static void tear_down(fixture *f) {
    static const char *const names[] = {"audit.log", "audit.log.head", "audit.log.lock"};
    char path[128];
    host_secrets_unwatch(f->secrets);
    host_audit_free(f->audit);
    host_secrets_free(f->secrets);
    audit_close(f->log);
    nkey_free(f->key);
    loop_free(f->l);
    logger_free(f->logger);
    host_config_done(&f->config);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", f->directory, names[i]);
        (void)unlink(path);
    }
    EXPECT(rmdir(f->directory) == 0);
}

typedef struct outcome {
    host_reveal reveal;
    bool is_over;
    status code;
} outcome;

static void on_done(void *arg, status code, const err *e) {
    outcome *o = arg;
    (void)e;
    o->is_over = true;
    o->code = code;
}

static status reveal(fixture *f, uint32_t workload, char *ret_letter) {
    outcome o = {.reveal = {.done = on_done, .arg = &o}};
    bool waits = false;
    err e = {0};
    status code = host_secrets_reveal(f->secrets, workload, slice_from_text("key"), &o.reveal, &waits, &e);
    while (code == STATUS_OK && waits && !o.is_over) {
        loop_turn(f->l, true);
    }
    code = waits ? o.code : code;
    if (code == STATUS_OK) {
        *ret_letter = (char)o.reveal.value.bytes.data[0];
        secret_value_free(&o.reveal.value);
    }
    return code;
}

// Each reveal is a line of the audit log.
TEST(a_guest_cannot_fill_the_audit_log_with_reveals) {
    enum { FLOOD = 3000 };
    fixture f;
    int revealed = 0;
    char letter;
    err e = {0};
    init(&f, 1);
    EXPECT_OK(make(&f, &e));
    watch(&f, false);
    uint64_t begin_ns = clock_now_ns();
    for (int i = 0; i < FLOOD; i++) {
        status code = reveal(&f, 0, &letter);
        EXPECT(code == STATUS_OK || code == STATUS_LIMIT);
        revealed += code == STATUS_OK;
    }
    int seconds = (int)((clock_now_ns() - begin_ns) / 1000000000u) + 2;
    EXPECT(revealed >= HOST_REVEALS_PER_SECOND_MAX);
    EXPECT(revealed <= seconds * HOST_REVEALS_PER_SECOND_MAX);
    tear_down(&f);
}

TEST(a_reveal_waits_for_the_audit_log) {
    fixture f;
    char letter = 0;
    err e = {0};
    bool waits = false;
    init(&f, 1);
    EXPECT_OK(make(&f, &e));
    watch(&f, true);
    uint64_t before = audit_last(f.log).seq;
    outcome o = {.reveal = {.done = on_done, .arg = &o}};
    EXPECT_OK(host_secrets_reveal(f.secrets, 0, slice_from_text("key"), &o.reveal, &waits, &e));
    EXPECT(waits && !o.is_over);
    host_reveal_cancel(&o.reveal); // it is recorded all the same
    host_reveal_cancel(&o.reveal);
    EXPECT_EQ(reveal(&f, 0, &letter), STATUS_OK);
    EXPECT_EQ(letter, 'v');
    EXPECT(!o.is_over);
    EXPECT_EQ(audit_last(f.log).seq, before + 2);
    tear_down(&f);
}

TEST(what_is_not_granted_is_a_refusal) {
    fixture f;
    host_reveal r = {0};
    bool waits = false;
    init(&f, 1);
    EXPECT_OK(make(&f, NULL));
    watch(&f, true);
    uint64_t before = audit_last(f.log).seq;
    EXPECT_EQ(host_secrets_reveal(f.secrets, 0, slice_from_text("other"), &r, &waits, NULL),
              STATUS_NOT_FOUND);
    EXPECT_EQ(host_secrets_reveal(f.secrets, 7, slice_from_text("key"), &r, &waits, NULL), STATUS_NOT_FOUND);
    EXPECT(!host_secrets_knows(f.secrets, 0, slice_from_text("other")));
    EXPECT(!host_secrets_knows(NULL, 0, slice_from_text("key")));
    host_secrets_unwatch(f.secrets);
    host_audit_free(f.audit);
    f.audit = NULL;
    EXPECT_EQ(audit_last(f.log).seq, before + 1);
    tear_down(&f);
}

TEST(a_version_ends_without_a_look_at_the_store) {
    fixture f;
    char letter;
    init(&f, 1);
    f.backend.until_s = clock_wall_now().seconds + 3600;
    EXPECT_OK(make(&f, NULL));
    watch(&f, false);
    EXPECT_EQ(reveal(&f, 0, &letter), STATUS_OK);
    tear_down(&f);
    init(&f, 1);
    f.backend.until_s = clock_wall_now().seconds - 1;
    EXPECT_OK(make(&f, NULL));
    watch(&f, false);
    EXPECT_EQ(reveal(&f, 0, &letter), STATUS_NOT_FOUND);
    tear_down(&f);
}

TEST(all_that_is_missing_is_told_with_its_place) {
    fixture f;
    err e = {0};
    const host_secret other = {.name = "other", .key = "other", .origin = "app.yaml:3:4"};
    init(&f, 2);
    EXPECT_OK(workload_config_add_secret(&f.config.workloads[0], &other, NULL));
    f.backend.code = STATUS_NOT_FOUND;
    EXPECT_EQ(make(&f, &e), STATUS_NOT_FOUND);
    EXPECT_EQ(f.missing, 3);
    EXPECT_TEXT(f.first_missing, "- app key");
    EXPECT(strstr(e.message, "3 secrets are missing") != NULL);
    EXPECT(f.secrets == NULL);
    tear_down(&f);
}

TEST(a_host_has_a_bounded_number_of_secrets) {
    enum { WORKLOADS = 40 };
    fixture f;
    err e = {0};
    char name[16];
    init(&f, WORKLOADS);
    for (int i = 0; i < WORKLOADS; i++) {
        for (int k = 1; k < HOST_SECRETS_MAX; k++) {
            snprintf(name, sizeof name, "s%d", k);
            EXPECT_OK(workload_config_add_secret(&f.config.workloads[i],
                                                 &(host_secret){.name = name, .key = name}, NULL));
        }
    }
    EXPECT_EQ(make(&f, &e), STATUS_LIMIT);
    EXPECT_CONTAINS(e.message, "10240 secrets are named");
    tear_down(&f);
}

TEST(a_store_is_needed_by_who_names_it) {
    fixture f;
    err e = {0};
    init(&f, 1);
    EXPECT(host_secrets_need_store(&f.config));
    const host_secrets_options o = {.config = &f.config, .logger = f.logger};
    EXPECT_EQ(host_secrets_new(&o, &f.secrets, &e), STATUS_UNSUPPORTED);
    f.config.workloads[0].secrets[0].backend = 1;
    EXPECT(!host_secrets_need_store(&f.config));
    tear_down(&f);
}

// Over a link with credentials another one may be put that has none. (Leaks are the sanitizer's to see.)
TEST(credentials_of_a_link_that_was_replaced_are_freed) {
    fixture f;
    host_link *l, *by;
    host_links other = {0};
    init(&f, 1);
    host_links *links = &f.config.workloads[0].links;
    const host_secret password = {.name = "password", .key = "key"};
    EXPECT_OK(host_links_add(links, "default", "redis", &l, NULL));
    EXPECT_OK(host_link_add_secret(l, &password, NULL));
    const host_secrets_options o = {.config = &f.config,
                                    .link_count = 1,
                                    .sealed = &f.backend.base,
                                    .observer = &f.observer,
                                    .logger = f.logger};
    EXPECT_OK(host_secrets_new(&o, &f.secrets, NULL));
    host_link borrowed = *l;
    host_secrets_lend(f.secrets, &borrowed);
    EXPECT_EQ(borrowed.credential_count, 1);
    EXPECT_TEXT(borrowed.credentials[0].value, "value of key");
    EXPECT_OK(host_links_add(&other, "default", "memory", &by, NULL));
    host_link before = *l;
    *l = *by;
    *by = before;
    host_links_done(&other);
    tear_down(&f);
}
