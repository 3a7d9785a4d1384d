// SPDX-License-Identifier: Apache-2.0
// writ explain: why something is denied or refused, and what somebody may do. Starts nothing.
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/applications.h"
#include "cli/explain_internal.h"
#include "cli/group.h"
#include "cli/host_option.h"
#include "cli/places.h"
#include "cli/start_table.h"
#include "cli/workload_option.h"
#include "identity/refusal.h"
#include "os/clock.h"
#include "policy/call_pattern.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum { LINE_BYTES_MAX = 8192, SUGGESTION_BYTES_MAX = 64 << 10 };

_Static_assert(offsetof(explain_args, config) == 0, "cli/host_option.h, cli/workload_option.h");

CLI_KEEP_TEXT(set_via, explain_args, link);
CLI_KEEP_TEXT(set_target, explain_args, target);

status explain_set_output(void *target, const char *value, err *e) {
    return cli_parse_output(value, &((explain_args *)target)->output, e);
}

status explain_set_file(void *target, const char *value, err *e) {
    explain_args *a = target;
    if (a->file_count == EXPLAIN_FILES_MAX) {
        return err_set(e, STATUS_INVALID, "more than %d files", EXPLAIN_FILES_MAX);
    }
    a->files[a->file_count++] = value;
    return STATUS_OK;
}

status explain_set_name(void *target, const char *value, err *e) {
    ((explain_args *)target)->name = value;
    return workload_option_component(target, value, e);
}

// --- whom it is about --------------------------------------------------------------------------------------

static char *moved(char **from) {
    char *text = *from;
    *from = NULL;
    return text;
}

static status read_applications(explain_args *a, explain_subject *s, uint32_t *ret_workload, err *e) {
    plan files = {0};
    const applications_input input = {&files, false, a->output};
    host_config *c = &s->applications;
    host_config_init(c);
    s->config = c;
    c->trust_usual = moved(&a->config.trust_usual);
    c->trust_named = moved(&a->config.trust_named);
    c->settings_path = moved(&a->config.settings_path);
    status read = cli_applications_of(a->files, a->file_count, a->config.workloads[0].is_unsigned, &files, e);
    read = read == STATUS_OK ? cli_applications_read(&input, c, e) : read;
    plan_done(&files);
    TRY(read);
    *ret_workload = explain_find(c, slice_from_text(a->name));
    return *ret_workload < HOST_WORKLOADS_MAX
               ? STATUS_OK
               : err_set(e, STATUS_INVALID,
                         "no component that runs here is called \"%.80s\", or several are; writ up --dry-run "
                         "shows the names",
                         a->name);
}

static status find_subject(explain_args *a, explain_subject *s, err *e) {
    uint32_t workload = 0;
    cli_default_trust(&a->config.trust_usual);
    s->config = &a->config;
    workload_option_name(&a->config.workloads[0]);
    if (a->file_count > 0) {
        TRY(read_applications(a, s, &workload, e));
    }
    examination_make(s->config, workload, clock_wall_now().seconds, &s->x);
    return STATUS_OK;
}

static status explain(explain_args *a, explain_body body, int *ret_code, err *e) {
    explain_subject s = {0};
    status result = find_subject(a, &s, e);
    if (result == STATUS_OK) {
        result = body(a, &s, ret_code, e);
    }
    examination_done(&s.x);
    host_config_done(&s.applications);
    return result;
}

int explain_run(const cli_command *command, int argc, char **argv, explain_body body) {
    explain_args a = {0};
    err e = {0};
    int code = CLI_EXIT_OK;
    status s = workload_option_init(&a.config, &e);
    if (s == STATUS_OK) {
        s = cli_parse(command, argc, argv, &a, &e);
    }
    if (s == STATUS_OK) {
        code = explain(&a, body, &code, &e) == STATUS_OK ? code : cli_fail(&e, a.output);
    } else if (s != STATUS_CANCELLED) {
        cli_fail(&e, a.output);
        code = CLI_EXIT_USAGE;
    }
    host_config_done(&a.config);
    return code;
}

// --- why-denied --------------------------------------------------------------------------------------------

static const char *const kind_names[EXPLAIN_KINDS] = {"claim", "import", "link", "name", "rule"};

static void print_lines(const char *label, slice text) {
    for (size_t at = 0; at < text.len;) {
        size_t end = slice_find(text, at, '\n');
        end = end == SIZE_MAX ? text.len : end;
        auto_buf line;
        buf_init(&line, LINE_BYTES_MAX);
        cli_append_printable(&line, slice_trimmed(slice_sub(text, at, end)));
        printf("  %-8s %.*s\n", at == 0 ? label : "", SLICE_ARG(buf_slice(&line)));
        at = end + 1;
    }
}

