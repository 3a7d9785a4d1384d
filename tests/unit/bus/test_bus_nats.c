// SPDX-License-Identifier: Apache-2.0
// Against a real server. Another program has the same for another server (NATS_PROGRAM).
#include "bus/bus_nats.h"

#include <signal.h>

#ifndef NATS_PROGRAM
#define NATS_PROGRAM NULL
#endif
// With NATS_DOMAIN the servers keep nothing, and have a leaf node's connection to one that does.
#ifdef NATS_DOMAIN
#define API "$JS." NATS_DOMAIN ".API."
#define WRITTEN API
#define WITH_HUB
#define HAS_HUB true
#define CONTRACT_NO_BUCKET STATUS_TIMEOUT // see bus_nats.h
#else
#define NATS_DOMAIN ""
#define API "$JS.API."
#define WRITTEN ""
#define HAS_HUB false
#endif

#include "unit/bus/bus_contract.h"
#include "unit/bus/helper_nats.h"
#include "unit/net/helper_connector.h"

struct contract_more {
    nats_process server;
    nats_process hub;
    char config[300]; // of the server
    direct_connector connector;
    uint64_t random;
};

static bus *open_with(contract_place *p, bus_nats_options o) {
    nats_server server = {.host = "bus.example", .port = p->more->server.port};
    bus *b = NULL;
    err e = {0};
    o.nats.l = p->l;
    o.nats.connector = &p->more->connector.base;
    o.nats.servers = &server;
    o.nats.server_count = 1;
    o.nats.random = ++p->more->random;
    o.nats.ping_ns = o.nats.ping_ns == 0 ? second_ns / 10 : o.nats.ping_ns;
    o.domain = NATS_DOMAIN;
    o.heartbeat_ns = second_ns / 5;
    EXPECT_STATUS_ERR(bus_nats_new(&o, &b, &e), STATUS_OK, e);
    return b;
}

static bus *contract_open(contract_place *p) {
    bus *b = open_with(p, (bus_nats_options){0});
    WAIT_FOR(p, bus_is_up(b));
    return b;
}

static const char *begin_with(contract_place *p, const char *config) {
    p->more = MEM_NEW(struct contract_more);
    p->more->server.program = NATS_PROGRAM;
    direct_connector_init(&p->more->connector, p->l);
    snprintf(p->more->config, sizeof p->more->config, "%s", config);
    return nats_process_start(&p->more->server, p->more->config);
}

// The leaf node's connection comes up by itself.
static void wait_for_hub(contract_place *p) {
    keeper k = {.code = STATUS_UNSUPPORTED};
    bus *b = contract_open(p);
    for (int i = 0; i < 1000 && k.code == STATUS_UNSUPPORTED; i++) {
        int ends = k.ends;
        EXPECT_OK(bus_kv_open(b, &k.o, slice_from_text("first"), soon(p), on_kept, &k, NULL));
        WAIT_FOR(p, k.ends > ends);
    }
    EXPECT_STATUS(k.code, STATUS_OK);
    bus_free(b);
}

static const char *begin_with_hub(contract_place *p) {
    char config[300];
    uint16_t port = nats_free_port();
    nats_process hub = {.program = NATS_PROGRAM};
    snprintf(config, sizeof config,
             "jetstream { domain: %s, store_dir: \"%%s/data\" }\nleafnodes { listen: \"127.0.0.1:%u\" }\n",
             NATS_DOMAIN, port);
    const char *why = nats_process_start(&hub, config);
    snprintf(config, sizeof config,
             "jetstream: false\nleafnodes { remotes: [ { url: \"nats-leaf://127.0.0.1:%u\" } ] }\n", port);
    why = why == NULL ? begin_with(p, config) : why;
    p->more = p->more == NULL ? MEM_NEW(struct contract_more) : p->more;
    p->more->hub = hub;
    if (why == NULL) {
        wait_for_hub(p);
    }
    return why;
}

