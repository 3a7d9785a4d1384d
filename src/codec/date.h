// SPDX-License-Identifier: Apache-2.0
// Dates as people write them in files and on the command line: "2027-01-31" (its first second, UTC) and
// "2027-01-31T12:00:00Z" (RFC 3339 with whole seconds, UTC), from 1970 to 9999. Nothing else: no other zone,
// no fraction, no leap second, no lower case, so that each second has one full spelling.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/slice.h"

#define DATE_SECONDS_MAX 253402300799ull // 9999-12-31T23:59:59Z
enum { DATE_TEXT_BYTES = 21 };           // with the NUL

typedef struct date_day {
    uint32_t year;
    uint32_t month;   // 1 to 12
    uint32_t day;     // 1 to 31
    uint32_t weekday; // 0 to 6; 0 is Sunday
} date_day;

// The day that is so many days after 1970-01-01; up to the end of 9999.
date_day date_day_at(uint64_t days);

// Seconds since 1970-01-01T00:00:00Z.
bool date_parse(slice text, uint64_t *ret_s) WRIT_MUST_USE;
// "2027-01-31T12:00:00Z", NUL-terminated; what is past the maximum is written as the maximum. Returns `text`.
const char *date_text(uint64_t seconds, char text[DATE_TEXT_BYTES]);
