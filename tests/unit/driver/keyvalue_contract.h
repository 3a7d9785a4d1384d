// SPDX-License-Identifier: Apache-2.0
// The contract of key-value (driver/keyvalue/keyvalue.h), as tests that hold for every driver. A test file
// says how its driver is opened and closed, and has them all:
//
//   static const char *open_it(kv *k);   NULL, or why the tests cannot run here
//   static void close_it(kv *k);
//   KEYVALUE_CONTRACT(open_it, close_it)
#pragma once

#include "base/mem.h"
#include "test.h"
#include "unit/driver/helper_keyvalue.h"

static void contract_values(kv *k) {
    EXPECT(kv_is(k, "b", "k", NULL));
    EXPECT(!kv_exists(k, "b", "k"));
    EXPECT(kv_set(k, "b", "k", "one"));
    EXPECT(kv_is(k, "b", "k", "one"));
    EXPECT(kv_exists(k, "b", "k"));
    EXPECT(kv_set(k, "b", "k", "a longer second"));
    EXPECT(kv_is(k, "b", "k", "a longer second"));
    EXPECT(kv_set(k, "b", "k", ""));
    EXPECT(kv_is(k, "b", "k", ""));
    EXPECT(kv_exists(k, "b", "k"));
    EXPECT(kv_delete(k, "b", "k"));
    EXPECT(kv_delete(k, "b", "k"));
    EXPECT(kv_is(k, "b", "k", NULL));
}

static void contract_bytes(kv *k) {
    uint8_t bytes[256];
    for (int i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)i;
    }
    static const char *const keys[] = {"*",
                                       "a*b?[c]\\",
                                       "with:colon",
                                       "per%3Acent",
                                       "\xc3\xa4\xe2\x82\xac",
                                       " ",
                                       "line\r\nbreak",
                                       "'; DROP TABLE keyvalue; --"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        keyvalue_call c = kv_key_call(KEYVALUE_SET, "b", keys[i]);
        c.value = slice_of(bytes, sizeof bytes - i);
        EXPECT(kv_do(k, &c));
    }
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        keyvalue_call c = kv_key_call(KEYVALUE_GET, "b", keys[i]);
        kv_pending p;
        kv_call(k, &c, &p);
        EXPECT_BYTES(p.answer.value, slice_of(bytes, sizeof bytes - i));
        kv_pending_done(&p);
    }
    keyvalue_call zero = {
        .function = KEYVALUE_SET, .bucket = slice_from_text("b"), .key = slice_of("a\0b", 3)};
    zero.value = slice_from_text("zero");
    EXPECT(kv_do(k, &zero));
    EXPECT(kv_is(k, "b", "a", NULL));
}

// The settings of the tests: keys of 100 bytes, values of 1 MiB.
static void contract_bounds(kv *k) {
    char key[102];
    memset(key, 'k', sizeof key);
    size_t value_max = 1 << 20;
    uint8_t *value = mem_alloc(value_max + 1);
    memset(value, 0xa5, value_max + 1);
    keyvalue_call set = {.function = KEYVALUE_SET, .bucket = slice_from_text("b")};
    set.key = slice_of(key, 100);
    set.value = slice_of(value, value_max);
    EXPECT(kv_do(k, &set));
    keyvalue_call get = {.function = KEYVALUE_GET, .bucket = set.bucket, .key = set.key};
    kv_pending p;
    kv_call(k, &get, &p);
    EXPECT(p.code == STATUS_OK && slice_equal(p.answer.value, set.value));
    kv_pending_done(&p);
    set.value = slice_of(value, value_max + 1);
    EXPECT(kv_is_error(k, &set, KEYVALUE_OTHER, "longer"));
    set.value = slice_empty();
    set.key = slice_of(key, 101);
    EXPECT(kv_is_error(k, &set, KEYVALUE_OTHER, "longer"));
    set.key = slice_empty();
    EXPECT(kv_is_error(k, &set, KEYVALUE_OTHER, "at least one byte"));
    keyvalue_item items[2] = {{.key = slice_of(key, 1)}, {.key = slice_of(key, 101)}};
    keyvalue_call many = {.function = KEYVALUE_DELETE_MANY, .bucket = set.bucket, .items = items, .count = 2};
    EXPECT(kv_is_error(k, &many, KEYVALUE_OTHER, "longer"));
    kv_call(k, &get, &p);
    EXPECT(p.code == STATUS_OK && p.answer.value.len == value_max);
    kv_pending_done(&p);
    mem_free(value);
}

