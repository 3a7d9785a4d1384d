// SPDX-License-Identifier: Apache-2.0
// Values as text: what is read, what is written, what is refused and where.
#include "component/wave.h"

#include "base/mem.h"
#include "test.h"

#define KIND(id, k) static const ctype id = {.kind = CTYPE_##k}
KIND(boolean, BOOL);
KIND(s8, S8);
KIND(u8, U8);
KIND(s64, S64);
KIND(u64, U64);
KIND(f32, F32);
KIND(f64, F64);
KIND(letter, CHAR);
KIND(string, STRING);

#define NAME(text) .name = SLICE_LITERAL(text)
#define CASES(list) .cases = (list), .case_count = sizeof(list) / sizeof(list)[0]

static const ctype strings = {.kind = CTYPE_LIST, .element = &string};
static const ctype bytes = {.kind = CTYPE_LIST, .element = &u8};
static const ctype pair_of_u8 = {
    .kind = CTYPE_LIST, .element = &u8, .has_fixed_length = true, .fixed_length = 2};
static const ctype maybe = {.kind = CTYPE_OPTION, .element = &s8};
static const ctype maybe_twice = {.kind = CTYPE_OPTION, .element = &maybe};
static const ctype outcome = {.kind = CTYPE_RESULT, .element = &string, .error = &u64};
static const ctype done = {.kind = CTYPE_RESULT, .error = &string};
static const ctype_case parts[] = {{.type = &string}, {.type = &s8}};
static const ctype tuple = {.kind = CTYPE_TUPLE, CASES(parts)};
static const ctype_case fields[] = {
    {NAME("name"), .type = &string}, {NAME("size"), .type = &maybe}, {NAME("bytes"), .type = &bytes}};
static const ctype record = {.kind = CTYPE_RECORD, CASES(fields)};
static const ctype_case options_alone[] = {{NAME("a"), .type = &maybe}};
static const ctype loose = {.kind = CTYPE_RECORD, CASES(options_alone)};
static const ctype_case cases[] = {
    {NAME("none")}, {NAME("circle"), .type = &f64}, {NAME("box-2"), .type = &tuple}};
static const ctype shape = {.kind = CTYPE_VARIANT, CASES(cases)};
static const ctype_case labels[] = {{NAME("red")}, {NAME("ok")}};
static const ctype colour = {.kind = CTYPE_ENUM, CASES(labels)};
static const ctype perms = {.kind = CTYPE_FLAGS, CASES(labels)};

// Read, and written as `expected`.
static void expect(const ctype *t, const char *text, const char *expected) {
    auto_arena a;
    auto_buf out;
    component_value v;
    err e = {0};
    arena_init(&a, 1 << 16);
    buf_init(&out, 4096);
    if (EXPECT_STATUS_ERR(wave_read(t, slice_from_text(text), &a, &v, &e), STATUS_OK, e)) {
        EXPECT_OK(wave_write(t, &v, &out));
        EXPECT_TEXT(buf_text(&out), expected);
    } else {
        printf("    of %s\n", text);
    }
}

static void refused(const ctype *t, const char *text, const char *why) {
    auto_arena a;
    component_value v;
    err e = {0};
    arena_init(&a, 1 << 16);
    if (EXPECT_STATUS(wave_read(t, slice_from_text(text), &a, &v, &e), STATUS_INVALID)) {
        EXPECT_CONTAINS(e.message, why);
    } else {
        printf("    of %s\n", text);
    }
}

TEST(plain_values) {
    expect(&boolean, "true", "true");
    expect(&boolean, " false // no\n", "false");
    expect(&s8, "-128", "-128");
    expect(&u8, "255", "255");
    expect(&s64, "-9223372036854775808", "-9223372036854775808");
    expect(&s64, "9223372036854775807", "9223372036854775807");
    expect(&u64, "18446744073709551615", "18446744073709551615");
    expect(&f32, "0.1", "0.1");
    expect(&f64, "0.1", "0.1");
    expect(&f64, "-1.5E+3", "-1.5e+03");
    expect(&f64, "7", "7");
    expect(&f64, "nan", "nan");
    expect(&f32, "-inf", "-inf");
    expect(&letter, "'x'", "'x'");
    expect(&letter, "'\\''", "'\\''");
    expect(&letter, "'\"'", "'\"'");
    expect(&letter, "'\\u{2603}'", "'\xe2\x98\x83'");
    expect(&string, "\"\"", "\"\"");
    expect(&string, "\"a\\tb\\\"\\\\ \xe2\x98\x83\"", "\"a\\tb\\\"\\\\ \xe2\x98\x83\"");
    expect(&string, "\"\\u{1b}[2J\"", "\"\\u{1b}[2J\""); // no escape sequence of a terminal
}

TEST(values_with_parts) {
    expect(&strings, "[]", "[]");
    expect(&strings, "[ \"a\" , \"b\", ]", "[\"a\", \"b\"]");
    expect(&bytes, "[1,2, 255]", "[1, 2, 255]");
    expect(&pair_of_u8, "[1, 2]", "[1, 2]");
    expect(&tuple, "(\"a\", -1)", "(\"a\", -1)");
    expect(&record, "{bytes: [], name: \"n\"}", "{name: \"n\", size: none, bytes: []}");
    expect(&record, "{name: \"n\", size: 3, bytes: [9],}", "{name: \"n\", size: some(3), bytes: [9]}");
    expect(&loose, "{:}", "{a: none}");
    expect(&perms, "{}", "{}");
    expect(&perms, "{%ok, red}", "{red, ok}");
    expect(&shape, "%none", "%none");
    expect(&shape, "circle(2.5)", "circle(2.5)");
    expect(&shape, "box-2((\"w\", 1))", "box-2((\"w\", 1))");
    expect(&colour, "red", "red");
    expect(&colour, "%ok", "%ok");
}

