// SPDX-License-Identifier: Apache-2.0
// The form of a file of secrets, without its keys: what it says in clear, and values as sealed bytes.
//
//   "WRITSECR", u8 1, u8 lock, u16 0, u32 secrets, u64 generation, u64 changed, 16 bytes of identity,
//   u32 length and bytes of the wrapped key, secrets, and 32 bytes that authenticate all before them
//   secret:  u8 length, name, u8 versions, versions
//   version: u64 number, u64 made, u64 until, u8 fields, fields
//   field:   u8 length, name, u8 kind, u32 length, sealed value
//
// Little-endian; times in seconds since 1970. Secrets, versions and fields are in ascending order and none
// comes twice, so that one content has one form. Only the newest version is without an end. Fuzzed by
// fuzz/fuzz_secret_store.c.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "crypto/hash.h"
#include "identity/secret_store.h"

enum {
    SECRET_FILE_ID_BYTES = 16,
    SECRET_FILE_WRAPPED_BYTES_MAX = 512,
    SECRET_FILE_HEADER_BYTES = 52, // without the wrapped key
};

typedef enum secret_lock {
    SECRET_LOCK_KEY_FILE = 1,
    SECRET_LOCK_PASSPHRASE = 2, // of the wrapped key
} secret_lock;

typedef struct secret_field {
    slice name; // empty: the secret has one value
    secret_kind kind;
    slice sealed;
} secret_field;

typedef struct secret_version {
    uint64_t number; // the generation that made it, so never used twice
    uint64_t made_s;
    uint64_t until_s; // first second in which it is not given any more; 0 in the newest
    const secret_field *fields;
    size_t field_count;
} secret_version;

typedef struct secret_record {
    slice name;
    const secret_version *versions; // newest last
    size_t version_count;
} secret_record;

typedef struct secret_file {
    secret_lock lock;
    uint64_t generation; // one more with each change
    uint64_t changed_s;
    uint8_t id[SECRET_FILE_ID_BYTES];
    slice wrapped_key;
    uint32_t stated_count; // of records, in the header
    const secret_record *records;
    size_t record_count;
} secret_file;

// The part in front of the secrets, which says how to get the key. Slices point into `bytes`.
status secret_file_read_header(slice bytes, secret_file *ret, size_t *ret_len, err *e) WRIT_MUST_USE;
// The bytes that are authenticated, and what authenticates them.
status secret_file_split(slice bytes, slice *ret_body, slice *ret_proof, err *e) WRIT_MUST_USE;
// All of it; whether it is authentic is checked elsewhere, before. Slices point into `bytes`, arrays lie in
// the arena.
status secret_file_read(slice bytes, arena *a, secret_file *ret, err *e) WRIT_MUST_USE;
// Appends everything but the proof. STATUS_LIMIT.
status secret_file_write(const secret_file *f, buf *ret, err *e) WRIT_MUST_USE;

// Appends what stands about a value in clear, for its box: it opens in this place of this store alone.
status secret_file_about(const secret_file *f, slice name, uint64_t version, slice field, secret_kind kind,
                         buf *ret) WRIT_MUST_USE;

// NULL when there is none.
const secret_record *secret_file_find(const secret_file *f, const char *name);
