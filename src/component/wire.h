// SPDX-License-Identifier: Apache-2.0
// Wiring past the indirection modules that tools put between a module and its imports.
#pragma once

#include "component/plan.h"

status wire_directly(plan *p, err *e) WRIT_MUST_USE;
