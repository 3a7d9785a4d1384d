// SPDX-License-Identifier: Apache-2.0
// writ link: what is behind the links of a host in the background, and links of a lattice.
#include <stdio.h>
#include <string.h>

#include "api/plan.h"
#include "cli/get_lattice.h"
#include "cli/group.h"
#include "cli/host_call.h"
#include "cli/lattice_words.h"
#include "cli/link_option.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

typedef struct link_args {
    cli_lattice_args lattice;
    const char *workload; // or the link's source
    const char *text;     // or its target
    const char *third;
    const char *name;
    cli_words source_configs, target_configs;
} link_args;

CLI_KEEP_TEXT(set_name, link_args, name);
CLI_ADD_WORD(set_source_config, link_args, source_configs);
CLI_ADD_WORD(set_target_config, link_args, target_configs);

static status set_operand(void *target, const char *value, WRIT_UNUSED err *e) {
    link_args *a = target;
    *(a->workload == NULL ? &a->workload : a->text == NULL ? &a->text : &a->third) = value;
    return STATUS_OK;
}

#define OPTION_NAME \
    { "name", 'n', "NAME", "of a lattice: the name of the link (default)", set_name }
static const cli_option put_options[] = {
    OPTION_NAME,
    {"source-config", 0, "NAME", "of a lattice: a configuration for its source; may be repeated",
     set_source_config},
    {"target-config", 0, "NAME", "of a lattice: a configuration for its target; may be repeated",
     set_target_config},
};
static const cli_option del_options[] = {OPTION_NAME};

static const cli_command put_command = {
    .name = "link put",
    .usage = "[OPTIONS] WORKLOAD INTERFACES[@NAME]=DRIVER[,SETTING=VALUE]...\n"
             "       writ link put [OPTIONS] SOURCE TARGET NAMESPACE:PACKAGE/INTERFACE[,INTERFACE]...",
    .summary = "Put another backend behind a link of a host, or make a link of a lattice.",
    .details = "Of a host: the new backend is opened and reached first; then new calls go to it, and those "
               "in flight\n"
               "end where they are. When it cannot be reached, nothing changes. A link that was deleted is "
               "open again.\n"
               "Credentials are named as SETTING=@SECRET (writ secrets). It holds until the manifest of the "
               "workload\n"
               "is applied again.\n"
               "Of a lattice, with three operands: calls of SOURCE to the interfaces go to TARGET.",
    .options = put_options,
    .option_count = COUNT(put_options),
    .shared_count = CLI_LATTICE_OPTION_COUNT,
    .examples =
        "  writ link put shop-web wasi:keyvalue=redis,host=127.0.0.1\n"
        "  writ link put shop-web wasi:keyvalue@cache=memory\n"
        "  writ link put web redis wasi:keyvalue/store,atomics --target-config redis-url --lattice shop",
    .operands_min = 2,
    .operands_max = 3,
    .operand = set_operand,
};

static const cli_command del_command = {
    .name = "link del",
    .usage = "[OPTIONS] WORKLOAD INTERFACES[@NAME]\n"
             "       writ link del [OPTIONS] SOURCE NAMESPACE:PACKAGE",
    .summary = "Cut a link of a host: its next call is refused. Or delete one of a lattice.",
    .details =
        "Of a host: `writ link put`, or applying the manifest of the workload again, opens it again.\n"
        "It is about a lattice when an option names one, or a context is in use and no --host is named.",
    .options = del_options,
    .option_count = COUNT(del_options),
    .shared_count = CLI_LATTICE_OPTION_COUNT,
    .examples = "  writ link del shop-web wasi:keyvalue\n"
                "  writ link del web wasi:keyvalue --name cache --lattice shop",
    .operands_min = 2,
    .operands_max = 2,
    .operand = set_operand,
};

static const cli_command list_command = {
    .name = "link list",
    .usage = "[OPTIONS]",
    .summary = "Show all links of a host in the background, or of a lattice.",
    .shared_count = CLI_LATTICE_OPTION_COUNT,
    .examples = "  writ link list\n"
                "  writ link list --lattice shop",
};

// --- telling -----------------------------------------------------------------------------------------------

