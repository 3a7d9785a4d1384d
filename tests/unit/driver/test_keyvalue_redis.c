// SPDX-License-Identifier: Apache-2.0
// Key-value on a real Redis server: the contract, users and passwords, a server that is killed, restarted,
// stopped and slow while calls are on the way, and a server that is none.
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/driver/helper_redis.h"
#include "unit/driver/keyvalue_contract.h"

typedef struct server {
    redis_process process;
    char port[8];
} server;

// With settings besides the port.
static const char *open_with(kv *k, const char *const *options, const driver_value *more, size_t more_count,
                             const driver_values *credentials) {
    server *s = MEM_NEW(server);
    const char *why = redis_process_start(&s->process, options);
    if (why != NULL) {
        mem_free(s);
        return why;
    }
    snprintf(s->port, sizeof s->port, "%u", s->process.port);
    driver_value values[16] = {{SLICE_LITERAL("port"), slice_from_text(s->port)}};
    for (size_t i = 0; i < more_count; i++) {
        values[i + 1] = more[i];
    }
    const driver_values settings = {values, more_count + 1};
    kv_start(k);
    k->data = s;
    err e = {0};
    EXPECT_STATUS_ERR(kv_open(k, &keyvalue_redis, &settings, credentials, &e), STATUS_OK, e);
    return NULL;
}

static const char *open_it(kv *k) {
    static const driver_value values[] = {KEYVALUE_CONTRACT_SETTINGS,
                                          {SLICE_LITERAL("prefix"), SLICE_LITERAL("test[*]")},
                                          {SLICE_LITERAL("connections"), SLICE_LITERAL("3")}};
    return open_with(k, NULL, values, sizeof values / sizeof values[0], NULL);
}

static void close_it(kv *k) {
    server *s = k->data;
    kv_stop(k);
    redis_process_stop(&s->process);
    mem_free(s);
}

static redis_process *process_of(const kv *k) { return &((server *)k->data)->process; }

KEYVALUE_CONTRACT(open_it, close_it)

// --- a server that goes and comes --------------------------------------------------------------------------

typedef struct load { // calls that are begun again as they end
    kv *k;
    kv_pending *p;
    bool stops;
    int running;
    int ok, closed, other;
    bool is_reading;
} load;

static keyvalue_call load_call(const load *x) {
    keyvalue_call c = kv_key_call(x->is_reading ? KEYVALUE_GET : KEYVALUE_INCREMENT, "b", "n");
    c.delta = 1;
    return c;
}

static void on_ended(kv_pending *p) {
    load *x = p->arg;
    x->running--;
    *(p->code == STATUS_OK && !p->answer.is_error ? &x->ok
      : p->code == STATUS_CLOSED                  ? &x->closed
                                                  : &x->other) += 1;
    if (p->code != STATUS_OK && p->code != STATUS_CLOSED) {
        printf("    %s %s\n", status_name(p->code), p->message);
    }
}

enum { LOAD = 100 };

static void load_begin(load *x) {
    for (int i = 0; i < LOAD && !x->stops; i++) {
        if (x->p[i].is_done || x->p[i].ended == NULL) {
            if (x->p[i].ended != NULL) {
                kv_pending_done(&x->p[i]);
            }
            x->p[i].ended = on_ended;
            x->p[i].arg = x;
            x->running++;
            keyvalue_call c = load_call(x);
            kv_begin(x->k, &x->p[i], &c, UINT64_MAX);
        }
    }
}

static void load_turns(load *x, int until_ok) {
    for (int i = 0; x->ok < until_ok && i < 20000; i++) {
        load_begin(x);
        kv_turn(x->k);
    }
}

static void load_end(load *x) {
    while (x->running > 0) {
        kv_turn(x->k);
    }
    for (int i = 0; i < LOAD; i++) {
        kv_pending_done(&x->p[i]);
    }
    mem_free(x->p);
}

