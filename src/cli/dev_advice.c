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

// --- links that are missing
// ---------------------------------------------------------------------------------

// Embedded drivers: what a contract begins with, and what manifests usually call it.
typedef struct embedded {
    const char *package;
    const char *target;
    const char *image;
} embedded;

static const embedded drivers[] = {
    {"wasi:keyvalue", "store", "writ:sqlite"},
    {"wasi:blobstore", "files", "writ:directory"},
    {"wasmcloud:messaging", "broker", "writ:local"},
    {"wasmcloud:postgres", "database", "writ:sqlite"},
};

// The link that an import wants: one of this package, of that name where the import has one.
typedef struct import_parts {
    slice link;    // empty: no name
    slice package; // with its namespace
    slice interface;
} import_parts;

// "wasi:keyvalue/store@0.2.0-draft"; an import with a name of its own says elsewhere what it implements.
static bool split(const json_value *row, import_parts *ret) {
    bool is_named = json_get(row, "implements") != NULL;
    slice text = dev_event_text(row, is_named ? "implements" : "import");
    size_t slash = slice_find(text, 0, '/');
    if (slash == SIZE_MAX || slice_find(text, 0, ':') > slash) {
        return false;
    }
    *ret = (import_parts){is_named ? dev_event_text(row, "import") : slice_empty(), slice_sub(text, 0, slash),
                          slice_sub(text, slash + 1, slice_find(text, 0, '@'))};
    return true;
}

static bool wants_link(const json_value *row, import_parts *ret) {
    return slice_equal_text(dev_event_text(row, "state"), "refused") &&
           slice_starts_with(dev_event_text(row, "option"), "a trait of type link") && split(row, ret);
}

static bool is_of_same_link(const json_value *row, const import_parts *wanted, slice *ret_interface) {
    import_parts p;
    bool is_same =
        wants_link(row, &p) && slice_equal(p.package, wanted->package) && slice_equal(p.link, wanted->link);
    *ret_interface = is_same ? p.interface : slice_empty();
    return is_same;
}

static const embedded *driver_of(slice package) {
    for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++) {
        if (slice_equal_text(package, drivers[i].package)) {
            return &drivers[i];
        }
    }
    return NULL;
}

// Each once, after the links that lead to them.
static void print_drivers(const json_value *rows) {
    for (size_t n = 0; n < sizeof drivers / sizeof drivers[0]; n++) {
        bool is_wanted = false;
        for (size_t i = 0; i < json_count(rows) && !is_wanted; i++) {
            import_parts p;
            is_wanted = wants_link(json_at(rows, i), &p) && slice_equal_text(p.package, drivers[n].package);
        }
        if (is_wanted) {
            fprintf(stderr,
                    "and among the components, where none is there that does it:\n    - name: %s\n"
                    "      type: capability\n      properties: {image: \"%s\"}\n",
                    drivers[n].target, drivers[n].image);
        }
    }
}

// One link for all interfaces of a package, as the manifest has it.
static void print_link(const json_value *rows, size_t number, const import_parts *p) {
    auto_buf list;
    slice interface;
    buf_init(&list, LINE_BYTES_MAX);
    for (size_t i = 0; i < json_count(rows); i++) {
        bool is_same = is_of_same_link(json_at(rows, i), p, &interface);
        if (is_same && i < number) {
            return; // told already
        }
        if (is_same) {
            (void)!buf_append_format(&list, "%s%.*s", list.len > 0 ? ", " : "", SLICE_ARG(interface));
        }
    }
    const embedded *d = driver_of(p->package);
    size_t colon = slice_find(p->package, 0, ':');
    fprintf(
        stderr,
        "        - type: link\n          properties: {%s%.*s%starget: %s, namespace: %.*s, package: %.*s, ",
        p->link.len > 0 ? "name: " : "", SLICE_ARG(p->link), p->link.len > 0 ? ", " : "",
        d != NULL ? d->target : "WHO", SLICE_ARG(slice_sub(p->package, 0, colon)),
        SLICE_ARG(slice_sub(p->package, colon + 1, p->package.len)));
    fprintf(stderr, "interfaces: [%.*s]}%s\n", SLICE_ARG(buf_slice(&list)),
            d != NULL ? "" : " # WHO is the component that exports it");
}

static void print_links_of(const dev_host *h, const json_value *event) {
    const json_value *rows = json_get(event, "imports");
    bool has_begun = false;
    for (size_t i = 0; i < json_count(rows); i++) {
        import_parts p;
        if (!wants_link(json_at(rows, i), &p)) {
            continue;
        }
        if (!has_begun) {
            fprintf(stderr, "the smallest addition to %s, among the traits of %.*s:\n", h->options.manifest,
                    SLICE_ARG(name_of(event)));
            has_begun = true;
        }
        print_link(rows, i, &p);
    }
    print_drivers(rows);
}

void dev_advice_links(const dev_host *h) {
    for (size_t i = 0; i < json_count(h->grants); i++) {
        print_links_of(h, json_at(h->grants, i));
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
