// SPDX-License-Identifier: Apache-2.0
// writ keys: making, listing, exporting and importing key pairs. A seed leaves through `export` alone, and
// never to a terminal.
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/group.h"
#include "cli/key_option.h"
#include "cli/options.h"
#include "identity/key_store.h"
#include "os/fd.h"
#include "os/stdio.h"

enum { LINE_BYTES_MAX = 4096 };

typedef struct keys_request {
    const char *first;  // first operand: kind, name or file
    const char *second; // second operand: name
    const char *directory;
    const char *passphrase_file;
    const char *out;
    bool is_sealed; // under a passphrase that is asked for
    bool replace;
    cli_output output;
} keys_request;

// --- options ----------------------------------------------------------------------------------------------

static status set_operand(void *target, const char *value, err *e) {
    keys_request *r = target;
    (void)e;
    *(r->first == NULL ? &r->first : &r->second) = value;
    return STATUS_OK;
}

CLI_KEEP_TEXT(set_directory, keys_request, directory);
CLI_TURN_ON(set_sealed, keys_request, is_sealed);
CLI_KEEP_TEXT(set_passphrase_file, keys_request, passphrase_file);
CLI_TURN_ON(set_replace, keys_request, replace);
CLI_KEEP_TEXT(set_out, keys_request, out);
CLI_KEEP_OUTPUT(set_output, keys_request, output);

#define OPTION_REPLACE \
    { "replace", 0, NULL, "overwrite a key of this name, which is lost then", set_replace }
#define OPTION_SEALED \
    { "passphrase", 0, NULL, "encrypt it under a passphrase, asked for on the terminal", set_sealed }

static const cli_option make_options[] = {
    OPTION_SEALED,
    {"passphrase-file", 0, "FILE", "encrypt it under the first line of FILE", set_passphrase_file},
    OPTION_REPLACE,
    CLI_OPTION_KEYS(set_directory),
    CLI_OPTION_OUTPUT(set_output),
};
static const cli_option list_options[] = {CLI_OPTION_KEYS(set_directory), CLI_OPTION_OUTPUT(set_output)};
static const cli_option export_options[] = {
    {"out", 0, "FILE", "the new file; - for standard output that is no terminal", set_out},
    {"passphrase-file", 0, "FILE", "the passphrase, else asked for on the terminal", set_passphrase_file},
    CLI_OPTION_KEYS(set_directory),
    CLI_OPTION_OUTPUT(set_output),
};
#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static const cli_command gen_command = {
    .name = "keys gen",
    .usage = "[OPTIONS] KIND [NAME]",
    .summary = "Make a key pair, store it and print its public key.",
    .details =
        "KIND is account (signs components and providers), operator (signs accounts), module (names a\n"
        "component), service (names a provider), server (names a host), cluster, user or curve (X25519).\n"
        "NAME is the kind when it is left out.",
    .options = make_options,
    .option_count = COUNT(make_options),
    .examples = "  writ keys gen account acme\n  writ keys gen operator --passphrase",
    .operands_min = 1,
    .operands_max = 2,
    .operand = set_operand,
};
static const cli_command list_command = {
    .name = "keys list",
    .usage = "[OPTIONS]",
    .summary = "Show the stored keys: name, kind, public key, and whether a passphrase is needed.",
    .options = list_options,
    .option_count = COUNT(list_options),
    .examples = "  writ keys list\n  writ keys list -o json",
};
static const cli_command show_command = {
    .name = "keys show",
    .usage = "[OPTIONS] NAME",
    .summary = "Print the public key of a stored key.",
    .details = "Needs no passphrase.",
    .options = list_options,
    .option_count = COUNT(list_options),
    .examples = "  writ keys show acme",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_operand,
};
static const cli_command export_command = {
    .name = "keys export",
    .usage = "[OPTIONS] --out FILE NAME",
    .summary = "Write the seed of a key, which is the whole secret, to a new file with mode 0600.",
    .details = "The file is text that the nkeys tools of NATS and wash read. It is not encrypted.",
    .options = export_options,
    .option_count = COUNT(export_options),
    .examples = "  writ keys export acme --out acme.nk\n  writ keys export acme --out - | other-tool",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_operand,
};
static const cli_command import_command = {
    .name = "keys import",
    .usage = "[OPTIONS] FILE [NAME]",
    .summary = "Store the key in FILE, a seed as the nkeys tools of NATS and wash write it, or a sealed key.",
    .details =
        "NAME is that of the file without \".nk\" when it is left out. FILE must be readable by nobody\n"
        "else. A sealed key stays under its passphrase.",
    .options = make_options,
    .option_count = COUNT(make_options),
    .examples = "  writ keys import ~/.wash/keys/acme_account.nk acme",
    .operands_min = 1,
    .operands_max = 2,
    .operand = set_operand,
};