TEST(a_server_killed_and_restarted_in_mid_load) {
    kv k = {0};
    const char *why = open_with(&k, NULL, NULL, 0, NULL);
    if (why != NULL) {
        SKIP(why);
    }
    load x = {.k = &k, .p = mem_calloc(LOAD, sizeof *x.p)};
    load_turns(&x, 500);
    EXPECT(x.ok >= 500);
    load_begin(&x);
    redis_process_kill(process_of(&k));
    for (int i = 0; x.closed == 0 && i < 1000; i++) {
        kv_turn(&k);
    }
    EXPECT(x.closed > 0);
    driver_health h;
    for (int i = 0; i < 50; i++) {
        kv_turn(&k);
    }
    k.d->health(k.link, &h);
    EXPECT_EQ(h.state, DRIVER_DOWN);
    EXPECT_CONTAINS(h.reason, "redis at 127.0.0.1");
    EXPECT(redis_process_start(process_of(&k), NULL) == NULL);
    int before = x.ok;
    load_turns(&x, before + 500);
    EXPECT(x.ok >= before + 500);
    k.d->health(k.link, &h);
    EXPECT_EQ(h.state, DRIVER_UP);
    EXPECT_EQ(x.other, 0);
    x.stops = true;
    load_end(&x);
    close_it(&k);
}

// Connections that have said at least the last word of the greeting. Those of the test itself have not.
static int greeted(const kv *k) {
    static const char *const words[] = {"cmd=ping", "cmd=get"};
    char list[4096];
    int count = 0;
    if (redis_process_say(process_of(k), "CLIENT LIST\r\n", list, sizeof list)) {
        for (size_t i = 0; i < 2; i++) {
            for (const char *at = strstr(list, words[i]); at != NULL; at = strstr(at + 1, words[i])) {
                count++;
            }
        }
    }
    return count;
}

// A connection that is cut before the link has heard the end of the greeting is one that failed, and waits.
static void wait_for_both(kv *k) {
    for (int i = 0; i < 2000 && greeted(k) < 2; i++) {
        kv_turn(k);
    }
    kv_turn(k);
    kv_turn(k);
}

TEST(reads_survive_connections_that_are_cut) {
    kv k = {0};
    const char *why = open_with(&k, NULL, NULL, 0, NULL);
    if (why != NULL) {
        SKIP(why);
    }
    load x = {.k = &k, .p = mem_calloc(LOAD, sizeof *x.p), .is_reading = true};
    kv_wait_up(&k);
    for (int round = 0; round < 20; round++) {
        char said[64];
        wait_for_both(&k);
        load_begin(&x);
        EXPECT(
            redis_process_say(process_of(&k), "CLIENT KILL TYPE normal SKIPME yes\r\n", said, sizeof said));
        EXPECT(said[0] == ':' && said[1] >= '2');
        while (x.running > 0) {
            kv_turn(&k);
        }
    }
    EXPECT_EQ(x.closed + x.other, 0);
    EXPECT(x.ok >= 2000);
    x.stops = true;
    load_end(&x);
    close_it(&k);
}

TEST(a_slow_server_is_a_timeout_and_no_more) {
    kv k = {0};
    static const driver_value values[] = {{SLICE_LITERAL("timeout-ms"), SLICE_LITERAL("200")}};
    const char *why = open_with(&k, NULL, values, 1, NULL);
    if (why != NULL) {
        SKIP(why);
    }
    EXPECT(kv_set(&k, "b", "k", "v"));
    redis_process_signal(process_of(&k), SIGSTOP);
    kv_pending p[2] = {0};
    keyvalue_call c = kv_key_call(KEYVALUE_GET, "b", "k");
    uint64_t began_ns = loop_now_fresh_ns(k.l);
    kv_begin(&k, &p[0], &c, UINT64_MAX);
    kv_begin(&k, &p[1], &c, began_ns + 20000000);
    kv_wait(&k, &p[1]);
    EXPECT_STATUS(p[1].code, STATUS_TIMEOUT);
    EXPECT(!p[0].is_done);
    kv_wait(&k, &p[0]);
    EXPECT_STATUS(p[0].code, STATUS_TIMEOUT);
    EXPECT(loop_now_fresh_ns(k.l) - began_ns < 2000000000);
    kv_pending_done(&p[0]);
    kv_pending_done(&p[1]);
    redis_process_signal(process_of(&k), SIGCONT);
    kv_wait_up(&k);
    EXPECT(kv_is(&k, "b", "k", "v"));
    close_it(&k);
}

