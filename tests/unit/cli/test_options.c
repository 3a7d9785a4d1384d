// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include "test.h"

typedef struct target {
    char log[512];
} target;

static status note(void *p, const char *prefix, const char *value) {
    target *t = p;
    size_t n = strlen(t->log);
    snprintf(t->log + n, sizeof t->log - n, "%s%s;", prefix, value == NULL ? "" : value);
    return STATUS_OK;
}
static status set_size(void *p, const char *value, err *e) {
    uint64_t bytes;
    TRY(cli_parse_size(value, &bytes, e));
    return note(p, "size=", value);
}
static status set_flag(void *p, const char *value, err *e) {
    (void)e;
    return note(p, "flag", value);
}
static status set_operand(void *p, const char *value, err *e) {
    (void)e;
    return note(p, "op=", value);
}
static status set_rest(void *p, const char *value, err *e) {
    (void)e;
    return note(p, "rest=", value);
}

static const cli_option options[] = {
    {"size", 's', "SIZE", "a size", set_size},
    {"flag", 'f', NULL, "a switch", set_flag},
};
static const cli_command command = {.name = "test",
                                    .usage = "[OPTIONS] FILE",
                                    .summary = "Test.",
                                    .options = options,
                                    .option_count = 2,
                                    .operands_min = 1,
                                    .operands_max = 1,
                                    .operand = set_operand,
                                    .rest = set_rest};

static status parse(target *t, err *e, int argc, const char **argv) {
    *t = (target){0};
    return cli_parse(&command, argc, (char **)(uintptr_t)argv, t, e);
}
#define PARSE(...) \
    parse(&t, &e, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

TEST(every_spelling_of_an_option) {
    target t;
    err e = {0};
    EXPECT(PARSE("--size", "1k", "-s", "2k", "-s3k", "--size=4k", "-f", "file", "--flag", "--", "-x", "y") ==
           STATUS_OK);
    EXPECT(strcmp(t.log, "size=1k;size=2k;size=3k;size=4k;flag;op=file;flag;rest=-x;rest=y;") == 0);
}

TEST(all_errors_in_one_message) {
    target t;
    err e = {0};
    EXPECT(PARSE("--size", "big", "--nope", "--flag=1", "a", "b", "-s") == STATUS_INVALID);
    EXPECT(strstr(e.message, "\"big\" is not a size") != NULL);
    EXPECT(strstr(e.message, "unknown option --nope") != NULL);
    EXPECT(strstr(e.message, "option --flag=1: takes no value") != NULL);
    EXPECT(strstr(e.message, "unexpected argument b") != NULL);
    EXPECT(strstr(e.message, "-s: needs a value") != NULL);
}

TEST(missing_operand) {
    target t;
    err e = {0};
    EXPECT(PARSE("-f") == STATUS_INVALID);
    EXPECT(strstr(e.message, "missing argument") != NULL);
}

TEST(sizes) {
    uint64_t n = 0;
    EXPECT(cli_parse_size("64M", &n, NULL) == STATUS_OK && n == 64u << 20);
    EXPECT(cli_parse_size("1.5G", &n, NULL) == STATUS_OK && n == 3ull << 29);
    EXPECT(cli_parse_size("4096", &n, NULL) == STATUS_OK && n == 4096);
    static const char *const bad[] = {"",   "M",   "-1", "1.", "1x", "99999999999999999999", "20000000000G",
                                      " 1", "0x10"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        EXPECT(cli_parse_size(bad[i], &n, NULL) == STATUS_INVALID);
    }
}

TEST(durations) {
    uint64_t n = 0;
    EXPECT(cli_parse_duration("250ms", &n, NULL) == STATUS_OK && n == 250000000);
    EXPECT(cli_parse_duration("0.5s", &n, NULL) == STATUS_OK && n == 500000000);
    EXPECT(cli_parse_duration("2m", &n, NULL) == STATUS_OK && n == 120000000000);
    EXPECT(cli_parse_duration("10", &n, NULL) == STATUS_INVALID); // a unit is required
}

TEST(numbers) {
    uint64_t n = 0;
    EXPECT(cli_parse_number("10", 1, 10, &n, NULL) == STATUS_OK && n == 10);
    EXPECT(cli_parse_number("11", 1, 10, &n, NULL) == STATUS_INVALID);
    EXPECT(cli_parse_number("0", 1, 10, &n, NULL) == STATUS_INVALID);
    EXPECT(cli_parse_number("1e1", 1, 10, &n, NULL) == STATUS_INVALID);
}

TEST(spans_and_dates) {
    uint64_t n = 0;
    EXPECT(cli_parse_span("90d", &n, NULL) == STATUS_OK && n == 90ull * 86400);
    EXPECT(cli_parse_span("1.5h", &n, NULL) == STATUS_OK && n == 5400);
    EXPECT(cli_parse_span("1y", &n, NULL) == STATUS_OK && n == 365ull * 86400);
    EXPECT(cli_parse_span("10", &n, NULL) == STATUS_INVALID);
    EXPECT(cli_parse_span("1ms", &n, NULL) == STATUS_INVALID);

    err e = {0};
    EXPECT(cli_parse_date_or_span("2w", 1000, &n, NULL) == STATUS_OK && n == 1000 + 14ull * 86400);
    EXPECT(cli_parse_date_or_span("2027-01-31", 1000, &n, NULL) == STATUS_OK && n == 1801353600);
    EXPECT(cli_parse_date_or_span("2027-02-29", 1000, &n, &e) == STATUS_INVALID);
    EXPECT(strstr(e.message, "neither a date nor a span") != NULL);
    EXPECT(cli_parse_date_or_span("253402300799s", 0, &n, NULL) == STATUS_OK && n == 253402300799);
    EXPECT(cli_parse_date_or_span("253402300799s", 1, &n, &e) == STATUS_INVALID);
    EXPECT(strstr(e.message, "9999") != NULL);
}
