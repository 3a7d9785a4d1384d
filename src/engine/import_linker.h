// SPDX-License-Identifier: Apache-2.0
// Linkers of one core module, kept between instantiations.
//
// Wasmtime takes the imports of an instance on a fiber by name only, through a linker, and filling one costs
// more than the instance itself. Most imports are host functions, which are the same for every instance: they
// stay defined, and only what belongs to a store is defined anew. What a finished instance has left in a
// linker are numbers, which the next one overwrites. Thread-safe: a linker is taken out while it is used.
#pragma once

#include "engine/engine_internal.h"

typedef struct import_linker import_linker;

// Has all imports defined. Returns it to the module, or frees it, with import_linker_release.
status import_linker_take(engine_store *s, const core_module *module, const core_extern *imports,
                          import_linker **ret, err *e);
void import_linker_release(const core_module *module, import_linker *l);
const wasmtime_linker_t *import_linker_wasm(const import_linker *l);

import_linkers *import_linkers_new(void);
void import_linkers_free(import_linkers *list);
