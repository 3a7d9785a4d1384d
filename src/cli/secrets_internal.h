// SPDX-License-Identifier: Apache-2.0
// What the commands of `writ secrets` share. Inside the folder only.
#pragma once

#include "cli/cli.h"
#include "cli/options.h"
#include "identity/secret_store.h"

typedef struct secrets_request {
    const char *name;
    const char *field;
    const char *directory;
    const char *key_file;
    const char *passphrase_file;
    bool is_sealed; // a new store under a passphrase
    bool is_bytes;
    bool has_overlap;
    uint64_t overlap_s;
    uint64_t version; // 0 = all
    bool has_value;   // on the command line, where it must not be
    cli_output output;
} secrets_request;

typedef status (*secrets_step)(const secrets_request *r, err *e);

// Parses, checks names, then acts; the exit code of the three.
int secrets_run(const cli_command *command, int argc, char **argv, secrets_step act);
status secrets_open(const secrets_request *r, bool make, secret_store **ret, err *e) WRIT_MUST_USE;

status secrets_set_name(void *target, const char *value, err *e);
status secrets_set_directory(void *target, const char *value, err *e);
status secrets_set_key_file(void *target, const char *value, err *e);
status secrets_set_passphrase_file(void *target, const char *value, err *e);
status secrets_set_output(void *target, const char *value, err *e);

// Options of all of them.
#define SECRETS_OPTIONS                                                                            \
    {"passphrase-file", 0, "FILE", "the passphrase, else asked for on the terminal",               \
     secrets_set_passphrase_file},                                                                 \
        {"key-file", 0, "FILE", "the key that the values are sealed under (key in the directory)", \
         secrets_set_key_file},                                                                    \
        {"secrets", 0, "DIR", "the directory (secrets in $WRIT_HOME or ~/.config/writ)",           \
         secrets_set_directory},                                                                   \
        CLI_OPTION_OUTPUT(secrets_set_output)

int secrets_list(int argc, char **argv);
int secrets_show(int argc, char **argv);
