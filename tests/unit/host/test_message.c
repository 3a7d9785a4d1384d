// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <unistd.h>

#include "host/message.h"
#include "os/fd.h"

typedef struct pair {
    channel a;
    channel b;
    channel_packet p;
} pair;

static pair pair_new(void) {
    pair p = {.a = {-1}, .b = {-1}};
    EXPECT_OK(channel_pair(1 << 18, &p.a, &p.b, NULL));
    return p;
}

static void pair_done(pair *p) {
    channel_close(&p->a);
    channel_close(&p->b);
}

static void receive(pair *p, message_type type, size_t fds_max) {
    EXPECT_OK(channel_receive(&p->b, fds_max, &p->p, NULL));
    EXPECT_EQ(p->p.type, type);
}

TEST(start_round_trip) {
    pair p = pair_new();
    message_start m = {3, 4, 5, 10, 2, 1, true, 6}, got;
    int fds[MESSAGE_START_FDS_MAX] = {0};
    EXPECT_OK(message_send_start(&p.a, &m, fds, MESSAGE_START_FDS_MAX, NULL));
    receive(&p, MESSAGE_START, MESSAGE_START_FDS_MAX);
    EXPECT_OK(message_read_start(&p.p, &got, NULL));
    EXPECT_EQ(got.worker, 3);
    EXPECT_EQ(got.worker_count, 4);
    EXPECT_EQ(got.workload_count, 5);
    EXPECT_EQ(got.module_count, 10);
    EXPECT_EQ(got.directory_count, 2);
    EXPECT(got.has_listener);
    EXPECT_EQ(got.link_count, 6);
    channel_packet_done(&p.p);
    // A listener that is announced and does not come.
    EXPECT_OK(message_send_start(&p.a, &m, fds, MESSAGE_START_FDS_MAX - 1, NULL));
    receive(&p, MESSAGE_START, MESSAGE_START_FDS_MAX);
    EXPECT_STATUS(message_read_start(&p.p, &got, NULL), STATUS_INVALID);
    channel_packet_done(&p.p);
    pair_done(&p);
}

TEST(many_descriptors_take_several_packets) {
    pair p = pair_new();
    int fds[19], got[19];
    for (size_t i = 0; i < 19; i++) {
        fds[i] = 0;
    }
    EXPECT_OK(message_send_all_fds(&p.a, MESSAGE_MODULES, fds, 19, NULL));
    EXPECT_OK(message_receive_all_fds(&p.b, MESSAGE_MODULES, 1000, got, 19, NULL));
    for (size_t i = 0; i < 19; i++) {
        EXPECT(got[i] > 2);
        fd_close(got[i]);
    }
    EXPECT_OK(message_send_all_fds(&p.a, MESSAGE_DIRECTORIES, fds, 3, NULL));
    EXPECT_STATUS(message_receive_all_fds(&p.b, MESSAGE_MODULES, 1000, got, 3, NULL), STATUS_INVALID);
    EXPECT_OK(message_receive_all_fds(&p.b, MESSAGE_MODULES, 1000, got, 0, NULL));
    pair_done(&p);
}

TEST(log_round_trip) {
    pair p = pair_new();
    log_record r = {LOG_WARN, SLICE_LITERAL("trap"), SLICE_LITERAL("it \"broke\"\n"), NULL, 0};
    const log_field fields[] = {LOG_NUMBER("count", -3), LOG_TEXT("path", slice_from_text("/x"))};
    r.fields = fields;
    r.field_count = 2;
    message_log got;
    EXPECT_OK(message_send_log(&p.a, 6, &r, NULL));
    receive(&p, MESSAGE_LOG, 0);
    EXPECT_OK(message_read_log(&p.p, &got, NULL));
    EXPECT_EQ(got.workload, 6);
    EXPECT_EQ(got.record.level, LOG_WARN);
    EXPECT_BYTES(got.record.event, r.event);
    EXPECT_BYTES(got.record.message, r.message);
    EXPECT_EQ(got.record.field_count, 2);
    EXPECT_TEXT(got.fields[0].name, "count");
    EXPECT_EQ(got.fields[0].number, -3);
    EXPECT_BYTES(got.fields[1].text, slice_from_text("/x"));
    pair_done(&p);
}

