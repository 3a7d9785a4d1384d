// SPDX-License-Identifier: Apache-2.0
// Values of scripts: JSON as `wasm-tools json-from-wast` writes it, and component values.
#pragma once

#include "base/arena.h"
#include "codec/json.h"
#include "component/component.h"

// Reads `json` as a value of type `t`; what it points to is in `a`.
status wast_value_parse(const json_value *json, const ctype *t, arena *a, component_value *ret,
                        err *e) WRIT_MUST_USE;

// Whether `value`, of type `t`, is what the script expects. NaN patterns match as in core scripts.
bool wast_value_matches(const json_value *expected, const ctype *t, const component_value *value);

// For messages.
void wast_value_format(const ctype *t, const component_value *value, buf *out);

// Core values.
status wast_core_parse(const json_value *json, core_value *ret, err *e) WRIT_MUST_USE;
bool wast_core_matches(const json_value *expected, uint8_t type, const core_value *value);
