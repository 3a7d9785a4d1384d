// SPDX-License-Identifier: Apache-2.0
// Cron expressions: when, in UTC.
//
//   [second] minute hour day-of-month month day-of-week [year]     5, 6 or 7 fields; without the first:
//   second
//                                                                   0. The year is `*`
//   @yearly @annually @monthly @weekly @daily @midnight @hourly
//   @every DURATION                                                 whole seconds up to a day: at the
//                                                                   multiples of it since 1970
//
// A field is a list with ',' of `*`, `?`, N, N-M, each with /STEP if need be (N/STEP is N to the end). Months
// and days of the week have English names of three letters; Sunday is 0 and 7. When both days are restricted,
// either is enough, as everywhere.
//
// Pure. Fuzzed by fuzz/fuzz_cron.c.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

enum { CRON_TEXT_BYTES_MAX = 256 };

typedef struct cron_schedule { // bit N: that one
    uint64_t seconds;
    uint64_t minutes;
    uint32_t hours;
    uint32_t days; // of the month
    uint32_t months;
    uint32_t weekdays;
    bool any_day; // of the month
    bool any_weekday;
    uint32_t every_s; // not 0: of @every, and nothing else counts
} cron_schedule;

// STATUS_INVALID, also for one that never comes (31 February).
status cron_parse(slice text, cron_schedule *ret, err *e) WRIT_MUST_USE;
// The first moment after `after_s`, in seconds since 1970; UINT64_MAX when there is none before the year
// 10000.
uint64_t cron_next(const cron_schedule *s, uint64_t after_s);
