// SPDX-License-Identifier: Apache-2.0
// Configuration of the engine, and the choice of how much address space it reserves. Wasmtime ends the
// process when it cannot reserve what its configuration says, so we try the same reservation first.
#include "engine/engine.h"

#include <stdio.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "engine/engine_internal.h"

#define KIB 1024ull
#define MIB (1024ull * KIB)
#define GIB (1024ull * MIB)

// Of a memory at ENGINE_SMALL. Larger ones are refused there; the warning says so.
#define SMALL_MEMORY_BYTES_MAX (64 * MIB)
#define SMALL_INSTANCES_MAX 16u
#define POOL_PROBE_MAX (1u << 16) // more than any address space takes
#define GUARD_BYTES (32 * MIB)    // Wasmtime's default, after each memory
// Address space left for everything else after the reservation.
#define HEADROOM_BYTES (192 * MIB)

engine_options engine_options_default(void) {
    return (engine_options){
        .level = ENGINE_AUTO,
        .instances_max = 512,
        .core_per_instance = 4,
        .memory_bytes_max = 4 * GIB,
        .table_elements_max = 100000,
        .memory_resident_bytes = 1 * MIB,
        .table_resident_bytes = 64 * KIB,
        .stack_bytes = 2 * MIB,
        .wasm_stack_bytes = 512 * KIB,
        .tick_ns = 1000000,
        .compiles = true,
    };
}

static const core_ops engine_core_ops = {
    .module_new = module_new,
    .module_free = module_free,
    .host_func_new = host_func_new,
    .host_func_free = host_func_free,
    .host_func_extern = host_func_extern,
    .template_new = template_new,
    .template_free = template_free,
    .instantiate = store_instantiate,
    .template_instantiate = template_instantiate,
    .export_at = export_at,
    .memory_view = memory_view,
    .call = store_call,
    .suspend = store_suspend,
    .task_new = task_new,
    .task_resume = task_resume,
    .task_resume_within = task_resume_within,
    .task_free = task_free,
};

// The options at a level that is not ENGINE_AUTO.
static engine_options options_at(const engine_options *options, engine_level level) {
    engine_options o = *options;
    o.level = level;
    if (level != ENGINE_POOLED) {
        o.memory_bytes_max =
            o.memory_bytes_max < SMALL_MEMORY_BYTES_MAX ? o.memory_bytes_max : SMALL_MEMORY_BYTES_MAX;
    }
    if (level == ENGINE_SMALL) {
        o.instances_max = o.instances_max < SMALL_INSTANCES_MAX ? o.instances_max : SMALL_INSTANCES_MAX;
        o.table_elements_max = o.table_elements_max < 20000 ? o.table_elements_max : 20000;
    }
    if (level == ENGINE_ON_DEMAND) {
        o.memory_bytes_max = options->memory_bytes_max;
    }
    return o;
}

static uint64_t memory_reservation(const engine_options *o) {
    switch (o->level) {
    case ENGINE_SMALL:
        return SMALL_MEMORY_BYTES_MAX;
    case ENGINE_ON_DEMAND:
        return 0;
    default:
        return 4 * GIB;
    }
}

static uint32_t memory_count(const engine_options *o) { return o->instances_max * o->core_per_instance; }

// Fibers: one per task, and a second that a store used for a start function and keeps for its next call.
static uint32_t stack_count(const engine_options *o) { return 2 * o->instances_max + 4; }

static uint64_t reserved_bytes(const engine_options *o) {
    if (o->level == ENGINE_ON_DEMAND) {
        return 0;
    }
    uint64_t memories = (memory_count(o) + o->instances_max) * (memory_reservation(o) + GUARD_BYTES);
    uint64_t stacks = stack_count(o) * (uint64_t)(o->stack_bytes + 4096);
    uint64_t tables = memory_count(o) * (uint64_t)o->table_elements_max * sizeof(void *);
    return memories + stacks + tables;
}

