// SPDX-License-Identifier: Apache-2.0
// writ context: lattices by name.
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/context_store.h"
#include "cli/group.h"
#include "cli/lattice_option.h"
#include "cli/table.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

typedef struct context_args {
    cli_lattice_args lattice;
    const char *name;
    bool use;
    bool replace;
} context_args;

CLI_KEEP_TEXT(set_name, context_args, name);
CLI_TURN_ON(set_use, context_args, use);
CLI_TURN_ON(set_replace, context_args, replace);
CLI_KEEP_OUTPUT(set_output, cli_lattice_args, output);

static const cli_option output_option[] = {CLI_OPTION_OUTPUT(set_output)};

static const cli_option new_options[] = {
    {"use", 0, NULL, "and use it from now on", set_use},
    {"replace", 0, NULL, "in place of one of this name", set_replace},
};

static const cli_command new_command = {
    .name = "context new",
    .usage = "[OPTIONS] NAME",
    .summary = "Remember how a lattice is reached.",
    .details = "Credentials stay in their files, which must be there; the context has their paths.",
    .options = new_options,
    .option_count = COUNT(new_options),
    .examples =
        "  writ context new prod --nats tls://nats.example.com --creds ~/prod.creds --lattice shop --use\n"
        "  writ context new local --nats nats://127.0.0.1:4222",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_name,
};

#define SIMPLE(id, verb, words, text, min, example)                            \
    static const cli_command id = {.name = "context " verb,                    \
                                   .usage = "[OPTIONS]" words,                 \
                                   .summary = text,                            \
                                   .options = output_option,                   \
                                   .option_count = 1,                          \
                                   .examples = "  writ context " verb example, \
                                   .operands_min = min,                        \
                                   .operands_max = sizeof(words) > 1 ? 1 : 0,  \
                                   .operand = set_name}
SIMPLE(use_command, "use", " NAME", "Use a context where no option names one.", 1, " prod");
SIMPLE(del_command, "del", " NAME", "Forget a context.", 1, " prod");
SIMPLE(list_command, "list", "", "Show all contexts; * marks the one in use.", 0, "");
SIMPLE(show_command, "show", " [NAME]", "Show a context (the one in use).", 0, " prod");

// --- changes -----------------------------------------------------------------------------------------------

// Files are named from wherever the command is given later.
static status put_setting(const context_args *a, cli_setting s, json_value *context, err *e) {
    const char *value = a->lattice.values[s];
    bool is_path =
        value != NULL && (cli_setting_is_file(s) || (s == CLI_SIGN_WITH && strchr(value, '/') != NULL));
    if (value == NULL) {
        return STATUS_OK;
    }
    if (!is_path) {
        json_put_text(context, cli_setting_names[s], slice_from_text(value));
        return STATUS_OK;
    }
    char whole[PATH_MAX];
    if (realpath(value, whole) == NULL) {
        return err_set(e, STATUS_NOT_FOUND, "--%s %.200s: no such file", cli_setting_names[s], value);
    }
    json_put_text(context, cli_setting_names[s], slice_from_text(whole));
    return STATUS_OK;
}

static status add(void *arg, const json_value *document, json_value *next, err *e) {
    const context_args *a = arg;
    if (cli_context_find(document, slice_from_text(a->name)) != NULL && !a->replace) {
        return err_set(e, STATUS_EXISTS, "there is a context \"%s\"; --replace puts another in its place",
                       a->name);
    }
    json_value *all = cli_contexts_copy(
        document, a->use ? slice_from_text(a->name) : cli_context_current(document), a->name, next);
    json_value *context = json_object_new();
    json_put(all, a->name, context);
    for (size_t i = 0; i < CLI_SETTINGS; i++) {
        TRY(put_setting(a, (cli_setting)i, context, e));
    }
    return STATUS_OK;
}

static status must_be_there(const context_args *a, const json_value *document, err *e) {
    return cli_context_find(document, slice_from_text(a->name)) != NULL
               ? STATUS_OK
               : err_set(e, STATUS_NOT_FOUND,
                         "there is no context \"%.80s\"; writ context list shows those there are", a->name);
}

static status use(void *arg, const json_value *document, json_value *next, err *e) {
    const context_args *a = arg;
    TRY(must_be_there(a, document, e));
    (void)cli_contexts_copy(document, slice_from_text(a->name), NULL, next);
    return STATUS_OK;
}

static status del(void *arg, const json_value *document, json_value *next, err *e) {
    const context_args *a = arg;
    slice current = cli_context_current(document);
    TRY(must_be_there(a, document, e));
    (void)cli_contexts_copy(document, slice_equal_text(current, a->name) ? slice_empty() : current, a->name,
                            next);
    return STATUS_OK;
}

static int change(const cli_command *command, int argc, char **argv, cli_contexts_change how,
                  const char *what) {
    context_args a = {0};
    err e = {0};
    status s = cli_parse(command, argc, argv, &a, &e);
    s = s == STATUS_OK ? cli_context_name_check(a.name, &e) : s;
    if (s != STATUS_OK) {
        return s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, a.lattice.output), CLI_EXIT_USAGE);
    }
    if (cli_contexts_update(how, &a, &e) != STATUS_OK) {
        return cli_fail(&e, a.lattice.output);
    }
    if (a.lattice.output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put_text(document, "context", slice_from_text(a.name));
        json_put_text(document, "result", slice_from_text(what));
        cli_print_json(document);
    } else {
        printf("context %s: %s\n", a.name, what);
    }
    return CLI_EXIT_OK;
}

