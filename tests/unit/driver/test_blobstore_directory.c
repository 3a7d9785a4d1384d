// SPDX-License-Identifier: Apache-2.0
// A blob store in a directory: the contract, and what is its own.
#include <sys/stat.h>
#include <unistd.h>

#include "unit/driver/blobstore_contract.h"

static const driver_value usual[] = {BLOBSTORE_CONTRACT_SETTINGS,
                                     {SLICE_LITERAL("sync"), SLICE_LITERAL("false")}};

static const char *open_it(blobs *b) {
    const driver_values settings = {usual, sizeof usual / sizeof usual[0]};
    kv_start(&b->k);
    EXPECT_OK(kv_open(&b->k, &blobstore_directory, &settings, NULL, NULL));
    return NULL;
}

static void close_it(blobs *b) { kv_stop(&b->k); }

BLOBSTORE_CONTRACT(open_it, close_it)
