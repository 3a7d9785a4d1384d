// SPDX-License-Identifier: Apache-2.0
// A stream<u8> on its path, as wRPC has it. Pure; reads hostile bytes.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/slice.h"
#include "base/status.h"

// Pieces of count and bytes; a count of 0 ends them.
typedef struct wrpc_pieces {
    uint64_t left; // of the piece that is being read
    uint32_t count;
    unsigned shift; // bits of the count that were read
    bool is_ended;
} wrpc_pieces;

// Takes from `input` what it can: `ret` is the next run of the stream's bytes, empty when all of the input
// was taken. STATUS_INVALID for a count that is none, and for bytes behind the end.
status wrpc_pieces_read(wrpc_pieces *p, slice *input, slice *ret) WRIT_MUST_USE;

enum { WRPC_PIECE_HEAD_BYTES_MAX = 5 };
// The count in front of a piece; returns its length.
size_t wrpc_piece_head(uint32_t count, uint8_t ret[WRPC_PIECE_HEAD_BYTES_MAX]);
