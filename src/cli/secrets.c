// SPDX-License-Identifier: Apache-2.0
// writ secrets: storing values that components are granted by name. A value comes from standard input or a
// hidden prompt and goes nowhere: no command shows one.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/group.h"
#include "cli/key_option.h"
#include "cli/places.h"
#include "cli/secrets_internal.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/stdio.h"
#include "os/terminal.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum { ROTATE_OVERLAP_S = 3600 };

// --- what they share --------------------------------------------------------------------------------------

// Both are checked after parsing, whose messages repeat what they are about: it may be a value.
status secrets_set_name(void *target, const char *value, err *e) {
    secrets_request *r = target;
    (void)e;
    r->has_value = r->name != NULL;
    r->name = r->has_value ? r->name : value;
    return STATUS_OK;
}

status secrets_set_directory(void *target, const char *value, err *e) {
    (void)e;
    ((secrets_request *)target)->directory = value;
    return STATUS_OK;
}

status secrets_set_key_file(void *target, const char *value, err *e) {
    (void)e;
    ((secrets_request *)target)->key_file = value;
    return STATUS_OK;
}

status secrets_set_passphrase_file(void *target, const char *value, err *e) {
    (void)e;
    ((secrets_request *)target)->passphrase_file = value;
    return STATUS_OK;
}

status secrets_set_output(void *target, const char *value, err *e) {
    return cli_parse_output(value, &((secrets_request *)target)->output, e);
}

static status check_operands(const secrets_request *r, err *e) {
    if (r->has_value) {
        return err_set(e, STATUS_INVALID,
                       "a value is not written on the command line, where other users and the history of the "
                       "shell see it: send it to standard input, or type it when asked");
    }
    return r->name != NULL ? secret_name_check(r->name, "a secret", e) : STATUS_OK;
}

int secrets_run(const cli_command *command, int argc, char **argv, secrets_step act) {
    secrets_request r = {0};
    err e = {0};
    status parsed = cli_parse(command, argc, argv, &r, &e);
    if (parsed == STATUS_OK) {
        parsed = check_operands(&r, &e);
    }
    if (parsed != STATUS_OK) {
        return parsed == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, r.output), CLI_EXIT_USAGE);
    }
    return act(&r, &e) == STATUS_OK ? CLI_EXIT_OK : cli_fail(&e, r.output);
}

static status ask(void *context, const char *what, secret *ret, err *e) {
    const secrets_request *r = context;
    return cli_read_passphrase(r->passphrase_file, what, false, ret, e);
}

static status ask_new(void *context, const char *what, secret *ret, err *e) {
    const secrets_request *r = context;
    return cli_read_passphrase(r->passphrase_file, what, true, ret, e);
}

status secrets_open(const secrets_request *r, bool make, secret_store **ret, err *e) {
    auto_buf place = {0};
    const key_asker asker = {ask, (void *)(uintptr_t)r}, make_asker = {ask_new, (void *)(uintptr_t)r};
    if (r->directory == NULL) {
        TRY(cli_place("secrets", &place, e));
    }
    const secret_store_options o = {.directory = r->directory != NULL ? r->directory : buf_text(&place),
                                    .key_file = r->key_file,
                                    .asker = &asker,
                                    .make = make,
                                    .make_asker = r->is_sealed ? &make_asker : NULL};
    return secret_store_open(&o, ret, e);
}

// --- values -----------------------------------------------------------------------------------------------

static status keep(const secret *whole, size_t len, secret *ret, err *e) {
    TRY(secret_new(len, ret, e));
    memcpy(ret->data, whole->data, len);
    return STATUS_OK;
}

static status too_long(err *e) {
    return err_set(e, STATUS_INVALID, "a secret has at most %d bytes", SECRET_VALUE_BYTES_MAX);
}

static status ask_value(const char *prompt, secret *ret, err *e) {
    auto_secret memory = {0};
    size_t len = 0;
    TRY(secret_new(SECRET_VALUE_BYTES_MAX, &memory, e));
    TRY(terminal_read_hidden(prompt, memory.data, memory.len, &len, e));
    if (len == 0) {
        return err_set(e, STATUS_CANCELLED, "no value was entered");
    }
    return keep(&memory, len, ret, e);
}

