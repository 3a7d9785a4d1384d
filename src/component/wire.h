// SPDX-License-Identifier: Apache-2.0
// Wiring past the indirection modules that tools put between a module and its imports.
#pragma once

#include "component/plan.h"

// Changes imports and steps of a plan that is complete and has not been executed. What it does not recognise
// stays.
void wire_directly(plan *p);
