// SPDX-License-Identifier: Apache-2.0
// writ update: another version of a component that runs in a lattice.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/scale_lattice.h"

enum { SECOND_NS = 1000000000 };

typedef struct update_args {
    cli_lattice_args lattice;
    const char *id;
    const char *ref;
    const char *host;
    uint64_t wait_ns;
} update_args;

CLI_KEEP_TEXT(set_on, update_args, host);

static status set_wait(void *target, const char *value, err *e) {
    return cli_parse_duration(value, &((update_args *)target)->wait_ns, e);
}
static status set_operand(void *target, const char *value, WRIT_UNUSED err *e) {
    update_args *a = target;
    *(a->id == NULL ? &a->id : &a->ref) = value;
    return STATUS_OK;
}

static const cli_option options[] = {
    {"on", 0, "HOST", "on this host, a key or a name (wherever it runs)", set_on},
    {"wait", 0, "DURATION", "how long to wait until it is done; 0s does not (60s)", set_wait},
};

static const cli_command command = {
    .name = "update",
    .usage = "[OPTIONS] ID IMAGE",
    .summary = "Put another version in the place of a component that runs in a lattice.",
    .details = "One host after the other: the next is told when the one before runs the new version.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ update web ghcr.io/acme/web:1.3",
    .operands_min = 2,
    .operands_max = 2,
    .operand = set_operand,
};

static bool runs_already(update_args *a, const json_value *item) {
    slice ref = slice_empty();
    return json_as_text(json_get(item, "image_ref"), &ref) && slice_equal_text(ref, a->ref);
}

static status update_on(update_args *a, slice host, const json_value *item, cli_lattice *l, err *e) {
    cli_outcome o = {.done = "component_scaled",
                     .failed = "component_scale_failed",
                     .member = "component_id",
                     .id = slice_from_text(a->id),
                     .instances = -1};
    bool is_already = runs_already(a, item);
    (void)snprintf(o.host, sizeof o.host, "%.*s", SLICE_ARG(host));
    TRY(cli_outcome_listen(&o, l, e));
    json_value *body = json_object_new();
    json_put_text(body, "component_id", slice_from_text(a->id));
    json_put_text(body, "new_component_ref", slice_from_text(a->ref));
    json_put_text(body, "host_id", host);
    if (json_member_count(json_get(item, "annotations")) > 0) {
        json_put(body, "annotations", json_clone(json_get(item, "annotations")));
    }
    status s = is_already ? STATUS_OK : cli_lattice_ask(l, "component.update", host, body, NULL, e);
    s = s == STATUS_OK && !is_already && a->wait_ns > 0 ? cli_outcome_wait(&o, l, a->wait_ns, e) : s;
    cli_outcome_done(&o);
    json_free(body);
    if (s == STATUS_OK) {
        json_value *more = json_object_new();
        json_put_text(more, "host", host);
        json_put_text(more, "image", slice_from_text(a->ref));
        cli_tell(&a->lattice, a->id,
                 is_already       ? "runs it already"
                 : a->wait_ns > 0 ? "updated"
                                  : "accepted",
                 more);
    }
    return s;
}

static status run(void *target, cli_lattice *l, err *e) {
    update_args *a = target;
    cli_running *r = MEM_NEW(cli_running);
    status s = cli_running_find(l, "components", a->id, a->host, r, e);
    for (size_t i = 0; i < r->count && s == STATUS_OK; i++) {
        s = update_on(a, r->items[i].host, r->items[i].item, l, e);
    }
    cli_running_done(r);
    mem_free(r);
    return s;
}

int cli_update(int argc, char **argv) {
    update_args a = {.wait_ns = (uint64_t)CLI_SCALE_WAIT_S * SECOND_NS};
    return cli_lattice_command(&command, argc, argv, &a.lattice, run);
}
