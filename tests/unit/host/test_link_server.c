// SPDX-License-Identifier: Apache-2.0
// With the driver that keeps everything in memory, over a real pair of sockets.
#include "host/link_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "driver/keyvalue/keyvalue.h"
#include "net/rpc.h"
#include "test.h"

typedef struct place {
    loop *loop;
    host_links links;
    link_server *server;
    link_session *session;
    rpc *worker;
    bool has_ended;
    status code;
    char text[ERR_MESSAGE_BYTES_MAX];
    size_t len;
} place;

static void add_link(host_links *l, const char *name, const char *interface) {
    host_link *one = NULL;
    EXPECT_OK(host_links_add(l, "default", name, &one, NULL));
    EXPECT_OK(host_link_add_interface(one, slice_from_text(interface), NULL));
}

static void place_init(place *p) {
    int fds[2];
    *p = (place){0};
    EXPECT_OK(loop_new(NULL, &p->loop, NULL));
    add_link(&p->links, "memory", "wasi:keyvalue/store");
    add_link(&p->links, "memory", "wasi:keyvalue/atomics");
    p->server = link_server_new(&(link_server_options){.loop = p->loop});
    EXPECT_OK(link_session_new(p->server, &(link_session_options){0}, &p->links, &p->session, NULL));
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    EXPECT_OK(link_session_attach(p->session, fds[0], NULL));
    EXPECT_OK(rpc_new(p->loop, fds[1], NULL, &(rpc_handler){0}, &p->worker, NULL));
}

static void place_done(place *p) {
    link_server_free(p->server, 1000000000);
    rpc_free(p->worker);
    loop_turn(p->loop, false);
    host_links_done(&p->links);
    loop_free(p->loop);
}

static void on_ended(void *arg, const rpc_result *result) {
    place *p = arg;
    p->has_ended = true;
    p->code = result->code;
    p->len = 0;
    if (result->code == STATUS_OK && result->payload.len <= sizeof p->text) {
        p->len = result->payload.len;
        memcpy(p->text, result->payload.data, p->len);
    } else if (result->e != NULL) {
        snprintf(p->text, sizeof p->text, "%s", result->e->message);
    }
}

static status call(place *p, uint32_t link, const char *interface, const keyvalue_call *c) {
    buf payload;
    rpc_call pending = {0};
    buf_init(&payload, 1024);
    EXPECT_OK(keyvalue_call_encode(c, &payload, NULL));
    const rpc_message m = {link, slice_from_text(interface),
                           slice_from_text(keyvalue_function_name(c->function)), buf_slice(&payload)};
    p->has_ended = false;
    EXPECT_OK(rpc_call_start(p->worker, &pending, &m, UINT64_MAX, on_ended, p, NULL));
    while (!p->has_ended) {
        loop_turn(p->loop, true);
    }
    buf_done(&payload);
    return p->code;
}

static const keyvalue_call increment = {
    .function = KEYVALUE_INCREMENT, .bucket = SLICE_LITERAL("b"), .key = SLICE_LITERAL("k"), .delta = 5};
static const keyvalue_call get = {
    .function = KEYVALUE_GET, .bucket = SLICE_LITERAL("b"), .key = SLICE_LITERAL("k")};

TEST(calls_reach_the_driver) {
    place p;
    place_init(&p);
    EXPECT_STATUS(call(&p, 1, "wasi:keyvalue/atomics", &increment), STATUS_OK);
    EXPECT_BYTES(slice_of(p.text, p.len), slice_of("\x00\x05", 2)); // ok(5)
    place_done(&p);
}

TEST(a_call_stays_within_its_link) {
    place p;
    place_init(&p);
    EXPECT_STATUS(call(&p, 0, "wasi:keyvalue/atomics", &increment), STATUS_DENIED);
    EXPECT_STATUS(call(&p, 2, "wasi:keyvalue/store", &get), STATUS_DENIED);
    EXPECT_STATUS(call(&p, UINT32_MAX, "wasi:keyvalue/store", &get), STATUS_DENIED);
    EXPECT_TEXT(p.text, "there is no such link");
    EXPECT_STATUS(call(&p, 0, "wasi:keyvalue/store", &get), STATUS_OK);
    place_done(&p);
}

