// SPDX-License-Identifier: Apache-2.0
// writ up: run the applications that manifests describe.
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/applications.h"
#include "cli/endpoint.h"
#include "cli/host_call.h"
#include "cli/host_option.h"
#include "cli/options.h"
#include "cli/start_table.h"
#include "cli/up_internal.h"
#include "os/fd.h"

_Static_assert(offsetof(up_args, host.config) == 0, "cli/host_option.h");

CLI_TURN_ON(set_detached, up_args, is_detached);
CLI_KEEP_TEXT(set_host, up_args, host_name);
CLI_TURN_ON(set_unsigned, up_args, is_unsigned);
CLI_TURN_ON(set_dry_run, up_args, is_dry);

static status set_listen(void *target, const char *value, err *e) {
    up_args *a = target;
    a->is_listener_fixed = true;
    return cli_parse_endpoint(value, &a->host.config.listen_address, &a->host.config.listen_port, e);
}

static status set_file(void *target, const char *value, err *e) {
    up_args *a = target;
    if (a->file_count == UP_FILES_MAX) {
        return err_set(e, STATUS_INVALID, "more than %d files", UP_FILES_MAX);
    }
    a->files[a->file_count++] = value;
    return STATUS_OK;
}

static const cli_option options[] = {
    {"detach", 'd', NULL, "run in the background, or change what runs there", set_detached},
    {"host", 0, "NAME",
     "the name by which it can be asked, told and ended (" CONTROL_HOST_DEFAULT " in the background)",
     set_host},
    {"listen", 'l', "ADDR:PORT", "where to serve HTTP, in place of the manifests' addresses", set_listen},
    CLI_OPTION_WORKERS,
    {"dry-run", 0, NULL, "check and decide everything, show what would run, run nothing", set_dry_run},
    {"unsigned", 0, NULL, "run components this once although nobody whom this host trusts has signed them",
     set_unsigned},
    CLI_OPTION_TRUST(cli_set_trust),
    CLI_OPTION_SETTINGS,
    CLI_OPTIONS_IDENTITY,
    CLI_OPTIONS_SECRETS,
    CLI_OPTION_DATA,
    CLI_OPTION_CACHE,
    CLI_OPTION_CA_FILE,
    CLI_OPTIONS_PROXY,
    CLI_OPTIONS_WATCHED,
    CLI_OPTION_DRAIN,
    CLI_OPTION_VERBOSE,
    CLI_OPTION_HOST_OUTPUT,
};

static const cli_command command = {
    .name = "up",
    .usage = "[OPTIONS] FILE...",
    .summary = "Run the applications that manifests describe, until SIGINT or SIGTERM.",
    .details =
        "All components of all manifests run on one host and share one listener; routes say which requests "
        "are for which.\nEverything that is wrong with the manifests is reported in one pass, and then "
        "nothing runs (exit code 4).\n\nEach component must be signed by somebody whom the trust store "
        "names, and gets what its links and policies name.\n\nSIGHUP makes it read the manifests again: the "
        "changed version takes over without a failed request, or is reported\nand changes nothing.\n\nWith "
        "--detach the host goes on in the background once it serves; when it runs already, it gets the "
        "files, and "
        "only\nwhat changed changes. `writ get`, `writ logs`, `writ scale`, `writ link` and `writ down` are "
        "for "
        "such a host, and for one in\nthe foreground that --host gives a name.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ up app.yaml\n"
                "  writ up --dry-run app.yaml\n"
                "  writ up --detach app.yaml\n"
                "  writ up --listen 127.0.0.1:0 shop/app.yaml blog/app.yaml",
    .operands_min = 1,
    .operands_max = UP_FILES_MAX,
    .operand = set_file,
};

static void show_dry_run(const up_args *a) {
    const host_config *c = &a->host.config;
    if (a->host.output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put_text(document, "address", slice_from_text(c->listen_address));
        json_put_integer(document, "port", c->listen_port);
        json_put(document, "workloads", up_workloads_json(c));
        cli_print_json(document);
        return;
    }
    bool is_v6 = strchr(c->listen_address, ':') != NULL;
    printf("would serve http://%s%s%s:%u/\n", is_v6 ? "[" : "", c->listen_address, is_v6 ? "]" : "",
           (unsigned)c->listen_port);
    up_print_workloads(stdout, c);
}

