// SPDX-License-Identifier: Apache-2.0
// A blob store in a directory of a provider in a second process: the contract.
#include "unit/driver/blobstore_contract.h"
#include "unit/driver/helper_provider.h"

// One for all tests: each has links, and files, of its own. It ends with this program.
static const provider_process *the_provider(void) {
    static provider_process p;
    if (p.pid == 0) {
        provider_process_listen(&p);
        provider_process_start(&p);
    }
    return &p;
}

static const char *open_it(blobs *b) {
    char root[128];
    kv_start(&b->k);
    snprintf(root, sizeof root, "%s/there", b->k.directory);
    const driver_value values[] = {BLOBSTORE_CONTRACT_SETTINGS,
                                   {SLICE_LITERAL("root"), slice_from_text(root)},
                                   {SLICE_LITERAL("sync"), SLICE_LITERAL("false")}};
    const driver_values settings = {values, sizeof values / sizeof values[0]};
    EXPECT_OK(provider_process_open(the_provider(), &b->k, "directory", &settings, NULL, NULL));
    return NULL;
}

static void close_it(blobs *b) { kv_stop(&b->k); }

BLOBSTORE_CONTRACT(open_it, close_it)
