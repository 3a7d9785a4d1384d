// SPDX-License-Identifier: Apache-2.0
#include "host/host_secrets.h"

#include <unistd.h>

#include "base/mem.h"
#include "os/clock.h"
#include "test.h"

static status get(const void *context, const char *key, const char *field, const char *version,
                  uint64_t now_s, secret_value *ret, err *e) {
    (void)context, (void)key, (void)field, (void)version, (void)now_s;
    secret_value v = {.kind = SECRET_TEXT, .version = 1};
    TRY(secret_new(1, &v.bytes, e));
    v.bytes.data[0] = 'x';
    *ret = v;
    return STATUS_OK;
}

static status count(void *context, const secret_revealed *what, err *e) {
    (void)what, (void)e;
    ++*(int *)context;
    return STATUS_OK;
}

// Each reveal is a line of the audit log.
TEST(a_guest_cannot_fill_the_audit_log_with_reveals) {
    enum { FLOOD = 3000 };
    int told = 0, revealed = 0;
    const host_secret_source source = {.source = {NULL, get}};
    const host_observer observer = {.context = &told, .revealed = count, .secrets = &source};
    const host_secret key = {.name = "key", .key = "key"};
    host_config c;
    workload_config *w;
    host_secrets *s = NULL;
    logger *l = NULL;
    err e = {0};
    host_config_init(&c);
    EXPECT_OK(host_config_add_workload(&c, &w, NULL));
    w->name = mem_text_dup("app");
    EXPECT_OK(workload_config_add_secret(w, &key, NULL));
    EXPECT_OK(logger_new(&(logger_options){.fd = STDERR_FILENO}, &l, NULL));
    const host_secrets_options o = {.config = &c, .observer = &observer, .logger = l};
    EXPECT_OK(host_secrets_new(&o, &s, &e));
    uint64_t begin_ns = clock_now_ns();
    for (int i = 0; i < FLOOD; i++) {
        secret_value v = {0};
        status code = host_secrets_reveal(s, 0, slice_from_text("key"), &v, &e);
        EXPECT(code == STATUS_OK || code == STATUS_LIMIT);
        revealed += code == STATUS_OK;
        secret_value_free(&v);
    }
    int seconds = (int)((clock_now_ns() - begin_ns) / 1000000000u) + 2;
    EXPECT_EQ(told, revealed);
    EXPECT(revealed >= HOST_REVEALS_PER_SECOND_MAX);
    EXPECT(revealed <= seconds * HOST_REVEALS_PER_SECOND_MAX);
    host_secrets_free(s);
    logger_free(l);
    host_config_done(&c);
}

typedef struct store {
    int reads;
    bool is_over; // the time of the version
    status code;  // of reading
} store;

static status get_version(const void *context, const char *key, const char *field, const char *version,
                          uint64_t now_s, secret_value *ret, err *e) {
    const store *from = context;
    return from->is_over ? err_set(e, STATUS_NOT_FOUND, "the time of %s is over", key)
                         : get(NULL, key, field, version, now_s, ret, e);
}

static status read_again(void *context, bool *ret_changed, err *e) {
    store *from = context;
    from->reads++;
    *ret_changed = false;
    return from->code == STATUS_OK ? STATUS_OK : err_set(e, from->code, "it cannot be read");
}

typedef struct fixture {
    store store;
    host_secret_source source;
    host_observer observer;
    host_config config;
    logger *logger;
    host_secrets *secrets;
} fixture;

static void set_up(fixture *f, int workloads) {
    const host_secret key = {.name = "key", .key = "key"};
    workload_config *w;
    err e = {0};
    *f = (fixture){.source = {{&f->store, get_version}, &f->store, read_again}};
    f->observer.secrets = &f->source;
    host_config_init(&f->config);
    for (int i = 0; i < workloads; i++) {
        EXPECT_OK(host_config_add_workload(&f->config, &w, NULL));
        w->name = mem_text_dup("app");
        EXPECT_OK(workload_config_add_secret(w, &key, NULL));
    }
    EXPECT_OK(logger_new(&(logger_options){.fd = STDERR_FILENO}, &f->logger, NULL));
    const host_secrets_options o = {.config = &f->config, .observer = &f->observer, .logger = f->logger};
    EXPECT_OK(host_secrets_new(&o, &f->secrets, &e));
}

static void tear_down(fixture *f) {
    host_secrets_free(f->secrets);
    logger_free(f->logger);
    host_config_done(&f->config);
}

static status reveal(fixture *f, uint32_t workload) {
    secret_value v = {0};
    err e = {0};
    status code = host_secrets_reveal(f->secrets, workload, slice_from_text("key"), &v, &e);
    secret_value_free(&v);
    return code;
}

TEST(the_source_is_read_once_in_a_second_for_all_workloads) {
    enum { WORKLOADS = 32 };
    fixture f;
    set_up(&f, WORKLOADS);
    uint64_t begin_ns = clock_now_ns();
    for (uint32_t i = 0; i < WORKLOADS; i++) {
        EXPECT_EQ(reveal(&f, i), STATUS_OK);
    }
    int seconds = (int)((clock_now_ns() - begin_ns) / 1000000000u) + 1;
    EXPECT(f.store.reads >= 1);
    EXPECT(f.store.reads <= seconds);
    tear_down(&f);
}

TEST(a_version_ends_also_while_the_source_cannot_be_read) {
    fixture f;
    set_up(&f, 2);
    f.store.code = STATUS_DENIED;
    EXPECT_EQ(reveal(&f, 0), STATUS_OK);
    f.store.is_over = true;
    EXPECT_EQ(reveal(&f, 1), STATUS_NOT_FOUND);
    tear_down(&f);
}
