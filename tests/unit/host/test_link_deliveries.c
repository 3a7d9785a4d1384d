// SPDX-License-Identifier: Apache-2.0
// Calls of a driver to workers, which the test plays: the driver of messages within the process, whose link
// is subscribed to what it may publish.
#include "base/mem.h"
#include "driver/messaging/messaging.h"
#include "host/link_server.h"
#include "net/rpc.h"
#include "test.h"

#include <sys/socket.h>

enum { WORKERS = 3, GOT_MAX = 64 };

typedef struct place place;

typedef struct worker {
    place *place;
    rpc *rpc;
    rpc_request *got[GOT_MAX];
    size_t got_count;
    bool is_ending; // answers as deliveries do when their worker ends
} worker;

struct place {
    loop *loop;
    link_server *server;
    link_session *session;
    worker workers[WORKERS];
    bool has_ended;
};

static void on_call(void *arg, rpc_request *q) {
    worker *w = arg;
    if (w->is_ending) {
        rpc_fail(q, STATUS_NOT_FOUND, "this worker ends");
        return;
    }
    EXPECT(w->got_count < GOT_MAX);
    w->got[w->got_count++] = q;
}

static void add_worker(place *p, size_t index) {
    worker *w = &p->workers[index];
    int fds[2];
    const rpc_handler handler = {.arg = w, .on_call = on_call};
    w->place = p;
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    EXPECT_OK(link_session_attach(p->session, fds[0], NULL));
    EXPECT_OK(rpc_new(p->loop, fds[1], NULL, &handler, &w->rpc, NULL));
}

static void place_init(place *p, const char *redeliver, size_t workers) {
    host_links links = {0};
    host_link *l = NULL;
    *p = (place){0};
    EXPECT_OK(loop_new(NULL, &p->loop, NULL));
    EXPECT_OK(host_links_add(&links, "default", "local", &l, NULL));
    EXPECT_OK(host_link_add_interface(l, slice_from_text(MESSAGING_CONSUMER), NULL));
    EXPECT_OK(host_link_add_interface(l, slice_from_text(MESSAGING_HANDLER), NULL));
    EXPECT_OK(host_link_add_setting(l, slice_from_text("subscriptions"), slice_from_text("a"), NULL));
    EXPECT_OK(host_link_add_setting(l, slice_from_text("subjects"), slice_from_text("a"), NULL));
    EXPECT_OK(host_link_add_setting(l, slice_from_text("redeliver"), slice_from_text(redeliver), NULL));
    p->server = link_server_new(&(link_server_options){.loop = p->loop});
    EXPECT_OK(link_session_new(p->server, &(link_session_options){0}, &links, &p->session, NULL));
    for (size_t i = 0; i < workers; i++) {
        add_worker(p, i);
    }
}

static void on_tick(void *arg) { (void)arg; }

static void turn(place *p) {
    loop_timer tick;
    loop_timer_init(&tick, p->loop, on_tick, NULL);
    loop_timer_start_in(&tick, 2000000);
    loop_turn(p->loop, true);
    loop_timer_stop(&tick);
}

static void place_done(place *p) {
    link_server_free(p->server, 1000000000);
    for (size_t i = 0; i < WORKERS; i++) {
        rpc_free(p->workers[i].rpc);
        for (size_t k = 0; k < p->workers[i].got_count; k++) {
            if (p->workers[i].got[k] != NULL) {
                rpc_fail(p->workers[i].got[k], STATUS_CANCELLED, "the test is over");
            }
        }
    }
    turn(p);
    loop_free(p->loop);
}

static void on_published(void *arg, const rpc_result *result) {
    place *p = arg;
    EXPECT_STATUS(result->code, STATUS_OK);
    p->has_ended = true;
}

