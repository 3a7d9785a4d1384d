// SPDX-License-Identifier: Apache-2.0
// writ explain what-may: everything that a component may import, call and reach, and why.
#include <stdio.h>
#include <string.h>

#include "cli/explain_internal.h"
#include "cli/start_table.h"
#include "cli/workload_option.h"

enum { LINE_BYTES_MAX = 8192 };

static bool is_of_manifest(const explain_subject *s) { return s->x.workload->manifest_path != NULL; }

// --- calls -------------------------------------------------------------------------------------------------

// One link of one interface; a call of each function is asked about.
typedef struct link_view {
    slice interface;
    slice name;
    const char *target;
} link_view;

typedef status (*each_link)(void *context, const link_view *l, err *e);

static status for_each_link(const workload_config *w, each_link visit, void *context, err *e) {
    for (size_t i = 0; i < w->links.count; i++) {
        const host_link *l = &w->links.items[i];
        for (size_t k = 0; k < l->interface_count; k++) {
            const link_view v = {slice_from_text(l->interfaces[k]), slice_from_text(l->name), l->target};
            TRY(visit(context, &v, e));
        }
    }
    for (size_t i = 0; i < w->callee_count; i++) {
        const host_callee *c = &w->callees[i];
        const link_view v = {slice_from_text(c->interface), slice_from_text(c->link), c->workload};
        TRY(visit(context, &v, e));
    }
    return STATUS_OK;
}

typedef struct asked { // a function, and what came of it
    slice name;
    explanation why;
} asked;

static status ask(const explain_subject *s, const link_view *l, size_t index, asked *ret, err *e) {
    ret->name = explain_function_at(&s->x, l->interface, l->name, index);
    const explain_question q = {.interface = l->interface, .function = ret->name, .link = l->name};
    return ret->name.len == 0 ? STATUS_OK : explain_call(s->config, &s->x, &q, &ret->why, e);
}

static const char *reason_of(const explanation *x) { return x->steps[x->denied_by].text; }

typedef struct json_link {
    const explain_subject *s;
    json_value *list;
} json_link;

static status put_link(void *context, const link_view *l, err *e) {
    json_link *j = context;
    json_value *row = json_object_new(), *functions = json_array_new();
    json_put_text(row, "interface", l->interface);
    json_put_text(row, "link", l->name);
    json_put_text(row, "target", slice_from_text(l->target));
    json_put(row, "functions", functions);
    json_push(j->list, row);
    for (size_t i = 0;; i++) {
        asked a = {0};
        TRY(ask(j->s, l, i, &a, e));
        if (a.name.len == 0) {
            return STATUS_OK;
        }
        json_value *function = json_object_new();
        json_put_text(function, "name", a.name);
        json_put_bool(function, "allowed", a.why.is_allowed);
        if (!a.why.is_allowed) {
            json_put_text(function, "why", slice_from_text(reason_of(&a.why)));
        }
        json_push(functions, function);
        explanation_done(&a.why);
    }
}

static void print_escaped(slice text) {
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    cli_append_printable(&line, text);
    printf("%.*s", SLICE_ARG(buf_slice(&line)));
}

static void print_function(const asked *a) {
    printf("    %-7s ", a->why.is_allowed ? "may" : "may not");
    print_escaped(a->name);
    if (!a->why.is_allowed) {
        printf(": ");
        print_escaped(slice_from_text(reason_of(&a->why)));
    }
    printf("\n");
}

static status print_link(void *context, const link_view *l, err *e) {
    const explain_subject *s = context;
    printf("  ");
    print_escaped(l->interface);
    printf(" via ");
    print_escaped(l->name);
    printf(" to ");
    print_escaped(slice_from_text(l->target));
    printf("\n");
    for (size_t i = 0;; i++) {
        asked a = {0};
        TRY(ask(s, l, i, &a, e));
        if (a.name.len == 0) {
            if (i == 0) {
                printf("    its component imports no function of it\n");
            }
            return STATUS_OK;
        }
        print_function(&a);
        explanation_done(&a.why);
    }
}

// --- what it reaches, and who reaches it -------------------------------------------------------------------

typedef struct reached {
    const char *kind;   // "http"
    const char *option; // that grants it on a command line, without dashes: as a policy calls it, too
    slice name;
    const char *more; // "read-only"
} reached;

typedef void (*each_reached)(void *context, const reached *r);

static void for_each_host(const network_policy *p, const char *kind, const char *option, each_reached visit,
                          void *context) {
    for (size_t i = 0; i < p->rule_count; i++) {
        auto_buf text;
        buf_init(&text, NETWORK_NAME_BYTES_MAX + 64);
        if (network_policy_format(p, i, &text) == STATUS_OK) {
            const reached r = {kind, option, buf_slice(&text), ""};
            visit(context, &r);
        }
    }
}

static void for_each_name(const workload_config *w, each_reached visit, void *context) {
    for (size_t i = 0; i < w->variable_count; i++) {
        visit(context, &(reached){"variable", "env", slice_from_text(w->variables[i].name), ""});
    }
    for (size_t i = 0; i < w->value_count; i++) {
        visit(context, &(reached){"value", "config-value", slice_from_text(w->values[i].name), ""});
    }
    for (size_t i = 0; i < w->secret_count; i++) {
        visit(context, &(reached){"secret", "secret", slice_from_text(w->secrets[i].name), ""});
    }
}

