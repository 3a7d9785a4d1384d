// SPDX-License-Identifier: Apache-2.0
// The server of the tests of net/ serves here too.
#include "unit/net/helper_server.c" // NOLINT