// --- what they share --------------------------------------------------------------------------------------

static status open_store(const keys_request *r, bool make, key_store **ret, err *e) {
    auto_buf path = {0};
    TRY(cli_keys_directory(r->directory, &path, e));
    return key_store_open(buf_text(&path), make, ret, e);
}

static json_value *key_json(const char *name, const nkey_public *k, bool is_sealed) {
    json_value *row = json_object_new();
    json_put_text(row, "name", slice_from_text(name));
    json_put_text(row, "kind", slice_from_text(nkey_kind_name(k->kind)));
    json_put_text(row, "public_key", slice_from_text(nkey_public_text(k).text));
    json_put_bool(row, "encrypted", is_sealed);
    return row;
}

static void print_key(const keys_request *r, const char *name, const nkey_public *k, bool is_sealed) {
    if (r->output == CLI_JSON) {
        cli_print_json(key_json(name, k, is_sealed));
    } else {
        printf("%s\n", nkey_public_text(k).text);
    }
}

typedef status (*keys_step)(const keys_request *r, err *e);

// Parses, checks what the options cannot check alone, then acts; the exit code of the three.
static int run(const cli_command *command, int argc, char **argv, keys_step check, keys_step act) {
    keys_request r = {0};
    err e = {0};
    status s = cli_parse(command, argc, argv, &r, &e);
    if (s == STATUS_CANCELLED) {
        return CLI_EXIT_OK;
    }
    if (s == STATUS_OK && check != NULL) {
        s = check(&r, &e);
    }
    if (s != STATUS_OK) {
        cli_fail(&e, r.output);
        return CLI_EXIT_USAGE;
    }
    return act(&r, &e) == STATUS_OK ? CLI_EXIT_OK : cli_fail(&e, r.output);
}

// --- gen and import ---------------------------------------------------------------------------------------

static status store_key(const keys_request *r, const char *name, const nkey *k, slice passphrase, err *e) {
    key_store *store = NULL;
    TRY(open_store(r, true, &store, e));
    status s = key_store_save(store, name, k, passphrase, r->replace, e);
    key_store_close(store);
    if (s == STATUS_EXISTS) {
        return err_set(e, s, "there is a key %s already: choose another name, or give it up with --replace",
                       name);
    }
    TRY(s);
    nkey_public is = nkey_public_of(k);
    print_key(r, name, &is, passphrase.len > 0);
    return STATUS_OK;
}

static status new_passphrase(const keys_request *r, const char *name, secret *ret, err *e) {
    return r->is_sealed || r->passphrase_file != NULL
               ? cli_read_passphrase(r->passphrase_file, name, true, ret, e)
               : STATUS_OK;
}

static status parse_kind(const char *text, nkey_kind *ret, err *e) {
    if (strcmp(text, "xkey") == 0) {
        *ret = NKEY_CURVE;
        return STATUS_OK;
    }
    if (!nkey_kind_parse(slice_from_text(text), ret)) {
        return err_set(
            e, STATUS_INVALID,
            "not a kind of key: write account, operator, module, service, server, cluster, user or "
            "curve");
    }
    return STATUS_OK;
}

static status check_make(const keys_request *r, err *e) {
    if (r->is_sealed && r->passphrase_file != NULL) {
        return err_set(e, STATUS_INVALID, "--passphrase asks for what --passphrase-file gives: write one");
    }
    return r->second != NULL ? key_name_check(r->second, e) : STATUS_OK;
}

