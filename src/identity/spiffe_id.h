// SPDX-License-Identifier: Apache-2.0
// SPIFFE IDs: "spiffe://TRUST-DOMAIN/PATH", read strictly. Source: the SPIFFE-ID standard, section 2.
//
// The standard lets the scheme be written in any case; only lower case is taken here, as everybody writes it,
// so that the same ID is always the same bytes. The trust domains "." and ".." are refused, as segments of a
// path are.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"
#include "identity/nkey.h"

enum { SPIFFE_ID_BYTES_MAX = 2048, SPIFFE_TRUST_DOMAIN_BYTES_MAX = 255 };

typedef struct spiffe_id {
    char text[SPIFFE_ID_BYTES_MAX + 1]; // the whole ID, NUL-terminated
    uint16_t len;
    uint16_t trust_domain_len;
} spiffe_id;

bool spiffe_trust_domain_is_valid(slice name);

// STATUS_INVALID with the rule that is broken. An ID without a path names a trust domain.
status spiffe_id_parse(slice text, spiffe_id *ret, err *e) WRIT_MUST_USE;

slice spiffe_id_text(const spiffe_id *id);
slice spiffe_id_trust_domain(const spiffe_id *id);
slice spiffe_id_path(const spiffe_id *id); // with its first '/'; empty for a trust domain
bool spiffe_id_equal(const spiffe_id *a, const spiffe_id *b);

// The ID that a component has in a trust domain: spiffe://TRUST-DOMAIN/writ/ISSUER/SUBJECT, both in their
// text form. The same component signed by the same account has it on every host of the trust domain.
status spiffe_id_of_workload(slice trust_domain, const nkey_public *issuer, const nkey_public *subject,
                             spiffe_id *ret, err *e) WRIT_MUST_USE;
