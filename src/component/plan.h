// SPDX-License-Identifier: Apache-2.0
// The instantiation plan: a component with all nested components inlined into one flat list of steps, made
// once per workload. Executing it is all that a request does.
//
// Component instances exist as numbers only (a handle table and two flags each at run time); every resource
// type is a handle_type, whose address is its identity; every core item that anything needs at run time has a
// slot. Owned by the program's arena; immutable once linked. Shared by plan*.c, link.c, instance.c and
// trampoline.c.
#pragma once

#include "base/buf.h"
#include "component/abi.h"
#include "component/ast.h"

enum {
    PLAN_INSTANCES_MAX = 1000,      // component instances; nested instantiation can multiply
    PLAN_CORE_INSTANCES_MAX = 4000, // core instances
    PLAN_TRAMPOLINES_MAX = 20000,   // functions of ours; each costs the engine some kilobytes
    PLAN_NEST_MAX = 100,            // instantiations inside each other
    PLAN_NONE = UINT32_MAX,
    PLAN_WORK_MAX = 50 * 1000 * 1000, // definitions executed and names compared; sizes alone allow far more
};

typedef struct plan_core_instance plan_core_instance;
typedef struct plan_trampoline plan_trampoline;
typedef struct plan_lift plan_lift;
typedef struct plan_instance plan_instance;

// --- core items --------------------------------------------------------------------------------------------

// A core function, table, memory, global or tag: an export of an instantiated module, or a function of ours.
typedef struct plan_core {
    core_extern_kind kind;
    plan_core_instance *instance; // NULL: `trampoline`
    uint32_t position;            // of the export
    plan_trampoline *trampoline;
} plan_core;

typedef struct plan_core_named {
    slice name;
    plan_core core;
} plan_core_named;

struct plan_core_instance {
    const ast_module *module; // NULL: made of `items`
    uint32_t number;          // of the run-time core instance
    uint32_t *slots;          // by export position: slot or PLAN_NONE
    uint32_t item_count;
    plan_core_named *items;
    struct plan_step *step; // that makes it
};

// --- functions of ours that core code calls ----------------------------------------------------------------

typedef struct plan_options { // canonical options with their slots
    memory_encoding encoding;
    uint32_t memory;  // slot or PLAN_NONE
    uint32_t realloc; // slot or PLAN_NONE
} plan_options;

typedef enum plan_trampoline_kind {
    PLAN_LOWER_HOST,  // calls a function of the host
    PLAN_LOWER_GUEST, // calls a lifted function of another component instance: a fused adapter
    PLAN_RESOURCE_NEW,
    PLAN_RESOURCE_DROP,
    PLAN_RESOURCE_REP,
} plan_trampoline_kind;

// The component instances that a call enters: the callee and its ancestors without the caller and its
// ancestors.
typedef struct plan_entering {
    uint32_t count;
    const uint32_t *instances;
} plan_entering;

struct plan_trampoline {
    plan_trampoline_kind kind;
    uint32_t instance;    // of the caller
    uint32_t slot;        // where its extern stands, or PLAN_NONE
    core_host_func *func; // made when linking
    const core_func_type *core_type;
    const handle_type *const *types; // resources of the caller
    abi_layout layout;
    plan_options options;
    slice interface; // for messages
    slice name;
    const host_func *host;       // LOWER_HOST
    const host_interface *from;  // LOWER_HOST: the interface that `host` is of
    slice label;                 // LOWER_HOST: as in plan_func
    const plan_lift *lift;       // LOWER_GUEST
    plan_entering entering;      // LOWER_GUEST, RESOURCE_DROP of a guest's resource
    const handle_type *resource; // RESOURCE_*
    plan_trampoline *next;
};

// A core function seen as a component function.
struct plan_lift {
    uint32_t instance;
    uint32_t callee;      // slot
    uint32_t post_return; // slot or PLAN_NONE
    plan_options options;
    const handle_type *const *types; // resources of the callee
    abi_layout layout;
    uint32_t core_values; // the larger of its core parameters and results
    slice name;           // for messages; the name of the core function's export
};

