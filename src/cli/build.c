// SPDX-License-Identifier: Apache-2.0
// writ build: runs what builds the components of a project, and signs them.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/key_option.h"
#include "cli/options.h"
#include "cli/workspace.h"
#include "os/clock.h"
#include "os/file.h"

typedef struct build_request {
    const char *folder;
    const char *only; // a component, or NULL for all
    sign_request sign;
    bool is_unsigned;
    cli_output output;
} build_request;

CLI_KEEP_TEXT(set_folder, build_request, folder);
CLI_KEEP_TEXT(set_only, build_request, only);
CLI_KEEP_TEXT(set_issuer, build_request, sign.issuer);
CLI_KEEP_TEXT(set_keys_dir, build_request, sign.keys_dir);
CLI_KEEP_TEXT(set_passphrase_file, build_request, sign.passphrase_file);
CLI_KEEP_TEXT(set_lasts_for, build_request, sign.validity.lasts_for);
CLI_TURN_ON(set_unsigned, build_request, is_unsigned);
CLI_KEEP_OUTPUT(set_output, build_request, output);

static const cli_option options[] = {
    {"only", 0, "COMPONENT", "build this one alone", set_only},
    {"issuer", 'i', "KEY", "who signs: a stored key, or a seed file by its path (account)", set_issuer},
    CLI_OPTION_KEYS(set_keys_dir),
    CLI_OPTION_PASSPHRASE_FILE(set_passphrase_file),
    CLI_OPTION_FOR(set_lasts_for),
    {"no-sign", 0, NULL, "leave the components unsigned", set_unsigned},
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command command = {
    .name = "build",
    .usage = "[OPTIONS] [FOLDER]",
    .summary = "Build the components of a project with the tools of their languages, and sign them.",
    .details =
        "Reads writ.yaml in FOLDER (this one), looks for the programs that it names, and runs the command of "
        "each\n"
        "component. What the commands print is shown as it comes. Each result is signed in its place with "
        "the key\n"
        "`account`, if there is one, and may import what it imports and no more.\n"
        "Exit codes: 1 a command failed, 4 the project file or a component is wrong, 5 programs are missing.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ build\n"
                "  writ build --only greeter shop\n"
                "  writ build --issuer ./ci.nk --for 90d -o json",
    .operands_min = 0,
    .operands_max = 1,
    .operand = set_folder,
};

typedef struct built {
    const project_component *component;
    uint64_t bytes;
    uint64_t took_ms;
    bool is_signed;
    nkey_public issuer;
} built;

// --- one component -----------------------------------------------------------------------------------------

static uint64_t size_of(const workspace *w, const project_component *c) {
    auto_buf path = {0};
    file_info info;
    bool is_known = workspace_path(w, c->output, &path, NULL) == STATUS_OK &&
                    file_info_at(AT_FDCWD, buf_text(&path), &info) == 0;
    return is_known ? info.size : 0;
}

static status build_one(const build_request *r, const workspace *w, bool signs, built *ret, err *e) {
    process p;
    const project_component *c = ret->component;
    uint64_t before_ns = clock_now_ns();
    if (r->output == CLI_TEXT) {
        fprintf(stderr, "writ: %s: %s\n", c->name, c->build);
    }
    TRY(workspace_start_build(w, c, false, &p, e));
    TRY(workspace_check_build(w, c, process_wait(&p), e));
    if (signs) {
        TRY(workspace_sign(w, c, &r->sign, &ret->issuer, e));
        ret->is_signed = true;
    }
    ret->took_ms = (clock_now_ns() - before_ns) / 1000000;
    ret->bytes = size_of(w, c);
    return STATUS_OK;
}

static void report_text(const built *b) {
    printf("%s: %llu bytes, %llu.%llu s, ", b->component->output, (unsigned long long)b->bytes,
           (unsigned long long)b->took_ms / 1000, (unsigned long long)b->took_ms % 1000 / 100);
    if (b->is_signed) {
        printf("signed by %s\n", nkey_public_text(&b->issuer).text);
    } else {
        printf("not signed\n");
    }
    fflush(stdout);
}

static json_value *report_json(const built *b) {
    json_value *row = json_object_new();
    json_put_text(row, "component", slice_from_text(b->component->name));
    json_put_text(row, "output", slice_from_text(b->component->output));
    json_put_integer(row, "bytes", (int64_t)b->bytes);
    json_put_integer(row, "took_ms", (int64_t)b->took_ms);
    json_put(row, "issuer",
             b->is_signed ? json_text(slice_from_text(nkey_public_text(&b->issuer).text)) : json_null_new());
    return row;
}

// --- all of them -------------------------------------------------------------------------------------------

// A developer without a key builds all the same.
static status has_key(const build_request *r, bool *ret, err *e) {
    nkey_public key;
    *ret = !r->is_unsigned;
    if (*ret && r->sign.issuer == NULL) {
        status s = cli_public_key("account", r->sign.keys_dir, &key, e);
        *ret = s == STATUS_OK;
        return s == STATUS_NOT_FOUND ? STATUS_OK : s;
    }
    return STATUS_OK;
}

static status build_all(const build_request *r, const workspace *w, bool signs, json_value *rows, err *e) {
    bool has_built = false;
    for (size_t i = 0; i < w->project->component_count; i++) {
        built b = {.component = &w->project->components[i]};
        if (r->only != NULL && strcmp(r->only, b.component->name) != 0) {
            continue;
        }
        TRY(build_one(r, w, signs, &b, e));
        has_built = true;
        if (r->output == CLI_TEXT) {
            report_text(&b);
        } else {
            json_push(rows, report_json(&b));
        }
    }
    return has_built ? STATUS_OK : err_set(e, STATUS_INVALID, "%s has no component %.40s", w->file, r->only);
}

static void advise(const build_request *r, const workspace *w) {
    if (r->output == CLI_TEXT && !r->is_unsigned) {
        fprintf(stderr,
                "writ: there is no key to sign with. Make one, and believe it here:\n"
                "  writ keys gen account && writ trust add account\n"
                "or run it once as it is:\n"
                "  writ up --unsigned %s\n",
                w->project->manifest);
    }
}

static status build(const build_request *r, const workspace *w, err *e) {
    bool signs;
    TRY(has_key(r, &signs, e));
    TRY(workspace_check_tools(w, e));
    json_value *rows = json_array_new();
    status s = build_all(r, w, signs, rows, e);
    if (s != STATUS_OK || r->output == CLI_TEXT) {
        json_free(rows);
    } else {
        json_value *document = json_object_new();
        json_put_text(document, "project", slice_from_text(w->project->name));
        json_put(document, "components", rows);
        cli_print_json(document);
    }
    if (s == STATUS_OK && !signs) {
        advise(r, w);
    }
    return s;
}

int cli_build(int argc, char **argv) {
    build_request *r = MEM_NEW(build_request);
    workspace w = {0};
    err e = {0};
    int code = CLI_EXIT_OK;
    r->folder = ".";
    status s = cli_parse(&command, argc, argv, r, &e);
    s = s == STATUS_OK ? cli_validity_check(&r->sign.validity, &e) : s;
    if (s != STATUS_OK) {
        code = s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, r->output), CLI_EXIT_USAGE);
    } else if (workspace_open(r->folder, r->output, &w, &e) != STATUS_OK || build(r, &w, &e) != STATUS_OK) {
        code = cli_fail(&e, r->output);
    }
    workspace_done(&w);
    mem_free(r);
    return code;
}
