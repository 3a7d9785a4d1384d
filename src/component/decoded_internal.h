// SPDX-License-Identifier: Apache-2.0
// What component_decode returns.
#pragma once

#include "base/arena.h"
#include "component/ast.h"
#include "component/decode_internal.h"

struct component {
    arena memory; // of everything below
    const ast_component *root;
    size_t module_count;
    const ast_module *const *modules;
    size_t section_count;
    const component_section *sections;
    size_t import_count;
    size_t export_count;
    const component_item *imports;
    const component_item *exports;
};

// Fills in the lists of imports and exports (items.c).
void component_items_make(decoder *d, component *c);