static status check_gen(const keys_request *r, err *e) {
    nkey_kind kind;
    TRY(parse_kind(r->first, &kind, e));
    return check_make(r, e);
}

static status generate(const keys_request *r, err *e) {
    nkey_kind kind;
    nkey *k = NULL;
    auto_secret passphrase = {0};
    TRY(parse_kind(r->first, &kind, e));
    const char *name = r->second != NULL ? r->second : nkey_kind_name(kind);
    TRY(new_passphrase(r, name, &passphrase, e));
    TRY(nkey_generate(kind, &k, e));
    status s = store_key(r, name, k, secret_slice(&passphrase), e);
    nkey_free(k);
    return s;
}

static int keys_gen(int argc, char **argv) { return run(&gen_command, argc, argv, check_gen, generate); }

// Keeps the passphrase that opened a key, to seal it under the same again.
typedef struct import_asking {
    const keys_request *request;
    secret passphrase;
} import_asking;

static status ask_for_import(void *context, const char *what, secret *ret, err *e) {
    import_asking *a = context;
    secret_free(&a->passphrase);
    TRY(cli_read_passphrase(a->request->passphrase_file, what, false, &a->passphrase, e));
    TRY(secret_new(a->passphrase.len, ret, e));
    memcpy(ret->data, a->passphrase.data, ret->len);
    return STATUS_OK;
}

// "dir/acme.nk" -> "acme"
static void name_of_path(const char *path, char *ret, size_t size) {
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;
    size_t len = strlen(base);
    static const char *const endings[] = {".enc", ".nk"};
    for (size_t i = 0; i < COUNT(endings); i++) {
        size_t ending = strlen(endings[i]);
        if (len > ending && memcmp(base + len - ending, endings[i], ending) == 0) {
            len -= ending;
        }
    }
    snprintf(ret, size, "%.*s", (int)(len < size ? len : size - 1), base);
}

static status import_as(const keys_request *r, const char *name, import_asking *asking, err *e) {
    key_asker asker = {ask_for_import, asking};
    nkey *k = NULL;
    TRY(key_name_check(name, e));
    TRY(key_file_load_path(r->first, &asker, &k, e));
    status s = asking->passphrase.len > 0 ? STATUS_OK : new_passphrase(r, name, &asking->passphrase, e);
    if (s == STATUS_OK) {
        s = store_key(r, name, k, secret_slice(&asking->passphrase), e);
    }
    nkey_free(k);
    return s;
}

static status import(const keys_request *r, err *e) {
    char name[KEY_NAME_BYTES_MAX + 2]; // one more, to notice a longer name
    name_of_path(r->first, name, sizeof name);
    import_asking asking = {.request = r};
    status s = import_as(r, r->second != NULL ? r->second : name, &asking, e);
    secret_free(&asking.passphrase);
    return s;
}

static int keys_import(int argc, char **argv) { return run(&import_command, argc, argv, check_make, import); }

// --- list and show ----------------------------------------------------------------------------------------

static void print_entry(const key_store_entry *k, int width) {
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    if (k->is_good) {
        printf("%-*s  %-8s  %s%s\n", width, k->name, nkey_kind_name(k->public_key.kind),
               nkey_public_text(&k->public_key).text, k->is_sealed ? "  encrypted" : "");
        return;
    }
    cli_append_printable(&line, slice_from_text(k->problem));
    printf("%-*s  unusable: %.*s\n", width, k->name, SLICE_ARG(buf_slice(&line)));
}

static json_value *entry_json(const key_store_entry *k) {
    if (k->is_good) {
        return key_json(k->name, &k->public_key, k->is_sealed);
    }
    json_value *row = json_object_new();
    json_put_text(row, "name", slice_from_text(k->name));
    json_put_bool(row, "encrypted", k->is_sealed);
    json_put_text(row, "problem", slice_from_text(k->problem));
    return row;
}

