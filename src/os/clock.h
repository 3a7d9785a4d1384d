// SPDX-License-Identifier: Apache-2.0
// The clocks of the machine. All functions are cheap (no system call on common machines) and thread-safe.
#pragma once

#include <stdint.h>

// Nanoseconds since an arbitrary start; never goes back, does not count time in suspend.
uint64_t clock_now_ns(void);
// Nanoseconds of CPU time that the calling thread has used.
uint64_t clock_thread_cpu_ns(void);

typedef struct clock_wall { // since 1970-01-01 00:00:00 UTC, without leap seconds
    uint64_t seconds;
    uint32_t nanoseconds;
} clock_wall;

// A machine whose clock is set before 1970 reads as 1970.
clock_wall clock_wall_now(void);

uint64_t clock_resolution_ns(void);     // of clock_now_ns
clock_wall clock_wall_resolution(void); // of clock_wall_now

enum { CLOCK_TEXT_BYTES = 32 };
// "2026-01-31T12:00:00.123Z" (RFC 3339, UTC, milliseconds).
const char *clock_wall_text(clock_wall w, char text[CLOCK_TEXT_BYTES]);
