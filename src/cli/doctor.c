// SPDX-License-Identifier: Apache-2.0
// writ doctor: what this machine offers, what is missing, what would be slow here and why. Changes nothing.
#include <errno.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "engine/facts.h"
#include "host/host.h"
#include "os/sandbox.h"

typedef enum finding_state {
    FINDING_OK,
    FINDING_NOTE, // works, but slower or less protected
    FINDING_BAD,  // writ run does not work here
} finding_state;

typedef struct doctor {
    cli_output output;
    json_value *rows; // CLI_JSON
    bool colour;
    int notes;
    int bad;
} doctor;

static const char *const state_names[] = {"ok", "note", "bad"};
static const char *const state_colours[] = {"\033[32m", "\033[33m", "\033[31m"};

// `what` is stable for scripts; `detail` and `advice` are sentences for people.
static void finding(doctor *d, finding_state state, const char *what, const char *detail,
                    const char *advice) {
    d->notes += state == FINDING_NOTE;
    d->bad += state == FINDING_BAD;
    if (d->output == CLI_JSON) {
        json_value *row = json_object_new();
        json_put_text(row, "check", slice_from_text(what));
        json_put_text(row, "state", slice_from_text(state_names[state]));
        json_put_text(row, "detail", slice_from_text(detail));
        if (advice[0] != '\0') {
            json_put_text(row, "advice", slice_from_text(advice));
        }
        json_push(d->rows, row);
        return;
    }
    printf("  %s%-4s%s  %-14s %s\n", d->colour ? state_colours[state] : "", state_names[state],
           d->colour ? "\033[0m" : "", what, detail);
    if (advice[0] != '\0') {
        printf("        %-14s %s\n", "", advice);
    }
}

static void bytes_text(uint64_t bytes, char *text, size_t size) {
    if (bytes >= 1ull << ENGINE_NO_LIMIT_BYTES_LOG2) {
        snprintf(text, size, "none");
    } else if (bytes >= 10ull << 30) {
        snprintf(text, size, "%llu GiB", (unsigned long long)(bytes >> 30));
    } else {
        snprintf(text, size, "%llu MiB", (unsigned long long)(bytes >> 20));
    }
}

static void check_engine(doctor *d, const engine_facts *f) {
    char text[256];
    snprintf(text, sizeof text, "%s, %s memories, %u processor%s (%s)", engine_version(),
             engine_level_name(f->level), f->processors, f->processors == 1 ? "" : "s",
             f->processor_features);
    finding(d, f->reduced[0] == '\0' ? FINDING_OK : FINDING_NOTE, "engine", text, f->reduced);
}

static void check_memory(doctor *d, const engine_facts *f) {
    char memory[32], group[32], address[32], text[200];
    bytes_text(f->memory_bytes, memory, sizeof memory);
    bytes_text(f->memory_limit_bytes, group, sizeof group);
    bytes_text(f->address_limit_bytes, address, sizeof address);
    snprintf(text, sizeof text, "%s; limit of the control group: %s; of address space: %s", memory, group,
             address);
    bool is_small = f->memory_limit_bytes < 32ull << 20;
    finding(d, is_small ? FINDING_BAD : FINDING_OK, "memory", text,
            is_small ? "give the control group at least 64 MiB" : "");
}

static void check_sandbox(doctor *d) {
    sandbox_report r;
    sandbox_probe(&r);
    char text[128];
    if (r.landlock_abi > 0) {
        snprintf(text, sizeof text, "Landlock version %d, %s", r.landlock_abi,
                 r.has_seccomp ? "system call filters" : "no system call filters");
    } else {
        snprintf(text, sizeof text, "no Landlock, %s",
                 r.has_seccomp ? "system call filters" : "no system call filters");
    }
    finding(d, r.lost[0] == '\0' ? FINDING_OK : FINDING_NOTE, "sandbox", text, r.lost);
}

static void check_cache(doctor *d) {
    auto_buf path;
    buf_init(&path, 4096);
    err e = {0};
    if (host_cache_directory(NULL, &path, &e) != STATUS_OK) {
        finding(d, FINDING_NOTE, "cache", "compiled code is not kept: every start compiles", e.message);
        return;
    }
    auto_buf text;
    buf_init(&text, 8192);
    const char *directory = buf_text(&path);
    // What does not exist yet is made at the first start; what exists must be ours to write.
    bool usable = directory != NULL && (access(directory, W_OK) == 0 || errno == ENOENT);
    status s = buf_append_format(&text, "compiled code is kept in %s", directory == NULL ? "?" : directory);
    const char *detail = s == STATUS_OK ? buf_text(&text) : NULL;
    finding(d, usable ? FINDING_OK : FINDING_NOTE, "cache", detail == NULL ? "" : detail,
            usable ? "" : "it cannot be written, so every start compiles; name another with --cache");
}

static void check_kernel(doctor *d) {
    struct utsname u;
    char text[200] = "unknown";
    if (uname(&u) == 0) {
        snprintf(text, sizeof text, "%.60s %.60s, %.30s", u.sysname, u.release, u.machine);
    }
    finding(d, FINDING_OK, "kernel", text, "");
}

static status set_output(void *target, const char *value, err *e) {
    return cli_parse_output(value, target, e);
}

static const cli_option options[] = {CLI_OPTION_OUTPUT(set_output)};

static const cli_command command = {
    .name = "doctor",
    .usage = "[OPTIONS]",
    .summary = "Check what this machine offers, what is missing, and what would be slow here and why.",
    .details = "Changes nothing. Exits with 0 when writ run works here, with 5 when it cannot.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ doctor\n  writ doctor -o json",
};

static int examine(cli_output output) {
    doctor d = {.output = output, .colour = output == CLI_TEXT && cli_use_colour(STDOUT_FILENO)};
    d.rows = output == CLI_JSON ? json_array_new() : NULL;
    engine_options wanted = engine_options_default();
    engine_facts facts;
    engine_facts_read(&wanted, &facts);
    check_kernel(&d);
    check_engine(&d, &facts);
    check_memory(&d, &facts);
    check_sandbox(&d);
    check_cache(&d);
    if (output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put_bool(document, "works", d.bad == 0);
        json_put(document, "checks", d.rows);
        cli_print_json(document);
    } else {
        printf("%s\n", d.bad > 0     ? "writ run does not work here"
                       : d.notes > 0 ? "writ run works here, with the notes above"
                                     : "all is well");
    }
    return d.bad == 0 ? CLI_EXIT_OK : CLI_EXIT_ENVIRONMENT;
}

int cli_doctor(int argc, char **argv) {
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
    return examine(output);
}
