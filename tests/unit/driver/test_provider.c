// SPDX-License-Identifier: Apache-2.0
// Links to a provider: the contract of key-value through one in a second process, keys that are wrong, peers
// that are silent, hostile or die in the middle, deliveries, credentials.
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "driver/messaging/messaging.h"
#include "driver/provider/greeting.h"
#include "driver/provider/messages.h"
#include "driver/provider/provider.h"
#include "driver/provider/serve.h"
#include "os/socket.h"
#include "unit/driver/keyvalue_contract.h"

#define KEY "a key of the tests, 32 bytes...."
#define OTHER_KEY "another key of the tests........"

typedef struct server {
    pid_t pid;
    int listener;
    char address[24];
} server;

// --- a provider in a process of its own --------------------------------------------------------------------

typedef struct child {
    provider *provider;
    int listener;
} child;

static void on_listener(void *arg, unsigned events) {
    (void)events;
    const child *c = arg;
    struct sockaddr_storage from;
    int fd = socket_accept(c->listener, &from);
    if (fd >= 0) {
        (void)!provider_accept(c->provider, fd, NULL);
    }
}

static _Noreturn void serve(int listener) {
    static const driver *const drivers[] = {&messaging_local, &keyvalue_memory, NULL};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    loop *l = NULL;
    loop_watch w = {0};
    CHECK(loop_new(NULL, &l, NULL) == STATUS_OK);
    const driver_environment env = {0};
    const provider_options o = {
        .loop = l, .drivers = drivers, .environment = &env, .key = SLICE_LITERAL(KEY)};
    child c = {provider_new(&o), listener};
    CHECK(loop_watch_start(&w, l, listener, LOOP_READABLE, on_listener, &c, NULL) == STATUS_OK);
    loop_run(l);
    _exit(0);
}

static void server_listen(server *s) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    s->pid = 0;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(s->listener, (struct sockaddr *)&a, sizeof a) == 0 && listen(s->listener, 64) == 0);
    CHECK(getsockname(s->listener, (struct sockaddr *)&a, &len) == 0);
    snprintf(s->address, sizeof s->address, "127.0.0.1:%u", ntohs(a.sin_port));
}

// The listener stays with the test, so that the port is kept when the provider is killed.
static void server_fork(server *s) {
    fflush(NULL);
    s->pid = fork();
    CHECK(s->pid >= 0);
    if (s->pid == 0) {
        serve(s->listener);
    }
}

static void server_kill(server *s) {
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
        s->pid = 0;
    }
}

static void server_stop(server *s) {
    server_kill(s);
    if (s->listener >= 0) {
        close(s->listener);
    }
    s->listener = -1;
}

static status open_at(kv *k, const char *address, const char *key, const char *driver_name,
                      const driver_value *more, size_t count, err *e) {
    driver_value values[8] = {{SLICE_LITERAL("server"), slice_from_text(address)},
                              {SLICE_LITERAL("driver"), slice_from_text(driver_name)}};
    driver_value secrets[] = {{SLICE_LITERAL("key"), slice_from_text(key)}};
    for (size_t i = 0; i < count; i++) {
        values[2 + i] = more[i];
    }
    const driver_values settings = {values, 2 + count};
    static driver_value kept[1]; // borrowed by the link
    kept[0] = secrets[0];
    const driver_values credentials = {kept, key == NULL ? 0 : 1};
    return kv_open(k, &provider_remote, &settings, &credentials, e);
}

static const char *open_it(kv *k) {
    static const driver_value values[] = {KEYVALUE_CONTRACT_SETTINGS};
    server *s = MEM_NEW(server);
    server_listen(s);
    server_fork(s);
    kv_start(k);
    k->data = s;
    EXPECT_OK(open_at(k, s->address, KEY, "memory", values, sizeof values / sizeof values[0], NULL));
    return NULL;
}

static void close_it(kv *k) {
    server *s = k->data;
    kv_stop(k);
    server_stop(s);
    mem_free(s);
}

KEYVALUE_CONTRACT(open_it, close_it)

// --- settings ----------------------------------------------------------------------------------------------