TEST(users_and_passwords) {
    static const char *const options[] = {
        "--user", "app", "on", ">secret-1", "~app/*", "+@all", "-@dangerous", "--requirepass", "other", NULL};
    static const driver_value values[] = {{SLICE_LITERAL("user"), SLICE_LITERAL("app")},
                                          {SLICE_LITERAL("prefix"), SLICE_LITERAL("app")}};
    const driver_value right[] = {{SLICE_LITERAL("password"), SLICE_LITERAL("secret-1")}};
    const driver_value wrong[] = {{SLICE_LITERAL("password"), SLICE_LITERAL("guessed")}};
    const driver_values good = {right, 1};
    const driver_values bad = {wrong, 1};
    kv k = {0};
    const char *why = open_with(&k, options, values, 2, &bad);
    if (why != NULL) {
        SKIP(why);
    }
    keyvalue_call c = kv_key_call(KEYVALUE_SET, "b", "k");
    kv_pending p = {0};
    kv_call(&k, &c, &p);
    EXPECT_STATUS(p.code, STATUS_CLOSED);
    EXPECT_CONTAINS(p.message, "WRONGPASS");
    EXPECT(strstr(p.message, "guessed") == NULL);
    kv_pending_done(&p);
    EXPECT_OK(k.d->credentials(k.link, &good, NULL));
    kv_wait_up(&k);
    EXPECT(kv_set(&k, "b", "k", "v"));
    EXPECT(kv_is(&k, "b", "k", "v"));
    close_it(&k);
}

// Another link with a prefix of its own ("" = none) on the same server.
static void open_beside(kv *k, const kv *first, const char *prefix) {
    const driver_value values[] = {{SLICE_LITERAL("port"), slice_from_text(((server *)first->data)->port)},
                                   {SLICE_LITERAL("prefix"), slice_from_text(prefix)}};
    const driver_values settings = {values, 2};
    kv_start(k);
    EXPECT_OK(kv_open(k, &keyvalue_redis, &settings, NULL, NULL));
    kv_wait_up(k);
}

// Whatever buckets and keys a guest makes up.
TEST(no_prefix_and_no_bucket_leads_into_another) {
    static const driver_value app[] = {{SLICE_LITERAL("prefix"), SLICE_LITERAL("app")}};
    static const char *const tries[][2] = {{"1x", "k"},        {"1/x", "k"},     {"1", "x:k"},
                                           {"app1/x", "k"},    {"app1", "x:k"},  {"app1", "/x:k"},
                                           {"/app1/x", "k"},   {"", "app1/x:k"}, {"x", "k"},
                                           {"../app1/x", "k"}, {"app1%2Fx", "k"}};
    kv k = {0}, others[2] = {{0}, {0}};
    const char *why = open_with(&k, NULL, app, 1, NULL);
    if (why != NULL) {
        SKIP(why);
    }
    kv_wait_up(&k);
    open_beside(&others[0], &k, "app1");
    open_beside(&others[1], &k, "");
    EXPECT(kv_set(&others[0], "x", "k", "secret"));
    EXPECT(kv_set(&others[0], "a:b", "c", "1"));
    EXPECT(kv_set(&others[0], "a", "b:c", "2"));
    EXPECT(kv_is(&others[0], "a:b", "c", "1"));
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        EXPECT(kv_is(&k, tries[i][0], tries[i][1], NULL));
        EXPECT(kv_is(&others[1], tries[i][0], tries[i][1], NULL));
    }
    kv_stop(&others[0]);
    kv_stop(&others[1]);
    close_it(&k);
}

TEST(what_the_servers_rules_forbid_is_access_denied) {
    static const char *const options[] = {"--user", "default", "on", "nopass", "~allowed:*", "+@all", NULL};
    kv k = {0};
    const char *why = open_with(&k, options, NULL, 0, NULL);
    if (why != NULL) {
        SKIP(why);
    }
    EXPECT(kv_set(&k, "allowed", "k", "v"));
    keyvalue_call c = kv_key_call(KEYVALUE_GET, "secret", "k");
    EXPECT(kv_is_error(&k, &c, KEYVALUE_ACCESS_DENIED, ""));
    close_it(&k);
}

TEST(a_full_server_is_an_error_of_the_contract) {
    static const char *const options[] = {"--maxmemory", "3mb", NULL};
    kv k = {0};
    const char *why = open_with(&k, options, NULL, 0, NULL);
    if (why != NULL) {
        SKIP(why);
    }
    char *big = mem_zalloc(1 << 20);
    keyvalue_call c = kv_key_call(KEYVALUE_SET, "b", "k");
    c.value = slice_of(big, 1 << 20);
    bool full = false;
    for (int i = 0; i < 10 && !full; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        c.key = slice_from_text(key);
        kv_pending p;
        kv_call(&k, &c, &p);
        full = p.answer.is_error && slice_equal_text(p.answer.message, "the store is full");
        kv_pending_done(&p);
    }
    EXPECT(full);
    mem_free(big);
    close_it(&k);
}

