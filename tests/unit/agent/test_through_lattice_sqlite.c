// SPDX-License-Identifier: Apache-2.0
// The contract of key-value through the lattice: a provider of ours with the driver `sqlite`.
#include "unit/agent/helper_lattice.h"
#include "unit/driver/keyvalue_contract.h"

static const driver_value usual[] = {KEYVALUE_CONTRACT_SETTINGS};

static const char *open_it(kv *k) {
    const driver_values values = {usual, sizeof usual / sizeof usual[0]};
    kv_start(k);
    lattice_driver_use("writ:sqlite");
    EXPECT_OK(kv_open(k, &lattice_keyvalue, &values, NULL, NULL));
    return NULL;
}

KEYVALUE_CONTRACT(open_it, kv_stop)
