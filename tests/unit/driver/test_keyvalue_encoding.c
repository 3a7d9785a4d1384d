// SPDX-License-Identifier: Apache-2.0
// The bytes of key-value calls and answers, known ones and all of them there and back; numbers; what drivers
// share.
#include "test.h"
#include "unit/driver/helper_keyvalue.h"

static void expect_call(const keyvalue_call *c, const char *bytes, size_t len) {
    auto_buf b;
    buf_init(&b, 1000);
    EXPECT_OK(keyvalue_call_encode(c, &b, NULL));
    EXPECT_BYTES(buf_slice(&b), slice_of(bytes, len));
}

TEST(the_known_examples) {
    keyvalue_call c = kv_key_call(KEYVALUE_GET, "b", "k");
    expect_call(&c, "\x01\x62\x01\x6b", 4);
    c = kv_key_call(KEYVALUE_INCREMENT, "b", "k");
    c.delta = 300;
    expect_call(&c, "\x01\x62\x01\x6b\xac\x02", 6);
    static const uint8_t some[] = {0, 1, 2, 1, 2};
    static const uint8_t none[] = {0, 0};
    static const uint8_t other[] = {1, 2, 1, 'x'};
    auto_arena a;
    arena_init(&a, 1000);
    keyvalue_answer x;
    EXPECT_OK(keyvalue_answer_decode(KEYVALUE_GET, slice_of(some, 5), &a, &x, NULL));
    EXPECT(!x.is_error && x.is_there && x.value.len == 2);
    EXPECT_OK(keyvalue_answer_decode(KEYVALUE_GET, slice_of(none, 2), &a, &x, NULL));
    EXPECT(!x.is_error && !x.is_there);
    EXPECT_OK(keyvalue_answer_decode(KEYVALUE_GET, slice_of(other, 4), &a, &x, NULL));
    EXPECT(x.is_error && x.error == KEYVALUE_OTHER && slice_equal_text(x.message, "x"));
}

TEST(every_function_has_a_name_that_finds_it) {
    for (unsigned f = 0; f < KEYVALUE_FUNCTION_COUNT; f++) {
        keyvalue_function found;
        EXPECT(keyvalue_function_find(slice_from_text(keyvalue_interface_name((keyvalue_function)f)),
                                      slice_from_text(keyvalue_function_name((keyvalue_function)f)), &found));
        EXPECT_EQ(found, f);
    }
    keyvalue_function found;
    EXPECT(!keyvalue_function_find(slice_from_text("wasi:keyvalue/atomics"), slice_from_text("get"), &found));
}

TEST(answers_come_back) {
    keyvalue_item items[2] = {{slice_from_text("k"), slice_from_text("v"), true}, {.is_there = false}};
    keyvalue_answer list = {.items = items, .count = 1, .has_cursor = true, .cursor = UINT64_MAX};
    keyvalue_answer many = {.items = items, .count = 2};
    keyvalue_answer denied = {.is_error = true, .error = KEYVALUE_ACCESS_DENIED};
    keyvalue_answer number = {.number = (uint64_t)INT64_MIN};
    auto_arena a;
    arena_init(&a, 10000);
    auto_buf b;
    buf_init(&b, 1000);
    keyvalue_answer x;
    EXPECT_OK(keyvalue_answer_encode(KEYVALUE_LIST_KEYS, &list, &b, NULL));
    EXPECT_OK(keyvalue_answer_decode(KEYVALUE_LIST_KEYS, buf_slice(&b), &a, &x, NULL));
    EXPECT(x.count == 1 && slice_equal_text(x.items[0].key, "k") && x.has_cursor && x.cursor == UINT64_MAX);
    buf_clear(&b);
    EXPECT_OK(keyvalue_answer_encode(KEYVALUE_GET_MANY, &many, &b, NULL));
    EXPECT_OK(keyvalue_answer_decode(KEYVALUE_GET_MANY, buf_slice(&b), &a, &x, NULL));
    EXPECT(x.count == 2 && x.items[0].is_there && !x.items[1].is_there);
    buf_clear(&b);
    EXPECT_OK(keyvalue_answer_encode(KEYVALUE_SET, &denied, &b, NULL));
    EXPECT_OK(keyvalue_answer_decode(KEYVALUE_SET, buf_slice(&b), &a, &x, NULL));
    EXPECT(x.is_error && x.error == KEYVALUE_ACCESS_DENIED);
    buf_clear(&b);
    EXPECT_OK(keyvalue_answer_encode(KEYVALUE_INCREMENT_SIGNED, &number, &b, NULL));
    EXPECT_OK(keyvalue_answer_decode(KEYVALUE_INCREMENT_SIGNED, buf_slice(&b), &a, &x, NULL));
    EXPECT_EQ((int64_t)x.number, INT64_MIN);
}

