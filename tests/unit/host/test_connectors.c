// SPDX-License-Identifier: Apache-2.0
// The three parts that make a connection for a worker, on one loop: the worker's connector, the broker and
// the connector that really connects, with a real server.
#include "test.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/broker.h"
#include "host/local_connector.h"
#include "host/remote_connector.h"
#include "os/fd.h"
#include "os/socket_open.h"

typedef struct answer {
    loop *l;
    int count;
    status code;
    int fd;
    int os_error;
    size_t address_count;
    char text[ERR_MESSAGE_BYTES_MAX];
} answer;

typedef struct world {
    loop *l;
    host_config config;
    connector *local;
    connector *remote;
    channel worker_end, supervisor_end;
    broker *b;
    loop_watch worker_watch, supervisor_watch;
    int broken; // packets that the broker refused
    int listener;
    uint16_t port;
} world;

static void on_worker_end(void *arg, unsigned events) {
    (void)events;
    world *w = arg;
    channel_packet p;
    while (channel_receive(&w->worker_end, 1, &p, NULL) == STATUS_OK) {
        remote_connector_answer(w->remote, &p);
        channel_packet_done(&p);
    }
}

static void on_supervisor_end(void *arg, unsigned events) {
    (void)events;
    world *w = arg;
    channel_packet p;
    while (channel_receive(&w->supervisor_end, 0, &p, NULL) == STATUS_OK) {
        status s = p.type == MESSAGE_CONNECT ? broker_request(w->b, &p, NULL) : broker_cancel(w->b, &p, NULL);
        w->broken += s != STATUS_OK;
    }
}

static bool world_init(world *w) {
    *w = (world){.listener = -1};
    host_config_init(&w->config);
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(host_config_add_workload(&w->config, &(workload_config *){NULL}, NULL));
    }
    socket_address a;
    EXPECT(socket_address_parse(slice_from_text("127.0.0.1"), 0, &a));
    bool ok = EXPECT_OK(socket_listen_group(&a, 1, &w->listener, NULL)) &&
              EXPECT_OK(loop_new(NULL, &w->l, NULL)) &&
              EXPECT_OK(channel_pair(1 << 20, &w->worker_end, &w->supervisor_end, NULL)) &&
              EXPECT_OK(local_connector_new(w->l, &w->config, &w->local, NULL)) &&
              EXPECT_OK(remote_connector_new(w->l, &w->worker_end, 2, &w->remote, NULL)) &&
              EXPECT_OK(broker_new(w->l, w->local, &w->supervisor_end, 2, &w->b, NULL)) &&
              EXPECT_OK(loop_watch_start(&w->worker_watch, w->l, w->worker_end.fd, LOOP_READABLE,
                                         on_worker_end, w, NULL)) &&
              EXPECT_OK(loop_watch_start(&w->supervisor_watch, w->l, w->supervisor_end.fd, LOOP_READABLE,
                                         on_supervisor_end, w, NULL));
    w->port = socket_address_port(&a);
    return ok;
}

static void world_done(world *w) {
    loop_watch_stop(&w->worker_watch);
    loop_watch_stop(&w->supervisor_watch);
    broker_free(w->b);
    remote_connector_free(w->remote);
    local_connector_free(w->local);
    channel_close(&w->worker_end);
    channel_close(&w->supervisor_end);
    loop_free(w->l);
    host_config_done(&w->config);
    fd_close(w->listener);
}

static void allow(world *w, const char *rule) {
    EXPECT_OK(network_policy_add(&w->config.workloads[0].http_policy, slice_from_text(rule), NETWORK_PORT_ANY,
                                 NULL));
}

static void on_answer(void *arg, const connect_result *r) {
    answer *a = arg;
    a->count++;
    loop_stop(a->l);
    a->code = r->code;
    a->fd = r->fd;
    a->os_error = r->os_error;
    a->address_count = r->address_count;
    (void)snprintf(a->text, sizeof a->text, "%s", r->e == NULL ? "" : r->e->message);
}

static uint64_t ask(world *w, connector *c, const char *host, uint16_t port, answer *a) {
    connect_request q = {.host = slice_from_text(host), .port = port};
    q.deadline_ns = loop_now_ns(w->l) + 5000000000u;
    uint64_t id = 0;
    *a = (answer){.l = w->l, .fd = -1};
    EXPECT_OK(connector_request(c, &q, on_answer, a, &id, NULL));
    EXPECT(id != 0);
    EXPECT_EQ(a->count, 0); // never from inside
    return id;
}

