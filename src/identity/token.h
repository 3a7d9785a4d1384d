// SPDX-License-Identifier: Apache-2.0
// Tokens: signed claims in the format of wasmCloud 1.x (a JWT whose header is exactly
// {"typ":"jwt","alg":"Ed25519"}, signed by the nkey in "iss"), read into checked types and written.
// Source: docs/tokens.md, which cites crates/wascap/src/jwt.rs of wasmCloud v1.9.2.
//
// What we add stands in the claim "writ", which other tools ignore: {"version": 1, "allow": [...], "chain":
// ["<token of the account>", ...], "revocations": {...}}.
//
// Reading is strict: three segments of canonical base64url, duplicate or mistyped claims refused, sizes and
// counts bounded, dates up to the year 9999. Unknown claims are ignored, since newer writers add some.
#pragma once

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "crypto/hash.h"
#include "identity/allowance.h"
#include "identity/nkey.h"
#include "identity/refusal.h"

enum {
    TOKEN_BYTES_MAX = 256 << 10,    // of the text
    TOKEN_TEXT_BYTES_MAX = 4 << 10, // of one text claim
    TOKEN_LIST_MAX = 256,           // entries of a list or map
    TOKEN_CHAIN_MAX = 4,
    TOKEN_REVOCATIONS_MAX = 4096,
    TOKEN_WASCAP_REVISION = 3,
    TOKEN_ARENA_BYTES = 2 << 20, // enough for the claims of any token
};
#define TOKEN_SECONDS_MAX 253402300799ull // 9999-12-31T23:59:59Z

typedef enum token_kind {
    TOKEN_COMPONENT,   // M issued by A
    TOKEN_PROVIDER,    // V issued by A
    TOKEN_ACCOUNT,     // A issued by O, or by itself
    TOKEN_OPERATOR,    // O issued by itself or by another O
    TOKEN_CLUSTER,     // C issued by O or by itself
    TOKEN_HOST,        // N issued by A, O, C or itself
    TOKEN_REVOCATIONS, // subject = issuer (A or O), with writ.revocations
} token_kind;
const char *token_kind_name(token_kind kind);                     // "component", ...
bool token_kind_parse(slice name, token_kind *ret) WRIT_MUST_USE; // by name

typedef struct token_pair { // of a map: hash per target, value per label
    slice name;
    slice value;
} token_pair;

typedef struct token_texts {
    size_t count;
    const slice *at;
} token_texts;

typedef struct token_pairs {
    size_t count;
    const token_pair *at;
} token_pairs;

// What is withdrawn: exactly one of the two is set.
typedef struct token_revocation {
    slice subject;      // text of a public key: every token of it issued before `before_s`
    uint64_t before_s;  // seconds since 1970; TOKEN_SECONDS_MAX = all
    slice content_hash; // 64 hex digits: the component with this hash, within the reach of the list
    slice reason;       // for people; may be empty
} token_revocation;

typedef struct token_claims {
    token_kind kind;
    nkey_public issuer;
    nkey_public subject;
    slice id;             // jti; when writing, empty = a fresh one
    uint64_t issued_at_s; // seconds since 1970
    bool has_expiry;
    uint64_t expires_at_s; // refused from this second on (RFC 7519, 4.1.4)
    bool has_not_before;
    uint64_t not_before_s; // refused before it
    uint32_t wascap_revision;

    slice name; // empty = absent, here and below
    // Components and providers.
    bool has_revision;
    int32_t revision;
    slice version;
    // Components.
    bool has_hash;
    uint8_t hash[HASH_BYTES]; // identity/envelope.h
    token_texts tags;
    slice call_alias;
    // Providers.
    slice vendor;
    token_pairs target_hashes; // "x86_64-linux" -> 64 upper-case hex digits
    slice config_schema;       // JSON text
    // Accounts, operators, clusters.
    token_texts valid_signers; // texts of public keys
    // Hosts.
    token_pairs labels;
    // The claim "writ".
    bool has_allowance;
    allowance allow;
    token_texts chain;          // tokens: the issuer's own first, then its issuer's ...
    uint64_t revocation_number; // TOKEN_REVOCATIONS: grows with each list of an issuer
    size_t revocation_count;
    const token_revocation *revocations;
} token_claims;

// Reads a token and checks its signature; nothing of an ill-signed token is handed out. Time, hash and trust
// are not checked here. Claims borrow from `memory`. On failure `*ret_why` is one of MALFORMED,
// WRONG_ALGORITHM, WRONG_KEY_TYPE, BAD_SIGNATURE.
status token_read(slice text, arena *memory, token_claims *ret, refusal *ret_why, err *e) WRIT_MUST_USE;

// Checks the validity in time. `now_s` is the caller's clock in seconds since 1970; `clock_name` names it in
// the message ("this host's clock").
status token_check_time(const token_claims *c, uint64_t now_s, const char *clock_name, refusal *ret_why,
                        err *e) WRIT_MUST_USE;

// Reads and checks the tokens in `c->chain`, each of which must be for the issuer of the one before it; one
// that was issued by its own subject ends the chain. Their times are the caller's to check
// (token_check_time), and whether the last issuer is believed is the trust store's. On failure `*ret_why` is
// what token_read says, or WRONG_ISSUER when a token is for somebody else.
status token_read_chain(const token_claims *c, arena *memory, token_claims ret[TOKEN_CHAIN_MAX],
                        size_t *ret_count, refusal *ret_why, err *e) WRIT_MUST_USE;

// Writes a token signed by `issuer`, whose public key becomes "iss" whatever `c->issuer`
// says. `call_alias` is normalised as 1.x does. Refuses claims that token_read would refuse.
status token_write(const token_claims *c, const nkey *issuer, buf *ret, err *e) WRIT_MUST_USE;

// All claims as a document for people and scripts, dates also as text.
json_value *token_to_json(const token_claims *c);
