// SPDX-License-Identifier: Apache-2.0
#include "codec/date.h"

#include <stdio.h>

enum {
    DATE_LEN = 10,                 // "2027-01-31"
    DATE_TIME_LEN = DATE_LEN + 10, // "T12:00:00Z"
    DAY_S = 24 * 60 * 60,
};

static bool is_leap(uint32_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

static uint32_t days_of_month(uint32_t year, uint32_t month) {
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

// Days from 0001-01-01 to the first of January.
static uint32_t days_before_year(uint32_t year) {
    uint32_t y = year - 1;
    return y * 365 + y / 4 - y / 100 + y / 400;
}

static uint32_t days_since_1970(uint32_t year, uint32_t month, uint32_t day) {
    uint32_t days = days_before_year(year) - days_before_year(1970) + day - 1;
    for (uint32_t m = 1; m < month; m++) {
        days += days_of_month(year, m);
    }
    return days;
}

// Takes exactly `count` digits, whose value is within the bounds, then the byte `after` (0: none).
static bool take(slice text, size_t *at, size_t count, uint32_t min, uint32_t max, uint8_t after,
                 uint32_t *ret) {
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++, (*at)++) {
        if (*at >= text.len || text.data[*at] < '0' || text.data[*at] > '9') {
            return false;
        }
        value = value * 10 + (text.data[*at] - '0');
    }
    if (after != 0 && (*at >= text.len || text.data[(*at)++] != after)) {
        return false;
    }
    *ret = value;
    return value >= min && value <= max;
}

bool date_parse(slice text, uint64_t *ret_s) {
    bool has_time = text.len == DATE_TIME_LEN;
    if (!has_time && text.len != DATE_LEN) {
        return false;
    }
    size_t at = 0;
    uint32_t year, month, day, hour = 0, minute = 0, second = 0;
    if (!take(text, &at, 4, 1970, 9999, '-', &year) || !take(text, &at, 2, 1, 12, '-', &month) ||
        !take(text, &at, 2, 1, days_of_month(year, month), has_time ? 'T' : 0, &day)) {
        return false;
    }
    if (has_time && (!take(text, &at, 2, 0, 23, ':', &hour) || !take(text, &at, 2, 0, 59, ':', &minute) ||
                     !take(text, &at, 2, 0, 59, 'Z', &second))) {
        return false;
    }
    *ret_s = (uint64_t)days_since_1970(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second;
    return true;
}

date_day date_day_at(uint64_t count) {
    uint32_t days = count > DATE_SECONDS_MAX / DAY_S ? DATE_SECONDS_MAX / DAY_S : (uint32_t)count;
    uint32_t weekday = (days + 4) % 7; // 1970-01-01 was a Thursday
    // Never too late, since no year is longer than 366 days; then at most a few steps on.
    uint32_t year = 1970 + days / 366, month = 1;
    while (days_since_1970(year + 1, 1, 1) <= days) {
        year++;
    }
    days -= days_since_1970(year, 1, 1);
    for (; days >= days_of_month(year, month); month++) {
        days -= days_of_month(year, month);
    }
    return (date_day){year, month, days + 1, weekday};
}

const char *date_text(uint64_t seconds, char text[DATE_TEXT_BYTES]) {
    seconds = seconds > DATE_SECONDS_MAX ? DATE_SECONDS_MAX : seconds;
    uint32_t rest = (uint32_t)(seconds % DAY_S);
    const date_day d = date_day_at(seconds / DAY_S);
    // The remainders only tell the compiler how wide the numbers can be.
    snprintf(text, DATE_TEXT_BYTES, "%04u-%02u-%02uT%02u:%02u:%02uZ", d.year % 10000, d.month % 100,
             d.day % 100, rest / 3600 % 100, rest / 60 % 60, rest % 60);
    return text;
}
