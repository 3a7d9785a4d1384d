// SPDX-License-Identifier: Apache-2.0
// X.509-SVIDs: certificates that say a SPIFFE ID. Source: the X509-SVID standard, sections 2 to 5.
#pragma once

#include "crypto/certificate.h"
#include "identity/spiffe_id.h"

// Reads the ID of the leaf, which is the first of `chain`, and believes it when
//   - it has exactly one URI among its names, which is a SPIFFE ID with a path, of `trust_domain`;
//   - it is no authority, its key usage says digital signature, and neither signing of certificates nor of
//     revocation lists; an extended key usage, if there is one, names TLS server and client;
//   - it leads through the rest of `chain` to one of `bundle`, the authorities of that trust domain, and all
//     of them are valid at `now_s` (seconds since 1970).
// STATUS_INVALID for a leaf that is no X.509-SVID, STATUS_DENIED when it is not believed, STATUS_TIMEOUT when
// only the time does not fit.
status x509_svid_check(const certificate_list *chain, const certificate_list *bundle, slice trust_domain,
                       int64_t now_s, spiffe_id *ret, err *e) WRIT_MUST_USE;
