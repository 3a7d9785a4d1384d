// SPDX-License-Identifier: Apache-2.0
// What the sources of a component are right now, in one number, and a watch on every folder with a part in
// it. Two looks with the same content are equal, whatever was written in between: a build that writes into
// its own sources, and writes the same each time, does not start another.
//
// Left out: names that begin with ".", end with "~" or are `node_modules` or `__pycache__`, and what the
// caller names. Links are not followed; where they lead counts.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/err.h"
#include "crypto/hash.h"

enum {
    SOURCE_FOLDERS_MAX = 4096,
    SOURCE_FILES_MAX = 50000,
    SOURCE_FILE_BYTES_MAX = 8 << 20, // of a larger one size and time count
};

typedef struct source_print {
    uint8_t bytes[HASH_BYTES];
} source_print;

typedef struct source_look {
    const char *root;         // absolute
    const char *const *paths; // below it; "." for all
    size_t path_count;
    const char *const *left_out; // paths below the root, such as those of outputs
    size_t left_out_count;
    int watch;          // file_watch_open, or -1
    bool *lost_watches; // becomes true when the system gives no more watches: changes will not be heard of
} source_look;

// STATUS_LIMIT over the maxima. What vanishes meanwhile is left out.
status source_tree_look(const source_look *l, source_print *ret, err *e) WRIT_MUST_USE;
