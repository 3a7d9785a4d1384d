// SPDX-License-Identifier: Apache-2.0
//
// Hostile: never comes back.
#include "simple.h"

bool exports_plugin_run(simple_string_t *text, simple_string_t *ret, exports_plugin_failure_t *err) {
    (void)text, (void)ret, (void)err;
    for (volatile unsigned turn = 0;; turn++) {
    }
}
