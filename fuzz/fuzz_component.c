// SPDX-License-Identifier: Apache-2.0
// Any bytes as a component: decoding ends with a checked component, whose parts all lie inside the input, or with
// a status that says why not. Nothing is compiled or run.
//
// links: component
#include "base/check.h"
#include "component/component.h"
#include "fuzz.h"

// Smaller than in production, so that a limit is reached before the fuzzer's own time and memory.
static const component_limits small_limits = {
    .bytes_max = 1 << 20,
    .depth_max = 32,
    .items_max = 10000,
    .name_bytes_max = 1024,
    .arena_bytes_max = 16 << 20,
};

static void check_inside(slice part, slice whole) {
    if (part.len > 0) {
        CHECK(part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
    }
}

static void walk_items(const component_item *items, size_t count, int depth) {
    CHECK(count == 0 || items != NULL);
    for (size_t i = 0; i < count && depth > 0; i++) {
        slice name;
        semver version;
        bool has_version = component_name_split(items[i].name, &name, &version);
        CHECK(name.len <= items[i].name.len);
        CHECK(has_version || name.len == items[i].name.len);
        CHECK(items[i].kind != COMPONENT_FUNC || items[i].func != NULL);
        walk_items(items[i].items, items[i].item_count, depth - 1);
    }
}

static void walk(const component *c, slice bytes) {
    for (size_t i = 0; i < component_module_count(c); i++) {
        check_inside(component_module_bytes(c, i), bytes);
    }
    for (size_t i = 0; i < component_section_count(c); i++) {
        check_inside(component_section_at(c, i)->name, bytes);
        check_inside(component_section_at(c, i)->bytes, bytes);
    }
    for (size_t i = 0; i < component_import_count(c); i++) {
        walk_items(component_import_at(c, i), 1, (int)small_limits.depth_max);
    }
    for (size_t i = 0; i < component_export_count(c); i++) {
        walk_items(component_export_at(c, i), 1, (int)small_limits.depth_max);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    slice bytes = slice_of(data, size);
    component *c = NULL;
    err e = {0};
    status s = component_decode(bytes, &small_limits, &c, &e);
    if (s != STATUS_OK) {
        CHECK(c == NULL);
        CHECK(s == STATUS_INVALID || s == STATUS_UNSUPPORTED || s == STATUS_LIMIT);
        CHECK(e.code == s && e.message[0] != '\0');
        return 0;
    }
    walk(c, bytes);
    component_free(c);
    return 0;
}
