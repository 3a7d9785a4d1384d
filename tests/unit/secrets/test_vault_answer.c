// SPDX-License-Identifier: Apache-2.0
#include "secrets/vault_answer.h"

#include "base/mem.h"
#include "marker.h"
#include "test.h"

#define METADATA \
    ",\"metadata\":{\"created_time\":\"x\",\"deletion_time\":\"\",\"destroyed\":false,\"version\":4}"
#define ANSWER(data) "{\"request_id\":\"1\",\"data\":{\"data\":" data METADATA "},\"warnings\":null}"

static status read_field(const char *text, const char *field, secret_value *ret) {
    err e = {0};
    status s = vault_answer_secret(slice_from_text(text), field, ret, &e);
    EXPECT(s == STATUS_OK || e.message[0] != '\0');
    return s;
}

static void expect_value(const char *text, const char *field, const char *expected) {
    secret_value v = {0};
    EXPECT_OK(read_field(text, field, &v));
    EXPECT(v.kind == SECRET_TEXT && v.version == 4 && v.until_s == 0);
    EXPECT(slice_equal_text(secret_slice(&v.bytes), expected));
    secret_value_free(&v);
}

static void expect_status(const char *text, const char *field, status expected) {
    secret_value v = {0};
    status s = read_field(text, field, &v);
    if (s != expected) {
        printf("    %s: %s\n", text, status_name(s));
    }
    EXPECT_EQ(s, expected);
}

TEST(a_field_is_found_and_decoded) {
    expect_value(ANSWER("{\"only\":\"one\"}"), NULL, "one");
    expect_value(ANSWER("{\"a\":\"one\",\"b\":\"two\"}"), "b", "two");
    expect_value(ANSWER(" { \"a\" : [1,{\"b\":\"x\"},[]] , \"b\" : \"two\" } "), "b", "two");
    expect_value(ANSWER("{\"k\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"}"), NULL,
                 "\"\\/\b\f\n\r\t\u00e9\U0001f600");
    expect_value(ANSWER("{\"\\u0061b\":\"x\"}"), "ab", "x"); // a name in another spelling
    expect_value(ANSWER("{\"a\":{\"b\":\"inner\"},\"b\":\"outer\"}"), "b", "outer");
}

TEST(what_is_not_there_and_what_is_no_text) {
    expect_status(ANSWER("{}"), NULL, STATUS_NOT_FOUND);
    expect_status(ANSWER("{\"a\":\"1\",\"b\":\"2\"}"), NULL, STATUS_NOT_FOUND);
    expect_status(ANSWER("{\"a\":\"1\"}"), "b", STATUS_NOT_FOUND);
    expect_status(ANSWER("{\"a\":1}"), NULL, STATUS_INVALID);
    expect_status(ANSWER("{\"a\":null}"), "a", STATUS_INVALID);
    expect_status(ANSWER("{\"a\":{\"b\":\"c\"}}"), "a", STATUS_INVALID);
    expect_status(ANSWER("{\"a\":\"\"}"), "a", STATUS_INVALID);
    expect_status(ANSWER("{\"a\":\"1\",\"a\":\"2\"}"), "a", STATUS_INVALID);
    expect_status(ANSWER("{\"a\":\"1\",\"\\u0061\":\"2\"}"), "a", STATUS_INVALID);
    expect_status(ANSWER("null"), "a", STATUS_INVALID);
    expect_status(ANSWER("\"text\""), "a", STATUS_INVALID);
}

TEST(what_is_no_answer) {
    static const char *const bad[] = {
        "",
        "x",
        "[]",
        "{",
        "{}",
        "{\"data\":{}}",
        "{\"data\":{\"data\":{\"a\":\"1\"}}}",
        "{\"data\":{\"data\":{\"a\":\"1\"},\"metadata\":{\"version\":\"4\"}}}",
        "{\"data\":{\"data\":{\"a\":\"1\"},\"metadata\":{\"version\":4,\"deletion_time\":\"soon\"}}}",
        ANSWER("{\"a\":\"1\"}") "x",
        ANSWER("{\"a\":\"1\",}"),
        ANSWER("{\"a\" \"1\"}"),
        ANSWER("{\"a\":}"),
        ANSWER("{a:\"1\"}"),
        ANSWER("{\"a\":\"1\"]"),
        ANSWER("{\"a\":\"\\x\"}"),
        ANSWER("{\"a\":\"\\u12\"}"),
        ANSWER("{\"a\":\"\\ud800\"}"),
        ANSWER("{\"a\":\"\\ud800\\u0061\"}"),
        ANSWER("{\"a\":\"\\udc00\"}"),
        ANSWER("{\"a\":\"\n\"}"),
        ANSWER("{\"a\":\"\xff\"}"),
        ANSWER("{\"a\":\"1\""),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect_status(bad[i], "a", STATUS_INVALID);
    }
}

