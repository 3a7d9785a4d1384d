// SPDX-License-Identifier: Apache-2.0
// writ call: a function of a component in a lattice.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/call_target.h"
#include "cli/call_way.h"
#include "lattice/wrpc_names.h"

enum { TEXT_BYTES_MAX = 64 << 20 };

typedef struct call_args {
    cli_lattice_args lattice;
    const char *id;
    const char *function;
    const char *file;
    const char *source;
    const char *cluster_key;
    cli_words arguments;
} call_args;

CLI_KEEP_TEXT(set_file, call_args, file);
CLI_KEEP_TEXT(set_source, call_args, source);
CLI_KEEP_TEXT(set_cluster_key, call_args, cluster_key);

static status set_operand(void *target, const char *value, err *e) {
    call_args *a = target;
    if (a->id != NULL && a->function != NULL) {
        return cli_words_add(&a->arguments, value, e);
    }
    *(a->id == NULL ? &a->id : &a->function) = value;
    return STATUS_OK;
}

static status set_rest(void *target, const char *value, err *e) {
    return cli_words_add(&((call_args *)target)->arguments, value, e);
}

static const cli_option options[] = {
    {"component", 0, "FILE", "the component, for its types (the image that runs, where it is a file)",
     set_file},
    {"as", 0, "ID", "the name of the caller (writ)", set_source},
    {"cluster-key", 0, "KEY", "call sealed, as a host that this cluster key admits for the call",
     set_cluster_key},
};

static const cli_command command = {
    .name = "call",
    .usage = "[OPTIONS] ID [INTERFACE.]FUNCTION [--] [ARGUMENT]...",
    .summary = "Call a function of a component in a lattice.",
    .details =
        "Arguments and the result are in WAVE: 42, true, '\"text\"', '[1, 2]', '{name: \"a\", size: 3}', "
        "none, ok(1).\n"
        "What begins with - goes behind --.\n"
        "The call goes over NATS as hosts of wasmCloud 1.x make it, so a host of ours answers it only with\n"
        "--allow-unsigned-peers. With --cluster-key it is signed and sealed, and the caller of --as must "
        "have a\n"
        "link to ID. Ends with 1 when the result is an err(...).",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ call calc acme:calc/ops.add 2 3 --component calc.wasm\n"
                "  writ call calc acme:calc/ops.add --component calc.wasm -- -2 3\n"
                "  writ call shop 'acme:shop/cart@0.1.0.put' '\"anna\"' '{sku: \"a-1\", count: 2}'",
    .operands_min = 2,
    .operands_max = CLI_WORDS_MAX,
    .operand = set_operand,
    .rest = set_rest,
};

// --- the name ---------------------------------------------------------------------------------------------

static status wire_name(const call_target *t, wrpc_wire_names *ret, err *e) {
    *ret = (wrpc_wire_names){.count = 1};
    if (t->interface[0] == '\0') {
        return STATUS_OK; // a function at the root of the component
    }
    TRY(wrpc_names_to_wire(slice_from_text(t->interface), ret, e));
    return ret->kind == WRPC_PLAIN
               ? STATUS_OK
               : err_set(e, STATUS_UNSUPPORTED,
                         "%s has streams, which a command line has not; ask for it over HTTP", t->interface);
}

// --- the call ----------------------------------------------------------------------------------------------

typedef struct calling {
    lattice_call base; // first
    loop *loop;
    const call_target *t;
    buf result; // text
    bool has_result, is_error, is_done;
    status code;
    err *e;
} calling;

static void on_results(lattice_call *c, slice results) {
    calling *k = (calling *)c;
    k->has_result = true;
    if (results.len == 0 && k->t->func->result != NULL && k->t->func->result->size > 0) {
        k->code = err_set(k->e, STATUS_TRAP, "it failed there; hosts of wasmCloud 1.x do not say why");
    } else {
        k->code = call_target_show_result(k->t, results, false, &k->result, &k->is_error, k->e);
    }
}

