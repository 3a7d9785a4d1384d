// SPDX-License-Identifier: Apache-2.0
// Tables on stdout: columns as wide as what is in them. What comes from elsewhere is escaped where a cell is
// filled, so that it cannot steer a terminal.
#pragma once

#include "base/buf.h"
#include "codec/json.h"

enum { CLI_TABLE_COLUMNS_MAX = 10, CLI_CELL_BYTES_MAX = 512, CLI_TABLE_ROWS_MAX = 1 << 16 };

typedef struct cli_table {     // zeroed but for `titles`
    const char *const *titles; // up to CLI_TABLE_COLUMNS_MAX, NULL behind the last if there are fewer
    char **cells;
    size_t count, room;
} cli_table;

// The next cell of the row, copied; the rows behind CLI_TABLE_ROWS_MAX are left out.
void cli_table_add(cli_table *t, slice cell);
// Prints the table and frees it.
void cli_table_print(cli_table *t);

// What a cell shows of a value: text, a number, yes or no; "-" for anything else.
void cli_cell_value(buf *cell, const json_value *v);
void cli_cell_member(buf *cell, const json_value *object, const char *member); // empty when it is not there
void cli_cell_list(buf *cell, const json_value *list);                         // with blanks between
void cli_cell_map(buf *cell, const json_value *object);                        // key=value key=value