static const char *contract_begin(contract_place *p) {
    return HAS_HUB ? begin_with_hub(p) : begin_with(p, "");
}

static void contract_close(contract_place *p, bus *b) {
    (void)p;
    bus_free(b);
}

static void contract_done(contract_place *p) {
    direct_connector_done(&p->more->connector);
    nats_process_stop(&p->more->server);
    nats_process_stop(&p->more->hub);
    mem_free(p->more);
}

// --- the server --------------------------------------------------------------------------------------------

static void on_watcher(void *arg, bool is_up, const char *reason) {
    int *counts = arg;
    counts[is_up]++;
    EXPECT(is_up || reason[0] != '\0');
}

TEST(a_lost_server_comes_back_with_everything) {
    BEGIN(p);
    int counts[2] = {0};
    bus_watcher watcher = {.changed = on_watcher, .arg = counts};
    observer o = {0};
    listener x;
    asker a;
    keeper k = {0};
    gatherer g = {0};
    bus *b = contract_open(&p);
    bus_add_watcher(b, &watcher);
    open_bucket_of(&p, b, "B");
    keep(&p, b, "a", "1", BUS_KV_ANY, STATUS_OK);
    keep(&p, b, "b", "1", BUS_KV_ANY, STATUS_OK);
    observe(b, &o, "B");
    listen_to(b, &x, "silent", "");
    WAIT_FOR(&p, o.marks == 1);
    start_asking(&p, b, &a, "silent", 100 * second_ns);
    gather(&p, b, &g, "silent", 100 * second_ns, 0, 0);
    WAIT_FOR(&p, x.count == 2);
    EXPECT_OK(bus_kv_put(b, &k.o, slice_from_text("B"), slice_from_text("a"), slice_from_text("2"),
                         BUS_KV_ANY, soon(&p), on_kept, &k, NULL));
    nats_process_kill(&p.more->server);
    WAIT_FOR(&p, a.ends == 1 && g.ends == 1 && k.ends == 1 && !bus_is_up(b) && counts[false] > 0);
    EXPECT_STATUS(a.code, STATUS_CLOSED);
    EXPECT_STATUS(g.code, STATUS_CLOSED);
    EXPECT(k.code == STATUS_CLOSED || k.code == STATUS_OK);
    err e;
    const bus_message m = {.subject = slice_from_text("silent")};
    EXPECT_STATUS(bus_publish(b, &m, &e), STATUS_CLOSED);
    EXPECT_STATUS(
        bus_kv_get(b, &k.o, slice_from_text("B"), slice_from_text("a"), soon(&p), on_kept, &k, NULL),
        STATUS_CLOSED);
    EXPECT(nats_process_start(&p.more->server, p.more->config) == NULL);
    WAIT_FOR(&p, counts[true] == 1 && o.marks == 2);
    EXPECT_EQ(o.restarts, 1);
    EXPECT_CONTAINS(o.seen + 8, "b1 ");
    keep(&p, b, "c", "3", BUS_KV_ANY, STATUS_OK);
    EXPECT_OK(say(b, "silent", "again"));
    WAIT_FOR(&p, x.count == 3 && strstr(o.seen, "c3 ") != NULL);
    bus_remove_watcher(&watcher);
    bus_free(b);
    END(p);
}

TEST(a_server_that_hangs_is_noticed_by_a_watch) {
    BEGIN(p);
    observer o = {0};
    bus *b = contract_open(&p);
    bus *c = contract_open(&p);
    open_bucket_of(&p, b, "B");
    observe(b, &o, "B");
    WAIT_FOR(&p, o.marks == 1);
    nats_process_signal(&p.more->server, SIGSTOP);
    WAIT_FOR(&p, !bus_is_up(b));
    nats_process_signal(&p.more->server, SIGCONT);
    WAIT_FOR(&p, o.marks == 2 && bus_is_up(c));
    keep(&p, c, "a", "1", BUS_KV_ANY, STATUS_OK);
    WAIT_FOR(&p, o.entries == 1);
    bus_free(c);
    bus_free(b);
    END(p);
}

