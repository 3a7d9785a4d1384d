// SPDX-License-Identifier: Apache-2.0
// Answers of the control interface: read or refused with a sentence, and what was read is within the
// document.
//
// links: lattice
#include "base/check.h"
#include "fuzz.h"
#include "lattice/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lattice_answer a;
    json_value *document = NULL;
    err e = {0};
    if (lattice_answer_parse(slice_of(data, size), &a, &document, &e) != STATUS_OK) {
        CHECK(document == NULL && e.message[0] != '\0');
        return 0;
    }
    auto_buf text;
    buf_init(&text, 1 << 22);
    CHECK(document != NULL && a.code == STATUS_OK);
    CHECK(a.message.len <= size);
    (void)!json_write(a.response != NULL ? a.response : document, 0, &text);
    json_free(document);
    return 0;
}