TEST(workers_come_and_go) {
    place p;
    int fds[2];
    place_init(&p);
    for (int i = 0; i < 10; i++) {
        EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
        EXPECT_OK(link_session_attach(p.session, fds[0], NULL));
        close(fds[1]);
        loop_turn(p.loop, true);
    }
    EXPECT_STATUS(call(&p, 0, "wasi:keyvalue/store", &get), STATUS_OK);
    place_done(&p);
}

// A backend that never answers: calls wait.
static status never(connector *c, const connect_request *request, connect_callback done, void *arg,
                    uint64_t *ret_id, err *e) {
    (void)c, (void)request, (void)done, (void)arg, (void)e;
    *ret_id = 1;
    return STATUS_OK;
}

static void never_mind(connector *c, uint64_t id) { (void)c, (void)id; }

typedef struct flooder { // a worker
    rpc *rpc;
    rpc_call *calls;
    uint32_t refused;
} flooder;

static void on_flood_ended(void *arg, const rpc_result *result) {
    flooder *f = arg;
    f->refused += result->code == STATUS_LIMIT ? 1 : 0;
}

static void flood(loop *l, link_session *s, flooder *f, uint32_t count) {
    int fds[2];
    const rpc_message m = {.interface = SLICE_LITERAL("wasi:keyvalue/store"),
                           .function = SLICE_LITERAL("get"),
                           .payload = SLICE_LITERAL("\001b\001k")};
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    EXPECT_OK(link_session_attach(s, fds[0], NULL));
    EXPECT_OK(rpc_new(l, fds[1], NULL, &(rpc_handler){0}, &f->rpc, NULL));
    f->calls = mem_calloc(count, sizeof *f->calls);
    for (uint32_t i = 0; i < count; i++) {
        EXPECT_OK(rpc_call_start(f->rpc, &f->calls[i], &m, UINT64_MAX, on_flood_ended, f, NULL));
    }
    for (int i = 0; i < 50; i++) {
        loop_turn(l, false);
    }
}

TEST(a_worker_that_floods_a_link_leaves_room_for_others) {
    static const connector_ops silent_ops = {never, never_mind};
    connector silent = {&silent_ops};
    host_links links = {0};
    flooder f[2] = {0};
    loop *l = NULL;
    link_session *session = NULL;
    EXPECT_OK(loop_new(NULL, &l, NULL));
    add_link(&links, "redis", "wasi:keyvalue/store");
    link_server *s = link_server_new(&(link_server_options){.loop = l});
    EXPECT_OK(link_session_new(s, &(link_session_options){.connector = &silent}, &links, &session, NULL));
    flood(l, session, &f[0], 4000);
    EXPECT_EQ(f[0].refused, 4000 - LINK_SERVER_CALLS_MAX / 2);
    flood(l, session, &f[1], 100);
    EXPECT_EQ(f[1].refused, 0);
    link_server_free(s, 1000000000);
    for (int i = 0; i < 2; i++) {
        rpc_free(f[i].rpc);
        for (int k = 0; k < 3; k++) {
            loop_turn(l, false);
        }
        mem_free(f[i].calls);
    }
    host_links_done(&links);
    loop_free(l);
}

TEST(everything_that_cannot_be_opened_is_told_at_once) {
    host_links l = {0};
    loop *lp = NULL;
    link_session *session = NULL;
    err e;
    EXPECT_OK(loop_new(NULL, &lp, NULL));
    link_server *s = link_server_new(&(link_server_options){.loop = lp});
    add_link(&l, "nothing", "wasi:keyvalue/store");
    add_link(&l, "memory", "wasi:keyvalue/store");
    add_link(&l, "memory", "wasi:sql/query");
    EXPECT_OK(host_link_add_setting(&l.items[1], slice_from_text("colour"), slice_from_text("red"), &e));
    EXPECT_STATUS(link_session_new(s, &(link_session_options){0}, &l, &session, &e), STATUS_NOT_FOUND);
    EXPECT_CONTAINS(e.message, "there is no driver \"nothing\" for wasi:keyvalue/store");
    EXPECT_CONTAINS(e.message, "no setting \"colour\"");
    EXPECT_CONTAINS(e.message, "there is no driver \"memory\" for wasi:sql/query");
    link_server_free(s, 1000000000);
    host_links_done(&l);
    loop_free(lp);
}

