// SPDX-License-Identifier: Apache-2.0
#include "bus/nats_parse.h"

#include "bus/nats_internal.h"
#include "test.h"

static status parse(const char *text, nats_event *ret, size_t *used, err *e) {
    return nats_parse(slice_from_text(text), 1000, ret, used, e);
}

TEST(operations_are_told_apart) {
    nats_event v;
    size_t used;
    EXPECT_OK(parse("PING\r\nrest", &v, &used, NULL));
    EXPECT_EQ(v.op, NATS_OP_PING);
    EXPECT_U64(used, 6);
    EXPECT_OK(parse("pong\r\n", &v, &used, NULL));
    EXPECT_EQ(v.op, NATS_OP_PONG);
    EXPECT_OK(parse("+OK\r\n", &v, &used, NULL));
    EXPECT_EQ(v.op, NATS_OP_OK);
    EXPECT_OK(parse("-ERR 'Authorization Violation'\r\n", &v, &used, NULL));
    EXPECT_EQ(v.op, NATS_OP_ERROR);
    EXPECT_BYTES(v.text, slice_from_text("Authorization Violation"));
    EXPECT_OK(parse("INFO {\"a\":1} \r\n", &v, &used, NULL));
    EXPECT_BYTES(v.text, slice_from_text("{\"a\":1}"));
}

TEST(messages_come_with_and_without_reply_and_headers) {
    nats_event v;
    size_t used;
    EXPECT_OK(parse("MSG a.b 7 5\r\nhello\r\nPING", &v, &used, NULL));
    EXPECT_U64(used, 20);
    EXPECT_U64(v.sid, 7);
    EXPECT_BYTES(v.subject, slice_from_text("a.b"));
    EXPECT_BYTES(v.payload, slice_from_text("hello"));
    EXPECT_U64(v.reply.len, 0);
    EXPECT_OK(parse("MSG  a.b\t7 back  0\r\n\r\n", &v, &used, NULL));
    EXPECT_BYTES(v.reply, slice_from_text("back"));
    EXPECT_U64(v.payload.len, 0);
    EXPECT_OK(parse("HMSG a 1 25 27\r\nNATS/1.0 404 No\r\nA: b\r\n\r\nhi\r\n", &v, &used, NULL));
    EXPECT_BYTES(v.payload, slice_from_text("hi"));
    slice text;
    EXPECT_EQ(nats_headers_status(v.headers, &text), 404);
    EXPECT_BYTES(text, slice_from_text("No"));
    EXPECT(nats_headers_find(v.headers, "a", &text));
    EXPECT_BYTES(text, slice_from_text("b"));
    EXPECT(!nats_headers_find(v.headers, "b", &text));
}

TEST(what_is_cut_off_is_waited_for) {
    static const char whole[] = "HMSG a 1 r 25 27\r\nNATS/1.0 404 No\r\nA: b\r\n\r\nhi\r\n";
    nats_event v;
    size_t used;
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        EXPECT_STATUS(nats_parse(slice_of(whole, n), 1000, &v, &used, NULL), STATUS_NOT_FOUND);
    }
    EXPECT_OK(parse(whole, &v, &used, NULL));
    EXPECT_U64(used, sizeof whole - 1);
}

TEST(of_what_is_too_long_there_is_the_line) {
    nats_event v;
    size_t used;
    EXPECT_OK(parse("HMSG a 1 r 12 1001\r\nNATS", &v, &used, NULL));
    EXPECT_EQ(v.op, NATS_OP_MESSAGE);
    EXPECT_BYTES(v.reply, slice_from_text("r"));
    EXPECT_U64(used, 20);
    EXPECT_U64(v.left_out, 1003);
    EXPECT_U64(v.headers.len + v.payload.len, 0);
}

TEST(nonsense_is_refused) {
    static const char *const wrong[] = {
        "HTTP/1.1 400 Bad Request\r\n",
        "\r\n",
        "MSG a 1\r\n",
        "MSG a b c d e 5\r\nhello\r\n",
        "MSG a x 5\r\nhello\r\n",
        "MSG a 1 -5\r\nhello\r\n",
        "MSG a 1 5\r\nhello world\r\n",
        "HMSG a 1 6 5\r\nhello\r\n",
        "HMSG a 1 5 5\r\nhello\r\n",
        "PINGPONG\r\n",
    };
    nats_event v;
    size_t used;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT_STATUS(parse(wrong[i], &v, &used, NULL), STATUS_INVALID);
    }
    EXPECT_STATUS(parse("MSG a 1 67108865\r\n", &v, &used, NULL), STATUS_LIMIT);
    EXPECT_STATUS(parse("MSG a 1 99999999999999999999999\r\n", &v, &used, NULL), STATUS_INVALID);
    char line[NATS_LINE_BYTES_MAX + 1];
    memset(line, 'a', sizeof line);
    EXPECT_STATUS(nats_parse(slice_of(line, sizeof line), 1000, &v, &used, NULL), STATUS_INVALID);
}

