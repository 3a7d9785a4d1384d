// SPDX-License-Identifier: Apache-2.0
// Scheduled calls: the driver that calls what a component exports, at times that its settings say.
//
//   wasmcloud:cron/scheduler      invoke(payload: list<u8>) -> result<_, string>; without the setting
//   `subject` wasmcloud:messaging/handler   handle-message({subject, payload, none}) -> result<_, string>;
//   with it
//
// A job is due at each moment that its schedule names (schedule.h), by the clock of the machine, in UTC. What
// it is worth to be late for is little, so:
//
// - While a call of the job runs, a moment that comes is left out; with the setting `overlap` it is called
//   beside it, up to CRON_OVERLAP_MAX times.
// - A moment that was missed (the machine slept, no worker was there) is left out when it is noticed more
//   than CRON_LATE_S late, and with the setting `missed` = `once` made up for by one call, however many they
//   were. The same for moments that were left out because the job ran.
// - A call that could not be begun is tried again a little later, until the next moment comes.
// - A call that failed is not made again. Nothing is kept when the process ends.
// - A clock that is set back makes moments come again.
#pragma once

#include "driver/cron/schedule.h"
#include "driver/driver.h"

enum {
    CRON_JOBS_MAX = 64,
    CRON_NAME_BYTES_MAX = 64,
    CRON_PAYLOAD_BYTES_MAX = 64 << 10,
    CRON_OVERLAP_MAX = 16,
    CRON_LATE_S = 60,
};

typedef struct cron_job {
    slice name;
    cron_schedule schedule;
    slice payload;
} cron_job;

// NAME=SCHEDULE[:PAYLOAD], one a line or with ';' between; a ';' within JSON is part of the payload. The
// payload is `{}` when there is none. Borrows from the text. STATUS_INVALID, STATUS_LIMIT.
status cron_jobs_parse(slice text, cron_job ret[CRON_JOBS_MAX], size_t *ret_count, err *e) WRIT_MUST_USE;

extern const driver cron_timer; // "cron"
