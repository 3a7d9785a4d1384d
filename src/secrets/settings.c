// SPDX-License-Identifier: Apache-2.0
#include "secrets/settings.h"

#include <string.h>

#include "base/mem.h"
#include "codec/quantity.h"
#include "identity/secret_store.h"
#include "net/http.h"
#include "policy/network.h"
#include "secrets/files.h"

#define SECOND_NS 1000000000ull
#define PAUSE_NS_MAX (24 * 3600 * SECOND_NS)
#define KEEP_NS_MAX (366 * 24 * 3600 * SECOND_NS)
#define TIMEOUT_NS_MAX (60 * SECOND_NS)

enum { TEXT_BYTES_MAX = 1024, VAULT_KEY_BYTES_MAX = 512, FIELD_BYTES_MAX = 128 };

static const char kubernetes_token[] = "/var/run/secrets/kubernetes.io/serviceaccount/token";

const char secret_backend_names[] = "store, kubernetes, vault";

static const secret_setting of_store[] = {{NULL, NULL}};
static const secret_setting of_kubernetes[] = {
    {"directory", "where the files are: DIRECTORY/KEY, or DIRECTORY/KEY/FIELD"},
    {"refresh", "how often it is looked for changed files (1s)"},
    {NULL, NULL},
};
static const secret_setting of_vault[] = {
    {"address", "https://HOST[:PORT][/PREFIX]; http:// for the loopback alone"},
    {"mount", "where the engine KV, version 2, is mounted (secret)"},
    {"namespace", "of the server (none)"},
    {"ca-file", "certificate authorities for it, PEM, besides those of the system"},
    {"auth", "token, approle or kubernetes (token)"},
    {"auth-mount", "where that method is mounted (its name)"},
    {"role", "the role_id of an AppRole, or the role of kubernetes"},
    {"token-file", "a file with the token"},
    {"token-secret", "KEY or KEY:FIELD of the token in the sealed store"},
    {"secret-id-file", "a file with the secret_id of the AppRole"},
    {"secret-id-secret", "KEY or KEY:FIELD of it in the sealed store"},
    {"jwt-file", "a file with the token of the service account (where Kubernetes puts it)"},
    {"refresh", "how often it is asked for changes (30s)"},
    {"keep", "how long values are given that it could not be asked for again; 0s = without end (24h)"},
    {"timeout", "of one request (5s)"},
    {NULL, NULL},
};

bool secret_backend_find(slice name, secret_backend_kind *ret) {
    for (int k = SECRET_BACKEND_SEALED; k <= SECRET_BACKEND_VAULT; k++) {
        if (slice_equal_text(name, secret_backend_name((secret_backend_kind)k))) {
            *ret = (secret_backend_kind)k;
            return true;
        }
    }
    return false;
}

const char *secret_backend_name(secret_backend_kind kind) {
    return kind == SECRET_BACKEND_SEALED       ? "store"
           : kind == SECRET_BACKEND_KUBERNETES ? "kubernetes"
                                               : "vault";
}

const secret_setting *secret_backend_settings(secret_backend_kind kind) {
    return kind == SECRET_BACKEND_SEALED       ? of_store
           : kind == SECRET_BACKEND_KUBERNETES ? of_kubernetes
                                               : of_vault;
}

void secret_settings_init(secret_settings *s, secret_backend_kind kind) {
    bool is_vault = kind == SECRET_BACKEND_VAULT;
    *s = (secret_settings){.kind = kind,
                           .pause_ns = is_vault ? 30 * SECOND_NS : SECOND_NS,
                           .keep_ns = is_vault ? 24 * 3600 * SECOND_NS : 0,
                           .timeout_ns = 5 * SECOND_NS};
}

void secret_settings_done(secret_settings *s) {
    char *texts[] = {s->directory,  s->address,         s->authority,      s->prefix,
                     s->mount,      s->name_space,      s->ca_file,        s->role,
                     s->auth_mount, s->credential_file, s->credential_key, s->credential_field};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        mem_free(texts[i]);
    }
    *s = (secret_settings){0};
}

