// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "artifact/tar.h"
#include "base/mem.h"

enum { BYTES_MAX = 1 << 20, HEADER_BYTES = 512 };

static tar_entry file_of(const char *name, const char *text) {
    tar_entry t = {.bytes = slice_from_text(text)};
    snprintf(t.name, sizeof t.name, "%s", name);
    return t;
}

static tar_listing *two_files(void) {
    tar_listing *l = MEM_NEW(tar_listing);
    l->count = 2;
    l->entries[0] = file_of("one.txt", "the first");
    l->entries[1] = file_of("two.bin", "and another");
    return l;
}

static void write_two(bool is_compressed, buf *ret) {
    tar_listing *l = two_files();
    err e = {0};
    buf_init(ret, BYTES_MAX);
    EXPECT_EQ(tar_write(l, is_compressed, ret, &e), STATUS_OK);
    mem_free(l);
}

// Reads into a listing of its own that the caller frees; the status says how it went.
static status read_all(slice bytes, tar_listing **ret, buf *unpacked, err *e) {
    *ret = MEM_NEW(tar_listing);
    buf_init(unpacked, BYTES_MAX);
    if (tar_is_compressed(bytes)) {
        TRY(tar_decompress(bytes, unpacked, e));
        bytes = buf_slice(unpacked);
    }
    return tar_read(bytes, *ret, e);
}

static status read_status(slice bytes, err *e) {
    tar_listing *l;
    auto_buf unpacked;
    status s = read_all(bytes, &l, &unpacked, e);
    mem_free(l);
    return s;
}

TEST(what_was_written_is_read) {
    for (int compressed = 0; compressed < 2; compressed++) {
        auto_buf bytes, again, unpacked;
        write_two(compressed != 0, &bytes);
        write_two(compressed != 0, &again);
        EXPECT(slice_equal(buf_slice(&bytes), buf_slice(&again)));
        EXPECT_EQ(tar_is_compressed(buf_slice(&bytes)), compressed != 0);
        tar_listing *l;
        err e = {0};
        EXPECT_EQ(read_all(buf_slice(&bytes), &l, &unpacked, &e), STATUS_OK);
        REQUIRE(l->count == 2);
        EXPECT_TEXT(l->entries[0].name, "one.txt");
        EXPECT(slice_equal_text(l->entries[1].bytes, "and another"));
        mem_free(l);
    }
}

// Nothing in an uncompressed archive can be changed unnoticed but contents, whose hashes are others' concern.
TEST(every_changed_byte_is_seen) {
    auto_buf bytes;
    write_two(false, &bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= 0x11;
        tar_listing *l;
        auto_buf unpacked;
        err e = {0};
        if (read_all(buf_slice(&bytes), &l, &unpacked, &e) == STATUS_OK) {
            bool is_same = l->count == 2 && slice_equal_text(l->entries[0].bytes, "the first") &&
                           slice_equal_text(l->entries[1].bytes, "and another");
            if (is_same) {
                printf("byte %zu\n", i);
            }
            EXPECT(!is_same);
        } else {
            EXPECT(e.message[0] != '\0');
        }
        mem_free(l);
        bytes.data[i] ^= 0x11;
    }
}

// A changed byte of a gzip stream is seen at once, or it changes the contents, or it changes nothing that
// comes out: the header's time and system, the checksum (which the library does not look at), bits between
// blocks.
TEST(changed_bytes_of_gzip_without_effect_are_few) {
    auto_buf bytes;
    write_two(true, &bytes);
    size_t without_effect = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= 0x11;
        tar_listing *l;
        auto_buf unpacked;
        err e = {0};
        if (read_all(buf_slice(&bytes), &l, &unpacked, &e) == STATUS_OK) {
            REQUIRE(l->count == 2);
            without_effect += slice_equal_text(l->entries[0].bytes, "the first") &&
                              slice_equal_text(l->entries[1].bytes, "and another");
        }
        mem_free(l);
        bytes.data[i] ^= 0x11;
    }
    EXPECT(without_effect <= 12);
}

TEST(every_cut_is_seen) {
    for (int compressed = 0; compressed < 2; compressed++) {
        auto_buf bytes;
        write_two(compressed != 0, &bytes);
        for (size_t len = 0; len < bytes.len; len++) {
            err e = {0};
            status s = read_status(slice_of(bytes.data, len), &e);
            if (s == STATUS_OK) {
                printf("of %zu bytes %zu suffice\n", bytes.len, len);
            }
            EXPECT_EQ(s, STATUS_INVALID);
        }
    }
}

TEST(nothing_may_follow) {
    for (int compressed = 0; compressed < 2; compressed++) {
        auto_buf bytes, twice;
        write_two(compressed != 0, &bytes);
        err e = {0};
        buf_init(&twice, BYTES_MAX);
        EXPECT_EQ(buf_append(&twice, buf_slice(&bytes)), STATUS_OK);
        EXPECT_EQ(buf_append(&twice, buf_slice(&bytes)), STATUS_OK);
        EXPECT_EQ(read_status(buf_slice(&twice), &e), STATUS_INVALID);
        EXPECT_EQ(buf_append_byte(&bytes, 'x'), STATUS_OK);
        EXPECT_EQ(read_status(buf_slice(&bytes), &e), STATUS_INVALID);
    }
}

