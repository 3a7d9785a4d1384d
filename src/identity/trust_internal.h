// SPDX-License-Identifier: Apache-2.0
// What the files of the trust store share.
#pragma once

#include "codec/json.h"
#include "identity/trust.h"

enum {
    TRUST_MEMORY_BYTES_MAX = 256 << 20, // of all that a store holds
};

typedef struct trust_revoked {
    token_revocation shown; // texts
    bool is_hash;
    nkey_public subject; // or
    uint8_t hash[HASH_BYTES];
} trust_revoked;

typedef struct trust_list {
    token_claims claims;
    slice text;
    bool is_changed; // since it was loaded
} trust_list;

struct trust_store {
    arena memory; // of everything below but the arrays
    trust_issuer *issuers;
    size_t issuer_count, issuer_capacity;
    trust_minimum *minimums; // sorted by subject and issuer
    size_t minimum_count, minimum_capacity;
    trust_revoked *revoked;
    size_t revoked_count, revoked_capacity;
    trust_list *lists;
    size_t list_count, list_capacity;
    bool is_changed; // the file's content, since it was loaded
    bool was_there;  // the file, when it was loaded, with
    uint8_t digest[HASH_BYTES];
};

// Makes room for one more element of an array.
#define TRUST_GROW(array, count, capacity)                               \
    do {                                                                 \
        if ((count) == (capacity)) {                                     \
            (capacity) = (capacity) == 0 ? 8 : 2 * (capacity);           \
            (array) = mem_resize((array), (capacity) * sizeof *(array)); \
        }                                                                \
    } while (0)

// Fills the checked form from the texts; false when they are no key and no hash.
bool trust_revoked_parse(trust_revoked *r) WRIT_MUST_USE;
int trust_compare_keys(const nkey_public *a, const nkey_public *b);
// Where the minimum of that subject and issuer is, or where it belongs.
size_t trust_minimum_position(const trust_store *s, const trust_minimum *like, bool *ret_found);
status trust_check_minimum(const trust_minimum *m, err *e) WRIT_MUST_USE;
// Puts those that were appended into their order, and refuses two of one subject and issuer.
status trust_sort_minimums(trust_store *s, err *e) WRIT_MUST_USE;
status trust_append_list(trust_store *s, const token_claims *claims, slice text, bool is_changed);
trust_list *trust_find_list(const trust_store *s, const nkey_public *issuer);
// Parses a list that stands in memory that lives as long as `memory`.
status trust_read_list(slice text, arena *memory, token_claims *ret, refusal *ret_why, err *e) WRIT_MUST_USE;

// --- the document ------------------------------------------------------------------------------------------

// Fills an empty store. `file` names the document in messages.
status trust_read_document(slice text, const char *file, trust_store *s, err *e) WRIT_MUST_USE;
status trust_read_issuer(const json_value *row, arena *memory, trust_issuer *ret, err *e) WRIT_MUST_USE;
status trust_read_revoked(const json_value *row, arena *memory, trust_revoked *ret, err *e) WRIT_MUST_USE;
status trust_write_document(const trust_store *s, buf *ret, err *e) WRIT_MUST_USE;
json_value *trust_issuer_json(const trust_issuer *i, bool with_note);
json_value *trust_revoked_json(const token_revocation *r);
// Of a row without its notes: two rows that mean the same have one digest.
void trust_digest_row(json_value *row, uint8_t ret[HASH_BYTES]); // frees the row
