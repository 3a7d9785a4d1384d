// SPDX-License-Identifier: Apache-2.0
// writ get: what a host in the background runs, and how it is.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/host_call.h"
#include "cli/options.h"

enum { COLUMNS_MAX = 8, CELL_BYTES_MAX = 512, ROWS_MAX = 4096 };

typedef struct get_args {
    const char *host;
    const char *what;
    cli_output output;
} get_args;

CLI_KEEP_HOST(get_args);
CLI_KEEP_TEXT(set_what, get_args, what);
CLI_KEEP_OUTPUT(set_output, get_args, output);

static const cli_option options[] = {
    CLI_OPTION_HOST(set_host),
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command command = {
    .name = "get",
    .usage = "[OPTIONS] [workloads|links|routes|applications|host]",
    .summary = "Show what a host in the background runs, and how it is (workloads).",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ get\n"
                "  writ get links\n"
                "  writ get host -o json",
    .operands_max = 1,
    .operand = set_what,
};

// --- cells -------------------------------------------------------------------------------------------------

static void append_text(buf *cell, const json_value *v) {
    slice text;
    int64_t n;
    bool is;
    if (json_as_text(v, &text)) {
        cli_append_printable(cell, slice_sub(text, 0, CELL_BYTES_MAX / 4));
    } else if (json_as_integer(v, &n)) {
        (void)!buf_append_format(cell, "%lld", (long long)n);
    } else if (json_as_bool(v, &is)) {
        (void)!buf_append_text(cell, is ? "yes" : "no");
    }
}

static void append_member(buf *cell, const json_value *o, const char *member) {
    append_text(cell, json_get(o, member));
}

static void append_list(buf *cell, const json_value *list) {
    for (size_t i = 0; i < json_count(list); i++) {
        (void)!buf_append_text(cell, i > 0 ? " " : "");
        append_text(cell, json_at(list, i));
    }
}

static void append_routes(buf *cell, const json_value *list) {
    for (size_t i = 0; i < json_count(list); i++) {
        (void)!buf_append_text(cell, i > 0 ? " " : "");
        append_member(cell, json_at(list, i), "host");
        append_member(cell, json_at(list, i), "path");
    }
}

// --- a table -----------------------------------------------------------------------------------------------

typedef struct table {
    const char *const *titles;
    size_t columns;
    char *cells; // rows of `columns` texts of CELL_BYTES_MAX
    size_t rows;
} table;

typedef struct place { // what a row is about
    const json_value *document;
    const json_value *workload; // or NULL
    const json_value *item;
} place;

typedef void (*fill)(const place *p, size_t column, buf *cell);

static char *cell_at(const table *t, size_t row, size_t column) {
    return t->cells + (row * t->columns + column) * CELL_BYTES_MAX;
}

static void add_row(table *t, const place *p, fill fill_cell) {
    for (size_t i = 0; i < t->columns && t->rows < ROWS_MAX; i++) {
        auto_buf cell;
        buf_init(&cell, CELL_BYTES_MAX - 1);
        fill_cell(p, i, &cell);
        (void)snprintf(cell_at(t, t->rows, i), CELL_BYTES_MAX, "%.*s", SLICE_ARG(buf_slice(&cell)));
    }
    t->rows++;
}

static size_t width_of(const table *t, size_t column) {
    size_t width = strlen(t->titles[column]);
    for (size_t i = 0; i < t->rows; i++) {
        size_t n = strlen(cell_at(t, i, column));
        width = n > width ? n : width;
    }
    return width;
}

static void print(const table *t) {
    size_t widths[COLUMNS_MAX];
    for (size_t c = 0; c < t->columns; c++) {
        widths[c] = c + 1 < t->columns ? width_of(t, c) : 0;
        printf("%-*s%s", (int)widths[c], t->titles[c], c + 1 < t->columns ? "  " : "\n");
    }
    for (size_t i = 0; i < t->rows; i++) {
        for (size_t c = 0; c < t->columns; c++) {
            printf("%-*s%s", (int)widths[c], cell_at(t, i, c), c + 1 < t->columns ? "  " : "\n");
        }
    }
}

// --- the tables --------------------------------------------------------------------------------------------

static void fill_workload(const place *p, size_t column, buf *cell) {
    static const char *const members[] = {"name",          "application", "running",
                                          "instances_max", "requests",    "traps"};
    if (column < sizeof members / sizeof members[0]) {
        append_member(cell, p->item, members[column]);
    } else {
        append_routes(cell, json_get(p->item, "routes"));
    }
}

static void fill_link(const place *p, size_t column, buf *cell) {
    switch (column) {
    case 0:
        append_member(cell, p->workload, "name");
        return;
    case 1:
        append_member(cell, p->item, "name");
        return;
    case 2:
        append_member(cell, p->item, "target");
        return;
    case 3:
        append_member(cell, p->item, "state");
        return;
    default:
        append_list(cell, json_get(p->item, "interfaces"));
    }
}

static void fill_route(const place *p, size_t column, buf *cell) {
    if (column == 2) {
        append_member(cell, p->workload, "name");
    } else {
        append_member(cell, p->item, column == 0 ? "host" : "path");
        (void)!buf_append_text(cell, cell->len == 0 ? "*" : "");
    }
}

static void fill_application(const place *p, size_t column, buf *cell) {
    static const char *const members[] = {"name", "unsigned", "file"};
    append_member(cell, p->item, members[column]);
}

static void fill_host(const place *p, size_t column, buf *cell) {
    static const char *const members[] = {"host", "pid", "url", "workers", "version", "since"};
    if (column == 3) {
        (void)!buf_append_format(cell, "%zu", json_count(json_get(p->document, members[column])));
    } else {
        append_member(cell, p->document, members[column]);
    }
}

typedef struct kind {
    const char *name;
    const char *member;   // of a workload, or of the document; NULL = one row
    bool is_of_workloads; // `member` is theirs
    const char *titles[COLUMNS_MAX];
    fill fill_cell;
} kind;

static const kind kinds[] = {
    {"workloads",
     "workloads",
     false,
     {"WORKLOAD", "APPLICATION", "RUNNING", "MAX", "REQUESTS", "TRAPS", "ROUTES"},
     fill_workload},
    {"links", "links", true, {"WORKLOAD", "LINK", "TARGET", "STATE", "INTERFACES"}, fill_link},
    {"routes", "routes", true, {"HOST", "PATH", "WORKLOAD"}, fill_route},
    {"applications", "applications", false, {"APPLICATION", "UNSIGNED", "FILE"}, fill_application},
    {"host", NULL, false, {"HOST", "PID", "URL", "WORKERS", "VERSION", "SINCE"}, fill_host},
};

static const kind *find_kind(const char *name) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

static size_t count_rows(const kind *k, const json_value *document) {
    const json_value *workloads = json_get(document, "workloads");
    size_t n = 0;
    if (!k->is_of_workloads) {
        return k->member == NULL ? 1 : json_count(json_get(document, k->member));
    }
    for (size_t i = 0; i < json_count(workloads); i++) {
        n += json_count(json_get(json_at(workloads, i), k->member));
    }
    return n;
}

static void add_list(table *t, const kind *k, place p, const json_value *list) {
    for (size_t i = 0; i < json_count(list); i++) {
        p.item = json_at(list, i);
        add_row(t, &p, k->fill_cell);
    }
}

static void show_text(const kind *k, const json_value *document) {
    const json_value *workloads = json_get(document, "workloads");
    table t = {.titles = k->titles};
    place p = {.document = document};
    while (t.columns < COLUMNS_MAX && k->titles[t.columns] != NULL) {
        t.columns++;
    }
    size_t rows = count_rows(k, document);
    t.cells = mem_calloc((rows < ROWS_MAX ? rows : ROWS_MAX) * t.columns + 1, CELL_BYTES_MAX);
    if (k->member == NULL) {
        add_row(&t, &p, k->fill_cell);
    } else if (!k->is_of_workloads) {
        add_list(&t, k, p, json_get(document, k->member));
    }
    for (size_t i = 0; k->is_of_workloads && i < json_count(workloads); i++) {
        p.workload = json_at(workloads, i);
        add_list(&t, k, p, json_get(p.workload, k->member));
    }
    t.rows = t.rows < ROWS_MAX ? t.rows : ROWS_MAX;
    print(&t);
    mem_free(t.cells);
}

int cli_host_show(const char *host, const char *what, cli_output output) {
    json_value *document = NULL;
    err e = {0};
    const kind *k = find_kind(what);
    if (cli_host_ask(host, "/v1/status", NULL, &document, &e) != STATUS_OK) {
        return cli_fail(&e, output);
    }
    if (output == CLI_JSON) {
        cli_print_json(document); // all of it, whatever was asked for: one form for programs
    } else {
        show_text(k, document);
        json_free(document);
    }
    return CLI_EXIT_OK;
}

int cli_get(int argc, char **argv) {
    get_args a = {.host = CONTROL_HOST_DEFAULT, .what = "workloads"};
    err e = {0};
    status s = cli_parse(&command, argc, argv, &a, &e);
    if (s == STATUS_OK && find_kind(a.what) == NULL) {
        s = err_set(&e, STATUS_INVALID, "\"%.40s\" is not workloads, links, routes, applications or host",
                    a.what);
    }
    if (s != STATUS_OK) {
        return s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, a.output), CLI_EXIT_USAGE);
    }
    return cli_host_show(a.host, a.what, a.output);
}
