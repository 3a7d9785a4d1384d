// SPDX-License-Identifier: Apache-2.0
// Between the supervisor and the compiler process.
#pragma once

#include "engine/engine.h"
#include "os/channel.h"

enum { COMPILE_MODULES_MAX = 2048 };

typedef struct compile_start {
    engine_options options;
    uint32_t count;                        // of modules to compile
    uint16_t indices[COMPILE_MODULES_MAX]; // which of the component's
} compile_start;

status compile_send_start(channel *c, const compile_start *m, int component_fd, err *e) WRIT_MUST_USE;
status compile_read_start(const channel_packet *p, compile_start *ret, err *e) WRIT_MUST_USE;
