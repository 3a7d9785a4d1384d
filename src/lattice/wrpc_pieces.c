// SPDX-License-Identifier: Apache-2.0
#include "lattice/wrpc_pieces.h"

#include "codec/leb128.h"

enum { COUNT_BITS = 32, LEB_BITS = 7 };

static status read_count_byte(wrpc_pieces *p, uint8_t byte) {
    uint32_t bits = byte & 0x7f;
    if (p->shift >= COUNT_BITS ||
        (p->shift > COUNT_BITS - LEB_BITS && bits >> (COUNT_BITS - p->shift) != 0)) {
        return STATUS_INVALID;
    }
    p->count |= bits << p->shift;
    p->shift += LEB_BITS;
    if ((byte & 0x80) == 0) {
        p->left = p->count;
        p->is_ended = p->count == 0;
        p->count = 0;
        p->shift = 0;
    }
    return STATUS_OK;
}

status wrpc_pieces_read(wrpc_pieces *p, slice *input, slice *ret) {
    *ret = slice_empty();
    while (p->left == 0 && input->len > 0) {
        if (p->is_ended) {
            return STATUS_INVALID;
        }
        TRY(read_count_byte(p, input->data[0]));
        *input = slice_sub(*input, 1, input->len);
    }
    size_t len = p->left < input->len ? (size_t)p->left : input->len;
    *ret = slice_sub(*input, 0, len);
    *input = slice_sub(*input, len, input->len);
    p->left -= len;
    return STATUS_OK;
}

size_t wrpc_piece_head(uint32_t count, uint8_t ret[WRPC_PIECE_HEAD_BYTES_MAX]) {
    return leb128_write_u64(ret, count);
}