static void contract_buckets(kv *k) {
    EXPECT(kv_set(k, "one", "k", "1"));
    EXPECT(kv_set(k, "two", "k", "2"));
    EXPECT(kv_set(k, "", "k", "3"));
    EXPECT(kv_set(k, "one:k", "", "x") == false); // an empty key
    EXPECT(kv_set(k, "a", "b:c", "4"));
    EXPECT(kv_set(k, "a:b", "c", "5"));
    EXPECT(kv_set(k, "a%3Ab", "c", "6"));
    EXPECT(kv_is(k, "one", "k", "1"));
    EXPECT(kv_is(k, "two", "k", "2"));
    EXPECT(kv_is(k, "", "k", "3"));
    EXPECT(kv_is(k, "a", "b:c", "4"));
    EXPECT(kv_is(k, "a:b", "c", "5"));
    EXPECT(kv_is(k, "three", "k", NULL));
    keyvalue_call c = kv_key_call(KEYVALUE_GET, "other", "k"); // none of the setting `buckets`
    EXPECT(kv_is_error(k, &c, KEYVALUE_NO_SUCH_STORE, ""));
}

static void contract_increment(kv *k) {
    EXPECT(kv_add(k, "b", "n", 0, 0));
    EXPECT(kv_is(k, "b", "n", "0"));
    EXPECT(kv_add(k, "b", "n", 300, 300));
    EXPECT(kv_add(k, "b", "n", 1, 301));
    EXPECT(kv_is(k, "b", "n", "301"));
    EXPECT(kv_add_signed(k, "b", "n", -302, -1));
    EXPECT(kv_is(k, "b", "n", "-1"));
    EXPECT(kv_add(k, "b", "n", 1, 0));
    EXPECT(kv_set(k, "b", "n", "9223372036854775806"));
    EXPECT(kv_add(k, "b", "n", 1, INT64_MAX));
    keyvalue_call c = kv_key_call(KEYVALUE_INCREMENT, "b", "n");
    c.delta = 1;
    EXPECT(kv_is_error(k, &c, KEYVALUE_OTHER, "64 bits"));
    c.delta = UINT64_MAX;
    EXPECT(kv_is_error(k, &c, KEYVALUE_OTHER, "64 bits"));
    EXPECT(kv_is(k, "b", "n", "9223372036854775807"));
    EXPECT(kv_add_signed(k, "b", "m", INT64_MIN, INT64_MIN));
    c = kv_key_call(KEYVALUE_INCREMENT_SIGNED, "b", "m");
    c.delta = (uint64_t)-1;
    EXPECT(kv_is_error(k, &c, KEYVALUE_OTHER, "64 bits"));
    c = kv_key_call(KEYVALUE_INCREMENT, "b", "m");
    c.delta = 1;
    EXPECT(kv_is_error(k, &c, KEYVALUE_OTHER, "below 0"));
    static const char *const no_numbers[] = {"x", "", "1x", " 1", "01", "+1", "1.5", "9223372036854775808"};
    c = kv_key_call(KEYVALUE_INCREMENT, "b", "text");
    c.delta = 1;
    for (size_t i = 0; i < sizeof no_numbers / sizeof no_numbers[0]; i++) {
        EXPECT(kv_set(k, "b", "text", no_numbers[i]));
        EXPECT(kv_is_error(k, &c, KEYVALUE_OTHER, "not a number"));
        EXPECT(kv_is(k, "b", "text", no_numbers[i]));
    }
}

