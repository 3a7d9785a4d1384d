// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lattice/wrpc_blobstore_internal.h"

enum { WRPC_BLOBS_UPLOADS_MAX = 1024 };

struct wrpc_blobs {
    wrpc_blobs_options options;
    buf names; // what options.invocation points at
    blobstore_limits limits;
    blobstore_uploads uploads;
    list_node jobs;
    bool is_old; // the version that is tried first
    bool is_version_known;
};

// Without function and parameters. `origin` (or NULL) may have a deadline.
lattice_invocation wrpc_blobs_invocation(const wrpc_blobs *b, bool is_old, const driver_call *origin);

void wrpc_uploads_init(wrpc_blobs *b);
void wrpc_uploads_done(wrpc_blobs *b);                        // gives up all that there are
void wrpc_uploads_begin(wrpc_blobs *b, blobstore_request *q); // when the version is known
void wrpc_uploads_step(wrpc_blobs *b, blobstore_request *q);
void wrpc_uploads_cancel(wrpc_blobs *b, driver_call *c);
