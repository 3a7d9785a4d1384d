// SPDX-License-Identifier: Apache-2.0
// writ manifest: check manifests of applications, and show them as other tools see them.
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/findings.h"
#include "cli/group.h"
#include "cli/options.h"
#include "deploy/manifest.h"
#include "os/whole_file.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum { FILES_MAX = 256 };

typedef struct manifest_request {
    const char *files[FILES_MAX];
    size_t file_count;
    bool for_cluster;
    cli_output output;
} manifest_request;

CLI_KEEP_OUTPUT(set_output, manifest_request, output);
CLI_TURN_ON(set_cluster, manifest_request, for_cluster);

static status set_file(void *target, const char *value, err *e) {
    manifest_request *r = target;
    if (r->file_count == FILES_MAX) {
        return err_set(e, STATUS_INVALID, "more than %d files", FILES_MAX);
    }
    r->files[r->file_count++] = value;
    return STATUS_OK;
}

// The manifest with everything that is wrong with it; a failure is that the file cannot be read.
static status load(const manifest_request *r, const char *file, manifest **ret, err *e) {
    auto_buf text = {0};
    TRY(file_read_whole(file, MANIFEST_BYTES_MAX, &text, e));
    bool is_read = manifest_read(buf_slice(&text), file, ret) == STATUS_OK;
    // What a broken manifest says about images and the like is worth telling, too; the place keeps the order.
    if (!r->for_cluster) {
        is_read = manifest_check_local(*ret) == STATUS_OK && is_read;
    }
    return STATUS_OK;
}

// --- check -------------------------------------------------------------------------------------------------

static json_value *report_json(const manifest *m) {
    json_value *row = json_object_new();
    json_put_text(row, "file", slice_from_text(m->file));
    json_put(row, "name", manifest_has(&m->name) ? json_text(m->name.value) : json_null_new());
    json_put_bool(row, "valid", m->found.error_count == 0);
    json_put_integer(row, "errors", (int64_t)m->found.error_count);
    json_put_integer(row, "warnings", (int64_t)m->found.warning_count);
    json_put(row, "findings", findings_json(&m->found));
    return row;
}

static void report_text(const manifest *m) {
    auto_buf line;
    buf_init(&line, 1 << 16);
    findings_print(stdout, m->file, &m->found);
    cli_append_printable(&line, slice_from_text(m->file));
    size_t errors = m->found.error_count, warnings = m->found.warning_count;
    printf("%.*s: %s, %zu error%s, %zu warning%s\n", SLICE_ARG(buf_slice(&line)),
           errors == 0 ? "valid" : "invalid", errors, errors == 1 ? "" : "s", warnings,
           warnings == 1 ? "" : "s");
}

static status check(const manifest_request *r, err *e) {
    json_value *reports = json_array_new();
    size_t invalid = 0;
    status result = STATUS_OK;
    for (size_t i = 0; i < r->file_count && result == STATUS_OK; i++) {
        manifest *m;
        result = load(r, r->files[i], &m, e);
        if (result != STATUS_OK) {
            break;
        }
        invalid += m->found.error_count > 0;
        if (r->output == CLI_JSON) {
            json_push(reports, report_json(m));
        } else {
            report_text(m);
        }
        manifest_free(m);
    }
    if (result == STATUS_OK && r->output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put_bool(document, "valid", invalid == 0);
        json_put(document, "manifests", reports);
        cli_print_json(document);
    } else {
        json_free(reports);
    }
    TRY(result);
    return invalid == 0
               ? STATUS_OK
               : err_set(e, STATUS_INVALID, "%zu of %zu manifests cannot be used", invalid, r->file_count);
}

// --- show --------------------------------------------------------------------------------------------------

static status show(const manifest_request *r, err *e) {
    manifest *m;
    manifest_request any = *r;
    any.for_cluster = true;
    TRY(load(&any, r->files[0], &m, e));
    status result = STATUS_OK;
    if (m->found.error_count > 0) {
        if (r->output == CLI_TEXT) {
            findings_print(stderr, m->file, &m->found);
        }
        result = err_set(e, STATUS_INVALID, "%s cannot be used: writ manifest check says why", m->file);
    } else {
        cli_print_json(manifest_to_json(m));
    }
    manifest_free(m);
    return result;
}

// --- the group ---------------------------------------------------------------------------------------------

static int run(const cli_command *command, int argc, char **argv,
               status (*act)(const manifest_request *r, err *e)) {
    manifest_request r = {0};
    err e = {0};
    status parsed = cli_parse(command, argc, argv, &r, &e);
    if (parsed != STATUS_OK) {
        return parsed == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, r.output), CLI_EXIT_USAGE);
    }
    return act(&r, &e) == STATUS_OK ? CLI_EXIT_OK : cli_fail(&e, r.output);
}

static const cli_option check_options[] = {
    {"cluster", 0, NULL, "check for a lattice: images in registries and other applications are fine",
     set_cluster},
    CLI_OPTION_OUTPUT(set_output),
};
static const cli_command check_command = {
    .name = "manifest check",
    .usage = "[OPTIONS] FILE...",
    .summary = "Find everything that is wrong with manifests, each with line, column and what to write.",
    .details =
        "Reads the format of 1.x and applies its rules, then looks whether this host alone can run the\n"
        "application. Starts nothing. Exit codes: 0 all can be used, 4 one cannot.",
    .options = check_options,
    .option_count = COUNT(check_options),
    .examples = "  writ manifest check app.yaml\n  writ manifest check --cluster -o json app.yaml other.yaml",
    .operands_min = 1,
    .operands_max = FILES_MAX,
    .operand = set_file,
};
static int check_main(int argc, char **argv) { return run(&check_command, argc, argv, check); }

static const cli_option show_options[] = {CLI_OPTION_OUTPUT(set_output)};
static const cli_command show_command = {
    .name = "manifest show",
    .usage = "[OPTIONS] FILE",
    .summary = "Print a manifest as JSON in its normalised form: what 1.x stores and sends.",
    .details = "The result is JSON in either format; -o json writes messages as JSON, too.",
    .options = show_options,
    .option_count = COUNT(show_options),
    .examples = "  writ manifest show app.yaml",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_file,
};
static int show_main(int argc, char **argv) { return run(&show_command, argc, argv, show); }

static const cli_member members[] = {
    {"check", "find everything that is wrong with manifests", check_main},
    {"show", "print a manifest in its normalised form", show_main},
};

static const cli_group group = {
    .name = "manifest",
    .summary = "Manifests of applications: several components with links, configuration and secrets.",
    .members = members,
    .member_count = COUNT(members),
    .examples = "  writ manifest check app.yaml\n  writ manifest show app.yaml",
};

int cli_manifest(int argc, char **argv) { return cli_group_run(&group, argc, argv); }
