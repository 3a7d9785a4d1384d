// SPDX-License-Identifier: Apache-2.0
// Names of objects as paths below a container's directory, such that every name has one path, no two have the
// same, and none leads out: a byte that is no letter, digit, one of -_~+=,@ or a later dot, nor part of a
// character beyond ASCII, is written as %XX, and so is a dot in front. What does not fit one file name goes
// on in a directory whose name ends with '%'. No path of a name has a part like "%made": those are the
// store's.
#pragma once

#include "base/attributes.h"
#include "base/slice.h"
#include "driver/blobstore/blobstore.h"

enum {
    DIRECTORY_PIECE_BYTES_MAX = 240, // of a path's part, without the '%' behind it
    // Each byte as three, and "%/" after each piece.
    DIRECTORY_PATH_BYTES_MAX = BLOBSTORE_OBJECT_BYTES_MAX * 3 / (DIRECTORY_PIECE_BYTES_MAX - 2) * 2 +
                               BLOBSTORE_OBJECT_BYTES_MAX * 3 + 4,
    DIRECTORY_DEPTH_MAX = 16, // of directories in a path, and more than are needed
};

// NUL-terminated; false when the name is longer than an object's may be, or empty.
bool directory_path(slice name, char ret[DIRECTORY_PATH_BYTES_MAX]);
// The other way: false for a path that is of no name.
bool directory_name(const char *path, uint8_t ret[BLOBSTORE_OBJECT_BYTES_MAX], size_t *ret_len);
