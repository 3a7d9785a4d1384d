// SPDX-License-Identifier: Apache-2.0
#include "lattice/wrpc_names.h"

#include <stdio.h>

typedef struct known_name {
    const char *here; // without a version
    const char *wire[WRPC_VERSIONS_MAX];
    wrpc_kind kind;
} known_name;

#define BLOBSTORE_WIRE \
    { "wrpc:blobstore/blobstore@0.2.0", "wrpc:blobstore/blobstore@0.1.0" }

// The first one with a name on the wire is what that name is here.
static const known_name known[] = {
    {"wasi:keyvalue/store", {"wrpc:keyvalue/store@0.2.0-draft", NULL}, WRPC_PLAIN},
    {"wasi:keyvalue/atomics", {"wrpc:keyvalue/atomics@0.2.0-draft", NULL}, WRPC_PLAIN},
    {"wasi:keyvalue/batch", {"wrpc:keyvalue/batch@0.2.0-draft", NULL}, WRPC_PLAIN},
    {"wasi:keyvalue/watcher", {"wrpc:keyvalue/watcher@0.2.0-draft", NULL}, WRPC_PLAIN},
    {"wasi:blobstore/blobstore", BLOBSTORE_WIRE, WRPC_BLOBSTORE},
    {"wasi:blobstore/container", BLOBSTORE_WIRE, WRPC_BLOBSTORE},
    {"wasi:http/incoming-handler", {"wrpc:http/incoming-handler@0.1.0", NULL}, WRPC_HTTP},
    {"wasi:http/outgoing-handler", {"wrpc:http/outgoing-handler@0.1.0", NULL}, WRPC_HTTP},
    {"wasmcloud:messaging/consumer", {"wasmcloud:messaging/consumer@0.2.0", NULL}, WRPC_PLAIN},
    {"wasmcloud:messaging/handler", {"wasmcloud:messaging/handler@0.2.0", NULL}, WRPC_PLAIN},
    {"wasmcloud:messaging/incoming-handler", {"wasmcloud:messaging/handler@0.2.0", NULL}, WRPC_PLAIN},
    {"wasmcloud:postgres/query", {"wasmcloud:postgres/query@0.1.1-draft", NULL}, WRPC_PLAIN},
    {"wasmcloud:postgres/prepared", {"wasmcloud:postgres/prepared@0.1.1-draft", NULL}, WRPC_PLAIN},
};
enum { KNOWN_COUNT = sizeof known / sizeof known[0] };

// What a host answers itself, whole packages or single interfaces, without versions.
static const char *const inside[] = {
    "wasi:cli/",      "wasi:clocks/",   "wasi:config/",        "wasi:filesystem/",   "wasi:io/",
    "wasi:logging/",  "wasi:random/",   "wasi:sockets/",       "wasi:http/",         "wasi:blobstore/",
    "wasi:keyvalue/", "wasmcloud:bus/", "wasmcloud:identity/", "wasmcloud:secrets/", "wasmcloud:messaging/",
    "wrpc:rpc/",      "writ:",
};

static slice without_version(slice name) { return slice_sub(name, 0, slice_find(name, 0, '@')); }

static const known_name *find_here(slice name) {
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if (slice_equal_text(name, known[i].here)) {
            return &known[i];
        }
    }
    return NULL;
}

static bool is_inside(slice name) {
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++) {
        if (slice_starts_with(name, inside[i])) {
            return true;
        }
    }
    return false;
}

static void put_name(wrpc_wire_names *ret, slice name) {
    snprintf(ret->items[ret->count++], WRPC_INSTANCE_BYTES_MAX, "%.*s", SLICE_ARG(name));
}

status wrpc_names_to_wire(slice interface, wrpc_wire_names *ret, err *e) {
    slice name = without_version(interface);
    const known_name *k = find_here(name);
    wrpc_wire_names found = {.kind = WRPC_PLAIN};
    if (k == NULL && is_inside(name)) {
        return err_set(e, STATUS_UNSUPPORTED,
                       "%.*s is what each host has by itself: it is not called on others",
                       SLICE_ARG(interface));
    }
    if (interface.len >= WRPC_INSTANCE_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "the name of an interface has less than %d bytes",
                       WRPC_INSTANCE_BYTES_MAX);
    }
    if (k == NULL) {
        put_name(&found, interface);
    }
    found.has_results = k != NULL && !slice_equal_text(name, "wasi:keyvalue/watcher");
    for (size_t i = 0; k != NULL && i < WRPC_VERSIONS_MAX && k->wire[i] != NULL; i++) {
        found.kind = k->kind;
        put_name(&found, slice_from_text(k->wire[i]));
    }
    *ret = found;
    return STATUS_OK;
}

wrpc_local_name wrpc_names_from_wire(slice instance) {
    slice name = without_version(instance);
    slice version = slice_sub(instance, name.len + 1, instance.len);
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        for (size_t n = 0; n < WRPC_VERSIONS_MAX && known[i].wire[n] != NULL; n++) {
            if (slice_equal_text(instance, known[i].wire[n])) {
                return (wrpc_local_name){known[i].kind, slice_from_text(known[i].here), version};
            }
        }
    }
    return (wrpc_local_name){WRPC_PLAIN, name, version};
}

slice wrpc_names_function(slice function) {
    size_t close = slice_find(function, 0, ']');
    bool has_bracket = function.len > 0 && function.data[0] == '[' && close != SIZE_MAX;
    return has_bracket ? slice_sub(function, close + 1, function.len) : function;
}

bool wrpc_names_split(slice text, slice *ret_instance, slice *ret_function) {
    size_t slash = slice_find(text, 0, '/');
    size_t dot = slash == SIZE_MAX ? SIZE_MAX : slice_find(text, slash, '.');
    bool is_version = true;
    while (slash != SIZE_MAX && dot != SIZE_MAX && is_version) {
        is_version = dot + 1 < text.len && text.data[dot + 1] >= '0' && text.data[dot + 1] <= '9';
        dot = is_version ? slice_find(text, dot + 1, '.') : dot;
    }
    if (slash != SIZE_MAX && dot == SIZE_MAX) {
        return false;
    }
    *ret_instance = slice_sub(text, 0, slash == SIZE_MAX ? 0 : dot);
    *ret_function = slice_sub(text, slash == SIZE_MAX ? 0 : dot + 1, text.len);
    return ret_function->len > 0;
}
