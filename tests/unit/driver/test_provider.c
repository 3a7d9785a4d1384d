// SPDX-License-Identifier: Apache-2.0
// Links to a provider: the contract of key-value through one in a second process, keys that are wrong, peers
// that are silent, hostile or die in the middle, deliveries, credentials.
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "driver/provider/greeter.h"
#include "driver/provider/messages.h"
#include "driver/provider/provider.h"
#include "driver/provider/serve.h"
#include "os/socket.h"
#include "unit/driver/helper_provider.h"
#include "unit/driver/keyvalue_contract.h"

#define KEY PROVIDER_KEY
#define OTHER_KEY "another key of the tests........"

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
    provider_process *s = MEM_NEW(provider_process);
    provider_process_listen(s);
    provider_process_start(s);
    kv_start(k);
    k->data = s;
    EXPECT_OK(open_at(k, s->address, KEY, "memory", values, sizeof values / sizeof values[0], NULL));
    return NULL;
}

static void close_it(kv *k) {
    provider_process *s = k->data;
    kv_stop(k);
    provider_process_stop(s);
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
    provider_process s;
    kv k = {0};
    provider_process_listen(&s);
    provider_process_start(&s);
    kv_start(&k);
    EXPECT_OK(open_at(&k, s.address, OTHER_KEY, "memory", NULL, 0, NULL));
    expect_closed(&k, "another key");
    kv_stop(&k);
    provider_process_stop(&s);
}

TEST(what_the_driver_there_refuses_is_the_reason) {
    static const driver_value unknown[] = {{SLICE_LITERAL("no-such-setting"), SLICE_LITERAL("1")}};
    provider_process s;
    kv k = {0};
    provider_process_listen(&s);
    provider_process_start(&s);
    kv_start(&k);
    EXPECT_OK(open_at(&k, s.address, KEY, "memory", unknown, 1, NULL));
    expect_closed(&k, "no setting \"no-such-setting\"");
    kv_close(&k);
    EXPECT_OK(open_at(&k, s.address, KEY, "redis", NULL, 0, NULL));
    expect_closed(&k, "no driver \"redis\"");
    kv_stop(&k);
    provider_process_stop(&s);
}

TEST(a_provider_that_dies_costs_the_calls_on_their_way_and_is_found_again) {
    kv k = {0};
    EXPECT(open_it(&k) == NULL);
    provider_process *s = k.data;
    EXPECT(kv_set(&k, "b", "k", "v"));
    kill(s->pid, SIGSTOP);
    kv_pending p = {0};
    keyvalue_call c = kv_key_call(KEYVALUE_GET, "b", "k");
    kv_begin(&k, &p, &c, UINT64_MAX);
    kv_turn(&k);
    EXPECT(!p.is_done);
    provider_process_kill(s);
    kv_wait(&k, &p);
    EXPECT_STATUS(p.code, STATUS_CLOSED);
    kv_pending_done(&p);
    wait_down(&k, "provider at 127.0.0.1");
    expect_closed(&k, "provider at 127.0.0.1");
    provider_process_start(s);
    kv_wait_up(&k);
    EXPECT(kv_is(&k, "b", "k", NULL)); // the memory went with it
    EXPECT(kv_set(&k, "b", "k", "again"));
    close_it(&k);
}