TEST(largest_log_record_fits) {
    pair p = pair_new();
    static uint8_t text[LOG_TEXT_BYTES_MAX * 2];
    memset(text, 'x', sizeof text);
    log_field fields[LOG_FIELDS_MAX];
    for (size_t i = 0; i < LOG_FIELDS_MAX; i++) {
        fields[i] = LOG_TEXT("a_name_that_is_as_long_as_a_name_may_be_", slice_of(text, 400));
    }
    log_record r = {LOG_INFO, SLICE_LITERAL("e"), {text, sizeof text}, fields, LOG_FIELDS_MAX};
    message_log got;
    EXPECT_OK(message_send_log(&p.a, 6, &r, NULL));
    receive(&p, MESSAGE_LOG, 0);
    EXPECT_OK(message_read_log(&p.p, &got, NULL));
    EXPECT_EQ(got.record.message.len, LOG_TEXT_BYTES_MAX); // cut
    pair_done(&p);
}

static void expect_log_refused(const char *hex_name, slice payload) {
    static channel_packet p;
    p = (channel_packet){.type = MESSAGE_LOG, .len = payload.len};
    memcpy(p.payload, payload.data, payload.len);
    message_log got;
    test_expect_status(message_read_log(&p, &got, NULL), STATUS_INVALID, NULL, __FILE__, __LINE__, hex_name);
}

TEST(hostile_log_records_are_refused) {
    expect_log_refused("empty", slice_of("", 0));
    expect_log_refused("level 9", slice_of("\0\0\0\0"
                                           "\x09\1\0\0\0e\0\0\0\0\0",
                                           15));
    expect_log_refused("an event with a quote", slice_of("\0\0\0\0"
                                                         "\x01\1\0\0\0\"\0\0\0\0\0",
                                                         15));
    expect_log_refused("no event", slice_of("\0\0\0\0"
                                            "\x01\0\0\0\0\0\0\0\0\0",
                                            14));
    expect_log_refused("a length beyond the end", slice_of("\0\0\0\0"
                                                           "\x01\xff\0\0\0e",
                                                           10));
    expect_log_refused("a length of 4 GiB", slice_of("\0\0\0\0"
                                                     "\x01\xff\xff\xff\xff",
                                                     9));
    expect_log_refused("more fields than any", slice_of("\0\0\0\0"
                                                        "\x01\1\0\0\0e\0\0\0\0\xff",
                                                        15));
    expect_log_refused("a field that is missing", slice_of("\0\0\0\0"
                                                           "\x01\1\0\0\0e\0\0\0\0\x01",
                                                           15));
    // Would replace what the line says itself.
    expect_log_refused("a field named time",
                       slice_of("\0\0\0\0"
                                "\x01\1\0\0\0e\0\0\0\0\x01\4\0\0\0time\1\0\0\0\0\0\0\0\0",
                                32));
    expect_log_refused("something after the end", slice_of("\0\0\0\0"
                                                           "\x01\1\0\0\0e\0\0\0\0\0x",
                                                           16));
}

TEST(connect_round_trip) {
    pair p = pair_new();
    message_connect m = {
        .id = 7, .request = {.purpose = CONNECT_SOCKETS, .protocol = CONNECT_UDP, .action = CONNECT_BIND}};
    m.request.host = slice_from_text("api.example.org");
    m.request.port = 443;
    m.request.workload = 12;
    m.request.deadline_ns = 5000;
    m.request.local.v6.sin6_family = AF_INET6;
    m.request.local.v6.sin6_port = htons(99);
    m.request.local.v6.sin6_addr = in6addr_loopback;
    message_connect got;
    EXPECT_OK(message_send_connect(&p.a, &m, NULL));
    receive(&p, MESSAGE_CONNECT, 0);
    EXPECT_OK(message_read_connect(&p.p, &got, NULL));
    EXPECT_U64(got.id, 7);
    EXPECT_EQ(got.request.purpose, CONNECT_SOCKETS);
    EXPECT_EQ(got.request.protocol, CONNECT_UDP);
    EXPECT_EQ(got.request.action, CONNECT_BIND);
    EXPECT_BYTES(got.request.host, m.request.host);
    EXPECT_EQ(got.request.port, 443);
    EXPECT_EQ(got.request.workload, 12);
    EXPECT_EQ(ntohs(got.request.local.v6.sin6_port), 99);
    EXPECT(memcmp(&got.request.local.v6.sin6_addr, &in6addr_loopback, 16) == 0);
    pair_done(&p);
}

