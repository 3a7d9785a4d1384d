// SPDX-License-Identifier: Apache-2.0
// The component layer: from the bytes of a component to calls of its exports.
//
//   component_decode       bytes -> checked component (what it imports and exports; its core modules)
//   component_link         component + compiled core modules + what the gate admits -> program, once per
//   workload component_instantiate  program + store -> instance, once per request, inside a task
//   component_call         calls an exported function of an instance
//
// It is a small compiler: decoding validates and inlines nested components into a flat instantiation plan and
// one move program per lifted or lowered function; a request only executes them. Not included here: the
// engine (core.h says what is needed of it) and any host interface (host.h says how they are offered).
// Limits: component_limits. Errors name the byte offset or the item. Threads: a component and a program are
// immutable and may be shared; instances belong to their store.
// Sources: Binary.md, Explainer.md, CanonicalABI.md of the Component Model. Tests: tests/unit/component,
// tests/conformance, fuzz/fuzz_component.c.
#pragma once

#include "component/core.h"
#include "component/host.h"
#include "component/type.h"

typedef struct component component;                   // decoded and validated
typedef struct component_program component_program;   // linked, ready to instantiate
typedef struct component_instance component_instance; // running
typedef struct component_func component_func;         // an exported function of a program

typedef struct component_limits {
    uint32_t bytes_max;      // of the whole binary
    uint32_t depth_max;      // nesting of components and types
    uint32_t items_max;      // of each index space, and of all types together
    uint32_t name_bytes_max; // of one import, export or field name
    size_t arena_bytes_max;  // memory for the decoded form
} component_limits;

component_limits component_limits_default(void);

// Borrows `bytes` until component_free. A core module or a component that needs an async feature is
// STATUS_UNSUPPORTED with a message that says so; everything else that is wrong is STATUS_INVALID.
status component_decode(slice bytes, const component_limits *limits, component **ret, err *e) WRIT_MUST_USE;
void component_free(component *c);

// The core modules embedded anywhere inside, in the order that `component_link` expects them compiled.
size_t component_module_count(const component *c);
slice component_module_bytes(const component *c, size_t index);

// --- what it imports and exports (for inspect and for the gate) --------------------------------------------

typedef enum component_extern_kind {
    COMPONENT_FUNC,
    COMPONENT_INSTANCE, // an interface
    COMPONENT_TYPE,
    COMPONENT_VALUE,
    COMPONENT_MODULE,
    COMPONENT_COMPONENT,
} component_extern_kind;

typedef struct component_item component_item;
struct component_item {
    slice name;       // "wasi:io/streams@0.2.3", or a plain name
    slice implements; // the interface behind a plain name of kind INSTANCE, with its version; else empty
    component_extern_kind kind;
    const ctype_func *func;         // kind FUNC
    const ctype_resource *resource; // kind TYPE when it is a resource
    const ctype *type;              // kind TYPE when it is a value type
    size_t item_count;              // kind INSTANCE: what is inside
    const component_item *items;
};

size_t component_import_count(const component *c);
const component_item *component_import_at(const component *c, size_t index);
size_t component_export_count(const component *c);
const component_item *component_export_at(const component *c, size_t index);

typedef struct component_section { // a custom section anywhere at the top level, such as "producers"
    slice name;
    slice bytes;
} component_section;
size_t component_section_count(const component *c);
const component_section *component_section_at(const component *c, size_t index);

// Splits "wasi:io/streams@0.2.3" into "wasi:io/streams" and its version. False when there is no valid
// version; then `ret_name` is the whole and the version is zero.
bool component_name_split(slice full, slice *ret_name, semver *ret_version);
// The interface that an import or export is of, with its version: its name, or what a plain name implements.
static inline slice component_item_interface(const component_item *item) {
    return item->implements.len > 0 ? item->implements : item->name;
}
// The plain name of one that says what it implements, else empty.
static inline slice component_item_label(const component_item *item) {
    return item->implements.len > 0 ? item->name : slice_empty();
}

// --- linking -----------------------------------------------------------------------------------------------

