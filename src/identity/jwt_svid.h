// SPDX-License-Identifier: Apache-2.0
// JWT-SVIDs: tokens that say a SPIFFE ID to an audience, and the keys of a trust domain that sign them (RFC
// 7517). Source: the JWT-SVID standard.
//
// Stricter than the standard in one place: a token must name its key, since trying one key after the other
// helps nobody but forgers. Looser in none. ES512 is refused, because keys on P-521 are not read here.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "identity/spiffe_id.h"

enum {
    JWT_SVID_BYTES_MAX = 16 << 10,
    JWT_BUNDLE_BYTES_MAX = 512 << 10,
    JWT_BUNDLE_KEYS_MAX = 64,
    JWT_KEY_ID_BYTES_MAX = 256,
    JWT_AUDIENCES_MAX = 64,
};

typedef struct jwt_bundle jwt_bundle;

// A JWK set. Keys of other kinds and for other uses are left out; no "use" counts as ours, since the
// workload API leaves it away. STATUS_INVALID for a set with two keys of one name, or a key of ours that is
// broken.
status jwt_bundle_parse(slice json, jwt_bundle **ret, err *e) WRIT_MUST_USE;
void jwt_bundle_free(jwt_bundle *b); // accepts NULL
size_t jwt_bundle_count(const jwt_bundle *b);

typedef struct jwt_svid {
    spiffe_id id;
    uint64_t expires_at_s; // refused from this second on
} jwt_svid;

// Believes a token when its header has nothing but alg (RS, ES or PS), kid and typ; the key is in `bundle`
// and fits the algorithm; the signature is good; its subject is a SPIFFE ID with a path, of `trust_domain`;
// `audience` is among its audiences; and it has not expired. STATUS_INVALID when it is no JWT-SVID,
// STATUS_DENIED when it is not believed, STATUS_TIMEOUT when only the time does not fit.
status jwt_svid_check(slice token, const jwt_bundle *bundle, slice trust_domain, slice audience,
                      uint64_t now_s, jwt_svid *ret, err *e) WRIT_MUST_USE;
