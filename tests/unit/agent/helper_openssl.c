// SPDX-License-Identifier: Apache-2.0
// The helper of the tests of crypto/ serves here too.
#include "unit/crypto/helper_openssl.c" // NOLINT
