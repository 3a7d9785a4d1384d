// SPDX-License-Identifier: Apache-2.0
// Values of the Component Model as bytes, in the value encoding (codec/values.h), by their type: what the
// arguments of an exported function are when they come from another process, and its result when it goes
// back.
//
// A type that has a resource somewhere inside has no such form; value_code_check finds that out before
// anything runs. A list<T, N> travels without its count, as a tuple does. Recursion follows types, whose
// depth the decoder bounds, never data. Reading is safe for hostile input: memory is taken from an arena that
// has a maximum, in proportion to the bytes that are there. Fuzzed by fuzz/fuzz_value_code.c.
#pragma once

#include "base/arena.h"
#include "codec/values.h"
#include "component/component.h"

// STATUS_UNSUPPORTED when a parameter or the result has a resource.
status value_code_check(const ctype_func *f, err *e) WRIT_MUST_USE;

// One value. What it refers to is borrowed from the input or in `a`. A failure is the reader's.
void value_code_read(const ctype *t, values_reader *r, arena *a, component_value *ret);
// The value has the shape that the type says (component_call and value_code_read give no other).
void value_code_write(const ctype *t, const component_value *v, values_writer *w);

// All parameters, for component_call. STATUS_INVALID when the bytes are something else.
status value_code_read_params(const ctype_func *f, slice payload, arena *a, component_value **ret,
                              err *e) WRIT_MUST_USE;
// Nothing for a function without a result. STATUS_LIMIT over the maximum of `out`.
status value_code_write_result(const ctype_func *f, const component_value *v, buf *out, err *e) WRIT_MUST_USE;