static void on_ended(lattice_call *c, status code, const err *e) {
    calling *k = (calling *)c;
    k->is_done = true;
    loop_stop(k->loop);
    if (code != STATUS_OK) {
        k->code = err_set(k->e, code, "%s", e != NULL ? e->message : "the call failed");
    } else if (!k->has_result) {
        k->code = err_set(k->e, STATUS_INTERNAL, "the call ended without a result");
    }
}

static status explain(const call_args *a, cli_lattice *l, status s, err *e) {
    if (s == STATUS_NOT_FOUND && a->cluster_key == NULL) {
        return err_set(
            e, s,
            "nobody serves %.120s of %.80s in the lattice \"%s\" to callers who prove nothing: it does not "
            "run, or on hosts without --allow-unsigned-peers alone, which want --cluster-key",
            a->function, a->id, cli_lattice_name(l));
    }
    return s == STATUS_OK ? s : err_wrap(e, "call of %.80s", a->id);
}

// A sealed call is for one host, one that runs it.
static status open_way(const call_args *a, cli_lattice *l, call_way **ret, err *e) {
    if (a->cluster_key == NULL) {
        return call_way_open(l, &a->lattice, NULL, slice_empty(), ret, e);
    }
    cli_running *r = MEM_NEW(cli_running);
    status s = cli_running_find(l, "components", a->id, NULL, r, e);
    s = s == STATUS_OK ? call_way_open(l, &a->lattice, a->cluster_key, r->items[0].host, ret, e) : s;
    cli_running_done(r);
    mem_free(r);
    return s;
}

static status make_call(const call_args *a, cli_lattice *l, calling *k, err *e) {
    static const lattice_call_ops ops = {.on_results = on_results, .ended = on_ended};
    call_way *w = NULL;
    TRY(open_way(a, l, &w, e));
    k->base.ops = &ops;
    k->base.invocation.deadline_ns = loop_now_fresh_ns(cli_lattice_loop(l)) + cli_lattice_timeout_ns(l);
    status s = lattice_call_start(call_way_transport(w), &k->base, e);
    while (s == STATUS_OK && !k->is_done) {
        loop_run(cli_lattice_loop(l));
    }
    s = explain(a, l, s == STATUS_OK ? k->code : s, e);
    call_way_close(w);
    return s;
}

static void show(const call_args *a, const calling *k) {
    if (a->lattice.output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put_text(document, "function", slice_from_text(a->function));
        json_put_text(document, "result", buf_slice(&k->result));
        json_put_bool(document, "is_error", k->is_error);
        cli_print_json(document);
    } else if (k->result.len > 0) {
        printf("%.*s\n", SLICE_ARG(buf_slice(&k->result)));
    }
}

static status call(call_args *a, cli_lattice *l, const call_target *t, err *e) {
    auto_buf params;
    wrpc_wire_names names;
    buf_init(&params, LATTICE_PARAMS_BYTES_MAX);
    TRY(wire_name(t, &names, e));
    TRY(call_target_params(t, &a->arguments, &params, e));
    calling k = {.loop = cli_lattice_loop(l), .t = t, .e = e};
    buf_init(&k.result, TEXT_BYTES_MAX);
    k.base.invocation =
        (lattice_invocation){.source = slice_from_text(a->source != NULL ? a->source : "writ"),
                             .link = slice_from_text("default"),
                             .target = slice_from_text(a->id),
                             .instance = slice_from_text(names.items[0]),
                             .function = wrpc_names_function(slice_from_text(t->function)),
                             .params = buf_slice(&params)};
    status s = make_call(a, l, &k, e);
    if (s == STATUS_OK) {
        show(a, &k);
        s = k.is_error ? err_set(e, STATUS_CANCELLED, "%.80s says err", a->function) : s;
    }
    buf_done(&k.result);
    return s;
}

static status run(void *target, cli_lattice *l, err *e) {
    call_args *a = target;
    call_target t = {0};
    status s = call_target_open(&t, l, a->id, a->file, e);
    s = s == STATUS_OK ? call_target_find(&t, a->function, e) : s;
    s = s == STATUS_OK ? call(a, l, &t, e) : s;
    call_target_done(&t);
    return s;
}

int cli_call(int argc, char **argv) {
    call_args a = {0};
    return cli_lattice_command(&command, argc, argv, &a.lattice, run);
}
