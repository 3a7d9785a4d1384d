// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "engine/engine.h"

#ifndef WRIT_VERSION
#error "the build defines WRIT_VERSION"
#endif

static status set_output(void *target, const char *value, err *e) {
    return cli_parse_output(value, target, e);
}

static const cli_option options[] = {CLI_OPTION_OUTPUT(set_output)};

static const cli_command command = {
    .name = "version",
    .usage = "[OPTIONS]",
    .summary = "Show the versions of Writ and of its engine.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ --version\n  writ version -o json",
};

int cli_version(int argc, char **argv) {
    cli_output output = CLI_TEXT;
    err e = {0};
    status s = cli_parse(&command, argc, argv, &output, &e);
    if (s == STATUS_CANCELLED) {
        return CLI_EXIT_OK;
    }
    if (s != STATUS_OK) {
        cli_fail(&e, output);
        return CLI_EXIT_USAGE;
    }
    if (output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put_text(document, "version", slice_from_text(WRIT_VERSION));
        json_put_text(document, "engine", slice_from_text(engine_version()));
        cli_print_json(document);
    } else {
        printf("writ %s (%s)\n", WRIT_VERSION, engine_version());
    }
    return CLI_EXIT_OK;
}
