// SPDX-License-Identifier: Apache-2.0
// One script: its commands, in order, each counted as passed, failed or skipped.
#pragma once

#include "engine/engine.h"

typedef struct wast_counts {
    uint32_t passed;
    uint32_t failed;
    uint32_t skipped;
} wast_counts;

// Prints failures as FILE:LINE of the .wast source (`path` names the JSON; module files stand beside it).
// `verbose` prints skipped commands too.
void wast_run_script(engine *g, const char *path, bool verbose, wast_counts *counts);
