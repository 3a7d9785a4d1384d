// SPDX-License-Identifier: Apache-2.0
#include "capability/calls.h"

#include "driver/blobstore/blobstore.h"

static const char container[] = "wasi:blobstore/container";
static const char blobstore_types[] = "wasi:blobstore/types";
static const char keyvalue_store[] = "wasi:keyvalue/store";
static const char keyvalue_atomics[] = "wasi:keyvalue/atomics";

// Where a call has not the name of the function.
static const struct {
    const char *interface; // with a version: of that one alone
    const char *function;
    const char *calls[WASI_CALLS_MAX][2]; // interface and function
} others[] = {
    {BLOBSTORE_INTERFACE, "get-container", {{BLOBSTORE_INTERFACE, "container-exists"}}},
    {container, "[method]container.name", {{NULL}}},
    {container, "[method]container.info", {{BLOBSTORE_INTERFACE, "get-container-info"}}},
    {container, "[method]container.get-data", {{BLOBSTORE_INTERFACE, "get-container-data"}}},
    {container, "[method]container.write-data", {{BLOBSTORE_INTERFACE, "write-container-data"}}},
    {container, "[method]container.list-objects", {{BLOBSTORE_INTERFACE, "list-container-objects"}}},
    {container, "[method]container.object-info", {{BLOBSTORE_INTERFACE, "get-object-info"}}},
    {container, "[method]container.clear", {{BLOBSTORE_INTERFACE, "clear-container"}}},
    {container,
     "[method]stream-object-names.read-stream-object-names",
     {{BLOBSTORE_INTERFACE, "list-container-objects"}}},
    {container,
     "[method]stream-object-names.skip-stream-object-names",
     {{BLOBSTORE_INTERFACE, "list-container-objects"}}},
    {keyvalue_store, "open", {{NULL}}},
    {"wasi:keyvalue/atomics@0.2.0-draft2",
     "increment",
     {{keyvalue_atomics, "increment"}, {keyvalue_atomics, "increment-signed"}}},
    {"wasi:keyvalue/atomics@0.2.0-draft2", "[static]cas.new", {{keyvalue_store, "get"}}},
    {"wasi:keyvalue/atomics@0.2.0-draft2", "[method]cas.current", {{keyvalue_store, "get"}}},
    {"wasi:keyvalue/atomics@0.2.0-draft2",
     "swap",
     {{keyvalue_atomics, "compare-and-swap"}, {keyvalue_store, "get"}}},
    {"writ:crypto/keys", "open", {{NULL}}},
};

static slice without_version(slice interface) {
    return slice_sub(interface, 0, slice_find(interface, 0, '@'));
}

slice wasi_calls_interface(slice interface) {
    bool is_part = slice_equal_text(interface, container) || slice_equal_text(interface, blobstore_types);
    return is_part ? slice_from_text(BLOBSTORE_INTERFACE) : interface;
}

slice wasi_calls_short_name(slice function) {
    size_t dot = slice_find(function, 0, '.'), close = slice_find(function, 0, ']');
    return slice_sub(function, dot != SIZE_MAX ? dot + 1 : close != SIZE_MAX ? close + 1 : 0, function.len);
}

static size_t put_calls(const char *const calls[WASI_CALLS_MAX][2], wasi_wire_call ret[WASI_CALLS_MAX]) {
    size_t count = 0;
    while (count < WASI_CALLS_MAX && calls[count][0] != NULL) {
        ret[count] = (wasi_wire_call){slice_from_text(calls[count][0]), slice_from_text(calls[count][1])};
        count++;
    }
    return count;
}

size_t wasi_calls_of(slice interface, slice function, wasi_wire_call ret[WASI_CALLS_MAX]) {
    slice name = without_version(interface);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        bool is_it = slice_equal_text(name, others[i].interface) || //
                     slice_equal_text(interface, others[i].interface);
        if (is_it && slice_equal_text(function, others[i].function)) {
            return put_calls(others[i].calls, ret);
        }
    }
    if (slice_equal_text(name, blobstore_types)) { // values and their streams; write-data stands for them
        return 0;
    }
    ret[0] = (wasi_wire_call){wasi_calls_interface(name), wasi_calls_short_name(function)};
    return 1;
}
