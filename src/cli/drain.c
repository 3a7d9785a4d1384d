// SPDX-License-Identifier: Apache-2.0
// writ drain: take components off a host of a lattice, once others run them.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/scale_lattice.h"

enum { SECOND_NS = 1000000000, ID_BYTES_MAX = 256 };

typedef struct drain_args {
    cli_lattice_args lattice;
    const char *host;
    bool stop;
    bool is_forced;
    uint64_t wait_ns;
} drain_args;

CLI_KEEP_TEXT(set_host, drain_args, host);
CLI_TURN_ON(set_stop, drain_args, stop);
CLI_TURN_ON(set_force, drain_args, is_forced);

static status set_wait(void *target, const char *value, err *e) {
    return cli_parse_duration(value, &((drain_args *)target)->wait_ns, e);
}

static const cli_option options[] = {
    {"stop", 0, NULL, "stop the host when nothing is left on it but providers", set_stop},
    {"force", 0, NULL, "also where another host would run a component without its configuration", set_force},
    {"wait", 0, "DURATION", "how long to wait for each step (60s)", set_wait},
};

static const cli_command command = {
    .name = "drain",
    .usage = "[OPTIONS] HOST",
    .summary = "Take the components off a host of a lattice, once others run them.",
    .details =
        "A component that runs on another host already is stopped here. Another is started first on a host\n"
        "that takes it; where none does it stays, and the command fails at the end. Providers stay. Hosts "
        "of\n"
        "1.x do not tell which configuration a component has: theirs stay too, but for --force.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ drain brave-otter-1234\n"
                "  writ drain brave-otter-1234 --stop",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_host,
};

typedef struct draining {
    drain_args *a;
    cli_lattice *l;
    slice host;
    const json_value *inventories; // of all hosts
    size_t left;                   // components that stay
} draining;

static const json_value *inventory_of(const draining *d) {
    slice host;
    for (size_t i = 0; i < json_count(d->inventories); i++) {
        const json_value *inventory = json_at(d->inventories, i);
        if (json_as_text(json_get(inventory, "host_id"), &host) && slice_equal(host, d->host)) {
            return inventory;
        }
    }
    return NULL;
}

static bool runs_elsewhere(const draining *d, slice id) {
    for (size_t i = 0; i < json_count(d->inventories); i++) {
        const json_value *inventory = json_at(d->inventories, i), *list = json_get(inventory, "components");
        slice host = slice_empty(), found;
        (void)json_as_text(json_get(inventory, "host_id"), &host);
        for (size_t c = 0; c < json_count(list) && !slice_equal(host, d->host); c++) {
            if (json_as_text(json_get(json_at(list, c), "id"), &found) && slice_equal(found, id)) {
                return true;
            }
        }
    }
    return false;
}

static status find_other(draining *d, const cli_scaling *c, const json_value *item, char ret_host[64],
                         err *e) {
    json_value *body = json_object_new(), *offers = NULL;
    slice ref = slice_empty(), host = slice_empty();
    (void)json_as_text(json_get(item, "image_ref"), &ref);
    json_put_text(body, "component_ref", ref);
    json_put_text(body, "component_id", slice_from_text(c->id));
    json_put(body, "constraints", json_object_new());
    status s = cli_lattice_gather(d->l, "component.auction", body, 0, &offers, e);
    json_free(body);
    TRY(s);
    for (size_t i = 0; i < json_count(offers) && host.len == 0; i++) {
        slice offered = slice_empty();
        (void)json_as_text(json_get(json_at(offers, i), "host_id"), &offered);
        host = slice_equal(offered, d->host) ? host : offered;
    }
    (void)snprintf(ret_host, 64, "%.*s", SLICE_ARG(host));
    bool is = host.len > 0 && host.len < 64;
    json_free(offers);
    return is ? STATUS_OK : err_set(e, STATUS_NOT_FOUND, "no other host takes %s", c->id);
}

// Started elsewhere with all that is known of it.
static status start_elsewhere(draining *d, cli_scaling *c, const json_value *item, err *e) {
    char other[64];
    int64_t count = 1;
    const json_value *configs = json_get(json_get(inventory_of(d), "writ"), "config");
    bool is_told = json_is_object(configs);
    if (!is_told && !d->a->is_forced) {
        return err_set(e, STATUS_UNSUPPORTED,
                       "%s: its host does not tell which configuration it has; --force moves it without one",
                       c->id);
    }
    TRY(find_other(d, c, item, other, e));
    (void)json_as_integer(json_get(item, "max_instances"), &count);
    c->count = (uint64_t)count;
    TRY(cli_lattice_scale_one(c, slice_from_text(other), item, json_get(configs, c->id), d->l, e));
    c->count = 0;
    return STATUS_OK;
}

static status move(draining *d, slice id, const json_value *item, err *e) {
    char name[ID_BYTES_MAX];
    cli_scaling c = {.id = name, .wait_ns = d->a->wait_ns};
    (void)snprintf(name, sizeof name, "%.*s", SLICE_ARG(id));
    TRY(runs_elsewhere(d, id) ? STATUS_OK : start_elsewhere(d, &c, item, e));
    TRY(cli_lattice_scale_one(&c, d->host, item, NULL, d->l, e));
    cli_tell(&d->a->lattice, name, "taken off", NULL);
    return STATUS_OK;
}

static void move_all(draining *d, const json_value *components) {
    for (size_t i = 0; i < json_count(components); i++) {
        slice id = slice_empty();
        err e = {0};
        (void)json_as_text(json_get(json_at(components, i), "id"), &id);
        if (id.len == 0 || id.len >= ID_BYTES_MAX) {
            (void)err_set(&e, STATUS_INVALID, "a component without a name that can be used stays");
        }
        if (e.code != STATUS_OK || move(d, id, json_at(components, i), &e) != STATUS_OK) {
            (void)cli_fail(&e, d->a->lattice.output);
            d->left++;
        }
    }
}

static status drain(draining *d, err *e) {
    move_all(d, json_get(inventory_of(d), "components"));
    if (d->left > 0) {
        return err_set(e, STATUS_CANCELLED, "%zu component%s on %.*s", d->left,
                       d->left == 1 ? " stays" : "s stay", SLICE_ARG(d->host));
    }
    return d->a->stop ? cli_lattice_stop_host(d->l, &d->a->lattice, d->host, 0, d->a->wait_ns, e) : STATUS_OK;
}

static status run(void *target, cli_lattice *l, err *e) {
    drain_args *a = target;
    json_value *hosts = NULL, *inventories = NULL;
    const json_value *host = NULL;
    TRY(cli_lattice_host(l, a->host, &hosts, &host, e));
    status s = cli_lattice_inventories(l, NULL, &inventories, e);
    draining d = {.a = a, .l = l, .host = cli_host_id(host), .inventories = inventories};
    s = s == STATUS_OK ? drain(&d, e) : s;
    json_free(hosts);
    json_free(inventories);
    return s;
}

int cli_drain(int argc, char **argv) {
    drain_args a = {.wait_ns = (uint64_t)CLI_SCALE_WAIT_S * SECOND_NS};
    return cli_lattice_command(&command, argc, argv, &a.lattice, run);
}