// What follows ends like the stream does, so that its length looks right.
TEST(nothing_may_follow_gzip_even_when_it_ends_alike) {
    for (size_t zeros = 0; zeros < 70000; zeros = zeros * 3 + 1) {
        auto_buf bytes;
        write_two(true, &bytes);
        uint8_t end[8];
        memcpy(end, bytes.data + bytes.len - sizeof end, sizeof end);
        for (size_t i = 0; i < zeros; i++) {
            EXPECT_OK(buf_append_byte(&bytes, 0));
        }
        EXPECT_OK(buf_append(&bytes, slice_of(end, sizeof end)));
        err e = {0};
        EXPECT_EQ(read_status(buf_slice(&bytes), &e), STATUS_INVALID);
        EXPECT_CONTAINS(e.message, "behind");
    }
}

TEST(gzip_is_undone_once) {
    auto_buf inner, outer;
    write_two(true, &inner);
    buf_init(&outer, BYTES_MAX);
    err e = {0};
    // By hand: a stored block (RFC 1951, 3.2.4) in a gzip frame (RFC 1952).
    uint8_t low = (uint8_t)inner.len, high = (uint8_t)(inner.len >> 8);
    uint8_t head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, low, high, (uint8_t)~low, (uint8_t)~high};
    uint8_t tail[] = {0, 0, 0, 0, low, high, 0, 0};
    EXPECT_EQ(buf_append(&outer, slice_of(head, sizeof head)), STATUS_OK);
    EXPECT_EQ(buf_append(&outer, buf_slice(&inner)), STATUS_OK);
    EXPECT_EQ(buf_append(&outer, slice_of(tail, sizeof tail)), STATUS_OK);
    EXPECT_EQ(read_status(buf_slice(&outer), &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "more than once");
}

TEST(a_bomb_ends_at_the_limit) {
    tar_listing *l = MEM_NEW(tar_listing);
    uint8_t *zeros = mem_zalloc(64 << 20);
    auto_buf bomb, unpacked;
    buf_init(&bomb, BYTES_MAX);
    buf_init(&unpacked, BYTES_MAX);
    err e = {0};
    l->count = 1;
    l->entries[0] = file_of("zeros", "");
    l->entries[0].bytes = slice_of(zeros, 64 << 20);
    EXPECT_EQ(tar_write(l, true, &bomb, &e), STATUS_OK);
    EXPECT(bomb.len < 100000);
    EXPECT_EQ(tar_decompress(buf_slice(&bomb), &unpacked, &e), STATUS_LIMIT);
    EXPECT(unpacked.len <= BYTES_MAX);
    mem_free(zeros);
    mem_free(l);
}

TEST(writing_stops_at_the_limit) {
    tar_listing *l = two_files();
    for (size_t max = 0; max < 3000; max += 500) {
        auto_buf out;
        buf_init(&out, max);
        err e = {0};
        EXPECT_EQ(tar_write(l, false, &out, &e), STATUS_LIMIT);
        EXPECT_EQ(out.len, 0);
    }
    mem_free(l);
}

static void set_checksum(uint8_t *header) {
    memset(header + 148, ' ', 8);
    unsigned sum = 0;
    for (size_t i = 0; i < HEADER_BYTES; i++) {
        sum += header[i];
    }
    snprintf((char *)header + 148, 8, "%06o", sum);
    header[155] = ' ';
}

static void expect_refused_as(buf *bytes, const char *why) {
    set_checksum(bytes->data);
    err e = {0};
    EXPECT_EQ(read_status(buf_slice(bytes), &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, why);
}

// Links, devices, folders, GNU long names and links, PAX headers, sparse files, volume labels.
TEST(only_plain_files_are_read) {
    static const char types[] = "1234567LKxgXSVNMD";
    for (const char *t = types; *t != '\0'; t++) {
        auto_buf bytes;
        write_two(false, &bytes);
        bytes.data[156] = (uint8_t)*t;
        expect_refused_as(&bytes, "plain files");
    }
}

TEST(a_name_cannot_be_read_in_two_ways) {
    auto_buf bytes;
    write_two(false, &bytes);
    memcpy(bytes.data, "one/", 5); // a folder, to readers of old archives
    bytes.data[156] = 0;
    expect_refused_as(&bytes, "");
    bytes.data[0] = 0;
    expect_refused_as(&bytes, "two ways");
    memset(bytes.data, 'n', 100);
    memcpy(bytes.data + 257, "ustar\00000", 8);
    memcpy(bytes.data + 345, "../..", 5);
    expect_refused_as(&bytes, "folder");
    memcpy(bytes.data + 257, "custom\0 ", 8);
    expect_refused_as(&bytes, "neither");
}

TEST(sizes_stay_inside) {
    auto_buf bytes;
    write_two(false, &bytes);
    memcpy(bytes.data + 124, "77777777777", 11);
    expect_refused_as(&bytes, "ends inside");
    memset(bytes.data + 124, 0xff, 12); // base 256, negative
    expect_refused_as(&bytes, "");
    memcpy(bytes.data + 124, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12);
    expect_refused_as(&bytes, "");
}

TEST(entries_are_counted) {
    tar_listing *l = MEM_NEW(tar_listing);
    auto_buf bytes, both;
    buf_init(&bytes, BYTES_MAX);
    buf_init(&both, BYTES_MAX);
    err e = {0};
    l->count = TAR_ENTRIES_MAX;
    for (size_t i = 0; i < TAR_ENTRIES_MAX; i++) {
        l->entries[i] = file_of("same", "");
    }
    EXPECT_EQ(tar_write(l, false, &bytes, &e), STATUS_OK);
    EXPECT_EQ(read_status(buf_slice(&bytes), &e), STATUS_OK);
    EXPECT_EQ(buf_append(&both, slice_of(bytes.data, HEADER_BYTES)), STATUS_OK);
    EXPECT_EQ(buf_append(&both, buf_slice(&bytes)), STATUS_OK);
    EXPECT_EQ(read_status(buf_slice(&both), &e), STATUS_LIMIT);
    mem_free(l);
}