static void print_step(explain_kind k, const explain_step *s) {
    bool colour = cli_use_colour(fileno(stdout));
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    cli_append_printable(&line, slice_from_text(s->text));
    printf("  %-8s %s%-7s%s %.*s\n", kind_names[k],
           !colour      ? ""
           : s->is_good ? "\033[32m"
                        : "\033[31m",
           s->is_good ? "good" : "denied", colour ? "\033[0m" : "", SLICE_ARG(buf_slice(&line)));
}

static void print_call(const explain_subject *s, const explain_question *q, const explanation *x) {
    auto_buf call;
    buf_init(&call, LINE_BYTES_MAX);
    cli_append_printable(&call, q->interface);
    if (q->function.len > 0) {
        (void)!buf_append_text(&call, ".");
        cli_append_printable(&call, q->function);
    }
    printf("%s: %s calls %.*s%s%s\n", x->is_allowed ? "allowed" : "denied", s->x.workload->name,
           SLICE_ARG(buf_slice(&call)), x->target[0] != '\0' ? " of " : "", x->target);
    for (int k = 0; k < EXPLAIN_KINDS; k++) {
        if (x->steps[k].is_asked) {
            print_step((explain_kind)k, &x->steps[k]);
        }
    }
    print_lines("rules", buf_slice(&x->rules));
    print_lines("change", slice_from_text(x->change));
}

static json_value *lines_json(slice text) {
    json_value *list = json_array_new();
    for (size_t at = 0; at < text.len;) {
        size_t end = slice_find(text, at, '\n');
        end = end == SIZE_MAX ? text.len : end;
        json_push(list, json_text(slice_trimmed(slice_sub(text, at, end))));
        at = end + 1;
    }
    return list;
}

static void print_call_json(const explain_subject *s, const explain_question *q, const explanation *x) {
    json_value *document = json_object_new(), *steps = json_object_new();
    json_put_bool(document, "allowed", x->is_allowed);
    if (!x->is_allowed) {
        json_put_text(document, "denied_by", slice_from_text(kind_names[x->denied_by]));
    }
    json_put_text(document, "caller", slice_from_text(s->x.workload->name));
    json_put_text(document, "interface", q->interface);
    if (q->function.len > 0) {
        json_put_text(document, "function", q->function);
    }
    if (x->target[0] != '\0') {
        json_put_text(document, "target", slice_from_text(x->target));
    }
    for (int k = 0; k < EXPLAIN_KINDS; k++) {
        if (x->steps[k].is_asked) {
            json_value *step = json_object_new();
            json_put_bool(step, "good", x->steps[k].is_good);
            json_put_text(step, "why", slice_from_text(x->steps[k].text));
            json_put(steps, kind_names[k], step);
        }
    }
    json_put(document, "steps", steps);
    json_put(document, "rules", lines_json(buf_slice(&x->rules)));
    json_put(document, "change", lines_json(slice_from_text(x->change)));
    cli_print_json(document);
}

static status explain_denied(const explain_args *a, const explain_subject *s, int *ret_code, err *e) {
    call_pattern call;
    explanation x;
    TRY(call_pattern_parse(slice_from_text(a->call), &call, e));
    if (slice_find(slice_from_text(a->call), 0, '*') != SIZE_MAX) {
        return err_set(e, STATUS_INVALID,
                       "\"%.80s\" is many calls; name one interface, or one function of it", a->call);
    }
    const explain_question q = {call.interface, call.function,
                                a->link != NULL ? slice_from_text(a->link) : slice_empty(),
                                a->target != NULL ? slice_from_text(a->target) : slice_empty()};
    TRY(explain_call(s->config, &s->x, &q, &x, e));
    (a->output == CLI_JSON ? print_call_json : print_call)(s, &q, &x);
    *ret_code = x.is_allowed ? CLI_EXIT_OK : CLI_EXIT_REFUSED;
    explanation_done(&x);
    return STATUS_OK;
}

static status set_call(void *target, const char *value, err *e) {
    explain_args *a = target;
    if (a->name == NULL) {
        return explain_set_name(target, value, e);
    }
    a->call = value;
    return STATUS_OK;
}

static const cli_option denied_options[] = {
    {"via", 0, "LINK", "the name of the link (default)", set_via},
    {"target", 't', "TARGET", "a component, a driver, HOST[:PORT] or the name of a secret", set_target},
    EXPLAIN_OPTIONS,
};

// --- why-refused -------------------------------------------------------------------------------------------

static void print_refusal(const examination *x, slice options) {
    const workload_config *w = x->workload;
    const err *all[] = {&x->unreadable, &x->not_believed, &x->not_granted, &x->not_linked};
    printf("%s: %s (%s)\n", examination_may_start(x) ? "may start" : "refused", w->name, w->component_path);
    for (size_t i = 0; i < COUNT(all); i++) {
        if (all[i]->code != STATUS_OK) {
            static const char *const labels[] = {"file", "claim", "import", "link"};
            print_lines(labels[i], slice_from_text(all[i]->message));
        }
    }
    if (x->decisions != NULL) {
        start_table_print(x->decisions, stdout);
    }
    print_lines("change", options);
}