static status value_of_terminal(const char *name, secret *ret, err *e) {
    char prompt[SECRET_NAME_BYTES_MAX + 32];
    auto_secret first = {0}, second = {0};
    snprintf(prompt, sizeof prompt, "Value of %s: ", name);
    TRY(ask_value(prompt, &first, e));
    TRY(ask_value("The same again: ", &second, e));
    if (!slice_equal(secret_slice(&first), secret_slice(&second))) {
        return err_set(e, STATUS_CANCELLED, "the two values differ");
    }
    return keep(&first, first.len, ret, e);
}

// Past stdio, whose buffers nobody wipes. The line feed that echo and here-documents put at the end is none
// of a text.
static status value_of_input(bool is_bytes, secret *ret, err *e) {
    auto_secret memory = {0};
    size_t len = 0, some = 0;
    status s = STATUS_OK;
    TRY(secret_new(SECRET_VALUE_BYTES_MAX + 3, &memory, e));
    while (s == STATUS_OK && len < memory.len) {
        s = fd_read_some(STDIN_FILENO, memory.data + len, memory.len - len, &some);
        len += s == STATUS_OK ? some : 0;
    }
    if (s != STATUS_OK && s != STATUS_CLOSED) {
        return err_set(e, STATUS_IO, "standard input cannot be read: write < FILE, or send a pipe");
    }
    if (!is_bytes && len > 0 && memory.data[len - 1] == '\n') {
        len -= len > 1 && memory.data[len - 2] == '\r' ? 2 : 1;
    }
    if (len == 0) {
        return err_set(e, STATUS_INVALID, "standard input is empty, and a secret is not");
    }
    return len > SECRET_VALUE_BYTES_MAX ? too_long(e) : keep(&memory, len, ret, e);
}

static status read_value(const secrets_request *r, secret *ret, err *e) {
    return stdio_is_terminal(STDIN_FILENO) ? value_of_terminal(r->name, ret, e)
                                           : value_of_input(r->is_bytes, ret, e);
}

// --- set and rotate ---------------------------------------------------------------------------------------

CLI_TURN_ON(set_sealed, secrets_request, is_sealed);
CLI_TURN_ON(set_bytes, secrets_request, is_bytes);

static status set_field(void *target, const char *value, err *e) {
    ((secrets_request *)target)->field = value;
    return secret_name_check(value, "a field", e);
}

static status set_overlap(void *target, const char *value, err *e) {
    secrets_request *r = target;
    r->has_overlap = true;
    TRY(cli_parse_span(value, &r->overlap_s, e));
    return r->overlap_s <= SECRET_OVERLAP_SECONDS_MAX
               ? STATUS_OK
               : err_set(e, STATUS_INVALID, "versions overlap for ten years at most");
}

#define OPTION_FIELD \
    { "field", 0, "FIELD", "set one of its fields, such as user or password; the others stay", set_field }
#define OPTION_BYTES \
    { "bytes", 0, NULL, "standard input as it is: not text, and with the line feed at its end", set_bytes }

static const cli_option set_options[] = {
    OPTION_FIELD,
    OPTION_BYTES,
    {"passphrase", 0, NULL, "seal a new store under a passphrase instead of a key file", set_sealed},
    SECRETS_OPTIONS,
};
static const cli_option rotate_options[] = {
    OPTION_FIELD,
    OPTION_BYTES,
    {"overlap", 0, "SPAN", "how long the version before can be asked for by its number (1h)", set_overlap},
    SECRETS_OPTIONS,
};

static const cli_command set_command = {
    .name = "secrets set",
    .usage = "[OPTIONS] NAME",
    .summary = "Store a value, read from standard input or asked for on the terminal.",
    .details = "Prints the number of the new version and not the value. Versions before end at once.",
    .options = set_options,
    .option_count = COUNT(set_options),
    .examples = "  writ secrets set api-key < key.txt\n  writ secrets set db --field password",
    .operands_min = 1,
    .operands_max = 2,
    .operand = secrets_set_name,
};
static const cli_command rotate_command = {
    .name = "secrets rotate",
    .usage = "[OPTIONS] NAME",
    .summary = "Give a secret a new value, while the one before stays valid for a time.",
    .details = "Who asks for no version gets the new value from now on.",
    .options = rotate_options,
    .option_count = COUNT(rotate_options),
    .examples =
        "  writ secrets rotate api-key < new-key.txt\n  writ secrets rotate db --field password --overlap 1d",
    .operands_min = 1,
    .operands_max = 2,
    .operand = secrets_set_name,
};

