// SPDX-License-Identifier: Apache-2.0
#include "host/admission.h"

#include "base/check.h"

static uint64_t sum(const admission *a, admission_kind kind) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        total += atomic_load(&a->page->rows[i][kind]);
    }
    return total;
}

bool admission_take(const admission *a, admission_kind kind, uint32_t max) {
    CHECK(a->index < a->count && a->count <= ADMISSION_WORKERS_MAX);
    atomic_fetch_add(&a->page->rows[a->index][kind], 1);
    if (sum(a, kind) <= max) {
        return true;
    }
    admission_give(a, kind);
    return false;
}

void admission_give(const admission *a, admission_kind kind) {
    atomic_fetch_sub(&a->page->rows[a->index][kind], 1);
}

uint32_t admission_count(const admission_page *page, uint32_t index, admission_kind kind) {
    CHECK(index < ADMISSION_WORKERS_MAX);
    return atomic_load_explicit(&page->rows[index][kind], memory_order_relaxed);
}

void admission_clear(admission_page *page, uint32_t index) {
    CHECK(index < ADMISSION_WORKERS_MAX);
    for (int kind = 0; kind < ADMISSION_KINDS; kind++) {
        atomic_store(&page->rows[index][kind], 0);
    }
}

uint32_t admission_total(const admission *a, admission_kind kind) {
    uint64_t total = sum(a, kind);
    return total < UINT32_MAX ? (uint32_t)total : UINT32_MAX;
}
