// SPDX-License-Identifier: Apache-2.0
// A function of a component in a lattice, with its types, which no host tells: they come from the component
// itself.
#pragma once

#include "base/arena.h"
#include "cli/lattice_words.h"
#include "component/component.h"

enum { CALL_NAME_BYTES_MAX = 256 };

typedef struct call_target { // zeroed
    buf bytes;
    component *c;
    const ctype_func *func;
    char interface[CALL_NAME_BYTES_MAX]; // as the component exports it; empty for a function at its root
    char function[CALL_NAME_BYTES_MAX];  // likewise
} call_target;

// The function that `name` means, "acme:shop/cart.total" (a version may be said) or "run", in the component
// of that file. STATUS_NOT_FOUND names those that there are.
status call_target_load(call_target *t, const char *path, const char *name, err *e) WRIT_MUST_USE;
void call_target_done(call_target *t);

// Arguments in the value encoding, from texts in WAVE.
status call_target_params(const call_target *t, const cli_words *texts, buf *ret, err *e) WRIT_MUST_USE;
// The result as WAVE; empty when there is none. `ret_is_error`: it is the err of a result.
status call_target_result(const call_target *t, slice results, buf *ret, bool *ret_is_error,
                          err *e) WRIT_MUST_USE;