// --- a generation ------------------------------------------------------------------------------------------

typedef struct watcher {
    up_args *args;
    generation *generation; // NULL when nobody may follow
    host_observer table;    // whom we pass everything on to
    const int *listeners;
    size_t listener_count;
} watcher;

static void on_vetted(void *context, const host_config *config, uint32_t workload, const vetting *v) {
    const watcher *w = context;
    w->table.vetted(w->table.context, config, workload, v);
}

static void on_identified(void *context, const host_config *config, const host_identity *identity,
                          const vetting *vettings) {
    const watcher *w = context;
    w->table.identified(w->table.context, config, identity, vettings);
}

static void on_decided(void *context, const host_config *config, uint32_t workload, const grants *decisions) {
    const watcher *w = context;
    w->table.decided(w->table.context, config, workload, decisions);
}

static void on_missing(void *context, const host_missing_secret *what) {
    const watcher *w = context;
    w->table.missing(w->table.context, what);
}

static void on_compiling(void *context, size_t done, size_t total) {
    const watcher *w = context;
    w->table.compiling(w->table.context, done, total);
}

static void on_listening(void *context, const int *fds, size_t count) {
    watcher *w = context;
    w->listeners = fds;
    w->listener_count = count;
}

// Where somebody waits for what this generation says, it says all before; else whoever reads it finds the
// change done.
static void tell_parent(watcher *w, const char *url, int workers) {
    up_args *a = w->args;
    auto_fd plan_fd = -1, summary_fd = -1;
    bool is_reported = generation_is_reported(w->generation);
    up_tell_changes(a, a->host.asked.status, generation_summary(w->generation), &summary_fd);
    if (plan_write_file(&a->plan, &plan_fd, NULL) != STATUS_OK) {
        plan_fd = -1; // it was read from one, or from fewer bytes
    }
    if (is_reported) {
        w->table.serving(w->table.context, url, workers);
    }
    generation_serving(w->generation, w->listeners, w->listener_count, plan_fd, summary_fd);
    if (!is_reported) {
        w->table.serving(w->table.context, url, workers);
    }
    if (a->host.asked.control != NULL) {
        control_serve(a->host.asked.control, url);
    }
}

static void on_serving(void *context, const char *url, int workers) {
    watcher *w = context;
    if (w->args->host.output == CLI_TEXT) {
        up_print_workloads(stderr, &w->args->host.config);
    } else {
        json_value *document = json_object_new();
        json_put_text(document, "event", slice_from_text("workloads"));
        json_put(document, "workloads", up_workloads_json(&w->args->host.config));
        cli_print_json_line(document, stderr);
    }
    if (w->generation != NULL) {
        tell_parent(w, url, workers);
    } else {
        w->table.serving(w->table.context, url, workers);
    }
}

static status plan_of_files(up_args *a, err *e) {
    for (size_t i = 0; i < a->file_count; i++) {
        char path[PATH_MAX];
        const char *file = a->files[i];
        if (a->host_name != NULL) { // else messages call it what the user does
            TRY(up_absolute(file, path, e));
            file = path;
        }
        TRY(plan_take(&a->plan, file, a->is_unsigned, e));
    }
    return STATUS_OK;
}

static status make_plan(up_args *a, const generation *g, err *e) {
    if (g == NULL || generation_plan(g) < 0) {
        return plan_of_files(a, e);
    }
    TRY(plan_read_file(generation_plan(g), &a->plan, e));
    if (generation_is_reread(g)) {
        plan_take_all(&a->plan, generation_keeps_changes(g));
    } else {
        a->host.output = a->plan.is_json ? CLI_JSON : CLI_TEXT; // of whoever asked
    }
    return STATUS_OK;
}

