// SPDX-License-Identifier: Apache-2.0
// What runs, and how it is.
#include <string.h>
#include <unistd.h>

#include "api/control_internal.h"
#include "base/mem.h"
#include "codec/date.h"

#ifndef WRIT_VERSION
#error "the build defines WRIT_VERSION"
#endif

enum { WORKERS_MAX = 256, NAMES_BYTES_MAX = 2048 };

static json_value *applications_json(const plan *p) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < p->application_count; i++) {
        const plan_application *a = &p->applications[i];
        json_value *o = json_object_new();
        json_put_text(o, "name", slice_from_text(a->name != NULL ? a->name : ""));
        json_put_text(o, "file", slice_from_text(a->file));
        json_put_bool(o, "unsigned", a->is_unsigned);
        json_push(list, o);
    }
    return list;
}

static const char *application_of(const plan *p, const workload_config *w) {
    for (size_t i = 0; w->manifest_path != NULL && i < p->application_count; i++) {
        if (strcmp(p->applications[i].file, w->manifest_path) == 0 && p->applications[i].name != NULL) {
            return p->applications[i].name;
        }
    }
    return "";
}

static json_value *routes_json(const workload_config *w) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < w->route_count; i++) {
        json_value *o = json_object_new();
        json_put(o, "host",
                 w->routes[i].host == NULL ? json_null_new() : json_text(slice_from_text(w->routes[i].host)));
        json_put_text(o, "path", slice_from_text(w->routes[i].path));
        json_push(list, o);
    }
    return list;
}

static json_value *texts_json(char *const *texts, size_t count) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < count; i++) {
        json_push(list, json_text(slice_from_text(texts[i])));
    }
    return list;
}

// Settings may name servers, and are not shown; credentials are not known here.
static json_value *link_json(const host_status *s, const host_link *l) {
    json_value *o = json_object_new();
    json_put_text(o, "name", slice_from_text(l->name));
    json_put(o, "interfaces", texts_json(l->interfaces, l->interface_count));
    json_put_text(o, "target", slice_from_text(l->target));
    json_put_text(o, "driver", slice_from_text(l->driver));
    if (s->changes != NULL) {
        host_link_state state;
        s->changes->read_link(s->source, l->number, &state);
        json_put_text(o, "state", slice_from_text(!state.is_open ? "cut" : state.state));
        json_put_text(o, "reason", slice_from_text(state.reason));
    }
    return o;
}

static json_value *links_json(const host_status *s, const workload_config *w) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < w->links.count; i++) {
        json_push(list, link_json(s, &w->links.items[i]));
    }
    for (size_t i = 0; i < w->callee_count; i++) {
        json_value *o = json_object_new();
        json_put_text(o, "name", slice_from_text("default"));
        json_put(o, "interfaces", texts_json(&w->callees[i].interface, 1));
        json_put_text(o, "target", slice_from_text(w->callees[i].workload));
        json_push(list, o);
    }
    return list;
}

static json_value *workload_json(const control *c, uint32_t number) {
    const host_status *s = c->options.status;
    const workload_config *w = &s->config->workloads[number];
    workload_figures f;
    json_value *o = json_object_new();
    host_status_read_workload(s, number, &f);
    json_put_text(o, "name", slice_from_text(w->name));
    json_put_text(o, "application", slice_from_text(application_of(c->options.plan, w)));
    json_put_text(o, "component", slice_from_text(w->component_path));
    json_put_integer(o, "instances_max", w->limits.instances_max);
    json_put_integer(o, "running", (int64_t)f.running);
    json_put_integer(o, "waiting", (int64_t)f.waiting);
    json_put_integer(o, "requests", (int64_t)f.requests);
    json_put_integer(o, "deliveries", (int64_t)f.deliveries);
    json_put_integer(o, "traps", (int64_t)f.traps);
    json_put_integer(o, "timeouts", (int64_t)f.timeouts);
    json_put_integer(o, "rejected", (int64_t)f.rejected);
    json_put_integer(o, "cpu_us", (int64_t)(f.cpu_ns / 1000u));
    json_put(o, "routes", routes_json(w));
    json_put(o, "links", links_json(s, w));
    return o;
}

