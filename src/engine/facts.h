// SPDX-License-Identifier: Apache-2.0
// What of the machine matters to the engine: for `writ doctor`, and for choosing sizes that fit.
#pragma once

#include "engine/engine.h"

enum { ENGINE_NO_LIMIT_BYTES_LOG2 = 60 }; // limits from here on count as none

typedef struct engine_facts {
    uint32_t processors;          // that this process may use
    uint64_t memory_bytes;        // of the machine
    uint64_t memory_limit_bytes;  // of the cgroup (the smallest on the way up); UINT64_MAX = none
    uint64_t address_limit_bytes; // `ulimit -v`; UINT64_MAX = none
    uint64_t mapping_count_max;   // vm.max_map_count; 0 = unknown
    bool is_overcommit_strict;    // vm.overcommit_memory is 2: reserving counts as using
    char processor_features[160]; // those that compiled code can use, such as "sse4.2 avx2 bmi2"
    engine_level level;           // that these options would get
    char reduced[256];            // what is smaller or slower than it could be, why, and what to do; or empty
} engine_facts;

// `options` as they would be given to engine_new. What cannot be read counts as absent.
void engine_facts_read(const engine_options *options, engine_facts *ret);
