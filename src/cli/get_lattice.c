// SPDX-License-Identifier: Apache-2.0
#include "cli/get_lattice.h"

#include <stdio.h>
#include <string.h>

#include "cli/table.h"

typedef struct request {
    cli_lattice_args *args;
    const char *name;
} request;

static void add_cell(cli_table *t, const json_value *object, const char *member) {
    auto_buf cell;
    buf_init(&cell, CLI_CELL_BYTES_MAX);
    const json_value *v = json_get(object, member);
    if (json_is_array(v)) {
        cli_cell_list(&cell, v);
    } else if (json_is_object(v)) {
        cli_cell_map(&cell, v);
    } else {
        cli_cell_member(&cell, object, member);
    }
    cli_table_add(t, buf_slice(&cell));
}

static void add_row(cli_table *t, const json_value *object, const char *const *members) {
    for (size_t i = 0; members[i] != NULL; i++) {
        add_cell(t, object, members[i]);
    }
}

static void add_rows(cli_table *t, const json_value *list, const char *const *members) {
    for (size_t i = 0; i < json_count(list); i++) {
        add_row(t, json_at(list, i), members);
    }
}

// --- hosts -------------------------------------------------------------------------------------------------

// What a host of 1.x cannot say: whether it believes what is not signed.
static const char *peers_of(const json_value *host) {
    bool is_strict;
    if (json_as_bool(json_get(json_get(host, "writ"), "strict"), &is_strict)) {
        return is_strict ? "signed" : "any";
    }
    return "any (1.x)";
}

static void show_hosts(const json_value *hosts) {
    static const char *const titles[] = {"HOST", "NAME", "VERSION", "UPTIME", "PEERS", "LABELS", NULL};
    static const char *const before[] = {"id", "friendly_name", "version", "uptime_human", NULL};
    static const char *const after[] = {"labels", NULL};
    cli_table t = {.titles = titles};
    for (size_t i = 0; i < json_count(hosts); i++) {
        add_row(&t, json_at(hosts, i), before);
        cli_table_add(&t, slice_from_text(peers_of(json_at(hosts, i))));
        add_row(&t, json_at(hosts, i), after);
    }
    cli_table_print(&t);
}

// A lattice without a host is an answer, too; what asked for it may have meant another.
static status get_hosts(const request *r, cli_lattice *l, err *e) {
    json_value *hosts = NULL;
    TRY(cli_lattice_hosts(l, &hosts, e));
    if (r->args->output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put_text(document, "lattice", slice_from_text(cli_lattice_name(l)));
        json_put(document, "hosts", hosts);
        cli_print_json(document);
        return STATUS_OK;
    }
    show_hosts(hosts);
    if (json_count(hosts) == 0) {
        fprintf(stderr, "no host of the lattice \"%s\" answers\n", cli_lattice_name(l));
    }
    json_free(hosts);
    return STATUS_OK;
}

// --- inventory ---------------------------------------------------------------------------------------------

static void show_inventory(const json_value *inventory) {
    static const char *const component_titles[] = {"COMPONENT", "MAX",         "REVISION", "NAME",
                                                   "IMAGE",     "ANNOTATIONS", NULL};
    static const char *const component_members[] = {"id",        "max_instances", "revision", "name",
                                                    "image_ref", "annotations",   NULL};
    static const char *const provider_titles[] = {"PROVIDER", "REVISION",    "NAME",
                                                  "IMAGE",    "ANNOTATIONS", NULL};
    static const char *const provider_members[] = {"id",        "revision",    "name",
                                                   "image_ref", "annotations", NULL};
    cli_table components = {.titles = component_titles}, providers = {.titles = provider_titles};
    auto_buf head;
    buf_init(&head, CLI_CELL_BYTES_MAX);
    cli_cell_member(&head, inventory, "host_id");
    (void)!buf_append_text(&head, "  ");
    cli_cell_member(&head, inventory, "friendly_name");
    printf("%.*s\n", SLICE_ARG(buf_slice(&head)));
    add_rows(&components, json_get(inventory, "components"), component_members);
    add_rows(&providers, json_get(inventory, "providers"), provider_members);
    cli_table_print(&components);
    cli_table_print(&providers);
}

static status get_inventory(const request *r, cli_lattice *l, err *e) {
    json_value *list = NULL;
    TRY(cli_lattice_inventories(l, r->name, &list, e));
    if (r->args->output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put(document, "inventories", list);
        cli_print_json(document);
        return STATUS_OK;
    }
    for (size_t i = 0; i < json_count(list); i++) {
        fputs(i > 0 ? "\n" : "", stdout);
        show_inventory(json_at(list, i));
    }
    json_free(list);
    return STATUS_OK;
}

// --- links, claims, configuration --------------------------------------------------------------------------

static void add_link(cli_table *t, const json_value *link) {
    static const char *const ends[] = {"source_id", "target", "name", NULL};
    static const char *const configs[] = {"source_config", "target_config", NULL};
    auto_buf interfaces;
    buf_init(&interfaces, CLI_CELL_BYTES_MAX);
    add_row(t, link, ends);
    cli_cell_member(&interfaces, link, "wit_namespace");
    (void)!buf_append_text(&interfaces, ":");
    cli_cell_member(&interfaces, link, "wit_package");
    (void)!buf_append_text(&interfaces, " ");
    cli_cell_list(&interfaces, json_get(link, "interfaces"));
    cli_table_add(t, buf_slice(&interfaces));
    add_row(t, link, configs);
}

