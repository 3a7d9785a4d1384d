// SPDX-License-Identifier: Apache-2.0
// Changes that need new workers: a plan for the next generation.
#include <string.h>

#include "api/control_internal.h"
#include "base/mem.h"
#include "codec/utf.h"
#include "os/fd.h"

enum { REPORT_BYTES_MAX = 1 << 20, INSTANCES_MAX = 1000000 };

status control_copy_plan(const control *c, plan *ret, err *e) {
    auto_buf text;
    buf_init(&text, PLAN_BYTES_MAX);
    TRY(plan_write(c->options.plan, &text, e));
    return plan_read(buf_slice(&text), ret, e);
}

// --- what becomes of it ------------------------------------------------------------------------------------

static json_value *report_text(int fd) {
    size_t len = 0;
    uint8_t *bytes = mem_alloc(REPORT_BYTES_MAX);
    if (fd >= 0) {
        (void)!fd_read_at(fd, bytes, REPORT_BYTES_MAX, 0, &len, NULL);
    }
    json_value *text = json_text(slice_of(bytes, len));
    mem_free(bytes);
    return text;
}

static void tell(control *c, const generation_answer *a) {
    control_request *r = c->waiting;
    c->is_change_open = false;
    if (r == NULL) {
        return; // its client is gone
    }
    c->waiting = NULL;
    json_value *document = json_object_new();
    json_put_bool(document, "taken", a->is_taken);
    json_put_integer(document, "exit", a->exit_status);
    json_put(document, "report", report_text(a->report_fd));
    control_answer(r, a->is_taken ? 200 : 409, document);
}

void control_on_answer(void *arg, unsigned events) {
    (void)events;
    control *c = arg;
    generation_answer a;
    status s = generation_receive(c->options.generation, &a);
    while (s == STATUS_OK) {
        tell(c, &a);
        fd_close(a.report_fd);
        s = generation_receive(c->options.generation, &a);
    }
    if (s != STATUS_NOT_FOUND) {
        loop_watch_stop(&c->answers); // the parent is gone, and so are we soon
    }
}

// It would be undone: the plan of the next generation is made without it.
static bool is_link_being_put(const control *c) {
    for (const list_node *n = c->requests.next; n != &c->requests; n = n->next) {
        if (LIST_ENTRY(n, control_request, node)->change.workload != NULL) {
            return true;
        }
    }
    return false;
}

void control_ask_next(control_request *r, const plan *next) {
    control *c = r->owner;
    auto_fd fd = -1;
    err e = {0};
    if (c->is_change_open || is_link_being_put(c)) {
        err_set(&e, STATUS_LIMIT, "another change is on its way; try again");
        control_fail(r, &e);
        return;
    }
    status s = plan_write_file(next, &fd, &e);
    s = s == STATUS_OK ? generation_ask_next(c->options.generation, fd, &e) : s;
    if (s != STATUS_OK) {
        control_fail(r, &e);
        return;
    }
    c->is_change_open = true;
    c->waiting = r;
}

// --- operations --------------------------------------------------------------------------------------------

static status take_application(plan *p, const json_value *v, err *e) {
    slice file;
    bool is_unsigned = false;
    if (!json_as_text(json_get(v, "file"), &file) || file.len == 0 || file.data[0] != '/' ||
        file.len > 4096 || memchr(file.data, 0, file.len) != NULL) {
        return err_set(e, STATUS_INVALID, "the \"file\" of an application must be an absolute path");
    }
    (void)json_as_bool(json_get(v, "unsigned"), &is_unsigned);
    char *path = mem_slice_dup(file);
    status s = plan_take(p, path, is_unsigned, e);
    mem_free(path);
    return s;
}

static status plan_applications(plan *p, const json_value *list, err *e) {
    if (json_count(list) == 0) {
        return err_set(e, STATUS_INVALID, "\"applications\" must be a list with at least one");
    }
    for (size_t i = 0; i < json_count(list); i++) {
        TRY(take_application(p, json_at(list, i), e));
    }
    return STATUS_OK;
}

static void go_on(control_request *r, status s, plan *next, const json_value *body, const err *e) {
    if (s == STATUS_OK) {
        next->is_json = false;
        (void)json_as_bool(json_get(body, "json"), &next->is_json);
        control_ask_next(r, next);
    } else {
        control_fail(r, e);
    }
    plan_done(next);
}

void control_apply(control_request *r, const json_value *body) {
    plan next = {0};
    err e = {0};
    status s = control_copy_plan(r->owner, &next, &e);
    s = s == STATUS_OK ? plan_applications(&next, json_get(body, "applications"), &e) : s;
    go_on(r, s, &next, body, &e);
}

static status remove_applications(plan *p, const json_value *list, err *e) {
    for (size_t i = 0; i < json_count(list); i++) {
        slice name = slice_empty();
        (void)json_as_text(json_at(list, i), &name);
        TRY(plan_remove(p, name, e));
    }
    if (json_count(list) == 0) {
        return err_set(e, STATUS_INVALID, "\"applications\" must be a list with at least one name");
    }
    return p->application_count > 0
               ? STATUS_OK
               : err_set(e, STATUS_UNSUPPORTED, "a host without applications has nothing to do: end it");
}

void control_remove(control_request *r, const json_value *body) {
    plan next = {0};
    err e = {0};
    status s = control_copy_plan(r->owner, &next, &e);
    s = s == STATUS_OK ? remove_applications(&next, json_get(body, "applications"), &e) : s;
    go_on(r, s, &next, body, &e);
}

static status scale_workload(const control *c, plan *p, const json_value *body, err *e) {
    slice name = slice_empty();
    int64_t n = 0;
    (void)json_as_text(json_get(body, "workload"), &name);
    const workload_config *w = control_find_workload(c, name, e);
    if (w == NULL) {
        return STATUS_NOT_FOUND;
    }
    if (!json_as_integer(json_get(body, "instances"), &n) || n < 1 || n > INSTANCES_MAX) {
        return err_set(e, STATUS_INVALID, "\"instances\" must be a number from 1 to %d", INSTANCES_MAX);
    }
    plan_change change = {.file = mem_text_dup(w->manifest_path != NULL ? w->manifest_path : "-"),
                          .workload = mem_text_dup(w->name),
                          .instances_max = (uint32_t)n};
    status s = plan_put(p, &change, e);
    plan_change_done(&change);
    return s;
}

void control_scale(control_request *r, const json_value *body) {
    plan next = {0};
    err e = {0};
    status s = control_copy_plan(r->owner, &next, &e);
    s = s == STATUS_OK ? scale_workload(r->owner, &next, body, &e) : s;
    go_on(r, s, &next, body, &e);
}
