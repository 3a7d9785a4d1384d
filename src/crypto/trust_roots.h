// SPDX-License-Identifier: Apache-2.0
// The certificate authorities that TLS connections trust: the system's and, when one is given, a file of the
// operator's. Read before a process gives up the file system; parsed when the first connection needs it,
// since that takes some milliseconds and megabytes. Belongs to one thread.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

typedef struct trust_roots trust_roots;

// `extra_file` (PEM) may be NULL. A machine without a file of authorities is no error here: nothing is
// trusted then. A file that was named and cannot be read, or holds no certificate, is.
status trust_roots_new(const char *extra_file, trust_roots **ret, err *e) WRIT_MUST_USE;
// These alone (PEM, copied), in place of the system's. STATUS_INVALID when it holds no certificate.
status trust_roots_from_pem(slice pem, trust_roots **ret, err *e) WRIT_MUST_USE;
void trust_roots_free(trust_roots *r); // accepts NULL

// Makes an OpenSSL context (an SSL_CTX, whose type only this folder knows) trust them and nothing else.
status trust_roots_apply(trust_roots *r, void *ssl_context, err *e) WRIT_MUST_USE;