// --- component items ---------------------------------------------------------------------------------------

typedef struct plan_func {
    const host_func *host; // or
    const plan_lift *lift;
    const host_interface *from; // of a host function
    slice label;                // of the import, where it has one (component_import)
} plan_func;

typedef struct plan_frame plan_frame;

typedef struct plan_component { // a closure
    const ast_component *ast;
    plan_frame *env; // the frame that contains the definition
} plan_component;

typedef struct plan_item {
    ast_sort sort;
    union {
        const ast_module *module;
        plan_core core;
        plan_core_instance *core_instance;
        const plan_func *func;
        const handle_type *resource; // of a type item: NULL unless it is a resource
        plan_component component;
        const plan_instance *instance;
    } of;
} plan_item;

typedef struct plan_named {
    slice name;
    plan_item item;
} plan_named;

struct plan_instance { // exports by name
    uint32_t count;
    plan_named *items;
};

// One instantiation of one component while the plan is made.
struct plan_frame {
    const ast_component *ast;
    plan_frame *env;
    uint32_t instance; // its number
    uint32_t depth;
    const handle_type **types; // by resource index
    plan_item *spaces[AST_SORT_COUNT];
    const plan_instance *args; // what it was given; NULL for the root
};

// --- steps -------------------------------------------------------------------------------------------------

typedef enum plan_step_kind {
    PLAN_INSTANTIATE,   // a core module
    PLAN_HOST_FUNCTION, // a trampoline's extern into its slot
    PLAN_CALL,          // a core function without parameters or results
} plan_step_kind;

typedef struct plan_export { // an export that something needs
    uint32_t position;
    uint32_t slot;
    struct plan_export *next;
} plan_export;

typedef struct plan_step {
    plan_step_kind kind;
    plan_core_instance *core; // INSTANTIATE
    const core_module *module;
    core_template *template_; // when all imports are functions of ours
    uint32_t import_count;
    plan_core *imports;
    uint32_t *import_slots; // without a template
    plan_export *exports;
    plan_trampoline *trampoline; // HOST_FUNCTION
    uint32_t slot;               // CALL
    bool skipped;                // wired around, see wire.c
    struct plan_step *next;
} plan_step;

typedef struct plan {
    arena *arena;
    const component *source;
    plan_step *steps;
    plan_step **last_step;
    plan_trampoline *trampolines;
    plan_trampoline **last_trampoline;
    uint32_t trampoline_count;
    uint32_t core_count;
    uint32_t slot_count;
    uint32_t instance_count;
    uint32_t instance_capacity;
    uint32_t *parents; // by instance number; PLAN_NONE for the root
    uint32_t host_type_count;
    handle_type **host_types;
    const component_gate *gate;
    plan_frame *root;
    plan_instance *exports; // of the root
    buf *missing;           // imports that cannot be satisfied, a line each
    uint64_t work;          // see PLAN_WORK_MAX
    bool out_of_room;       // a slot could not be made: the plan must not be executed
    status missing_status;  // of the first of them
    bool has_unbound; // a missing import would have brought resources: types cannot be compared any more
} plan;

// Inlines everything. `p->arena`, `source` and `gate` are set. STATUS_DENIED with all missing imports
// together.
status plan_make(plan *p, err *e) WRIT_MUST_USE;

// The slot of a core item, given one when it has none.
uint32_t plan_slot(plan *p, const plan_core *core);

// Binds an import of the root (plan_import.c). Adds a line to `p->missing` when it cannot.
status plan_import(plan *p, plan_frame *f, const ast_def *def, plan_item *ret, err *e) WRIT_MUST_USE;
// The one handle_type of a host resource. `remote` as in host_interface.
const handle_type *plan_host_type(plan *p, const ctype_resource *resource, const struct component *remote);

// The component instances that a call of `callee` by `caller` (PLAN_NONE: the host) enters.
status plan_entering_set(plan *p, uint32_t callee, uint32_t caller, plan_entering *ret, err *e) WRIT_MUST_USE;

status plan_no_room(err *e);
