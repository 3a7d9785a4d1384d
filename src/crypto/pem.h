// SPDX-License-Identifier: Apache-2.0
// Blocks of PEM text (RFC 7468), one after the other. Nothing is decrypted, and nobody is asked for a
// passphrase.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

typedef struct pem_reader {
    void *source; // an OpenSSL BIO
} pem_reader;

typedef struct pem_block {
    char name[48];  // "CERTIFICATE"
    bool encrypted; // by its header lines, or by its name
    uint8_t *data;
    long len;
} pem_block;

// `text` must live as long as the reader.
status pem_begin(slice text, size_t bytes_max, pem_reader *ret, err *e) WRIT_MUST_USE;
void pem_end(pem_reader *r); // accepts a zeroed one
// STATUS_NOT_FOUND at the end. STATUS_INVALID for a broken block. The block is wiped when dropped.
status pem_next(pem_reader *r, pem_block *ret, err *e) WRIT_MUST_USE;
void pem_block_drop(pem_block *b); // accepts a zeroed one

static inline slice pem_bytes(const pem_block *b) { return slice_of(b->data, (size_t)b->len); }