static void print_all(const keys_request *r, const key_store_entry *keys, size_t count) {
    if (r->output == CLI_JSON) {
        json_value *rows = json_array_new();
        for (size_t i = 0; i < count; i++) {
            json_push(rows, entry_json(&keys[i]));
        }
        json_value *document = json_object_new();
        json_put(document, "keys", rows);
        cli_print_json(document);
        return;
    }
    int width = 0;
    for (size_t i = 0; i < count; i++) {
        int len = (int)strlen(keys[i].name);
        width = len > width ? len : width;
    }
    for (size_t i = 0; i < count; i++) {
        print_entry(&keys[i], width);
    }
    if (count == 0) {
        fprintf(stderr, "writ: there are no keys there yet; writ keys gen account makes one that signs\n");
    }
}

static status list(const keys_request *r, err *e) {
    key_store *store = NULL;
    key_store_entry *keys = NULL;
    size_t count = 0;
    TRY(open_store(r, false, &store, e));
    status s = key_store_list(store, &keys, &count, e);
    key_store_close(store);
    if (s == STATUS_OK) {
        print_all(r, keys, count);
        mem_free(keys);
    }
    return s;
}

static int keys_list(int argc, char **argv) { return run(&list_command, argc, argv, NULL, list); }

static status check_name(const keys_request *r, err *e) { return key_name_check(r->first, e); }

static status show(const keys_request *r, err *e) {
    key_store *store = NULL;
    key_store_entry found;
    TRY(open_store(r, false, &store, e));
    status s = key_store_find(store, r->first, &found, e);
    key_store_close(store);
    TRY(s);
    print_key(r, found.name, &found.public_key, found.is_sealed);
    return STATUS_OK;
}

static int keys_show(int argc, char **argv) { return run(&show_command, argc, argv, check_name, show); }

// --- export -----------------------------------------------------------------------------------------------

// Past stdio, whose buffers nobody wipes.
static status write_to_stdout(const nkey *k, err *e) {
    auto_secret seed = {0};
    TRY(nkey_seed_text(k, &seed, e));
    return fd_write_all(STDOUT_FILENO, secret_slice(&seed), e);
}

static status check_export(const keys_request *r, err *e) {
    if (r->out == NULL) {
        return err_set(e, STATUS_INVALID, "a seed is not shown: name a new file for it with --out FILE");
    }
    return key_name_check(r->first, e);
}

static status export(const keys_request *r, err *e) {
    nkey *k = NULL;
    bool to_stdout = strcmp(r->out, "-") == 0;
    if (to_stdout && stdio_is_terminal(STDOUT_FILENO)) {
        return err_set(e, STATUS_DENIED,
                       "standard output is a terminal, where a seed would stay visible: write --out FILE, or "
                       "send it into a pipe");
    }
    TRY(cli_key_load(r->first, r->directory, r->passphrase_file, &k, e));
    status s = to_stdout ? write_to_stdout(k, e) : key_file_export(r->out, k, e);
    nkey_public is = nkey_public_of(k);
    nkey_free(k);
    if (s == STATUS_OK && !to_stdout) {
        print_key(r, r->first, &is, false);
    }
    return s;
}

static int keys_export(int argc, char **argv) {
    return run(&export_command, argc, argv, check_export, export);
}

// --- the group --------------------------------------------------------------------------------------------

static const cli_member members[] = {
    {"gen", "make a key pair", keys_gen},
    {"list", "show the stored keys", keys_list},
    {"show", "print a public key", keys_show},
    {"export", "write a seed to a new file", keys_export},
    {"import", "store the key in a file", keys_import},
};

static const cli_group group = {
    .name = "keys",
    .summary = "Key pairs that sign components and name who made them.",
    .details =
        "They are files of mode 0600 in ~/.config/writ/keys ($WRIT_HOME/keys), in the form of NATS's nkeys.",
    .members = members,
    .member_count = COUNT(members),
    .examples = "  writ keys gen account acme    a key that signs; prints its public key\n"
                "  writ keys list",
};

int cli_keys(int argc, char **argv) { return cli_group_run(&group, argc, argv); }
