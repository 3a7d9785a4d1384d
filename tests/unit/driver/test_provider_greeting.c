// SPDX-License-Identifier: Apache-2.0
// The greeting of links to providers, both ends against each other and against what is something else.
#include "driver/provider/greeting.h"
#include "driver/provider/messages.h"
#include "test.h"

static const slice key = SLICE_LITERAL("0123456789abcdef");
static const slice other_key = SLICE_LITERAL("0123456789abcdeg");

static void begin(greeting *client, greeting *server) {
    uint8_t nonce[GREETING_NONCE_BYTES];
    memset(nonce, 1, sizeof nonce);
    greeting_begin(client, GREETING_CLIENT, nonce);
    memset(nonce, 2, sizeof nonce);
    greeting_begin(server, GREETING_SERVER, nonce);
}

// In pieces of `step` bytes, with something behind.
static status pass(greeting *from, greeting *to, slice k, size_t step, err *e) {
    uint8_t bytes[2 * GREETING_BYTES_MAX];
    size_t len = from->out_len;
    memset(bytes, 0x55, sizeof bytes);
    memcpy(bytes, from->out, len);
    from->out_len = 0;
    for (size_t at = 0; at < len;) {
        size_t taken = 0;
        TRY(greeting_take(to, k, slice_of(bytes + at, step), &taken, e));
        EXPECT(taken > 0 && at + taken <= len);
        at += taken;
    }
    return STATUS_OK;
}

TEST(both_ends_believe_each_other) {
    for (size_t step = 1; step <= GREETING_BYTES_MAX; step += 7) {
        greeting c, s;
        size_t taken;
        begin(&c, &s);
        EXPECT_OK(pass(&c, &s, key, step, NULL));
        EXPECT(!s.is_done);
        EXPECT_OK(pass(&s, &c, key, step, NULL));
        EXPECT(c.is_done && !s.is_done);
        EXPECT_OK(pass(&c, &s, key, step, NULL));
        EXPECT(s.is_done);
        EXPECT_OK(greeting_take(&s, key, slice_of("more", 4), &taken, NULL));
        EXPECT_EQ(taken, (size_t)0);
    }
}

TEST(who_has_another_key_is_not_believed) {
    greeting c, s;
    err e = {0};
    begin(&c, &s);
    EXPECT_OK(pass(&c, &s, other_key, 72, NULL));
    EXPECT_STATUS(pass(&s, &c, key, 72, &e), STATUS_DENIED); // the provider
    EXPECT_CONTAINS(e.message, "another key");
    EXPECT(!c.is_done);
    begin(&c, &s);
    EXPECT_OK(pass(&c, &s, key, 72, NULL));
    EXPECT_OK(pass(&s, &c, key, 72, NULL));
    c.out[5] ^= 1; // the host
    EXPECT_STATUS(pass(&c, &s, key, 72, &e), STATUS_DENIED);
    EXPECT(!s.is_done);
}

TEST(what_was_said_once_is_worth_nothing_again) {
    greeting c, s, again;
    uint8_t hello[GREETING_BYTES_MAX], proof[GREETING_BYTES_MAX], nonce[GREETING_NONCE_BYTES];
    size_t taken;
    begin(&c, &s);
    memcpy(hello, c.out, sizeof hello);
    EXPECT_OK(pass(&c, &s, key, 72, NULL));
    EXPECT_OK(pass(&s, &c, key, 72, NULL));
    memcpy(proof, c.out, sizeof proof);
    memset(nonce, 3, sizeof nonce);
    greeting_begin(&again, GREETING_SERVER, nonce);
    EXPECT_OK(greeting_take(&again, key, slice_of(hello, 40), &taken, NULL));
    EXPECT_STATUS(greeting_take(&again, key, slice_of(proof, 32), &taken, NULL), STATUS_DENIED);
    // The server's own proof as the client's.
    greeting_begin(&again, GREETING_SERVER, nonce);
    EXPECT_OK(greeting_take(&again, key, slice_of(hello, 40), &taken, NULL));
    memcpy(proof, again.out + 40, 32);
    EXPECT_STATUS(greeting_take(&again, key, slice_of(proof, 32), &taken, NULL), STATUS_DENIED);
    // Its own hello.
    begin(&c, &s);
    memcpy(hello, c.out, 40);
    err e = {0};
    EXPECT_STATUS(greeting_take(&c, key, slice_of(hello, 72), &taken, &e), STATUS_DENIED);
    EXPECT_CONTAINS(e.message, "repeats");
}

