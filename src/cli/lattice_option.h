// SPDX-License-Identifier: Apache-2.0
// Options that every command about a lattice has: which one, how it is reached, who asks. What an option says
// counts first, then a context that --context names, then variables (those of wasmCloud 1.x where they mean
// the same), then the context in use (`writ context use`), then defaults.
#pragma once

#include "cli/cli.h"
#include "cli/context_store.h"
#include "cli/options.h"

typedef struct cli_lattice_args {     // the first part of a command's own structure
    const char *values[CLI_SETTINGS]; // as options say; after cli_lattice_resolve what counts, NULL = default
    const char *context;
    const char *host; // a host on this machine that is asked through its socket
    const char *keys;
    const char *passphrase_file;
    cli_output output;
    char *owned[CLI_SETTINGS];
    json_value *told; // changes, for one document at the end; NULL = none
} cli_lattice_args;

extern const cli_option cli_lattice_options[]; // `shared` of a cli_command, with --output and --host
enum { CLI_LATTICE_OPTION_COUNT = CLI_SETTINGS + 5 };
// The same without --host and --context, for `writ context new`.
extern const cli_option *const cli_lattice_settings;
enum { CLI_LATTICE_SETTING_COUNT = CLI_SETTINGS + 3 };

// Whether a command that has a meaning for a host of this machine, too, means a lattice: an option says
// which, or a context is in use, and no --host.
bool cli_lattice_is_meant(const cli_lattice_args *a);

// The host of this machine that a command means otherwise.
const char *cli_local_host(const cli_lattice_args *a);

status cli_lattice_resolve(cli_lattice_args *a, err *e) WRIT_MUST_USE;
void cli_lattice_args_done(cli_lattice_args *a);
