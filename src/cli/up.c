// SPDX-License-Identifier: Apache-2.0
// writ up: run the applications that manifests describe.
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/applications.h"
#include "cli/cli.h"
#include "cli/endpoint.h"
#include "cli/host_option.h"
#include "cli/host_start.h"
#include "cli/options.h"
#include "cli/start_table.h"
#include "host/generations.h"
#include "host/host.h"

enum { FILES_MAX = 64 };

typedef struct up_args {
    cli_host host; // first; workloads come from the manifests
    const char *files[FILES_MAX];
    size_t file_count;
    bool is_listener_fixed;
    bool is_unsigned;
    bool is_dry;
} up_args;
_Static_assert(offsetof(up_args, host.config) == 0, "cli/host_option.h");

CLI_TURN_ON(set_unsigned, up_args, is_unsigned);
CLI_TURN_ON(set_dry_run, up_args, is_dry);

static status set_listen(void *target, const char *value, err *e) {
    up_args *a = target;
    a->is_listener_fixed = true;
    return cli_parse_endpoint(value, &a->host.config.listen_address, &a->host.config.listen_port, e);
}

static status set_file(void *target, const char *value, err *e) {
    up_args *a = target;
    if (a->file_count == FILES_MAX) {
        return err_set(e, STATUS_INVALID, "more than %d files", FILES_MAX);
    }
    a->files[a->file_count++] = value;
    return STATUS_OK;
}

static const cli_option options[] = {
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
        "changed version takes over without a failed request, or is reported\nand changes nothing.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ up app.yaml\n"
                "  writ up --dry-run app.yaml\n"
                "  writ up --listen 127.0.0.1:0 shop/app.yaml blog/app.yaml",
    .operands_min = 1,
    .operands_max = FILES_MAX,
    .operand = set_file,
};

// --- what runs ---------------------------------------------------------------------------------------------

static json_value *routes_json(const workload_config *w) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < w->route_count; i++) {
        json_value *row = json_object_new();
        json_put(row, "host",
                 w->routes[i].host == NULL ? json_null_new() : json_text(slice_from_text(w->routes[i].host)));
        json_put_text(row, "path", slice_from_text(w->routes[i].path));
        json_push(list, row);
    }
    return list;
}

static json_value *links_json(const workload_config *w) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < w->links.count; i++) {
        const host_link *l = &w->links.items[i];
        json_value *row = json_object_new(), *interfaces = json_array_new();
        for (size_t n = 0; n < l->interface_count; n++) {
            json_push(interfaces, json_text(slice_from_text(l->interfaces[n])));
        }
        json_put_text(row, "name", slice_from_text(l->name));
        json_put(row, "interfaces", interfaces);
        json_put_text(row, "target", slice_from_text(l->target));
        json_push(list, row);
    }
    for (size_t i = 0; i < w->callee_count; i++) {
        json_value *row = json_object_new(), *interfaces = json_array_new();
        json_push(interfaces, json_text(slice_from_text(w->callees[i].interface)));
        json_put_text(row, "name", slice_from_text(w->callees[i].link));
        json_put(row, "interfaces", interfaces);
        json_put_text(row, "target", slice_from_text(w->callees[i].workload));
        json_push(list, row);
    }
    return list;
}

static json_value *workloads_json(const host_config *c) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < c->workload_count; i++) {
        const workload_config *w = &c->workloads[i];
        json_value *row = json_object_new();
        json_put_text(row, "name", slice_from_text(w->name));
        json_put_text(row, "component", slice_from_text(w->component_path));
        json_put_integer(row, "instances", w->limits.instances_max);
        json_put(row, "routes", routes_json(w));
        json_put(row, "links", links_json(w));
        json_push(list, row);
    }
    return list;
}

static void print_escaped(FILE *out, const char *text) {
    auto_buf line;
    buf_init(&line, 1 << 16);
    cli_append_printable(&line, slice_from_text(text));
    fprintf(out, "%.*s", SLICE_ARG(buf_slice(&line)));
}

static void print_link(FILE *out, const char *interface, const char *name, const char *target) {
    fprintf(out, "    %-8s ", "link");
    print_escaped(out, interface);
    fprintf(out, " as ");
    print_escaped(out, name);
    fprintf(out, " to ");
    print_escaped(out, target);
    fputc('\n', out);
}

