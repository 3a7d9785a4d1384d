// SPDX-License-Identifier: Apache-2.0
// What crypto/timestamp.c needs of certificates in the library's own types.
#pragma once

#include <openssl/x509.h>

#include "crypto/certificate.h"

// A store with these roots alone, which verifies at this second; NULL when memory is out.
X509_STORE *certificate_store(const certificate_list *roots, int64_t at_s);
// The certificates without a reference of their own: the stack must be freed with sk_X509_free before them.
STACK_OF(X509) * certificate_stack(const certificate_list *l);
