// SPDX-License-Identifier: Apache-2.0
// writ link: what is behind the links of a host in the background.
#include <stdio.h>
#include <string.h>

#include "api/plan.h"
#include "cli/group.h"
#include "cli/host_call.h"
#include "cli/link_option.h"
#include "cli/options.h"

typedef struct link_args {
    const char *host;
    const char *workload;
    const char *text;
    cli_output output;
} link_args;

CLI_KEEP_HOST(link_args);
CLI_KEEP_OUTPUT(set_output, link_args, output);

static status set_operand(void *target, const char *value, WRIT_UNUSED err *e) {
    link_args *a = target;
    *(a->workload == NULL ? &a->workload : &a->text) = value;
    return STATUS_OK;
}

static const cli_option options[] = {
    CLI_OPTION_HOST(set_host),
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command put_command = {
    .name = "link put",
    .usage = "[OPTIONS] WORKLOAD INTERFACES[@NAME]=DRIVER[,SETTING=VALUE]...",
    .summary = "Put another backend behind a link, while calls go through it.",
    .details =
        "The new backend is opened and reached first; then new calls go to it, and those in flight end where "
        "they are.\n"
        "When it cannot be reached, nothing changes. A link that was deleted is open again. Credentials are "
        "named as\n"
        "SETTING=@SECRET (writ secrets). It holds until the manifest of the workload is applied again.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ link put shop-web wasi:keyvalue=redis,host=127.0.0.1\n"
                "  writ link put shop-web wasi:keyvalue@cache=memory",
    .operands_min = 2,
    .operands_max = 2,
    .operand = set_operand,
};

static const cli_command del_command = {
    .name = "link del",
    .usage = "[OPTIONS] WORKLOAD INTERFACES[@NAME]",
    .summary = "Cut a link: its next call is refused.",
    .details = "`writ link put`, or applying the manifest of the workload again, opens it again.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ link del shop-web wasi:keyvalue",
    .operands_min = 2,
    .operands_max = 2,
    .operand = set_operand,
};

static const cli_command list_command = {
    .name = "link list",
    .usage = "[OPTIONS]",
    .summary = "Show all links of a host in the background, and how their backends are.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ link list",
};

// --- telling -----------------------------------------------------------------------------------------------

static void tell(const link_args *a, const char *what) {
    if (a->output == CLI_TEXT) {
        auto_buf line;
        buf_init(&line, 4096);
        cli_append_printable(&line, slice_from_text(a->text));
        printf("%s: %s %.*s\n", a->workload, what, SLICE_ARG(buf_slice(&line)));
        return;
    }
    json_value *document = json_object_new();
    json_put_text(document, "workload", slice_from_text(a->workload));
    json_put_text(document, "link", slice_from_text(a->text));
    json_put_text(document, "result", slice_from_text(what));
    cli_print_json(document);
}

// What needs new workers comes with a report, as other changes do.
static int tell_answer(const link_args *a, const char *what, json_value *answer) {
    slice report;
    int64_t code = CLI_EXIT_OK;
    if (json_as_text(json_get(answer, "report"), &report)) {
        fwrite(report.data, 1, report.len, stderr);
    }
    (void)json_as_integer(json_get(answer, "exit"), &code);
    json_free(answer);
    if (code == CLI_EXIT_OK) {
        tell(a, what);
    }
    return (int)code;
}

static int send_link(const link_args *a, const char *target, json_value *link, const char *what) {
    json_value *body = json_object_new(), *answer = NULL;
    err e = {0};
    json_put_text(body, "workload", slice_from_text(a->workload));
    json_put(body, "link", link);
    json_put_bool(body, "json", a->output == CLI_JSON);
    status s = cli_host_ask(a->host, target, body, &answer, &e);
    json_free(body);
    return s == STATUS_OK ? tell_answer(a, what, answer) : cli_fail(&e, a->output);
}

static int usage(status s, const link_args *a, const err *e) {
    return s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(e, a->output), CLI_EXIT_USAGE);
}

// --- commands ----------------------------------------------------------------------------------------------

static int put(int argc, char **argv) {
    link_args a = {.host = CONTROL_HOST_DEFAULT};
    host_links links = {0};
    err e = {0};
    status s = cli_parse(&put_command, argc, argv, &a, &e);
    s = s == STATUS_OK ? link_option_add(&links, slice_from_text(a.text), &e) : s;
    int code = s == STATUS_OK ? send_link(&a, "/v1/links", plan_link_json(&links.items[0]), "put")
                              : usage(s, &a, &e);
    host_links_done(&links);
    return code;
}

static json_value *link_of(const char *text) {
    slice all = slice_from_text(text);
    size_t at = slice_find(all, 0, '@');
    json_value *link = json_object_new(), *interfaces = json_array_new();
    json_push(interfaces, json_text(slice_sub(all, 0, at == SIZE_MAX ? all.len : at)));
    json_put_text(link, "name",
                  at == SIZE_MAX ? slice_from_text("default") : slice_sub(all, at + 1, all.len));
    json_put(link, "interfaces", interfaces);
    return link;
}

static int del(int argc, char **argv) {
    link_args a = {.host = CONTROL_HOST_DEFAULT};
    err e = {0};
    status s = cli_parse(&del_command, argc, argv, &a, &e);
    if (s == STATUS_OK && strchr(a.text, '=') != NULL) {
        s = err_set(&e, STATUS_INVALID, "\"%.80s\" is not INTERFACES[@NAME]", a.text);
    }
    return s == STATUS_OK ? send_link(&a, "/v1/links/delete", link_of(a.text), "deleted") : usage(s, &a, &e);
}

static int list(int argc, char **argv) {
    link_args a = {.host = CONTROL_HOST_DEFAULT};
    err e = {0};
    status s = cli_parse(&list_command, argc, argv, &a, &e);
    return s == STATUS_OK ? cli_host_show(a.host, "links", a.output) : usage(s, &a, &e);
}

int cli_link(int argc, char **argv) {
    static const cli_member members[] = {
        {"put", "put another backend behind a link", put},
        {"del", "cut a link", del},
        {"list", "show all links and how they are", list},
    };
    static const cli_group group = {
        .name = "link",
        .summary = "What is behind the links of a host in the background.",
        .details = "Links are made by manifests; here they are changed while the host runs.",
        .members = members,
        .member_count = sizeof members / sizeof members[0],
        .examples = "  writ link list\n"
                    "  writ link put shop-web wasi:keyvalue=redis,host=127.0.0.1\n"
                    "  writ link del shop-web wasi:keyvalue",
    };
    return cli_group_run(&group, argc, argv);
}
