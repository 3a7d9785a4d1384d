// SPDX-License-Identifier: Apache-2.0
// What stands behind a secret_store. Inside the folder only.
#pragma once

#include "identity/secret_file.h"
#include "os/file.h"

enum { SECRET_PATH_SIZE = 4096 };

typedef struct secret_content { // one reading of the file
    buf bytes;
    arena memory;
    secret_file file;
    bool exists;
} secret_content;

void secret_content_free(secret_content *c); // accepts a zeroed one

typedef struct secret_keys { // of a store, made of the one that is outside of it
    secret memory;           // empty while they are not known
    const uint8_t *values;
    const uint8_t *proof; // of the file
    const uint8_t *seen;  // of the mark
} secret_keys;

struct secret_store {
    char *path; // of the directory
    char *key_path;
    const char *key_name; // last part of key_path
    int dir;              // -1: does not exist
    int key_dir;          // where the key is
    const key_asker *asker;
    secret_keys keys;
    secret_content content;
    file_info read; // of the file that a refresh has read; zeroed = none has
};

// Reads the file anew: checks permissions, what authenticates it, and that it is not older than the mark.
status secret_store_load(secret_store *s, secret_content *ret, err *e) WRIT_MUST_USE;

// Until no other process changes the store (os/guarded.h).
status secret_store_lock(const secret_store *s, int *ret_fd, err *e) WRIT_MUST_USE;
// Makes a new store without secrets, on the disk too, under a passphrase when `asker` is not NULL. Under the
// lock.
status secret_store_make(secret_store *s, const key_asker *asker, uint64_t now_s, err *e) WRIT_MUST_USE;
// Writes `f`, which is one generation further, and the mark. Under the lock.
status secret_store_save(secret_store *s, const secret_file *f, err *e) WRIT_MUST_USE;

// The mark beside the key: the newest generation that was written. Zero and STATUS_OK where there is none.
typedef struct secret_seen {
    bool exists;
    uint64_t generation;
    uint8_t id[SECRET_FILE_ID_BYTES];
    uint8_t bytes[72]; // as they are on the disk
} secret_seen;

status secret_seen_read(const secret_store *s, secret_seen *ret, err *e) WRIT_MUST_USE;
status secret_seen_check(const secret_store *s, const secret_seen *seen, const secret_file *f,
                         err *e) WRIT_MUST_USE;
status secret_seen_write(const secret_store *s, const secret_file *f, err *e) WRIT_MUST_USE;

// The value in a field of a version.
status secret_store_open_value(const secret_store *s, const secret_file *f, slice name,
                               const secret_version *v, const secret_field *field, secret_value *ret,
                               err *e) WRIT_MUST_USE;
