// SPDX-License-Identifier: Apache-2.0
// What the functions of an imported contract send through its link, as rules of calls name it: most of them a
// call with their own name, some one with another name, some none or several. For whoever tells beforehand
// what a rule does to a component; the calls themselves are made by the contracts' code.
#pragma once

#include "base/slice.h"

enum { WASI_CALLS_MAX = 2 }; // of one function

typedef struct wasi_wire_call {
    slice interface; // without a version
    slice function;
} wasi_wire_call;

// The interface whose link an import goes through: another one for a part of a contract that has no link.
slice wasi_calls_interface(slice interface);

// "delete-object" for "[method]container.delete-object".
slice wasi_calls_short_name(slice function);

// `interface` with its version, `function` as in the WIT; both are borrowed. Returns how many there are.
size_t wasi_calls_of(slice interface, slice function, wasi_wire_call ret[WASI_CALLS_MAX]);
