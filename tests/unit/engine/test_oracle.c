// SPDX-License-Identifier: Apache-2.0
// Our component layer against Wasmtime's own, in the same library: random types over random memory must lift
// to the same values or trap on both sides, and what was lifted must lower to the same bytes.
//
// WRIT_SEED=N repeats a run; the seed of a failure is printed.
#include <stdlib.h>
#include <wasmtime.h>
#include <wasmtime/component.h>

#include "base/mem.h"
#include "component/component.h"
#include "test.h"
#include "unit/engine/helper_engine.h"
#include "unit/engine/helper_types.h"

enum {
    TYPES = 60,
    POINTERS = 24,
    TEXT_MAX = TYPES_TEXT_MAX,
    MEMORY_BYTES = TYPES_MEMORY_BYTES,
    DUMP_BYTES = 16384
};

// --- a component in text ----------------------------------------------------------------------------------

static void put(buf *b, const char *text) { (void)!buf_append_text(b, text); }

static const char head[] =
    "(component (core module $m (memory (export \"mem\") 1)"
    " (global $next (mut i32) (i32.const 8192))"
    " (func (export \"at\") (param i32) (result i32) (local.get 0))"
    // what lowering wrote, from the first allocation on
    " (func (export \"dump\") (param i32 i32) (result i32)"
    "   (i32.store (i32.const 4096) (i32.const 8192))"
    "   (i32.store (i32.const 4100) (i32.const 16384)) (i32.const 4096))"
    " (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) (local $r i32)"
    "   (local.set $r (i32.and (i32.add (global.get $next) (i32.sub (local.get 2) (i32.const 1)))"
    "     (i32.sub (i32.const 0) (local.get 2))))"
    "   (global.set $next (i32.add (local.get $r) (local.get 3))) (local.get $r))"
    " (data (i32.const 0) \"";

static void put_component(dice *d, buf *out) {
    static const char *const encodings[] = {"utf8", "utf16", "latin1+utf16"};
    buf types, type;
    buf_init(&types, TEXT_MAX);
    buf_init(&type, TEXT_MAX);
    (void)types_put(d, TYPES_AT_ROOT, &types, &type);
    put(out, head);
    types_put_memory(d, out);
    put(out, "\")) (core instance $i (instantiate $m))\n");
    (void)!buf_append(out, buf_slice(&types));
    (void)!buf_append_format(
        out,
        "(func (export \"at\") (param \"p\" u32) (result (tuple u8 %.*s)) (canon lift"
        " (core func $i \"at\") (memory (core memory $i \"mem\")) string-encoding=%s))\n",
        SLICE_ARG(buf_slice(&type)), encodings[roll(d, 3)]);
    (void)!buf_append_format(
        out,
        "(func (export \"dump\") (param \"l\" (list %.*s)) (result (list u8)) (canon lift"
        " (core func $i \"dump\") (memory (core memory $i \"mem\"))"
        " (realloc (core func $i \"realloc\"))))\n)",
        SLICE_ARG(buf_slice(&type)));
    buf_done(&types);
    buf_done(&type);
}

// --- Wasmtime's side --------------------------------------------------------------------------------------

typedef struct oracle {
    wasm_engine_t *engine;
    wasmtime_component_t *component;
    wasmtime_component_linker_t *linker;
} oracle;

static bool oracle_call(oracle *o, const char *name, const wasmtime_component_val_t *arg,
                        wasmtime_component_val_t *ret) {
    wasmtime_store_t *store = wasmtime_store_new(o->engine, NULL, NULL);
    wasmtime_context_t *context = wasmtime_store_context(store);
    wasmtime_component_instance_t instance;
    wasmtime_component_func_t func;
    wasmtime_error_t *failed =
        wasmtime_component_linker_instantiate(o->linker, context, o->component, &instance);
    bool ok = failed == NULL;
    if (ok) {
        wasmtime_component_export_index_t *index =
            wasmtime_component_instance_get_export_index(&instance, context, NULL, name, strlen(name));
        ok = wasmtime_component_instance_get_func(&instance, context, index, &func);
        wasmtime_component_export_index_delete(index);
    }
    if (ok) {
        failed = wasmtime_component_func_call(&func, context, arg, 1, ret, 1);
        ok = failed == NULL;
    }
    if (failed != NULL) {
        wasmtime_error_delete(failed);
    }
    wasmtime_store_delete(store);
    return ok;
}