TEST(connected_round_trip) {
    pair p = pair_new();
    static message_connected m, got;
    m = (message_connected){.id = 9, .code = STATUS_DENIED, .os_error = 111, .text = SLICE_LITERAL("no")};
    m.address_count = LOOP_RESOLVE_ADDRESSES_MAX;
    for (size_t i = 0; i < m.address_count; i++) {
        m.addresses[i].v6.sin6_family = AF_INET6;
    }
    EXPECT_OK(message_send_connected(&p.a, &m, -1, NULL));
    receive(&p, MESSAGE_CONNECTED, 1);
    EXPECT_OK(message_read_connected(&p.p, &got, NULL));
    EXPECT_EQ(got.code, STATUS_DENIED);
    EXPECT_EQ(got.os_error, 111);
    EXPECT_EQ(got.address_count, LOOP_RESOLVE_ADDRESSES_MAX);
    EXPECT_BYTES(got.text, m.text);
    pair_done(&p);
}

TEST(reveal_round_trip) {
    pair p = pair_new();
    message_reveal m = {7, 2, SLICE_LITERAL("db")}, got;
    EXPECT_OK(message_send_reveal(&p.a, &m, NULL));
    receive(&p, MESSAGE_REVEAL, 0);
    EXPECT_OK(message_read_reveal(&p.p, &got, NULL));
    EXPECT_EQ(got.id, 7);
    EXPECT_EQ(got.workload, 2);
    EXPECT(slice_equal_text(got.name, "db"));
    m.id = 0;
    EXPECT_OK(message_send_reveal(&p.a, &m, NULL));
    receive(&p, MESSAGE_REVEAL, 0);
    EXPECT_STATUS(message_read_reveal(&p.p, &got, NULL), STATUS_INVALID);
    static uint8_t name[MESSAGE_SECRET_NAME_BYTES_MAX + 1];
    m = (message_reveal){7, 2, slice_of(name, sizeof name)};
    EXPECT_OK(message_send_reveal(&p.a, &m, NULL));
    receive(&p, MESSAGE_REVEAL, 0);
    EXPECT_STATUS(message_read_reveal(&p.p, &got, NULL), STATUS_INVALID);
    pair_done(&p);
}

TEST(a_secret_comes_in_parts) {
    enum { BYTES = 64 << 10 };
    pair p = pair_new();
    secret_value v = {.kind = SECRET_BYTES, .version = 9};
    message_revealed got;
    size_t have = 0;
    REQUIRE(secret_new(BYTES, &v.bytes, NULL) == STATUS_OK);
    for (size_t i = 0; i < BYTES; i++) {
        v.bytes.data[i] = (uint8_t)(i * 7);
    }
    EXPECT_OK(message_send_revealed(&p.a, 3, &v, NULL));
    while (have < BYTES) {
        receive(&p, MESSAGE_REVEALED, 0);
        REQUIRE(message_read_revealed(&p.p, &got, NULL) == STATUS_OK);
        EXPECT(got.id == 3 && got.code == STATUS_OK && got.kind == SECRET_BYTES && got.version == 9);
        REQUIRE(got.offset == have && got.total == BYTES);
        EXPECT_BYTES(got.part, slice_of(v.bytes.data + have, got.part.len));
        have += got.part.len;
        p.p.len--;
        EXPECT_STATUS(message_read_revealed(&p.p, &got, NULL), STATUS_INVALID);
    }
    EXPECT_STATUS(channel_receive(&p.b, 0, &p.p, NULL), STATUS_NOT_FOUND);
    secret_value_free(&v);
    pair_done(&p);
}

TEST(no_secret_says_why) {
    pair p = pair_new();
    err why;
    message_revealed got;
    err_set(&why, STATUS_NOT_FOUND, "no such secret");
    EXPECT_OK(message_send_unrevealed(&p.a, 3, &why, NULL));
    receive(&p, MESSAGE_REVEALED, 0);
    EXPECT_OK(message_read_revealed(&p.p, &got, NULL));
    EXPECT(got.code == STATUS_NOT_FOUND && got.part.len == 0 && slice_equal_text(got.text, "no such secret"));
    pair_done(&p);
}

TEST(failure_round_trip) {
    pair p = pair_new();
    err why;
    err_set(&why, STATUS_DENIED, "because");
    message_failed got;
    EXPECT_OK(message_send_failed(&p.a, &why, NULL));
    receive(&p, MESSAGE_FAILED, 0);
    EXPECT_OK(message_read_failed(&p.p, &got, NULL));
    EXPECT_EQ(got.code, STATUS_DENIED);
    EXPECT_BYTES(got.text, slice_from_text("because"));
    p.p.payload[0] = 0; // "failed: ok"
    EXPECT_STATUS(message_read_failed(&p.p, &got, NULL), STATUS_INVALID);
    pair_done(&p);
}
