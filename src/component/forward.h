// SPDX-License-Identifier: Apache-2.0
// Host functions that pass their calls on as they are: the arguments become bytes in the value encoding
// (component/value_code.h) by the type of the function, and bytes become its result. For functions without
// resources.
#pragma once

#include "base/buf.h"
#include "component/component.h"
#include "component/host.h"

// Where the result goes; to be taken before anything else, because flat values are both ways.
typedef struct forward {
    host_call *call;
    core_value *values;
    uint32_t return_pointer;
} forward;

forward forward_of(host_call *call, core_value *values);
// Appends the arguments. STATUS_TRAP: the guest is at fault; STATUS_LIMIT: more than `out` takes.
status forward_params(const forward *f, buf *out, err *e) WRIT_MUST_USE;
// Makes the answer the result. STATUS_IO when it is no value of the type: then nothing was done.
status forward_result(const forward *f, slice answer, err *e) WRIT_MUST_USE;
// Tells the caller why it failed, if the type of the function has a place for that
// (component/bridge_failure.h); else it returns `code`, with the message of `e`, which is not NULL.
status forward_failure(const forward *f, status code, err *e) WRIT_MUST_USE;

// An interface that only the component that imports it describes: all of its functions, each with the same
// body, which passes them on.
typedef struct forward_interface {
    host_interface base; // first
    host_func funcs[];
} forward_interface;

// `import` is of kind INSTANCE; it and what it says are borrowed. STATUS_UNSUPPORTED when a function is
// async, or the interface has resources: nobody here could keep them.
status forward_interface_new(const component_item *import, host_body body, forward_interface **ret,
                             err *e) WRIT_MUST_USE;
void forward_interface_free(forward_interface *f); // accepts NULL