// --- our side ---------------------------------------------------------------------------------------------

typedef struct ours {
    slice bytes;
    component *component;
    core_module *module;
    component_program *program;
} ours;

typedef struct job {
    const ours *on;
    const char *name;
    const component_value *arg;
    component_value *ret;
    arena *arena;
    status result;
    err e;
} job;

static void run_job(core_store *store, void *arg) {
    job *j = arg;
    component_instance *i;
    j->result = component_instantiate(j->on->program, store, NULL, &i, &j->e);
    if (j->result != STATUS_OK) {
        return;
    }
    const component_func *f =
        component_program_export(j->on->program, slice_empty(), slice_from_text(j->name));
    j->result = component_call(i, f, j->arg, 1, j->ret, j->arena, &j->e);
    component_instance_free(i);
}

static status our_call(const ours *o, const char *name, const component_value *arg, component_value *ret,
                       arena *a) {
    core_store *store = helper_store(helper_engine());
    job j = {.on = o, .name = name, .arg = arg, .ret = ret, .arena = a};
    (void)helper_run(store, run_job, &j, 10);
    engine_store_free(store);
    return j.result;
}

static bool our_load(ours *o, slice bytes, err *e) {
    core_engine *g = engine_core(helper_engine());
    component_limits limits = component_limits_default();
    o->bytes = bytes;
    component_link_options options = {.engine = g,
                                      .modules = &o->module,
                                      .module_count = 1,
                                      .handles_max = 16,
                                      .call_arena_bytes_max = 1 << 24};
    return component_decode(bytes, &limits, &o->component, e) == STATUS_OK &&
           g->ops->module_new(g, component_module_bytes(o->component, 0), &o->module, e) == STATUS_OK &&
           component_link(o->component, &options, &o->program, e) == STATUS_OK;
}

static void our_unload(ours *o) {
    component_program_free(o->program);
    if (o->module != NULL) {
        helper_ops()->module_free(o->module);
    }
    component_free(o->component);
}

// --- comparing --------------------------------------------------------------------------------------------

static bool same(const ctype *t, const component_value *a, const wasmtime_component_val_t *b);

static bool same_name(slice name, const wasm_name_t *other) {
    return slice_equal(name, slice_of(other->data, other->size));
}

static bool same_payload(const ctype *t, const component_value *a, const wasmtime_component_val_t *b) {
    return a == NULL || b == NULL ? (a == NULL) == (b == NULL) : same(t, a, b);
}

static bool same_items(const ctype *t, const component_value *a, const wasmtime_component_val_t *items,
                       size_t count) {
    bool all = a->of.list.count == count;
    for (uint32_t i = 0; i < count && all; i++) {
        const component_value item = component_value_at(a, i);
        all = same(t->kind == CTYPE_LIST ? t->element : t->cases[i].type, &item, &items[i]);
    }
    return all;
}

static bool same_record(const ctype *t, const component_value *a, const wasmtime_component_valrecord_t *b) {
    bool all = a->of.list.count == b->size;
    for (uint32_t i = 0; i < b->size && all; i++) {
        all = same_name(t->cases[i].name, &b->data[i].name) &&
              same(t->cases[i].type, &a->of.list.items[i], &b->data[i].val);
    }
    return all;
}

