// SPDX-License-Identifier: Apache-2.0
#include "api/assignment.h"

#include "base/mem.h"
#include "capability/links.h"
#include "codec/json.h"
#include "os/memory_file.h"

enum { NAME_BYTES_MAX = 1024, PATH_BYTES_MAX = 4096, VALUE_BYTES_MAX = 1 << 20 };

// --- writing -----------------------------------------------------------------------------------------------

static void put_text(json_value *o, const char *key, const char *text) {
    if (text != NULL) {
        json_put_text(o, key, slice_from_text(text));
    }
}

static json_value *values_json(const workload_config *w) {
    json_value *o = json_object_new();
    for (size_t i = 0; i < w->value_count; i++) {
        put_text(o, w->values[i].name, w->values[i].value);
    }
    return o;
}

static json_value *callees_json(const workload_config *w) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < w->callee_count; i++) {
        json_value *o = json_object_new();
        put_text(o, "interface", w->callees[i].interface);
        put_text(o, "link", w->callees[i].link);
        put_text(o, "workload", w->callees[i].workload);
        json_push(list, o);
    }
    return list;
}

static json_value *routes_json(const workload_config *w) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < w->route_count; i++) {
        json_value *o = json_object_new();
        put_text(o, "host", w->routes[i].host);
        put_text(o, "path", w->routes[i].path);
        json_push(list, o);
    }
    return list;
}

static json_value *workload_json(const workload_config *w) {
    json_value *o = json_object_new();
    put_text(o, "name", w->name);
    put_text(o, "component", w->component_path);
    json_put_integer(o, "instances", w->limits.instances_max);
    json_put_integer(o, "memory", (int64_t)w->limits.memory_bytes_max);
    json_put_integer(o, "time", (int64_t)w->limits.wall_time_ns_max);
    json_put_bool(o, "unsigned", w->is_unsigned);
    json_put_bool(o, "http", w->is_http_linked);
    json_put(o, "values", values_json(w));
    json_put(o, "callees", callees_json(w));
    json_put(o, "routes", routes_json(w));
    return o;
}

status assignment_write(const host_config *c, buf *ret, err *e) {
    json_value *o = json_object_new(), *list = json_array_new();
    for (size_t i = 0; i < c->workload_count; i++) {
        json_push(list, workload_json(&c->workloads[i]));
    }
    json_put(o, "workloads", list);
    status s = json_write(o, 0, ret);
    json_free(o);
    return s == STATUS_OK ? s
                          : err_set(e, STATUS_LIMIT, "what this host is to run is too long to write down");
}

status assignment_write_file(const host_config *c, int *ret_fd, err *e) {
    auto_buf text;
    buf_init(&text, ASSIGNMENT_BYTES_MAX);
    TRY(assignment_write(c, &text, e));
    return memory_file_from_bytes("writ-assignment", buf_slice(&text), ret_fd, e);
}

// --- reading -----------------------------------------------------------------------------------------------

static status wrong(const char *what, err *e) {
    return err_set(e, STATUS_INVALID, "%s of an assignment is missing, or not what it must be", what);
}

// NULL where there is none.
static status take_text(const json_value *o, const char *key, size_t max, char **ret, err *e) {
    slice text;
    const json_value *v = json_get(o, key);
    if (json_is_absent(v)) {
        return STATUS_OK;
    }
    if (!json_as_text(v, &text) || text.len == 0 || text.len > max || slice_find(text, 0, 0) != SIZE_MAX) {
        return wrong(key, e);
    }
    *ret = mem_slice_dup(text);
    return STATUS_OK;
}

static status take_number(const json_value *o, const char *key, int64_t max, int64_t *ret, err *e) {
    const json_value *v = json_get(o, key);
    bool is_good = json_is_absent(v) || (json_as_integer(v, ret) && *ret >= 0 && *ret <= max);
    return is_good ? STATUS_OK : wrong(key, e);
}

static status take_values(const json_value *o, workload_config *w, err *e) {
    void *at = NULL;
    slice key, text;
    const json_value *value;
    status s = STATUS_OK;
    while (s == STATUS_OK && json_next_member(o, &at, &key, &value)) {
        if (!json_as_text(value, &text) || key.len > NAME_BYTES_MAX || text.len > VALUE_BYTES_MAX ||
            slice_find(text, 0, 0) != SIZE_MAX) {
            return wrong("a value", e);
        }
        char *name = mem_slice_dup(key), *copy = mem_slice_dup(text);
        s = workload_config_add_value(w, name, copy, e);
        mem_free(name);
        mem_free(copy);
    }
    return s;
}

