// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void *mem_try_alloc(size_t bytes) { return malloc(bytes == 0 ? 1 : bytes); }
void *mem_try_calloc(size_t count, size_t bytes) {
    return calloc(count == 0 ? 1 : count, bytes == 0 ? 1 : bytes);
}
void *mem_try_resize(void *old, size_t bytes) { return realloc(old, bytes == 0 ? 1 : bytes); }
void mem_free(void *p) { free(p); }

static void *required(void *p) {
    CHECK(p != NULL);
    return p;
}

void *mem_alloc(size_t bytes) { return required(mem_try_alloc(bytes)); }
void *mem_zalloc(size_t bytes) { return required(mem_try_calloc(1, bytes)); }
void *mem_calloc(size_t count, size_t bytes) { return required(mem_try_calloc(count, bytes)); }
void *mem_resize(void *old, size_t bytes) { return required(mem_try_resize(old, bytes)); }

char *mem_text_dup(const char *text) {
    size_t n = strlen(text) + 1;
    return memcpy(mem_alloc(n), text, n);
}

char *mem_slice_dup(slice s) {
    char *text = mem_alloc(s.len + 1);
    if (s.len > 0) {
        memcpy(text, s.data, s.len);
    }
    text[s.len] = '\0';
    return text;
}