static void for_each_reached(const explain_subject *s, each_reached visit, void *context) {
    const workload_config *w = s->x.workload;
    for_each_host(&w->http_policy, "http", "allow-http", visit, context);
    for_each_host(&w->net_policy, "sockets", "allow-net", visit, context);
    for (size_t i = 0; i < w->directory_count; i++) {
        const host_directory *d = &w->directories[i];
        visit(context, &(reached){"directory", "dir", slice_from_text(d->guest_path),
                                  d->read_only ? "read-only" : "read and write"});
    }
    for_each_name(w, visit, context);
}

// Routes, and other workloads that call it.
static void for_each_way_in(const explain_subject *s, each_reached visit, void *context) {
    const workload_config *w = s->x.workload;
    for (size_t i = 0; i < w->route_count; i++) {
        const char *host = w->routes[i].host;
        visit(context, &(reached){"route", "", slice_from_text(w->routes[i].path), host != NULL ? host : ""});
    }
    for (size_t i = 0; i < s->config->workload_count; i++) {
        const workload_config *from = &s->config->workloads[i];
        for (size_t k = 0; k < from->callee_count; k++) {
            if (strcmp(from->callees[k].workload, w->name) == 0) {
                visit(context,
                      &(reached){"caller", "", slice_from_text(from->name), from->callees[k].interface});
            }
        }
    }
}

static void put_reached(void *context, const reached *r) {
    json_value *row = json_object_new();
    json_put_text(row, "kind", slice_from_text(r->kind));
    json_put_text(row, "name", r->name);
    if (r->option[0] != '\0') {
        json_put_text(row, "granted_by", slice_from_text(r->option));
    }
    if (r->more[0] != '\0') {
        json_put_text(row, "more", slice_from_text(r->more));
    }
    json_push(context, row);
}

static void print_reached(void *context, const reached *r) {
    const explain_subject *s = context;
    printf("  %-9s ", r->kind);
    print_escaped(r->name);
    if (r->more[0] != '\0') {
        printf(", ");
        print_escaped(slice_from_text(r->more));
    }
    if (r->option[0] != '\0') {
        printf(is_of_manifest(s) ? " (by its manifest)" : " (by --%s)", r->option);
    }
    printf("\n");
}

static void count_reached(void *context, const reached *r) {
    (void)r;
    ++*(size_t *)context;
}

// --- the whole ---------------------------------------------------------------------------------------------

static status print_json(const explain_subject *s, err *e) {
    json_value *document = json_object_new(), *calls = json_array_new();
    json_value *reaches = json_array_new(), *ways_in = json_array_new();
    json_link j = {s, calls};
    status result = for_each_link(s->x.workload, put_link, &j, e);
    for_each_reached(s, put_reached, reaches);
    for_each_way_in(s, put_reached, ways_in);
    json_put_text(document, "name", slice_from_text(s->x.workload->name));
    json_put_text(document, "component", slice_from_text(s->x.workload->component_path));
    json_put_bool(document, "starts", examination_may_start(&s->x));
    json_put(document, "writ", start_table_writ_json(&s->x.vetting));
    json_put(document, "imports", start_table_json(s->x.decisions));
    json_put(document, "calls", calls);
    json_put(document, "reaches", reaches);
    json_put(document, "reached_by", ways_in);
    if (result != STATUS_OK) {
        json_free(document);
        return result;
    }
    cli_print_json(document);
    return STATUS_OK;
}

static void print_section(const char *title, size_t count) {
    printf("%s%s\n", title, count == 0 ? ": nothing" : "");
}

static status print_text(const explain_subject *s, err *e) {
    const workload_config *w = s->x.workload;
    size_t reaches = 0, ways_in = 0;
    printf("%s (%s)%s\n", w->name, w->component_path,
           examination_may_start(&s->x) ? "" : ": would not start; writ explain why-refused tells why");
    start_table_print(s->x.decisions, stdout);
    print_section("calls", w->links.count + w->callee_count);
    TRY(for_each_link(w, print_link, (void *)(uintptr_t)s, e));
    for_each_reached(s, count_reached, &reaches);
    print_section("reaches", reaches);
    for_each_reached(s, print_reached, (void *)(uintptr_t)s);
    for_each_way_in(s, count_reached, &ways_in);
    print_section("is reached by", ways_in);
    for_each_way_in(s, print_reached, (void *)(uintptr_t)s);
    return STATUS_OK;
}

static status show(const explain_args *a, const explain_subject *s, int *ret_code, err *e) {
    (void)ret_code;
    if (s->x.decisions == NULL) {
        return err_set(e, s->x.unreadable.code, "%s", s->x.unreadable.message);
    }
    return (a->output == CLI_JSON ? print_json : print_text)(s, e);
}

static const cli_option options[] = {EXPLAIN_OPTIONS};

static const cli_command command = {
    .name = "explain what-may",
    .usage = "[OPTIONS] NAME",
    .summary = "Show everything that a component may import, call and reach, and who reaches it, with the "
               "reason for each.",
    .details = "NAME is the file of a component, with the options that writ run would get, or with -f a "
               "component of a manifest.\nSecrets and values are shown by name.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .shared = workload_options,
    .shared_count = WORKLOAD_OPTIONS,
    .examples = "  writ explain what-may -f app.yaml shop\n"
                "  writ explain what-may --dir ./data::/data:ro tool.wasm",
    .operands_min = 1,
    .operands_max = 1,
    .operand = explain_set_name,
};

int explain_may(int argc, char **argv) { return explain_run(&command, argc, argv, show); }
