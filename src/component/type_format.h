// SPDX-License-Identifier: Apache-2.0
// Types as text, the way WIT writes them: "func(self: borrow<fields>, name: string) -> result<list<u8>,
// code>". Everything stops quietly at the maximum of `out`.
#pragma once

#include "base/buf.h"
#include "component/type.h"

// Types that have a name appear by it, others are spelled out.
void type_format_value(const ctype *t, buf *out);
void type_format_func(const ctype_func *f, buf *out);
// What a named type stands for: "enum { a, b }".
void type_format_definition(const ctype *t, buf *out);
// Names are not used at all, so that two types that print alike are alike.
void type_format_func_spelled(const ctype_func *f, buf *out);
