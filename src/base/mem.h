// SPDX-License-Identifier: Apache-2.0
// Allocation. The plain functions abort when memory is out: for sizes that we chose ourselves. The `try_`
// twins return NULL: for sizes that come from outside (guest, network, file). Only base/ calls malloc.
#pragma once

#include <stddef.h>

#include "base/attributes.h"
#include "base/slice.h"

void *mem_alloc(size_t bytes) WRIT_MUST_USE;                // not zeroed
void *mem_zalloc(size_t bytes) WRIT_MUST_USE;               // zeroed
void *mem_calloc(size_t count, size_t bytes) WRIT_MUST_USE; // zeroed; aborts on overflow
void *mem_resize(void *old, size_t bytes) WRIT_MUST_USE;
char *mem_text_dup(const char *text) WRIT_MUST_USE;
char *mem_slice_dup(slice s) WRIT_MUST_USE; // as text

void *mem_try_alloc(size_t bytes) WRIT_MUST_USE;
void *mem_try_calloc(size_t count, size_t bytes) WRIT_MUST_USE; // NULL on overflow too
void *mem_try_resize(void *old, size_t bytes) WRIT_MUST_USE;

void mem_free(void *p); // accepts NULL

#define MEM_NEW(type) ((type *)mem_zalloc(sizeof(type)))
