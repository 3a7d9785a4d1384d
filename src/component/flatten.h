// SPDX-License-Identifier: Apache-2.0
// Core signatures of component functions. Source: CanonicalABI.md, "Flattening".
#pragma once

#include "component/core.h"
#include "component/type.h"

// Appends the core types (core_type) that `t` flattens to. `t->flat_count` of them; the caller has checked
// that they fit, as flat_count <= the room that is left.
void ctype_flatten(const ctype *t, uint8_t *ret, uint32_t *count);

// Room for any flattened signature: parameters, or a spilled pointer, and the return pointer of a lowered
// function.
typedef struct ctype_signature {
    uint32_t param_count;
    uint32_t result_count;
    uint8_t params[CTYPE_FLAT_PARAMS_MAX + 1];
    uint8_t results[CTYPE_FLAT_RESULTS_MAX];
    bool params_spilled;  // one pointer to a tuple of all parameters
    bool results_spilled; // lift: the core result is a pointer; lower: the last core parameter is one
} ctype_signature;

void ctype_signature_lift(const ctype_func *f, ctype_signature *ret);
void ctype_signature_lower(const ctype_func *f, ctype_signature *ret);
