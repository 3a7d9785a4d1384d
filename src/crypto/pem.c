// SPDX-License-Identifier: Apache-2.0
#include "crypto/pem.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

status pem_begin(slice text, size_t bytes_max, pem_reader *ret, err *e) {
    if (text.len > bytes_max || text.len > INT32_MAX) {
        return err_set(e, STATUS_LIMIT, "a PEM text of %zu bytes is larger than %zu", text.len, bytes_max);
    }
    BIO *bio = BIO_new_mem_buf(text.len == 0 ? (const void *)"" : text.data, (int)text.len);
    if (bio == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for a PEM text");
    }
    ret->source = bio;
    return STATUS_OK;
}

void pem_end(pem_reader *r) {
    BIO_free(r->source);
    r->source = NULL;
}

status pem_next(pem_reader *r, pem_block *ret, err *e) {
    char *name = NULL, *header = NULL;
    pem_block b = {0};
    ERR_clear_error();
    if (PEM_read_bio(r->source, &name, &header, &b.data, &b.len) != 1) {
        bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
        ERR_clear_error();
        return end ? err_set(e, STATUS_NOT_FOUND, "no PEM block (\"-----BEGIN ...\") in the text")
                   : err_set(e, STATUS_INVALID, "a PEM block is broken");
    }
    bool fits = strlen(name) < sizeof b.name;
    if (fits) {
        memcpy(b.name, name, strlen(name) + 1);
    }
    b.encrypted = strstr(name, "ENCRYPTED") != NULL || strstr(header, "ENCRYPTED") != NULL;
    bool plain = header[0] == '\0' || b.encrypted;
    OPENSSL_free(name);
    OPENSSL_free(header);
    if (!fits || !plain) {
        pem_block_drop(&b);
        return err_set(e, STATUS_INVALID, "a PEM block has an unknown name or header lines");
    }
    *ret = b;
    return STATUS_OK;
}

void pem_block_drop(pem_block *b) {
    if (b->data != NULL) {
        OPENSSL_clear_free(b->data, (size_t)b->len);
    }
    *b = (pem_block){0};
}
