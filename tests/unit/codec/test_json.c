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
