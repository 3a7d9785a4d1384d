// SPDX-License-Identifier: Apache-2.0
// Objects through a lattice with old peers: our calls in parts (driver/blobstore/blobstore.h) as calls of
// wrpc:blobstore/blobstore, 0.2.0 and where nobody serves that 0.1.0; and such calls as calls of a driver.
//
// What a provider of 1.x does not have: revisions (an object that is replaced while it is read in parts is
// noticed by its time and size, asked for with each part), uploads that stay unseen until the end (that is
// the provider's), cursors (they are offsets here, so that a list may miss names when objects come and go).
#pragma once

#include "driver/driver.h"
#include "lattice/call.h"

#define WRPC_BLOBSTORE_NEW "wrpc:blobstore/blobstore@0.2.0"
#define WRPC_BLOBSTORE_OLD "wrpc:blobstore/blobstore@0.1.0"

// --- calls of workloads, to a provider ---------------------------------------------------------------------

typedef struct wrpc_blobs wrpc_blobs; // of one link

typedef struct wrpc_blobs_options {
    loop *loop;
    lattice_transport *transport;
    lattice_invocation
        invocation;   // source, link, target; copied with what it points at. The rest is filled in
    uint64_t call_ns; // of a call that says no deadline, and how long an upload may be idle
} wrpc_blobs_options;

wrpc_blobs *wrpc_blobs_new(const wrpc_blobs_options *options);
void wrpc_blobs_free(wrpc_blobs *b); // accepts NULL; every call was answered. Uploads are given up
void wrpc_blobs_call(wrpc_blobs *b, driver_call *c); // answered once, from the loop or from inside
void wrpc_blobs_cancel(wrpc_blobs *b, driver_call *c);

// --- calls of old peers, to a driver -----------------------------------------------------------------------

typedef struct wrpc_blob_backend {
    loop *loop;
    // As a driver's `call` and `cancel`: interface BLOBSTORE_INTERFACE.
    void (*call)(void *context, driver_call *c);
    void (*cancel)(void *context, driver_call *c);
    void *context;
    void (*done)(void *context); // no call follows, and none is under way; from the loop. May be NULL
} wrpc_blob_backend;

// Which streams a function has, of either version; false: there is none of that name.
bool wrpc_blobstore_paths(slice instance, slice function, lattice_paths *ret_up, lattice_paths *ret_down);
// From lattice_server.call. `backend` is copied; its context lives until `done`: what was begun may be
// cleaned up after q has ended.
void wrpc_blobstore_serve(lattice_served *q, const wrpc_blob_backend *backend);
