// SPDX-License-Identifier: Apache-2.0
#include "driver/cron/schedule.h"

#include "codec/date.h"
#include "driver/cron/cron.h"
#include "test.h"

static uint64_t seconds_of(const char *date) {
    uint64_t s = 0;
    EXPECT(date_parse(slice_from_text(date), &s));
    return s;
}

// The moments after `from`, one after the other.
static void expect_moments(const char *schedule, const char *from, const char *const *moments, size_t count) {
    cron_schedule s;
    err e = {0};
    char text[DATE_TEXT_BYTES];
    uint64_t at = seconds_of(from);
    if (!EXPECT_STATUS(cron_parse(slice_from_text(schedule), &s, &e), STATUS_OK)) {
        printf("    %s: %s\n", schedule, e.message);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        at = cron_next(&s, at);
        EXPECT_TEXT(date_text(at, text), moments[i]);
    }
}

#define EXPECT_MOMENTS(schedule, from, ...)                            \
    expect_moments(schedule, from, (const char *const[]){__VA_ARGS__}, \
                   sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

TEST(moments) {
    EXPECT_MOMENTS("* * * * *", "2026-01-31T23:58:30Z", "2026-01-31T23:59:00Z", "2026-02-01T00:00:00Z");
    EXPECT_MOMENTS("*/15 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:15:00Z", "2026-01-01T00:30:00Z",
                   "2026-01-01T00:45:00Z", "2026-01-01T01:00:00Z");
    EXPECT_MOMENTS("*/20 * * * * *", "2026-01-01T00:00:01Z", "2026-01-01T00:00:20Z", "2026-01-01T00:00:40Z",
                   "2026-01-01T00:01:00Z");
    EXPECT_MOMENTS("30 4 1,15 * *", "2026-01-15T04:30:00Z", "2026-02-01T04:30:00Z", "2026-02-15T04:30:00Z");
    EXPECT_MOMENTS("0 9-17/4 * * MON-FRI", "2026-11-20T17:00:00Z", "2026-11-23T09:00:00Z",
                   "2026-11-23T13:00:00Z", "2026-11-23T17:00:00Z", "2026-11-24T09:00:00Z");
    EXPECT_MOMENTS("0 0 29 2 *", "2096-03-01", "2104-02-29T00:00:00Z"); // 2100 has none
    EXPECT_MOMENTS("0 0 31 * *", "2026-03-31", "2026-05-31T00:00:00Z", "2026-07-31T00:00:00Z");
    EXPECT_MOMENTS("59 59 23 31 12 ? *", "2026-12-31T23:59:58Z", "2026-12-31T23:59:59Z",
                   "2027-12-31T23:59:59Z");
    EXPECT_MOMENTS("0 0 * jan,Jul sun", "2026-01-25", "2026-07-05T00:00:00Z", "2026-07-12T00:00:00Z");
    EXPECT_MOMENTS("0 0 * * 7", "2026-11-20", "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z");
    EXPECT_MOMENTS("5/20 * * * *", "2026-01-01", "2026-01-01T00:05:00Z", "2026-01-01T00:25:00Z",
                   "2026-01-01T00:45:00Z", "2026-01-01T01:05:00Z");
}

TEST(both_days_restricted_means_either) {
    EXPECT_MOMENTS("0 0 13 * FRI", "2026-11-01", "2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z",
                   "2026-11-20T00:00:00Z", "2026-11-27T00:00:00Z", "2026-12-04T00:00:00Z",
                   "2026-12-11T00:00:00Z", "2026-12-13T00:00:00Z");
    EXPECT_MOMENTS("0 0 */10 * FRI", "2026-11-01", "2026-12-11T00:00:00Z"); // a star is no restriction
}

TEST(names_of_schedules) {
    EXPECT_MOMENTS("@hourly", "2026-01-01T05:30:00Z", "2026-01-01T06:00:00Z");
    EXPECT_MOMENTS("@daily", "2026-01-01T05:30:00Z", "2026-01-02T00:00:00Z");
    EXPECT_MOMENTS("@weekly", "2026-11-21", "2026-11-22T00:00:00Z");
    EXPECT_MOMENTS("@monthly", "2026-11-21", "2026-12-01T00:00:00Z");
    EXPECT_MOMENTS("@yearly", "2026-11-21", "2027-01-01T00:00:00Z");
    EXPECT_MOMENTS("@every 90s", "2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z", "2026-01-01T00:03:00Z");
    EXPECT_MOMENTS(" @every 2h ", "2026-01-01T00:00:01Z", "2026-01-01T02:00:00Z");
}

TEST(what_is_no_schedule) {
    static const char *const wrong[] = {"",
                                        "* * * *",
                                        "* * * * * * * *",
                                        "60 * * * *",
                                        "* 24 * * *",
                                        "* * 0 * *",
                                        "* * 32 * *",
                                        "* * * 13 *",
                                        "* * * * 8",
                                        "*/0 * * * *",
                                        "5-1 * * * *",
                                        "1-2-3 * * *",
                                        "a * * * *",
                                        "* * * FOO *",
                                        ", * * * *",
                                        "1,,2 * * * *",
                                        "-1 * * * *",
                                        "1 * * * * * 2030",
                                        "@never",
                                        "@every",
                                        "@every 1.5s",
                                        "@every 0s",
                                        "@every 25h",
                                        "0 0 31 2 *",
                                        "0 0 30 FEB *",
                                        "*/ * * * *",
                                        "0001 * * * *"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cron_schedule s;
        err e = {0};
        if (!EXPECT_STATUS(cron_parse(slice_from_text(wrong[i]), &s, &e), STATUS_INVALID)) {
            printf("    %s\n", wrong[i]);
        }
        EXPECT(e.message[0] != '\0');
    }
}

TEST(jobs) {
    cron_job list[CRON_JOBS_MAX];
    size_t count = 0;
    err e = {0};
    slice text = slice_from_text("report=0 0 * * *:{\"a\":\";\",\"b\":[1;2]}; five=*/5 * * * *\n"
                                 "\nplain=@hourly: just text \n");
    EXPECT_OK(cron_jobs_parse(text, list, &count, &e));
    EXPECT_EQ(count, 3);
    EXPECT_BYTES(list[0].name, slice_from_text("report"));
    EXPECT_BYTES(list[0].payload, slice_from_text("{\"a\":\";\",\"b\":[1;2]}"));
    EXPECT_BYTES(list[1].payload, slice_from_text("{}"));
    EXPECT_BYTES(list[2].payload, slice_from_text("just text"));
    static const struct {
        const char *text, *part;
    } wrong[] = {
        {"0 0 * * *", "is no job: write NAME=SCHEDULE"},
        {"a b=0 0 * * *", "is no job"},
        {"a=0 0 * *", "job a: \"0 0 * *\" is no schedule"},
        {"a=@hourly;a=@daily", "there are two jobs a"},
        {"=@hourly", "is no job"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT_STATUS(cron_jobs_parse(slice_from_text(wrong[i].text), list, &count, &e), STATUS_INVALID);
        EXPECT_CONTAINS(e.message, wrong[i].part);
    }
}
