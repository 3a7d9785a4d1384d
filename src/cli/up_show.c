// SPDX-License-Identifier: Apache-2.0
// What runs, or would run, as tables.
#include <string.h>

#include "cli/up_internal.h"

static json_value *routes_json(const workload_config *w) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < w->route_count; i++) {
        json_value *row = json_object_new();
        json_put(row, "host",
                 w->routes[i].host == NULL ? json_null_new() : json_text(slice_from_text(w->routes[i].host)));
        json_put_text(row, "path", slice_from_text(w->routes[i].path));
        json_push(list, row);
    }
    return list;
}

static json_value *links_json(const workload_config *w) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < w->links.count; i++) {
        const host_link *l = &w->links.items[i];
        json_value *row = json_object_new(), *interfaces = json_array_new();
        for (size_t n = 0; n < l->interface_count; n++) {
            json_push(interfaces, json_text(slice_from_text(l->interfaces[n])));
        }
        json_put_text(row, "name", slice_from_text(l->name));
        json_put(row, "interfaces", interfaces);
        json_put_text(row, "target", slice_from_text(l->target));
        json_push(list, row);
    }
    for (size_t i = 0; i < w->callee_count; i++) {
        json_value *row = json_object_new(), *interfaces = json_array_new();
        json_push(interfaces, json_text(slice_from_text(w->callees[i].interface)));
        json_put_text(row, "name", slice_from_text(w->callees[i].link));
        json_put(row, "interfaces", interfaces);
        json_put_text(row, "target", slice_from_text(w->callees[i].workload));
        json_push(list, row);
    }
    return list;
}

json_value *up_workloads_json(const host_config *c) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < c->workload_count; i++) {
        const workload_config *w = &c->workloads[i];
        json_value *row = json_object_new();
        json_put_text(row, "name", slice_from_text(w->name));
        json_put_text(row, "component", slice_from_text(w->component_path));
        json_put_integer(row, "instances", w->limits.instances_max);
        json_put(row, "routes", routes_json(w));
        json_put(row, "links", links_json(w));
        json_push(list, row);
    }
    return list;
}

static void print_escaped(FILE *out, const char *text) {
    auto_buf line;
    buf_init(&line, 1 << 16);
    cli_append_printable(&line, slice_from_text(text));
    fprintf(out, "%.*s", SLICE_ARG(buf_slice(&line)));
}

static void print_link(FILE *out, const char *interface, const char *name, const char *target) {
    fprintf(out, "    %-8s ", "link");
    print_escaped(out, interface);
    fprintf(out, " as ");
    print_escaped(out, name);
    fprintf(out, " to ");
    print_escaped(out, target);
    fputc('\n', out);
}

static void print_workload(FILE *out, const workload_config *w) {
    fprintf(out, "  ");
    print_escaped(out, w->name);
    fprintf(out, ": ");
    print_escaped(out, w->component_path);
    fprintf(out, ", at most %u instance%s\n", w->limits.instances_max,
            w->limits.instances_max == 1 ? "" : "s");
    for (size_t i = 0; i < w->route_count; i++) {
        fprintf(out, "    %-8s ", "route");
        print_escaped(out, w->routes[i].host == NULL ? "" : w->routes[i].host);
        print_escaped(out, w->routes[i].path);
        fputc('\n', out);
    }
    for (size_t i = 0; i < w->links.count; i++) {
        const host_link *l = &w->links.items[i];
        for (size_t n = 0; n < l->interface_count; n++) {
            print_link(out, l->interfaces[n], l->name, l->target);
        }
    }
    for (size_t i = 0; i < w->callee_count; i++) {
        print_link(out, w->callees[i].interface, w->callees[i].link, w->callees[i].workload);
    }
}

void up_print_workloads(FILE *out, const host_config *c) {
    for (size_t i = 0; i < c->workload_count; i++) {
        print_workload(out, &c->workloads[i]);
    }
}
