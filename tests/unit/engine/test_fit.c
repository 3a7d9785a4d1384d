// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <stdlib.h>

#include "base/mem.h"
#include "engine/fit.h"
#include "unit/engine/helper_engine.h"

static uint64_t memory_of(const char *wat) {
    slice wasm = helper_wat(wat);
    uint64_t bytes = wasm_memory_bytes(wasm);
    mem_free((void *)(uintptr_t)wasm.data);
    return bytes;
}

TEST(memory_section) {
    EXPECT_EQ(memory_of("(module)"), 0);
    EXPECT_EQ(memory_of("(module (memory 0))"), 0);
    EXPECT_EQ(memory_of("(module (func) (memory 3))"), 3 * 65536);
    EXPECT_EQ(memory_of("(module (memory 200 1000))"), 200 * 65536);
    EXPECT_EQ(memory_of("(module (memory i64 17))"), 17 * 65536);
    EXPECT_EQ(memory_of("(module (import \"a\" \"b\" (memory 9)))"), 0);
}

TEST(damaged_modules_have_no_memory) {
    static const uint8_t whole[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 5, 3, 1, 0, 17};
    EXPECT_EQ(wasm_memory_bytes(slice_of(whole, sizeof whole)), 17 * 65536);
    for (size_t n = 0; n < sizeof whole; n++) {
        EXPECT_EQ(wasm_memory_bytes(slice_of(whole, n)), 0);
    }
    static const uint8_t large[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0, 17};
    EXPECT_EQ(wasm_memory_bytes(slice_of(large, sizeof large)), 0);
}

static size_t resident(uint64_t pages, uint32_t instances_max, uint64_t limit) {
    uint8_t wasm[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 5, 4, 1, 0, 0, 0};
    wasm[12] = (uint8_t)(0x80 | (pages & 0x7f));
    wasm[13] = (uint8_t)(pages >> 7);
    slice module = slice_of(wasm, sizeof wasm);
    engine_options o = engine_options_default();
    o.instances_max = instances_max;
    engine_facts f = {.memory_bytes = 16ull << 30, .memory_limit_bytes = limit};
    engine_options_fit(&o, &f, &module, 1, 1);
    return o.memory_resident_bytes;
}

TEST(small_memories_stay_mapped_where_there_is_room) {
    EXPECT_EQ(resident(2, 512, UINT64_MAX), (2 + 4) * 65536);
    EXPECT_EQ(resident(17, 512, UINT64_MAX), (17 + 4) * 65536);
    EXPECT_EQ(resident(160, 512, UINT64_MAX), 0);
    EXPECT_EQ(resident(17, 512, 64 << 20), 0);
    EXPECT_EQ(resident(2, 16, 64 << 20), (2 + 4) * 65536);
}

TEST(facts_of_this_machine) {
    engine_options o = helper_options();
    engine_facts f;
    engine_facts_read(&o, &f);
    EXPECT(f.processors > 0);
    EXPECT(f.memory_bytes > 0);
    EXPECT(f.memory_limit_bytes >= 1 << 20);
    EXPECT(f.level != ENGINE_AUTO);
    EXPECT((f.level == ENGINE_POOLED) || f.reduced[0] != '\0');
}
