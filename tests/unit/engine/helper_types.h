// SPDX-License-Identifier: Apache-2.0
// Random types in text, and random memory to read them from. The same dice roll the same type again.
#pragma once

#include "base/buf.h"

typedef struct dice {
    uint64_t state;
} dice;

uint32_t roll(dice *d, uint32_t below);

enum { TYPES_MEMORY_BYTES = 4096, TYPES_TEXT_MAX = 64 * 1024 };

typedef enum types_place { // where the definitions will stand
    TYPES_AT_ROOT,         // (type $t0' ...) (export $t0 "t0" (type $t0'))
    TYPES_IN_INSTANCE,     // (type $t0' ...) (export "t0" (type $t0 (eq $t0')))
} types_place;

// Writes a type, and before it the definitions of the types inside it that need a name: t0, t1, ... Returns
// how many these are.
uint32_t types_put(dice *d, types_place place, buf *ret_definitions, buf *ret_type);

// Mostly small numbers, so that tags, lengths and pointers are often right.
void types_put_memory(dice *d, buf *out);
