// SPDX-License-Identifier: Apache-2.0
// What is said about a backend of secrets: its kind and settings, as a policy of a manifest names them,
// parsed and checked. There is no place for a value of a secret here: credentials are named, as files or as
// secrets of the sealed store.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

typedef enum secret_backend_kind {
    SECRET_BACKEND_SEALED,     // "store": the sealed store of this machine
    SECRET_BACKEND_KUBERNETES, // "kubernetes": mounted files
    SECRET_BACKEND_VAULT,      // "vault": a server with the API of HashiCorp Vault
} secret_backend_kind;

typedef enum vault_auth { VAULT_AUTH_TOKEN, VAULT_AUTH_APPROLE, VAULT_AUTH_KUBERNETES } vault_auth;

typedef struct secret_settings {
    secret_backend_kind kind;
    uint64_t pause_ns; // between two looks at what is there
    uint64_t keep_ns;  // how long values are given that could not be fetched again; 0 = no bound
    char *directory;   // of the files; as it was written
    // Of a server.
    char *address; // as it was written
    bool is_https;
    char *authority; // host and port of `address`
    char *prefix;    // path in front of "/v1/", "" for none
    char *mount;
    char *name_space; // or NULL
    char *ca_file;    // or NULL; as it was written
    uint64_t timeout_ns;
    vault_auth auth;
    char *auth_mount;
    char *role;                 // role_id of an AppRole, role of Kubernetes; or NULL
    vault_auth credential_auth; // what the credential is one for
    char *credential_file;      // token, secret_id or JWT; or NULL
    char *credential_key;       // the same in the sealed store; or NULL
    char *credential_field;     // or NULL
} secret_settings;

// One setting that a kind has, for checks and advice.
typedef struct secret_setting {
    const char *name;
    const char *text; // what it means, its default
} secret_setting;

// False for another name. The names of all kinds: "store, kubernetes, vault".
bool secret_backend_find(slice name, secret_backend_kind *ret);
extern const char secret_backend_names[];
const char *secret_backend_name(secret_backend_kind kind);
const secret_setting *secret_backend_settings(secret_backend_kind kind); // ends with a NULL name

// Every default. For secret_settings_done.
void secret_settings_init(secret_settings *s, secret_backend_kind kind);
void secret_settings_done(secret_settings *s);
// STATUS_NOT_FOUND when its kind has no such setting, STATUS_INVALID with what to write.
status secret_settings_set(secret_settings *s, slice name, slice value, err *e) WRIT_MUST_USE;
// Whether what must be there is, and what is there goes together. STATUS_INVALID.
status secret_settings_check(const secret_settings *s, err *e) WRIT_MUST_USE;
// The file with the credential of a server, where one is used; or NULL.
const char *secret_settings_credential_file(const secret_settings *s);
bool secret_settings_equal(const secret_settings *a, const secret_settings *b);

// Whether a secret can be called so there. STATUS_INVALID with what to write; `what` is "key", "field" or
// "version".
status secret_settings_check_name(secret_backend_kind kind, const char *what, slice name,
                                  err *e) WRIT_MUST_USE;
