#include "answer.h"

#include <stdio.h>
#include <string.h>

static app_string_t text_of(const char *text) { return (app_string_t){(uint8_t *)text, strlen(text)}; }

// One more visitor. Atomic: two requests at one time, in any process, never get the same number.
static bool count(uint64_t *ret) {
    app_string_t name = text_of("pages"), key = text_of("visits");
    keyvalue_own_bucket_t bucket;
    keyvalue_error_t error;
    if (!keyvalue_open(&name, &bucket, &error)) {
        keyvalue_error_free(&error);
        return false;
    }
    bool is_counted = atomics_increment(keyvalue_borrow_bucket(bucket), &key, 1, ret, &error);
    if (!is_counted) {
        keyvalue_error_free(&error);
    }
    keyvalue_bucket_drop_own(bucket);
    return is_counted;
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    char text[64];
    uint64_t visits;
    http_incoming_request_drop_own(request);
    if (count(&visits)) {
        snprintf(text, sizeof text, "Hello, visitor number %llu.\n", (unsigned long long)visits);
        answer(out, 200, "text/plain; charset=utf-8", text);
    } else {
        answer(out, 503, "text/plain; charset=utf-8", "The counter cannot be reached.\n");
    }
}
