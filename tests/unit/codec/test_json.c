// SPDX-License-Identifier: Apache-2.0
#include "codec/json.h"

#include "test.h"

TEST(writes_what_it_was_given) {
    json_value *v = json_object_new();
    json_put_text(v, "name", slice_from_text("a \"b\"\n"));
    json_put_integer(v, "n", -5);
    json_value *list = json_array_new();
    json_push(list, json_bool(true));
    json_push(list, json_null_new());
    json_push(list, json_number(0.0 / 0.0)); // JSON has no NaN
    json_put(v, "list", list);
    auto_buf out;
    buf_init(&out, 1000);
    EXPECT(json_write(v, 0, &out) == STATUS_OK);
    EXPECT(slice_equal_text(buf_slice(&out),
                            "{\"name\":\"a \\\"b\\\"\\n\",\"n\":-5,\"list\":[true,null,null]}"));
    json_free(v);
}

TEST(bytes_that_are_not_utf8_are_replaced) {
    json_value *v = json_text(slice_of("a\xff\xc3\xa4\xed\xa0\x80z", 8));
    slice text;
    EXPECT(json_as_text(v, &text));
    EXPECT(slice_equal_text(text, "a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"));
    json_free(v);
    json_value *empty = json_text(slice_empty());
    EXPECT(json_as_text(empty, &text) && text.len == 0);
    json_free(empty);
}

TEST(a_full_buffer_is_left_as_it_was) {
    json_value *v = json_text(slice_from_text("0123456789"));
    auto_buf out;
    buf_init(&out, 8);
    EXPECT(buf_append_text(&out, "ab") == STATUS_OK);
    EXPECT(json_write(v, 0, &out) == STATUS_LIMIT);
    EXPECT(out.len == 2);
    json_free(v);
}

TEST(reads_and_refuses) {
    json_value *v;
    err e = {0};
    EXPECT(json_parse(slice_from_text("{\"a\":[1,\"x\",false]}"), &v, &e) == STATUS_OK);
    int64_t n;
    bool b;
    const json_value *list = json_get(v, "a");
    EXPECT(json_count(list) == 3);
    EXPECT(json_as_integer(json_at(list, 0), &n) && n == 1);
    EXPECT(json_as_bool(json_at(list, 2), &b) && !b);
    EXPECT(!json_as_integer(json_at(list, 1), &n));
    EXPECT(json_get(list, "a") == NULL && json_at(v, 0) == NULL && json_count(NULL) == 0);
    json_free(v);
    EXPECT(json_parse(slice_from_text("{\"a\":1,\"a\":2}"), &v, &e) == STATUS_INVALID);
    EXPECT(json_parse(slice_from_text("{\"a\":1} x"), &v, &e) == STATUS_INVALID);
    EXPECT(json_parse(slice_from_text(""), &v, &e) == STATUS_INVALID);
    EXPECT(strstr(e.message, "line 1") != NULL);
}

TEST(members_come_in_their_order) {
    json_value *v;
    err e = {0};
    EXPECT(json_parse(slice_from_text("{\"b\":1,\"a\":null,\"\\u00e4\":\"x\"}"), &v, &e) == STATUS_OK);
    EXPECT_EQ(json_member_count(v), 3);
    static const char *const keys[] = {"b", "a", "\xc3\xa4"};
    static const char *const kinds[] = {"a whole number", "null", "text"};
    void *at = NULL;
    slice key;
    const json_value *member;
    size_t count = 0;
    while (json_next_member(v, &at, &key, &member)) {
        REQUIRE(count < 3);
        EXPECT(slice_equal_text(key, keys[count]));
        EXPECT_TEXT(json_kind_name(member), kinds[count]);
        count++;
    }
    EXPECT_EQ(count, 3);
    EXPECT(json_is_absent(json_get(v, "a")) && json_is_absent(json_get(v, "z")) && !json_is_absent(v));
    json_free(v);
    at = NULL;
    EXPECT(!json_next_member(NULL, &at, &key, &member));
    EXPECT_EQ(json_member_count(NULL), 0);
}

TEST(a_copy_is_a_tree_of_its_own) {
    json_value *v = NULL;
    auto_buf text;
    buf_init(&text, 256);
    EXPECT_OK(json_parse(slice_from_text("{\"b\":[1,{\"c\":null}],\"a\":\"x\"}"), &v, NULL));
    json_value *copy = json_clone(v);
    json_free(v);
    EXPECT_OK(json_write(copy, 0, &text));
    EXPECT_TEXT(buf_text(&text), "{\"b\":[1,{\"c\":null}],\"a\":\"x\"}");
    json_free(copy);
}

TEST(members_that_are_not_known) {
    static const char *const known[] = {"a", "b"};
    json_value *v = NULL;
    REQUIRE(json_parse(slice_from_text("{\"b\": [1], \"c\": {}, \"a\": null}"), &v, NULL) == STATUS_OK);
    EXPECT(json_is_object(v) && !json_is_array(v));
    EXPECT(json_is_array(json_get(v, "b")) && !json_is_object(json_get(v, "b")));
    EXPECT(!json_is_object(NULL) && !json_is_array(NULL) && !json_is_object(json_get(v, "a")));
    EXPECT_TEXT(json_unknown_member(v, known, 2), "c");
    EXPECT_TEXT(json_unknown_member(v, known, 1), "b");
    EXPECT(json_unknown_member(json_get(v, "c"), known, 2) == NULL);
    EXPECT(json_unknown_member(NULL, known, 2) == NULL);
    json_free(v);
}
