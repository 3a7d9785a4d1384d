// SPDX-License-Identifier: Apache-2.0
// What interfaces and functions are called on the wire of wasmCloud 1.x, and what they are here.
//
//   here (WIT)                                      on the wire
//   wasi:keyvalue/{store,atomics,batch,watcher}     wrpc:keyvalue/... @0.2.0-draft
//   wasi:blobstore/{blobstore,container}            wrpc:blobstore/blobstore @0.2.0, else @0.1.0
//   wasi:http/{incoming,outgoing}-handler           wrpc:http/... @0.1.0
//   wasmcloud:messaging/incoming-handler @0.3.0     wasmcloud:messaging/handler @0.2.0
//   anything else                                   the same, with its version
//
// Functions lose the bracket in front: "[method]container.info" is "container.info". Links and rules name
// interfaces as they are here and without a version.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

typedef enum wrpc_kind {
    WRPC_PLAIN,     // the bytes of parameters and results are the same on both sides
    WRPC_HTTP,      // lattice/wrpc_http.h translates
    WRPC_BLOBSTORE, // lattice/wrpc_blobstore.h
} wrpc_kind;

enum { WRPC_INSTANCE_BYTES_MAX = 256, WRPC_VERSIONS_MAX = 2 };

// Instances on the wire, those to be tried first in front: what a call to `interface` goes to, and what an
// export of it is served as. `interface` has the version of the WIT, if it has one there; where the wire has
// a version of its own that is taken. STATUS_UNSUPPORTED: this never leaves a host. STATUS_LIMIT: too long.
typedef struct wrpc_wire_names {
    wrpc_kind kind;
    bool
        has_results; // each function gives something: an answer without bytes is none. False: it is not known
    size_t count;
    char items[WRPC_VERSIONS_MAX][WRPC_INSTANCE_BYTES_MAX];
} wrpc_wire_names;
status wrpc_names_to_wire(slice interface, wrpc_wire_names *ret, err *e) WRIT_MUST_USE;

// What an instance of the wire is here: "wasi:keyvalue/store" and "0.2.0-draft". Everything else is itself.
// Borrowed from `instance` or constant.
typedef struct wrpc_local_name {
    wrpc_kind kind;
    slice interface; // without a version; empty for functions at the root of a component
    slice version;   // may be empty
} wrpc_local_name;
wrpc_local_name wrpc_names_from_wire(slice instance);

// "res.m" for "[method]res.m", "res" for "[constructor]res"; borrowed.
slice wrpc_names_function(slice function);

// The instance and the function of the end of a subject: "wasi:a/b@0.2.0-rc.1.res.m" is the instance
// "wasi:a/b@0.2.0-rc.1" and the function "res.m"; without a "/" it is a function at the root. Tokens of a
// version that follow a '.' begin with a digit, which no name of a function does. False: it is neither.
bool wrpc_names_split(slice text, slice *ret_instance, slice *ret_function) WRIT_MUST_USE;
