// SPDX-License-Identifier: Apache-2.0
// writ lattice issuers, revoked, users: the lists of lattice.json, each shown and changed in the same way.
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/key_option.h"
#include "cli/lattice_trust.h"
#include "cli/options.h"
#include "cli/places.h"
#include "codec/date.h"
#include "lattice/cluster_file.h"
#include "os/clock.h"

typedef struct list_request {
    cluster_list list;
    const char *verb; // NULL: show
    const char *key;
    const char *keys;
    const char *file;
    const char *note;
    const char *role_text;
    const char *date;
    cli_output output;
} list_request;

static status set_operand(void *target, const char *value, WRIT_UNUSED err *e) {
    list_request *r = target;
    *(r->verb == NULL ? &r->verb : &r->key) = value;
    return STATUS_OK;
}
CLI_KEEP_TEXT(set_keys, list_request, keys);
CLI_KEEP_TEXT(set_file, list_request, file);
CLI_KEEP_TEXT(set_note, list_request, note);
CLI_KEEP_TEXT(set_role, list_request, role_text);
CLI_KEEP_TEXT(set_date, list_request, date);
CLI_KEEP_OUTPUT(set_output, list_request, output);

#define SHARED_OPTIONS                                                          \
    {"note", 0, "TEXT", "who this is, for people who read the file", set_note}, \
        CLI_OPTION_LATTICE_FILE(set_file), CLI_OPTION_KEYS(set_keys), CLI_OPTION_OUTPUT(set_output)

static const cli_option issuer_options[] = {
    {"until", 0, "DATE", "believed until then: 2027-01-31, or a span such as 90d (without end)", set_date},
    SHARED_OPTIONS,
};
static const cli_option revoked_options[] = {
    {"before", 0, "DATE", "what was signed before that counts no more (all)", set_date},
    SHARED_OPTIONS,
};
static const cli_option user_options[] = {
    {"role", 0, "none|read|operate|admin", "what the user may do", set_role},
    SHARED_OPTIONS,
};

#define LIST_COMMAND(list_name, option_rows, summary_text, details_text, examples_text)               \
    {                                                                                                 \
        .name = "lattice " list_name, .usage = "[OPTIONS] [add|remove KEY]", .summary = summary_text, \
        .details = details_text, .options = option_rows,                                              \
        .option_count = sizeof option_rows / sizeof *option_rows, .examples = examples_text,          \
        .operands_max = 2, .operand = set_operand                                                     \
    }

static const cli_command commands[CLUSTER_LIST_COUNT] = {
    [CLUSTER_ISSUERS] = LIST_COMMAND(
        "issuers", issuer_options, "Show or change which cluster keys (C...) are believed.",
        "Hosts that one of them admitted belong to the lattice. A running host takes a change on "
        "SIGHUP.",
        "  writ lattice issuers\n  writ lattice issuers add CD... --note \"the ops team\" --until 1y\n"
        "  writ lattice issuers remove CD..."),
    [CLUSTER_REVOKED] =
        LIST_COMMAND("revoked", revoked_options,
                     "Show or change which hosts (N...) and cluster keys (C...) are believed no more.",
                     "Their sessions end at once. A running host takes a change on SIGHUP.",
                     "  writ lattice revoked add NB... --note stolen\n"
                     "  writ lattice revoked add CD... --before 2026-05-01"),
    [CLUSTER_USERS] = LIST_COMMAND(
        "users", user_options, "Show or change what users (U...) of the control interface may do.",
        "read: see hosts, inventories, links, claims and config. operate: that, and start, scale, "
        "update and stop\ncomponents and providers, change links, config and labels. admin: that, and "
        "stop hosts. KEY \"everybody\" is\nwhoever does not sign, such as wash.",
        "  writ lattice users add UA... --role operate --note alice\n"
        "  writ lattice users add everybody --role read"),
};

// --- showing -----------------------------------------------------------------------------------------------

static const char *date_or(const cluster_entry *x, const char *absent, char text[DATE_TEXT_BYTES]) {
    return x->date_s == UINT64_MAX ? absent : date_text(x->date_s, text);
}

static void print_entry(cluster_list list, const cluster_entry *x) {
    auto_buf note = {0};
    char date[DATE_TEXT_BYTES];
    buf_init(&note, 8 * sizeof x->note);
    cli_append_printable(&note, slice_from_text(x->note));
    printf("%s  %-20s  %.*s\n", nkey_public_text(&x->key).text,
           list == CLUSTER_USERS     ? role_name(x->what)
           : list == CLUSTER_ISSUERS ? date_or(x, "without end", date)
                                     : date_or(x, "all", date),
           SLICE_ARG(buf_slice(&note)));
}