static void contract_many_increments(kv *k) {
    enum { COUNT = 1000 };
    kv_pending *p = mem_calloc(COUNT, sizeof *p);
    bool *seen = mem_calloc(COUNT + 1, sizeof *seen);
    keyvalue_call c = kv_key_call(KEYVALUE_INCREMENT, "b", "n");
    c.delta = 1;
    for (int i = 0; i < COUNT; i++) {
        kv_begin(k, &p[i], &c, UINT64_MAX);
    }
    int distinct = 0;
    for (int i = 0; i < COUNT; i++) {
        kv_wait(k, &p[i]);
        uint64_t n = p[i].answer.number;
        if (p[i].code == STATUS_OK && !p[i].answer.is_error && n >= 1 && n <= COUNT && !seen[n]) {
            seen[n] = true;
            distinct++;
        }
        kv_pending_done(&p[i]);
    }
    EXPECT_EQ(distinct, COUNT);
    EXPECT(kv_is(k, "b", "n", "1000"));
    mem_free(p);
    mem_free(seen);
}

static void contract_swap(kv *k) {
    EXPECT_EQ(kv_swap(k, "b", "k", "x", "y"), 0);
    EXPECT(kv_is(k, "b", "k", NULL));
    EXPECT_EQ(kv_swap(k, "b", "k", NULL, "one"), 1);
    EXPECT_EQ(kv_swap(k, "b", "k", NULL, "two"), 0);
    EXPECT_EQ(kv_swap(k, "b", "k", "on", "two"), 0);
    EXPECT(kv_is(k, "b", "k", "one"));
    EXPECT_EQ(kv_swap(k, "b", "k", "one", ""), 1);
    EXPECT_EQ(kv_swap(k, "b", "k", NULL, "three"), 0); // empty is there
    EXPECT_EQ(kv_swap(k, "b", "k", "", "three"), 1);
    EXPECT(kv_is(k, "b", "k", "three"));
    kv_pending p[20] = {0};
    int swapped = 0;
    for (int i = 0; i < 20; i++) { // one wins
        char value[8];
        snprintf(value, sizeof value, "v%d", i);
        keyvalue_call c = kv_key_call(KEYVALUE_COMPARE_AND_SWAP, "b", "k");
        c.has_expected = true;
        c.expected = slice_from_text("three");
        c.value = slice_from_text(value);
        kv_begin(k, &p[i], &c, UINT64_MAX);
    }
    for (int i = 0; i < 20; i++) {
        kv_wait(k, &p[i]);
        swapped += p[i].code == STATUS_OK && !p[i].answer.is_error && p[i].answer.is_there;
        kv_pending_done(&p[i]);
    }
    EXPECT_EQ(swapped, 1);
}

static void contract_batch(kv *k) {
    keyvalue_item items[3] = {{slice_from_text("a"), slice_from_text("1"), false},
                              {slice_from_text("b"), slice_empty(), false},
                              {slice_from_text("c"), slice_from_text("3"), false}};
    keyvalue_call c = {
        .function = KEYVALUE_SET_MANY, .bucket = slice_from_text("b"), .items = items, .count = 3};
    EXPECT(kv_do(k, &c));
    keyvalue_item wanted[5] = {{.key = slice_from_text("c")},
                               {.key = slice_from_text("none")},
                               {.key = slice_from_text("a")},
                               {.key = slice_from_text("c")},
                               {.key = slice_from_text("b")}};
    keyvalue_call get = {.function = KEYVALUE_GET_MANY, .bucket = c.bucket, .items = wanted, .count = 5};
    kv_pending p;
    kv_call(k, &get, &p);
    EXPECT(p.code == STATUS_OK && !p.answer.is_error && p.answer.count == 5);
    if (p.answer.count == 5) {
        const keyvalue_item *x = p.answer.items;
        EXPECT(x[0].is_there && slice_equal_text(x[0].key, "c") && slice_equal_text(x[0].value, "3"));
        EXPECT(!x[1].is_there);
        EXPECT(x[2].is_there && slice_equal_text(x[2].value, "1"));
        EXPECT(x[3].is_there && slice_equal_text(x[3].value, "3"));
        EXPECT(x[4].is_there && x[4].value.len == 0);
    }
    kv_pending_done(&p);
    c.function = KEYVALUE_DELETE_MANY;
    items[1].key = slice_from_text("not there");
    EXPECT(kv_do(k, &c));
    EXPECT(kv_is(k, "b", "a", NULL));
    EXPECT(kv_is(k, "b", "b", ""));
    EXPECT(kv_is(k, "b", "c", NULL));
    for (unsigned f = KEYVALUE_GET_MANY; f <= KEYVALUE_DELETE_MANY; f++) { // of nothing
        c = (keyvalue_call){.function = (keyvalue_function)f, .bucket = slice_from_text("b")};
        EXPECT(kv_do(k, &c));
    }
}

