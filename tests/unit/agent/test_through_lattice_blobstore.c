// SPDX-License-Identifier: Apache-2.0
// The contract of blob stores through the lattice, as peers of 1.x speak it: a provider of ours with the
// driver `directory`. What the wire does not have is left out (tests/unit/lattice/test_wrpc_blobstore.c).
#include "unit/agent/helper_lattice.h"
#include "unit/driver/blobstore_contract.h"

static const driver_value usual[] = {
    {SLICE_LITERAL("containers"), SLICE_LITERAL("writ-one,writ-two,writ-missing")},
    {SLICE_LITERAL("object-bytes-max"), SLICE_LITERAL("13631488")},
    {SLICE_LITERAL("uploads-max"), SLICE_LITERAL("64")},
    {SLICE_LITERAL("sync"), SLICE_LITERAL("false")}};

static const char *open_it(blobs *b) {
    const driver_values settings = {usual, sizeof usual / sizeof usual[0]};
    kv_start(&b->k);
    lattice_driver_use("writ:directory");
    EXPECT_OK(kv_open(&b->k, &lattice_blobstore, &settings, NULL, NULL));
    return NULL;
}

static void close_it(blobs *b) { kv_stop(&b->k); }

BLOBSTORE_CONTRACT_TEST(open_it, close_it, containers)
BLOBSTORE_CONTRACT_TEST(open_it, close_it, missing_containers)
BLOBSTORE_CONTRACT_TEST(open_it, close_it, objects)
BLOBSTORE_CONTRACT_TEST(open_it, close_it, names)
BLOBSTORE_CONTRACT_TEST(open_it, close_it, ranges)
BLOBSTORE_CONTRACT_TEST(open_it, close_it, uploads)
BLOBSTORE_CONTRACT_TEST(open_it, close_it, upload_order)
BLOBSTORE_CONTRACT_TEST(open_it, close_it, large)
BLOBSTORE_CONTRACT_TEST(open_it, close_it, copies)
BLOBSTORE_CONTRACT_TEST(open_it, close_it, list)
BLOBSTORE_CONTRACT_TEST(open_it, close_it, wrong_calls)
BLOBSTORE_CONTRACT_TEST(open_it, close_it, cancel)
