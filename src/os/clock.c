// SPDX-License-Identifier: Apache-2.0
#include "os/clock.h"

#include <stdio.h>
#include <time.h>

#include "base/check.h"

static struct timespec read_clock(clockid_t id) {
    struct timespec t;
    CHECK(clock_gettime(id, &t) == 0);
    return t;
}

static uint64_t to_ns(struct timespec t) { return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec; }

uint64_t clock_now_ns(void) { return to_ns(read_clock(CLOCK_MONOTONIC)); }
uint64_t clock_thread_cpu_ns(void) { return to_ns(read_clock(CLOCK_THREAD_CPUTIME_ID)); }

static clock_wall to_wall(struct timespec t) {
    if (t.tv_sec < 0) {
        return (clock_wall){0, 0};
    }
    return (clock_wall){(uint64_t)t.tv_sec, (uint32_t)t.tv_nsec};
}

clock_wall clock_wall_now(void) { return to_wall(read_clock(CLOCK_REALTIME)); }

static struct timespec resolution(clockid_t id) {
    struct timespec t;
    CHECK(clock_getres(id, &t) == 0);
    return t;
}

uint64_t clock_resolution_ns(void) { return to_ns(resolution(CLOCK_MONOTONIC)); }
clock_wall clock_wall_resolution(void) { return to_wall(resolution(CLOCK_REALTIME)); }

const char *clock_wall_text(clock_wall w, char text[CLOCK_TEXT_BYTES]) {
    // Beyond the year 9999 the form has no place for the year; show the last moment that it can.
    const uint64_t last_second = 253402300799u;
    time_t seconds = (time_t)(w.seconds > last_second ? last_second : w.seconds);
    struct tm t;
    CHECK(gmtime_r(&seconds, &t) != NULL);
    size_t n = strftime(text, CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &t);
    (void)snprintf(text + n, CLOCK_TEXT_BYTES - n, ".%03uZ", w.nanoseconds / 1000000u % 1000u);
    return text;
}
