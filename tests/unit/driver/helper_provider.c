// SPDX-License-Identifier: Apache-2.0
#include "unit/driver/helper_provider.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "driver/blobstore/blobstore.h"
#include "driver/keys/keys.h"
#include "driver/keyvalue/keyvalue.h"
#include "driver/messaging/messaging.h"
#include "driver/provider/provider.h"
#include "driver/provider/serve.h"
#include "driver/sql/sql.h"
#include "os/socket.h"

enum { LINK_VALUES_MAX = 16 };

typedef struct child {
    provider *provider;
    int listener;
} child;

static void on_listener(void *arg, unsigned events) {
    (void)events;
    const child *c = arg;
    struct sockaddr_storage from;
    for (int fd = socket_accept(c->listener, &from); fd >= 0; fd = socket_accept(c->listener, &from)) {
        (void)!provider_accept(c->provider, fd, NULL);
    }
}

static _Noreturn void serve(int listener) {
    static const driver *const drivers[] = {&messaging_local, &keyvalue_memory,     &keys_local,
                                            &sql_sqlite,      &blobstore_directory, NULL};
    static const driver_environment env = {0};
    loop *l = NULL;
    loop_watch w = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    CHECK(loop_new(NULL, &l, NULL) == STATUS_OK);
    const provider_options o = {
        .loop = l, .drivers = drivers, .environment = &env, .key = SLICE_LITERAL(PROVIDER_KEY)};
    child c = {provider_new(&o), listener};
    CHECK(loop_watch_start(&w, l, listener, LOOP_READABLE, on_listener, &c, NULL) == STATUS_OK);
    loop_run(l);
    _exit(0);
}

void provider_process_listen(provider_process *s) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    s->pid = 0;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(bind(s->listener, (struct sockaddr *)&a, sizeof a) == 0 && listen(s->listener, 64) == 0);
    CHECK(getsockname(s->listener, (struct sockaddr *)&a, &len) == 0);
    snprintf(s->address, sizeof s->address, "127.0.0.1:%u", ntohs(a.sin_port));
}

// The listener stays with the test.
void provider_process_start(provider_process *s) {
    fflush(NULL);
    s->pid = fork();
    CHECK(s->pid >= 0);
    if (s->pid == 0) {
        serve(s->listener);
    }
}

void provider_process_kill(provider_process *s) {
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
        s->pid = 0;
    }
}

void provider_process_stop(provider_process *s) {
    provider_process_kill(s);
    close(s->listener);
}

status provider_process_open(const provider_process *s, kv *k, const char *driver_name,
                             const driver_values *settings, const driver_values *credentials, err *e) {
    static driver_value kept[LINK_VALUES_MAX]; // the link borrows its credentials
    driver_value values[LINK_VALUES_MAX];
    driver_values all = {values, 0}, secrets = {kept, 0};
    values[all.count++] = (driver_value){SLICE_LITERAL("server"), slice_from_text(s->address)};
    values[all.count++] = (driver_value){SLICE_LITERAL("driver"), slice_from_text(driver_name)};
    kept[secrets.count++] = (driver_value){SLICE_LITERAL("key"), SLICE_LITERAL(PROVIDER_KEY)};
    for (size_t i = 0; i < settings->count; i++) {
        CHECK(all.count < LINK_VALUES_MAX);
        values[all.count++] = settings->values[i];
    }
    for (size_t i = 0; credentials != NULL && i < credentials->count; i++) {
        CHECK(secrets.count < LINK_VALUES_MAX);
        kept[secrets.count++] = credentials->values[i];
    }
    return kv_open(k, &provider_remote, &all, &secrets, e);
}
