// SPDX-License-Identifier: Apache-2.0
// writ spy: calls in a lattice, as they are made over NATS.
#include <stdio.h>
#include <string.h>

#include "bus/nats_parse.h"
#include "cli/call_target.h"
#include "codec/subject.h"
#include "lattice/wrpc_names.h"
#include "os/clock.h"

enum { SHOWN_BYTES_MAX = 1 << 16, COUNT_MAX = 1000000000, LINE_BYTES_MAX = 1 << 18 };
#define PROTOCOL ".wrpc.0.0.1."

typedef struct spy_args {
    cli_lattice_args lattice;
    const char *id;
    const char *file;
    bool shows_values;
    uint64_t count; // 0 = no end
    uint64_t time_ns;
    // while it runs
    cli_lattice *l;
    bus_subscription calls;
    call_target types;
    bool has_types;
    uint64_t seen;
    bool is_done;
} spy_args;

CLI_KEEP_TEXT(set_id, spy_args, id);
CLI_KEEP_TEXT(set_file, spy_args, file);
CLI_TURN_ON(set_values, spy_args, shows_values);

static status set_count(void *target, const char *value, err *e) {
    return cli_parse_number(value, 1, COUNT_MAX, &((spy_args *)target)->count, e);
}
static status set_for(void *target, const char *value, err *e) {
    return cli_parse_duration(value, &((spy_args *)target)->time_ns, e);
}

static const cli_option options[] = {
    {"component", 0, "FILE",
     "the component that is called, for its types (the image that runs, where it is a file)", set_file},
    {"values", 0, NULL, "show texts and bytes as they are; they may be secrets", set_values},
    {"count", 0, "N", "end after so many calls", set_count},
    {"duration", 0, "DURATION", "end after that time", set_for},
};

static const cli_command command = {
    .name = "spy",
    .usage = "[OPTIONS] ID",
    .summary = "Show calls to a component or provider of a lattice, as they are made.",
    .details = "Sees what hosts and providers of wasmCloud 1.x call over NATS, and what calls them so. Calls "
               "between hosts of\n"
               "ours are sealed, and calls within a host do not leave it. Texts and bytes are told by their "
               "lengths.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ spy web --duration 1s\n"
                "  writ spy store --component store.wasm --count 10 -o json --timeout 1s --duration 1s",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_id,
};

// --- a call ------------------------------------------------------------------------------------------------

typedef struct seen_call {
    slice source, link, instance, function;
    size_t bytes; // of the arguments in the first message
    buf arguments;
    bool is_decoded;
} seen_call;

// Behind the protocol: the instance, which may have dots in its version, and the function behind the last
// one.
static bool read_subject(slice subject, size_t skip, seen_call *c) {
    slice rest = slice_sub(subject, skip, subject.len);
    size_t dot = rest.len;
    while (dot > 0 && rest.data[dot - 1] != '.') {
        dot--;
    }
    c->function = slice_sub(rest, dot, rest.len);
    c->instance = slice_sub(rest, 0, dot > 0 ? dot - 1 : 0);
    return c->function.len > 0;
}

static bool knows_types(spy_args *a, const seen_call *c) {
    char name[2 * CALL_NAME_BYTES_MAX];
    wrpc_local_name local = wrpc_names_from_wire(c->instance);
    bool has_version = local.version.len > 0;
    (void)snprintf(name, sizeof name, "%.*s%s%.*s%s%.*s", SLICE_ARG(local.interface), has_version ? "@" : "",
                   SLICE_ARG(local.version), local.interface.len > 0 ? "." : "", SLICE_ARG(c->function));
    return a->has_types && local.kind == WRPC_PLAIN && call_target_find(&a->types, name, NULL) == STATUS_OK;
}

static void print_json(const spy_args *a, const seen_call *c, const char *time) {
    json_value *v = json_object_new();
    json_put_text(v, "time", slice_from_text(time));
    json_put_text(v, "source", c->source);
    json_put_text(v, "target", slice_from_text(a->id));
    json_put_text(v, "link", c->link);
    json_put_text(v, "instance", c->instance);
    json_put_text(v, "function", c->function);
    json_put(v, "arguments", c->is_decoded ? json_text(buf_slice(&c->arguments)) : json_null_new());
    json_put_integer(v, "bytes", (int64_t)c->bytes);
    cli_print_json_line(v, stdout);
}