// --- sessions ----------------------------------------------------------------------------------------------

static void second_session(place *p, const char *first_driver, uint32_t count, link_session **ret) {
    host_links links = {0};
    for (uint32_t i = 0; i < count; i++) {
        add_link(&links, i == 0 ? first_driver : "memory",
                 i == 0 ? "wasi:keyvalue/store" : "wasi:keyvalue/atomics");
    }
    EXPECT_OK(link_session_new(p->server, &(link_session_options){0}, &links, ret, NULL));
    EXPECT_EQ(links.count, 0);
}

static void connect_to(place *p, link_session *s) {
    int fds[2];
    rpc_free(p->worker);
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    EXPECT_OK(link_session_attach(s, fds[0], NULL));
    EXPECT_OK(rpc_new(p->loop, fds[1], NULL, &(rpc_handler){0}, &p->worker, NULL));
}

static void expect_count(place *p, uint32_t link, char count) {
    char answer[2] = {0, count};
    EXPECT_STATUS(call(p, link, "wasi:keyvalue/atomics", &increment), STATUS_OK);
    EXPECT_BYTES(slice_of(p->text, p->len), slice_of(answer, 2));
}

TEST(a_link_that_is_the_same_keeps_what_it_has) {
    place p;
    link_session *next = NULL;
    place_init(&p);
    expect_count(&p, 1, 5);
    second_session(&p, "memory", 2, &next);
    EXPECT(link_session_was_kept(next, 0) && link_session_was_kept(next, 1));
    expect_count(&p, 1, 10); // both may use it meanwhile
    link_session_free(p.session);
    connect_to(&p, next);
    expect_count(&p, 1, 15);
    place_done(&p);
}

TEST(a_link_that_nobody_has_any_more_is_closed) {
    place p;
    link_session *next = NULL;
    place_init(&p);
    expect_count(&p, 1, 5);
    second_session(&p, "memory", 1, &next);
    EXPECT(link_session_was_kept(next, 0));
    link_session_free(p.session);
    loop_turn(p.loop, false);
    second_session(&p, "memory", 2, &p.session);
    EXPECT(link_session_was_kept(p.session, 0) && !link_session_was_kept(p.session, 1));
    connect_to(&p, p.session);
    expect_count(&p, 1, 5);
    place_done(&p);
}

TEST(a_session_that_cannot_begin_changes_nothing) {
    place p;
    link_session *next = NULL;
    host_links links = {0};
    place_init(&p);
    expect_count(&p, 1, 5);
    add_link(&links, "nothing", "wasi:keyvalue/store");
    add_link(&links, "memory", "wasi:keyvalue/atomics");
    EXPECT_STATUS(link_session_new(p.server, &(link_session_options){0}, &links, &next, NULL),
                  STATUS_NOT_FOUND);
    expect_count(&p, 1, 10);
    place_done(&p);
}

// --- links that change -------------------------------------------------------------------------------------

typedef struct put_end {
    int count;
    uint32_t link;
    status code;
    char text[ERR_MESSAGE_BYTES_MAX];
} put_end;

static void on_put(void *context, uint32_t link, status code, const err *e) {
    put_end *end = context;
    end->count++;
    end->link = link;
    end->code = code;
    (void)snprintf(end->text, sizeof end->text, "%s", e != NULL ? e->message : "");
}

static void put(link_session *s, uint32_t number, const char *driver_name, const char *interface) {
    host_links links = {0};
    add_link(&links, driver_name, interface);
    links.items[0].number = number;
    link_session_put(s, &links.items[0]);
    links.count = 0; // moved
    host_links_done(&links);
}

