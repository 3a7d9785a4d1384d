// SPDX-License-Identifier: Apache-2.0
// The trust store: which issuers this host believes for what, what was revoked, and which revisions are too
// old. A JSON file that people read and review, replaced atomically, and beside it the signed revocation
// lists.
//
//   {"version": 1,
//    "issuers": [{"key": "A...", "note": "the web team", "names": ["shop/*"], "until": "2027-01-31",
//                 "allow": [{"interface": "wasi:http"}], "ratchet": true}],
//    "minimum_revisions": [{"subject": "M...", "revision": 7},
//                          {"subject": "M...", "issuer": "A...", "revision": 9}],
//    "revoked": [{"subject": "M...", "before": "2026-05-01T00:00:00Z", "reason": "leaked"},
//                {"hash": "64 hex digits"}]}
//
// `key` is an account or an operator: trust in an operator covers the accounts that it vouches for in tokens
// of the chain. `names` are patterns for the name in the token, in which "*" stands for any run of
// characters; absent = any. `allow` bounds what its components may import, in the form of
// identity/allowance.h; absent = whatever their writs allow. All entries that cover a component count; one
// suffices.
//
// A minimum without `issuer` holds whoever signed; one with it only for what that account signs. Both count.
// With `ratchet`, a revision that was started becomes the minimum of its subject as far as the same issuer
// signs it: a subject is whatever a signer writes, so a revision says nothing about the tokens of others.
//
// `revoked` are the owner's own revocations, which need no issuer and hold for everybody. To revoke a key
// withdraws every token of it and by it that was issued before `before` (absent: all).
//
// Revocation lists: DIRECTORY/revocations/ISSUER.jwt, the newest list of each issuer. An issuer revokes only
// what it issued or vouched for, and itself. A list whose number is lower than the stored one's is refused,
// and so is another list of the same number. A list with an end that has passed refuses what its issuer
// vouches for: else who withholds the next list would undo it.
#pragma once

#include "base/arena.h"
#include "base/attributes.h"
#include "base/err.h"
#include "identity/allowance.h"
#include "identity/nkey.h"
#include "identity/refusal.h"
#include "identity/token.h"

enum {
    TRUST_BYTES_MAX = 4 << 20,
    TRUST_ISSUERS_MAX = 4096,
    TRUST_SUBJECTS_MAX = 65536,
    TRUST_LISTS_MAX = 256,
    TRUST_NAMES_MAX = 256, // of an entry
    TRUST_TEXT_BYTES_MAX = 512,
};

typedef struct trust_issuer {
    nkey_public key;
    slice note;
    token_texts names; // none = any
    bool has_until;
    uint64_t until_s;
    bool has_allowance;
    allowance allow;
    bool ratchet;
} trust_issuer;

typedef struct trust_minimum {
    nkey_public subject;
    int32_t revision;
    bool has_issuer; // false: whoever signed
    nkey_public issuer;
} trust_minimum;

typedef struct trust_store trust_store;

trust_store *trust_store_new(void);    // believes nobody
void trust_store_free(trust_store *s); // accepts NULL

// --- the file: reading and changing ------------------------------------------------------------------------

// Reads the file and its revocation lists. A file that does not exist believes nobody; one that is half
// written, has unknown members, or that others may write is an error (STATUS_INVALID, STATUS_DENIED), never
// an empty store. A revocation list that cannot be believed is an error as well: fail closed. The file, its
// directory and the lists belong to our user or to root.
status trust_store_load(const char *path, trust_store **ret, err *e) WRIT_MUST_USE;
// Replaces the file (made with its directory when there is none): written beside, synced, renamed. Two
// writers at once: the later one is refused with STATUS_EXISTS if the file changed since it was loaded. What
// did not change is not written.
status trust_store_save(trust_store *s, const char *path, err *e) WRIT_MUST_USE;

size_t trust_store_issuer_count(const trust_store *s);
const trust_issuer *trust_store_issuer_at(const trust_store *s, size_t index);
// Copies. STATUS_EXISTS when there is an entry that differs at most in its note.
status trust_store_add_issuer(trust_store *s, const trust_issuer *issuer, err *e) WRIT_MUST_USE;
size_t trust_store_remove_issuer(trust_store *s, const nkey_public *key); // how many entries went
size_t trust_store_minimum_count(const trust_store *s);
const trust_minimum *trust_store_minimum_at(const trust_store *s, size_t index);
// The one that is there for the same subject and issuer (or for whoever signed), else NULL.
const trust_minimum *trust_store_minimum_of(const trust_store *s, const trust_minimum *like);
// Lowering a minimum is possible (people may decide so) and reported by the caller.
status trust_store_set_minimum(trust_store *s, const trust_minimum *m, err *e) WRIT_MUST_USE;
// The owner's own revocations; adding copies, and answers STATUS_EXISTS when it is there already.
size_t trust_store_revoked_count(const trust_store *s);
const token_revocation *trust_store_revoked_at(const trust_store *s, size_t index);
status trust_store_add_revoked(trust_store *s, const token_revocation *r, err *e) WRIT_MUST_USE;
// Takes a signed list (TOKEN_REVOCATIONS) of an issuer that the store trusts, by an entry or by the tokens in
// the list's chain; saved by trust_store_save. The very same list again is fine.
status trust_store_add_revocations(trust_store *s, slice token, uint64_t now_s, refusal *ret_why,
                                   err *e) WRIT_MUST_USE;
size_t trust_store_list_count(const trust_store *s);
const token_claims *trust_store_list_at(const trust_store *s, size_t index);

// --- deciding ----------------------------------------------------------------------------------------------

// A token whose signature and time were checked, with the tokens of its chain likewise (token_read each).
typedef struct trust_question {
    const token_claims *claims; // of a component or provider
    const token_claims *chain;  // the issuer's own token first
    size_t chain_count;
    uint64_t now_s;
} trust_question;

typedef struct trust_answer {
    const trust_issuer *believed; // the entry that decided; NULL when refused
    // What the matching entries allow together; has_allowance false = they do not narrow.
    bool has_allowance;
    allowance allow; // lives in `memory`; its entries borrow from the store
    bool ratchet;    // some matching entry asks for it
} trust_answer;

// EXPIRED (a revocation list of its issuers), UNKNOWN_ISSUER, WRONG_ISSUER (name or chain does not fit; trust
// ran out), REVOKED, ROLLED_BACK, or believed.
status trust_decide(const trust_store *s, const trust_question *q, arena *memory, trust_answer *ret,
                    refusal *ret_why, err *e) WRIT_MUST_USE;

// After a successful start: where the answer asks for it (`ratchet`), makes the revision of what was started
// the minimum of its subject and issuer in the file, if it is higher than there. Reads the file anew, so that
// changes since then are kept. A failure is for a warning: the start was good.
status trust_note_revision(const char *path, const trust_answer *answer, const token_claims *claims,
                           bool *ret_raised, err *e) WRIT_MUST_USE;
