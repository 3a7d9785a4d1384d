// SPDX-License-Identifier: Apache-2.0
// writ down: end a host in the background, or one of its applications.
#include <stdio.h>

#include "cli/host_call.h"
#include "cli/options.h"

enum { APPLICATIONS_MAX = 64, END_MS_MAX = 60000 };

typedef struct down_args {
    const char *host;
    const char *applications[APPLICATIONS_MAX];
    size_t application_count;
    cli_output output;
} down_args;

CLI_KEEP_HOST(down_args);
CLI_KEEP_OUTPUT(set_output, down_args, output);

static status set_application(void *target, const char *value, err *e) {
    down_args *a = target;
    if (a->application_count == APPLICATIONS_MAX) {
        return err_set(e, STATUS_INVALID, "more than %d applications", APPLICATIONS_MAX);
    }
    a->applications[a->application_count++] = value;
    return STATUS_OK;
}

static const cli_option options[] = {
    CLI_OPTION_HOST(set_host),
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command command = {
    .name = "down",
    .usage = "[OPTIONS] [APPLICATION]...",
    .summary = "End a host in the background, or take applications off it.",
    .details =
        "Without an application the host ends: running requests are answered, at most for its --drain time.\n"
        "The last application takes the host with it.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ down\n"
                "  writ down shop\n"
                "  writ down --host staging",
    .operands_max = APPLICATIONS_MAX,
    .operand = set_application,
};

static void tell_ended(const down_args *a) {
    if (a->output == CLI_TEXT) {
        printf("the host \"%s\" has ended\n", a->host);
        return;
    }
    json_value *document = json_object_new();
    json_put_text(document, "host", slice_from_text(a->host));
    json_put_bool(document, "ended", true);
    cli_print_json(document);
}

static status end_host(const down_args *a, err *e) {
    json_value *body = json_object_new(), *answer = NULL;
    status s = cli_host_ask(a->host, "/v1/stop", body, &answer, e);
    json_free(body);
    json_free(answer);
    TRY(s);
    TRY(control_place_wait(a->host, END_MS_MAX, e));
    tell_ended(a);
    return STATUS_OK;
}

static bool is_named(const down_args *a, const json_value *application) {
    slice name = slice_empty();
    (void)json_as_text(json_get(application, "name"), &name);
    for (size_t i = 0; i < a->application_count; i++) {
        if (slice_equal_text(name, a->applications[i])) {
            return true;
        }
    }
    return false;
}

// Whether the host would have nothing left.
static status are_all(const down_args *a, bool *ret, err *e) {
    json_value *found = NULL;
    TRY(cli_host_ask(a->host, "/v1/status", NULL, &found, e));
    const json_value *list = json_get(found, "applications");
    *ret = json_count(list) > 0;
    for (size_t i = 0; i < json_count(list); i++) {
        *ret &= is_named(a, json_at(list, i));
    }
    json_free(found);
    return STATUS_OK;
}

static status run(const down_args *a, int *ret_exit, err *e) {
    bool is_end = a->application_count == 0;
    TRY(is_end ? STATUS_OK : are_all(a, &is_end, e));
    if (is_end) {
        return end_host(a, e);
    }
    json_value *body = json_object_new(), *list = json_array_new();
    for (size_t i = 0; i < a->application_count; i++) {
        json_push(list, json_text(slice_from_text(a->applications[i])));
    }
    json_put(body, "applications", list);
    json_put_bool(body, "json", a->output == CLI_JSON);
    status s = cli_host_change(a->host, "/v1/remove", body, ret_exit, e);
    json_free(body);
    return s;
}

int cli_down(int argc, char **argv) {
    down_args a = {.host = CONTROL_HOST_DEFAULT};
    int code = CLI_EXIT_OK;
    err e = {0};
    status s = cli_parse(&command, argc, argv, &a, &e);
    if (s != STATUS_OK) {
        return s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, a.output), CLI_EXIT_USAGE);
    }
    s = run(&a, &code, &e);
    return s == STATUS_OK ? code : cli_fail(&e, a.output);
}
