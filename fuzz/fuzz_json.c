// SPDX-License-Identifier: Apache-2.0
// Any text: the JSON reader answers with a value or an error, and what it accepted can be written and read
// again.
//
// links: codec
#include "base/check.h"
#include "codec/json.h"
#include "fuzz.h"

enum { TEXT_BYTES_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_value *value = NULL;
    err e = {0};
    if (json_parse(slice_of(data, size), &value, &e) != STATUS_OK) {
        CHECK(value == NULL);
        CHECK(e.code != STATUS_OK && e.message[0] != '\0');
        return 0;
    }
    auto_buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    if (json_write(value, 0, &text) == STATUS_OK) {
        json_value *again = NULL;
        CHECK(json_parse(buf_slice(&text), &again, &e) == STATUS_OK);
        json_free(again);
    }
    json_free(value);
    return 0;
}
