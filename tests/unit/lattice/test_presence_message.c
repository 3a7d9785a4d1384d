// SPDX-License-Identifier: Apache-2.0
#include "lattice/presence_message.h"

#include "base/mem.h"
#include "test.h"

static presence_message plain(presence_kind kind) {
    return (presence_message){
        .kind = kind, .version = slice_from_text("0.1.0"), .beat_ms = 3000, .revision = 7, .parts = 1};
}

static status again(const presence_message *m, arena *memory, presence_message *ret, err *e) {
    auto_buf bytes;
    buf_init(&bytes, PRESENCE_BYTES_MAX);
    TRY(presence_message_write(m, &bytes, e));
    slice copy = arena_copy(memory, buf_slice(&bytes));
    return presence_message_read(copy, memory, ret, e);
}

TEST(what_is_written_is_read) {
    auto_arena memory;
    arena_init(&memory, 1 << 20);
    const presence_item items[] = {{slice_from_text("hello"), false, false, 3},
                                   {slice_from_text("http-server_1"), true, false, -1},
                                   {slice_from_text("gone"), false, true, 0}};
    presence_message m = plain(PRESENCE_CHANGE);
    m.allows_unsigned_peers = true;
    m.in_flight = 12;
    m.room = 400;
    m.serves = 2;
    m.items = items;
    m.item_count = 3;
    presence_message r;
    err e;
    EXPECT_STATUS_ERR(again(&m, &memory, &r, &e), STATUS_OK, e);
    EXPECT_EQ(r.kind, PRESENCE_CHANGE);
    EXPECT(r.allows_unsigned_peers && !r.is_draining);
    EXPECT_BYTES(r.version, slice_from_text("0.1.0"));
    EXPECT_EQ(r.beat_ms, 3000);
    EXPECT_EQ(r.in_flight, 12);
    EXPECT_EQ(r.room, 400);
    EXPECT_U64(r.revision, 7);
    EXPECT_EQ(r.serves, 2);
    REQUIRE(r.item_count == 3);
    EXPECT_BYTES(r.items[1].id, items[1].id);
    EXPECT(r.items[1].is_provider && r.items[1].revision == -1);
    EXPECT(r.items[2].is_gone && !r.items[2].is_provider);
}

TEST(bounds_are_kept_when_writing) {
    auto_arena memory;
    arena_init(&memory, 1 << 20);
    presence_message r;
    presence_message m = plain(PRESENCE_BEAT);
    m.beat_ms = 0;
    EXPECT_STATUS(again(&m, &memory, &r, NULL), STATUS_LIMIT);
    m = plain(PRESENCE_ALL);
    m.part = 1;
    EXPECT_STATUS(again(&m, &memory, &r, NULL), STATUS_LIMIT);
    const presence_item item = {.id = slice_from_text("a.b")};
    m = plain(PRESENCE_ALL);
    m.items = &item;
    m.item_count = 1;
    EXPECT_STATUS(again(&m, &memory, &r, NULL), STATUS_LIMIT);
}

static void expect_refused(const presence_message *m, size_t at, uint8_t byte, const char *part) {
    auto_arena memory;
    auto_buf bytes;
    arena_init(&memory, 1 << 20);
    buf_init(&bytes, PRESENCE_BYTES_MAX);
    REQUIRE(presence_message_write(m, &bytes, NULL) == STATUS_OK);
    REQUIRE(at < bytes.len);
    bytes.data[at] = byte;
    presence_message r;
    err e = {0};
    EXPECT_STATUS(presence_message_read(buf_slice(&bytes), &memory, &r, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, part);
}

TEST(refuses_what_is_none) {
    const presence_item item = {.id = slice_from_text("ab"), .revision = 1};
    presence_message m = plain(PRESENCE_ALL);
    m.items = &item;
    m.item_count = m.serves = 1;
    expect_refused(&m, 0, 2, "format");
    expect_refused(&m, 1, PRESENCE_KIND_COUNT, "kind");
    expect_refused(&m, 1, PRESENCE_BEAT, "more items");
    size_t item_at = 0;
    auto_buf bytes;
    buf_init(&bytes, PRESENCE_BYTES_MAX);
    REQUIRE(presence_message_write(&m, &bytes, NULL) == STATUS_OK);
    item_at = bytes.len - 5;                        // kind, length, two bytes, revision
    expect_refused(&m, item_at, 2, "kind of item"); // gone, in a list of all
    expect_refused(&m, item_at, 9, "kind of item");
    expect_refused(&m, item_at + 2, '*', "an id");
    expect_refused(&m, item_at + 1, 1, "presence"); // bytes are left
    for (size_t len = 0; len < bytes.len; len++) {
        auto_arena memory;
        arena_init(&memory, 1 << 20);
        presence_message r;
        EXPECT_STATUS(presence_message_read(slice_of(bytes.data, len), &memory, &r, NULL), STATUS_INVALID);
    }
}
