// SPDX-License-Identifier: Apache-2.0
// writ scale: how many instances a workload of a host in the background may have.
#include <stdio.h>
#include <string.h>

#include "cli/host_call.h"
#include "cli/options.h"

enum { INSTANCES_MAX = 1000000 };

typedef struct scale_args {
    const char *host;
    const char *text;
    cli_output output;
} scale_args;

CLI_KEEP_HOST(scale_args);
CLI_KEEP_TEXT(set_text, scale_args, text);
CLI_KEEP_OUTPUT(set_output, scale_args, output);

static const cli_option options[] = {
    CLI_OPTION_HOST(set_host),
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command command = {
    .name = "scale",
    .usage = "[OPTIONS] WORKLOAD=N",
    .summary = "Change how many instances a workload of a host in the background may have.",
    .details = "An idle workload has none, whatever its number. The number holds until its manifest is "
               "applied again.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ scale shop-web=50",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_text,
};

static status parse(const scale_args *a, slice *ret_workload, uint64_t *ret_count, err *e) {
    const char *equals = strrchr(a->text, '=');
    if (equals == NULL || equals == a->text) {
        return err_set(e, STATUS_INVALID, "\"%.80s\" is not WORKLOAD=N", a->text);
    }
    *ret_workload = slice_of((const uint8_t *)a->text, (size_t)(equals - a->text));
    return cli_parse_number(equals + 1, 1, INSTANCES_MAX, ret_count, e);
}

int cli_scale(int argc, char **argv) {
    scale_args a = {.host = CONTROL_HOST_DEFAULT};
    int code = CLI_EXIT_OK;
    slice workload;
    uint64_t count;
    err e = {0};
    status s = cli_parse(&command, argc, argv, &a, &e);
    s = s == STATUS_OK ? parse(&a, &workload, &count, &e) : s;
    if (s != STATUS_OK) {
        return s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, a.output), CLI_EXIT_USAGE);
    }
    json_value *body = json_object_new();
    json_put_text(body, "workload", workload);
    json_put_integer(body, "instances", (int64_t)count);
    json_put_bool(body, "json", a.output == CLI_JSON);
    s = cli_host_change(a.host, "/v1/scale", body, &code, &e);
    json_free(body);
    return s == STATUS_OK ? code : cli_fail(&e, a.output);
}
