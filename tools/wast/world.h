// SPDX-License-Identifier: Apache-2.0
// What the commands of one script act on: the definitions and the instances that they made.
#pragma once

#include "base/arena.h"
#include "codec/json.h"
#include "component/component.h"
#include "engine/engine.h"

typedef struct wast_world wast_world;
typedef struct wast_definition wast_definition; // decoded, its core modules compiled
typedef struct wast_instance wast_instance;

wast_world *wast_world_new(engine *g);
void wast_world_free(wast_world *w); // with everything that was made in it

// Decodes a component or a core module and compiles all core modules in it. The world keeps it.
status wast_define(wast_world *w, slice bytes, wast_definition **ret, err *e) WRIT_MUST_USE;
// STATUS_TRAP when it traps on the way; another failure when its imports cannot be satisfied.
status wast_instantiate(wast_world *w, const wast_definition *d, wast_instance **ret, err *e) WRIT_MUST_USE;

// Names that later commands use; an empty name is the current one.
void wast_name_definition(wast_world *w, slice name, wast_definition *d);
void wast_name_instance(wast_world *w, slice name, wast_instance *i);
void wast_register(wast_world *w, slice as, wast_instance *i);
wast_definition *wast_find_definition(const wast_world *w, slice name);
wast_instance *wast_find_instance(const wast_world *w, slice name);

typedef struct wast_result { // of one call; values live until the next call
    const ctype *type;       // of a component's function; NULL when it has no result
    component_value value;
    bool is_core;
    uint32_t core_count;
    const uint8_t *core_types;
    core_value core[16];
} wast_result;

// Calls an export with arguments as the script has them. STATUS_NOT_FOUND when there is no such function.
status wast_invoke(wast_world *w, wast_instance *i, slice field, const json_value *args, wast_result *ret,
                   err *e) WRIT_MUST_USE;
