// SPDX-License-Identifier: Apache-2.0
// X.509 certificates (RFC 5280): what they say, and whether they lead to a root that the caller trusts, at a
// time that the caller names. The store and the clock of the machine are never asked, and nothing is fetched.
// Revocation lists are not looked at: the certificates that we meet live for minutes or hours.
//
// A certificate is not changed after it was made: threads may share it as long as its owner keeps it.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"
#include "crypto/public_key.h"

enum {
    CERTIFICATE_BYTES_MAX = 64 << 10,
    CERTIFICATE_COUNT_MAX = 64, // in one list
    CERTIFICATE_NAMES_MAX = 64, // in one certificate
    CERTIFICATE_DEPTH_MAX = 8,  // between leaf and root
    CERTIFICATE_PEM_BYTES_MAX = 2 << 20,
};

typedef struct certificate certificate;

// Bits of key usage (RFC 5280, 4.2.1.3) that somebody here asks for.
typedef enum certificate_usage {
    CERTIFICATE_DIGITAL_SIGNATURE = 1,
    CERTIFICATE_CERT_SIGN = 2,
    CERTIFICATE_CRL_SIGN = 4,
} certificate_usage;

// Extended key usage (RFC 5280, 4.2.1.12).
typedef enum certificate_purpose {
    CERTIFICATE_ANY_PURPOSE, // do not ask
    CERTIFICATE_CODE_SIGNING,
    CERTIFICATE_TIME_STAMPING,
    CERTIFICATE_TLS_SERVER,
    CERTIFICATE_TLS_CLIENT,
} certificate_purpose;

typedef enum certificate_name_kind {
    CERTIFICATE_NAME_URI,
    CERTIFICATE_NAME_EMAIL,
    CERTIFICATE_NAME_DNS,
    CERTIFICATE_NAME_OTHER, // of another kind; `text` is empty
} certificate_name_kind;

// A subject alternative name. The text has no NUL and no byte outside of printable ASCII: a certificate with
// such a name is refused when it is read.
typedef struct certificate_name {
    certificate_name_kind kind;
    slice text; // borrowed from the certificate
} certificate_name;

// Zeroed when empty.
typedef struct certificate_list {
    certificate **items;
    size_t count;
} certificate_list;

// A whole certificate and nothing behind it. STATUS_INVALID, STATUS_UNSUPPORTED (kind of key), STATUS_LIMIT.
status certificate_from_der(slice der, certificate **ret, err *e) WRIT_MUST_USE;
void certificate_free(certificate *c); // accepts NULL
// All "CERTIFICATE" blocks of the text, at least one; a block of another kind is an error.
status certificate_list_from_pem(slice pem, certificate_list *ret, err *e) WRIT_MUST_USE;
// Certificates one behind the other in DER, as the SPIFFE workload API sends them; at least one.
status certificate_list_from_der(slice der, certificate_list *ret, err *e) WRIT_MUST_USE;
status certificate_list_add(certificate_list *l, certificate *c, err *e) WRIT_MUST_USE; // takes `c`; LIMIT
void certificate_list_free(certificate_list *l); // with what is in it; accepts a zeroed one

slice certificate_der(const certificate *c);             // exactly the bytes that were read; borrowed
const public_key *certificate_key(const certificate *c); // borrowed
int64_t certificate_not_before_s(const certificate *c);  // seconds since 1970, valid from it on
int64_t certificate_not_after_s(const certificate *c);   // valid up to it and including it
bool certificate_is_authority(const certificate *c);     // basic constraints say CA
bool certificate_is_version_3(const certificate *c);
// Whether the key usage extension is there and allows all of `usage` (bits of certificate_usage).
bool certificate_allows(const certificate *c, unsigned usage);
// Whether the extended key usage extension is there and names this purpose.
bool certificate_is_for(const certificate *c, certificate_purpose purpose);
slice certificate_subject(const certificate *c); // "CN=...,O=..." for people (RFC 2253); borrowed

size_t certificate_name_count(const certificate *c);
certificate_name certificate_name_at(const certificate *c, size_t index);
bool certificate_has_name(const certificate *c, certificate_name_kind kind, slice text); // the same bytes

// The value of the extension with this object identifier ("1.3.6.1.4.1.57264.1.1"): the bytes inside of its
// OCTET STRING, borrowed. False when there is none.
bool certificate_extension(const certificate *c, const char *oid, slice *ret);
// The text when `der` is one UTF8String or IA5String and nothing else; borrowed from `der`.
bool certificate_der_text(slice der, slice *ret);

// What a chain must satisfy besides signatures, names and basic constraints.
typedef struct certificate_rules {
    int64_t at_s;                // every certificate of the chain must be valid at this second
    certificate_purpose purpose; // of the leaf; and of each authority that restricts its purposes
} certificate_rules;

// Whether `leaf` leads to one of `roots` (which may be self-signed or intermediate authorities) through
// `untrusted` (may be NULL). The leaf itself must not be an authority. STATUS_DENIED with the reason;
// STATUS_TIMEOUT when it is only the time that does not fit.
status certificate_verify(const certificate *leaf, const certificate_list *untrusted,
                          const certificate_list *roots, const certificate_rules *rules,
                          err *e) WRIT_MUST_USE;