// Lists the bucket "many" and counts each of the keys "key-0" ... in `seen`. The number of keys, or -1.
static int contract_list_all(kv *k, int *seen, int count, int *ret_pages) {
    keyvalue_call c = {.function = KEYVALUE_LIST_KEYS, .bucket = slice_from_text("many")};
    int found = 0;
    *ret_pages = 0;
    do {
        kv_pending p;
        kv_call(k, &c, &p);
        bool ok = p.code == STATUS_OK && !p.answer.is_error;
        for (size_t i = 0; ok && i < p.answer.count; i++) {
            char text[64];
            int number = -1;
            snprintf(text, sizeof text, "%.*s", SLICE_ARG(p.answer.items[i].key));
            ok = sscanf(text, "key-%d", &number) == 1 && number >= 0 && number < count;
            if (ok) {
                found += seen[number]++ == 0;
            }
        }
        c.has_cursor = p.answer.has_cursor;
        c.cursor = p.answer.cursor;
        kv_pending_done(&p);
        if (!ok || ++*ret_pages > 1000) {
            return -1;
        }
    } while (c.has_cursor);
    return found;
}

static void contract_list(kv *k) {
    enum { COUNT = 2500 };
    int pages = 0;
    int *seen = mem_calloc(COUNT, sizeof *seen);
    EXPECT_EQ(contract_list_all(k, seen, COUNT, &pages), 0);
    keyvalue_item *items = mem_calloc(COUNT, sizeof *items);
    char(*names)[16] = mem_calloc(COUNT, sizeof *names);
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "key-%d", i);
        items[i].key = slice_from_text(names[i]);
    }
    keyvalue_call c = {.function = KEYVALUE_SET_MANY, .bucket = slice_from_text("many"), .items = items};
    c.count = COUNT;
    EXPECT(kv_do(k, &c));
    c.bucket = slice_from_text("other keys");
    EXPECT(kv_do(k, &c));
    EXPECT_EQ(contract_list_all(k, seen, COUNT, &pages), COUNT);
    EXPECT(pages >= 2);
    c.bucket = slice_from_text("many");
    c.function = KEYVALUE_DELETE_MANY;
    c.count = COUNT - 3;
    EXPECT(kv_do(k, &c));
    memset(seen, 0, COUNT * sizeof *seen);
    EXPECT_EQ(contract_list_all(k, seen, COUNT, &pages), 3);
    EXPECT(seen[COUNT - 1] > 0);
    mem_free(seen);
    mem_free(items);
    mem_free(names);
}

static void contract_wrong(kv *k, kv_pending *p, const char *interface, const char *function, slice payload) {
    keyvalue_call c = kv_key_call(KEYVALUE_GET, "b", "k");
    kv_begin(k, p, &c, UINT64_MAX); // fills it
    kv_wait(k, p);
    p->is_done = false;
    buf_clear(&p->bytes);
    p->call.interface = slice_from_text(interface);
    p->call.function = slice_from_text(function);
    p->call.payload = payload;
    k->d->call(k->link, &p->call);
    kv_wait(k, p);
}

