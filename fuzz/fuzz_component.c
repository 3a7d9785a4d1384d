// SPDX-License-Identifier: Apache-2.0
// Any bytes as a component: decoding ends with a checked component, whose parts all lie inside the input and
// keep the promises of ast.h, or with a status that says why not. Nothing is compiled or run.
//
// links: component
#include "base/check.h"
#include "component/ast.h"
#include "component/component.h"
#include "component/flatten.h"
#include "component/producers.h"
#include "component/type_format.h"
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

// Any custom section may claim to be one.
static void walk_producers(slice section) {
    auto_arena memory;
    arena_init(&memory, 1 << 20);
    producers made_by = {0};
    err e = {0};
    if (producers_decode(section, &memory, &made_by, &e) != STATUS_OK) {
        CHECK(e.message[0] != '\0');
        return;
    }
    for (uint32_t i = 0; i < made_by.field_count; i++) {
        check_inside(made_by.fields[i].name, section);
        for (uint32_t j = 0; j < made_by.fields[i].value_count; j++) {
            check_inside(made_by.fields[i].values[j].name, section);
            check_inside(made_by.fields[i].values[j].version, section);
        }
    }
}

static void walk(const component *c, slice bytes) {
    for (size_t i = 0; i < component_module_count(c); i++) {
        check_inside(component_module_bytes(c, i), bytes);
    }
    for (size_t i = 0; i < component_section_count(c); i++) {
        check_inside(component_section_at(c, i)->name, bytes);
        check_inside(component_section_at(c, i)->bytes, bytes);
        walk_producers(component_section_at(c, i)->bytes);
    }
    for (size_t i = 0; i < component_import_count(c); i++) {
        walk_items(component_import_at(c, i), 1, (int)small_limits.depth_max);
    }
    for (size_t i = 0; i < component_export_count(c); i++) {
        walk_items(component_export_at(c, i), 1, (int)small_limits.depth_max);
    }
}

// What can be done with a function type: printed, flattened.
static void walk_func(const ctype_func *f) {
    auto_buf text;
    buf_init(&text, 4096);
    type_format_func(f, &text);
    ctype_signature lifted;
    ctype_signature lowered;
    ctype_signature_lift(f, &lifted);
    ctype_signature_lower(f, &lowered);
    CHECK(lifted.param_count <= CTYPE_FLAT_PARAMS_MAX && lifted.result_count <= CTYPE_FLAT_RESULTS_MAX);
    CHECK(lowered.param_count <= CTYPE_FLAT_PARAMS_MAX + 1 && lowered.result_count <= CTYPE_FLAT_RESULTS_MAX);
    for (uint32_t i = 0; i < f->param_count; i++) {
        const ctype *t = f->params[i].type;
        CHECK(t->align > 0 && t->size % t->align == 0 && t->flat_count > 0);
    }
}

static void check_resource(const ast_component *c, const ast_resource *r) {
    CHECK(r->type->index == (uint32_t)(r - c->resources));
    CHECK(r->def < c->def_count);
    const ast_def *def = &c->defs[r->def];
    CHECK(r->type->index >= def->resource_first);
    CHECK(r->type->index < def->resource_first + def->resource_count);
    CHECK((r->origin == AST_RESOURCE_DEFINED) == (def->kind == AST_DEF_TYPE));
    CHECK((r->origin == AST_RESOURCE_INSTANCE) == (def->kind == AST_DEF_INSTANTIATE));
    CHECK((r->origin == AST_RESOURCE_IMPORTED) == (def->kind == AST_DEF_IMPORT));
    CHECK((r->origin == AST_RESOURCE_EXPORTED) == (def->kind == AST_DEF_EXPORT));
}

// The promises of ast.h on which the planner builds.
static void walk_component(const ast_component *c) {
    uint32_t counts[AST_SORT_COUNT] = {0};
    uint32_t resources = 0;
    for (uint32_t i = 0; i < c->def_count; i++) {
        const ast_def *def = &c->defs[i];
        CHECK(def->index == counts[def->sort]++);
        CHECK(def->resource_first == resources);
        resources += def->resource_count;
        if (def->kind == AST_DEF_COMPONENT) {
            CHECK(def->of.component->depth == c->depth + 1);
            walk_component(def->of.component);
        } else if (def->kind == AST_DEF_RESOURCE_NEW || def->kind == AST_DEF_RESOURCE_DROP) {
            CHECK(def->of.resource.resource < resources);
        } else if (def->sort == AST_FUNC) {
            walk_func(def->type.of.func);
        }
    }
    for (uint32_t sort = 0; sort < AST_SORT_COUNT; sort++) {
        CHECK(counts[sort] == c->space_count[sort]);
    }
    CHECK(resources == c->resource_count);
    for (uint32_t i = 0; i < c->resource_count; i++) {
        check_resource(c, &c->resources[i]);
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
    walk_component(component_ast(c));
    component_free(c);
    return 0;
}
