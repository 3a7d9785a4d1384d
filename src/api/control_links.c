// SPDX-License-Identifier: Apache-2.0
// What is behind links, changed by hand: in place, without new workers. Only credentials need those, because
// secrets are fetched when a generation starts.
#include <string.h>

#include "api/control_internal.h"
#include "base/mem.h"
#include "driver/driver.h"
#include "os/fd.h"

// What runs from now on, also for whoever comes next.
static void keep_plan(control *c) {
    auto_fd fd = -1;
    if (plan_write_file(c->options.plan, &fd, NULL) == STATUS_OK) {
        (void)!generation_keep_plan(c->options.generation, fd, NULL);
    }
}

static status read_asked(const control *c, const json_value *body, host_link *ret, host_link ***ret_found,
                         size_t *ret_count, err *e) {
    slice workload = slice_empty();
    if (c->options.status->changes == NULL) {
        return err_set(e, STATUS_UNSUPPORTED, "links of a host in one process cannot be changed");
    }
    if (c->is_change_open) { // which would undo it: its plan is made
        return err_set(e, STATUS_LIMIT, "another change is on its way; try again");
    }
    (void)json_as_text(json_get(body, "workload"), &workload);
    TRY(plan_link_read(json_get(body, "link"), ret, e));
    return control_find_links(c, workload, ret, ret_found, ret_count, e);
}

static plan_change change_of(const control *c, const host_link *l) {
    const host_config *config = c->options.status->config;
    uint32_t n = host_config_find(config, slice_from_text(l->workload));
    const char *file = n < HOST_WORKLOADS_MAX ? config->workloads[n].manifest_path : NULL;
    return (plan_change){.file = mem_text_dup(file != NULL ? file : "-"),
                         .workload = mem_text_dup(l->workload)};
}

// --- put ---------------------------------------------------------------------------------------------------

static status check_driver(const host_link *l, const host_link *asked, err *e) {
    for (size_t i = 0; i < l->interface_count; i++) {
        if (driver_find(slice_from_text(asked->driver), slice_from_text(l->interfaces[i])) == NULL) {
            return err_set(e, STATUS_INVALID, "there is no driver \"%.40s\" for %s", asked->driver,
                           l->interfaces[i]);
        }
    }
    return STATUS_OK;
}

static void answer_put(control_request *r) {
    json_value *document = json_object_new();
    json_put_bool(document, "taken", true);
    control_answer(r, 200, document);
}

static void on_put(void *arg, status code, const err *e) {
    control_request *r = arg;
    control *c = r->owner;
    if (code != STATUS_OK) {
        err why;
        err_set(&why, code == STATUS_CLOSED || code == STATUS_TIMEOUT ? STATUS_LIMIT : code,
                "the link stays as it was: %s", e != NULL ? e->message : status_name(code));
        control_fail(r, &why);
        return;
    }
    plan_change change = r->change;
    r->change = (plan_change){0};
    c->options.status->changes->tell_link(c->options.status->source, &change.link, false);
    (void)!plan_put(c->options.plan, &change, NULL); // over its bound: until the next generation
    plan_change_done(&change);
    keep_plan(c);
    answer_put(r);
}

static status put_in_place(control_request *r, const host_link *l, const host_link *asked, err *e) {
    const host_status *s = r->owner->options.status;
    host_link by = {0};
    plan_link_fill(l, asked, &by);
    status put = s->changes->put_link(s->source, &by, on_put, r, e);
    host_link_done(&by);
    if (put != STATUS_OK) {
        plan_change_done(&r->change);
    }
    return put;
}

static status put_by_next(control_request *r, const plan_change *c, err *e) {
    plan next = {0};
    plan_change copy = {.file = mem_text_dup(c->file), .workload = mem_text_dup(c->workload)};
    plan_link_fill(&c->link, &c->link, &copy.link);
    status s = control_copy_plan(r->owner, &next, e);
    s = s == STATUS_OK ? plan_put(&next, &copy, e) : s;
    plan_change_done(&copy);
    plan_change_done(&r->change);
    if (s == STATUS_OK) {
        control_ask_next(r, &next);
    }
    plan_done(&next);
    return s;
}

static status put_one(control_request *r, const host_link *l, const host_link *asked, err *e) {
    if (asked->is_cut) {
        return err_set(e, STATUS_INVALID, "a link is cut by deleting it");
    }
    TRY(check_driver(l, asked, e));
    r->change = change_of(r->owner, l);
    plan_link_fill(l, asked, &r->change.link);
    return asked->secret_count > 0 ? put_by_next(r, &r->change, e) : put_in_place(r, l, asked, e);
}

void control_put_link(control_request *r, const json_value *body) {
    host_link asked = {0};
    host_link **found = NULL;
    size_t count = 0;
    err e = {0};
    status s = read_asked(r->owner, body, &asked, &found, &count, &e);
    if (s == STATUS_OK && count > 1) {
        s = err_set(&e, STATUS_INVALID, "%zu links are named \"%s\" for %s; name one interface, such as %s",
                    count, asked.name, asked.interfaces[0], found[0]->interfaces[0]);
    }
    if (s == STATUS_OK) {
        s = put_one(r, found[0], &asked, &e);
    }
    if (s != STATUS_OK) {
        control_fail(r, &e);
    }
    host_link_done(&asked);
    mem_free(found);
}

// --- delete ------------------------------------------------------------------------------------------------

static void cut(control *c, host_link *l) {
    const host_status *s = c->options.status;
    plan_change change = change_of(c, l);
    plan_link_fill(l, l, &change.link);
    change.link.is_cut = true;
    s->changes->cut_link(s->source, l->number);
    s->changes->tell_link(s->source, l, true);
    (void)!plan_put(c->options.plan, &change, NULL);
    plan_change_done(&change);
}

void control_delete_link(control_request *r, const json_value *body) {
    control *c = r->owner;
    host_link asked = {0};
    host_link **found = NULL;
    size_t count = 0;
    err e = {0};
    status s = read_asked(c, body, &asked, &found, &count, &e);
    for (size_t i = 0; s == STATUS_OK && i < count; i++) {
        cut(c, found[i]);
    }
    host_link_done(&asked);
    mem_free(found);
    if (s != STATUS_OK) {
        control_fail(r, &e);
        return;
    }
    keep_plan(c);
    json_value *document = json_object_new();
    json_put_integer(document, "links", (int64_t)count);
    control_answer(r, 200, document);
}
