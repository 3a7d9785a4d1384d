// SPDX-License-Identifier: Apache-2.0
//
// Hostile: looks for a way out, for files, and for what another plug-in keeps; says what came of it. (The
// network: a request to this machine; whoever hosts it has granted it none.)
#include "nosy.h"

#include <stdio.h>
#include <string.h>

static nosy_string_t text_of(const char *text) { return (nosy_string_t){(uint8_t *)text, strlen(text)}; }

static const char *try_network(void) {
    http_own_outgoing_request_t request = http_constructor_outgoing_request(http_constructor_fields());
    nosy_string_t authority = text_of("127.0.0.1:8080");
    outgoing_own_future_incoming_response_t future;
    outgoing_error_code_t error;
    http_result_result_own_incoming_response_error_code_void_t answer;
    http_method_outgoing_request_set_authority(http_borrow_outgoing_request(request), &authority);
    if (!outgoing_handle(request, NULL, &future, &error)) {
        return "refused";
    }
    poll_own_pollable_t ready =
        http_method_future_incoming_response_subscribe(http_borrow_future_incoming_response(future));
    poll_method_pollable_block(poll_borrow_pollable(ready));
    bool is_there =
        http_method_future_incoming_response_get(http_borrow_future_incoming_response(future), &answer);
    return is_there && !answer.is_err && !answer.val.ok.is_err ? "OPEN" : "refused";
}

static size_t count_folders(void) {
    preopens_list_tuple2_own_descriptor_string_t folders;
    preopens_get_directories(&folders);
    return folders.len;
}

// Opening a bucket makes no call; reading does.
static const char *try_store(const char *bucket_name) {
    nosy_string_t name = text_of(bucket_name), key = text_of("last");
    keyvalue_own_bucket_t bucket;
    keyvalue_error_t error;
    nosy_option_list_u8_t value;
    bool is_open = keyvalue_open(&name, &bucket, &error) &&
                   keyvalue_method_bucket_get(keyvalue_borrow_bucket(bucket), &key, &value, &error);
    return is_open ? "OPEN" : "refused";
}

bool exports_plugin_run(nosy_string_t *text, nosy_string_t *ret, exports_plugin_failure_t *err) {
    char words[200];
    (void)text, (void)err;
    snprintf(words, sizeof words, "network: %s; folders: %zu; the bucket of another: %s", try_network(),
             count_folders(), try_store("remember"));
    nosy_string_dup(ret, words);
    return true;
}