static void wait_for(world *w, const answer *a) {
    if (a->count == 0) {
        loop_run(w->l);
    }
    EXPECT_EQ(a->count, 1);
}

TEST(an_allowed_address_is_connected) {
    world w;
    REQUIRE(world_init(&w));
    allow(&w, "127.0.0.1");
    connector *both[] = {w.local, w.remote};
    for (size_t i = 0; i < 2; i++) {
        answer a;
        ask(&w, both[i], "127.0.0.1", w.port, &a);
        wait_for(&w, &a);
        EXPECT_EQ(a.code, STATUS_OK);
        int accepted = accept(w.listener, NULL, NULL);
        EXPECT(accepted >= 0);
        EXPECT_OK(fd_write_all(a.fd, slice_from_text("hi"), NULL));
        char text[4];
        EXPECT_EQ(read(accepted, text, sizeof text), 2);
        fd_close(accepted);
        fd_close(a.fd);
    }
    world_done(&w);
}

TEST(what_no_rule_allows_is_refused) {
    world w;
    REQUIRE(world_init(&w));
    allow(&w, "10.0.0.0/8");
    connector *both[] = {w.local, w.remote};
    for (size_t i = 0; i < 2; i++) {
        answer a;
        ask(&w, both[i], "127.0.0.1", w.port, &a);
        wait_for(&w, &a);
        EXPECT_EQ(a.code, STATUS_DENIED);
        EXPECT_EQ(a.fd, -1);
        EXPECT_CONTAINS(a.text, "--allow-http");
        ask(&w, both[i], "secret.example.org", 80, &a); // not even looked up
        wait_for(&w, &a);
        EXPECT_EQ(a.code, STATUS_DENIED);
    }
    world_done(&w);
}

// The name is allowed, but leads to an address that names alone do not open.
TEST(a_name_cannot_lead_to_a_private_address) {
    world w;
    REQUIRE(world_init(&w));
    allow(&w, "*");
    answer a;
    ask(&w, w.remote, "localhost", w.port, &a);
    wait_for(&w, &a);
    EXPECT_EQ(a.code, STATUS_DENIED);
    allow(&w, "localhost");
    ask(&w, w.remote, "localhost", w.port, &a);
    wait_for(&w, &a);
    EXPECT_EQ(a.code, STATUS_OK);
    fd_close(a.fd);
    world_done(&w);
}

TEST(refused_connections_say_so) {
    world w;
    REQUIRE(world_init(&w));
    allow(&w, "127.0.0.1");
    fd_close(w.listener);
    w.listener = -1;
    answer a;
    ask(&w, w.remote, "127.0.0.1", w.port, &a);
    wait_for(&w, &a);
    EXPECT_EQ(a.code, STATUS_IO);
    EXPECT_EQ(a.os_error, ECONNREFUSED);
    world_done(&w);
}

TEST(names_are_looked_up) {
    world w;
    REQUIRE(world_init(&w));
    allow(&w, "localhost:1234");
    connect_request q = {.action = CONNECT_RESOLVE, .host = slice_from_text("localhost")};
    q.deadline_ns = loop_now_ns(w.l) + 5000000000u;
    answer a = {.l = w.l, .fd = -1};
    uint64_t id;
    EXPECT_OK(connector_request(w.remote, &q, on_answer, &a, &id, NULL));
    wait_for(&w, &a);
    EXPECT_EQ(a.code, STATUS_OK);
    EXPECT(a.address_count >= 1);
    EXPECT_EQ(a.fd, -1);
    world_done(&w);
}

TEST(cancelled_requests_are_not_answered) {
    world w;
    REQUIRE(world_init(&w));
    allow(&w, "127.0.0.1");
    answer first, second, third;
    uint64_t id = ask(&w, w.remote, "127.0.0.1", w.port, &first);
    connector_cancel(w.remote, id); // before it was sent
    id = ask(&w, w.remote, "127.0.0.1", w.port, &second);
    loop_turn(w.l, false);
    loop_turn(w.l, false);
    connector_cancel(w.remote, id); // somewhere on its way
    ask(&w, w.remote, "127.0.0.1", w.port, &third);
    wait_for(&w, &third);
    EXPECT_EQ(third.code, STATUS_OK);
    EXPECT_EQ(first.count, 0);
    EXPECT_EQ(second.count, 0);
    EXPECT_EQ(w.broken, 0);
    fd_close(third.fd);
    world_done(&w);
}

