// SPDX-License-Identifier: Apache-2.0
//
// Hostile: takes all the memory that it can get, and falls over when there is no more.
#include "simple.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE_BYTES = 1 << 20 };

bool exports_plugin_run(simple_string_t *text, simple_string_t *ret, exports_plugin_failure_t *err) {
    (void)text, (void)ret, (void)err;
    for (;;) {
        char *piece = malloc(PIECE_BYTES);
        if (piece == NULL) {
            abort();
        }
        memset(piece, 'x', PIECE_BYTES);
        *(volatile char *)piece = 'y'; // or the compiler would see that nobody reads it, and take nothing
    }
}
