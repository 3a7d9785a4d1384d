// SPDX-License-Identifier: Apache-2.0
// The contract of SQL through the lattice: a provider of ours with the driver `sqlite`.
#include "unit/agent/helper_lattice.h"
#include "unit/driver/sql_contract.h"

static const char *open_it(kv *k, bool read_only) {
    if (k->l == NULL) {
        kv_start(k);
    }
    const driver_value values[] = {
        SQL_CONTRACT_SETTINGS,
        {SLICE_LITERAL("sync"), SLICE_LITERAL("false")},
        {SLICE_LITERAL("read-only"), slice_from_text(read_only ? "true" : "false")},
    };
    const driver_values settings = {values, sizeof values / sizeof values[0]};
    lattice_driver_use("writ:sqlite");
    EXPECT_OK(kv_open(k, &lattice_sql, &settings, NULL, NULL));
    return NULL;
}

SQL_CONTRACT(open_it)