static void put_err(json_value *document, const char *name, const err *e) {
    if (e->code != STATUS_OK) {
        json_put_text(document, name, slice_from_text(e->message));
    }
}

static void print_refusal_json(const examination *x, slice options) {
    json_value *document = json_object_new();
    json_put_bool(document, "starts", examination_may_start(x));
    json_put_text(document, "name", slice_from_text(x->workload->name));
    json_put_text(document, "component", slice_from_text(x->workload->component_path));
    put_err(document, "file", &x->unreadable);
    put_err(document, "claim", &x->not_believed);
    put_err(document, "import", &x->not_granted);
    put_err(document, "link", &x->not_linked);
    if (x->bytes.len > 0) {
        json_put(document, "writ", start_table_writ_json(&x->vetting));
    }
    if (x->decisions != NULL) {
        json_put(document, "imports", start_table_json(x->decisions));
    }
    json_put(document, "change", lines_json(options));
    cli_print_json(document);
}

// The options that are missing; what a claim needs stands with it.
static status explain_refused(const explain_args *a, const explain_subject *s, int *ret_code, err *e) {
    auto_buf options;
    buf_init(&options, SUGGESTION_BYTES_MAX);
    if (s->x.decisions != NULL && s->x.workload->manifest_path == NULL) {
        TRY(grants_suggest(s->x.decisions, &options) == STATUS_OK
                ? STATUS_OK
                : err_set(e, STATUS_LIMIT, "it would need more options than can be shown"));
    }
    (a->output == CLI_JSON ? print_refusal_json : print_refusal)(&s->x, buf_slice(&options));
    *ret_code = examination_may_start(&s->x) ? CLI_EXIT_OK : CLI_EXIT_REFUSED;
    return STATUS_OK;
}

// --- the commands ------------------------------------------------------------------------------------------

static const cli_command denied_command = {
    .name = "explain why-denied",
    .usage = "[OPTIONS] NAME INTERFACE[.FUNCTION]",
    .summary =
        "Show whether a component may make a call, what decides it, and the smallest change that would "
        "allow it.",
    .details = "NAME is the file of a component, with the options that writ run would get, or with -f a "
               "component of a manifest.\nEach step is decided by what decides it at the start or at the "
               "call: the claim, the import, the link, the name that is\nreached, the rules.\n\nExit code 3 "
               "when it is denied.",
    .options = denied_options,
    .option_count = COUNT(denied_options),
    .shared = workload_options,
    .shared_count = WORKLOAD_OPTIONS,
    .examples = "  writ explain why-denied -f app.yaml shop wasi:keyvalue/store.delete\n"
                "  writ explain why-denied -f app.yaml shop wasi:http/outgoing-handler --target "
                "api.example.org\n"
                "  writ explain why-denied app.wasm wasi:keyvalue/store.set",
    .operands_min = 2,
    .operands_max = 2,
    .operand = set_call,
};

static const cli_option refused_options[] = {EXPLAIN_OPTIONS};

static const cli_command refused_command = {
    .name = "explain why-refused",
    .usage = "[OPTIONS] NAME",
    .summary = "Show everything that keeps a component from starting: its file, its claim, its imports.",
    .details = "NAME is the file of a component, with the options that writ run would get, or with -f a "
               "component of a manifest.\n\nExit code 3 when it would not start.",
    .options = refused_options,
    .option_count = COUNT(refused_options),
    .shared = workload_options,
    .shared_count = WORKLOAD_OPTIONS,
    .examples = "  writ explain why-refused app.wasm\n"
                "  writ explain why-refused --strict --allow-http api.example.org app.wasm\n"
                "  writ explain why-refused -f app.yaml shop",
    .operands_min = 1,
    .operands_max = 1,
    .operand = explain_set_name,
};

static int run_denied(int argc, char **argv) {
    return explain_run(&denied_command, argc, argv, explain_denied);
}
static int run_refused(int argc, char **argv) {
    return explain_run(&refused_command, argc, argv, explain_refused);
}

static const cli_member members[] = {
    {"why-denied", "whether a component may make a call, and what decides it", run_denied},
    {"why-refused", "what keeps a component from starting", run_refused},
    {"what-may", "everything that a component may import, call and reach", explain_may},
};

static const cli_group group = {
    .name = "explain",
    .summary = "Show why something is denied or refused, and what somebody may do.",
    .details = "Starts nothing and asks nobody: the manifest or the options, the component, the trust store "
               "and the settings of this\nhost decide, by the same code as when it runs.",
    .members = members,
    .member_count = COUNT(members),
    .examples = "  writ explain why-denied -f app.yaml shop wasi:keyvalue/store.delete\n"
                "  writ explain why-refused app.wasm\n"
                "  writ explain what-may -f app.yaml shop",
};

int cli_explain(int argc, char **argv) { return cli_group_run(&group, argc, argv); }