TEST(depth_and_length_are_bounded) {
    char text[512] = "{\"data\":{\"data\":{\"a\":";
    size_t n = strlen(text);
    memset(text + n, '[', 100);
    memset(text + n + 100, ']', 100);
    (void)snprintf(text + n + 200, sizeof text - n - 200, "}" METADATA "}}");
    expect_status(text, "a", STATUS_INVALID);
    size_t size = VAULT_ANSWER_BYTES_MAX + 100;
    char *large = mem_zalloc(size);
    memset(large, ' ', size - 1);
    memcpy(large, "{", 1);
    large[size - 2] = '}';
    expect_status(large, "a", STATUS_INVALID);
    mem_free(large);
}

TEST(a_version_has_an_end) {
    secret_value v = {0};
    EXPECT_OK(read_field("{\"data\":{\"data\":{\"a\":\"1\"},\"metadata\":{\"version\":7,\"deletion_time\":"
                         "\"2027-01-15T08:00:00.123456789Z\"}}}",
                         NULL, &v));
    EXPECT_U64(v.until_s, 1800000000);
    EXPECT_U64(v.version, 7);
    secret_value_free(&v);
}

TEST(tokens) {
    static const char *const bad[] = {
        "{}",
        "{\"auth\":null}",
        "{\"auth\":{\"client_token\":\"\",\"lease_duration\":1}}",
        "{\"auth\":{\"client_token\":\"a\"}}",
        "{\"auth\":{\"client_token\":\"a b\",\"lease_duration\":1}}",
        "{\"auth\":{\"client_token\":\"a\\r\\nX: y\",\"lease_duration\":1}}",
        "{\"auth\":{\"client_token\":\"a\",\"lease_duration\":-1}}",
    };
    vault_login l = {0};
    EXPECT_OK(
        vault_answer_login(slice_from_text("{\"auth\":{\"client_token\":\"hvs.x\",\"lease_duration\":60,"
                                           "\"renewable\":true}}"),
                           &l, NULL));
    EXPECT(slice_equal_text(secret_slice(&l.token), "hvs.x") && l.lease_s == 60 && l.is_renewable);
    secret_free(&l.token);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        EXPECT_EQ(vault_answer_login(slice_from_text(bad[i]), &l, NULL), STATUS_INVALID);
    }
}

// In locked memory, and there alone.
TEST(a_value_leaves_no_copies) {
    static const char head[] = "{\"data\":{\"data\":{\"a\":\"";
    static const char tail[] = "\"}" METADATA "}}";
    secret answer = {0}, marker = {0};
    secret_value v = {0};
    EXPECT_OK(secret_new(MARKER_BYTES, &marker, NULL));
    EXPECT_OK(secret_new(sizeof head + 2 * MARKER_BYTES + sizeof tail, &answer, NULL));
    marker_put(marker.data);
    size_t n = sizeof head - 1;
    memcpy(answer.data, head, n);
    for (size_t i = 0; i < MARKER_BYTES; i++) {
        if (marker.data[i] == '"' || marker.data[i] == '\\') {
            answer.data[n++] = '\\';
        }
        answer.data[n++] = marker.data[i];
    }
    memcpy(answer.data + n, tail, sizeof tail - 1);
    n += sizeof tail - 1;
    EXPECT_OK(vault_answer_secret(slice_of(answer.data, n), "a", &v, NULL));
    EXPECT(marker_is(v.bytes.data, v.bytes.len));
    secret_free(&marker);
    secret_free(&answer);
    EXPECT_EQ(marker_count(), 1);
    secret_value_free(&v);
    EXPECT_EQ(marker_count(), 0);
}