// --- one setting -------------------------------------------------------------------------------------------

static status put_text(char **field, slice value) {
    mem_free(*field);
    *field = mem_slice_dup(value);
    return STATUS_OK;
}

static status put_duration(slice value, uint64_t min_ns, uint64_t max_ns, uint64_t *ret, err *e) {
    uint64_t ns;
    if (!quantity_duration(value, &ns) || ns < min_ns || ns > max_ns) {
        return err_set(e, STATUS_INVALID, "write a span of time such as 30s, from %llus to %llus",
                       (unsigned long long)(min_ns / SECOND_NS), (unsigned long long)(max_ns / SECOND_NS));
    }
    *ret = ns;
    return STATUS_OK;
}

static bool is_path_byte(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("._~@+=-", c) != NULL);
}

// "a/b/c": parts that are neither empty nor made of dots alone.
static bool is_path(slice text) {
    size_t part = 0, dots = 0;
    bool good = text.len > 0 && text.len <= VAULT_KEY_BYTES_MAX;
    for (size_t i = 0; good && i <= text.len; i++) {
        if (i == text.len || text.data[i] == '/') {
            good = part > 0 && dots < part;
            part = dots = 0;
        } else {
            good = is_path_byte(text.data[i]);
            dots += text.data[i] == '.';
            part++;
        }
    }
    return good;
}

static status put_path(char **field, slice value, err *e) {
    if (!is_path(value)) {
        return err_set(e, STATUS_INVALID,
                       "write a path such as secret or team/secret, of letters, digits and ._~@+=-");
    }
    return put_text(field, value);
}

static bool is_loopback(slice host) {
    network_address a;
    return slice_equal_text(host, "localhost") ||
           (network_address_parse(host, &a) &&
            (a.is_v6 ? memcmp(a.bytes, (const uint8_t[16]){[15] = 1}, 16) == 0 : a.bytes[0] == 127));
}

static slice host_of(slice authority) {
    size_t end = authority.len > 0 && authority.data[0] == '[' ? slice_find(authority, 0, ']') : 0;
    size_t colon = slice_find(authority, end == SIZE_MAX ? 0 : end, ':');
    return slice_sub(authority, 0, colon == SIZE_MAX ? authority.len : colon);
}

static status bad_address(err *e) {
    return err_set(
        e, STATUS_INVALID,
        "write https://HOST, https://HOST:PORT or with a path after it; http:// is for the loopback "
        "alone, because the token would be sent in clear");
}

static status put_address(secret_settings *s, slice value, err *e) {
    bool is_https = slice_starts_with(value, "https://");
    if (!is_https && !slice_starts_with(value, "http://")) {
        return bad_address(e);
    }
    slice rest = slice_sub(value, is_https ? 8 : 7, value.len);
    size_t slash = slice_find(rest, 0, '/');
    slice authority = slice_sub(rest, 0, slash == SIZE_MAX ? rest.len : slash);
    slice prefix = slash == SIZE_MAX ? slice_empty() : slice_sub(rest, slash, rest.len);
    if (prefix.len > 0 && prefix.data[prefix.len - 1] == '/') {
        prefix = slice_sub(prefix, 0, prefix.len - 1);
    }
    bool good = http_authority_is_valid(authority) && (is_https || is_loopback(host_of(authority))) &&
                (prefix.len == 0 || is_path(slice_sub(prefix, 1, prefix.len)));
    if (!good) {
        return bad_address(e);
    }
    s->is_https = is_https;
    (void)put_text(&s->authority, authority);
    (void)put_text(&s->prefix, prefix);
    return put_text(&s->address, value);
}

static status put_auth(secret_settings *s, slice value, err *e) {
    static const char *const names[] = {"token", "approle", "kubernetes"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_equal_text(value, names[i])) {
            s->auth = (vault_auth)i;
            return STATUS_OK;
        }
    }
    return err_set(e, STATUS_INVALID, "write token, approle or kubernetes");
}

