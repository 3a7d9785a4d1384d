// SPDX-License-Identifier: Apache-2.0
// Any bytes where a frame of another host stands: what is read is within the limits, and written again it is
// the same bytes.
//
// links: lattice
#include "base/check.h"
#include "fuzz.h"
#include "lattice/sealed_frame.h"

static void check(const frame *f, slice bytes) {
    const lattice_invocation *i = &f->invocation;
    buf again;
    buf_init(&again, bytes.len + 16);
    CHECK(f->total <= LATTICE_PARAMS_BYTES_MAX && i->target.len <= LATTICE_ID_BYTES_MAX);
    CHECK(f->path < LATTICE_PATHS_MAX || f->path == FRAME_ROOT_PATH);
    CHECK(frame_write(f, &again) == STATUS_OK && buf_append(&again, f->body) == STATUS_OK);
    // A code that nobody has is read as another one.
    CHECK(f->kind == FRAME_FAIL || slice_equal(buf_slice(&again), bytes));
    buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    slice bytes = slice_of(data, size);
    frame f;
    if (frame_read(bytes, &f)) {
        check(&f, bytes);
    }
    return 0;
}
