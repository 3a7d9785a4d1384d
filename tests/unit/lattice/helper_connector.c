// SPDX-License-Identifier: Apache-2.0
// The connector of the tests of net/ serves here too.
#include "unit/net/helper_connector.c" // NOLINT
