// SPDX-License-Identifier: Apache-2.0
#include "secrets/backend.h"

void secret_batch_fail(secret_batch *b, status code, const char *message) {
    for (size_t i = 0; i < b->count; i++) {
        b->items[i].code = err_set(&b->items[i].e, code, "%s", message);
    }
}