static bool address_space_has(uint64_t bytes) {
    void *p =
        mmap(NULL, bytes + HEADROOM_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        return false;
    }
    munmap(p, bytes + HEADROOM_BYTES);
    return true;
}

engine_level engine_level_choose(const engine_options *options) {
    if (options->level != ENGINE_AUTO) {
        return options->level;
    }
    for (engine_level level = ENGINE_POOLED; level < ENGINE_ON_DEMAND; level++) {
        engine_options o = options_at(options, level);
        if (address_space_has(reserved_bytes(&o))) {
            return level;
        }
    }
    return ENGINE_ON_DEMAND;
}

uint32_t engine_pool_capacity(const engine_options *options) {
    engine_options o = options_at(options, ENGINE_POOLED);
    uint32_t has = 0, too_many = 1u + (o.instances_max < POOL_PROBE_MAX ? o.instances_max : POOL_PROBE_MAX);
    while (too_many - has > 1) {
        o.instances_max = has + (too_many - has) / 2;
        if (address_space_has(reserved_bytes(&o))) {
            has = o.instances_max;
        } else {
            too_many = o.instances_max;
        }
    }
    return has;
}

const char *engine_level_name(engine_level level) {
    static const char *const names[] = {"auto", "pooled", "small", "on-demand"};
    return level <= ENGINE_ON_DEMAND ? names[level] : "unknown";
}

const char *engine_version(void) { return "wasmtime " WASMTIME_VERSION; }

static void config_features(wasm_config_t *c, const engine_options *o) {
    wasmtime_config_wasm_tail_call_set(c, true);
    wasmtime_config_wasm_reference_types_set(c, true);
    wasmtime_config_wasm_simd_set(c, true);
    wasmtime_config_wasm_relaxed_simd_set(c, true);
    wasmtime_config_wasm_relaxed_simd_deterministic_set(c, true);
    wasmtime_config_wasm_bulk_memory_set(c, true);
    wasmtime_config_wasm_multi_value_set(c, true);
    wasmtime_config_wasm_multi_memory_set(c, true);
    wasmtime_config_wasm_memory64_set(c, o->has_memory64);
    wasmtime_config_wasm_exceptions_set(c, true);
    wasmtime_config_wasm_function_references_set(c, false);
    wasmtime_config_wasm_gc_set(c, false);
    wasmtime_config_wasm_threads_set(c, false);
    wasmtime_config_shared_memory_set(c, false);
    wasmtime_config_wasm_component_model_set(c, false);
    wasmtime_config_concurrency_support_set(c, false);
}

static void config_pool(wasm_config_t *c, const engine_options *o) {
    uint32_t count = memory_count(o);
    wasmtime_pooling_allocation_config_t *p = wasmtime_pooling_allocation_config_new();
    wasmtime_pooling_allocation_config_total_component_instances_set(p, 1);
    wasmtime_pooling_allocation_config_total_core_instances_set(p, count * 2);
    wasmtime_pooling_allocation_config_total_memories_set(p, count);
    wasmtime_pooling_allocation_config_total_tables_set(p, count);
    wasmtime_pooling_allocation_config_total_stacks_set(p, stack_count(o));
    wasmtime_pooling_allocation_config_total_gc_heaps_set(p, o->instances_max); // exceptions
    wasmtime_pooling_allocation_config_max_memories_per_module_set(p, 4);
    wasmtime_pooling_allocation_config_max_tables_per_module_set(p, 8);
    wasmtime_pooling_allocation_config_max_memory_size_set(p, o->memory_bytes_max);
    wasmtime_pooling_allocation_config_table_elements_set(p, o->table_elements_max);
    wasmtime_pooling_allocation_config_max_core_instance_size_set(p, 4 * MIB);
    wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(p, o->memory_resident_bytes);
    wasmtime_pooling_allocation_config_table_keep_resident_set(p, o->table_resident_bytes);
    wasmtime_pooling_allocation_config_max_unused_warm_slots_set(p, count);
    wasmtime_pooling_allocation_strategy_set(c, p);
    wasmtime_pooling_allocation_config_delete(p);
}

