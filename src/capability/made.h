// SPDX-License-Identifier: Apache-2.0
// Resources of the host that a driver may hand to a component: in bytes they are their identifier.
#pragma once

#include "capability/wasi.h"

bool wasi_made_is_known(const ctype_resource *r);
// Makes one for the instance. STATUS_LIMIT when it has too many, STATUS_INVALID for an identifier that is
// none.
status wasi_made_new(wasi_instance *i, const ctype_resource *r, slice id, void **ret, err *e) WRIT_MUST_USE;
// What component_call has not consumed.
void wasi_made_drop(void *made);
