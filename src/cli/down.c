// SPDX-License-Identifier: Apache-2.0
// writ down: end a host in the background, or one of its applications, or hosts of a lattice.
#include <stdio.h>

#include "cli/host_call.h"
#include "cli/lattice_words.h"

enum { END_MS_MAX = 60000, MS_NS = 1000000 };

typedef struct down_args {
    cli_lattice_args lattice;
    cli_words applications; // or hosts of a lattice
    bool all;
    uint64_t grace_ns;
} down_args;

CLI_ADD_WORD(set_application, down_args, applications);
CLI_TURN_ON(set_all, down_args, all);

static status set_grace(void *target, const char *value, err *e) {
    return cli_parse_duration(value, &((down_args *)target)->grace_ns, e);
}

static const cli_option options[] = {
    {"all", 0, NULL, "of a lattice: all its hosts", set_all},
    {"grace", 0, "DURATION", "of a lattice: what running calls get (the host's own: 10s)", set_grace},
};

static const cli_command command = {
    .name = "down",
    .usage = "[OPTIONS] [APPLICATION|HOST]...",
    .summary = "End a host in the background, or take applications off it; or end hosts of a lattice.",
    .details =
        "Without an application the host ends: running requests are answered, at most for its --drain time.\n"
        "The last application takes the host with it. When an option names a lattice, or a context is in "
        "use\n"
        "and no --host is named, it ends hosts of the lattice, which must be named, or --all.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .shared_count = CLI_LATTICE_OPTION_COUNT,
    .examples = "  writ down\n"
                "  writ down shop\n"
                "  writ down --host staging\n"
                "  writ down --lattice shop brave-otter-1234",
    .operands_max = CLI_WORDS_MAX,
    .operand = set_application,
};

static void tell_ended(const down_args *a) {
    if (a->lattice.output == CLI_TEXT) {
        printf("the host \"%s\" has ended\n", cli_local_host(&a->lattice));
        return;
    }
    json_value *document = json_object_new();
    json_put_text(document, "host", slice_from_text(cli_local_host(&a->lattice)));
    json_put_bool(document, "ended", true);
    cli_print_json(document);
}

static status end_host(const down_args *a, err *e) {
    json_value *body = json_object_new(), *answer = NULL;
    status s = cli_host_ask(cli_local_host(&a->lattice), "/v1/stop", body, &answer, e);
    json_free(body);
    json_free(answer);
    TRY(s);
    TRY(control_place_wait(cli_local_host(&a->lattice), END_MS_MAX, e));
    tell_ended(a);
    return STATUS_OK;
}

static bool is_named(const down_args *a, const json_value *application) {
    slice name = slice_empty();
    (void)json_as_text(json_get(application, "name"), &name);
    for (size_t i = 0; i < a->applications.count; i++) {
        if (slice_equal_text(name, a->applications.items[i])) {
            return true;
        }
    }
    return false;
}

// Whether the host would have nothing left.
static status are_all(const down_args *a, bool *ret, err *e) {
    json_value *found = NULL;
    TRY(cli_host_ask(cli_local_host(&a->lattice), "/v1/status", NULL, &found, e));
    const json_value *list = json_get(found, "applications");
    *ret = json_count(list) > 0;
    for (size_t i = 0; i < json_count(list); i++) {
        *ret &= is_named(a, json_at(list, i));
    }
    json_free(found);
    return STATUS_OK;
}

static status run(const down_args *a, int *ret_exit, err *e) {
    bool is_end = a->applications.count == 0;
    TRY(is_end ? STATUS_OK : are_all(a, &is_end, e));
    if (is_end) {
        return end_host(a, e);
    }
    json_value *body = json_object_new(), *list = json_array_new();
    for (size_t i = 0; i < a->applications.count; i++) {
        json_push(list, json_text(slice_from_text(a->applications.items[i])));
    }
    json_put(body, "applications", list);
    json_put_bool(body, "json", a->lattice.output == CLI_JSON);
    status s = cli_host_change(cli_local_host(&a->lattice), "/v1/remove", body, ret_exit, e);
    json_free(body);
    return s;
}

// --- of a lattice ------------------------------------------------------------------------------------------

static bool is_chosen(const down_args *a, const json_value *hosts, const json_value *host) {
    const json_value *found;
    for (size_t i = 0; i < a->applications.count; i++) {
        if (cli_find_host(hosts, a->applications.items[i], &found, NULL) == STATUS_OK && found == host) {
            return true;
        }
    }
    return a->all;
}

static status end_hosts(down_args *a, const json_value *hosts, cli_lattice *l, err *e) {
    const json_value *found;
    for (size_t i = 0; i < a->applications.count; i++) { // all that are named are there, or nothing is done
        TRY(cli_find_host(hosts, a->applications.items[i], &found, e));
    }
    for (size_t i = 0; i < json_count(hosts); i++) {
        const json_value *host = json_at(hosts, i);
        if (is_chosen(a, hosts, host)) {
            TRY(cli_lattice_stop_host(l, &a->lattice, cli_host_id(host), a->grace_ns,
                                      (uint64_t)END_MS_MAX * MS_NS, e));
        }
    }
    return STATUS_OK;
}

static status run_lattice(void *target, cli_lattice *l, err *e) {
    json_value *hosts = NULL;
    TRY(cli_lattice_hosts(l, &hosts, e));
    status s = end_hosts(target, hosts, l, e);
    json_free(hosts);
    return s;
}

static status check(const down_args *a, bool is_of_lattice, err *e) {
    if (is_of_lattice && a->all == (a->applications.count > 0)) {
        return err_set(e, STATUS_INVALID, "name the hosts of the lattice that are to end, or --all");
    }
    if (!is_of_lattice && (a->all || a->grace_ns > 0)) {
        return err_set(e, STATUS_INVALID,
                       "--all and --grace are for a lattice: name one with --lattice or --context");
    }
    return STATUS_OK;
}

int cli_down(int argc, char **argv) {
    down_args a = {0};
    cli_command whole = command;
    int code = CLI_EXIT_OK;
    err e = {0};
    whole.shared = cli_lattice_options;
    status s = cli_parse(&whole, argc, argv, &a, &e);
    bool is_of_lattice = s == STATUS_OK && cli_lattice_is_meant(&a.lattice);
    s = s == STATUS_OK ? check(&a, is_of_lattice, &e) : s;
    if (s != STATUS_OK) {
        return s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, a.lattice.output), CLI_EXIT_USAGE);
    }
    if (is_of_lattice) {
        return cli_lattice_run_with(&a.lattice, run_lattice);
    }
    s = run(&a, &code, &e);
    return s == STATUS_OK ? code : cli_fail(&e, a.lattice.output);
}
