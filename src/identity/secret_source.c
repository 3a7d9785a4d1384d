// SPDX-License-Identifier: Apache-2.0
#include "identity/secret_source.h"

#include <string.h>

status secret_value_copy(const secret_value *v, secret_value *ret, err *e) {
    secret_value copy = *v;
    TRY(secret_new(v->bytes.len, &copy.bytes, e));
    memcpy(copy.bytes.data, v->bytes.data, v->bytes.len);
    *ret = copy;
    return STATUS_OK;
}
