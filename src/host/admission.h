// SPDX-License-Identifier: Apache-2.0
// Bounds of a workload that hold over all of its workers: how many instances run, how many requests wait.
//
// One page for each workload, that all workers map; each writes its own row and adds up the rows of all. To
// take a place a worker counts itself first and looks at the sum afterwards, so the bound is never passed;
// two that take the last place at the same moment may both be told no, and try again. A worker that was taken
// over can lie in these pages: it can starve the others, and nothing else. The supervisor clears the rows of
// a worker that ended.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { ADMISSION_WORKERS_MAX = 256 };

typedef enum admission_kind {
    ADMISSION_RUNNING,
    ADMISSION_WAITING,
    ADMISSION_KINDS,
} admission_kind;

typedef struct admission_page {
    _Atomic uint32_t rows[ADMISSION_WORKERS_MAX][ADMISSION_KINDS];
} admission_page;

typedef struct admission { // one worker's view
    admission_page *page;
    uint32_t index; // its row
    uint32_t count; // of workers
} admission;

// False when `max` are taken already.
bool admission_take(const admission *a, admission_kind kind, uint32_t max);
void admission_give(const admission *a, admission_kind kind);
uint32_t admission_total(const admission *a, admission_kind kind); // taken now, by all workers

// The supervisor: what worker `index` has taken now, by its own word.
uint32_t admission_count(const admission_page *page, uint32_t index, admission_kind kind);
// The supervisor, when a worker has ended.
void admission_clear(admission_page *page, uint32_t index);
