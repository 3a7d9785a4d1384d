// SPDX-License-Identifier: Apache-2.0
// What other clients of a NATS server may have written: keys and names of objects as subjects, and what is
// kept of an object. What is read as a key or a name is written as it was.
//
// links: driver
#include "base/check.h"
#include "driver/blobstore/nats_meta.h"
#include "driver/nats_names.h"
#include "fuzz.h"

static void key(slice written) {
    auto_arena memory;
    auto_buf again = {0};
    slice key_text;
    arena_init(&memory, 1 << 16);
    buf_init(&again, 1 << 14);
    if (nats_key_read(written, &memory, &key_text)) {
        CHECK(nats_key_write(key_text, &again) == STATUS_OK && slice_equal(buf_slice(&again), written));
    }
    auto_buf forth = {0};
    slice back;
    buf_init(&forth, 1 << 14);
    if (written.len <= 1000 && nats_key_write(written, &forth) == STATUS_OK &&
        nats_key_read(buf_slice(&forth), &memory, &back)) {
        CHECK(slice_equal(back, written));
    }
}

static void name(slice subject) {
    auto_buf found = {0};
    buf_init(&found, 4096);
    if (nats_meta_name("b", subject, &found) == STATUS_OK) {
        CHECK(found.len > 0 && found.len <= 1024);
    }
}

static void meta(slice json) {
    nats_meta m;
    nats_meta again;
    auto_buf text = {0};
    buf_init(&text, 1 << 14);
    if (nats_meta_read(json, &m, NULL) == STATUS_OK && m.has_digest && m.size <= INT64_MAX) {
        CHECK(nats_meta_write(&m, slice_from_text("b"), slice_from_text("n"), 1, &text) == STATUS_OK);
        CHECK(nats_meta_read(buf_slice(&text), &again, NULL) == STATUS_OK);
        CHECK(strcmp(again.nuid, m.nuid) == 0 && again.size == m.size && again.is_there == m.is_there);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 10000) {
        return 0;
    }
    slice bytes = slice_of(data, size);
    key(bytes);
    name(bytes);
    meta(bytes);
    return 0;
}
