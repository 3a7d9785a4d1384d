// SPDX-License-Identifier: Apache-2.0
// What a caller is told when the component that it calls has failed, where the type of the function has a
// place for that:
//
//   result<_, string>        the reason
//   result<_, variant {..}>  a case with a string (or option<string>) whose name says that it is for anything
//                            else: "other", "unexpected", "internal-error", "upstream", "unavailable", "io",
//                            ...
//   result<_> without error  the error, without a reason
//
// Anything else has none, and the caller traps.
#pragma once

#include "component/abi.h"
#include "component/host.h"

typedef enum bridge_failure_kind {
    BRIDGE_FAILURE_NONE,
    BRIDGE_FAILURE_PLAIN, // no payload
    BRIDGE_FAILURE_TEXT,
    BRIDGE_FAILURE_CASE,
} bridge_failure_kind;

typedef struct bridge_failure {
    bridge_failure_kind kind;
    uint32_t tag;   // of the case
    bool is_option; // the case has an option<string>
} bridge_failure;

bridge_failure bridge_failure_of(const ctype *result); // accepts NULL

// Makes it the result of the call: in `values`, or at `return_pointer`. Allocates in the caller.
status bridge_failure_lower(const bridge_failure *f, host_call *call, slice why, core_value *values,
                            uint32_t return_pointer, err *e) WRIT_MUST_USE;