static void print_workload(FILE *out, const workload_config *w) {
    fprintf(out, "  ");
    print_escaped(out, w->name);
    fprintf(out, ": ");
    print_escaped(out, w->component_path);
    fprintf(out, ", at most %u instance%s\n", w->limits.instances_max,
            w->limits.instances_max == 1 ? "" : "s");
    for (size_t i = 0; i < w->route_count; i++) {
        fprintf(out, "    %-8s ", "route");
        print_escaped(out, w->routes[i].host == NULL ? "" : w->routes[i].host);
        print_escaped(out, w->routes[i].path);
        fputc('\n', out);
    }
    for (size_t i = 0; i < w->links.count; i++) {
        const host_link *l = &w->links.items[i];
        for (size_t n = 0; n < l->interface_count; n++) {
            print_link(out, l->interfaces[n], l->name, l->target);
        }
    }
    for (size_t i = 0; i < w->callee_count; i++) {
        print_link(out, w->callees[i].interface, w->callees[i].link, w->callees[i].workload);
    }
}

static void print_workloads(FILE *out, const host_config *c) {
    for (size_t i = 0; i < c->workload_count; i++) {
        print_workload(out, &c->workloads[i]);
    }
}

static void show_dry_run(const up_args *a) {
    const host_config *c = &a->host.config;
    if (a->host.output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put_text(document, "address", slice_from_text(c->listen_address));
        json_put_integer(document, "port", c->listen_port);
        json_put(document, "workloads", workloads_json(c));
        cli_print_json(document);
        return;
    }
    bool is_v6 = strchr(c->listen_address, ':') != NULL;
    printf("would serve http://%s%s%s:%u/\n", is_v6 ? "[" : "", c->listen_address, is_v6 ? "]" : "",
           (unsigned)c->listen_port);
    print_workloads(stdout, c);
}

// --- the command -------------------------------------------------------------------------------------------

typedef struct watcher {
    up_args *args;
    generation *generation; // NULL when nobody may follow
    host_observer table;    // whom we pass everything on to
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
    const watcher *w = context;
    if (w->generation != NULL) {
        generation_serving(w->generation, fds, count, -1, -1);
    }
}

static void on_serving(void *context, const char *url, int workers) {
    const watcher *w = context;
    if (w->args->host.output == CLI_TEXT) {
        print_workloads(stderr, &w->args->host.config);
    } else {
        json_value *document = json_object_new();
        json_put_text(document, "event", slice_from_text("workloads"));
        json_put(document, "workloads", workloads_json(&w->args->host.config));
        cli_print_json_line(document, stderr);
    }
    w->table.serving(w->table.context, url, workers);
}

static status start(up_args *a, generation *g, int *ret_exit, err *e) {
    watcher w = {a, g, start_table_observer(&a->host.output)};
    const host_observer observer = {.context = &w,
                                    .vetted = on_vetted,
                                    .identified = on_identified,
                                    .decided = on_decided,
                                    .compiling = on_compiling,
                                    .missing = on_missing,
                                    .listening = on_listening,
                                    .serving = on_serving};
    host_config *c = &a->host.config;
    const applications_input input = {a->files, a->file_count, a->is_listener_fixed, a->is_unsigned,
                                      a->host.output};
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
    return start(a, g, &code, &e) == STATUS_OK ? code : cli_fail(&e, a->host.output);
}

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

// With workers it can be changed while it runs; in one process it cannot, and neither when nothing runs.
static status run(up_args *a, int *ret_exit, err *e) {
    const generations_options o = {.run = run_generation, .kept = on_kept, .context = a};
    return a->is_dry || a->host.config.workers == 0 ? start(a, NULL, ret_exit, e)
                                                    : generations_run(&o, ret_exit, e);
}

int cli_up(int argc, char **argv) {
    up_args a = {0};
    err e = {0};
    int code = CLI_EXIT_OK;
    cli_host_init(&a.host);
    host_config_init(&a.host.config);
    status s = cli_parse(&command, argc, argv, &a, &e);
    bool is_usage = s != STATUS_OK;
    if (s == STATUS_OK) {
        s = cli_host_open(&a.host, &e);
        is_usage = s == STATUS_INVALID;
    }
    if (s == STATUS_OK) {
        s = run(&a, &code, &e);
    }
    return cli_host_end(&a.host, s, is_usage, code, &e);
}
