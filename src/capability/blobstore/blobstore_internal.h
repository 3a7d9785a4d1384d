// SPDX-License-Identifier: Apache-2.0
// wasi:blobstore, the component's side. A container is its name and the link that was chosen when it was
// opened; each function is one call through that link, but for objects, which travel in parts: a stream that
// is read has its next part on the way, one that is written sends a part while the next one is filled.
//
// Whatever keeps a call from being done is the contract's error, a text, or the failure of the stream.
#pragma once

#include "capability/links.h"
#include "capability/stream.h"
#include "driver/blobstore/blobstore.h"
#include "wasi/blobstore_blobstore.h"
#include "wasi/blobstore_container.h"
#include "wasi/blobstore_types.h"

enum {
    BLOB_FIRST_PART_BYTES = 256 * 1024, // with which a reader begins
    BLOB_SMALL_PART_BYTES = 64 * 1024,  // when the instance's account is used up
    BLOB_ACCOUNT_BYTES_MAX =
        32 << 20,                  // for parts and pages of all streams of one instance, besides small ones
    BLOB_SYNC_BYTES_MAX = 8 << 20, // of a value that is consumed at once
    BLOB_ON_THE_WAY_BYTES_MAX =
        8 << 20,       // of a workload's calls, beyond which parts wait, so that others get by
    BLOB_PAUSE_MS = 5, // before such a part is tried again
};

// --- calls (blobstore.c) -----------------------------------------------------------------------------------

typedef struct blob_link { // by its name
    size_t name_len;
    uint8_t name[WASI_LINK_NAME_BYTES_MAX];
} blob_link;

// The one that is chosen now; the error is for the guest.
status blob_link_chosen(host_call *call, blob_link *ret, err *e) WRIT_MUST_USE;

// One call and its answer, which lives until the host function returns. STATUS_OK: `*ret_is_error` tells
// whether `*ret_error` says why not.
status blob_call(host_call *call, const blob_link *l, const blobstore_call *c, blobstore_answer *ret,
                 bool *ret_is_error, slice *ret_error, err *e) WRIT_MUST_USE;
// Begins a call that the guest does not wait for. STATUS_LIMIT when too much is on its way: try again in a
// while.
status blob_start(wasi_instance *i, const blob_link *l, const blobstore_call *c, rpc_call *pending,
                  rpc_ended ended, void *arg, err *e) WRIT_MUST_USE;

// A text for the guest, as an error of the contract.
slice blob_error_text(host_call *call, const char *text);

// Bytes of an instance's account: as many as are wanted or, when there are not so many,
// BLOB_SMALL_PART_BYTES, which are not counted; `*ret_charged` is what is to be given back.
size_t blob_account_take(wasi_instance *i, size_t wanted, size_t *ret_charged);
void blob_account_give(wasi_instance *i, size_t charged);

struct wasi_blobstore_container_container {
    wasi_resource base;
    blob_link link;
    char *name;
};

// --- objects -----------------------------------------------------------------------------------------------

// The rest of `get-data` and `write-data` (incoming.c, outgoing.c).
status blob_incoming_new(host_call *call, const wasi_blobstore_container_container *c, slice name,
                         uint64_t start, uint64_t end,
                         wasi_blobstore_container_result_incoming_value_string *ret, err *e) WRIT_MUST_USE;
status blob_outgoing_begin(host_call *call, const wasi_blobstore_container_container *c, slice name,
                           wasi_blobstore_types_outgoing_value *data,
                           wasi_blobstore_container_result_void_string *ret, err *e) WRIT_MUST_USE;
// names.c
status blob_names_new(host_call *call, const wasi_blobstore_container_container *c,
                      wasi_blobstore_container_result_stream_object_names_string *ret, err *e) WRIT_MUST_USE;