static void print_text(const spy_args *a, const seen_call *c, const char *time) {
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    (void)!buf_append_format(&line, "%s  ", time);
    cli_append_printable(&line, c->source.len > 0 ? c->source : slice_from_text("?"));
    (void)!buf_append_format(&line, " -> %s  ", a->id);
    cli_append_printable(&line, c->instance);
    (void)!buf_append_text(&line, c->instance.len > 0 ? "." : "");
    cli_append_printable(&line, c->function);
    if (c->is_decoded) {
        (void)!buf_append_format(&line, "(%.*s)", SLICE_ARG(buf_slice(&c->arguments))); // printable
    } else {
        (void)!buf_append_format(&line, "(%zu bytes)", c->bytes);
    }
    printf("%.*s\n", SLICE_ARG(buf_slice(&line)));
}

static void on_call(void *arg, WRIT_UNUSED bus_subscription *s, const bus_message *m) {
    spy_args *a = arg;
    char time[CLOCK_TEXT_BYTES];
    seen_call c = {.bytes = m->payload.len};
    size_t skip = strlen(cli_lattice_name(a->l)) + 1 + strlen(a->id) + sizeof PROTOCOL - 1;
    if (a->is_done || !read_subject(m->subject, skip, &c)) {
        return;
    }
    (void)nats_headers_find(m->headers, "source-id", &c.source);
    (void)nats_headers_find(m->headers, "link-name", &c.link);
    buf_init(&c.arguments, SHOWN_BYTES_MAX);
    c.is_decoded = knows_types(a, &c) && call_target_show_params(&a->types, m->payload, !a->shows_values,
                                                                 &c.arguments, NULL) == STATUS_OK;
    (void)clock_wall_text(clock_wall_now(), time);
    if (a->lattice.output == CLI_JSON) {
        print_json(a, &c, time);
    } else {
        print_text(a, &c, time);
    }
    fflush(stdout);
    buf_done(&c.arguments);
    if (++a->seen == a->count) {
        a->is_done = true;
        loop_stop(cli_lattice_loop(a->l));
    }
}

// --- watching ----------------------------------------------------------------------------------------------

static bool is_token(const char *id) {
    slice text = slice_from_text(id);
    return text.len > 0 && text.len < CALL_NAME_BYTES_MAX &&
           subject_is_plain_within(text, CALL_NAME_BYTES_MAX) && slice_find(text, 0, '.') == SIZE_MAX;
}

static status run(void *target, cli_lattice *l, err *e) {
    spy_args *a = target;
    char subject[BUS_SUBJECT_BYTES_MAX];
    err unknown = {0};
    if (!is_token(a->id)) {
        return err_set(e, STATUS_INVALID, "\"%.80s\" cannot be the name of a component or provider", a->id);
    }
    a->l = l;
    a->has_types = call_target_open(&a->types, l, a->id, a->file, &unknown) == STATUS_OK;
    if (!a->has_types && a->file != NULL) {
        call_target_done(&a->types);
        return err_set(e, unknown.code, "%s", unknown.message);
    }
    if (!a->has_types) {
        fprintf(stderr, "arguments are not decoded: %s\n", unknown.message);
    }
    (void)snprintf(subject, sizeof subject, "%s.%s%s>", cli_lattice_name(l), a->id, PROTOCOL);
    status s =
        bus_subscribe(cli_lattice_bus(l), &a->calls, slice_from_text(subject), slice_empty(), on_call, a, e);
    if (s == STATUS_OK) {
        (void)cli_lattice_wait(l, &a->is_done, a->time_ns); // its time is over: that is no failure
    }
    bus_unsubscribe(&a->calls);
    call_target_done(&a->types);
    return s;
}

int cli_spy(int argc, char **argv) {
    spy_args a = {.time_ns = UINT64_MAX};
    return cli_lattice_command(&command, argc, argv, &a.lattice, run);
}
