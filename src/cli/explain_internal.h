// SPDX-License-Identifier: Apache-2.0
// What the commands of writ explain share: whom they are about.
#pragma once

#include "cli/cli.h"
#include "cli/host_option.h"
#include "cli/options.h"
#include "host/explain.h"

enum { EXPLAIN_FILES_MAX = 64 };

typedef struct explain_args {
    host_config config; // first; its one workload is the component of the command line
    const char *files[EXPLAIN_FILES_MAX];
    size_t file_count; // 0: the component of the command line
    const char *name;  // a file, or a component of the manifests
    const char *call;  // why-denied: INTERFACE[.FUNCTION]
    const char *link;
    const char *target;
    cli_output output;
} explain_args;

typedef struct explain_subject {
    host_config applications;  // with -f
    const host_config *config; // that holds
    examination x;
} explain_subject;

status explain_set_name(void *target, const char *value, err *e) WRIT_MUST_USE;
status explain_set_file(void *target, const char *value, err *e) WRIT_MUST_USE;
status explain_set_output(void *target, const char *value, err *e) WRIT_MUST_USE;

// Rows that each of them has, beside those of cli/workload_option.h.
#define EXPLAIN_OPTIONS                                                                        \
    {"file", 'f', "MANIFEST", "NAME is a component of this manifest (again for more of them)", \
     explain_set_file},                                                                        \
        CLI_OPTION_TRUST(cli_set_trust), CLI_OPTION_SETTINGS, CLI_OPTION_OUTPUT(explain_set_output)

// Parses the command line and runs `body` on what it names. Returns the exit code: that of the body, unless
// something is wrong before.
typedef status (*explain_body)(const explain_args *a, const explain_subject *s, int *ret_code, err *e);
int explain_run(const cli_command *command, int argc, char **argv, explain_body body);

int explain_may(int argc, char **argv); // what-may