static void tell(const link_args *a, const char *what) {
    if (a->lattice.output == CLI_TEXT) {
        auto_buf line;
        buf_init(&line, 4096);
        cli_append_printable(&line, slice_from_text(a->text));
        printf("%s: %s %.*s\n", a->workload, what, SLICE_ARG(buf_slice(&line)));
        return;
    }
    json_value *document = json_object_new();
    json_put_text(document, "workload", slice_from_text(a->workload));
    json_put_text(document, "link", slice_from_text(a->text));
    json_put_text(document, "result", slice_from_text(what));
    cli_print_json(document);
}

// What needs new workers comes with a report, as other changes do.
static int tell_answer(const link_args *a, const char *what, json_value *answer) {
    slice report;
    int64_t code = CLI_EXIT_OK;
    if (json_as_text(json_get(answer, "report"), &report)) {
        fwrite(report.data, 1, report.len, stderr);
    }
    (void)json_as_integer(json_get(answer, "exit"), &code);
    json_free(answer);
    if (code == CLI_EXIT_OK) {
        tell(a, what);
    }
    return (int)code;
}

static int send_link(const link_args *a, const char *target, json_value *link, const char *what) {
    json_value *body = json_object_new(), *answer = NULL;
    err e = {0};
    json_put_text(body, "workload", slice_from_text(a->workload));
    json_put(body, "link", link);
    json_put_bool(body, "json", a->lattice.output == CLI_JSON);
    status s = cli_host_ask(cli_local_host(&a->lattice), target, body, &answer, &e);
    json_free(body);
    return s == STATUS_OK ? tell_answer(a, what, answer) : cli_fail(&e, a->lattice.output);
}

static int usage(status s, const link_args *a, const err *e) {
    return s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(e, a->lattice.output), CLI_EXIT_USAGE);
}

static status parse(const cli_command *command, int argc, char **argv, link_args *a, err *e) {
    cli_command whole = *command;
    whole.shared = cli_lattice_options;
    return cli_parse(&whole, argc, argv, a, e);
}

// --- of a lattice ------------------------------------------------------------------------------------------

// "wasi:keyvalue/store,atomics" or "wasi:keyvalue"; the interfaces go to `ret` unless it is NULL.
static status put_interfaces(const char *text, json_value *body, bool wants_interfaces, err *e) {
    slice all = slice_from_text(text), rest = slice_empty();
    size_t colon = slice_find(all, 0, ':'), slash = slice_find(all, 0, '/');
    bool is = colon != SIZE_MAX && colon > 0 && (slash != SIZE_MAX) == wants_interfaces &&
              slice_find(all, 0, '@') == SIZE_MAX;
    slice package = is ? slice_sub(all, colon + 1, slash == SIZE_MAX ? all.len : slash) : slice_empty();
    json_value *interfaces = json_array_new();
    rest = slash != SIZE_MAX ? slice_sub(all, slash + 1, all.len) : rest;
    for (size_t at = 0; is && wants_interfaces && at <= rest.len;) {
        size_t end = slice_find(rest, at, ',');
        end = end == SIZE_MAX ? rest.len : end;
        is = end > at;
        json_push(interfaces, json_text(slice_sub(rest, at, end)));
        at = end + 1;
    }
    if (!is || package.len == 0) {
        json_free(interfaces);
        return err_set(e, STATUS_INVALID, "\"%.80s\" is not NAMESPACE:PACKAGE%s, without a version", text,
                       wants_interfaces ? "/INTERFACE[,INTERFACE]..." : "");
    }
    json_put_text(body, "wit_namespace", slice_sub(all, 0, colon));
    json_put_text(body, "wit_package", package);
    if (wants_interfaces) {
        json_put(body, "interfaces", interfaces);
    } else {
        json_free(interfaces);
    }
    return STATUS_OK;
}

static status change_lattice(link_args *a, cli_lattice *l, const char *command, const char *interfaces,
                             err *e) {
    bool is_put = a->third != NULL;
    json_value *body = json_object_new();
    json_put_text(body, "source_id", slice_from_text(a->workload));
    json_put_text(body, "name", slice_from_text(a->name != NULL ? a->name : "default"));
    if (is_put) {
        json_put_text(body, "target", slice_from_text(a->text));
        json_put(body, "source_config", cli_words_json(&a->source_configs));
        json_put(body, "target_config", cli_words_json(&a->target_configs));
    }
    status s = put_interfaces(interfaces, body, is_put, e);
    s = s == STATUS_OK ? cli_lattice_ask(l, command, slice_empty(), body, NULL, e) : s;
    json_free(body);
    TRY(s);
    cli_tell(&a->lattice, a->workload, is_put ? "link set" : "link deleted", NULL);
    return STATUS_OK;
}

