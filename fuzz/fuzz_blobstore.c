// SPDX-License-Identifier: Apache-2.0
// Calls and answers of the blob store from any bytes: the first byte names the function and which of the two.
// What decodes is encoded again to bytes that decode to the same. And names of files of the directory driver.
//
// links: driver
#include "base/check.h"
#include "driver/blobstore/blobstore.h"
#include "driver/blobstore/directory_names.h"
#include "fuzz.h"

enum { MEMORY_MAX = 16 << 20 };

static void call(blobstore_function f, slice payload) {
    auto_arena a;
    auto_buf first;
    auto_buf second;
    blobstore_call c, again;
    err e = {0};
    arena_init(&a, MEMORY_MAX);
    buf_init(&first, MEMORY_MAX);
    buf_init(&second, MEMORY_MAX);
    if (blobstore_call_decode(f, payload, &a, &c, &e) != STATUS_OK) {
        CHECK(e.message[0] != '\0');
        return;
    }
    CHECK(c.container.len <= BLOBSTORE_CONTAINER_BYTES_MAX && c.object.len <= BLOBSTORE_OBJECT_BYTES_MAX &&
          c.bytes.len <= BLOBSTORE_PART_BYTES_MAX && c.count <= BLOBSTORE_MANY_MAX);
    CHECK(blobstore_call_encode(&c, &first, NULL) == STATUS_OK && first.len <= payload.len);
    CHECK(blobstore_call_decode(f, buf_slice(&first), &a, &again, NULL) == STATUS_OK);
    CHECK(blobstore_call_encode(&again, &second, NULL) == STATUS_OK);
    CHECK(slice_equal(buf_slice(&first), buf_slice(&second)));
}

static void answer(blobstore_function f, uint8_t step, slice payload) {
    const blobstore_call c = {.function = f, .step = (blobstore_step)(step % BLOBSTORE_STEP_COUNT)};
    auto_arena a;
    auto_buf first;
    auto_buf second;
    blobstore_answer x;
    arena_init(&a, MEMORY_MAX);
    buf_init(&first, MEMORY_MAX);
    buf_init(&second, MEMORY_MAX);
    if (blobstore_answer_decode(&c, payload, &a, &x, NULL) != STATUS_OK) {
        return;
    }
    CHECK(blobstore_answer_encode(&c, &x, &first, NULL) == STATUS_OK && first.len <= payload.len);
    CHECK(blobstore_answer_decode(&c, buf_slice(&first), &a, &x, NULL) == STATUS_OK);
    CHECK(blobstore_answer_encode(&c, &x, &second, NULL) == STATUS_OK);
    CHECK(slice_equal(buf_slice(&first), buf_slice(&second)));
}

// Every name has one path below its directory, and no path has two names.
static void names(slice bytes) {
    char path[DIRECTORY_PATH_BYTES_MAX], text[256];
    uint8_t name[BLOBSTORE_OBJECT_BYTES_MAX];
    size_t len = 0;
    if (directory_path(bytes, path)) {
        for (const char *part = path; part != NULL; part = strchr(part, '/')) {
            part += *part == '/';
            size_t n = strcspn(part, "/");
            CHECK(n > 0 && n <= 241 && part[0] != '.');
        }
        CHECK(directory_name(path, name, &len) && slice_equal(slice_of(name, len), bytes));
    }
    size_t n = bytes.len < sizeof text - 1 ? bytes.len : sizeof text - 1;
    memcpy(text, bytes.len > 0 ? (const char *)bytes.data : "", n);
    text[n] = '\0';
    if (directory_name(text, name, &len)) {
        CHECK(directory_path(slice_of(name, len), path) && strcmp(path, text) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    slice rest = slice_of(data + 2, size - 2);
    call((blobstore_function)(data[0] % BLOBSTORE_FUNCTION_COUNT), rest);
    answer((blobstore_function)(data[0] % BLOBSTORE_FUNCTION_COUNT), data[1], rest);
    names(rest);
    return 0;
}