static json_value *workers_json(const host_status *s) {
    host_worker *workers = mem_calloc(WORKERS_MAX, sizeof *workers);
    json_value *list = json_array_new();
    uint32_t count = s->changes == NULL ? 0 : s->changes->read_workers(s->source, workers, WORKERS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        json_value *o = json_object_new();
        json_put_integer(o, "pid", workers[i].pid);
        json_put_bool(o, "serving", workers[i].is_serving);
        json_push(list, o);
    }
    mem_free(workers);
    return list;
}

json_value *control_status(const control *c) {
    const host_status *s = c->options.status;
    char since[DATE_TEXT_BYTES];
    host_figures f;
    host_status_read(s, &f);
    json_value *o = json_object_new(), *workloads = json_array_new();
    json_put_text(o, "host", slice_from_text(c->options.name));
    json_put_text(o, "version", slice_from_text(WRIT_VERSION));
    json_put_integer(o, "pid", getppid()); // of the parent of generations, which is what ends them
    json_put_text(o, "since", slice_from_text(date_text(c->started_s, since)));
    json_put_text(o, "url", slice_from_text(c->url));
    json_put_text(o, "options", slice_from_text(c->options.host_options));
    json_put(o, "workers", workers_json(s));
    json_put_integer(o, "worker_restarts", (int64_t)f.worker_restarts);
    json_put(o, "applications", applications_json(c->options.plan));
    for (uint32_t i = 0; i < s->config->workload_count; i++) {
        json_push(workloads, workload_json(c, i));
    }
    json_put(o, "workloads", workloads);
    return o;
}

// --- looking for one ---------------------------------------------------------------------------------------

const workload_config *control_find_workload(const control *c, slice name, err *e) {
    const host_config *config = c->options.status->config;
    uint32_t n = host_config_find(config, name);
    if (n < HOST_WORKLOADS_MAX) {
        return &config->workloads[n];
    }
    auto_buf names;
    buf_init(&names, NAMES_BYTES_MAX);
    for (size_t i = 0; i < config->workload_count; i++) {
        (void)!buf_append_format(&names, "%s%s", i > 0 ? ", " : "", config->workloads[i].name);
    }
    (void)err_set(e, STATUS_NOT_FOUND, "there is no workload \"%.*s\"; there are: %.*s",
                  SLICE_ARG(slice_sub(name, 0, 80)), SLICE_ARG(buf_slice(&names)));
    return NULL;
}

static status no_link(const workload_config *w, const host_link *asked, err *e) {
    auto_buf names;
    buf_init(&names, NAMES_BYTES_MAX);
    for (size_t i = 0; i < w->links.count; i++) {
        const host_link *l = &w->links.items[i];
        for (size_t n = 0; n < l->interface_count; n++) {
            (void)!buf_append_format(&names, "%s%s@%s", names.len > 0 ? ", " : "", l->interfaces[n], l->name);
        }
    }
    return err_set(
        e, STATUS_NOT_FOUND,
        "workload \"%s\" has no link named \"%.80s\" that %.80s covers; it has: %.*s. Other links are "
        "added in its manifest",
        w->name, asked->name, asked->interfaces[0], SLICE_ARG(buf_slice(&names)));
}

status control_find_links(const control *c, slice workload, const host_link *asked, host_link ***ret,
                          size_t *ret_count, err *e) {
    const workload_config *w = control_find_workload(c, workload, e);
    if (w == NULL) {
        return STATUS_NOT_FOUND;
    }
    host_link **found = mem_calloc(w->links.count + 1, sizeof *found);
    size_t count = 0;
    for (size_t i = 0; i < w->links.count; i++) {
        if (plan_link_is_about(&w->links.items[i], asked)) {
            found[count++] = &w->links.items[i];
        }
    }
    if (count == 0) {
        mem_free(found);
        return no_link(w, asked, e);
    }
    *ret = found;
    *ret_count = count;
    return STATUS_OK;
}
