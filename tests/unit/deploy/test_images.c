// SPDX-License-Identifier: Apache-2.0
#include "deploy/images.h"
#include "test.h"

typedef struct expectation {
    const char *text;
    image_kind kind;
    const char *name;
    provider_role role;
    const char *driver; // NULL: none
} expectation;

static const expectation cases[] = {
    {"", IMAGE_NONE, "", PROVIDER_NONE, NULL},
    {"file://./build/x_s.wasm", IMAGE_FILE, "./build/x_s.wasm", PROVIDER_NONE, NULL},
    {"file:///srv/x.wasm", IMAGE_FILE, "/srv/x.wasm", PROVIDER_NONE, NULL},
    {"file://", IMAGE_FILE, "", PROVIDER_NONE, NULL},
    {"x.wasm", IMAGE_FILE, "x.wasm", PROVIDER_NONE, NULL},
    {"./x", IMAGE_FILE, "./x", PROVIDER_NONE, NULL},
    {"../a:b/x", IMAGE_FILE, "../a:b/x", PROVIDER_NONE, NULL},
    {"/a/x", IMAGE_FILE, "/a/x", PROVIDER_NONE, NULL},
    {"./provider.par.gz", IMAGE_FILE, "./provider.par.gz", PROVIDER_NONE, NULL},
    {"ghcr.io/wasmcloud/components/http-hello-world-rust:0.1.0", IMAGE_REGISTRY, "http-hello-world-rust",
     PROVIDER_NONE, NULL},
    {"localhost:5000/v2/hello:1", IMAGE_REGISTRY, "hello", PROVIDER_NONE, NULL},
    {"hello", IMAGE_REGISTRY, "hello", PROVIDER_NONE, NULL},
    {"oci://example.com/hello@sha256:00", IMAGE_REGISTRY, "hello", PROVIDER_NONE, NULL},
    {"https://example.com/x.wasm", IMAGE_UNKNOWN, "https://example.com/x.wasm", PROVIDER_NONE, NULL},
    {"s3://bucket/x", IMAGE_UNKNOWN, "s3://bucket/x", PROVIDER_NONE, NULL},
    {"writ:sqlite", IMAGE_BUILTIN, "sqlite", PROVIDER_DRIVER, "sqlite"},
    {"writ:memory", IMAGE_BUILTIN, "memory", PROVIDER_DRIVER, "memory"},
    {"writ:directory", IMAGE_BUILTIN, "directory", PROVIDER_DRIVER, "directory"},
    {"writ:redis", IMAGE_BUILTIN, "redis", PROVIDER_DRIVER, "redis"},
    {"writ:nats", IMAGE_BUILTIN, "nats", PROVIDER_DRIVER, "nats"},
    {"writ:postgres", IMAGE_BUILTIN, "postgres", PROVIDER_DRIVER, "postgres"},
    {"writ:s3", IMAGE_BUILTIN, "s3", PROVIDER_DRIVER, "s3"},
    {"writ:http-server", IMAGE_BUILTIN, "http-server", PROVIDER_HTTP_SERVER, NULL},
    {"writ:http-client", IMAGE_BUILTIN, "http-client", PROVIDER_HTTP_CLIENT, NULL},
    {"writ:keyvalue-redis", IMAGE_BUILTIN, "keyvalue-redis", PROVIDER_NONE, NULL},
    {"writ:sqlite:1", IMAGE_BUILTIN, "sqlite:1", PROVIDER_NONE, NULL},
    {"wasmcloud+builtin://http-server", IMAGE_BUILTIN, "http-server", PROVIDER_HTTP_SERVER, NULL},
    {"wasmcloud+builtin://messaging-nats", IMAGE_BUILTIN, "messaging-nats", PROVIDER_DRIVER, "nats"},
    {"ghcr.io/wasmcloud/http-server:0.27.0", IMAGE_REGISTRY, "http-server", PROVIDER_HTTP_SERVER, NULL},
    {"ghcr.io/wasmcloud/http-client:0.13.1", IMAGE_REGISTRY, "http-client", PROVIDER_HTTP_CLIENT, NULL},
    {"ghcr.io/wasmcloud/keyvalue-redis:0.30.0", IMAGE_REGISTRY, "keyvalue-redis", PROVIDER_DRIVER, "redis"},
    {"ghcr.io/wasmcloud/keyvalue-nats", IMAGE_REGISTRY, "keyvalue-nats", PROVIDER_DRIVER, "nats"},
    {"ghcr.io/wasmcloud/messaging-nats@sha256:ab", IMAGE_REGISTRY, "messaging-nats", PROVIDER_DRIVER, "nats"},
    {"ghcr.io/wasmcloud/blobstore-nats:0.1.0@sha256:ab", IMAGE_REGISTRY, "blobstore-nats", PROVIDER_DRIVER,
     "nats"},
    {"oci://ghcr.io/wasmcloud/sqldb-postgres:0.10.0", IMAGE_REGISTRY, "sqldb-postgres", PROVIDER_DRIVER,
     "postgres"},
    {"ghcr.io/wasmcloud/blobstore-fs:0.11.1", IMAGE_REGISTRY, "blobstore-fs", PROVIDER_DRIVER, "directory"},
    {"ghcr.io/wasmcloud/blobstore-s3:0.1", IMAGE_REGISTRY, "blobstore-s3", PROVIDER_DRIVER, "s3"},
    {"ghcr.io/wasmcloud/messaging-kafka:0.5.1", IMAGE_REGISTRY, "messaging-kafka", PROVIDER_NONE, NULL},
    // Somebody else's provider of that name is another one.
    {"ghcr.io/other/keyvalue-redis:0.30.0", IMAGE_REGISTRY, "keyvalue-redis", PROVIDER_NONE, NULL},
    {"ghcr.io/wasmcloud/fork/keyvalue-redis:0.30.0", IMAGE_REGISTRY, "keyvalue-redis", PROVIDER_NONE, NULL},
    {"keyvalue-redis", IMAGE_REGISTRY, "keyvalue-redis", PROVIDER_NONE, NULL},
};

TEST(references) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const expectation *c = &cases[i];
        image_reference r = image_parse(slice_from_text(c->text));
        bool ok = r.kind == c->kind && slice_equal_text(r.name, c->name) && r.role == c->role &&
                  (r.driver == NULL) == (c->driver == NULL) &&
                  (r.driver == NULL || strcmp(r.driver, c->driver) == 0);
        if (!EXPECT(ok)) {
            printf("    %s: kind %d, name %.*s, role %d, driver %s\n", c->text, (int)r.kind,
                   SLICE_ARG(r.name), (int)r.role, r.driver == NULL ? "-" : r.driver);
        }
    }
}

TEST(messages_list_every_known_provider) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (cases[i].role != PROVIDER_NONE) {
            EXPECT_CONTAINS(image_known_providers, cases[i].name);
        }
    }
}
