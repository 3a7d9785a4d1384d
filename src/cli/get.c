// SPDX-License-Identifier: Apache-2.0
// writ get: what a host in the background runs, and how it is.
#include <stdio.h>
#include <string.h>

#include "cli/get_lattice.h"
#include "cli/host_call.h"
#include "cli/options.h"
#include "cli/table.h"

typedef struct get_args {
    cli_lattice_args lattice;
    const char *what;
    const char *name;
} get_args;

static status set_operand(void *target, const char *value, WRIT_UNUSED err *e) {
    get_args *a = target;
    *(a->what == NULL ? &a->what : &a->name) = value;
    return STATUS_OK;
}

static const cli_command command = {
    .name = "get",
    .usage = "[OPTIONS] [workloads|links|routes|applications|host|hosts|inventory|config|claims] [NAME]",
    .summary = "Show what a host in the background runs, or what a lattice has (workloads).",
    .details =
        "Of a host: workloads, links, routes, applications, host. Of a lattice: hosts, inventory of all "
        "hosts or\n"
        "of HOST, links, config NAME, claims. Links are those of a lattice when an option names one, or a\n"
        "context is in use and no --host is named.",
    .examples = "  writ get\n"
                "  writ get links --host staging\n"
                "  writ get host -o json\n"
                "  writ get hosts --nats nats://127.0.0.1:4222 --lattice shop\n"
                "  writ get inventory brave-otter-1234\n"
                "  writ get links --lattice shop",
    .shared_count = CLI_LATTICE_OPTION_COUNT,
    .operands_max = 2,
    .operand = set_operand,
};

// --- cells -------------------------------------------------------------------------------------------------

static void append_routes(buf *cell, const json_value *list) {
    for (size_t i = 0; i < json_count(list); i++) {
        (void)!buf_append_text(cell, i > 0 ? " " : "");
        cli_cell_member(cell, json_at(list, i), "host");
        cli_cell_member(cell, json_at(list, i), "path");
    }
}

typedef struct place { // what a row is about
    const json_value *document;
    const json_value *workload; // or NULL
    const json_value *item;
} place;

typedef void (*fill)(const place *p, size_t column, buf *cell);

static void add_row(cli_table *t, const place *p, fill fill_cell) {
    for (size_t i = 0; i < CLI_TABLE_COLUMNS_MAX && t->titles[i] != NULL; i++) {
        auto_buf cell;
        buf_init(&cell, CLI_CELL_BYTES_MAX);
        fill_cell(p, i, &cell);
        cli_table_add(t, buf_slice(&cell));
    }
}

// --- the tables --------------------------------------------------------------------------------------------

static void fill_workload(const place *p, size_t column, buf *cell) {
    static const char *const members[] = {"name",          "application", "running",
                                          "instances_max", "requests",    "traps"};
    if (column < sizeof members / sizeof members[0]) {
        cli_cell_member(cell, p->item, members[column]);
    } else {
        append_routes(cell, json_get(p->item, "routes"));
    }
}

static void fill_link(const place *p, size_t column, buf *cell) {
    switch (column) {
    case 0:
        cli_cell_member(cell, p->workload, "name");
        return;
    case 1:
        cli_cell_member(cell, p->item, "name");
        return;
    case 2:
        cli_cell_member(cell, p->item, "target");
        return;
    case 3:
        cli_cell_member(cell, p->item, "state");
        return;
    default:
        cli_cell_list(cell, json_get(p->item, "interfaces"));
    }
}

static void fill_route(const place *p, size_t column, buf *cell) {
    if (column == 2) {
        cli_cell_member(cell, p->workload, "name");
    } else {
        cli_cell_member(cell, p->item, column == 0 ? "host" : "path");
        (void)!buf_append_text(cell, cell->len == 0 ? "*" : "");
    }
}

static void fill_application(const place *p, size_t column, buf *cell) {
    static const char *const members[] = {"name", "unsigned", "file"};
    cli_cell_member(cell, p->item, members[column]);
}

static void fill_host(const place *p, size_t column, buf *cell) {
    static const char *const members[] = {"host", "pid", "url", "workers", "version", "since"};
    if (column == 3) {
        (void)!buf_append_format(cell, "%zu", json_count(json_get(p->document, members[column])));
    } else {
        cli_cell_member(cell, p->document, members[column]);
    }
}

typedef struct kind {
    const char *name;
    const char *member;   // of a workload, or of the document; NULL = one row
    bool is_of_workloads; // `member` is theirs
    const char *titles[CLI_TABLE_COLUMNS_MAX];
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

static void add_list(cli_table *t, const kind *k, place p, const json_value *list) {
    for (size_t i = 0; i < json_count(list); i++) {
        p.item = json_at(list, i);
        add_row(t, &p, k->fill_cell);
    }
}

static void show_text(const kind *k, const json_value *document) {
    const json_value *workloads = json_get(document, "workloads");
    cli_table t = {.titles = k->titles};
    place p = {.document = document};
    if (k->member == NULL) {
        add_row(&t, &p, k->fill_cell);
    } else if (!k->is_of_workloads) {
        add_list(&t, k, p, json_get(document, k->member));
    }
    for (size_t i = 0; k->is_of_workloads && i < json_count(workloads); i++) {
        p.workload = json_at(workloads, i);
        add_list(&t, k, p, json_get(p.workload, k->member));
    }
    cli_table_print(&t);
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

static status check(const get_args *a, err *e) {
    if (find_kind(a->what) == NULL && !get_lattice_knows(a->what)) {
        return err_set(
            e, STATUS_INVALID,
            "\"%.40s\" is not workloads, links, routes, applications, host, hosts, inventory, config or "
            "claims",
            a->what);
    }
    return STATUS_OK;
}

static status check_local(const get_args *a, err *e) {
    for (size_t i = 0; i < CLI_SETTINGS; i++) {
        if (a->lattice.values[i] != NULL || a->lattice.context != NULL) {
            return err_set(e, STATUS_INVALID, "%s are of a host on this machine: --host names one", a->what);
        }
    }
    return a->name == NULL ? STATUS_OK : err_set(e, STATUS_INVALID, "writ get %s takes no name", a->what);
}

int cli_get(int argc, char **argv) {
    get_args a = {0};
    cli_command whole = command;
    err e = {0};
    whole.shared = cli_lattice_options;
    status s = cli_parse(&whole, argc, argv, &a, &e);
    a.what = a.what != NULL ? a.what : "workloads";
    s = s == STATUS_OK ? check(&a, &e) : s;
    bool is_of_lattice = s == STATUS_OK && get_lattice_knows(a.what) &&
                         (find_kind(a.what) == NULL || cli_lattice_is_meant(&a.lattice));
    s = s == STATUS_OK && !is_of_lattice ? check_local(&a, &e) : s;
    if (s != STATUS_OK) {
        return s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, a.lattice.output), CLI_EXIT_USAGE);
    }
    return is_of_lattice ? get_lattice(&a.lattice, a.what, a.name)
                         : cli_host_show(cli_local_host(&a.lattice), a.what, a.lattice.output);
}