TEST(a_link_is_put_in_place_of_another) {
    place p;
    put_end end = {0};
    link_session *s = NULL;
    place_init(&p);
    host_links links = {0};
    add_link(&links, "memory", "wasi:keyvalue/atomics");
    EXPECT_OK(link_session_new(p.server, &(link_session_options){.on_put = on_put, .context = &end}, &links,
                               &s, NULL));
    connect_to(&p, s);
    expect_count(&p, 0, 5); // kept, but first used here
    put(s, 0, "memory", "wasi:keyvalue/atomics");
    EXPECT_EQ(end.count, 1);
    EXPECT_STATUS(end.code, STATUS_OK);
    expect_count(&p, 0, 5); // another memory
    put(s, 0, "nothing", "wasi:keyvalue/atomics");
    EXPECT_EQ(end.count, 2);
    EXPECT_STATUS(end.code, STATUS_NOT_FOUND);
    EXPECT_CONTAINS(end.text, "there is no driver \"nothing\"");
    expect_count(&p, 0, 10);
    put(s, 1, "memory", "wasi:keyvalue/atomics");
    EXPECT_STATUS(end.code, STATUS_NOT_FOUND);
    EXPECT_EQ(end.link, 1);
    link_session_cut(s, 0);
    EXPECT_STATUS(call(&p, 0, "wasi:keyvalue/atomics", &increment), STATUS_DENIED);
    link_session_cut(s, 0);
    put(s, 0, "memory", "wasi:keyvalue/atomics");
    EXPECT_STATUS(end.code, STATUS_OK);
    expect_count(&p, 0, 5);
    place_done(&p);
}

// A backend that cannot be reached takes nobody's place.
static status refuse(connector *c, const connect_request *request, connect_callback done, void *arg,
                     uint64_t *ret_id, err *e) {
    (void)c, (void)request, (void)done, (void)arg, (void)ret_id;
    return err_set(e, STATUS_DENIED, "not there");
}

TEST(a_backend_that_is_not_there_takes_no_place) {
    static const connector_ops refusing_ops = {refuse, never_mind};
    connector refusing = {&refusing_ops};
    place p;
    put_end end = {0};
    link_session *s = NULL;
    host_links links = {0};
    place_init(&p);
    add_link(&links, "memory", "wasi:keyvalue/atomics");
    const link_session_options o = {.connector = &refusing, .on_put = on_put, .context = &end};
    EXPECT_OK(link_session_new(p.server, &o, &links, &s, NULL));
    connect_to(&p, s);
    expect_count(&p, 0, 5);
    put(s, 0, "redis", "wasi:keyvalue/atomics");
    put(s, 0, "memory", "wasi:keyvalue/atomics"); // one after the other
    EXPECT_STATUS(end.code, STATUS_LIMIT);
    while (end.count < 2) {
        loop_turn(p.loop, true);
    }
    EXPECT_STATUS(end.code, STATUS_CLOSED);
    expect_count(&p, 0, 10);
    put(s, 0, "redis", "wasi:keyvalue/atomics");
    link_session_cut(s, 0); // for good: what is on its way does not come
    EXPECT_EQ(end.count, 3);
    EXPECT_STATUS(end.code, STATUS_CANCELLED);
    EXPECT_STATUS(call(&p, 0, "wasi:keyvalue/atomics", &increment), STATUS_DENIED);
    place_done(&p);
}

static status accept_silently(connector *c, const connect_request *request, connect_callback done, void *arg,
                              uint64_t *ret_id, err *e) {
    (void)c, (void)request, (void)done, (void)arg, (void)e;
    *ret_id = 1;
    return STATUS_OK;
}

TEST(what_is_cut_while_it_is_put_stays_cut) {
    static const connector_ops silent_ops = {accept_silently, never_mind};
    connector silent = {&silent_ops};
    place p;
    put_end end = {0};
    link_session *s = NULL;
    host_links links = {0};
    place_init(&p);
    add_link(&links, "memory", "wasi:keyvalue/atomics");
    const link_session_options o = {.connector = &silent, .on_put = on_put, .context = &end};
    EXPECT_OK(link_session_new(p.server, &o, &links, &s, NULL));
    put(s, 0, "redis", "wasi:keyvalue/atomics");
    loop_turn(p.loop, false);
    EXPECT_EQ(end.count, 0);
    link_session_cut(s, 0);
    EXPECT_EQ(end.count, 1);
    EXPECT_STATUS(end.code, STATUS_CANCELLED);
    EXPECT_CONTAINS(end.text, "the link was cut");
    place_done(&p);
}
