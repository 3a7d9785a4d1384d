// SPDX-License-Identifier: Apache-2.0
// A value that stands nowhere in the program, made only where a test wants it, and a search for it through
// all memory of this process: heap, stacks, freed pieces, what libraries keep.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MARKER_BYTES = 32 };

// One byte of it. Never in a row in memory: the compiler does not know `marker_mask`.
static volatile uint8_t marker_mask = 0x5b;
static inline uint8_t marker_byte(size_t i) {
    static const uint8_t masked[] = "writ-marker: hidden in plain view";
    uint8_t b = (uint8_t)(masked[i] ^ marker_mask);
    return (uint8_t)('!' + b % 90); // printable
}

__attribute__((noinline)) static void marker_put(uint8_t *to) {
    for (size_t i = 0; i < MARKER_BYTES; i++) {
        ((volatile uint8_t *)to)[i] = marker_byte(i);
    }
}

static inline bool marker_is(const uint8_t *bytes, size_t len) {
    bool same = len == MARKER_BYTES;
    for (size_t i = 0; same && i < MARKER_BYTES; i++) {
        same = ((const volatile uint8_t *)bytes)[i] == marker_byte(i);
    }
    return same;
}

#define MARKER_SANITIZERS_AWAY __attribute__((no_sanitize("address", "thread", "undefined"), noinline))

// How often the first half of it stands in [from, to): halves, since copies in freed memory are often
// overwritten in part.
MARKER_SANITIZERS_AWAY static int marker_count_in(const volatile uint8_t *from, const volatile uint8_t *to,
                                                  size_t part) {
    int found = 0;
    size_t half = MARKER_BYTES / 2;
    uint8_t first = marker_byte(part * half);
    for (; to - from >= (ptrdiff_t)half; from++) {
        size_t i = 0;
        if (*from != first) {
            continue;
        }
        while (i < half && from[i] == marker_byte(part * half + i)) {
            i++;
        }
        found += i == half;
    }
    return found;
}

// In all of the process; regions over 1 GiB are a sanitizer's tables and no memory.
MARKER_SANITIZERS_AWAY static int marker_count(void) {
    char line[512], permissions[8];
    unsigned long long from, to;
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        if (sscanf(line, "%llx-%llx %7s", &from, &to, permissions) == 3 && permissions[0] == 'r' &&
            permissions[1] == 'w' && strstr(line, "[v") == NULL && to - from <= 1ull << 30) {
            int first = marker_count_in((const volatile uint8_t *)(uintptr_t)from,
                                        (const volatile uint8_t *)(uintptr_t)to, 0);
            int second = marker_count_in((const volatile uint8_t *)(uintptr_t)from,
                                         (const volatile uint8_t *)(uintptr_t)to, 1);
            found += first > second ? first : second;
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
    return maps != NULL ? found : -1;
}