enum { MANY = 300 };

// Many more than may be on their way at one time: all are answered, and the worker never asks for too many at
// once.
TEST(many_requests_wait_for_their_turn) {
    world w;
    REQUIRE(world_init(&w));
    allow(&w, "127.0.0.1");
    static answer answers[MANY];
    for (size_t i = 0; i < MANY; i++) {
        ask(&w, w.remote, "127.0.0.1", w.port, &answers[i]);
    }
    for (size_t i = 0; i < MANY; i++) {
        wait_for(&w, &answers[i]);
        EXPECT_EQ(answers[i].code, STATUS_OK);
        fd_close(answers[i].fd);
    }
    EXPECT_EQ(w.broken, 0);
    world_done(&w);
}

TEST(a_worker_that_asks_for_too_much_breaks_the_protocol) {
    world w;
    REQUIRE(world_init(&w));
    allow(&w, "127.0.0.1");
    for (uint64_t id = 1; id <= 1000; id++) {
        message_connect m = {.id = id, .request = {.host = SLICE_LITERAL("127.0.0.1"), .port = w.port}};
        m.request.deadline_ns = 1000000000u;
        EXPECT_OK(message_send_connect(&w.worker_end, &m, NULL));
    }
    on_supervisor_end(&w, 0);
    EXPECT(w.broken > 0);
    world_done(&w);
}

TEST(late_requests_time_out) {
    world w;
    REQUIRE(world_init(&w));
    allow(&w, "127.0.0.1");
    connect_request q = {.host = SLICE_LITERAL("127.0.0.1"), .port = w.port, .deadline_ns = 1};
    answer a = {.l = w.l, .fd = -1};
    uint64_t id;
    EXPECT_OK(connector_request(w.remote, &q, on_answer, &a, &id, NULL));
    wait_for(&w, &a);
    EXPECT_EQ(a.code, STATUS_TIMEOUT);
    world_done(&w);
}

static void ask_as(world *w, uint32_t workload, answer *a) {
    connect_request q = {.host = SLICE_LITERAL("127.0.0.1"), .port = w->port, .workload = workload};
    q.deadline_ns = loop_now_ns(w->l) + 5000000000u;
    uint64_t id = 0;
    *a = (answer){.l = w->l, .fd = -1};
    EXPECT_OK(connector_request(w->remote, &q, on_answer, a, &id, NULL));
}

TEST(each_workload_has_its_own_policy) {
    world w;
    REQUIRE(world_init(&w));
    allow(&w, "127.0.0.1");
    answer first, second;
    ask_as(&w, 0, &first);
    wait_for(&w, &first);
    ask_as(&w, 1, &second);
    wait_for(&w, &second);
    EXPECT_EQ(first.code, STATUS_OK);
    EXPECT_EQ(second.code, STATUS_DENIED);
    fd_close(first.fd);
    world_done(&w);
}

// However many one workload asks for, the other's go out at once.
TEST(a_workload_does_not_wait_for_the_connections_of_another) {
    world w;
    REQUIRE(world_init(&w));
    static answer answers[MANY];
    for (size_t i = 0; i < MANY; i++) {
        ask_as(&w, 0, &answers[i]);
    }
    answer other;
    ask_as(&w, 1, &other);
    size_t answered = 0;
    while (other.count == 0) {
        loop_run(w.l);
    }
    for (size_t i = 0; i < MANY; i++) {
        answered += answers[i].count > 0;
    }
    EXPECT(answered < MANY / 2);
    for (size_t i = 0; i < MANY; i++) {
        wait_for(&w, &answers[i]);
    }
    EXPECT_EQ(w.broken, 0);
    world_done(&w);
}

TEST(an_unknown_workload_breaks_the_protocol) {
    world w;
    REQUIRE(world_init(&w));
    message_connect m = {.id = 1, .request = {.host = SLICE_LITERAL("127.0.0.1"), .port = 1, .workload = 2}};
    m.request.deadline_ns = 1000000000u;
    EXPECT_OK(message_send_connect(&w.worker_end, &m, NULL));
    on_supervisor_end(&w, 0);
    EXPECT_EQ(w.broken, 1);
    uint64_t id;
    EXPECT_STATUS(connector_request(w.local, &m.request, on_answer, NULL, &id, NULL), STATUS_INVALID);
    world_done(&w);
}
