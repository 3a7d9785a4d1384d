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