static bool same_flags(const ctype *t, uint64_t bits, const wasmtime_component_valflags_t *b) {
    uint64_t other = 0;
    for (size_t k = 0; k < b->size; k++) {
        for (uint32_t i = 0; i < t->case_count; i++) {
            other |= same_name(t->cases[i].name, &b->data[k]) ? (uint64_t)1 << i : 0;
        }
    }
    return bits == other;
}

static bool same_number(const ctype *t, const component_value *a, const wasmtime_component_val_t *b) {
    switch (t->kind) {
    case CTYPE_BOOL:
        return a->of.boolean == b->of.boolean;
    case CTYPE_S8:
        return a->of.signed_ == b->of.s8;
    case CTYPE_U8:
        return a->of.unsigned_ == b->of.u8;
    case CTYPE_S16:
        return a->of.signed_ == b->of.s16;
    case CTYPE_U16:
        return a->of.unsigned_ == b->of.u16;
    case CTYPE_S32:
        return a->of.signed_ == b->of.s32;
    case CTYPE_U32:
        return a->of.unsigned_ == b->of.u32;
    case CTYPE_F32: // by bits, but a NaN is a NaN
        return memcmp(&a->of.f32, &b->of.f32, 4) == 0 || (a->of.f32 != a->of.f32 && b->of.f32 != b->of.f32);
    case CTYPE_F64:
        return memcmp(&a->of.f64, &b->of.f64, 8) == 0 || (a->of.f64 != a->of.f64 && b->of.f64 != b->of.f64);
    case CTYPE_CHAR:
        return a->of.unsigned_ == b->of.character;
    default:
        return a->of.unsigned_ == b->of.u64;
    }
}

static bool same(const ctype *t, const component_value *a, const wasmtime_component_val_t *b) {
    switch (t->kind) {
    case CTYPE_STRING:
        return same_name(a->of.string, &b->of.string);
    case CTYPE_LIST:
        return same_items(t, a, b->of.list.data, b->of.list.size);
    case CTYPE_TUPLE:
        return same_items(t, a, b->of.tuple.data, b->of.tuple.size);
    case CTYPE_RECORD:
        return same_record(t, a, &b->of.record);
    case CTYPE_ENUM:
        return same_name(t->cases[a->of.variant.tag].name, &b->of.enumeration);
    case CTYPE_VARIANT:
        return same_name(t->cases[a->of.variant.tag].name, &b->of.variant.discriminant) &&
               same_payload(t->cases[a->of.variant.tag].type, a->of.variant.payload, b->of.variant.val);
    case CTYPE_OPTION:
        return same_payload(t->element, a->of.variant.payload, b->of.option);
    case CTYPE_RESULT:
        return (a->of.variant.tag == 0) == b->of.result.is_ok &&
               same_payload(a->of.variant.tag == 0 ? t->element : t->error, a->of.variant.payload,
                            b->of.result.val);
    case CTYPE_FLAGS:
        return same_flags(t, a->of.unsigned_, &b->of.flags);
    default:
        return same_number(t, a, b);
    }
}

static bool same_dump(const component_value *a, const wasmtime_component_val_t *b) {
    for (size_t i = 0; i < b->of.list.size && i < a->of.list.count; i++) {
        if (component_value_at(a, (uint32_t)i).of.unsigned_ != b->of.list.data[i].of.u8) {
            return false;
        }
    }
    return a->of.list.count == b->of.list.size && b->of.list.size == DUMP_BYTES;
}

// --- the comparison ---------------------------------------------------------------------------------------

typedef struct counts {
    uint32_t lifted;
    uint32_t trapped;
} counts;