static json_value *entry_json(cluster_list list, const cluster_entry *x) {
    json_value *v = json_object_new();
    char date[DATE_TEXT_BYTES];
    json_put_text(v, "key", slice_from_text(nkey_public_text(&x->key).text));
    if (list == CLUSTER_USERS) {
        json_put_text(v, "role", slice_from_text(role_name(x->what)));
    } else if (x->date_s != UINT64_MAX) {
        json_put_text(v, list == CLUSTER_ISSUERS ? "until" : "before",
                      slice_from_text(date_text(x->date_s, date)));
    }
    json_put_text(v, "note", slice_from_text(x->note));
    return v;
}

static void show(const list_request *r, const cluster_file *f) {
    json_value *all = json_array_new();
    for (size_t i = 0; i < f->lists[r->list].count; i++) {
        const cluster_entry *x = &f->lists[r->list].at[i];
        json_push(all, entry_json(r->list, x));
        if (r->output == CLI_TEXT) {
            print_entry(r->list, x);
        }
    }
    if (r->output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put(document, "entries", all);
        if (r->list == CLUSTER_USERS) {
            json_put_text(document, "everybody", slice_from_text(role_name(f->everybody)));
        }
        cli_print_json(document);
        return;
    }
    json_free(all);
    if (r->list == CLUSTER_USERS) {
        printf("%-56s  %s\n", "everybody", role_name(f->everybody));
    }
}

// --- changing ----------------------------------------------------------------------------------------------

static status fill(const list_request *r, cluster_entry *x, err *e) {
    if (r->note != NULL && strlen(r->note) > CLUSTER_NOTE_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "--note: at most %d bytes", CLUSTER_NOTE_BYTES_MAX);
    }
    snprintf(x->note, sizeof x->note, "%s", r->note == NULL ? "" : r->note);
    if (r->date != NULL) {
        TRY(cli_parse_date_or_span(r->date, clock_wall_now().seconds, &x->date_s, e));
    }
    if (r->list == CLUSTER_USERS &&
        (r->role_text == NULL || !role_parse(slice_from_text(r->role_text), &x->what))) {
        return err_set(e, STATUS_INVALID, "--role says what the user may do: none, read, operate or admin");
    }
    return STATUS_OK;
}

static status change(void *arg, cluster_file *f, err *e) {
    const list_request *r = arg;
    cluster_entry x = {.date_s = UINT64_MAX};
    bool adds = strcmp(r->verb, "add") == 0;
    if (adds) {
        TRY(fill(r, &x, e));
    }
    if (r->list == CLUSTER_USERS && strcmp(r->key, "everybody") == 0) {
        f->everybody = x.what;
        return STATUS_OK;
    }
    TRY(cli_public_key(r->key, r->keys, &x.key, e));
    if (adds) {
        return cluster_file_put(f, r->list, &x, e);
    }
    return cluster_file_remove(f, r->list, &x.key)
               ? STATUS_OK
               : err_set(e, STATUS_NOT_FOUND, "%s does not stand there", nkey_public_text(&x.key).text);
}

static status run(list_request *r, const char *path, err *e) {
    cluster_file f = {0};
    if (r->verb != NULL) {
        TRY(cluster_file_update(path, change, r, e));
    }
    TRY(cluster_file_load(path, &f, e));
    if (r->verb == NULL || r->output == CLI_JSON) {
        show(r, &f);
    }
    cluster_file_done(&f);
    return STATUS_OK;
}

static status check(const list_request *r, err *e) {
    bool is_verb = r->verb == NULL || strcmp(r->verb, "add") == 0 || strcmp(r->verb, "remove") == 0;
    if (!is_verb || (r->verb != NULL) != (r->key != NULL)) {
        return err_set(e, STATUS_INVALID, "say \"add KEY\", \"remove KEY\" or nothing");
    }
    return STATUS_OK;
}

static int run_list(cluster_list list, int argc, char **argv) {
    list_request r = {.list = list};
    auto_buf path = {0};
    err e = {0};
    buf_init(&path, 4096);
    status s = cli_parse(&commands[list], argc, argv, &r, &e);
    s = s == STATUS_OK ? check(&r, &e) : s;
    if (s != STATUS_OK) {
        return s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, r.output), CLI_EXIT_USAGE);
    }
    s = r.file == NULL ? cli_place(CLI_LATTICE_FILE, &path, &e) : STATUS_OK;
    s = s == STATUS_OK ? run(&r, r.file == NULL ? (const char *)path.data : r.file, &e) : s;
    return s == STATUS_OK ? CLI_EXIT_OK : cli_fail(&e, r.output);
}

int cli_lattice_issuers(int argc, char **argv) { return run_list(CLUSTER_ISSUERS, argc, argv); }
int cli_lattice_revoked(int argc, char **argv) { return run_list(CLUSTER_REVOKED, argc, argv); }
int cli_lattice_users(int argc, char **argv) { return run_list(CLUSTER_USERS, argc, argv); }
