// SPDX-License-Identifier: Apache-2.0
// writ config: named configurations of a lattice.
#include "cli/get_lattice.h"
#include "cli/group.h"
#include "cli/lattice_words.h"
#include "os/whole_file.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

enum { FILE_BYTES_MAX = 512 << 10 };

typedef struct config_args {
    cli_lattice_args lattice;
    const char *name;
    const char *file;
    cli_words values;
} config_args;

CLI_KEEP_TEXT(set_name, config_args, name);
CLI_KEEP_TEXT(set_file, config_args, file);

static status set_operand(void *target, const char *value, err *e) {
    config_args *a = target;
    if (a->name == NULL) {
        a->name = value;
        return STATUS_OK;
    }
    return cli_pairs_add(&a->values, value, e);
}

static const cli_option put_options[] = {
    {"file", 'f', "FILE", "an object of texts (JSON); values of the command line count more", set_file},
};

static const cli_command put_command = {
    .name = "config put",
    .usage = "[OPTIONS] NAME [KEY=VALUE]...",
    .summary = "Set a configuration of a lattice: it has these values and no others.",
    .details =
        "Components and providers that were started with it, and links, have them at once. Names that begin\n"
        "with SECRET are references to secrets.",
    .options = put_options,
    .option_count = COUNT(put_options),
    .examples = "  writ config put web-defaults greeting=Hello colour=green\n"
                "  writ config put web-defaults --file web.json",
    .operands_min = 1,
    .operands_max = CLI_WORDS_MAX,
    .operand = set_operand,
};
static const cli_command get_command = {
    .name = "config get",
    .usage = "[OPTIONS] NAME",
    .summary = "Show a configuration of a lattice.",
    .examples = "  writ config get web-defaults",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_name,
};
static const cli_command del_command = {
    .name = "config del",
    .usage = "[OPTIONS] NAME",
    .summary = "Delete a configuration of a lattice.",
    .details = "What uses it goes on without its values.",
    .examples = "  writ config del web-defaults",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_name,
};

static status read_values(const char *path, json_value *ret, err *e) {
    auto_buf text = {0};
    json_value *document = NULL;
    void *at = NULL;
    slice key, value;
    const json_value *member;
    TRY(file_read_whole(path, FILE_BYTES_MAX, &text, e));
    if (json_parse(buf_slice(&text), &document, e) != STATUS_OK) {
        return err_wrap(e, "%s", path);
    }
    status s = json_is_object(document) ? STATUS_OK : err_set(e, STATUS_INVALID, "%s: no object", path);
    while (s == STATUS_OK && json_next_member(document, &at, &key, &member)) {
        if (!json_as_text(member, &value)) {
            s = err_set(e, STATUS_INVALID, "%s: \"%.*s\" is no text; write its value in quotes", path,
                        SLICE_ARG(slice_sub(key, 0, 80)));
        } else {
            json_put_text(ret, (const char *)key.data, value); // a key is NUL-terminated
        }
    }
    json_free(document);
    return s;
}

static status put(void *target, cli_lattice *l, err *e) {
    config_args *a = target;
    json_value *values = json_object_new(), *named = cli_pairs_json(&a->values);
    void *at = NULL;
    slice key, value;
    const json_value *member;
    status s = a->file != NULL ? read_values(a->file, values, e) : STATUS_OK;
    while (json_next_member(named, &at, &key, &member)) {
        (void)json_as_text(member, &value);
        json_put_text(values, (const char *)key.data, value);
    }
    s = s == STATUS_OK ? cli_lattice_ask(l, "config.put", slice_from_text(a->name), values, NULL, e) : s;
    json_free(values);
    json_free(named);
    TRY(s);
    cli_tell(&a->lattice, a->name, "configuration set", NULL);
    return STATUS_OK;
}

static status del(void *target, cli_lattice *l, err *e) {
    config_args *a = target;
    TRY(cli_lattice_ask(l, "config.del", slice_from_text(a->name), NULL, NULL, e));
    cli_tell(&a->lattice, a->name, "configuration deleted", NULL);
    return STATUS_OK;
}

static status get(void *target, cli_lattice *l, err *e) {
    config_args *a = target;
    return get_lattice_config(l, &a->lattice, a->name, e);
}

static int run_put(int argc, char **argv) {
    config_args a = {0};
    return cli_lattice_command(&put_command, argc, argv, &a.lattice, put);
}
static int run_get(int argc, char **argv) {
    config_args a = {0};
    return cli_lattice_command(&get_command, argc, argv, &a.lattice, get);
}
static int run_del(int argc, char **argv) {
    config_args a = {0};
    return cli_lattice_command(&del_command, argc, argv, &a.lattice, del);
}

int cli_config(int argc, char **argv) {
    static const cli_member members[] = {
        {"put", "set a configuration", run_put},
        {"get", "show a configuration", run_get},
        {"del", "delete a configuration", run_del},
    };
    static const cli_group group = {
        .name = "config",
        .summary = "Named configurations of a lattice.",
        .members = members,
        .member_count = COUNT(members),
        .examples = "  writ config put web-defaults greeting=Hello\n"
                    "  writ config get web-defaults -o json",
    };
    return cli_group_run(&group, argc, argv);
}
