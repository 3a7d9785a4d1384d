// SPDX-License-Identifier: Apache-2.0
//
// The text from its end to its beginning.
#include "simple.h"

bool exports_plugin_run(simple_string_t *text, simple_string_t *ret, exports_plugin_failure_t *err) {
    for (size_t i = 0; i < text->len; i++) {
        if (text->ptr[i] >= 0x80) {
            err->tag = EXPORTS_PLUGIN_FAILURE_DECLINED;
            simple_string_dup(&err->val.declined, "it knows ASCII alone");
            simple_string_free(text);
            return false;
        }
    }
    for (size_t i = 0; i < text->len / 2; i++) {
        uint8_t c = text->ptr[i];
        text->ptr[i] = text->ptr[text->len - 1 - i];
        text->ptr[text->len - 1 - i] = c;
    }
    *ret = *text; // what it was handed belongs to it, and now to its caller
    return true;
}
