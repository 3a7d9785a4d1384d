// SPDX-License-Identifier: Apache-2.0
// The keyvalue helper of the tests of driver/ serves here too.
#include "unit/driver/helper_keyvalue.c" // NOLINT