// What the server's operator, or anybody with rights there, may do below us.
static void ask_server(contract_place *p, bus *b, const char *subject, const char *payload) {
    asker a = {0};
    const bus_message m = {.subject = slice_from_text(subject), .payload = slice_from_text(payload)};
    EXPECT_OK(bus_request_start(b, &a.r, &m, soon(p), on_asked, &a, NULL));
    WAIT_FOR(p, a.ends == 1);
    if (!EXPECT_STATUS(a.code, STATUS_OK)) {
        printf("    %s\n", subject);
    }
    EXPECT(strstr(a.payload, "\"error\"") == NULL);
}

TEST(a_bucket_that_is_removed_and_made_again_is_watched_on) {
    BEGIN(p);
    observer o = {0};
    bus *b = contract_open(&p);
    open_bucket_of(&p, b, "B");
    keep(&p, b, "old", "1", BUS_KV_ANY, STATUS_OK);
    observe(b, &o, "B");
    WAIT_FOR(&p, o.marks == 1 && o.entries == 1);
    ask_server(&p, b, API "STREAM.DELETE.KV_B", "");
    WAIT_FOR(&p, o.failures > 0);
    EXPECT_STATUS(o.code, STATUS_NOT_FOUND);
    keep(&p, b, "new", "1", BUS_KV_ANY, CONTRACT_NO_BUCKET);
    open_bucket_of(&p, b, "B");
    keep(&p, b, "new", "2", BUS_KV_ANY, STATUS_OK);
    WAIT_FOR(&p, o.restarts == 1 && strstr(o.seen, "new2 ") != NULL);
    bus_kv_watch_stop(&o.w);
    bus_free(b);
    END(p);
}

TEST(strange_entries_of_others_are_passed_over) {
    BEGIN(p);
    observer o = {0};
    nats_options small = {.payload_bytes_max = 2000};
    bus *b = contract_open(&p);
    bus *c = open_with(&p, (bus_nats_options){.nats = small});
    char subject[800];
    open_bucket_of(&p, b, "B");
    WAIT_FOR(&p, bus_is_up(c));
    keep(&p, b, "good", "1", BUS_KV_ANY, STATUS_OK);
    snprintf(subject, sizeof subject, WRITTEN "$KV.B.%0480d", 7);
    ask_server(&p, b, subject, "long key");
    ask_server(&p, b,
               WRITTEN "$KV.B.sm\xc3\xb8rrebr\xc3\xb8"
                       "d",
               "no key");
    char value[4001] = "";
    memset(value, 'x', sizeof value - 1);
    keep(&p, b, "long", value, BUS_KV_ANY, STATUS_OK);
    keep(&p, b, "last", "2", BUS_KV_ANY, STATUS_OK);
    observe(c, &o, "B");
    WAIT_FOR(&p, o.marks == 1);
    EXPECT_TEXT(o.seen, "good1 last2 | ");
    EXPECT_EQ(o.failures, 1);
    EXPECT_STATUS(o.code, STATUS_LIMIT);
    EXPECT(bus_dropped(c) >= 1);
    EXPECT_EQ(o.restarts, 0);
    bus_free(c);
    bus_free(b);
    END(p);
}

TEST(a_server_without_jetstream_says_so) {
    contract_place p = {0};
    CHECK(loop_new(NULL, &p.l, NULL) == STATUS_OK);
    loop_timer_init(&p.tick, p.l, contract_tick, NULL);
    const char *why = begin_with(&p, "jetstream: false\n");
    if (why == NULL) {
        keeper k = {0};
        observer o = {0};
        bus *b = contract_open(&p);
        wait_kept(&p, &k, STATUS_UNSUPPORTED,
                  bus_kv_open(b, &k.o, slice_from_text("B"), soon(&p), on_kept, &k, NULL));
        observe(b, &o, "B");
        WAIT_FOR(&p, o.failures == 1);
        EXPECT_STATUS(o.code, STATUS_UNSUPPORTED);
        bus_free(b);
    }
    contract_done(&p);
    loop_free(p.l);
    if (why != NULL) {
        SKIP(why);
    }
}

