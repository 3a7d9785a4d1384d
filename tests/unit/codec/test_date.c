// SPDX-License-Identifier: Apache-2.0
#include "codec/date.h"

#include "test.h"

static void reads(const char *text, uint64_t expected) {
    uint64_t seconds = UINT64_MAX;
    EXPECT(date_parse(slice_from_text(text), &seconds));
    EXPECT_U64(seconds, expected);
}

TEST(known_dates) {
    reads("1970-01-01", 0);
    reads("1970-01-01T00:00:00Z", 0);
    reads("2000-02-29T12:34:56Z", 951827696);
    reads("2001-09-09T01:46:40Z", 1000000000);
    reads("2027-01-31", 1801353600);
    reads("2038-01-19T03:14:08Z", 2147483648);
    reads("2100-03-01", 4107542400); // 2100 is no leap year
    reads("9999-12-31T23:59:59Z", DATE_SECONDS_MAX);
}

TEST(everything_else_is_refused) {
    static const char *const bad[] = {"",
                                      "2027",
                                      "2027-1-31",
                                      "2027-01-32",
                                      "2027-00-10",
                                      "2027-13-10",
                                      "2027-02-29",
                                      "2100-02-29",
                                      "2027-01-00",
                                      "1969-12-31",
                                      "0000-01-01",
                                      "10000-01-01",
                                      "10000-01-01T00:00:00Z",
                                      "2027-01-31T24:00:00Z",
                                      "2027-01-31T23:60:00Z",
                                      "2027-01-31T23:59:60Z",
                                      "2027-01-31t23:59:59z",
                                      "2027-01-31 23:59:59Z",
                                      "2027-01-31T23:59:59",
                                      "2027-01-31T23:59:59.5Z",
                                      "2027-01-31T23:59:59+00:00",
                                      " 2027-01-31",
                                      "2027-01-31 ",
                                      "2027/01/31",
                                      "+027-01-31",
                                      "2027-01-31T-1:00:00Z"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t seconds = 7;
        EXPECT(!date_parse(slice_from_text(bad[i]), &seconds));
        EXPECT_U64(seconds, 7);
    }
    uint64_t seconds;
    EXPECT(!date_parse(slice_of("2027-01-\0001", 10), &seconds));
}

TEST(text_and_back) {
    char text[DATE_TEXT_BYTES];
    EXPECT_TEXT(date_text(0, text), "1970-01-01T00:00:00Z");
    EXPECT_TEXT(date_text(951827696, text), "2000-02-29T12:34:56Z");
    EXPECT_TEXT(date_text(DATE_SECONDS_MAX, text), "9999-12-31T23:59:59Z");
    EXPECT_TEXT(date_text(UINT64_MAX, text), "9999-12-31T23:59:59Z");
    // Every last and first second of a day, over all years.
    for (uint64_t s = 0; s + 86400 <= DATE_SECONDS_MAX; s += 86400) {
        uint64_t first = UINT64_MAX, last = UINT64_MAX;
        REQUIRE(date_parse(slice_from_text(date_text(s, text)), &first) && first == s);
        REQUIRE(date_parse(slice_from_text(date_text(s + 86399, text)), &last) && last == s + 86399);
    }
}
