// SPDX-License-Identifier: Apache-2.0
// The arguments of a delivery: values by their type (component/value_code.h), and among the parameters
// themselves resources of the host, which are their identifier in the bytes (capability/made.h).
#pragma once

#include "capability/wasi.h"
#include "component/component.h"

// STATUS_UNSUPPORTED when a parameter or the result has a resource that is not of that kind.
status delivery_values_check(const component_func *f, err *e) WRIT_MUST_USE;
// Makes the resources for the instance. STATUS_INVALID when the bytes are something else, STATUS_LIMIT.
status delivery_values_read(const component_func *f, wasi_instance *i, slice payload, arena *a,
                            component_value **ret, err *e) WRIT_MUST_USE;