#ifndef WITH_HUB

TEST(who_does_not_read_is_cut_by_the_server_and_comes_back) {
    contract_place p = {0};
    CHECK(loop_new(NULL, &p.l, NULL) == STATUS_OK);
    loop_timer_init(&p.tick, p.l, contract_tick, NULL);
    const char *why = begin_with(&p, "max_pending: 2000000\nwrite_deadline: \"500ms\"\n");
    if (why == NULL) {
        int counts[2] = {0};
        bus_watcher watcher = {.changed = on_watcher, .arg = counts};
        static const uint8_t zeros[100000];
        const bus_message m = {.subject = slice_from_text("flood"), .payload = slice_of(zeros, sizeof zeros)};
        observer o = {0};
        listener x;
        bus *slow = contract_open(&p);
        bus *b = open_with(&p, (bus_nats_options){.nats = {.ping_ns = 10 * second_ns}}); // it is made to wait
        WAIT_FOR(&p, bus_is_up(b));
        open_bucket_of(&p, b, "B");
        observe(slow, &o, "B");
        listen_to(slow, &x, "flood", "");
        WAIT_FOR(&p, o.marks == 1);
        bus_add_watcher(slow, &watcher);
        nats_pause(bus_nats_client(slow));
        for (int i = 0; i < 200; i++) {
            EXPECT_OK(bus_publish(b, &m, NULL));
            contract_turn(&p);
        }
        keep(&p, b, "meanwhile", "1", BUS_KV_ANY, STATUS_OK);
        nats_resume(bus_nats_client(slow));
        WAIT_FOR(&p, counts[false] > 0 && bus_is_up(slow) && o.marks == 2);
        EXPECT(x.count < 200); // at most once
        EXPECT_CONTAINS(o.seen, "meanwhile1");
        int count = x.count;
        EXPECT_OK(say(b, "flood", "again"));
        WAIT_FOR(&p, x.count == count + 1);
        bus_free(slow);
        bus_free(b);
    }
    contract_done(&p);
    loop_free(p.l);
    if (why != NULL) {
        SKIP(why);
    }
}

// --- a cluster ---------------------------------------------------------------------------------------------

enum { NODES = 3 };

typedef struct cluster {
    nats_process nodes[NODES];
    uint16_t routes[NODES];
    char config[NODES][400];
} cluster;

static const char *start_node(cluster *c, int i) { return nats_process_start(&c->nodes[i], c->config[i]); }

static const char *start_cluster(cluster *c) {
    const char *why = NULL;
    *c = (cluster){0};
    for (int i = 0; i < NODES; i++) {
        c->routes[i] = nats_free_port();
        c->nodes[i].program = NATS_PROGRAM;
    }
    for (int i = 0; i < NODES && why == NULL; i++) {
        snprintf(c->config[i], sizeof c->config[i],
                 "server_name: n%d\ncluster { name: c, listen: \"127.0.0.1:%u\", routes: [ "
                 "\"nats-route://127.0.0.1:%u\", \"nats-route://127.0.0.1:%u\" ] }\n",
                 i, c->routes[i], c->routes[(i + 1) % NODES], c->routes[(i + 2) % NODES]);
        why = start_node(c, i);
    }
    return why;
}