static wasm_config_t *config_new(const engine_options *o) {
    wasm_config_t *c = wasm_config_new();
    config_features(c, o);
    wasmtime_config_epoch_interruption_set(c, true);
    wasmtime_config_max_wasm_stack_set(c, o->wasm_stack_bytes);
    wasmtime_config_async_stack_size_set(c, o->stack_bytes);
    wasmtime_config_memory_init_cow_set(c, true);
    wasmtime_config_memory_reservation_set(c, memory_reservation(o));
    wasmtime_config_parallel_compilation_set(c, o->compiles);
    wasmtime_config_cranelift_nan_canonicalization_set(c, false); // component/ canonicalises at the boundary
    if (o->level == ENGINE_ON_DEMAND) {
        wasmtime_config_memory_guard_size_set(c, 64 * KIB);
        wasmtime_config_memory_reservation_for_growth_set(c, 1 * MIB);
    } else {
        config_pool(c, o);
    }
    return c;
}

static void sizes_fill(engine *g, const engine_options *asked) {
    const engine_options *o = &g->options;
    g->sizes = (engine_sizes){
        .level = o->level,
        .instances_max = o->instances_max,
        .memory_bytes_max = o->memory_bytes_max,
        .reserved_bytes = reserved_bytes(o),
    };
    if (asked->level != ENGINE_AUTO || o->level == ENGINE_POOLED) {
        return;
    }
    engine_options full = options_at(asked, ENGINE_POOLED);
    snprintf(g->sizes.warning, sizeof g->sizes.warning,
             "the machine does not give %llu GiB of address space (see `ulimit -v`): running at level \"%s\" "
             "with at "
             "most %u instances, memories of at most %llu MiB and slower guest code",
             (unsigned long long)(reserved_bytes(&full) / GIB), engine_level_name(o->level), o->instances_max,
             (unsigned long long)(o->memory_bytes_max / MIB));
}

#ifdef ENGINE_HAS_TSAN
// Wasmtime is not instrumented: ThreadSanitizer does not see how its threads synchronise.
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) {
    return "race:libwasmtime.so\nmutex:libwasmtime.so\nthread:libwasmtime.so\ncalled_from_lib:libwasmtime."
           "so\n"
           "signal:libwasmtime.so\n";
}
#endif

static void engine_tick(void *context) { wasmtime_engine_increment_epoch(context); }

status engine_new(const engine_options *options, engine **ret, err *e) {
    engine *g = MEM_NEW(engine);
    g->core.ops = &engine_core_ops;
    g->options = options_at(options, engine_level_choose(options));
    if (!address_space_has(reserved_bytes(&g->options))) {
        mem_free(g);
        return err_set(e, STATUS_LIMIT,
                       "the engine's level \"%s\" needs more address space than the machine gives",
                       engine_level_name(options->level));
    }
    sizes_fill(g, options);
    g->wasm = wasm_engine_new_with_config(config_new(&g->options));
    status s = task_linker_new(g->wasm, &g->task_linker, e);
    if (s == STATUS_OK) {
        s = ticker_new(g->options.tick_ns, engine_tick, g->wasm, &g->ticker, e);
    }
    if (s != STATUS_OK) {
        engine_free(g);
        return err_wrap(e, "start the engine");
    }
    *ret = g;
    return STATUS_OK;
}

void engine_free(engine *g) {
    if (g == NULL) {
        return;
    }
    ticker_free(g->ticker);
    if (g->task_linker != NULL) {
        wasmtime_linker_delete(g->task_linker);
    }
    wasm_engine_delete(g->wasm);
    mem_free(g);
}

core_engine *engine_core(engine *g) { return &g->core; }
const engine_sizes *engine_sizes_of(const engine *g) { return &g->sizes; }