static status start(up_args *a, generation *g, int *ret_exit, err *e) {
    watcher w = {.args = a, .generation = g, .table = start_table_observer(&a->host.output)};
    const host_observer observer = {.context = &w,
                                    .vetted = on_vetted,
                                    .identified = on_identified,
                                    .decided = on_decided,
                                    .compiling = on_compiling,
                                    .missing = on_missing,
                                    .listening = on_listening,
                                    .serving = on_serving};
    host_config *c = &a->host.config;
    TRY(make_plan(a, g, e));
    const applications_input input = {&a->plan, a->is_listener_fixed, a->host.output};
    TRY(cli_applications_read(&input, c, e));
    if (c->workload_count == 0) {
        return err_set(e, STATUS_INVALID,
                       "there is nothing to run: no component has a scaler (a trait of type spreadscaler)");
    }
    if (a->is_dry) {
        TRY(cli_host_check(&a->host, &observer, e));
        show_dry_run(a);
        return STATUS_OK;
    }
    return cli_host_run(&a->host, &observer, ret_exit, e);
}

static int run_generation(void *context, generation *g) {
    up_args *a = context;
    int code = CLI_EXIT_OK;
    err e = {0};
    generation_adopt(g, &a->host.config);
    a->host.generation = g;
    a->host.asked.plan = &a->plan;
    return start(a, g, &code, &e) == STATUS_OK ? code : cli_fail(&e, a->host.output);
}

// --- the parent of generations -----------------------------------------------------------------------------

static void on_kept(void *context, int exit_status) {
    const up_args *a = context;
    if (a->host.output == CLI_TEXT) {
        fprintf(stderr, "writ: the change is not taken; what ran before goes on\n");
        return;
    }
    json_value *document = json_object_new();
    json_put_text(document, "event", slice_from_text("kept"));
    json_put_integer(document, "exit", exit_status);
    cli_print_json_line(document, stderr);
}

static void on_first_serving(void *context) {
    up_args *a = context;
    if (a->is_detached) {
        background_ready(&a->background);
    }
}

static status run_generations(up_args *a, int *ret_exit, err *e) {
    const generations_options o = {.run = run_generation,
                                   .kept = on_kept,
                                   .serving = on_first_serving,
                                   .context = a,
                                   .is_background = a->is_detached};
    return generations_run(&o, ret_exit, e);
}

// --- the command -------------------------------------------------------------------------------------------

static status check_options(up_args *a, err *e) {
    if (a->is_detached && a->host_name == NULL) {
        a->host_name = CONTROL_HOST_DEFAULT;
    }
    if (a->host_name != NULL && (a->host.config.workers == 0 || a->is_dry)) {
        return err_set(e, STATUS_INVALID, "--workers 0 and --dry-run go with neither --detach nor --host");
    }
    return a->host_name == NULL ? STATUS_OK : control_check_name(a->host_name, e);
}

static status run_named(up_args *a, int *ret_exit, err *e) {
    bool is_copy = true;
    TRY(up_open_place(a, e));
    if (a->is_detached) {
        TRY(background_start(&a->background, &is_copy, ret_exit, e));
    }
    return is_copy ? run_generations(a, ret_exit, e) : STATUS_OK;
}

// With workers it can be changed while it runs; in one process it cannot, and neither when nothing runs.
static status run(up_args *a, int *ret_exit, err *e) {
    if (a->host_name == NULL) {
        return a->is_dry || a->host.config.workers == 0 ? start(a, NULL, ret_exit, e)
                                                        : run_generations(a, ret_exit, e);
    }
    TRY(up_note_options(a, e));
    if (up_is_running(a)) {
        return up_apply(a, ret_exit, e);
    }
    TRY(cli_host_open(&a->host, e));
    return run_named(a, ret_exit, e);
}

int cli_up(int argc, char **argv) {
    up_args a = {0};
    err e = {0};
    int code = CLI_EXIT_OK;
    cli_host_init(&a.host);
    host_config_init(&a.host.config);
    status s = cli_parse(&command, argc, argv, &a, &e);
    s = s == STATUS_OK ? check_options(&a, &e) : s;
    bool is_usage = s != STATUS_OK;
    if (s == STATUS_OK && a.host_name == NULL) {
        s = cli_host_open(&a.host, &e);
        is_usage = s == STATUS_INVALID;
    }
    if (s == STATUS_OK) {
        s = run(&a, &code, &e);
    }
    plan_done(&a.plan);
    return cli_host_end(&a.host, s, is_usage, code, &e);
}