static void print_put(const secrets_request *r, uint64_t version) {
    if (r->output == CLI_TEXT) {
        printf("%s: version %llu\n", r->name, (unsigned long long)version);
        return;
    }
    json_value *document = json_object_new();
    json_put_text(document, "name", slice_from_text(r->name));
    json_put_integer(document, "version", (int64_t)version);
    cli_print_json(document);
}

// The store is opened before the value is read: nobody types one that cannot be kept.
static status put(const secrets_request *r, bool is_new, err *e) {
    auto_secret value = {0};
    secret_store *store = NULL;
    uint64_t version = 0;
    TRY(secrets_open(r, is_new, &store, e));
    status s = read_value(r, &value, e);
    const secret_change c = {.name = r->name,
                             .field = r->field,
                             .kind = r->is_bytes ? SECRET_BYTES : SECRET_TEXT,
                             .value = secret_slice(&value),
                             .overlap_s = is_new           ? 0
                                          : r->has_overlap ? r->overlap_s
                                                           : ROTATE_OVERLAP_S,
                             .must_exist = !is_new};
    if (s == STATUS_OK) {
        s = secret_store_put(store, &c, clock_wall_now().seconds, &version, e);
    }
    secret_store_close(store);
    TRY(s);
    print_put(r, version);
    return STATUS_OK;
}

static status set(const secrets_request *r, err *e) { return put(r, true, e); }
static status rotate(const secrets_request *r, err *e) { return put(r, false, e); }

static int secrets_set(int argc, char **argv) { return secrets_run(&set_command, argc, argv, set); }
static int secrets_rotate(int argc, char **argv) { return secrets_run(&rotate_command, argc, argv, rotate); }

// --- remove -----------------------------------------------------------------------------------------------

static status set_version(void *target, const char *value, err *e) {
    return cli_parse_number(value, 1, INT64_MAX, &((secrets_request *)target)->version, e);
}

static const cli_option remove_options[] = {
    {"version", 0, "N", "an old version alone, before its time is over", set_version},
    SECRETS_OPTIONS,
};
static const cli_command remove_command = {
    .name = "secrets remove",
    .usage = "[OPTIONS] NAME",
    .summary = "Remove a secret with all of its versions, or an old version.",
    .options = remove_options,
    .option_count = COUNT(remove_options),
    .examples = "  writ secrets remove api-key\n  writ secrets remove api-key --version 7",
    .operands_min = 1,
    .operands_max = 1,
    .operand = secrets_set_name,
};

static status remove_secret(const secrets_request *r, err *e) {
    secret_store *store = NULL;
    TRY(secrets_open(r, false, &store, e));
    status s = secret_store_remove(store, r->name, r->version, clock_wall_now().seconds, e);
    secret_store_close(store);
    if (s == STATUS_OK && r->output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put_text(document, "removed", slice_from_text(r->name));
        cli_print_json(document);
    }
    return s;
}

static int secrets_remove(int argc, char **argv) {
    return secrets_run(&remove_command, argc, argv, remove_secret);
}

// --- the group --------------------------------------------------------------------------------------------

static const cli_member members[] = {
    {"set", "store a value", secrets_set},
    {"rotate", "give it a new value, the old one stays valid for a time", secrets_rotate},
    {"list", "show names, versions and dates, never values", secrets_list},
    {"show", "show the versions and fields of one, never values", secrets_show},
    {"remove", "remove a secret, or an old version of it", secrets_remove},
};

static const cli_group group = {
    .name = "secrets",
    .summary = "Values that components are granted by name: passwords, keys of services.",
    .details =
        "They are sealed in ~/.config/writ/secrets ($WRIT_HOME/secrets) under a key file or a passphrase.\n"
        "No command shows a value.",
    .members = members,
    .member_count = COUNT(members),
    .examples = "  writ secrets set api-key < key.txt    a value, from a file or a hidden prompt\n"
                "  writ secrets list",
};

int cli_secrets(int argc, char **argv) { return cli_group_run(&group, argc, argv); }
