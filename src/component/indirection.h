// SPDX-License-Identifier: Apache-2.0
// Recognises the two helper modules with which tools break the circle between a module and its imports.
//
// A component's main module needs its imports when it is instantiated, while those need the main module's
// memory. `wasm-tools component new` therefore instantiates a module of trampolines first, each of which
// calls through a slot of a table; and at the end a module that fills the table, and may run an initializer
// as its start function. Both are recognised by what their code does, byte by byte; anything unusual is just
// not recognised.
#pragma once

#include "component/ast.h"

// Every function is: pass all parameters on to the table's entry `entry[function]`. The only state is the
// table.
typedef struct indirection_calls {
    uint32_t func_count;
    uint32_t *entries; // by function index; owned by the arena
} indirection_calls;

bool indirection_is_calls(slice module, arena *a, indirection_calls *ret);
// The function index of export number `position`, or AST_NONE when it is no function.
uint32_t indirection_export_func(slice module, uint32_t position);

// Imports functions and one table, writes functions to the table from entry `first` on, and then calls an
// imported function without parameters or results, if `start` is not AST_NONE. Does nothing else.
typedef struct indirection_fill {
    uint32_t first;
    uint32_t count;
    uint32_t *funcs; // import numbers, by entry
    uint32_t start;  // import number
    uint32_t table;  // import number
} indirection_fill;

bool indirection_is_fill(slice module, const ast_module_type *type, arena *a, indirection_fill *ret);

// Whether the module runs code when it is instantiated.
bool indirection_has_start(slice module);
