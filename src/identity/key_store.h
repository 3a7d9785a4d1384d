// SPDX-License-Identifier: Apache-2.0
// A directory of key files (mode 0600), one key each: NAME.nk holds a seed's text, as `nk` and `wash` write
// it (no line feed at the end: wash takes none), NAME.nk.enc a key sealed under a passphrase
// (identity/sealed_key.h). Files appear whole or not at all. Files that others can read are refused. Several
// processes may use one directory at a time.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "identity/nkey.h"

enum { KEY_NAME_BYTES_MAX = 100, KEY_STORE_KEYS_MAX = 4096 };

// Letters, digits, ".", "_", "-"; the first is a letter, a digit or "_".
status key_name_check(const char *name, err *e) WRIT_MUST_USE;

// Where a passphrase comes from, asked only when one is needed. `what` names the key.
typedef struct key_asker {
    status (*ask)(void *context, const char *what, secret *ret, err *e);
    void *context;
} key_asker;

typedef struct key_store key_store;

// `make` makes a missing directory (mode 0700); else a missing one is a store without keys.
status key_store_open(const char *path, bool make, key_store **ret, err *e) WRIT_MUST_USE;
void key_store_close(key_store *s); // accepts NULL

typedef struct key_store_entry {
    char name[KEY_NAME_BYTES_MAX + 1];
    bool is_sealed;
    bool is_good;           // else `problem` says why it cannot be used
    nkey_public public_key; // of a sealed key: as the file states it
    char problem[300];
} key_store_entry;

// All keys, sorted by name. The caller frees the array with mem_free. STATUS_LIMIT over KEY_STORE_KEYS_MAX.
status key_store_list(const key_store *s, key_store_entry **ret, size_t *ret_count, err *e) WRIT_MUST_USE;

// The same for one: no passphrase is needed. STATUS_NOT_FOUND, or the reason why it cannot be used.
status key_store_find(const key_store *s, const char *name, key_store_entry *ret, err *e) WRIT_MUST_USE;

status key_store_load(const key_store *s, const char *name, const key_asker *asker, nkey **ret,
                      err *e) WRIT_MUST_USE;

// Sealed when `passphrase` is not empty. STATUS_EXISTS when there is a key of this name, unless `replace`.
status key_store_save(key_store *s, const char *name, const nkey *k, slice passphrase, bool replace,
                      err *e) WRIT_MUST_USE;

// Loads the key in a file anywhere, in either form.
status key_file_load_path(const char *path, const key_asker *asker, nkey **ret, err *e) WRIT_MUST_USE;
// Writes the seed's text, and nothing else, to a new file with mode 0600. STATUS_EXISTS.
status key_file_export(const char *path, const nkey *k, err *e) WRIT_MUST_USE;
