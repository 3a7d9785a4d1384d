// SPDX-License-Identifier: Apache-2.0
// What the `image` of a manifest's component refers to, and which built-in driver stands for which provider
// of 1.x.
#pragma once

#include "base/slice.h"

typedef enum image_kind {
    IMAGE_NONE,
    IMAGE_FILE,     // a path; file:// was taken off
    IMAGE_REGISTRY, // HOST/NAME:TAG
    IMAGE_BUILTIN,  // writ:NAME or wasmcloud+builtin://NAME
    IMAGE_UNKNOWN,  // another scheme
} image_kind;

typedef enum provider_role {
    PROVIDER_NONE,
    PROVIDER_HTTP_SERVER, // its links are routes to components
    PROVIDER_HTTP_CLIENT, // where components that it is linked to may send requests
    PROVIDER_DRIVER,      // a driver of that name
} provider_role;

typedef struct image_reference {
    image_kind kind;
    slice name;         // the path, or the name without scheme, registry, tag and digest
    provider_role role; // of a capability
    const char *driver; // with PROVIDER_DRIVER: such as "redis"
} image_reference;

// Never fails; `role` is set when the image is a known provider. The slices are borrowed from the text.
image_reference image_parse(slice text);

// The known names, "writ:sqlite, ...", for messages.
extern const char image_known_providers[];
