// SPDX-License-Identifier: Apache-2.0
// XML from any bytes stays within its bounds, and what an element says can be written and read again.
//
// links: codec
#include "base/buf.h"
#include "base/check.h"
#include "codec/xml.h"
#include "fuzz.h"

static const xml_limits limits = {
    .bytes_max = 1 << 16, .text_bytes_max = 4096, .elements_max = 1000, .depth_max = 8};

static status is_same(void *arg, slice path, slice text, err *e) {
    (void)path, (void)e;
    CHECK(slice_equal(*(const slice *)arg, text));
    return STATUS_OK;
}

static status visit(void *arg, slice path, slice text, err *e) {
    (void)arg, (void)e;
    CHECK(path.len > 0 && path.len <= XML_PATH_BYTES_MAX && text.len <= limits.text_bytes_max);
    auto_buf again;
    buf_init(&again, 1 << 16);
    CHECK(buf_append_text(&again, "<a>") == STATUS_OK && xml_write_text(text, &again) == STATUS_OK &&
          buf_append_text(&again, "</a>") == STATUS_OK);
    CHECK(xml_read(buf_slice(&again), &limits, is_same, &text, NULL) == STATUS_OK);
    return STATUS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    err e = {0};
    status s = xml_read(slice_of(data, size), &limits, visit, NULL, &e);
    CHECK(s == STATUS_OK || e.message[0] != '\0');
    return 0;
}
