// SPDX-License-Identifier: Apache-2.0
#include "engine/fit.h"

#include "codec/leb128.h"

#define MIB (1024ull * 1024ull)
#define PAGE_BYTES 65536ull
#define RESIDENT_BYTES_MAX (2 * MIB)
#define GROWTH_BYTES (256 * 1024ull) // the heap of a small guest grows by this much or less during a request

enum { SECTION_MEMORY = 5, HEADER_BYTES = 8, LIMITS_PAGE_SIZE = 8 };

// The minimum of the first limits in a memory section's contents, in bytes. Core specification, "Limits".
static uint64_t memory_section_bytes(const uint8_t *p, const uint8_t *end) {
    uint32_t count = 0;
    uint64_t pages = 0;
    if (leb128_read_u32(&p, end, &count) != LEB128_OK || count == 0 || p == end) {
        return 0;
    }
    uint8_t flags = *p++;
    bool is_plain = (flags & LIMITS_PAGE_SIZE) == 0; // other page sizes: their memories are tiny
    if (!is_plain || leb128_read_u64(&p, end, &pages) != LEB128_OK || pages > UINT64_MAX / PAGE_BYTES) {
        return 0;
    }
    return pages * PAGE_BYTES;
}

uint64_t wasm_memory_bytes(slice wasm) {
    if (wasm.len < HEADER_BYTES) {
        return 0;
    }
    const uint8_t *p = wasm.data + HEADER_BYTES;
    const uint8_t *end = wasm.data + wasm.len;
    while (p < end) {
        uint8_t id = *p++;
        uint32_t size = 0;
        if (leb128_read_u32(&p, end, &size) != LEB128_OK || size > (size_t)(end - p)) {
            return 0;
        }
        if (id == SECTION_MEMORY) {
            return memory_section_bytes(p, p + size);
        }
        p += size;
    }
    return 0;
}

static uint64_t resident_bytes(const slice *modules, size_t module_count) {
    uint64_t most = 0;
    for (size_t i = 0; i < module_count; i++) {
        uint64_t bytes = wasm_memory_bytes(modules[i]);
        bytes = bytes == 0 ? 0 : bytes + GROWTH_BYTES;
        most = bytes > most ? bytes : most;
    }
    return most <= RESIDENT_BYTES_MAX ? most : 0;
}

void engine_options_fit(engine_options *o, const engine_facts *facts, const slice *modules,
                        size_t module_count, uint32_t share) {
    uint64_t memory =
        facts->memory_bytes < facts->memory_limit_bytes ? facts->memory_bytes : facts->memory_limit_bytes;
    uint64_t resident = resident_bytes(modules, module_count);
    uint64_t slots = (uint64_t)o->instances_max * (share > 0 ? share : 1);
    bool fits = slots == 0 || resident <= memory / 4 / slots;
    o->memory_resident_bytes = fits ? (size_t)resident : 0;
}
