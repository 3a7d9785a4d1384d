// SPDX-License-Identifier: Apache-2.0
#include "crypto/secret.h"

#include <sodium.h>

#include "base/check.h"

status secret_new(size_t len, secret *ret, err *e) {
    if (len > SECRET_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "a secret of %zu bytes; at most %d are kept", len, SECRET_BYTES_MAX);
    }
    CHECK(sodium_init() >= 0);
    // Locking may fail (RLIMIT_MEMLOCK); guard pages and the advice against core dumps are there all the
    // same.
    uint8_t *data = sodium_malloc(len);
    if (data == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for a secret of %zu bytes", len);
    }
    memset(data, 0, len); // libsodium fills it with a pattern
    *ret = (secret){data, len};
    return STATUS_OK;
}

void secret_free(secret *s) {
    sodium_free(s->data);
    *s = (secret){NULL, 0};
}

void secret_wipe(void *bytes, size_t len) { sodium_memzero(bytes, len); }