TEST(only_a_provider_on_this_machine_is_connected_to) {
    static const char *const bad[] = {"192.0.2.1:7400", "example.org:7400", "0.0.0.0:7400",
                                      "127.0.0.1:0",    "127.0.0.1",        "",
                                      "[2001:db8::1]:1"};
    static const char *const good[] = {"127.0.0.1:1", "localhost:1", "[::1]:1", "127.9.9.9:1"};
    kv k = {0};
    kv_start(&k);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        EXPECT(open_at(&k, bad[i], KEY, "memory", NULL, 0, NULL) != STATUS_OK);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        EXPECT_OK(open_at(&k, good[i], KEY, "memory", NULL, 0, NULL));
        kv_close(&k);
    }
    err e = {0};
    EXPECT_STATUS(open_at(&k, "127.0.0.1:1", NULL, "memory", NULL, 0, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "key");
    EXPECT_STATUS(open_at(&k, "127.0.0.1:1", "short", "memory", NULL, 0, &e), STATUS_INVALID);
    EXPECT(strstr(e.message, "short") == NULL);
    kv_stop(&k);
}

// --- what goes wrong ---------------------------------------------------------------------------------------

static void wait_down(kv *k, const char *why) {
    driver_health h = {0};
    for (int i = 0; i < 20000 && h.state != DRIVER_DOWN; i++) {
        kv_turn(k);
        k->d->health(k->link, &h);
    }
    EXPECT_EQ(h.state, DRIVER_DOWN);
    EXPECT_CONTAINS(h.reason, why);
    EXPECT(h.next_try_ns != UINT64_MAX);
}

static void expect_closed(kv *k, const char *why) {
    keyvalue_call c = kv_key_call(KEYVALUE_GET, "b", "k");
    kv_pending p = {0};
    kv_call(k, &c, &p);
    EXPECT_STATUS(p.code, STATUS_CLOSED);
    EXPECT_CONTAINS(p.message, why);
    kv_pending_done(&p);
}

TEST(another_key_opens_nothing) {
    server s;
    kv k = {0};
    server_listen(&s);
    server_fork(&s);
    kv_start(&k);
    EXPECT_OK(open_at(&k, s.address, OTHER_KEY, "memory", NULL, 0, NULL));
    expect_closed(&k, "another key");
    kv_stop(&k);
    server_stop(&s);
}

TEST(what_the_driver_there_refuses_is_the_reason) {
    static const driver_value unknown[] = {{SLICE_LITERAL("no-such-setting"), SLICE_LITERAL("1")}};
    server s;
    kv k = {0};
    server_listen(&s);
    server_fork(&s);
    kv_start(&k);
    EXPECT_OK(open_at(&k, s.address, KEY, "memory", unknown, 1, NULL));
    expect_closed(&k, "no setting \"no-such-setting\"");
    kv_close(&k);
    EXPECT_OK(open_at(&k, s.address, KEY, "redis", NULL, 0, NULL));
    expect_closed(&k, "no driver \"redis\"");
    kv_stop(&k);
    server_stop(&s);
}

TEST(a_provider_that_dies_costs_the_calls_on_their_way_and_is_found_again) {
    kv k = {0};
    EXPECT(open_it(&k) == NULL);
    server *s = k.data;
    EXPECT(kv_set(&k, "b", "k", "v"));
    kill(s->pid, SIGSTOP);
    kv_pending p = {0};
    keyvalue_call c = kv_key_call(KEYVALUE_GET, "b", "k");
    kv_begin(&k, &p, &c, UINT64_MAX);
    kv_turn(&k);
    EXPECT(!p.is_done);
    server_kill(s);
    kv_wait(&k, &p);
    EXPECT_STATUS(p.code, STATUS_CLOSED);
    kv_pending_done(&p);
    wait_down(&k, "provider at 127.0.0.1");
    expect_closed(&k, "provider at 127.0.0.1");
    server_fork(s);
    kv_wait_up(&k);
    EXPECT(kv_is(&k, "b", "k", NULL)); // the memory went with it
    EXPECT(kv_set(&k, "b", "k", "again"));
    close_it(&k);
}