static status put_lattice(void *target, cli_lattice *l, err *e) {
    link_args *a = target;
    return change_lattice(a, l, "link.put", a->third, e);
}
static status del_lattice(void *target, cli_lattice *l, err *e) {
    link_args *a = target;
    return change_lattice(a, l, "link.del", a->text, e);
}

// --- commands ----------------------------------------------------------------------------------------------

static int put_local(const link_args *a) {
    host_links links = {0};
    err e = {0};
    int code = link_option_add(&links, slice_from_text(a->text), &e) == STATUS_OK
                   ? send_link(a, "/v1/links", plan_link_json(&links.items[0]), "put")
                   : usage(e.code, a, &e);
    host_links_done(&links);
    return code;
}

static int put(int argc, char **argv) {
    link_args a = {0};
    err e = {0};
    status s = parse(&put_command, argc, argv, &a, &e);
    bool has_options = a.name != NULL || a.source_configs.count > 0 || a.target_configs.count > 0;
    if (s == STATUS_OK && a.third == NULL &&
        (has_options || (cli_lattice_is_meant(&a.lattice) && strchr(a.text, '=') == NULL))) {
        s = err_set(&e, STATUS_INVALID,
                    "a link of a lattice is SOURCE TARGET NAMESPACE:PACKAGE/INTERFACE[,INTERFACE]...");
    }
    if (s == STATUS_OK && a.third != NULL) {
        json_value *checked = json_object_new(); // before anybody is asked
        s = put_interfaces(a.third, checked, true, &e);
        json_free(checked);
    }
    return s != STATUS_OK    ? usage(s, &a, &e)
           : a.third != NULL ? cli_lattice_run_with(&a.lattice, put_lattice)
                             : put_local(&a);
}

static json_value *link_of(const char *text) {
    slice all = slice_from_text(text);
    size_t at = slice_find(all, 0, '@');
    json_value *link = json_object_new(), *interfaces = json_array_new();
    json_push(interfaces, json_text(slice_sub(all, 0, at == SIZE_MAX ? all.len : at)));
    json_put_text(link, "name",
                  at == SIZE_MAX ? slice_from_text("default") : slice_sub(all, at + 1, all.len));
    json_put(link, "interfaces", interfaces);
    return link;
}

static int del(int argc, char **argv) {
    link_args a = {0};
    err e = {0};
    status s = parse(&del_command, argc, argv, &a, &e);
    if (s == STATUS_OK && strchr(a.text, '=') != NULL) {
        s = err_set(&e, STATUS_INVALID, "\"%.80s\" is not INTERFACES[@NAME]", a.text);
    }
    bool is_of_lattice = s == STATUS_OK && cli_lattice_is_meant(&a.lattice);
    if (s == STATUS_OK && !is_of_lattice && a.name != NULL) {
        s = err_set(&e, STATUS_INVALID, "--name is for a lattice; of a host write INTERFACES@NAME");
    }
    return s != STATUS_OK  ? usage(s, &a, &e)
           : is_of_lattice ? cli_lattice_run_with(&a.lattice, del_lattice)
                           : send_link(&a, "/v1/links/delete", link_of(a.text), "deleted");
}

static int list(int argc, char **argv) {
    link_args a = {0};
    err e = {0};
    status s = parse(&list_command, argc, argv, &a, &e);
    return s != STATUS_OK ? usage(s, &a, &e)
           : cli_lattice_is_meant(&a.lattice)
               ? get_lattice(&a.lattice, "links", NULL)
               : cli_host_show(cli_local_host(&a.lattice), "links", a.lattice.output);
}

int cli_link(int argc, char **argv) {
    static const cli_member members[] = {
        {"put", "put another backend behind a link of a host, or make one of a lattice", put},
        {"del", "cut a link of a host, or delete one of a lattice", del},
        {"list", "show all links", list},
    };
    static const cli_group group = {
        .name = "link",
        .summary = "What is behind the links of a host in the background, and the links of a lattice.",
        .details = "Links of a host are made by manifests; here they are changed while the host runs.",
        .members = members,
        .member_count = COUNT(members),
        .examples = "  writ link list\n"
                    "  writ link put shop-web wasi:keyvalue=redis,host=127.0.0.1\n"
                    "  writ link del shop-web wasi:keyvalue\n"
                    "  writ link put web redis wasi:keyvalue/store --lattice shop",
    };
    return cli_group_run(&group, argc, argv);
}
