// SPDX-License-Identifier: Apache-2.0
// writ logs: the last lines of a host in the background, and those that come.
#include <stdio.h>
#include <string.h>

#include "api/control_client.h"
#include "cli/host_call.h"
#include "cli/options.h"

enum { LINE_BYTES_MAX = 64 << 10, TARGET_BYTES_MAX = 512, WORKLOAD_BYTES_MAX = 200 };

typedef struct logs_args {
    const char *host;
    const char *workload;
    bool follows;
    cli_output output;
    // what has come
    buf pending; // of a line
    uint64_t position;
    bool is_closed; // nobody reads us any more
} logs_args;

CLI_KEEP_HOST(logs_args);
CLI_KEEP_TEXT(set_workload, logs_args, workload);
CLI_TURN_ON(set_follow, logs_args, follows);
CLI_KEEP_OUTPUT(set_output, logs_args, output);

static const cli_option options[] = {
    {"follow", 'f', NULL, "go on with lines as they come, until interrupted", set_follow},
    CLI_OPTION_HOST(set_host),
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command command = {
    .name = "logs",
    .usage = "[OPTIONS] [WORKLOAD]",
    .summary = "Show the last lines that a host in the background has logged.",
    .details = "A host keeps the last 4 MiB of its log. Following goes on over changes of what it runs.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ logs\n"
                "  writ logs shop-web --follow\n"
                "  writ logs -o json",
    .operands_max = 1,
    .operand = set_workload,
};

static void append(buf *out, const json_value *line, const char *member) {
    slice text = slice_empty();
    (void)json_as_text(json_get(line, member), &text);
    cli_append_printable(out, text);
}

static void show(logs_args *a, const json_value *line) {
    auto_buf out;
    buf_init(&out, LINE_BYTES_MAX);
    if (a->output == CLI_JSON) {
        (void)!json_write(line, 0, &out);
    } else {
        slice level = slice_empty();
        append(&out, line, "time");
        (void)json_as_text(json_get(line, "level"), &level);
        (void)!buf_append_format(&out, " %-5.*s ", SLICE_ARG(level));
        append(&out, line, "workload");
        (void)!buf_append_text(&out, ": ");
        append(&out, line, "message");
    }
    a->is_closed |= printf("%.*s\n", SLICE_ARG(buf_slice(&out))) < 0;
}

static void take_line(logs_args *a, slice text) {
    json_value *v = NULL;
    int64_t position;
    if (json_parse(text, &v, NULL) == STATUS_OK && json_as_integer(json_get(v, "position"), &position)) {
        a->position = (uint64_t)position;
        show(a, json_get(v, "line"));
    }
    json_free(v);
}

static bool on_bytes(void *arg, slice bytes) {
    logs_args *a = arg;
    for (size_t at = 0; at < bytes.len;) {
        size_t end = slice_find(bytes, at, '\n');
        slice piece = slice_sub(bytes, at, end == SIZE_MAX ? bytes.len : end);
        if (buf_append(&a->pending, piece) != STATUS_OK) {
            buf_clear(&a->pending); // no line is that long
        }
        if (end == SIZE_MAX) {
            break;
        }
        take_line(a, buf_slice(&a->pending));
        buf_clear(&a->pending);
        at = end + 1;
    }
    a->is_closed |= fflush(stdout) != 0;
    return !a->is_closed;
}

static status ask(logs_args *a, err *e) {
    char target[TARGET_BYTES_MAX];
    (void)snprintf(target, sizeof target, "/v1/logs?after=%llu&follow=%d&workload=%s",
                   (unsigned long long)a->position, a->follows ? 1 : 0,
                   a->workload != NULL ? a->workload : "");
    const control_call c = {
        .host = a->host, .method = "GET", .target = target, .on_bytes = on_bytes, .arg = a};
    return control_client_call(&c, NULL, e);
}

// One generation ends the answer when another one takes over; the lines go on there.
static status run(logs_args *a, err *e) {
    status s = ask(a, e);
    while (a->follows && !a->is_closed && (s == STATUS_OK || s == STATUS_CLOSED)) {
        s = ask(a, e);
        if (s == STATUS_NOT_FOUND) {
            return STATUS_OK; // the host has ended
        }
    }
    return a->is_closed ? STATUS_OK : s;
}

static bool is_plain(const char *name) {
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
               strlen(name) &&
           strlen(name) <= WORKLOAD_BYTES_MAX;
}

int cli_logs(int argc, char **argv) {
    logs_args a = {.host = CONTROL_HOST_DEFAULT};
    err e = {0};
    status s = cli_parse(&command, argc, argv, &a, &e);
    if (s == STATUS_OK && a.workload != NULL && !is_plain(a.workload)) {
        s = err_set(&e, STATUS_INVALID, "\"%.80s\" is not the name of a workload", a.workload);
    }
    if (s != STATUS_OK) {
        return s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, a.output), CLI_EXIT_USAGE);
    }
    buf_init(&a.pending, LINE_BYTES_MAX);
    s = run(&a, &e);
    buf_done(&a.pending);
    return s == STATUS_OK ? CLI_EXIT_OK : cli_fail(&e, a.output);
}
