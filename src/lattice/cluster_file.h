// SPDX-License-Identifier: Apache-2.0
// The file that says whom a host believes in its lattice: cluster keys, what is revoked, and users with their
// roles. JSON that people read and review, replaced whole.
//
//   {"version": 1,
//    "issuers": [{"key": "C...", "note": "the ops team", "until": "2027-01-31T00:00:00Z"}],
//    "revoked": [{"key": "N...", "before": "2026-05-01T00:00:00Z", "note": "stolen"}],
//    "users":   [{"key": "U...", "role": "operate", "note": "alice"}],
//    "everybody": "none"}
//
// All members may be absent. `until` absent: without end; `before` absent: all that was ever signed;
// `everybody`: the role of requests without a signature.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "identity/nkey.h"
#include "lattice/cluster.h"
#include "lattice/roles.h"

enum { CLUSTER_FILE_BYTES_MAX = 2 << 20, CLUSTER_NOTE_BYTES_MAX = 128 };

typedef struct cluster_entry {
    nkey_public key;
    uint64_t date_s; // until, before; UINT64_MAX = absent
    role what;       // of a user
    char note[CLUSTER_NOTE_BYTES_MAX + 1];
} cluster_entry;

typedef enum cluster_list { CLUSTER_ISSUERS, CLUSTER_REVOKED, CLUSTER_USERS } cluster_list;
enum { CLUSTER_LIST_COUNT = CLUSTER_USERS + 1 };

typedef struct cluster_file { // zeroed: believes nobody, and everybody may do nothing
    struct {
        cluster_entry *at;
        size_t count;
    } lists[CLUSTER_LIST_COUNT];
    role everybody;
} cluster_file;

void cluster_file_done(cluster_file *f); // accepts a zeroed one

// A file that is not there is an empty one. STATUS_INVALID for one with unknown members or wrong values,
// STATUS_DENIED when others may write it.
status cluster_file_load(const char *path, cluster_file *ret, err *e) WRIT_MUST_USE;
status cluster_file_read(slice text, cluster_file *ret, err *e) WRIT_MUST_USE;
// Loads, changes and writes under a lock; the directory is made when it is not there, and belongs to our
// user.
typedef status (*cluster_file_change)(void *arg, cluster_file *f, err *e);
status cluster_file_update(const char *path, cluster_file_change change, void *arg, err *e) WRIT_MUST_USE;

// In place of the entry of the same key, if there is one. STATUS_INVALID for a key of a wrong kind or a note
// that is too long; STATUS_LIMIT.
status cluster_file_put(cluster_file *f, cluster_list list, const cluster_entry *entry, err *e) WRIT_MUST_USE;
bool cluster_file_remove(cluster_file *f, cluster_list list, const nkey_public *key);

// Adds what it says. `r` may be NULL; the role of everybody is given to roles_new.
status cluster_file_apply(const cluster_file *f, cluster *c, roles *r, err *e) WRIT_MUST_USE;
