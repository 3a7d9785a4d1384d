// SPDX-License-Identifier: Apache-2.0
// Where standard output and error of an instance go when they are captured: lines to the log of the host.
//
// A line is passed on when it is complete, when it has reached the limit of a line, and at the end of the
// instance. Over the rate of the workload whole lines are dropped and counted.
#pragma once

#include "capability/wasi.h"

typedef struct stdio_lines {
    uint8_t *line; // log_line_bytes_max long
    size_t len;
    bool is_cut; // the line was too long: its rest is dropped
    bool is_stderr;
} stdio_lines;

typedef struct stdio_capture { // in WASI_SLOT_CLI, made at the first use
    wasi_instance *instance;
    stdio_lines out;
    stdio_lines err;
    uint64_t tokens; // bytes that may be logged now
    uint64_t refilled_ns;
} stdio_capture;

stdio_capture *stdio_capture_of(wasi_instance *i);
// Takes any bytes; never fails: what is over a limit is counted in wasi_counters.log_bytes_dropped.
void stdio_capture_write(stdio_capture *c, stdio_lines *lines, slice bytes);
