// SPDX-License-Identifier: Apache-2.0
// Messages within the process: the contract, and what is the driver's own.
#include "unit/driver/messaging_contract.h"

static const char *start_it(msg *m) {
    msg_start(m, &messaging_local);
    return NULL;
}

MESSAGING_CONTRACT(start_it, msg_stop)

TEST(a_full_queue_refuses_the_message_for_all) {
    static const driver_value small[] = {MSG_SETTING("queue-max", "2"), MSG_SETTING("concurrency", "1"),
                                         MSG_SETTING_END};
    msg m = {0};
    msg_start(&m, &messaging_local);
    msg_link *a = msg_open(&m, NULL, "a", NULL), *b = msg_open(&m, "a", NULL, small),
             *c = msg_open(&m, ">", NULL, NULL);
    b->holds = true;
    EXPECT(msg_publish(a, "a", "0") && msg_publish(a, "a", "1") && msg_publish(a, "a", "2"));
    EXPECT(msg_is_refused(a, "a", slice_from_text("3"), NULL, "the queue of workload test for a is full"));
    EXPECT(msg_request(a, "a", "4", 1000, NULL, "is full"));
    EXPECT(msg_wait_for(c, 3));
    msg_end(&b->got[0], STATUS_OK, NULL);
    EXPECT(msg_wait_for(b, 2));
    EXPECT(msg_publish(a, "a", "5"));
    EXPECT(msg_wait_for(c, 4));
    EXPECT(msg_got_is(c, 3, "a", "5"));
    msg_stop(&m);
}

TEST(a_queue_is_bounded_in_bytes_but_takes_one_of_any_length) {
    static const driver_value small[] = {MSG_SETTING("queue-bytes-max", "10"),
                                         MSG_SETTING("concurrency", "1"), MSG_SETTING_END};
    msg m = {0};
    msg_start(&m, &messaging_local);
    msg_link *a = msg_open(&m, NULL, "a", NULL), *b = msg_open(&m, "a", NULL, small);
    b->holds = true;
    EXPECT(msg_publish(a, "a", "is handled"));
    EXPECT(msg_publish(a, "a", "a body of more than ten bytes"));
    EXPECT(msg_is_refused(a, "a", slice_from_text("1"), NULL, "is full"));
    msg_stop(&m);
}

TEST(a_group_leaves_out_a_member_that_has_no_room) {
    static const driver_value small[] = {MSG_SETTING("queue-max", "1"), MSG_SETTING("concurrency", "1"),
                                         MSG_SETTING_END};
    msg m = {0};
    msg_start(&m, &messaging_local);
    msg_link *a = msg_open(&m, NULL, "a", NULL), *b = msg_open(&m, "a|g", NULL, small),
             *c = msg_open(&m, "a|g", NULL, NULL);
    b->holds = true;
    for (int i = 0; i < 10; i++) {
        EXPECT(msg_publish(a, "a", "x"));
    }
    EXPECT(msg_wait_for(c, 8));
    EXPECT_EQ(b->got_count, 1); // and one waits
    msg_stop(&m);
}

// Which of the messages 0 to `count` - 1 came, as many digits.
static void expect_each_once(const msg_link *a, const msg_link *b, size_t count) {
    size_t seen[10] = {0};
    for (int i = 0; i < 2; i++) {
        const msg_link *k = i == 0 ? a : b;
        for (size_t n = 0; n < k->got_count; n++) {
            seen[(k->got[n].message.body.data[0] - '0') % 10]++;
        }
    }
    for (size_t i = 0; i < count; i++) {
        EXPECT_EQ(seen[i], 1);
    }
}

TEST(what_waits_for_a_link_that_closes_goes_to_its_successor) {
    static const driver_value one[] = {MSG_SETTING("concurrency", "1"), MSG_SETTING("redeliver", "5"),
                                       MSG_SETTING_END};
    static const char *const patterns[] = {"a", "a|g"};
    for (int i = 0; i < 2; i++) {
        msg m = {0};
        msg_start(&m, &messaging_local);
        msg_link *a = msg_open(&m, NULL, "a", NULL), *old = msg_open(&m, patterns[i], NULL, one);
        old->holds = true;
        EXPECT(msg_publish(a, "a", "0") && msg_publish(a, "a", "1") && msg_publish(a, "a", "2"));
        EXPECT(msg_wait_for(old, 1));
        msg_end(&old->got[0], STATUS_OK, NULL); // handled: it stays so
        EXPECT(msg_wait_for(old, 2));
        msg_end(&old->got[1], STATUS_CLOSED, NULL); // rests
        while (old->running > 0) {
            msg_turn(&m);
        }
        msg_link *fresh = msg_open(&m, patterns[i], NULL, one);
        EXPECT(msg_publish(a, "a", "3") && msg_publish(a, "a", "4"));
        EXPECT_EQ(old->got_count, 2);
        old->got_count = 1; // "1" comes again
        msg_got cancelled = old->got[1];
        m.d->link_close(old->link);
        EXPECT(msg_wait_for(fresh, 4));
        expect_each_once(old, fresh, 5);
        while (!old->is_closed) {
            msg_turn(&m);
        }
        buf_done(&old->got[0].bytes);
        buf_done(&cancelled.bytes);
        mem_free(old->got);
        *old = (msg_link){0};
        msg_stop(&m);
    }
}

TEST(buses_do_not_know_each_other) {
    static const driver_value other[] = {MSG_SETTING("bus", "other"), MSG_SETTING_END};
    msg m = {0};
    msg_start(&m, &messaging_local);
    msg_link *a = msg_open(&m, NULL, "a", other), *b = msg_open(&m, "a", NULL, NULL),
             *c = msg_open(&m, "a", "a", other);
    EXPECT(msg_publish(a, "a", "x"));
    EXPECT(msg_wait_for(c, 1));
    EXPECT_EQ(b->got_count, 0);
    msg_stop(&m);
}

TEST(nobody_hears_answers_that_are_not_for_them) {
    msg m = {0};
    msg_start(&m, &messaging_local);
    msg_link *a = msg_open(&m, NULL, "a", NULL), *b = msg_open(&m, "a", NULL, NULL),
             *spy = msg_open(&m, "_INBOX.>", NULL, NULL);
    b->holds = true;
    messaging_call c = {.function = MESSAGING_REQUEST,
                        .message = {.subject = SLICE_LITERAL("a"), .body = SLICE_LITERAL("x")},
                        .timeout_ms = 20000};
    msg_pending p;
    msg_begin(a, &p, &c);
    EXPECT(msg_wait_for(b, 1));
    EXPECT(msg_answer(&b->got[0], "secret"));
    msg_wait(a, &p);
    EXPECT_BYTES(p.answer.message.body, slice_from_text("secret"));
    EXPECT_EQ(spy->got_count, 0);
    msg_pending_done(&p);
    msg_stop(&m);
}
