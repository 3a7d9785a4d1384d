// SPDX-License-Identifier: Apache-2.0
// A blob store on an S3 server, a real one: the contract, what happens when the server goes away, keys, TLS.
#include <stdlib.h>

#include "driver/blobstore/s3_sign.h"
#include "unit/driver/blobstore_contract.h"
#include "unit/driver/helper_s3.h"

static s3_process server;

static const driver_value keys[] = {{SLICE_LITERAL("access-key-id"), SLICE_LITERAL(S3_TEST_ID)},
                                    {SLICE_LITERAL("secret-access-key"), SLICE_LITERAL(S3_TEST_SECRET)}};
static const driver_values credentials = {keys, 2};

static const char *open_it(blobs *b) {
    static char endpoint[64];
    const char *why = s3_process_start(&server, NULL, NULL);
    if (why != NULL) {
        return why;
    }
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%u", server.port);
    const driver_value settings[] = {BLOBSTORE_CONTRACT_SETTINGS,
                                     {SLICE_LITERAL("endpoint"), slice_from_text(endpoint)}};
    const driver_values values = {settings, sizeof settings / sizeof settings[0]};
    b->names_are_paths = true;
    kv_start(&b->k);
    EXPECT_OK(kv_open(&b->k, &blobstore_s3, &values, &credentials, NULL));
    return NULL;
}

static void close_it(blobs *b) {
    kv_stop(&b->k);
    s3_process_stop(&server);
}

BLOBSTORE_CONTRACT(open_it, close_it)
