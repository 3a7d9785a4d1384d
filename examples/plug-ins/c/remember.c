// SPDX-License-Identifier: Apache-2.0
//
// The text that it was given before this one. It keeps it in a bucket that its link has, and no other link.
#include "keeper.h"

#include <string.h>

static keeper_string_t text_of(const char *text) { return (keeper_string_t){(uint8_t *)text, strlen(text)}; }

static bool fail(keeper_string_t *text, exports_plugin_failure_t *err, const char *why) {
    err->tag = EXPORTS_PLUGIN_FAILURE_DECLINED;
    keeper_string_dup(&err->val.declined, why);
    keeper_string_free(text);
    return false;
}

bool exports_plugin_run(keeper_string_t *text, keeper_string_t *ret, exports_plugin_failure_t *err) {
    keeper_string_t name = text_of("remember"), key = text_of("last");
    keeper_list_u8_t value = {text->ptr, text->len};
    keyvalue_own_bucket_t bucket;
    keyvalue_error_t error;
    keeper_option_list_u8_t last;
    if (!keyvalue_open(&name, &bucket, &error)) {
        return fail(text, err, "it has no bucket");
    }
    keyvalue_borrow_bucket_t kept = keyvalue_borrow_bucket(bucket);
    if (!keyvalue_method_bucket_get(kept, &key, &last, &error) ||
        !keyvalue_method_bucket_set(kept, &key, &value, &error)) {
        return fail(text, err, "its store does not answer");
    }
    if (last.is_some) {
        *ret = (keeper_string_t){last.val.ptr, last.val.len};
    } else {
        keeper_string_dup(ret, "nothing yet");
    }
    keyvalue_bucket_drop_own(bucket);
    keeper_string_free(text);
    return true;
}