// KEY[:FIELD], as the sealed store calls it.
static status put_credential(secret_settings *s, slice value, err *e) {
    size_t colon = slice_find(value, 0, ':');
    slice key = slice_sub(value, 0, colon == SIZE_MAX ? value.len : colon);
    TRY(secret_settings_check_name(SECRET_BACKEND_SEALED, "key", key, e));
    if (colon != SIZE_MAX) {
        slice field = slice_sub(value, colon + 1, value.len);
        TRY(secret_settings_check_name(SECRET_BACKEND_SEALED, "field", field, e));
        (void)put_text(&s->credential_field, field);
    }
    return put_text(&s->credential_key, key);
}

static bool is_of(slice name, secret_backend_kind kind) {
    const secret_setting *s = secret_backend_settings(kind);
    while (s->name != NULL && !slice_equal_text(name, s->name)) {
        s++;
    }
    return s->name != NULL;
}

// What is left: a credential, in a file or in the sealed store.
static status set_credential(secret_settings *s, slice name, slice value, err *e) {
    s->credential_auth = slice_starts_with(name, "token-")       ? VAULT_AUTH_TOKEN
                         : slice_starts_with(name, "secret-id-") ? VAULT_AUTH_APPROLE
                                                                 : VAULT_AUTH_KUBERNETES;
    return name.data[name.len - 1] == 'e' ? put_text(&s->credential_file, value)
                                          : put_credential(s, value, e);
}

static status set_of_vault(secret_settings *s, slice name, slice value, err *e) {
    return slice_equal_text(name, "address")      ? put_address(s, value, e)
           : slice_equal_text(name, "mount")      ? put_path(&s->mount, value, e)
           : slice_equal_text(name, "namespace")  ? put_path(&s->name_space, value, e)
           : slice_equal_text(name, "auth-mount") ? put_path(&s->auth_mount, value, e)
           : slice_equal_text(name, "auth")       ? put_auth(s, value, e)
           : slice_equal_text(name, "ca-file")    ? put_text(&s->ca_file, value)
           : slice_equal_text(name, "role")       ? put_text(&s->role, value)
           : slice_equal_text(name, "keep")       ? put_duration(value, 0, KEEP_NS_MAX, &s->keep_ns, e)
           : slice_equal_text(name, "timeout")
               ? put_duration(value, SECOND_NS / 10, TIMEOUT_NS_MAX, &s->timeout_ns, e)
               : set_credential(s, name, value, e);
}

status secret_settings_set(secret_settings *s, slice name, slice value, err *e) {
    if (!is_of(name, s->kind)) {
        return err_set(e, STATUS_NOT_FOUND, "there is no such setting");
    }
    if (value.len == 0 || value.len > TEXT_BYTES_MAX || memchr(value.data, 0, value.len) != NULL) {
        return err_set(e, STATUS_INVALID, "write 1 to %d bytes", TEXT_BYTES_MAX);
    }
    return slice_equal_text(name, "refresh")
               ? put_duration(value, SECOND_NS / 10, PAUSE_NS_MAX, &s->pause_ns, e)
           : slice_equal_text(name, "directory") ? put_text(&s->directory, value)
                                                 : set_of_vault(s, name, value, e);
}

// --- together ----------------------------------------------------------------------------------------------

static status check_vault(const secret_settings *s, err *e) {
    static const char *const credential_names[] = {"token-file or token-secret",
                                                   "secret-id-file or secret-id-secret", "jwt-file"};
    if (s->address == NULL) {
        return err_set(e, STATUS_INVALID, "add `address:`, such as https://vault.example:8200");
    }
    if (s->credential_auth != s->auth && (s->credential_file != NULL || s->credential_key != NULL)) {
        return err_set(e, STATUS_INVALID, "that method of `auth` takes %s and nothing else",
                       credential_names[s->auth]);
    }
    if (s->credential_file != NULL && s->credential_key != NULL) {
        return err_set(e, STATUS_INVALID, "name one of %s", credential_names[s->auth]);
    }
    if (s->credential_file == NULL && s->credential_key == NULL && s->auth != VAULT_AUTH_KUBERNETES) {
        return err_set(e, STATUS_INVALID, "add %s", credential_names[s->auth]);
    }
    return s->auth != VAULT_AUTH_TOKEN && s->role == NULL
               ? err_set(e, STATUS_INVALID, "add `role:`, which that method of `auth` needs")
               : STATUS_OK;
}

