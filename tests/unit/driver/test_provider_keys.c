// SPDX-License-Identifier: Apache-2.0
// Keys through a provider in a second process: the contract. The driver there has a credential `key` of its
// own.
#include "unit/driver/helper_provider.h"
#include "unit/driver/keys_contract.h"

// One for all tests: each has links, and files, of its own. It ends with this program.
static const provider_process *the_provider(void) {
    static provider_process p;
    if (p.pid == 0) {
        provider_process_listen(&p);
        provider_process_start(&p);
    }
    return &p;
}

static const char *open_it(kv *k, const char *algorithm, slice key, slice previous) {
    const driver_value values[] = {{SLICE_LITERAL("algorithm"), slice_from_text(algorithm)}};
    const driver_value secrets[] = {{SLICE_LITERAL("driver-key"), key},
                                    {SLICE_LITERAL("previous-key"), previous}};
    const driver_values settings = {values, 1}, credentials = {secrets, previous.len > 0 ? 2 : 1};
    status s = provider_process_open(the_provider(), k, "keys", &settings, &credentials, NULL);
    return s == STATUS_OK ? NULL : "it does not open";
}

KEYS_CONTRACT(open_it)
