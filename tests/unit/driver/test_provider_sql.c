// SPDX-License-Identifier: Apache-2.0
// SQL through a provider in a second process, which has a SQLite file: the contract.
#include "unit/driver/helper_provider.h"
#include "unit/driver/sql_contract.h"

// One for all tests: each has links, and files, of its own. It ends with this program.
static const provider_process *the_provider(void) {
    static provider_process p;
    if (p.pid == 0) {
        provider_process_listen(&p);
        provider_process_start(&p);
    }
    return &p;
}

static const char *open_it(kv *k, bool read_only) {
    char path[128];
    if (k->l == NULL) {
        kv_start(k);
    }
    snprintf(path, sizeof path, "%s/there.sqlite3", k->directory);
    const driver_value values[] = {
        SQL_CONTRACT_SETTINGS,
        {SLICE_LITERAL("path"), slice_from_text(path)},
        {SLICE_LITERAL("sync"), SLICE_LITERAL("false")},
        {SLICE_LITERAL("read-only"), slice_from_text(read_only ? "true" : "false")},
    };
    const driver_values settings = {values, sizeof values / sizeof values[0]};
    EXPECT_OK(provider_process_open(the_provider(), k, "sqlite", &settings, NULL, NULL));
    return NULL;
}

SQL_CONTRACT(open_it)
