// SPDX-License-Identifier: Apache-2.0
#include "deploy/images.h"

#include <string.h>

typedef struct known {
    const char *name;
    provider_role role;
    const char *driver;
} known;

// Names after "writ:".
static const known builtins[] = {
    {"http-server", PROVIDER_HTTP_SERVER, NULL}, {"http-client", PROVIDER_HTTP_CLIENT, NULL},
    {"sqlite", PROVIDER_DRIVER, "sqlite"},       {"memory", PROVIDER_DRIVER, "memory"},
    {"local", PROVIDER_DRIVER, "local"},         {"keys", PROVIDER_DRIVER, "keys"},
    {"cron", PROVIDER_DRIVER, "cron"},           {"directory", PROVIDER_DRIVER, "directory"},
    {"redis", PROVIDER_DRIVER, "redis"},         {"nats", PROVIDER_DRIVER, "nats"},
    {"postgres", PROVIDER_DRIVER, "postgres"},   {"s3", PROVIDER_DRIVER, "s3"},
    {"provider", PROVIDER_DRIVER, "provider"},
};

// The last part of their names in a registry, or after wasmcloud+builtin://.
static const known providers[] = {
    {"http-server", PROVIDER_HTTP_SERVER, NULL},     {"http-client", PROVIDER_HTTP_CLIENT, NULL},
    {"keyvalue-redis", PROVIDER_DRIVER, "redis"},    {"kvredis", PROVIDER_DRIVER, "redis"},
    {"keyvalue-nats", PROVIDER_DRIVER, "nats"},      {"messaging-nats", PROVIDER_DRIVER, "nats"},
    {"cron-scheduler", PROVIDER_DRIVER, "cron"},     {"blobstore-nats", PROVIDER_DRIVER, "nats"},
    {"sqldb-postgres", PROVIDER_DRIVER, "postgres"}, {"blobstore-fs", PROVIDER_DRIVER, "directory"},
    {"blobstore-s3", PROVIDER_DRIVER, "s3"},
};

const char image_known_providers[] =
    "writ:http-server, writ:http-client, writ:sqlite, writ:memory, writ:local, writ:cron, writ:keys, "
    "writ:directory, "
    "writ:redis, "
    "writ:nats, "
    "writ:postgres, writ:s3, writ:provider, or ghcr.io/wasmcloud/ with http-server, http-client, "
    "keyvalue-redis, "
    "keyvalue-nats, messaging-nats, blobstore-nats, sqldb-postgres, blobstore-fs, blobstore-s3, "
    "cron-scheduler";

static bool take_prefix(slice *text, const char *prefix) {
    if (!slice_starts_with(*text, prefix)) {
        return false;
    }
    *text = slice_sub(*text, strlen(prefix), text->len);
    return true;
}

static bool ends_with(slice text, const char *suffix) {
    size_t n = strlen(suffix);
    return text.len > n && slice_equal_text(slice_sub(text, text.len - n, text.len), suffix);
}

static bool looks_like_a_path(slice text) {
    return slice_starts_with(text, "/") || slice_starts_with(text, "./") || slice_starts_with(text, "../") ||
           ends_with(text, ".wasm") || ends_with(text, ".par") || ends_with(text, ".par.gz");
}

// LETTER (letters, digits, + - .)* "://"
static bool has_scheme(slice text) {
    size_t colon = slice_find(text, 0, ':');
    return colon != SIZE_MAX && slice_starts_with(slice_sub(text, colon, text.len), "://");
}

// HOST[:PORT]/PATH/NAME[:TAG][@DIGEST] without all but NAME, and the path in front of it.
static slice name_in_registry(slice text, slice *ret_path) {
    size_t at = slice_find(text, 0, '@'), slash = 0;
    slice name = slice_sub(text, 0, at == SIZE_MAX ? text.len : at);
    for (size_t next = 0; (next = slice_find(name, next, '/')) != SIZE_MAX;) {
        slash = ++next;
    }
    *ret_path = slice_sub(name, 0, slash);
    name = slice_sub(name, slash, name.len);
    size_t colon = slice_find(name, 0, ':');
    return slice_sub(name, 0, colon == SIZE_MAX ? name.len : colon);
}

static void set_role(image_reference *r, const known *table, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (slice_equal_text(r->name, table[i].name)) {
            r->role = table[i].role;
            r->driver = table[i].driver;
        }
    }
}

image_reference image_parse(slice text) {
    image_reference r = {.name = text};
    if (text.len == 0) {
        return r;
    }
    if (take_prefix(&r.name, "writ:")) {
        r.kind = IMAGE_BUILTIN;
        set_role(&r, builtins, sizeof builtins / sizeof builtins[0]);
    } else if (take_prefix(&r.name, "wasmcloud+builtin://")) {
        r.kind = IMAGE_BUILTIN;
        set_role(&r, providers, sizeof providers / sizeof providers[0]);
    } else if (take_prefix(&r.name, "file://") || (!has_scheme(text) && looks_like_a_path(text))) {
        r.kind = IMAGE_FILE;
    } else if (has_scheme(text) && !take_prefix(&r.name, "oci://")) {
        r.kind = IMAGE_UNKNOWN;
    } else {
        slice path;
        r.kind = IMAGE_REGISTRY;
        r.name = name_in_registry(r.name, &path);
        if (slice_equal_text(path, "ghcr.io/wasmcloud/") || slice_equal_text(path, "wasmcloud.azurecr.io/")) {
            set_role(&r, providers, sizeof providers / sizeof providers[0]);
        }
    }
    return r;
}
