// SPDX-License-Identifier: Apache-2.0
#include "cli/scale_lattice.h"

#include <stdio.h>

#include "base/mem.h"
#include "codec/utf.h"

// What a scale does not name again is gone afterwards, so everything that is known is named again. Hosts
// of 1.x do not tell the names of a component's configuration.
static json_value *configs_of(const cli_scaling *c, const json_value *known) {
    return c->configs != NULL     ? cli_words_json(c->configs)
           : json_is_array(known) ? json_clone(known)
                                  : json_array_new();
}

static json_value *make_body(const cli_scaling *c, slice host, const json_value *item,
                             const json_value *known) {
    json_value *body = json_object_new();
    slice ref = slice_empty();
    (void)json_as_text(json_get(item, "image_ref"), &ref);
    json_put_text(body, "component_ref", ref);
    json_put_text(body, "component_id", slice_from_text(c->id));
    json_put_text(body, "host_id", host);
    json_put_integer(body, "count", (int64_t)c->count);
    json_put(body, "config", configs_of(c, known));
    if (json_member_count(json_get(item, "annotations")) > 0) {
        json_put(body, "annotations", json_clone(json_get(item, "annotations")));
    }
    if (json_is_object(json_get(item, "limits"))) {
        json_put(body, "component_limits", json_clone(json_get(item, "limits")));
    }
    return body;
}

status cli_lattice_scale_one(const cli_scaling *c, slice host, const json_value *item,
                             const json_value *known, cli_lattice *l, err *e) {
    cli_outcome o = {.done = "component_scaled",
                     .failed = "component_scale_failed",
                     .member = "component_id",
                     .id = slice_from_text(c->id),
                     .instances = (int64_t)c->count};
    (void)snprintf(o.host, sizeof o.host, "%.*s", SLICE_ARG(host));
    TRY(cli_outcome_listen(&o, l, e));
    json_value *body = make_body(c, host, item, known);
    status s = cli_lattice_ask(l, "component.scale", host, body, NULL, e);
    json_free(body);
    s = s == STATUS_OK && c->wait_ns > 0 ? cli_outcome_wait(&o, l, c->wait_ns, e) : s;
    cli_outcome_done(&o);
    return s;
}

static void tell(const cli_scaling *c, cli_lattice_args *a, slice host) {
    char what[160];
    json_value *more = json_object_new();
    json_put_text(more, "host", host);
    json_put_integer(more, "instances", (int64_t)c->count);
    if (c->count == 0) {
        (void)snprintf(what, sizeof what, "stopped on %.*s", SLICE_ARG(slice_sub(host, 0, 64)));
    } else {
        (void)snprintf(what, sizeof what, "%llu instances on %.*s", (unsigned long long)c->count,
                       SLICE_ARG(slice_sub(host, 0, 64)));
    }
    cli_tell(a, c->id, what, more);
}

status cli_lattice_scale(const cli_scaling *c, cli_lattice_args *a, cli_lattice *l, err *e) {
    cli_running *r = MEM_NEW(cli_running);
    status s = cli_running_find(l, "components", c->id, c->host, r, e);
    for (size_t i = 0; i < r->count && s == STATUS_OK; i++) {
        bool is_told = c->count == 0 || c->configs != NULL || r->items[i].tells_config;
        if (!is_told) {
            char host[200];
            fprintf(
                stderr,
                "host %s does not tell which configuration %s has: it has none from now on, or name it with "
                "--config\n",
                utf8_shown(r->items[i].host, host, sizeof host), c->id);
        }
        s = cli_lattice_scale_one(c, r->items[i].host, r->items[i].item, r->items[i].configs, l, e);
        if (s == STATUS_OK) {
            tell(c, a, r->items[i].host);
        }
    }
    cli_running_done(r);
    mem_free(r);
    return s;
}
