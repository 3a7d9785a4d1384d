// SPDX-License-Identifier: Apache-2.0
#include "bus/jetstream.h"

#include "test.h"

#define TEXT(s) slice_from_text(s)

TEST(acknowledgements_and_faults) {
    jetstream_fault f;
    uint64_t n = 0;
    err e;
    EXPECT_OK(jetstream_read_ack(TEXT("{\"stream\":\"KV_b\",\"seq\":7}"), &f, &n, &e));
    EXPECT_EQ(f.number, 0);
    EXPECT_U64(n, 7);
    EXPECT_OK(jetstream_read_ack(
        TEXT("{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"wrong\\u001b\"}}"), &f, &n, &e));
    EXPECT_EQ(f.number, JETSTREAM_WRONG_SEQUENCE);
    EXPECT_CONTAINS(f.text, "wrong");
    EXPECT(strchr(f.text, 0x1b) == NULL);
    EXPECT_OK(jetstream_read_done(TEXT("{\"error\":{}}"), &f, &e)); // a fault without a number is one
    EXPECT(f.number != 0);
    static const char *const wrong[] = {"", "[]", "{", "{\"seq\":-1}", "{\"seq\":\"7\"}", "{}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT_STATUS(jetstream_read_ack(TEXT(wrong[i]), &f, &n, &e), STATUS_INVALID);
    }
}

TEST(streams_and_consumers) {
    jetstream_fault f;
    jetstream_stream s;
    uint64_t n;
    err e;
    EXPECT_OK(
        jetstream_read_stream(TEXT("{\"config\":{\"allow_direct\":true,\"num_replicas\":3,"
                                   "\"max_msgs_per_subject\":1},\"created\":\"2024-01-02T03:04:05.678Z\","
                                   "\"state\":{\"messages\":2,\"first_seq\":4,\"last_seq\":9}}"),
                              &f, &s, &e));
    EXPECT(s.has_direct && s.replicas == 3 && s.history == 1 && s.messages == 2 && s.last_sequence == 9);
    EXPECT_U64(s.created_s, 1704164645);
    EXPECT_STATUS(jetstream_read_stream(TEXT("{\"config\":{}}"), &f, &s, &e), STATUS_INVALID);
    EXPECT_OK(jetstream_read_consumer(TEXT("{\"num_pending\":12}"), &f, &n, &e));
    EXPECT_U64(n, 12);
}

TEST(messages_in_base64) {
    jetstream_fault f;
    jetstream_message m;
    err e;
    auto_arena a;
    arena_init(&a, 1000);
    EXPECT_OK(jetstream_read_message(
        TEXT("{\"message\":{\"subject\":\"a\",\"seq\":3,\"hdrs\":\"eA==\",\"data\":\"aGk=\","
             "\"time\":\"1970-01-01T00:00:09Z\"}}"),
        &a, &f, &m, &e));
    EXPECT_BYTES(m.payload, TEXT("hi"));
    EXPECT_BYTES(m.headers, TEXT("x"));
    EXPECT_U64(m.sequence, 3);
    EXPECT_U64(m.time_s, 9);
    EXPECT_OK(jetstream_read_message(TEXT("{\"message\":{\"subject\":\"a\",\"seq\":3}}"), &a, &f, &m, &e));
    EXPECT_EQ(m.payload.len, 0);
    static const char *const wrong[] = {"{}", "{\"message\":{\"seq\":1}}",
                                        "{\"message\":{\"subject\":\"a\",\"seq\":3,\"data\":\"?\"}}",
                                        "{\"message\":{\"subject\":\"a\",\"seq\":3,\"data\":7}}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT_STATUS(jetstream_read_message(TEXT(wrong[i]), &a, &f, &m, &e), STATUS_INVALID);
    }
}

TEST(messages_as_they_are) {
    uint64_t n = 0;
    err e;
    EXPECT_OK(
        jetstream_read_direct(TEXT("NATS/1.0\r\nNats-Stream: KV_b\r\nNats-Sequence: 7\r\n\r\n"), &n, &e));
    EXPECT_U64(n, 7);
    EXPECT_STATUS(jetstream_read_direct(TEXT("NATS/1.0 404 Message Not Found\r\n\r\n"), &n, &e),
                  STATUS_NOT_FOUND);
    static const char *const wrong[] = {"", "NATS/1.0\r\n\r\n",
                                        "NATS/1.0 408 Bad\r\nNats-Sequence: 7\r\n\r\n",
                                        "NATS/1.0\r\nNats-Sequence: x\r\n\r\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT_STATUS(jetstream_read_direct(TEXT(wrong[i]), &n, &e), STATUS_INVALID);
    }
}

TEST(places_of_messages) {
    jetstream_place at;
    EXPECT(jetstream_read_place(TEXT("$JS.ACK.KV_b.c.1.42.3.1600000000.9"), &at));
    EXPECT_U64(at.sequence, 42);
    EXPECT_U64(at.number, 3);
    EXPECT_U64(at.pending, 9);
    EXPECT(jetstream_read_place(TEXT("$JS.ACK.hub.hash.KV_b.c.1.42.3.1600000000.9.x"), &at));
    EXPECT_U64(at.sequence, 42);
    EXPECT_U64(at.number, 3);
    EXPECT_U64(at.pending, 9);
    static const char *const wrong[] = {"", "$JS.ACK", "$JS.ACK.a.b.1.2", "_INBOX.a",
                                        "$JS.ACK.KV_b.c.1.x.3.4.9"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT(!jetstream_read_place(TEXT(wrong[i]), &at));
    }
}
