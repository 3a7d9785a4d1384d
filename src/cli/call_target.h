// SPDX-License-Identifier: Apache-2.0
// Functions of a component in a lattice, with their types, which no host tells: they come from the component
// itself.
#pragma once

#include "base/arena.h"
#include "cli/lattice_words.h"
#include "component/component.h"

enum { CALL_NAME_BYTES_MAX = 256, CALL_PATH_BYTES_MAX = 4096 };

typedef struct call_target { // zeroed
    char path[CALL_PATH_BYTES_MAX];
    buf bytes;
    component *c;
    const ctype_func *func;              // of call_target_find
    char interface[CALL_NAME_BYTES_MAX]; // as the component exports it; empty for a function at its root
    char function[CALL_NAME_BYTES_MAX];  // likewise
} call_target;

// Loads the file, or, when it is NULL, the image of `id` that runs in the lattice, where it is a file of this
// machine.
status call_target_open(call_target *t, cli_lattice *l, const char *id, const char *file,
                        err *e) WRIT_MUST_USE;
void call_target_done(call_target *t);

// The function that `name` means, "acme:shop/cart.total" (a version may be said) or "run". STATUS_NOT_FOUND
// names those that there are; STATUS_UNSUPPORTED for one with resources.
status call_target_find(call_target *t, const char *name, err *e) WRIT_MUST_USE;

// Arguments in the value encoding, from texts in WAVE.
status call_target_params(const call_target *t, const cli_words *texts, buf *ret, err *e) WRIT_MUST_USE;
// And back, with ", " between them; texts and bytes by their lengths alone when `is_redacted`.
status call_target_show_params(const call_target *t, slice params, bool is_redacted, buf *ret,
                               err *e) WRIT_MUST_USE;
// The result as WAVE; empty when there is none. `ret_is_error`: it is the err of a result.
status call_target_show_result(const call_target *t, slice results, bool is_redacted, buf *ret,
                               bool *ret_is_error, err *e) WRIT_MUST_USE;
