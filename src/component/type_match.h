// SPDX-License-Identifier: Apache-2.0
// Comparing types. Names of parameters do not take part in matching: they are documentation.
#pragma once

#include "base/buf.h"
#include "component/handles.h"
#include "component/type.h"

// Whether a type of a component, whose resources are `types` by index, is a type of the host.
// `remote` is that of the host's interface.
bool type_match_func(const ctype_func *own, const handle_type *const *types, const ctype_func *host,
                     const struct component *remote);

// Whether two components' types have the same shape and the same resources: what a fused call relies on.
bool type_match_values(const ctype *a, const handle_type *const *a_types, const ctype *b,
                       const handle_type *const *b_types);
bool type_match_funcs(const ctype_func *a, const handle_type *const *a_types, const ctype_func *b,
                      const handle_type *const *b_types);
