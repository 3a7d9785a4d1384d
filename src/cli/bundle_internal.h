// SPDX-License-Identifier: Apache-2.0
// What the commands of "writ bundle" share.
#pragma once

#include "cli/cli.h"
#include "cli/options.h"
#include "identity/sigstore.h"

enum { BUNDLE_LINE_BYTES_MAX = 8192 };

// Texts borrow from the command line.
typedef struct bundle_args {
    const char *path;
    const char *key;
    const char *out;
    const char *bundle;
    const char *identity;
    const char *issuer;
    const char *root;
    const char *at;
    cli_output output;
} bundle_args;

typedef int (*bundle_action)(const bundle_args *args);
typedef status (*bundle_check)(const bundle_args *args, err *e);
// Parses and acts, which gives the exit code. What `check` (or NULL) refuses is an error of usage.
int bundle_run(const cli_command *command, int argc, char **argv, bundle_check check, bundle_action act);

status bundle_set_path(void *target, const char *value, err *e);
status bundle_set_key(void *target, const char *value, err *e);
status bundle_set_output(void *target, const char *value, err *e);

// The bundle's usual place, unless one was named; NULL when its path is too long.
const char *bundle_path(const bundle_args *args, const char *named, buf *memory);
status bundle_load(const char *path, sigstore_bundle **ret, err *e) WRIT_MUST_USE;
// Files that the operator gives are part of the environment, whatever is wrong with them.
int bundle_fail_to_load(const err *e, cli_output output);
void bundle_put_name(json_value *document, const char *key, slice text); // null when empty
void bundle_print_row(const char *label, slice text);

int bundle_verify(int argc, char **argv);
int bundle_inspect(int argc, char **argv);