status secret_settings_check(const secret_settings *s, err *e) {
    if (s->kind == SECRET_BACKEND_KUBERNETES && s->directory == NULL) {
        return err_set(e, STATUS_INVALID, "add `directory:`, where the files are mounted");
    }
    return s->kind == SECRET_BACKEND_VAULT ? check_vault(s, e) : STATUS_OK;
}

const char *secret_settings_credential_file(const secret_settings *s) {
    return s->credential_file == NULL && s->auth == VAULT_AUTH_KUBERNETES ? kubernetes_token
                                                                          : s->credential_file;
}

static bool same_text(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool secret_settings_equal(const secret_settings *a, const secret_settings *b) {
    return a->kind == b->kind && a->pause_ns == b->pause_ns && a->keep_ns == b->keep_ns &&
           a->timeout_ns == b->timeout_ns && a->auth == b->auth && same_text(a->directory, b->directory) &&
           same_text(a->address, b->address) && same_text(a->mount, b->mount) &&
           same_text(a->name_space, b->name_space) && same_text(a->ca_file, b->ca_file) &&
           same_text(a->auth_mount, b->auth_mount) && same_text(a->role, b->role) &&
           same_text(a->credential_file, b->credential_file) &&
           same_text(a->credential_key, b->credential_key) &&
           same_text(a->credential_field, b->credential_field);
}

// --- names -------------------------------------------------------------------------------------------------

static bool is_number(slice text) {
    uint64_t number;
    return slice_to_u64(text, &number) && number > 0 && number <= INT64_MAX;
}

static status check_sealed(const char *what, slice name, err *e) {
    char *text = mem_slice_dup(name);
    status s = memchr(name.data, 0, name.len) != NULL
                   ? err_set(e, STATUS_INVALID, "a name has no NUL")
                   : secret_name_check(text, strcmp(what, "key") == 0 ? "a secret" : "a field", e);
    mem_free(text);
    return s;
}

static bool is_shown_text(slice text) {
    bool good = text.len > 0 && text.len <= FIELD_BYTES_MAX;
    for (size_t i = 0; good && i < text.len; i++) {
        good = text.data[i] >= 0x20 && text.data[i] != 0x7f;
    }
    return good;
}

static status check_vault_name(bool is_field, slice name, err *e) {
    bool good = is_field ? is_shown_text(name) : is_path(name);
    return good ? STATUS_OK
                : err_set(e, STATUS_INVALID,
                          is_field ? "a field has 1 to 128 bytes and no control characters"
                                   : "a key is a path of letters, digits and ._~@+=-, such as team/db, below "
                                     "the mount");
}

status secret_settings_check_name(secret_backend_kind kind, const char *what, slice name, err *e) {
    if (strcmp(what, "version") == 0) {
        return kind == SECRET_BACKEND_KUBERNETES
                   ? err_set(e, STATUS_INVALID, "leave it out: files have no versions")
               : is_number(name) ? STATUS_OK
                                 : err_set(e, STATUS_INVALID, "write the number of a version, such as \"3\"");
    }
    if (kind == SECRET_BACKEND_SEALED) {
        return check_sealed(what, name, e);
    }
    if (kind == SECRET_BACKEND_VAULT) {
        return check_vault_name(strcmp(what, "field") == 0, name, e);
    }
    return files_name_is_valid(name)
               ? STATUS_OK
               : err_set(e, STATUS_INVALID,
                         "it is the name of a file: letters, digits, \".\", \"_\" and \"-\", not beginning "
                         "with \"..\"");
}
