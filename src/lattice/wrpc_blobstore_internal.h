// SPDX-License-Identifier: Apache-2.0
// What both directions of wrpc:blobstore share: the streams of its functions.
#pragma once

#include "codec/values.h"
#include "driver/blobstore/blobstore.h"
#include "lattice/wrpc_blobstore.h"
#include "lattice/wrpc_pieces.h"

enum {
    WRPC_BLOBS_WRITE_BYTES_MAX = 256 << 10, // given to a transport at one time
    WRPC_BLOBS_TEXT_BYTES_MAX = 4096,       // of an error
    WRPC_BLOBS_STREAM = 0,                  // path of results, and the one of parameters
    WRPC_BLOBS_OUTCOME = 1,                 // of results, of 0.2.0 alone
};

lattice_paths wrpc_blobs_up(blobstore_function f);
lattice_paths wrpc_blobs_down(blobstore_function f, bool is_old);

static inline void wrpc_blobs_write_id(values_writer *w, slice container, slice object) {
    values_write_string(w, container);
    values_write_string(w, object);
}