static void show_links(const json_value *links) {
    static const char *const titles[] = {"SOURCE",        "TARGET",        "LINK", "INTERFACES",
                                         "SOURCE-CONFIG", "TARGET-CONFIG", NULL};
    cli_table t = {.titles = titles};
    for (size_t i = 0; i < json_count(links); i++) {
        add_link(&t, json_at(links, i));
    }
    cli_table_print(&t);
}

static void show_claims(const json_value *claims) {
    static const char *const titles[] = {"SUBJECT", "NAME", "VERSION", "REVISION", "ISSUER", NULL};
    static const char *const members[] = {"sub", "name", "version", "rev", "iss", NULL};
    cli_table t = {.titles = titles};
    add_rows(&t, claims, members);
    cli_table_print(&t);
}

static void show_config(const json_value *values) {
    static const char *const titles[] = {"KEY", "VALUE", NULL};
    cli_table t = {.titles = titles};
    void *at = NULL;
    slice key;
    const json_value *value;
    while (json_next_member(values, &at, &key, &value)) {
        auto_buf cell;
        buf_init(&cell, CLI_CELL_BYTES_MAX);
        cli_append_printable(&cell, slice_sub(key, 0, CLI_CELL_BYTES_MAX / 4));
        cli_table_add(&t, buf_slice(&cell));
        buf_clear(&cell);
        cli_cell_value(&cell, value);
        cli_table_add(&t, buf_slice(&cell));
    }
    cli_table_print(&t);
}

// One request whose response is all there is to show.
static status get_one(const request *r, cli_lattice *l, const char *command, const char *member,
                      void (*show)(const json_value *response), err *e) {
    cli_answer answer = {0};
    TRY(cli_lattice_ask(l, command, slice_from_text(r->name), NULL, &answer, e));
    if (answer.response == NULL && r->name != NULL) {
        return err_set(e, STATUS_NOT_FOUND, "there is no configuration \"%.80s\"", r->name);
    }
    if (r->args->output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put(document, member, answer.response != NULL ? answer.response : json_array_new());
        cli_print_json(document);
        return STATUS_OK;
    }
    show(answer.response);
    json_free(answer.response);
    return STATUS_OK;
}

static status get_list(const request *r, cli_lattice *l, const char *command, const char *member,
                       void (*show)(const json_value *list), err *e) {
    json_value *list;
    TRY(cli_lattice_list(l, command, &list, e));
    if (r->args->output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put(document, member, list);
        cli_print_json(document);
        return STATUS_OK;
    }
    show(list);
    json_free(list);
    return STATUS_OK;
}

static status get_links(const request *r, cli_lattice *l, err *e) {
    return get_list(r, l, "link.get", "links", show_links, e);
}
static status get_claims(const request *r, cli_lattice *l, err *e) {
    return get_list(r, l, "claims.get", "claims", show_claims, e);
}
static status get_config(const request *r, cli_lattice *l, err *e) {
    return get_one(r, l, "config.get", "config", show_config, e);
}

status get_lattice_config(cli_lattice *l, cli_lattice_args *a, const char *name, err *e) {
    const request r = {a, name};
    return get_config(&r, l, e);
}

// --- which -------------------------------------------------------------------------------------------------

static const struct {
    const char *what;
    status (*get)(const request *r, cli_lattice *l, err *e);
    bool needs_name, takes_name;
} kinds[] = {
    {"hosts", get_hosts, false, false},   {"inventory", get_inventory, false, true},
    {"links", get_links, false, false},   {"config", get_config, true, true},
    {"claims", get_claims, false, false},
};

static size_t find_kind(const char *what) {
    size_t i = 0;
    while (i < sizeof kinds / sizeof kinds[0] && strcmp(kinds[i].what, what) != 0) {
        i++;
    }
    return i;
}

bool get_lattice_knows(const char *what) { return find_kind(what) < sizeof kinds / sizeof kinds[0]; }

int get_lattice(cli_lattice_args *a, const char *what, const char *name) {
    size_t kind = find_kind(what);
    cli_lattice *l = NULL;
    err e = {0};
    const request r = {a, name};
    if (kinds[kind].needs_name != (name != NULL) && !(kinds[kind].takes_name && name != NULL)) {
        (void)err_set(&e, STATUS_INVALID,
                      name == NULL ? "writ get %s NAME: which?" : "writ get %s takes no name", what);
        cli_fail(&e, a->output);
        return CLI_EXIT_USAGE;
    }
    status s = cli_lattice_open(a, &l, &e);
    s = s == STATUS_OK ? kinds[kind].get(&r, l, &e) : s;
    cli_lattice_close(l);
    cli_lattice_args_done(a);
    return s == STATUS_OK ? CLI_EXIT_OK : cli_fail(&e, a->output);
}