static void contract_wrong_calls(kv *k) {
    kv_pending p = {0};
    contract_wrong(k, &p, "wasi:keyvalue/store", "steal", slice_empty());
    EXPECT_STATUS(p.code, STATUS_UNSUPPORTED);
    kv_pending_done(&p);
    contract_wrong(k, &p, "wasi:keyvalue/batch", "get",
                   slice_from_text("\x01"
                                   "b\x01"
                                   "k"));
    EXPECT_STATUS(p.code, STATUS_UNSUPPORTED);
    kv_pending_done(&p);
    contract_wrong(k, &p, "wasi:keyvalue/store", "get",
                   slice_from_text("\x01"
                                   "b\x05"
                                   "k"));
    EXPECT_STATUS(p.code, STATUS_INVALID);
    kv_pending_done(&p);
    contract_wrong(k, &p, "wasi:keyvalue/store", "get",
                   slice_from_text("\x01"
                                   "b\x01"
                                   "kk"));
    EXPECT_STATUS(p.code, STATUS_INVALID);
    kv_pending_done(&p);
    EXPECT(kv_set(k, "b", "k", "still works"));
}

static void contract_cancel(kv *k) {
    kv_pending p[50] = {0};
    keyvalue_call c = kv_key_call(KEYVALUE_INCREMENT, "b", "n");
    c.delta = 1;
    for (int i = 0; i < 50; i++) {
        kv_begin(k, &p[i], &c, UINT64_MAX);
    }
    for (int i = 0; i < 50; i += 2) {
        if (!p[i].is_done) {
            p[i].call.is_cancelled = true;
            k->d->cancel(k->link, &p[i].call);
        }
    }
    for (int i = 0; i < 50; i++) {
        kv_wait(k, &p[i]);
        EXPECT(p[i].code == STATUS_OK || (i % 2 == 0 && p[i].code == STATUS_CANCELLED));
        kv_pending_done(&p[i]);
    }
    EXPECT(kv_set(k, "b", "n", "goes on"));
    EXPECT(kv_is(k, "b", "n", "goes on"));
}

#define KEYVALUE_CONTRACT_TEST(open_it, close_it, name) \
    TEST(contract_##name) {                             \
        kv k = {0};                                     \
        const char *why = open_it(&k);                  \
        if (why != NULL) {                              \
            SKIP(why);                                  \
        }                                               \
        contract_##name(&k);                            \
        close_it(&k);                                   \
    }

#define KEYVALUE_CONTRACT(open_it, close_it)                   \
    KEYVALUE_CONTRACT_TEST(open_it, close_it, values)          \
    KEYVALUE_CONTRACT_TEST(open_it, close_it, bytes)           \
    KEYVALUE_CONTRACT_TEST(open_it, close_it, bounds)          \
    KEYVALUE_CONTRACT_TEST(open_it, close_it, buckets)         \
    KEYVALUE_CONTRACT_TEST(open_it, close_it, increment)       \
    KEYVALUE_CONTRACT_TEST(open_it, close_it, many_increments) \
    KEYVALUE_CONTRACT_TEST(open_it, close_it, swap)            \
    KEYVALUE_CONTRACT_TEST(open_it, close_it, batch)           \
    KEYVALUE_CONTRACT_TEST(open_it, close_it, list)            \
    KEYVALUE_CONTRACT_TEST(open_it, close_it, wrong_calls)     \
    KEYVALUE_CONTRACT_TEST(open_it, close_it, cancel)

// The settings that the contract's tests need, besides the driver's own.
#define KEYVALUE_CONTRACT_SETTINGS                                                                    \
    {SLICE_LITERAL("key-bytes-max"), SLICE_LITERAL("100")},                                           \
        {SLICE_LITERAL("value-bytes-max"), SLICE_LITERAL("1048576")}, {                               \
        SLICE_LITERAL("buckets"), SLICE_LITERAL("b,one,two,three,,a,a:b,a%3Ab,many,other keys,one:k") \
    }