TEST(options_and_results_with_and_without_their_words) {
    expect(&maybe, "none", "none");
    expect(&maybe, "some(3)", "some(3)");
    expect(&maybe, "3", "some(3)");
    expect(&maybe_twice, "some(none)", "some(none)");
    expect(&outcome, "ok(\"a\")", "ok(\"a\")");
    expect(&outcome, "\"a\"", "ok(\"a\")");
    expect(&outcome, "err(4)", "err(4)");
    expect(&done, "ok", "ok");
    expect(&done, "err(\"no\")", "err(\"no\")");
}

TEST(what_is_wrong_is_said_with_its_place) {
    refused(&boolean, "yes", "expected true or false, found yes");
    refused(&u8, "256", "at byte 0 of the value: expected u8 (0 to 255), found 256");
    refused(&u8, "-1", "u8");
    refused(&s8, "128", "s8");
    refused(&u8, "1 2", "at byte 2 of the value: expected nothing more");
    refused(&u8, "", "at the end of the value");
    refused(&f64, "1.", "f64");
    refused(&f64, "0x10", "nothing more");
    refused(&f64, "e5", "f64");
    refused(&letter, "'ab'", "' behind one character");
    refused(&letter, "''", "a character between the quotes");
    refused(&string, "abc", "a string in double quotes");
    refused(&string, "\"abc", "\" behind the string");
    refused(&string, "\"abc\\", "\" behind the string");
    refused(&string, "\"\\u{d800}\"", "number of a character");
    refused(&string, "\"\\q\"", "behind a backslash");
    refused(&string, "\"\xff\"", "UTF-8");
    refused(&strings, "[\"a\" \"b\"]", "expected ]");
    refused(&pair_of_u8, "[1]", "list<u8, 2>");
    refused(&tuple, "(\"a\")", "expected ,");
    refused(&record, "{name: \"n\"}", "record");
    refused(&record, "{name: \"n\", name: \"m\", bytes: []}", "at byte 12");
    refused(&record, "{other: 1}", "record");
    refused(&perms, "{red, red}", "at byte 6");
    refused(&shape, "none", "variant");
    refused(&shape, "circle", "expected (");
    refused(&colour, "ok", "enum { red, ok }");
    refused(&maybe_twice, "3", "option");
    refused(&done, "ok(1)", "nothing more");
    refused(&done, "\"text\"", "result");
}

TEST(a_value_never_takes_more_memory_than_the_arena_has) {
    enum { ITEMS = 20000 };
    auto_arena a;
    component_value v;
    err e = {0};
    char *text = mem_alloc(2 * ITEMS + 2);
    arena_init(&a, 4096);
    for (size_t i = 0; i < ITEMS; i++) {
        memcpy(text + 2 * i, i == 0 ? "[1" : ",1", 2);
    }
    text[2 * ITEMS] = ']';
    EXPECT_STATUS(wave_read(&bytes, slice_of(text, 2 * ITEMS + 1), &a, &v, &e), STATUS_LIMIT);
    EXPECT_CONTAINS(e.message, "more memory");
    mem_free(text);
}

TEST(what_is_written_has_a_maximum) {
    auto_buf out;
    const component_value v = {.kind = CTYPE_STRING, .of.string = SLICE_LITERAL("0123456789")};
    buf_init(&out, 6);
    EXPECT_STATUS(wave_write(&string, &v, &out), STATUS_LIMIT);
}

static void expect_redacted(const ctype *t, const char *text, const char *expected) {
    auto_arena a;
    auto_buf out;
    component_value v;
    arena_init(&a, 1 << 16);
    buf_init(&out, 4096);
    REQUIRE(wave_read(t, slice_from_text(text), &a, &v, NULL) == STATUS_OK);
    EXPECT_OK(wave_write_redacted(t, &v, &out));
    EXPECT_TEXT(buf_text(&out), expected);
}

TEST(redacted_texts_and_bytes_are_lengths) {
    expect_redacted(&record, "{name: \"secret\", size: 3, bytes: [1, 2]}",
                    "{name: <6 bytes>, size: some(3), bytes: <2 bytes>}");
    expect_redacted(&strings, "[\"a\", \"\"]", "[<1 bytes>, <0 bytes>]");
    expect_redacted(&outcome, "err(4)", "err(4)");
    expect_redacted(&letter, "'x'", "<character>");
    expect_redacted(&pair_of_u8, "[1, 2]", "<2 bytes>");
}

TEST(resources_have_no_text) {
    static const ctype handle = {.kind = CTYPE_OWN};
    auto_arena a;
    component_value v;
    err e = {0};
    arena_init(&a, 4096);
    EXPECT_STATUS(wave_read(&handle, slice_from_text("1"), &a, &v, &e), STATUS_UNSUPPORTED);
}
