// SPDX-License-Identifier: Apache-2.0
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"

enum { TEXT_BYTES_MAX = CLI_CELL_BYTES_MAX / 4 }; // of one value, which may become four times as long

// --- the table ---------------------------------------------------------------------------------------------

static size_t columns_of(const cli_table *t) {
    size_t n = 0;
    while (n < CLI_TABLE_COLUMNS_MAX && t->titles[n] != NULL) {
        n++;
    }
    return n;
}

void cli_table_add(cli_table *t, slice cell) {
    if (t->count == CLI_TABLE_ROWS_MAX * columns_of(t)) {
        return;
    }
    if (t->count == t->room) {
        t->room = t->room == 0 ? 64 : t->room * 2;
        t->cells = mem_resize(t->cells, t->room * sizeof *t->cells);
    }
    t->cells[t->count++] = mem_slice_dup(slice_sub(cell, 0, CLI_CELL_BYTES_MAX));
}

static size_t width_of(const cli_table *t, size_t columns, size_t column) {
    size_t width = strlen(t->titles[column]);
    for (size_t i = column; i < t->count; i += columns) {
        size_t n = strlen(t->cells[i]);
        width = n > width ? n : width;
    }
    return width;
}

void cli_table_print(cli_table *t) {
    size_t widths[CLI_TABLE_COLUMNS_MAX];
    size_t columns = columns_of(t);
    for (size_t c = 0; c < columns; c++) {
        widths[c] = c + 1 < columns ? width_of(t, columns, c) : 0;
        printf("%-*s%s", (int)widths[c], t->titles[c], c + 1 < columns ? "  " : "\n");
    }
    for (size_t i = 0; i < t->count; i++) {
        size_t c = i % columns;
        printf("%-*s%s", (int)widths[c], t->cells[i], c + 1 < columns ? "  " : "\n");
        mem_free(t->cells[i]);
    }
    mem_free(t->cells);
    *t = (cli_table){.titles = t->titles};
}

// --- cells -------------------------------------------------------------------------------------------------

static void append_text(buf *cell, slice text) {
    cli_append_printable(cell, slice_sub(text, 0, TEXT_BYTES_MAX));
}

void cli_cell_value(buf *cell, const json_value *v) {
    slice text;
    int64_t n;
    bool is;
    if (json_as_text(v, &text)) {
        append_text(cell, text);
    } else if (json_as_integer(v, &n)) {
        (void)!buf_append_format(cell, "%lld", (long long)n);
    } else if (json_as_bool(v, &is)) {
        (void)!buf_append_text(cell, is ? "yes" : "no");
    } else {
        (void)!buf_append_text(cell, "-");
    }
}

void cli_cell_member(buf *cell, const json_value *object, const char *member) {
    const json_value *v = json_get(object, member);
    if (!json_is_absent(v)) {
        cli_cell_value(cell, v);
    }
}

void cli_cell_list(buf *cell, const json_value *list) {
    for (size_t i = 0; i < json_count(list); i++) {
        (void)!buf_append_text(cell, i > 0 ? " " : "");
        cli_cell_value(cell, json_at(list, i));
    }
}

void cli_cell_map(buf *cell, const json_value *object) {
    void *at = NULL;
    slice key;
    const json_value *value;
    while (json_next_member(object, &at, &key, &value)) {
        (void)!buf_append_text(cell, cell->len > 0 ? " " : "");
        append_text(cell, key);
        (void)!buf_append_text(cell, "=");
        cli_cell_value(cell, value);
    }
}
