// SPDX-License-Identifier: Apache-2.0
// The server of the tests of bus/ serves here too.
#include "unit/bus/helper_nats.c" // NOLINT
