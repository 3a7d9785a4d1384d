// SPDX-License-Identifier: Apache-2.0
// writ inspect: what a component is and asks for, without running it.
//
// The producers sections of the core modules inside name languages and tools too; the component's own says
// enough in practice, since `component new` merges them.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/inspect_writ.h"
#include "cli/options.h"
#include "cli/places.h"
#include "cli/start_table.h"
#include "component/producers.h"
#include "component/type_format.h"
#include "crypto/hash.h"
#include "host/host.h"
#include "os/clock.h"

enum { TYPE_BYTES_MAX = 16 << 10, PRODUCERS_BYTES_MAX = 1 << 20 };

typedef struct inspect_args {
    host_config config; // one workload, nothing granted
    cli_output output;
} inspect_args;

// What is known of the file, ready for either format.
typedef struct subject {
    const component *c;
    slice bytes;
    char digest[HASH_HEX_BYTES];
    grants *decisions;
    writ_report writ;
    arena memory;
    producers made_by;
} subject;

// --- as JSON -----------------------------------------------------------------------------------------------

static const char *kind_name(component_extern_kind kind) {
    static const char *const names[] = {"function", "interface", "type", "value", "core module", "component"};
    return (unsigned)kind < sizeof names / sizeof names[0] ? names[kind] : "unknown";
}

static void put_type(json_value *row, const component_item *item) {
    auto_buf text;
    buf_init(&text, TYPE_BYTES_MAX);
    if (item->kind == COMPONENT_FUNC) {
        type_format_func(item->func, &text);
    } else if (item->kind == COMPONENT_TYPE && item->resource != NULL) {
        WRIT_UNUSED status s = buf_append_text(&text, "resource");
    } else if (item->kind == COMPONENT_TYPE && item->type != NULL) {
        type_format_definition(item->type, &text);
    }
    if (text.len > 0) {
        json_put_text(row, "type", buf_slice(&text));
    }
}

// One level below the top is enough: interfaces do not contain interfaces.
static json_value *item_json(const component_item *item, bool with_items) {
    json_value *row = json_object_new();
    json_put_text(row, "name", item->name);
    if (item->implements.len > 0) {
        json_put_text(row, "implements", item->implements);
    }
    json_put_text(row, "kind", slice_from_text(kind_name(item->kind)));
    put_type(row, item);
    if (with_items && item->kind == COMPONENT_INSTANCE) {
        json_value *items = json_array_new();
        for (size_t i = 0; i < item->item_count; i++) {
            json_push(items, item_json(&item->items[i], false));
        }
        json_put(row, "items", items);
    }
    return row;
}

static json_value *producers_json(const producers *p) {
    json_value *all = json_object_new();
    for (uint32_t i = 0; i < p->field_count; i++) {
        json_value *values = json_array_new();
        for (uint32_t j = 0; j < p->fields[i].value_count; j++) {
            json_value *value = json_object_new();
            json_put_text(value, "name", p->fields[i].values[j].name);
            json_put_text(value, "version", p->fields[i].values[j].version);
            json_push(values, value);
        }
        char name[64];
        snprintf(name, sizeof name, "%.*s", SLICE_ARG(slice_sub(p->fields[i].name, 0, sizeof name - 1)));
        json_put(all, name, values);
    }
    return all;
}

static void print_json(const inspect_args *args, const subject *s) {
    json_value *document = json_object_new();
    json_put_text(document, "path", slice_from_text(args->config.workloads[0].component_path));
    json_put_integer(document, "bytes", (int64_t)s->bytes.len);
    json_put_text(document, "sha256", slice_from_text(s->digest));
    json_value *modules = json_array_new();
    for (size_t i = 0; i < component_module_count(s->c); i++) {
        json_push(modules, json_integer_new((int64_t)component_module_bytes(s->c, i).len));
    }
    json_put(document, "core_module_bytes", modules);
    json_put(document, "producers", producers_json(&s->made_by));
    json_value *imports = json_array_new(), *exports = json_array_new();
    for (size_t i = 0; i < component_import_count(s->c); i++) {
        json_push(imports, item_json(component_import_at(s->c, i), true));
    }
    for (size_t i = 0; i < component_export_count(s->c); i++) {
        json_push(exports, item_json(component_export_at(s->c, i), true));
    }
    json_put(document, "imports", imports);
    json_put(document, "exports", exports);
    json_put(document, "writ", writ_report_json(&s->writ));
    json_put(document, "grants", start_table_json(s->decisions));
    cli_print_json(document);
}

// --- as text -----------------------------------------------------------------------------------------------

static void print_printable(const char *before, slice text, const char *after) {
    auto_buf line;
    buf_init(&line, TYPE_BYTES_MAX);
    cli_append_printable(&line, text);
    printf("%s%.*s%s", before, SLICE_ARG(buf_slice(&line)), after);
}

static void print_item(const component_item *item, const char *indent) {
    auto_buf type;
    buf_init(&type, TYPE_BYTES_MAX);
    printf("%s", indent);
    if (item->kind == COMPONENT_FUNC) {
        type_format_func(item->func, &type);
        print_printable("", item->name, ": ");
        print_printable("", buf_slice(&type), "\n");
    } else if (item->kind == COMPONENT_TYPE) {
        print_printable(item->resource != NULL ? "resource " : "type ", item->name, "\n");
    } else {
        printf("%s ", kind_name(item->kind));
        print_printable("", item->name, item->implements.len > 0 ? " implements " : "");
        print_printable("", item->implements, "\n");
    }
}

