// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <sys/socket.h>
#include <unistd.h>

#include "os/channel.h"
#include "os/fd.h"

typedef struct pair {
    channel a;
    channel b;
} pair;

static pair pair_new(void) {
    pair p = {{-1}, {-1}};
    EXPECT_OK(channel_pair(1 << 16, &p.a, &p.b, NULL));
    return p;
}

static void pair_done(pair *p) {
    channel_close(&p->a);
    channel_close(&p->b);
}

TEST(packets_arrive_whole_and_in_order) {
    pair p = pair_new();
    channel_packet got;
    EXPECT_OK(channel_send(&p.a, 7, slice_from_text("one"), NULL, 0, NULL));
    EXPECT_OK(channel_send(&p.a, 8, slice_empty(), NULL, 0, NULL));
    EXPECT_OK(channel_receive(&p.b, 0, &got, NULL));
    EXPECT_EQ(got.type, 7);
    EXPECT_BYTES(channel_packet_payload(&got), slice_from_text("one"));
    EXPECT_OK(channel_receive(&p.b, 0, &got, NULL));
    EXPECT_EQ(got.type, 8);
    EXPECT_EQ(got.len, 0);
    EXPECT_STATUS(channel_receive(&p.b, 0, &got, NULL), STATUS_NOT_FOUND);
    pair_done(&p);
}

TEST(largest_payload_fits) {
    pair p = pair_new();
    static uint8_t bytes[CHANNEL_PAYLOAD_BYTES_MAX];
    memset(bytes, 0x5a, sizeof bytes);
    channel_packet got;
    EXPECT_OK(channel_send(&p.a, 1, slice_of(bytes, sizeof bytes), NULL, 0, NULL));
    EXPECT_OK(channel_receive(&p.b, 0, &got, NULL));
    EXPECT_BYTES(channel_packet_payload(&got), slice_of(bytes, sizeof bytes));
    pair_done(&p);
}

TEST(descriptors_arrive_and_work) {
    pair p = pair_new();
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    EXPECT_OK(channel_send(&p.a, 1, slice_from_text("x"), &ends[1], 1, NULL));
    close(ends[1]);
    channel_packet got;
    EXPECT_OK(channel_receive(&p.b, 1, &got, NULL));
    EXPECT_EQ(got.fd_count, 1);
    int fd = channel_packet_take(&got, 0);
    EXPECT(channel_packet_take(&got, 0) == -1);
    EXPECT_OK(fd_write_all(fd, slice_from_text("hi"), NULL));
    fd_close(fd);
    channel_packet_done(&got);
    char text[4];
    EXPECT_EQ(read(ends[0], text, sizeof text), 2);
    EXPECT_EQ(read(ends[0], text, sizeof text), 0); // no copy of the writing end was leaked
    close(ends[0]);
    pair_done(&p);
}

// A receiver that expects no descriptors must not end up owning any.
TEST(unexpected_descriptors_are_dropped) {
    pair p = pair_new();
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    channel_packet got;
    EXPECT_OK(channel_send(&p.a, 1, slice_from_text("x"), &ends[1], 1, NULL));
    EXPECT_STATUS(channel_receive(&p.b, 0, &got, NULL), STATUS_INVALID);
    EXPECT_OK(channel_send(&p.a, 1, slice_from_text("x"), (int[]){ends[1], ends[1]}, 2, NULL));
    EXPECT_STATUS(channel_receive(&p.b, 1, &got, NULL), STATUS_INVALID);
    close(ends[1]);
    char byte;
    EXPECT_EQ(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    pair_done(&p);
}

TEST(wrong_shapes_are_refused) {
    pair p = pair_new();
    static uint8_t large[sizeof(uint32_t) + CHANNEL_PAYLOAD_BYTES_MAX + 1];
    channel_packet got;
    EXPECT_EQ(send(p.a.fd, "abc", 3, 0), 3);
    EXPECT_STATUS(channel_receive(&p.b, 0, &got, NULL), STATUS_INVALID);
    EXPECT_EQ(send(p.a.fd, large, sizeof large, 0), sizeof large);
    EXPECT_STATUS(channel_receive(&p.b, 0, &got, NULL), STATUS_INVALID);
    EXPECT_OK(channel_send(&p.a, 3, slice_empty(), NULL, 0, NULL));
    EXPECT_OK(channel_receive(&p.b, 0, &got, NULL)); // and the channel still works
    pair_done(&p);
}

TEST(full_channel_answers_limit) {
    pair p = pair_new();
    static uint8_t bytes[4096];
    status s = STATUS_OK;
    for (int i = 0; i < 100000 && s == STATUS_OK; i++) {
        s = channel_send(&p.a, 1, slice_of(bytes, sizeof bytes), NULL, 0, NULL);
    }
    EXPECT_EQ(s, STATUS_LIMIT);
    channel_packet got;
    EXPECT_OK(channel_receive(&p.b, 0, &got, NULL));
    EXPECT_OK(channel_send(&p.a, 1, slice_of(bytes, 1), NULL, 0, NULL));
    pair_done(&p);
}

TEST(closed_peer_is_noticed) {
    pair p = pair_new();
    channel_packet got;
    EXPECT_OK(channel_send(&p.a, 1, slice_from_text("last"), NULL, 0, NULL));
    channel_close(&p.a);
    EXPECT_OK(channel_receive(&p.b, 0, &got, NULL));
    EXPECT_STATUS(channel_receive(&p.b, 0, &got, NULL), STATUS_CLOSED);
    EXPECT_STATUS(channel_send(&p.b, 1, slice_empty(), NULL, 0, NULL), STATUS_CLOSED);
    EXPECT_STATUS(channel_send(&p.a, 1, slice_empty(), NULL, 0, NULL), STATUS_CLOSED);
    pair_done(&p);
}

TEST(waiting_ends) {
    pair p = pair_new();
    channel_packet got;
    EXPECT_STATUS(channel_wait(&p.b, 1, 0, &got, NULL), STATUS_TIMEOUT);
    EXPECT_OK(channel_send(&p.a, 4, slice_empty(), NULL, 0, NULL));
    EXPECT_OK(channel_wait(&p.b, -1, 0, &got, NULL));
    EXPECT_EQ(got.type, 4);
    pair_done(&p);
}
