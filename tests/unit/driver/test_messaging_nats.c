// SPDX-License-Identifier: Apache-2.0
// Messages on a real NATS server: the contract, and what is the driver's own.
#include <signal.h>

#include "base/check.h"
#include "unit/bus/helper_nats.h"
#include "unit/driver/messaging_contract.h"

typedef struct server {
    nats_process process;
    char url[64];
} server;

static const char *start_with(msg *m, const char *config) {
    server *s = MEM_NEW(server);
    const char *why = nats_process_start(&s->process, config);
    if (why != NULL) {
        nats_process_stop(&s->process);
        mem_free(s);
        return why;
    }
    msg_start(m, &messaging_nats);
    snprintf(s->url, sizeof s->url, "nats://127.0.0.1:%u", s->process.port);
    m->common[m->common_count++] = (driver_value){SLICE_LITERAL("url"), slice_from_text(s->url)};
    m->data = s;
    return NULL;
}

static const char *start_it(msg *m) { return start_with(m, NULL); }

static void stop_it(msg *m) {
    server *s = m->data;
    msg_stop(m);
    nats_process_stop(&s->process);
    mem_free(s);
}

MESSAGING_CONTRACT(start_it, stop_it)

#define BEGIN(m, config)                       \
    msg m = {0};                               \
    const char *why_ = start_with(&m, config); \
    if (why_ != NULL) {                        \
        SKIP(why_);                            \
    }

static nats_process *process_of(const msg *m) { return &((server *)m->data)->process; }

static bool wait_for_state(msg_link *k, driver_state state) {
    for (int i = 0; i < 10000; i++) {
        k->m->d->health(k->link, &k->health);
        if (k->health.state == state) {
            return true;
        }
        msg_turn(k->m);
    }
    return false;
}

TEST(a_handler_that_is_behind_holds_the_server_back) {
    enum { COUNT = 500 };
    static const driver_value small[] = {MSG_SETTING("queue-max", "2"), MSG_SETTING("concurrency", "1"),
                                         MSG_SETTING_END};
    BEGIN(m, NULL);
    msg_link *a = msg_open(&m, NULL, "a", NULL), *b = msg_open(&m, "a", "back", small),
             *c = msg_open(&m, "back", NULL, NULL);
    b->holds = true;
    for (int i = 0; i < COUNT; i++) {
        char body[16];
        snprintf(body, sizeof body, "%d", i);
        EXPECT(msg_publish(a, "a", body));
    }
    EXPECT(msg_wait_for(b, 1));
    EXPECT(msg_publish(b, "back", "still here")); // its own calls go on
    EXPECT(msg_wait_for(c, 1));
    for (size_t i = 0; i < COUNT && msg_wait_for(b, i + 1); i++) {
        char body[16];
        snprintf(body, sizeof body, "%zu", i);
        EXPECT(msg_got_is(b, i, "a", body));
        msg_end(&b->got[i], STATUS_OK, NULL);
    }
    EXPECT_EQ(b->got_count, COUNT);
    stop_it(&m);
}

TEST(a_server_that_goes_is_told_and_comes_back) {
    BEGIN(m, NULL);
    msg_link *a = msg_open(&m, NULL, "a", NULL), *b = msg_open(&m, "a", NULL, NULL);
    EXPECT(msg_publish(a, "a", "before"));
    nats_process_kill(process_of(&m));
    EXPECT(wait_for_state(a, DRIVER_DOWN) && wait_for_state(b, DRIVER_DOWN));
    EXPECT_CONTAINS(a->health.reason, "nats at 127.0.0.1:");
    msg_pending p;
    const messaging_call call = {.function = MESSAGING_PUBLISH,
                                 .message = {.subject = SLICE_LITERAL("a"), .body = SLICE_LITERAL("lost")}};
    msg_begin(a, &p, &call);
    EXPECT(p.is_done); // at once
    EXPECT_STATUS(p.code, STATUS_CLOSED);
    msg_pending_done(&p);
    EXPECT(nats_process_start(process_of(&m), NULL) == NULL);
    EXPECT(wait_for_state(a, DRIVER_UP) && wait_for_state(b, DRIVER_UP));
    EXPECT(msg_publish(a, "a", "after"));
    EXPECT(msg_wait_for(b, 2));
    EXPECT(msg_got_is(b, 0, "a", "before") && msg_got_is(b, 1, "a", "after"));
    stop_it(&m);
}

TEST(a_call_that_is_cut_off_has_an_end) {
    BEGIN(m, NULL);
    msg_link *a = msg_open(&m, NULL, "a", NULL);
    nats_process_signal(process_of(&m), SIGSTOP);
    msg_pending p;
    const messaging_call call = {.function = MESSAGING_PUBLISH,
                                 .message = {.subject = SLICE_LITERAL("a"), .body = SLICE_LITERAL("x")}};
    msg_begin(a, &p, &call);
    for (int i = 0; i < 10; i++) {
        msg_turn(&m);
    }
    EXPECT(!p.is_done);
    nats_process_kill(process_of(&m));
    msg_wait(a, &p);
    EXPECT_STATUS(p.code, STATUS_CLOSED);
    EXPECT_CONTAINS(p.message, "not known");
    msg_pending_done(&p);
    stop_it(&m);
}

