// SPDX-License-Identifier: Apache-2.0
// Schedules and lists of jobs from any text: what is accepted has moments, each later than the one before.
//
// links: driver
#include "base/check.h"
#include "driver/cron/cron.h"
#include "fuzz.h"

static void check_moments(const cron_schedule *s, uint64_t from) {
    uint64_t at = from;
    for (int i = 0; i < 8; i++) {
        uint64_t next = cron_next(s, at);
        CHECK(next > at);
        if (next == UINT64_MAX) {
            break;
        }
        CHECK(cron_next(s, next - 1) == next);
        at = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cron_schedule s;
    cron_job jobs[CRON_JOBS_MAX];
    size_t count = 0;
    err e = {0};
    if (size < 4 || size > 1 << 16) {
        return 0;
    }
    uint64_t from = (uint64_t)(data[0] | data[1] << 8 | data[2] << 16) * (data[3] + 1u) * 64;
    slice text = slice_of(data + 4, size - 4);
    if (cron_parse(text, &s, &e) == STATUS_OK) {
        check_moments(&s, from);
    } else {
        CHECK(e.message[0] != '\0');
    }
    if (cron_jobs_parse(text, jobs, &count, NULL) == STATUS_OK) {
        CHECK(count <= CRON_JOBS_MAX);
    }
    return 0;
}
