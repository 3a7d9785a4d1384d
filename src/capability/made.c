// SPDX-License-Identifier: Apache-2.0
#include "capability/made.h"

#include "capability/keyvalue/keyvalue_internal.h"
#include "wasi/keyvalue_store.h"
#include "wasi/keyvalue_store_draft2.h"

static bool is_bucket(const ctype_resource *r) {
    return r == &wasi_keyvalue_store_bucket_resource || r == &wasi_keyvalue_store_draft2_bucket_resource;
}

bool wasi_made_is_known(const ctype_resource *r) { return r != NULL && is_bucket(r); }

status wasi_made_new(wasi_instance *i, const ctype_resource *r, slice id, void **ret, err *e) {
    if (!is_bucket(r)) {
        return err_set(e, STATUS_UNSUPPORTED, "the host makes no such resource for others");
    }
    keyvalue_bucket *b;
    TRY(keyvalue_bucket_new(i, id, &b, e)); // both drafts' are this and nothing more
    *ret = b;
    return STATUS_OK;
}

void wasi_made_drop(void *made) { wasi_resource_drop(made); }