TEST(a_server_that_does_not_answer_is_waited_for_so_long) {
    BEGIN(m, NULL);
    static const driver_value quick[] = {MSG_SETTING("timeout-ms", "100"), MSG_SETTING_END};
    msg_link *a = msg_open(&m, NULL, "a", quick);
    nats_process_signal(process_of(&m), SIGSTOP);
    msg_pending p;
    const messaging_call call = {.function = MESSAGING_PUBLISH,
                                 .message = {.subject = SLICE_LITERAL("a"), .body = SLICE_LITERAL("x")}};
    msg_begin(a, &p, &call);
    msg_wait(a, &p);
    EXPECT_STATUS(p.code, STATUS_TIMEOUT);
    msg_pending_done(&p);
    nats_process_signal(process_of(&m), SIGCONT);
    EXPECT(msg_publish(a, "a", "goes on"));
    stop_it(&m);
}

TEST(what_the_server_forbids_is_an_error_for_the_component) {
    BEGIN(m, "authorization { users: [ { user: joe, password: secret, permissions: { publish: [mine, "
             "\"_INBOX.>\"] } } ] }");
    static const driver_value user[] = {MSG_SETTING("user", "joe"), MSG_SETTING_END};
    static const driver_value password = {SLICE_LITERAL("password"), SLICE_LITERAL("secret")};
    m.credentials = (driver_values){&password, 1};
    msg_link *a = msg_open(&m, "mine", ">", user);
    EXPECT(msg_publish(a, "mine", "x"));
    EXPECT(msg_is_refused(a, "yours", slice_from_text("x"), NULL, "does not let this link publish to yours"));
    EXPECT(msg_request(a, "yours", "x", 1000, NULL, "does not allow"));
    char longest[SUBJECT_BYTES_MAX + 1] = "";
    memset(longest, 'l', SUBJECT_BYTES_MAX);
    EXPECT(msg_is_refused(a, longest, slice_from_text("x"), NULL, "does not let this link publish"));
    EXPECT(msg_is_refused(a, "your\"s\\", slice_from_text("x"), NULL, "does not let this link publish"));
    EXPECT(msg_request(a, "your\"s", "x", 1000, NULL, "does not allow"));
    EXPECT(msg_publish(a, "mine", "y"));
    EXPECT(msg_wait_for(a, 2));
    stop_it(&m);
}

TEST(wrong_credentials_are_told_without_themselves) {
    BEGIN(m, "authorization { token: right }");
    static const driver_value wrong = {SLICE_LITERAL("token"), SLICE_LITERAL("wr0ng")};
    static const driver_value right = {SLICE_LITERAL("token"), SLICE_LITERAL("right")};
    m.credentials = (driver_values){&right, 1};
    msg_link *a = msg_open(&m, NULL, "a", NULL);
    EXPECT(msg_publish(a, "a", "x"));
    const driver_values other = {&wrong, 1};
    EXPECT_OK(m.d->credentials(a->link, &other, NULL));
    EXPECT(msg_publish(a, "a", "the connection that is there goes on"));
    nats_process_kill(process_of(&m));
    EXPECT(nats_process_start(process_of(&m), "authorization { token: right }") == NULL);
    for (int i = 0; i < 10000 && strstr(a->health.reason, "Authorization") == NULL; i++) {
        msg_turn(&m);
        m.d->health(a->link, &a->health);
    }
    EXPECT_CONTAINS(a->health.reason, "Authorization Violation");
    EXPECT(strstr(a->health.reason, "wr0ng") == NULL);
    EXPECT_OK(m.d->credentials(a->link, &m.credentials, NULL));
    EXPECT(wait_for_state(a, DRIVER_UP));
    stop_it(&m);
}

static void add_peer(void *arg, slice host, uint16_t port) {
    char *text = arg;
    size_t at = strlen(text);
    snprintf(text + at, 200 - at, "%.*s:%u ", SLICE_ARG(host), port);
}

TEST(peers_and_settings_are_read_alike) {
    char text[200] = "";
    const driver_value two = MSG_SETTING("url", "nats://one, tls://[::1]:5");
    EXPECT_OK(messaging_nats.peers(&(driver_values){&two, 1}, add_peer, text, NULL));
    EXPECT_TEXT(text, "one:4222 ::1:5 ");
    const driver_value old = MSG_SETTING("cluster_uris", "nats://old:1");
    text[0] = '\0';
    EXPECT_OK(messaging_nats.peers(&(driver_values){&old, 1}, add_peer, text, NULL));
    EXPECT_TEXT(text, "old:1 ");
    err e;
    const driver_value wrong = MSG_SETTING("url", "nats://joe:secret@one");
    EXPECT_STATUS(messaging_nats.peers(&(driver_values){&wrong, 1}, add_peer, text, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "secrets of their own");
}

TEST(it_is_found) {
    EXPECT(driver_find(slice_from_text("nats"), slice_from_text("wasmcloud:messaging/consumer")) ==
           &messaging_nats);
}
