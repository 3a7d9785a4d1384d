// SPDX-License-Identifier: Apache-2.0
// The contract of blob stores over wRPC, both ways: our calls in parts as streams, and back. What the wire
// does not have is left out: revisions (the time and the size of an object stand for them), and a bound on
// uploads that is told when one begins.
#include "unit/driver/blobstore_contract.h"
#include "unit/lattice/helper_wire.h"

static const driver_value usual[] = {
    {SLICE_LITERAL("containers"), SLICE_LITERAL("writ-one,writ-two,writ-missing")},
    {SLICE_LITERAL("object-bytes-max"), SLICE_LITERAL("13631488")},
    {SLICE_LITERAL("uploads-max"), SLICE_LITERAL("64")},
    {SLICE_LITERAL("sync"), SLICE_LITERAL("false")}};

static const char *open_it(blobs *b) {
    const driver_values settings = {usual, sizeof usual / sizeof usual[0]};
    kv_start(&b->k);
    EXPECT_OK(kv_open(&b->k, &wire_new, &settings, NULL, NULL));
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

TEST(an_object_that_was_replaced_is_noticed_by_its_size) {
    blobs b = {.data = NULL};
    (void)open_it(&b);
    EXPECT(blob_create(&b, CONTRACT_ONE));
    EXPECT(blob_put(&b, CONTRACT_ONE, "o", "0123456789"));
    blobstore_call c = blob_on_object(BLOBSTORE_READ, CONTRACT_ONE, name_of("o"));
    blob_pending first;
    c.len = 4;
    blob_call(&b, &c, &first);
    EXPECT(slice_equal_text(first.answer.bytes, "0123"));
    EXPECT(blob_put(&b, CONTRACT_ONE, "o", "shorter"));
    c.has_revision = true;
    c.revision = first.answer.revision;
    c.start = 4;
    EXPECT(blob_is_error(&b, &c, BLOBSTORE_CHANGED));
    blob_done(&first);
    close_it(&b);
}

TEST(an_upload_whose_bytes_come_late) {
    blobs b = {.data = NULL};
    blob_upload u;
    (void)open_it(&b);
    EXPECT(blob_create(&b, CONTRACT_ONE));
    EXPECT(blob_upload_begin(&b, CONTRACT_ONE, name_of("o"), &u) == NULL);
    for (int i = 0; i < 100; i++) {
        kv_turn(&b.k);
    }
    EXPECT(blob_upload_append(&b, &u, name_of("late")) == NULL);
    EXPECT(blob_upload_finish(&b, &u) == NULL);
    EXPECT(blob_is(&b, CONTRACT_ONE, "o", "late"));
    close_it(&b);
}
