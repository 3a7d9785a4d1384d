// SPDX-License-Identifier: Apache-2.0
// The keys and certificates of the tests of net/ serve here too.
#include "unit/crypto/helper_openssl.c" // NOLINT
#include "unit/net/helper_tls_server.c" // NOLINT