TEST(lists_are_bounded) {
    auto_buf b;
    buf_init(&b, 100000);
    EXPECT_OK(buf_append(&b, slice_from_text("\x01"
                                             "b\x81\x20"))); // 4097 keys
    for (int i = 0; i < 4097; i++) {
        EXPECT_OK(buf_append(&b, slice_from_text("\x01"
                                                 "k")));
    }
    auto_arena a;
    arena_init(&a, 1 << 20);
    keyvalue_call c;
    err e = {0};
    EXPECT_STATUS(keyvalue_call_decode(KEYVALUE_GET_MANY, buf_slice(&b), &a, &c, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "too many items");
}

TEST(numbers_are_read_as_redis_reads_them) {
    static const struct {
        const char *text;
        bool ok;
        int64_t number;
    } cases[] = {{"0", true, 0},
                 {"-1", true, -1},
                 {"9223372036854775807", true, INT64_MAX},
                 {"-9223372036854775808", true, INT64_MIN},
                 {"-9223372036854775809", false, 0},
                 {"9223372036854775808", false, 0},
                 {"-0", false, 0},
                 {"00", false, 0},
                 {"", false, 0},
                 {"-", false, 0},
                 {"1 ", false, 0},
                 {"0x1", false, 0},
                 {"99999999999999999999", false, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t n = 0;
        EXPECT_EQ(keyvalue_number_read(slice_from_text(cases[i].text), &n), cases[i].ok);
        if (cases[i].ok) {
            char text[KEYVALUE_NUMBER_BYTES_MAX + 1];
            EXPECT_EQ(n, cases[i].number);
            EXPECT(slice_equal_text(keyvalue_number_write(n, text), cases[i].text));
        }
    }
}

TEST(drivers_are_found_by_name_and_interface) {
    slice store = SLICE_LITERAL("wasi:keyvalue/store");
    EXPECT(driver_find(slice_from_text("sqlite"), store) == &keyvalue_sqlite);
    EXPECT(driver_find(slice_from_text("redis"), store) == &keyvalue_redis);
    EXPECT(driver_find(slice_from_text("redis"), slice_from_text("wasi:http/types")) == NULL);
    EXPECT(driver_find(slice_from_text("oracle"), store) == NULL);
    for (size_t i = 0; driver_all()[i] != NULL; i++) {
        const driver *d = driver_all()[i];
        EXPECT_EQ(d->version, DRIVER_VERSION);
        EXPECT(d->interfaces[0] != NULL);
        for (size_t k = 0; d->interfaces[k] != NULL; k++) { // no two have the same name and interface
            EXPECT(driver_find(slice_from_text(d->name), slice_from_text(d->interfaces[k])) == d);
        }
    }
}

TEST(settings_are_checked_before_a_link_opens) {
    static const driver_value twice[] = {{SLICE_LITERAL("path"), SLICE_LITERAL("/x")},
                                         {SLICE_LITERAL("path"), SLICE_LITERAL("/y")}};
    static const driver_value clear[] = {{SLICE_LITERAL("password"), SLICE_LITERAL("hush")}};
    static const driver_value secret[] = {{SLICE_LITERAL("host"), SLICE_LITERAL("hush")}};
    const driver_values v_twice = {twice, 2};
    const driver_values v_clear = {clear, 1};
    const driver_values v_secret = {secret, 1};
    kv k = {0};
    err e = {0};
    kv_start(&k);
    EXPECT_STATUS(kv_open(&k, &keyvalue_sqlite, &v_twice, NULL, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "twice");
    EXPECT_STATUS(kv_open(&k, &keyvalue_redis, &v_clear, NULL, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "name a secret");
    EXPECT_STATUS(kv_open(&k, &keyvalue_redis, NULL, &v_secret, &e), STATUS_INVALID);
    EXPECT(strstr(e.message, "hush") == NULL);
    k.env.connector = NULL;
    EXPECT_STATUS(kv_open(&k, &keyvalue_redis, NULL, NULL, &e), STATUS_UNSUPPORTED);
    kv_stop(&k);
}