static void print_items(const char *title, const component *c, size_t count,
                        const component_item *(*at)(const component *, size_t)) {
    printf("\n%s%s\n", title, count == 0 ? ": nothing" : "");
    for (size_t i = 0; i < count; i++) {
        const component_item *item = at(c, i);
        print_item(item, "  ");
        for (size_t j = 0; item->kind == COMPONENT_INSTANCE && j < item->item_count; j++) {
            if (item->items[j].kind == COMPONENT_FUNC || item->items[j].resource != NULL) {
                print_item(&item->items[j], "      ");
            }
        }
    }
}

static void print_producers(const producers *p) {
    for (uint32_t i = 0; i < p->field_count; i++) {
        print_printable("", p->fields[i].name, ": ");
        for (uint32_t j = 0; j < p->fields[i].value_count; j++) {
            const producers_value *v = &p->fields[i].values[j];
            print_printable(j > 0 ? ", " : "", v->name, v->version.len > 0 ? " " : "");
            print_printable("", v->version, "");
        }
        printf("\n");
    }
}

static void print_text(const inspect_args *args, const subject *s) {
    printf("%s\n", args->config.workloads[0].component_path);
    printf("size: %zu bytes\nsha256: %s\ncore modules:", s->bytes.len, s->digest);
    for (size_t i = 0; i < component_module_count(s->c); i++) {
        printf("%s %zu bytes", i > 0 ? "," : "", component_module_bytes(s->c, i).len);
    }
    printf("%s\n", component_module_count(s->c) == 0 ? " none" : "");
    print_producers(&s->made_by);
    print_items("imports", s->c, component_import_count(s->c), component_import_at);
    print_items("exports", s->c, component_export_count(s->c), component_export_at);
    writ_report_print(&s->writ, stdout);
    printf("\nwhat writ run without options would grant\n");
    start_table_print(s->decisions, stdout);
}

// --- the command -------------------------------------------------------------------------------------------

static status examine(const inspect_args *args, subject *s, err *e) {
    grants_writ writ;
    uint8_t digest[HASH_BYTES];
    hash_sha256(&s->bytes, 1, digest);
    hash_hex(digest, s->digest);
    producers_of_component(s->c, &s->memory, &s->made_by);
    writ_report_make(s->c, &args->config, s->bytes, clock_wall_now().seconds, &s->writ);
    return grants_new(s->c, &args->config.workloads[0], vetting_writ(&s->writ.vetting, &writ), &s->decisions,
                      e);
}

static status inspect(const inspect_args *args, err *e) {
    auto_buf bytes = {0};
    component *c;
    TRY(host_load_component(args->config.workloads[0].component_path, &bytes, &c, e));
    subject s = {.c = c, .bytes = buf_slice(&bytes)};
    arena_init(&s.memory, PRODUCERS_BYTES_MAX);
    status result = examine(args, &s, e);
    if (result == STATUS_OK) {
        (args->output == CLI_JSON ? print_json : print_text)(args, &s);
    }
    grants_free(s.decisions);
    writ_report_done(&s.writ);
    arena_done(&s.memory);
    component_free(c);
    return result;
}

CLI_KEEP_OUTPUT(set_output, inspect_args, output);

static void replace_text(char **field, const char *text) {
    mem_free(*field);
    *field = mem_text_dup(text);
}

static status set_path(void *target, const char *value, err *e) {
    (void)e;
    replace_text(&((inspect_args *)target)->config.workloads[0].component_path, value);
    return STATUS_OK;
}
static status set_token(void *target, const char *value, err *e) {
    (void)e;
    replace_text(&((inspect_args *)target)->config.workloads[0].token_path, value);
    return STATUS_OK;
}
static status set_settings(void *target, const char *value, err *e) {
    (void)e;
    replace_text(&((inspect_args *)target)->config.settings_path, value);
    return STATUS_OK;
}
static status set_trust(void *target, const char *value, err *e) {
    (void)e;
    replace_text(&((inspect_args *)target)->config.trust_named, value);
    return STATUS_OK;
}

static const cli_option options[] = {
    {"token", 0, "FILE", "the token, where it is beside the component", set_token},
    CLI_OPTION_TRUST(set_trust),
    {"config", 0, "FILE", "more settings of the host, as for writ run", set_settings},
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command command = {
    .name = "inspect",
    .usage = "[OPTIONS] COMPONENT",
    .summary = "Show what a component imports and exports, who signed it, whether it may run here, and what "
               "it would "
               "be granted.",
    .details = "Runs nothing, and works on what is not trusted, too.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ inspect hello.wasm\n  writ inspect -o json hello.wasm\n"
                "  writ inspect --token hello.jwt --trust staging.json hello.wasm",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_path,
};

int cli_inspect(int argc, char **argv) {
    inspect_args args = {0};
    host_config_init(&args.config);
    err e = {0};
    int code = CLI_EXIT_OK;
    status s = host_config_add_workload(&args.config, &(workload_config *){NULL}, &e);
    if (s == STATUS_OK) {
        s = cli_parse(&command, argc, argv, &args, &e);
    }
    cli_default_trust(&args.config.trust_usual);
    if (s == STATUS_OK && inspect(&args, &e) != STATUS_OK) {
        code = cli_fail(&e, args.output);
    } else if (s != STATUS_OK && s != STATUS_CANCELLED) {
        cli_fail(&e, args.output);
        code = CLI_EXIT_USAGE;
    }
    host_config_done(&args.config);
    return code;
}
