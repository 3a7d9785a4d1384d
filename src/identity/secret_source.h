// SPDX-License-Identifier: Apache-2.0
// Where secrets come from: the store of this machine, or a server.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "crypto/secret.h"

typedef enum secret_kind { SECRET_TEXT = 1, SECRET_BYTES = 2 } secret_kind;

typedef struct secret_value {
    secret_kind kind; // text is UTF-8
    secret bytes;
    uint64_t version; // as the source counts; of no other meaning
    uint64_t until_s; // it is given to nobody from that second on; 0 = it has no end yet
} secret_value;

// Into memory of its own, locked too.
status secret_value_copy(const secret_value *v, secret_value *ret, err *e) WRIT_MUST_USE;
static inline void secret_value_free(secret_value *v) { secret_free(&v->bytes); }
#define auto_secret_value WRIT_CLEANUP(secret_value_free) secret_value

typedef struct secret_source {
    const void *context;
    // `field` and `version` may be NULL: the only field, the newest version. STATUS_NOT_FOUND; the message
    // names the secret and never its value.
    status (*get)(const void *context, const char *key, const char *field, const char *version,
                  uint64_t now_s, secret_value *ret, err *e);
} secret_source;
