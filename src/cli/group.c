// SPDX-License-Identifier: Apache-2.0
#include "cli/group.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static void print_help(const cli_group *g, FILE *out) {
    fprintf(out, "%s\n\nUsage: writ %s COMMAND [OPTIONS] ...\n", g->summary, g->name);
    if (g->details != NULL) {
        fprintf(out, "\n%s\n", g->details);
    }
    fputs("\nCommands:\n", out);
    for (size_t i = 0; i < g->member_count; i++) {
        fprintf(out, "  %-12s %s\n", g->members[i].name, g->members[i].summary);
    }
    fprintf(out, "\nExamples:\n%s\n", g->examples);
}

int cli_group_run(const cli_group *group, int argc, char **argv) {
    if (argc < 1) {
        print_help(group, stderr);
        return CLI_EXIT_USAGE;
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        print_help(group, stdout);
        return CLI_EXIT_OK;
    }
    for (size_t i = 0; i < group->member_count; i++) {
        if (strcmp(group->members[i].name, argv[0]) == 0) {
            return group->members[i].run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "writ: unknown command \"%s %.40s\"; writ %s --help lists them\n", group->name, argv[0],
            group->name);
    return CLI_EXIT_USAGE;
}