TEST(nobody_there_is_closed_with_the_reason) {
    static const driver_value values[] = {{SLICE_LITERAL("url"), SLICE_LITERAL("redis://127.0.0.1:1/3")}};
    const driver_values settings = {values, 1};
    kv k = {0};
    kv_start(&k);
    EXPECT_OK(kv_open(&k, &keyvalue_redis, &settings, NULL, NULL));
    keyvalue_call c = kv_key_call(KEYVALUE_GET, "b", "k");
    kv_pending p = {0};
    kv_call(&k, &c, &p);
    EXPECT_STATUS(p.code, STATUS_CLOSED);
    EXPECT_CONTAINS(p.message, "redis at 127.0.0.1:1: ");
    kv_pending_done(&p);
    driver_health h;
    k.d->health(k.link, &h);
    EXPECT_EQ(h.state, DRIVER_DOWN);
    EXPECT(h.next_try_ns != UINT64_MAX);
    kv_turn(&k);
    EXPECT(k.health_changes >= 1);
    kv_stop(&k);
}

// What a call ends with when the server answers the greeting so.
static void expect_refused(const char *said, const char *why) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    EXPECT_EQ(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
    EXPECT_EQ(listen(listener, 8), 0);
    EXPECT_EQ(getsockname(listener, (struct sockaddr *)&a, &len), 0);
    char port[8];
    snprintf(port, sizeof port, "%u", ntohs(a.sin_port));
    const driver_value values[] = {{SLICE_LITERAL("port"), slice_from_text(port)},
                                   {SLICE_LITERAL("connections"), SLICE_LITERAL("1")}};
    const driver_values settings = {values, 2};
    kv k = {0};
    kv_start(&k);
    EXPECT_OK(kv_open(&k, &keyvalue_redis, &settings, NULL, NULL));
    keyvalue_call c = kv_key_call(KEYVALUE_GET, "b", "k");
    kv_pending p = {0};
    kv_begin(&k, &p, &c, UINT64_MAX);
    kv_turn(&k);
    int fd = accept(listener, NULL, NULL);
    EXPECT_EQ(write(fd, said, strlen(said)), (ssize_t)strlen(said));
    kv_wait(&k, &p);
    EXPECT_STATUS(p.code, STATUS_CLOSED);
    EXPECT_CONTAINS(p.message, why);
    kv_pending_done(&p);
    close(fd);
    close(listener);
    kv_stop(&k);
}

TEST(what_is_no_redis_server_is_told) {
    expect_refused("HTTP/1.1 400 Bad Request\r\n\r\n", "protocol of Redis");
}

TEST(lists_take_no_room_for_what_they_only_announce) {
    expect_refused("*65537\r\n", "too long");
    expect_refused("*2\r\n*65535\r\n", "too long");
    expect_refused("*2000000000\r\n", "too long");
}

TEST(wrong_settings_are_refused) {
    static const driver_value cases[][1] = {
        {{SLICE_LITERAL("url"), SLICE_LITERAL("http://x")}},
        {{SLICE_LITERAL("url"), SLICE_LITERAL("redis://u:pw@x")}},
        {{SLICE_LITERAL("url"), SLICE_LITERAL("redis://x:0")}},
        {{SLICE_LITERAL("url"), SLICE_LITERAL("redis://x/db")}},
        {{SLICE_LITERAL("url"), SLICE_LITERAL("redis://")}},
        {{SLICE_LITERAL("port"), SLICE_LITERAL("70000")}},
        {{SLICE_LITERAL("connections"), SLICE_LITERAL("0")}},
        {{SLICE_LITERAL("password"), SLICE_LITERAL("in clear")}},
        {{SLICE_LITERAL("ca"), SLICE_LITERAL("of a link without TLS")}},
    };
    kv k = {0};
    kv_start(&k);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const driver_values settings = {cases[i], 1};
        err e = {0};
        EXPECT_STATUS(kv_open(&k, &keyvalue_redis, &settings, NULL, &e), STATUS_INVALID);
        EXPECT(strstr(e.message, "in clear") == NULL);
        EXPECT(strstr(e.message, "pw") == NULL);
    }
    kv_stop(&k);
}