TEST(another_protocol_is_told) {
    greeting c, s;
    size_t taken;
    err e = {0};
    begin(&c, &s);
    EXPECT_STATUS(
        greeting_take(&s, key, slice_from_text("GET / HTTP/1.1\r\nHost: 127.0.0.1:7400\r\n\r\n"), &taken, &e),
        STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "no host");
}

// --- messages ----------------------------------------------------------------------------------------------

TEST(a_link_is_read_as_it_was_written) {
    static provider_open o, read;
    auto_buf bytes;
    buf_init(&bytes, PROVIDER_MESSAGE_BYTES_MAX);
    o.driver = slice_from_text("redis");
    o.workload = slice_from_text("shop");
    o.interfaces[0] = slice_from_text("wasi:keyvalue/store");
    o.interface_count = 1;
    o.settings[0] = (driver_value){slice_from_text("host"), slice_from_text("::1")};
    o.setting_count = 1;
    o.credentials[0] = (driver_value){slice_from_text("password"), slice_of("\xff\0x", 3)};
    o.credential_count = 1;
    EXPECT_OK(provider_write_open(&o, &bytes, NULL));
    EXPECT_OK(provider_read_open(buf_slice(&bytes), &read, NULL));
    EXPECT(slice_equal(read.driver, o.driver) && slice_equal(read.workload, o.workload));
    EXPECT(read.interface_count == 1 && slice_equal(read.interfaces[0], o.interfaces[0]));
    EXPECT(read.setting_count == 1 && slice_equal(read.settings[0].value, o.settings[0].value));
    EXPECT(read.credential_count == 1 && slice_equal(read.credentials[0].value, o.credentials[0].value));
    for (size_t cut = 0; cut < bytes.len; cut++) {
        EXPECT(provider_read_open(slice_of(bytes.data, cut), &read, NULL) != STATUS_OK);
    }
    EXPECT(provider_read_open(slice_from_text("\x00\x00\x7f"), &read, NULL) != STATUS_OK);
}

TEST(health_and_losses_are_bounded) {
    driver_health h = {.state = DRIVER_DOWN, .reason = "gone"}, read;
    auto_buf bytes;
    char text[2 * PROVIDER_TEXT_BYTES_MAX];
    status why;
    slice what;
    buf_init(&bytes, PROVIDER_MESSAGE_BYTES_MAX);
    EXPECT_OK(provider_write_health(&h, &bytes, NULL));
    EXPECT_OK(provider_read_health(buf_slice(&bytes), &read, NULL));
    EXPECT_EQ(read.state, DRIVER_DOWN);
    EXPECT_TEXT(read.reason, "gone");
    EXPECT(provider_read_health(slice_of("\x03\x00", 2), &read, NULL) != STATUS_OK);
    buf_clear(&bytes);
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    EXPECT_OK(provider_write_lost(STATUS_TIMEOUT, text, &bytes, NULL));
    EXPECT_OK(provider_read_lost(buf_slice(&bytes), &why, &what, NULL));
    EXPECT_EQ(why, STATUS_TIMEOUT);
    EXPECT_EQ(what.len, (size_t)PROVIDER_TEXT_BYTES_MAX);
    EXPECT(provider_read_lost(slice_of("\x63\x00", 2), &why, &what, NULL) != STATUS_OK);
    EXPECT_EQ(provider_check_code(STATUS_TRAP), STATUS_IO);
    EXPECT_EQ(provider_check_code(STATUS_CANCELLED), STATUS_IO);
    EXPECT_EQ(provider_check_code(STATUS_DENIED), STATUS_DENIED);
}