TEST(calls_end_by_their_deadline_and_when_they_are_cancelled) {
    kv k = {0};
    EXPECT(open_it(&k) == NULL);
    provider_process *s = k.data;
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

static int accept_one(kv *k, const provider_process *s) {
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

static void open_listener(kv *k, provider_process *s) {
    provider_process_listen(s);
    kv_start(k);
    EXPECT_OK(open_at(k, s->address, KEY, "memory", NULL, 0, NULL));
}

TEST(what_is_no_provider_is_told) {
    provider_process s;
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
    provider_process_stop(&s);
}

TEST(a_provider_that_closes_and_one_that_repeats_are_told) {
    provider_process s;
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
    provider_process_stop(&s);
}

// One that has the key, and then breaks the rules.
TEST(a_hostile_provider_loses_its_connection_and_no_more) {
    static const char *const frames[] = {
        "\xff\xff\xff\xff\x01",                                 // no frame
        "\x04\x00\x00\x00\x63\x00\x00\x00\x00\x00\x00\x00",     // of no type
        "\x06\x00\x00\x00\x02\x00\x00\x00\x09\x00\x00\x00junk", // the answer to nothing
    };
    static const size_t sizes[] = {5, 12, 16};
    provider_process s;
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
    provider_process_stop(&s);
}

// --- hosts that are something else -------------------------------------------------------------------------

typedef struct inside { // a provider on the loop of the test
    provider *provider;
    int refused, opened, closed;
} inside;

static void on_event(void *arg, const provider_event *v) {
    inside *x = arg;
    x->refused += v->what == PROVIDER_REFUSED;
    x->opened += v->what == PROVIDER_OPENED;
    x->closed += v->what == PROVIDER_CLOSED;
}

static void inside_start(inside *x, kv *k) {
    static const driver *const drivers[] = {&keyvalue_memory, NULL};
    const provider_options o = {.loop = k->l,
                                .drivers = drivers,
                                .environment = &k->env,
                                .key = SLICE_LITERAL(KEY),
                                .on_event = on_event,
                                .arg = x};
    *x = (inside){.provider = provider_new(&o)};
}

// The other end of a new connection.
static int inside_connect(const inside *x) {
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    EXPECT_OK(provider_accept(x->provider, ends[0], NULL));
    return ends[1];
}

static int inside_greet(kv *k, const inside *x) {
    greeting g;
    uint8_t nonce[GREETING_NONCE_BYTES] = {7}, bytes[GREETING_BYTES_MAX];
    size_t taken;
    int fd = inside_connect(x);
    greeting_begin(&g, GREETING_CLIENT, nonce);
    EXPECT_EQ(write(fd, g.out, g.out_len), (ssize_t)g.out_len);
    read_all(k, fd, bytes, sizeof bytes);
    EXPECT_OK(greeting_take(&g, slice_from_text(KEY), slice_of(bytes, sizeof bytes), &taken, NULL));
    EXPECT_EQ(write(fd, g.out, g.out_len), (ssize_t)g.out_len);
    return fd;
}

static void wait_count(kv *k, const int *count, int wanted) {
    for (int i = 0; i < 5000 && *count < wanted; i++) {
        kv_turn(k);
    }
    EXPECT_EQ(*count, wanted);
}

TEST(who_greets_wrong_is_gone_before_anything_else_is_read) {
    static const char *const words[] = {
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:7400\r\nAccept: */*\r\n\r\n",
        "WRITPRV0................................................................"};
    kv k = {0};
    inside x;
    char end;
    kv_start(&k);
    inside_start(&x, &k);
    for (int i = 0; i < 2; i++) {
        int fd = inside_connect(&x);
        EXPECT_EQ(write(fd, words[i], strlen(words[i])), (ssize_t)strlen(words[i]));
        wait_count(&k, &x.refused, i + 1);
        EXPECT(read(fd, &end, 1) <= 0); // what it did not read makes it a reset
        close(fd);
    }
    provider_free(x.provider, 0);
    kv_stop(&k);
}

TEST(a_host_that_has_the_key_and_breaks_rules_loses_its_connection) {
    // A call before the link is open; a link that does not read; a frame that is none.
    static const char call_early[] = "\x1c\0\0\0\x01\0\x04\0\0\0\0\0"
                                     "\0\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0here";
    static const char no_frame[] = "\xff\xff\xff\x7f\x01";
    kv k = {0};
    inside x;
    kv_start(&k);
    inside_start(&x, &k);
    int fd = inside_greet(&k, &x);
    EXPECT_EQ(write(fd, call_early, sizeof call_early - 1), (ssize_t)sizeof call_early - 1);
    EXPECT_EQ(write(fd, no_frame, 5), 5);
    wait_count(&k, &x.refused, 1);
    EXPECT_EQ(x.opened, 0);
    close(fd);
    fd = inside_greet(&k, &x); // and goes before it says what it wants
    for (int i = 0; i < 5; i++) {
        kv_turn(&k);
    }
    close(fd);
    provider_free(x.provider, 1000000000);
    kv_stop(&k);
}

TEST(connections_are_bounded) {
    kv k = {0};
    inside x;
    int fds[PROVIDER_CONNECTIONS_MAX], ends[2];
    kv_start(&k);
    inside_start(&x, &k);
    for (int i = 0; i < PROVIDER_CONNECTIONS_MAX; i++) {
        fds[i] = inside_connect(&x);
    }
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    EXPECT_STATUS(provider_accept(x.provider, ends[0], NULL), STATUS_LIMIT);
    close(ends[1]);
    close(fds[0]);
    wait_count(&k, &x.refused, 1);
    close(inside_connect(&x));
    for (int i = 1; i < PROVIDER_CONNECTIONS_MAX; i++) {
        close(fds[i]);
    }
    provider_free(x.provider, 1000000000);
    kv_stop(&k);
}

// --- silence -----------------------------------------------------------------------------------------------

static uint64_t test_now(void *arg) { return *(uint64_t *)arg; }

typedef struct ended {
    status code;
    bool is_done;
} ended;

static void on_greeter(void *arg, status code, int fd, const err *e) {
    (void)fd, (void)e;
    *(ended *)arg = (ended){code, true};
}

TEST(who_says_nothing_is_not_waited_for) {
    uint64_t now = 1;
    const loop_clock clock = {test_now, &now};
    loop *l = NULL;
    EXPECT_OK(loop_new(&clock, &l, NULL));
    for (greeting_side side = GREETING_CLIENT; side <= GREETING_SERVER; side++) {
        int ends[2];
        greeter *g;
        ended x = {0};
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
        EXPECT_OK(greeter_start(l, ends[0], side, slice_from_text(KEY), on_greeter, &x, &g, NULL));
        loop_turn(l, false);
        now += GREETER_MS_MAX * 1000000ull - 1;
        loop_turn(l, false);
        loop_turn(l, false);
        EXPECT(!x.is_done);
        now += 2;
        loop_turn(l, false);
        loop_turn(l, false);
        EXPECT(x.is_done);
        EXPECT_STATUS(x.code, STATUS_TIMEOUT);
        close(ends[1]);
    }
    loop_free(l);
}

// --- credentials -------------------------------------------------------------------------------------------

TEST(new_credentials_reach_the_driver_there) {
    static const driver_value right[] = {{SLICE_LITERAL("key"), SLICE_LITERAL(KEY)}};
    static const driver_value more[] = {{SLICE_LITERAL("key"), SLICE_LITERAL(KEY)},
                                        {SLICE_LITERAL("password"), SLICE_LITERAL("x")}};
    static const driver_value bad[] = {{SLICE_LITERAL("key"), SLICE_LITERAL("short")}};
    kv k = {0};
    EXPECT(open_it(&k) == NULL);
    EXPECT(kv_set(&k, "b", "k", "v"));
    EXPECT_STATUS(driver_renew(k.d, k.link, &(driver_values){bad, 1}, NULL), STATUS_INVALID);
    EXPECT(kv_is(&k, "b", "k", "v"));
    // It has none: the link is opened anew, and says why that cannot be.
    EXPECT_OK(driver_renew(k.d, k.link, &(driver_values){more, 2}, NULL));
    wait_down(&k, "no credential");
    EXPECT_OK(driver_renew(k.d, k.link, &(driver_values){right, 1}, NULL));
    kv_wait_up(&k);
    EXPECT(kv_set(&k, "b", "k", "w"));
    close_it(&k);
}
