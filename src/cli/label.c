// SPDX-License-Identifier: Apache-2.0
// writ label: labels of hosts of a lattice.
#include <string.h>

#include "cli/group.h"
#include "cli/lattice_words.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

typedef struct label_args {
    cli_lattice_args lattice;
    const char *host;
    cli_words labels;
    bool is_del;
} label_args;

static status set_pair(void *target, const char *value, err *e) {
    label_args *a = target;
    if (a->host == NULL) {
        a->host = value;
        return STATUS_OK;
    }
    return cli_pairs_add(&a->labels, value, e);
}

static status set_name(void *target, const char *value, err *e) {
    label_args *a = target;
    if (a->host == NULL) {
        a->host = value;
        return STATUS_OK;
    }
    return cli_words_add(&a->labels, value, e);
}

static const cli_command put_command = {
    .name = "label put",
    .usage = "[OPTIONS] HOST LABEL=VALUE...",
    .summary = "Give labels to a host of a lattice.",
    .examples = "  writ label put brave-otter-1234 zone=eu",
    .operands_min = 2,
    .operands_max = CLI_WORDS_MAX,
    .operand = set_pair,
};
static const cli_command del_command = {
    .name = "label del",
    .usage = "[OPTIONS] HOST LABEL...",
    .summary = "Take labels off a host of a lattice.",
    .examples = "  writ label del brave-otter-1234 zone",
    .operands_min = 2,
    .operands_max = CLI_WORDS_MAX,
    .operand = set_name,
};

static status change_one(label_args *a, slice host, const char *label, cli_lattice *l, err *e) {
    json_value *body = json_object_new();
    const char *equals = a->is_del ? NULL : strchr(label, '=');
    json_put_text(body, "key",
                  equals != NULL ? slice_of(label, (size_t)(equals - label)) : slice_from_text(label));
    json_put_text(body, "value", slice_from_text(equals != NULL ? equals + 1 : ""));
    status s = cli_lattice_ask(l, a->is_del ? "label.del" : "label.put", host, body, NULL, e);
    json_free(body);
    return s;
}

static status run(void *target, cli_lattice *l, err *e) {
    label_args *a = target;
    json_value *hosts = NULL;
    const json_value *host = NULL;
    TRY(cli_lattice_host(l, a->host, &hosts, &host, e));
    status s = STATUS_OK;
    for (size_t i = 0; i < a->labels.count && s == STATUS_OK; i++) {
        s = change_one(a, cli_host_id(host), a->labels.items[i], l, e);
    }
    json_free(hosts);
    TRY(s);
    cli_tell(&a->lattice, a->host, a->is_del ? "labels deleted" : "labels set", NULL);
    return STATUS_OK;
}

static int put(int argc, char **argv) {
    label_args a = {0};
    return cli_lattice_command(&put_command, argc, argv, &a.lattice, run);
}

static int del(int argc, char **argv) {
    label_args a = {.is_del = true};
    return cli_lattice_command(&del_command, argc, argv, &a.lattice, run);
}

int cli_label(int argc, char **argv) {
    static const cli_member members[] = {
        {"put", "give labels to a host", put},
        {"del", "take labels off a host", del},
    };
    static const cli_group group = {
        .name = "label",
        .summary = "Labels of the hosts of a lattice.",
        .details = "`writ start component --constraint` chooses hosts by them; `writ get hosts` shows them.",
        .members = members,
        .member_count = COUNT(members),
        .examples = "  writ label put brave-otter-1234 zone=eu\n"
                    "  writ label del brave-otter-1234 zone",
    };
    return cli_group_run(&group, argc, argv);
}