// What both lifted goes down again, and the memory is compared.
static void compare_lowering(oracle *w, const ours *o, const component_value *a, wasmtime_component_val_t *b,
                             arena *values) {
    component_value list = {.kind = CTYPE_LIST, .of.list = {.items = &a->of.list.items[1], .count = 1}};
    component_value dumped;
    wasmtime_component_val_t other = {.kind = WASMTIME_COMPONENT_LIST, .of.list = {1, &b->of.tuple.data[1]}};
    wasmtime_component_val_t other_dumped = {0};
    status s = our_call(o, "dump", &list, &dumped, values);
    bool ok = oracle_call(w, "dump", &other, &other_dumped);
    EXPECT_EQ(s == STATUS_OK, ok);
    if (s == STATUS_OK && ok) {
        EXPECT(same_dump(&dumped, &other_dumped));
    }
    if (ok) {
        wasmtime_component_val_delete(&other_dumped);
    }
}

static void compare_at(oracle *w, const ours *o, uint32_t pointer, counts *n) {
    arena values;
    arena_init(&values, 1 << 26);
    component_value arg = {.kind = CTYPE_U32, .of.unsigned_ = pointer};
    component_value a;
    wasmtime_component_val_t other_arg = {.kind = WASMTIME_COMPONENT_U32, .of.u32 = pointer};
    wasmtime_component_val_t b = {0};
    status s = our_call(o, "at", &arg, &a, &values);
    bool ok = oracle_call(w, "at", &other_arg, &b);
    EXPECT(s == STATUS_OK || s == STATUS_TRAP);
    EXPECT_EQ(s == STATUS_OK, ok);
    if (s == STATUS_OK && ok) {
        const component_func *f = component_program_export(o->program, slice_empty(), slice_from_text("at"));
        EXPECT(same(component_func_type(f)->result, &a, &b));
        compare_lowering(w, o, &a, &b, &values);
    }
    n->lifted += ok;
    n->trapped += !ok;
    if (ok) {
        wasmtime_component_val_delete(&b);
    }
    arena_done(&values);
}

static void compare_component(wasm_engine_t *peer, dice *d, counts *n) {
    buf text;
    buf_init(&text, TEXT_MAX * 4);
    put_component(d, &text);
    slice bytes = helper_wat(buf_text(&text));
    ours o = {0};
    oracle w = {.engine = peer, .linker = wasmtime_component_linker_new(peer)};
    err e = {0};
    wasmtime_error_t *failed = wasmtime_component_new(peer, bytes.data, bytes.len, &w.component);
    bool loaded = our_load(&o, bytes, &e);
    EXPECT(failed == NULL);
    if (!test_expect(loaded, __FILE__, __LINE__, "loads")) {
        printf("    %s\n", e.message);
    }
    for (int i = 0; i < POINTERS && loaded && failed == NULL; i++) {
        uint32_t pointer = roll(d, 12) == 0 ? roll(d, UINT32_MAX) : roll(d, MEMORY_BYTES / 8) * 8;
        compare_at(&w, &o, pointer, n);
    }
    our_unload(&o);
    wasmtime_component_linker_delete(w.linker);
    if (w.component != NULL) {
        wasmtime_component_delete(w.component);
    }
    mem_free((void *)(uintptr_t)bytes.data);
    buf_done(&text);
}

TEST(random_types_over_random_memory_are_what_wasmtime_says) {
    const char *seed_text = getenv("WRIT_SEED");
    uint64_t seed = 20261121;
    if (seed_text != NULL) {
        REQUIRE(slice_to_u64(slice_from_text(seed_text), &seed));
    }
    wasm_engine_t *peer = wasm_engine_new();
    counts n = {0};
    for (uint64_t i = 0; i < TYPES && test_run_state.failures == 0; i++) {
        dice d = {seed + i};
        compare_component(peer, &d, &n);
        if (test_run_state.failures > 0) {
            printf("    repeat with WRIT_SEED=%" PRIu64 "\n", seed + i);
        }
    }
    if (test_run_state.verbose) {
        printf("%u values, %u traps\n", n.lifted, n.trapped);
    }
    // Both outcomes must be common, or the test compares nothing.
    EXPECT(n.lifted > TYPES * POINTERS / 5);
    EXPECT(n.trapped > TYPES * POINTERS / 20);
    wasm_engine_delete(peer);
}
