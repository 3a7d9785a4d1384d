// SPDX-License-Identifier: Apache-2.0
// Commands with commands of their own, such as "writ keys gen": finding the right one, and help that lists
// them.
#pragma once

#include <stddef.h>

typedef struct cli_member {
    const char *name;                  // "gen"
    const char *summary;               // one line
    int (*run)(int argc, char **argv); // arguments after the name; its cli_command is called "keys gen"
} cli_member;

typedef struct cli_group {
    const char *name;    // "keys"
    const char *summary; // one line
    const char *details; // paragraphs, or NULL
    const cli_member *members;
    size_t member_count;
    const char *examples; // lines ready to print
} cli_group;

// Runs the member that the first argument names, and returns its exit code.
int cli_group_run(const cli_group *group, int argc, char **argv);
