// SPDX-License-Identifier: Apache-2.0
// The identity that a workload API gave us, checked as a whole: an X.509-SVID, its private key, and the
// authorities of its trust domain. The key lies in locked memory.
#pragma once

#include "crypto/certificate.h"
#include "crypto/secret.h"
#include "identity/spiffe_id.h"

// The authorities of another trust domain: nothing that they sign is believed yet, they are only shown.
typedef struct svid_foreign {
    char *trust_domain;
    bool is_readable; // false when a certificate has a kind of key that is not supported, or is broken
    size_t authorities;
} svid_foreign;

typedef struct svid { // zeroed when empty
    spiffe_id id;
    certificate_list chain; // the leaf first
    certificate_list bundle;
    secret key; // PKCS #8
    int64_t not_before_s, not_after_s;
    size_t foreign_count;
    svid_foreign *foreign;
} svid;

// Reads an answer to FetchX509SVID and takes its first SVID, which the standard makes the default one. It
// must satisfy x509_svid_check at `now_s`, say the ID that the answer says, and fit its key. STATUS_INVALID,
// STATUS_DENIED, STATUS_TIMEOUT, STATUS_LIMIT.
status svid_read(slice message, int64_t now_s, svid *ret, err *e) WRIT_MUST_USE;
void svid_done(svid *s); // wipes the key; accepts a zeroed one