// The interface that an import is of: its name, or what a plain name implements.
typedef struct component_import {
    slice name;            // without version; empty: the import is no interface
    const semver *version; // NULL: none
    slice label;           // the plain name, which tells several imports of one interface apart; else empty
} component_import;

// Decides what an imported interface is bound to. The only way for a component to get an import.
typedef struct component_gate {
    void *context;
    // STATUS_OK with the interface to bind, or a refusal with its reason.
    status (*admit)(void *context, const component_import *asked, const host_interface **ret, err *e);
} component_gate;

typedef struct component_link_options {
    core_engine *engine;
    core_module *const *modules; // compiled, in the order of component_module_bytes; borrowed
    size_t module_count;
    component_gate gate;
    uint32_t handles_max;        // entries of each handle table
    size_t call_arena_bytes_max; // memory that one host call may use for lifted values
} component_link_options;

// Checks every import against the declared types: a function of another type than the interface, or one that
// the interface does not have, is refused here and never found at run time. Borrows the component and the
// modules.
status component_link(const component *c, const component_link_options *options, component_program **ret,
                      err *e) WRIT_MUST_USE;
void component_program_free(component_program *p);

// How many memories an instance of the program has, and how many of them the engine cannot watch, because
// their module does not export them (or exports another before).
uint32_t component_program_memory_count(const component_program *p, uint32_t *ret_hidden);

// An exported function: `interface` is the name of an exported instance, with a version (then any compatible
// one matches) or without (then any matches), or empty for a function exported at the top level. NULL when
// there is none.
const component_func *component_program_export(const component_program *p, slice interface, slice name);
const ctype_func *component_func_type(const component_func *f);
// The host's resource that a resource in that type stands for, or NULL: it is the component's own.
const ctype_resource *component_func_host_resource(const component_func *f, const ctype_resource *r);

// --- running -----------------------------------------------------------------------------------------------

// Executes the plan inside a task of `store`. `context` is what host functions get as host_call_context.
status component_instantiate(const component_program *p, core_store *store, void *context,
                             component_instance **ret, err *e) WRIT_MUST_USE;
// Drops all host objects that the instance still owns. After the task has ended; before the store is freed.
void component_instance_free(component_instance *i);

// For reports about a trap: the functions of the host that it called last, newest first. Returns how many.
enum { COMPONENT_LAST_CALLS_MAX = 8 };
size_t component_instance_last_calls(const component_instance *i,
                                     const host_func *ret[COMPONENT_LAST_CALLS_MAX]);

// A value in memory of ours, for calls that are not on the hot path (tests, exports called by the host).
typedef struct component_value component_value;
struct component_value {
    ctype_kind kind;
    union {
        bool boolean;
        int64_t signed_;    // S8 to S64
        uint64_t unsigned_; // U8 to U64, CHAR, FLAGS with at most 64 labels
        float f32;
        double f64;
        slice string;
        struct { // LIST, RECORD, TUPLE
            union {
                component_value *items;
                const uint8_t *bytes;
            };
            uint32_t count;
            bool is_bytes; // of a list<u8> that is no array: `bytes` in place of `items`, as lifting gives it
        } list;
        struct { // VARIANT, ENUM, OPTION (0 none, 1 some), RESULT (0 ok, 1 error)
            uint32_t tag;
            component_value *payload; // NULL when the case has none
        } variant;
        struct { // OWN, BORROW
            const ctype_resource *type;
            void *rep; // the host's object; for a guest's resource an opaque token of the instance
        } handle;
    } of;
};

// Item `index` of a LIST, RECORD or TUPLE, whichever form it has.
static inline component_value component_value_at(const component_value *v, uint32_t index) {
    return v->of.list.is_bytes ? (component_value){.kind = CTYPE_U8, .of.unsigned_ = v->of.list.bytes[index]}
                               : v->of.list.items[index];
}

// Calls an export inside the task. Own host objects among `args` are consumed even when the call fails. `ret`
// is filled from `a` when the function has a result, and may be NULL when it has none. After STATUS_TRAP the
// instance must not be called again.
status component_call(component_instance *i, const component_func *f, const component_value *args,
                      size_t arg_count, component_value *ret, arena *a, err *e) WRIT_MUST_USE;
