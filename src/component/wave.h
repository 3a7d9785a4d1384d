// SPDX-License-Identifier: Apache-2.0
// Values of the Component Model as text that people write and read, by their type: WAVE (WebAssembly Value
// Encoding).
//
//   true 42 -1 1.5e3 inf nan 'x' "a \"b\" \u{2603}"   plain values
//   [1, 2]  (1, "a")  {name: "a", size: 3}            lists, tuples, records: fields in any order, options
//   may lack some("a")  none  ok(1)  ok  err("e")              options and results; a plain value stands for
//   some or ok,
//                                                     where it can be no option or result itself
//   circle(2.5)  red  {read, write}  %some            variants, enums, flags; % before a label that is a
//   keyword
//
// A comma may stand behind the last item, and // begins a comment that goes to the end of its line. What is
// written can be read again as the same value, but for the bits of a NaN, and has no character that moves a
// terminal's cursor. Texts of several lines (""") are not read: \n does that.
//
// Pure. Recursion follows types, whose depth the decoder bounds, never data. Reading is safe for hostile
// input: memory is taken from an arena that has a maximum. Fuzzed by fuzz/fuzz_wave.c.
#pragma once

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buf.h"
#include "component/component.h"

// One value that is the whole text. What it refers to is in `a`. STATUS_INVALID says where, and what is
// expected there; STATUS_UNSUPPORTED for a type that has a resource, a stream or a future.
status wave_read(const ctype *t, slice text, arena *a, component_value *ret, err *e) WRIT_MUST_USE;

// The value has the shape that the type says, and no resource. STATUS_LIMIT over the maximum of `out`.
status wave_write(const ctype *t, const component_value *v, buf *out) WRIT_MUST_USE;

// The same for people who may see what is done but not with what: texts and bytes are told by their lengths
// alone,
// "<12 bytes>", and characters not at all. Cannot be read again.
status wave_write_redacted(const ctype *t, const component_value *v, buf *out) WRIT_MUST_USE;

// Labels that must have a % before them where they are cases.
bool wave_is_keyword(slice label);