static int run_new(int argc, char **argv) {
    cli_command with_settings = new_command;
    with_settings.shared = cli_lattice_settings;
    with_settings.shared_count = CLI_LATTICE_SETTING_COUNT;
    return change(&with_settings, argc, argv, add, "saved");
}
static int run_use(int argc, char **argv) { return change(&use_command, argc, argv, use, "in use"); }
static int run_del(int argc, char **argv) { return change(&del_command, argc, argv, del, "forgotten"); }

// --- showing -----------------------------------------------------------------------------------------------

static void add_row(cli_table *t, slice name, bool is_current, const json_value *context) {
    static const cli_setting shown[] = {CLI_LATTICE, CLI_NATS, CLI_CREDS, CLI_SIGN_WITH};
    cli_table_add(t, slice_from_text(is_current ? "*" : ""));
    for (size_t i = 0; i < COUNT(shown) + 1; i++) {
        auto_buf cell;
        buf_init(&cell, CLI_CELL_BYTES_MAX);
        if (i == 0) {
            cli_append_printable(&cell, name);
        } else {
            cli_cell_member(&cell, context, cli_setting_names[shown[i - 1]]);
        }
        cli_table_add(t, buf_slice(&cell));
    }
}

static void list_contexts(const json_value *document) {
    static const char *const titles[] = {"", "CONTEXT", "LATTICE", "NATS", "CREDS", "SIGN-WITH", NULL};
    cli_table t = {.titles = titles};
    void *at = NULL;
    slice name;
    const json_value *context;
    while (json_next_member(json_get(document, "contexts"), &at, &name, &context)) {
        add_row(&t, name, slice_equal(name, cli_context_current(document)), context);
    }
    cli_table_print(&t);
}

static void show_context(const json_value *context) {
    for (size_t i = 0; i < CLI_SETTINGS; i++) {
        auto_buf text;
        buf_init(&text, 1 << 14);
        cli_cell_member(&text, context, cli_setting_names[i]);
        if (text.len > 0) {
            printf("%-16s %.*s\n", cli_setting_names[i], SLICE_ARG(buf_slice(&text)));
        }
    }
}

static status show_one(const context_args *a, const json_value *document, err *e) {
    slice name = a->name != NULL ? slice_from_text(a->name) : cli_context_current(document);
    const json_value *context = cli_context_find(document, name);
    if (context == NULL) {
        return name.len == 0 ? err_set(e, STATUS_NOT_FOUND, "no context is in use; writ context use NAME")
                             : err_set(e, STATUS_NOT_FOUND, "there is no context \"%.*s\"",
                                       SLICE_ARG(slice_sub(name, 0, 80)));
    }
    if (a->lattice.output == CLI_JSON) {
        json_value *shown = cli_context_copy(context);
        json_put_text(shown, "context", name);
        cli_print_json(shown);
        return STATUS_OK;
    }
    printf("%-16s %.*s\n", "context", SLICE_ARG(name));
    show_context(context);
    return STATUS_OK;
}

static status show_all(const context_args *a, const json_value *document, WRIT_UNUSED err *e) {
    if (a->lattice.output == CLI_JSON) {
        json_value *shown = json_object_new();
        (void)cli_contexts_copy(document, cli_context_current(document), NULL, shown);
        cli_print_json(shown);
    } else {
        list_contexts(document);
    }
    return STATUS_OK;
}

static int run_shown(const cli_command *command, int argc, char **argv,
                     status (*show)(const context_args *a, const json_value *document, err *e)) {
    context_args a = {0};
    json_value *document = NULL;
    err e = {0};
    status s = cli_parse(command, argc, argv, &a, &e);
    if (s != STATUS_OK) {
        return s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, a.lattice.output), CLI_EXIT_USAGE);
    }
    s = cli_contexts_load(&document, &e);
    s = s == STATUS_OK ? show(&a, document, &e) : s;
    json_free(document);
    return s == STATUS_OK ? CLI_EXIT_OK : cli_fail(&e, a.lattice.output);
}

static int run_list(int argc, char **argv) { return run_shown(&list_command, argc, argv, show_all); }
static int run_show(int argc, char **argv) { return run_shown(&show_command, argc, argv, show_one); }

int cli_context(int argc, char **argv) {
    static const cli_member members[] = {
        {"new", "remember how a lattice is reached", run_new},
        {"use", "use a context where no option names one", run_use},
        {"list", "show all contexts", run_list},
        {"show", "show one context", run_show},
        {"del", "forget a context", run_del},
    };
    static const cli_group group = {
        .name = "context",
        .summary = "Lattices by name, with how they are reached.",
        .details = "Commands about a lattice take --context NAME; without it they take the context in use.",
        .members = members,
        .member_count = COUNT(members),
        .examples = "  writ context new prod --nats tls://nats.example.com --creds ~/prod.creds --use\n"
                    "  writ context list\n"
                    "  writ context use prod",
    };
    return cli_group_run(&group, argc, argv);
}
