// SPDX-License-Identifier: Apache-2.0
// Sizes that fit a workload and the machine.
#pragma once

#include "engine/engine.h"
#include "engine/facts.h"

// The initial size in bytes of the first memory that a core module defines; 0 when it defines none or is not
// valid.
uint64_t wasm_memory_bytes(slice wasm);

// Sets how much of every memory slot stays mapped between two instances. For guests with memories of up to
// 2 MiB that is all of it: resetting it by copying costs less than giving the pages back and faulting them in
// again (measured: about 13 us for a MiB, about 1.6 us for each fault). Larger memories are mostly left
// untouched by a request, so there only the pages that were written are given back. The same where all slots
// together would take more than a quarter of the machine's (or the control group's) memory. `share` is how
// many processes with these options share the machine.
void engine_options_fit(engine_options *o, const engine_facts *facts, const slice *modules,
                        size_t module_count, uint32_t share);
