// SPDX-License-Identifier: Apache-2.0
// Provider archives of wasmCloud 1.x (.par, .par.gz): native programs for several targets in one file, and a
// token that vouches for each of them by its SHA-256.
// Source: crates/provider-archive/src/archive.rs of wasmCloud v1.9.2; docs/provider-archives.md.
//
// The archive is a tar (artifact/tar.h says how strictly it is read) of `claims.jwt`, perhaps `world.wasm`
// (its interfaces, as an encoded WIT package), and `TARGET.bin` for each target, such as `x86_64-linux`.
// Writers of 1.x give no other names, so other names, doubles and archives without a target are refused.
//
// Other than 1.x, which looks at hashes only, this checks the token's signature, its time and who issued it,
// and that token and archive name the same files: no program without a hash, no hash without its program.
#pragma once

#include "artifact/tar.h"
#include "base/arena.h"
#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "crypto/hash.h"
#include "identity/refusal.h"
#include "identity/token.h"
#include "identity/trust.h"

enum {
    PROVIDER_ARCHIVE_TARGETS_MAX = 32,
    PROVIDER_ARCHIVE_TARGET_BYTES_MAX = 64, // of a target's name
    PROVIDER_ARCHIVE_FILE_BYTES_MAX = 512 << 20,
    PROVIDER_ARCHIVE_UNPACKED_BYTES_MAX = 1 << 30,
    PROVIDER_ARCHIVE_SCHEMA_BYTES_MAX = 64 << 10,
};
#define PROVIDER_ARCHIVE_WORLD "world.wasm" // also its name in the token's hashes

typedef struct provider_archive_file {
    slice name; // "x86_64-linux", or PROVIDER_ARCHIVE_WORLD
    slice bytes;
    uint8_t hash[HASH_BYTES];
} provider_archive_file;

typedef struct provider_archive {
    bool is_compressed;
    slice token; // empty: there is none
    bool has_world;
    provider_archive_file world;
    size_t target_count;
    provider_archive_file targets[PROVIDER_ARCHIVE_TARGETS_MAX]; // by name
    buf unpacked;                                                // of a compressed one
    tar_listing listing;
} provider_archive;

// Whether `name` may name a target: two or more words of a-z, 0-9 and _, joined by "-".
bool provider_archive_target_is_valid(slice name);

// --- reading -----------------------------------------------------------------------------------------------

// Opens an archive and hashes its files; believes nothing yet. Contents borrow from `bytes`, or from the
// result when it is compressed; names from the result, which must not be moved. `unpacked_max` bounds what a
// compressed archive may become; 0 = PROVIDER_ARCHIVE_UNPACKED_BYTES_MAX. STATUS_INVALID, or STATUS_LIMIT.
status provider_archive_read(slice bytes, size_t unpacked_max, provider_archive *ret, err *e) WRIT_MUST_USE;
void provider_archive_done(provider_archive *a); // accepts a zeroed one
// NULL when there is none.
const provider_archive_file *provider_archive_find(const provider_archive *a, slice target);

// A program, in memory that nobody can change any more; the descriptor can be executed.
status provider_archive_open_target(const provider_archive_file *file, int *ret_fd, err *e) WRIT_MUST_USE;

// --- believing ---------------------------------------------------------------------------------------------

typedef struct provider_archive_verification {
    refusal reason; // NONE: believed
    err error;      // the sentence; empty when believed
    bool has_token; // its signature is good and `claims` are filled, whether or not the rest holds
    token_claims claims;
    token_claims chain[TOKEN_CHAIN_MAX];
    size_t chain_count;
    trust_answer trust; // when believed
    arena memory;       // of claims and trust
} provider_archive_verification;

// Fills everything that could be found out, also for what is not believed. `now_s` is the caller's clock in
// seconds since 1970; `trust` may be NULL: all but trust is checked. The archive must outlive the result.
void provider_archive_verify(const provider_archive *a, uint64_t now_s, const trust_store *trust,
                             provider_archive_verification *ret);
void provider_archive_verification_done(provider_archive_verification *v); // accepts a zeroed one
// The hash that good claims give for a file, as text; empty when they give none.
slice provider_archive_promised_hash(const token_claims *claims, slice name);

// --- writing -----------------------------------------------------------------------------------------------

typedef struct provider_archive_content {
    slice name; // of the target
    slice bytes;
} provider_archive_content;

typedef struct provider_archive_plan {
    // Subject, name, vendor, revision, version, schema, times, chain; kind and hashes are filled in.
    token_claims claims;
    bool is_compressed;
    bool has_world;
    slice world;
    size_t target_count;
    provider_archive_content targets[PROVIDER_ARCHIVE_TARGETS_MAX]; // in any order
} provider_archive_plan;

// Adds a target, or replaces the one of that name. STATUS_INVALID for a bad name, STATUS_LIMIT.
status provider_archive_plan_put(provider_archive_plan *plan, provider_archive_content content,
                                 err *e) WRIT_MUST_USE;
// The plan that would write what was read again, signed by the token's subject; everything borrows from both.
void provider_archive_plan_of(const provider_archive *a, const token_claims *claims,
                              provider_archive_plan *ret);
// Signs and appends the archive. The same plan gives the same bytes when claims.id is given; without, the
// token gets an id of its own each time. The issuer must be an account, the subject a service.
status provider_archive_write(const provider_archive_plan *plan, const nkey *issuer, buf *ret,
                              err *e) WRIT_MUST_USE;