TEST(numbers_of_a_table_are_good_once) {
    nats_table t;
    int items[40];
    uint64_t numbers[40];
    uint64_t again;
    nats_table_init(&t, 40);
    for (int i = 0; i < 40; i++) {
        EXPECT_OK(nats_table_add(&t, &items[i], &numbers[i]));
    }
    EXPECT_STATUS(nats_table_add(&t, &items[0], &again), STATUS_LIMIT);
    EXPECT(nats_table_find(&t, numbers[17]) == &items[17]);
    nats_table_remove(&t, numbers[17]);
    EXPECT(nats_table_find(&t, numbers[17]) == NULL);
    EXPECT_OK(nats_table_add(&t, &items[0], &again));
    EXPECT(again != numbers[17]);
    EXPECT(nats_table_find(&t, again) == &items[0]);
    EXPECT(nats_table_find(&t, numbers[17]) == NULL);
    EXPECT(nats_table_find(&t, NATS_INBOX_SID) == NULL);
    EXPECT(nats_table_find(&t, 0) == NULL && nats_table_find(&t, UINT64_MAX) == NULL);
    nats_table_done(&t);
}

TEST(urls_of_servers) {
    nats_server s;
    EXPECT_OK(nats_server_parse(slice_from_text("nats://bus.example"), &s, NULL));
    EXPECT_TEXT(s.host, "bus.example");
    EXPECT_EQ(s.port, 4222);
    EXPECT_OK(nats_server_parse(slice_from_text("tls://[::1]:7"), &s, NULL));
    EXPECT_TEXT(s.host, "::1");
    EXPECT_EQ(s.port, 7);
    EXPECT(s.is_secure);
    EXPECT_OK(nats_server_parse(slice_from_text("10.0.0.1:5"), &s, NULL));
    EXPECT_TEXT(s.host, "10.0.0.1");
    static const char *const wrong[] = {"",
                                        "nats://",
                                        "nats://a:0",
                                        "nats://a:99999",
                                        "nats://u:p@a",
                                        "nats://a/",
                                        "http://a:80",
                                        "nats://[::1",
                                        "a b",
                                        "a:1:2"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT_STATUS(nats_server_parse(slice_from_text(wrong[i]), &s, NULL), STATUS_INVALID);
    }
}

TEST(an_info_is_read_with_care) {
    nats_info info;
    nats_server found[4];
    size_t count = 4;
    err e;
    EXPECT_OK(nats_info_read(
        slice_from_text("{\"max_payload\":100,\"headers\":true,\"nonce\":\"abc\",\"connect_urls\":"
                        "[\"a:1\",7,\"nats://x@y\",\"b:2\"],\"tls_required\":true}"),
        &info, found, &count, &e));
    EXPECT_U64(info.max_payload, 100);
    EXPECT(info.has_headers && info.tls_required && !info.tls_available);
    EXPECT_TEXT(info.nonce, "abc");
    EXPECT_U64(count, 2);
    EXPECT_TEXT(found[1].host, "b");
    EXPECT_STATUS(nats_info_read(slice_from_text("{}"), &info, found, &count, &e), STATUS_INVALID);
    EXPECT_STATUS(nats_info_read(slice_from_text("[]"), &info, found, &count, &e), STATUS_INVALID);
    EXPECT_STATUS(nats_info_read(slice_from_text("{\"max_payload\":-1}"), &info, found, &count, &e),
                  STATUS_INVALID);
}

TEST(credentials_cannot_break_out_of_their_field) {
    secret line;
    const nats_info info = {.max_payload = 1};
    const nats_credentials c = {.user = SLICE_LITERAL("a\",\"x\":\"\\\r\nPUB x 0"),
                                .token = SLICE_LITERAL("t")};
    EXPECT_OK(nats_connect_line(&c, &info, "me", true, &line, NULL));
    char text[600];
    snprintf(text, sizeof text, "%.*s", (int)line.len, (const char *)line.data);
    EXPECT_CONTAINS(text,
                    "\"tls_required\":true,\"name\":\"me\","
                    "\"user\":\"a\\\",\\\"x\\\":\\\"\\\\\\u000d\\u000aPUB x 0\",\"auth_token\":\"t\"}\r\n");
    secret_free(&line);
    const nats_credentials creds = {.creds = SLICE_LITERAL("nothing")};
    EXPECT_STATUS(nats_connect_line(&creds, &info, "me", true, &line, NULL), STATUS_INVALID);
}
