// SPDX-License-Identifier: Apache-2.0
// What people may want to add to the manifest, from what was decided about imports.
#include <stdio.h>

#include "cli/dev_internal.h"

enum { LINE_BYTES_MAX = 64 << 10 };

void dev_advice_keep(dev_host *h, slice line) {
    json_value *copy;
    if (json_parse(line, &copy, NULL) == STATUS_OK) {
        h->grants = h->grants == NULL ? json_array_new() : h->grants;
        json_push(h->grants, copy);
    }
}

// A host of one workload does not say whose its imports are.
static slice name_of(const json_value *event) {
    slice name = dev_event_text(event, "workload");
    return name.len > 0 ? name : slice_from_text("the component");
}

// --- links that are missing --------------------------------------------------------------------------------

// An import such as "wasi:keyvalue/store@0.2.0-draft" in its parts; false for what is no interface of a
// package.
static bool split(slice import, slice *ret_namespace, slice *ret_package, slice *ret_interface) {
    size_t colon = slice_find(import, 0, ':'), slash = slice_find(import, 0, '/'),
           at = slice_find(import, 0, '@');
    if (colon == SIZE_MAX || slash == SIZE_MAX || slash < colon) {
        return false;
    }
    *ret_namespace = slice_sub(import, 0, colon);
    *ret_package = slice_sub(import, colon + 1, slash);
    *ret_interface = slice_sub(import, slash + 1, at);
    return true;
}

static bool wants_link(const json_value *row) {
    return slice_equal_text(dev_event_text(row, "state"), "refused") &&
           slice_starts_with(dev_event_text(row, "option"), "a trait of type link");
}

static bool is_of_package(const json_value *row, slice name, slice package) {
    slice its_name, its_package, interface;
    return wants_link(row) && split(dev_event_text(row, "import"), &its_name, &its_package, &interface) &&
           slice_equal(name, its_name) && slice_equal(package, its_package);
}

static bool is_told_already(const json_value *rows, size_t number, slice name, slice package) {
    for (size_t i = 0; i < number; i++) {
        if (is_of_package(json_at(rows, i), name, package)) {
            return true;
        }
    }
    return false;
}

// One link for all interfaces of a package that are refused, as the manifest has it.
static void print_link(const json_value *rows, size_t number) {
    slice name, package, interface;
    if (!wants_link(json_at(rows, number)) ||
        !split(dev_event_text(json_at(rows, number), "import"), &name, &package, &interface) ||
        is_told_already(rows, number, name, package)) {
        return;
    }
    auto_buf list;
    buf_init(&list, LINE_BYTES_MAX);
    for (size_t i = number; i < json_count(rows); i++) {
        if (is_of_package(json_at(rows, i), name, package) &&
            split(dev_event_text(json_at(rows, i), "import"), &name, &package, &interface)) {
            (void)!buf_append_format(&list, "%s%.*s", i > number ? ", " : "", SLICE_ARG(interface));
        }
    }
    fprintf(stderr, "        - type: link\n          properties: {target: WHO, ");
    fprintf(stderr, "namespace: %.*s, package: %.*s, interfaces: [%.*s]}\n", SLICE_ARG(name),
            SLICE_ARG(package), SLICE_ARG(buf_slice(&list)));
}

void dev_advice_links(const dev_host *h) {
    for (size_t i = 0; i < json_count(h->grants); i++) {
        const json_value *event = json_at(h->grants, i), *rows = json_get(event, "imports");
        slice workload = name_of(event);
        bool has_any = false;
        for (size_t n = 0; n < json_count(rows); n++) {
            has_any = has_any || wants_link(json_at(rows, n));
        }
        if (!has_any) {
            continue;
        }
        fprintf(stderr, "the smallest addition to %s, among the traits of %.*s, where WHO provides it:\n",
                h->options.manifest, SLICE_ARG(workload));
        for (size_t n = 0; n < json_count(rows); n++) {
            print_link(rows, n);
        }
    }
}

// --- imports without authority -----------------------------------------------------------------------------

static bool is_inert(const json_value *row) {
    return slice_equal_text(dev_event_text(row, "state"), "inert");
}

static bool is_said_already(const json_value *rows, size_t number) {
    for (size_t i = 0; i < number; i++) {
        if (is_inert(json_at(rows, i)) && slice_equal(dev_event_text(json_at(rows, i), "why"),
                                                      dev_event_text(json_at(rows, number), "why"))) {
            return true;
        }
    }
    return false;
}

// Each reason once for a component; it has what would grant more.
static status collect_inert(const dev_host *h, buf *ret) {
    for (size_t i = 0; i < json_count(h->grants); i++) {
        const json_value *event = json_at(h->grants, i), *rows = json_get(event, "imports");
        for (size_t n = 0; n < json_count(rows); n++) {
            const json_value *row = json_at(rows, n);
            if (is_inert(row) && !is_said_already(rows, n)) {
                TRY(buf_append_format(ret, "%s  %.*s: %.*s", ret->len > 0 ? "\n" : "",
                                      SLICE_ARG(name_of(event)), SLICE_ARG(dev_event_text(row, "why"))));
            }
        }
    }
    return STATUS_OK;
}

void dev_advice_inert(dev_host *h) {
    auto_buf text;
    buf_init(&text, LINE_BYTES_MAX);
    if (collect_inert(h, &text) == STATUS_OK && !slice_equal(buf_slice(&text), buf_slice(&h->inert))) {
        buf_clear(&h->inert);
        (void)!buf_append(&h->inert, buf_slice(&text));
        if (text.len > 0) {
            dev_event_print("without authority:\n", buf_slice(&text));
        }
    }
}
