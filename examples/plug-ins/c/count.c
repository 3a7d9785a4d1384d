// SPDX-License-Identifier: Apache-2.0
//
// How many words the text has.
#include "simple.h"

#include <stdio.h>

bool exports_plugin_run(simple_string_t *text, simple_string_t *ret, exports_plugin_failure_t *err) {
    char words[32];
    size_t count = 0;
    for (size_t i = 0; i < text->len; i++) {
        count += text->ptr[i] != ' ' && (i == 0 || text->ptr[i - 1] == ' ');
    }
    (void)err;
    snprintf(words, sizeof words, "%zu words", count);
    simple_string_dup(ret, words);
    simple_string_free(text);
    return true;
}