TEST(calls_end_by_their_deadline_and_when_they_are_cancelled) {
    kv k = {0};
    EXPECT(open_it(&k) == NULL);
    server *s = k.data;
    EXPECT(kv_set(&k, "b", "k", "v"));
    kill(s->pid, SIGSTOP);
    kv_pending p[2] = {0};
    keyvalue_call c = kv_key_call(KEYVALUE_GET, "b", "k");
    kv_begin(&k, &p[0], &c, loop_now_fresh_ns(k.l) + 20000000);
    kv_begin(&k, &p[1], &c, UINT64_MAX);
    kv_wait(&k, &p[0]);
    EXPECT_STATUS(p[0].code, STATUS_TIMEOUT);
    EXPECT(!p[1].is_done);
    k.d->cancel(k.link, &p[1].call);
    kv_wait(&k, &p[1]);
    EXPECT_STATUS(p[1].code, STATUS_CANCELLED);
    kill(s->pid, SIGCONT);
    kv_pending_done(&p[0]);
    kv_pending_done(&p[1]);
    EXPECT(kv_is(&k, "b", "k", "v"));
    close_it(&k);
}

// --- peers that are something else -------------------------------------------------------------------------

static int accept_one(kv *k, const server *s) {
    struct sockaddr_storage from;
    int fd = -1;
    for (int i = 0; i < 5000 && fd < 0; i++) {
        kv_turn(k);
        fd = socket_accept(s->listener, &from);
    }
    CHECK(fd >= 0);
    return fd;
}

static void read_all(kv *k, int fd, uint8_t *bytes, size_t wanted) {
    for (size_t n = 0; n < wanted;) {
        long got = socket_receive(fd, bytes + n, wanted - n);
        n += got > 0 ? (size_t)got : 0;
        kv_turn(k);
    }
}

static void open_listener(kv *k, server *s) {
    server_listen(s);
    CHECK(fcntl(s->listener, F_SETFL, O_NONBLOCK) == 0);
    kv_start(k);
    EXPECT_OK(open_at(k, s->address, KEY, "memory", NULL, 0, NULL));
}

TEST(what_is_no_provider_is_told) {
    server s;
    kv k = {0};
    char page[200];
    memset(page, 'x', sizeof page);
    memcpy(page, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    open_listener(&k, &s);
    int fd = accept_one(&k, &s);
    EXPECT_EQ(write(fd, page, sizeof page), (ssize_t)sizeof page);
    wait_down(&k, "is no provider");
    close(fd);
    kv_stop(&k);
    server_stop(&s);
}

TEST(a_provider_that_closes_and_one_that_repeats_are_told) {
    server s;
    kv k = {0};
    uint8_t hello[GREETING_BYTES_MAX] = {0};
    open_listener(&k, &s);
    int fd = accept_one(&k, &s);
    close(fd);
    wait_down(&k, "same key");
    fd = accept_one(&k, &s);
    read_all(&k, fd, hello, 40);
    EXPECT_EQ(write(fd, hello, sizeof hello), (ssize_t)sizeof hello); // its own words
    wait_down(&k, "repeats");
    close(fd);
    kv_stop(&k);
    server_stop(&s);
}

// One that has the key, and then breaks the rules.
TEST(a_hostile_provider_loses_its_connection_and_no_more) {
    static const char *const frames[] = {
        "\xff\xff\xff\xff\x01",                                 // no frame
        "\x04\x00\x00\x00\x63\x00\x00\x00\x00\x00\x00\x00",     // of no type
        "\x06\x00\x00\x00\x02\x00\x00\x00\x09\x00\x00\x00junk", // the answer to nothing
    };
    static const size_t sizes[] = {5, 12, 16};
    server s;
    kv k = {0};
    open_listener(&k, &s);
    for (size_t i = 0; i < 3; i++) {
        greeting g;
        uint8_t nonce[GREETING_NONCE_BYTES], bytes[GREETING_BYTES_MAX];
        size_t taken;
        memset(nonce, (int)i + 1, sizeof nonce);
        greeting_begin(&g, GREETING_SERVER, nonce);
        int fd = accept_one(&k, &s);
        read_all(&k, fd, bytes, 40);
        EXPECT_OK(greeting_take(&g, slice_from_text(KEY), slice_of(bytes, 40), &taken, NULL));
        EXPECT_EQ(write(fd, g.out, g.out_len), (ssize_t)g.out_len);
        read_all(&k, fd, bytes, HASH_BYTES);
        EXPECT_OK(greeting_take(&g, slice_from_text(KEY), slice_of(bytes, HASH_BYTES), &taken, NULL));
        EXPECT(g.is_done);
        EXPECT_EQ(write(fd, frames[i], sizes[i]), (ssize_t)sizes[i]);
        wait_down(&k, "provider at");
        close(fd);
    }
    kv_stop(&k);
    server_stop(&s);
}
