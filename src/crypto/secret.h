// SPDX-License-Identifier: Apache-2.0
// Memory for secrets: locked against swapping where the machine allows it, left out of core dumps, between
// guard pages, wiped when freed. One owner; not thread-safe.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

enum { SECRET_BYTES_MAX = 1 << 20 };

typedef struct secret {
    uint8_t *data;
    size_t len;
} secret;

// Zeroed. STATUS_LIMIT over SECRET_BYTES_MAX or when the machine has no memory for it.
status secret_new(size_t len, secret *ret, err *e) WRIT_MUST_USE;
void secret_free(secret *s); // accepts a zeroed one
#define auto_secret WRIT_CLEANUP(secret_free) secret

static inline slice secret_slice(const secret *s) { return slice_of(s->data, s->len); }
// Overwrites bytes that are not in a secret; never optimised away.
void secret_wipe(void *bytes, size_t len);