static void publish(place *p, size_t from) {
    auto_buf payload;
    rpc_call pending = {0};
    const messaging_call c = {.function = MESSAGING_PUBLISH, .message = {.subject = SLICE_LITERAL("a")}};
    buf_init(&payload, 1024);
    EXPECT_OK(messaging_call_encode(&c, &payload, NULL));
    const rpc_message m = {0, SLICE_LITERAL(MESSAGING_CONSUMER), SLICE_LITERAL("publish"),
                           buf_slice(&payload)};
    p->has_ended = false;
    EXPECT_OK(rpc_call_start(p->workers[from].rpc, &pending, &m, UINT64_MAX, on_published, p, NULL));
    while (!p->has_ended) {
        turn(p);
    }
}

static size_t total(const place *p) {
    size_t sum = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        sum += p->workers[i].got_count;
    }
    return sum;
}

static bool wait_for(place *p, size_t count) {
    for (int i = 0; i < 2000 && total(p) < count; i++) {
        turn(p);
    }
    return total(p) == count;
}

static void handled(worker *w, size_t index) {
    rpc_answer(w->got[index], slice_of("\0", 1)); // ok
    w->got[index] = NULL;
}

TEST(calls_go_to_whoever_has_the_fewest) {
    place p;
    place_init(&p, "0", 3);
    for (size_t i = 1; i <= 6; i++) {
        publish(&p, 0);
        EXPECT(wait_for(&p, i));
    }
    for (size_t i = 0; i < WORKERS; i++) {
        EXPECT_EQ(p.workers[i].got_count, 2);
    }
    handled(&p.workers[1], 0);
    handled(&p.workers[1], 1);
    publish(&p, 0);
    publish(&p, 0);
    EXPECT(wait_for(&p, 8));
    EXPECT(p.workers[1].got_count >= 3);
    const rpc_message *m = rpc_request_message(p.workers[1].got[2]);
    EXPECT_EQ(m->target, 0);
    EXPECT_BYTES(m->interface, slice_from_text(MESSAGING_HANDLER));
    EXPECT_BYTES(m->function, slice_from_text("handle-message"));
    EXPECT_BYTES(m->payload, slice_of("\1a\0\0", 4));
    place_done(&p);
}

TEST(a_worker_that_dies_loses_its_calls_and_others_get_them) {
    place p;
    place_init(&p, "3", 2);
    publish(&p, 0);
    publish(&p, 0);
    EXPECT(wait_for(&p, 2));
    EXPECT_EQ(p.workers[1].got_count, 1);
    rpc_free(p.workers[1].rpc);
    p.workers[1].rpc = NULL;
    EXPECT(wait_for(&p, 3)); // again, at the other one
    EXPECT_EQ(p.workers[0].got_count, 2);
    place_done(&p);
}

TEST(without_redelivery_what_is_lost_stays_lost) {
    place p;
    place_init(&p, "0", 2);
    publish(&p, 0);
    publish(&p, 0);
    EXPECT(wait_for(&p, 2));
    rpc_free(p.workers[1].rpc);
    p.workers[1].rpc = NULL;
    publish(&p, 0);
    EXPECT(wait_for(&p, 3));
    for (int i = 0; i < 100; i++) {
        turn(&p);
    }
    EXPECT_EQ(total(&p), 3);
    place_done(&p);
}

TEST(a_worker_that_ends_is_asked_once) {
    place p;
    place_init(&p, "0", 3);
    p.workers[0].is_ending = p.workers[1].is_ending = true;
    for (size_t i = 1; i <= 4; i++) {
        publish(&p, 2);
        EXPECT(wait_for(&p, i));
    }
    EXPECT_EQ(p.workers[2].got_count, 4);
    place_done(&p);
}

TEST(what_nobody_takes_waits_for_a_worker) {
    place p;
    place_init(&p, "0", 1);
    p.workers[0].is_ending = true;
    publish(&p, 0);
    for (int i = 0; i < 20; i++) {
        turn(&p);
    }
    EXPECT_EQ(total(&p), 0);
    add_worker(&p, 1);
    EXPECT(wait_for(&p, 1));
    EXPECT_EQ(p.workers[1].got_count, 1);
    place_done(&p);
}
