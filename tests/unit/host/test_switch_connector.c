// SPDX-License-Identifier: Apache-2.0
#include "host/switch_connector.h"

#include "test.h"

typedef struct way { // a connector that answers when it is told to
    connector base;
    connect_callback done;
    void *arg;
    int asked, cancelled;
    char host[32];
} way;

static status on_request(connector *c, const connect_request *wanted, connect_callback done, void *arg,
                         uint64_t *ret_id, err *e) {
    way *w = (way *)c;
    (void)e;
    w->asked++;
    w->done = done;
    w->arg = arg;
    (void)snprintf(w->host, sizeof w->host, "%.*s", SLICE_ARG(wanted->host));
    *ret_id = (uint64_t)w->asked;
    return STATUS_OK;
}

static void on_cancel(connector *c, uint64_t id) {
    (void)id;
    ((way *)c)->cancelled++;
}

static const connector_ops ops = {on_request, on_cancel};

typedef struct end {
    int count;
    status code;
} end;

static void on_done(void *arg, const connect_result *result) {
    end *e = arg;
    e->count++;
    e->code = result->code;
}

static void answer(way *w, status code) {
    const connect_result result = {.code = code, .fd = -1};
    w->done(w->arg, &result);
}

static uint64_t ask(connector *c, end *e) {
    char host[] = "cache";
    uint64_t id = 0;
    const connect_request wanted = {.host = slice_from_text(host), .port = 6379, .deadline_ns = UINT64_MAX};
    EXPECT_OK(connector_request(c, &wanted, on_done, e, &id, NULL));
    host[0] = 'x'; // it is borrowed for the call alone
    EXPECT(id != 0);
    return id;
}

TEST(what_is_on_its_way_goes_the_next_way) {
    loop *l = NULL;
    way first = {.base = {&ops}}, second = {.base = {&ops}};
    end e = {0};
    EXPECT_OK(loop_new(NULL, &l, NULL));
    connector *c = switch_connector_new(l);
    switch_connector_set(c, &first.base);
    (void)ask(c, &e);
    switch_connector_set(c, &first.base); // no change
    EXPECT_EQ(first.cancelled, 0);
    switch_connector_set(c, &second.base);
    EXPECT_EQ(first.cancelled, 1);
    EXPECT_EQ(second.asked, 1);
    EXPECT_TEXT(second.host, "cache");
    answer(&second, STATUS_OK);
    EXPECT_EQ(e.count, 1);
    EXPECT_STATUS(e.code, STATUS_OK);
    switch_connector_free(c);
    EXPECT_EQ(second.cancelled, 0);
    loop_free(l);
}

TEST(without_a_way_it_ends) {
    loop *l = NULL;
    way first = {.base = {&ops}};
    end e = {0}, other = {0};
    EXPECT_OK(loop_new(NULL, &l, NULL));
    connector *c = switch_connector_new(l);
    (void)ask(c, &e);
    EXPECT_EQ(e.count, 0); // never from inside
    loop_turn(l, false);
    EXPECT_EQ(e.count, 1);
    EXPECT_STATUS(e.code, STATUS_CLOSED);
    switch_connector_set(c, &first.base);
    (void)ask(c, &other);
    switch_connector_set(c, NULL);
    EXPECT_EQ(first.cancelled, 1);
    loop_turn(l, false);
    EXPECT_STATUS(other.code, STATUS_CLOSED);
    switch_connector_free(c);
    loop_free(l);
}

TEST(what_is_not_wanted_is_not_told) {
    loop *l = NULL;
    way first = {.base = {&ops}};
    end e = {0}, other = {0};
    EXPECT_OK(loop_new(NULL, &l, NULL));
    connector *c = switch_connector_new(l);
    switch_connector_set(c, &first.base);
    uint64_t id = ask(c, &e);
    connector_cancel(c, id);
    connector_cancel(c, id);
    EXPECT_EQ(first.cancelled, 1);
    (void)ask(c, &other);
    switch_connector_free(c);
    EXPECT_EQ(first.cancelled, 2);
    EXPECT_EQ(e.count + other.count, 0);
    loop_free(l);
}
