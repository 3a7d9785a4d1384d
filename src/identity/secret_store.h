// SPDX-License-Identifier: Apache-2.0
// Secrets in a directory, each value sealed under a key that lies elsewhere than who asks for it: a file of
// mode 0600, made at the first use, or a passphrase.
//
//   DIR/store       names, versions and dates in clear, values sealed (identity/secret_file.h)
//   DIR/key         32 random bytes; --key-file puts it elsewhere; none under a passphrase
//   DIR/key.seen    beside the key: the newest generation that was written with it
//
// Names, versions and dates cannot be changed without the key, nor can a value be moved to another name. An
// older copy of the store is refused while the file "seen" is not as old; who puts back both together with a
// copy of the time is not noticed.
//
// Several processes may use one store: changes are made under a lock and replace the file. Values come out in
// locked memory alone (crypto/secret.h), one at a time.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/err.h"
#include "crypto/secret.h"
#include "identity/key_store.h"
#include "identity/secret_source.h"

enum {
    SECRET_STORE_BYTES_MAX = 16 << 20,
    SECRET_STORE_SECRETS_MAX = 1024,
    SECRET_NAME_BYTES_MAX = 128, // of secrets and of fields
    SECRET_FIELDS_MAX = 32,
    SECRET_VERSIONS_MAX = 16, // that are valid at a time
    SECRET_VALUE_BYTES_MAX = 64 << 10,
};
#define SECRET_OVERLAP_SECONDS_MAX (10ull * 366 * 24 * 3600)

// Letters, digits, ".", "_", "-" and "/"; the first is a letter, a digit or "_". STATUS_INVALID; `what` is
// "a secret" or "a field".
status secret_name_check(const char *name, const char *what, err *e) WRIT_MUST_USE;

typedef struct secret_store secret_store;

typedef struct secret_store_options {
    const char *directory;
    const char *key_file;   // NULL = "key" in the directory
    const key_asker *asker; // of the passphrase; NULL = a store under one cannot be opened
    bool make;              // a missing directory and store
    // Of the passphrase that a new store gets; NULL = it gets a key file. STATUS_EXISTS when it is not NULL
    // and there is a store under a key file.
    const key_asker *make_asker;
} secret_store_options;

// A store that does not exist and is not to be made has no secrets. STATUS_DENIED: others may read a file, a
// file was changed, the key or passphrase is another one's, or the store is older than it should be.
status secret_store_open(const secret_store_options *o, secret_store **ret, err *e) WRIT_MUST_USE;
void secret_store_close(secret_store *s); // accepts NULL

// Reads the store again when it was changed since. The store stays as it was on failure.
status secret_store_refresh(secret_store *s, bool *ret_changed, err *e) WRIT_MUST_USE;

// --- values -----------------------------------------------------------------------------------------------

// `field` NULL = the value of a secret without fields; `version` 0 = the newest. STATUS_NOT_FOUND also when
// the version has ended. The caller frees the value.
status secret_store_get(const secret_store *s, const char *name, const char *field, uint64_t version,
                        uint64_t now_s, secret_value *ret, err *e) WRIT_MUST_USE;
// The store as a source of secrets; versions are decimal numbers.
secret_source secret_store_source(const secret_store *s);

typedef struct secret_change {
    const char *name;
    const char *field; // NULL = the secret has one value
    secret_kind kind;
    slice value; // not empty; text is UTF-8
    // How long the version before is given to who asks for it by its number; 0 = from now on there is no
    // other version.
    uint64_t overlap_s;
    bool must_exist; // STATUS_NOT_FOUND when there is no secret of this name
} secret_change;

// Adds a version. The other fields are those of the version before. STATUS_LIMIT.
status secret_store_put(secret_store *s, const secret_change *c, uint64_t now_s, uint64_t *ret_version,
                        err *e) WRIT_MUST_USE;
// A secret with all versions, or one of its versions but the newest. STATUS_NOT_FOUND.
status secret_store_remove(secret_store *s, const char *name, uint64_t version, uint64_t now_s,
                           err *e) WRIT_MUST_USE;

// --- what may be shown ------------------------------------------------------------------------------------

struct secret_file; // identity/secret_file.h
const struct secret_file *secret_store_content(const secret_store *s);