static status take_callee(const json_value *o, workload_config *w, err *e) {
    char *interface = NULL, *link = NULL, *workload = NULL;
    status s = take_text(o, "interface", NAME_BYTES_MAX, &interface, e);
    s = s == STATUS_OK ? take_text(o, "link", NAME_BYTES_MAX, &link, e) : s;
    s = s == STATUS_OK ? take_text(o, "workload", NAME_BYTES_MAX, &workload, e) : s;
    if (s == STATUS_OK) {
        bool is_whole = interface != NULL && link != NULL && workload != NULL;
        s = is_whole ? workload_config_add_callee(w, interface, link, workload, e) : wrong("a callee", e);
    }
    mem_free(interface);
    mem_free(link);
    mem_free(workload);
    return s;
}

static status take_route(const json_value *o, workload_config *w, err *e) {
    char *host = NULL, *path = NULL;
    status s = take_text(o, "host", HOST_ROUTE_BYTES_MAX, &host, e);
    s = s == STATUS_OK ? take_text(o, "path", HOST_ROUTE_BYTES_MAX, &path, e) : s;
    if (s == STATUS_OK) {
        s = path != NULL ? workload_config_add_route(w, host, path, e) : wrong("a route", e);
    }
    mem_free(host);
    mem_free(path);
    return s;
}

static status take_link(workload_config *w, err *e) {
    host_link *l;
    TRY(host_links_add(&w->links, WASI_LINK_ANY, ASSIGNMENT_DRIVER, &l, e));
    return host_link_add_interface(l, slice_from_text(WASI_LINK_ANY), e);
}

static status take_workload(const json_value *o, workload_config *w, err *e) {
    int64_t instances = 0, memory = (int64_t)w->limits.memory_bytes_max, time = 0;
    const json_value *callees = json_get(o, "callees"), *routes = json_get(o, "routes");
    TRY(take_text(o, "name", NAME_BYTES_MAX, &w->name, e));
    TRY(take_text(o, "component", PATH_BYTES_MAX, &w->component_path, e));
    TRY(take_number(o, "instances", UINT32_MAX, &instances, e));
    TRY(take_number(o, "memory", INT64_MAX, &memory, e));
    TRY(take_number(o, "time", INT64_MAX, &time, e));
    if (w->name == NULL || w->component_path == NULL || instances == 0) {
        return wrong("a workload", e);
    }
    w->limits.instances_max = (uint32_t)instances;
    w->limits.memory_bytes_max = (uint64_t)memory;
    w->limits.wall_time_ns_max = (uint64_t)time;
    (void)json_as_bool(json_get(o, "unsigned"), &w->is_unsigned);
    (void)json_as_bool(json_get(o, "http"), &w->is_http_linked);
    TRY(take_values(json_get(o, "values"), w, e));
    for (size_t i = 0; i < json_count(callees); i++) {
        TRY(take_callee(json_at(callees, i), w, e));
    }
    for (size_t i = 0; i < json_count(routes); i++) {
        TRY(take_route(json_at(routes, i), w, e));
    }
    return take_link(w, e);
}

status assignment_read(slice text, host_config *c, err *e) {
    json_value *v = NULL;
    TRY(json_parse(text, &v, e));
    const json_value *list = json_get(v, "workloads");
    status s = json_is_array(list) ? STATUS_OK : wrong("the list of workloads", e);
    for (size_t i = 0; i < json_count(list) && s == STATUS_OK; i++) {
        workload_config *w;
        s = host_config_add_workload(c, &w, e);
        s = s == STATUS_OK ? take_workload(json_at(list, i), w, e) : s;
    }
    json_free(v);
    return s;
}

status assignment_read_file(int fd, host_config *c, err *e) {
    memory_map map = {0};
    TRY(memory_map_read(fd, ASSIGNMENT_BYTES_MAX, &map, e));
    status s = assignment_read(memory_map_slice(&map), c, e);
    memory_map_done(&map);
    return s;
}