static bus *open_cluster(contract_place *p, const cluster *c, int first) {
    nats_server servers[NODES] = {0};
    bus *b = NULL;
    for (int i = 0; i < NODES; i++) {
        servers[i] = (nats_server){.host = "bus.example", .port = c->nodes[(first + i) % NODES].port};
    }
    const bus_nats_options o = {.nats = {.l = p->l,
                                         .connector = &p->more->connector.base,
                                         .servers = servers,
                                         .server_count = NODES,
                                         .random = ++p->more->random,
                                         .ping_ns = second_ns / 10},
                                .replicas = NODES,
                                .heartbeat_ns = second_ns / 2};
    CHECK(bus_nats_new(&o, &b, NULL) == STATUS_OK);
    WAIT_FOR(p, bus_is_up(b));
    return b;
}

// Within one deadline, which is longer than a cluster needs to choose a leader; but for a connection that is
// lost meanwhile.
static bool insist(contract_place *p, bus *b, const char *key, const char *value) {
    for (int i = 0; i < 20; i++) {
        keeper k = {0};
        WAIT_FOR(p, bus_is_up(b));
        uint64_t deadline = loop_now_ns(p->l) + 30 * second_ns;
        status code = key == NULL
                          ? bus_kv_open(b, &k.o, slice_from_text("B"), deadline, on_kept, &k, NULL)
                          : bus_kv_put(b, &k.o, slice_from_text("B"), slice_from_text(key),
                                       slice_from_text(value), BUS_KV_ANY, deadline, on_kept, &k, NULL);
        EXPECT_STATUS(code, STATUS_OK);
        for (int t = 0; t < 20000 && k.ends == 0; t++) {
            contract_turn(p);
        }
        if (k.code != STATUS_CLOSED) {
            EXPECT_TEXT(k.text, "");
            return k.code == STATUS_OK;
        }
    }
    return false;
}

static void lose_node(contract_place *p, cluster *c, int i, bus *b, bus *other, observer *o) {
    char key[16];
    char seen[24];
    nats_process_kill(&c->nodes[i]);
    snprintf(key, sizeof key, "lost-%d", i);
    snprintf(seen, sizeof seen, "%s1 ", key);
    EXPECT(insist(p, b, key, "1"));
    WAIT_FOR(p, strstr(o->seen, seen) != NULL);
    EXPECT(insist(p, other, "any", "x"));
    EXPECT(start_node(c, i) == NULL);
    EXPECT(insist(p, other, "back", key));
    WAIT_FOR(p, bus_is_up(b) && bus_is_up(other));
}

TEST(each_server_of_a_cluster_can_be_lost) {
    contract_place p = {0};
    cluster c;
    CHECK(loop_new(NULL, &p.l, NULL) == STATUS_OK);
    loop_timer_init(&p.tick, p.l, contract_tick, NULL);
    p.more = MEM_NEW(struct contract_more);
    direct_connector_init(&p.more->connector, p.l);
    const char *why = start_cluster(&c);
    if (why == NULL) {
        observer o = {0};
        bus *b = open_cluster(&p, &c, 0);
        bus *other = open_cluster(&p, &c, 1);
        EXPECT(insist(&p, b, NULL, NULL));
        EXPECT(insist(&p, b, "first", "1"));
        keeper k;
        look_up(&p, other, "first", &k, STATUS_OK); // at once, whichever server is asked
        observe(other, &o, "B");
        WAIT_FOR(&p, o.marks == 1);
        for (int i = 0; i < NODES; i++) {
            lose_node(&p, &c, i, b, other, &o);
        }
        look_up(&p, other, "lost-0", &k, STATUS_OK);
        look_up(&p, b, "lost-1", &k, STATUS_OK);
        look_up(&p, b, "lost-2", &k, STATUS_OK);
        bus_free(other);
        bus_free(b);
    }
    for (int i = 0; i < NODES; i++) {
        nats_process_stop(&c.nodes[i]);
    }
    contract_done(&p);
    loop_free(p.l);
    if (why != NULL) {
        SKIP(why);
    }
}

#endif
