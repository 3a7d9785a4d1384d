// SPDX-License-Identifier: Apache-2.0
// The command line: one function per command, shared exit codes and output.
//
// Results go to stdout, messages to stderr. Every command takes `-o text|json`. Exit codes are part of the
// interface (docs/cli.md): scripts rely on them.
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "codec/json.h"

typedef enum cli_exit {
    CLI_EXIT_OK = 0,
    CLI_EXIT_FAILED = 1,      // it ran and failed: a guest trapped, a server could not go on
    CLI_EXIT_USAGE = 2,       // the command line is wrong
    CLI_EXIT_REFUSED = 3,     // policy: a component asks for more than was granted
    CLI_EXIT_INVALID = 4,     // the component is malformed or needs what this version does not do
    CLI_EXIT_ENVIRONMENT = 5, // a file, port, limit or service of this machine is missing
} cli_exit;

typedef enum cli_output { CLI_TEXT, CLI_JSON } cli_output;

// The setter's worker for `-o`.
status cli_parse_output(const char *text, cli_output *ret, err *e) WRIT_MUST_USE;

// Each takes the arguments after the command's name and returns an exit code.
int cli_run(int argc, char **argv);
int cli_up(int argc, char **argv);
int cli_run_host(int argc, char **argv);
int cli_down(int argc, char **argv);
int cli_get(int argc, char **argv);
int cli_logs(int argc, char **argv);
int cli_scale(int argc, char **argv);
int cli_link(int argc, char **argv);
int cli_provider(int argc, char **argv);
int cli_context(int argc, char **argv);
int cli_start(int argc, char **argv);
int cli_stop(int argc, char **argv);
int cli_update(int argc, char **argv);
int cli_config(int argc, char **argv);
int cli_label(int argc, char **argv);
int cli_drain(int argc, char **argv);
int cli_lattice_group(int argc, char **argv);
int cli_call(int argc, char **argv);
int cli_spy(int argc, char **argv);
int cli_new(int argc, char **argv);
int cli_build(int argc, char **argv);
int cli_dev(int argc, char **argv);
// The host of cli_dev: `writ up` that ends with whoever started it. Not for people.
#define CLI_DEV_HOST "__dev_host"
int cli_dev_host(int argc, char **argv);
int cli_inspect(int argc, char **argv);
int cli_keys(int argc, char **argv);
int cli_secrets(int argc, char **argv);
int cli_trust(int argc, char **argv);
int cli_token(int argc, char **argv);
int cli_par(int argc, char **argv);
int cli_sign(int argc, char **argv);
int cli_verify(int argc, char **argv);
int cli_diff(int argc, char **argv);
int cli_bundle(int argc, char **argv);
int cli_spiffe(int argc, char **argv);
int cli_manifest(int argc, char **argv);
int cli_audit(int argc, char **argv);
int cli_explain(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_version(int argc, char **argv);

// Prints "writ: message" (or one JSON object) to stderr and returns the exit code that fits the status.
int cli_fail(const err *e, cli_output output);

// Prints the document and a newline to stdout, and frees it.
void cli_print_json(json_value *document);
// The same in one line, for events.
void cli_print_json_line(json_value *document, FILE *out);

// One row of a table on stdout or stderr: text escaped so that names from a component cannot steer a
// terminal.
void cli_append_printable(buf *line, slice text);
bool cli_use_colour(int fd);
