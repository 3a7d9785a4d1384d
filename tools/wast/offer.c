// SPDX-License-Identifier: Apache-2.0
// A call is lifted to values, made on the earlier instance, and its result lowered: the slow way, which also
// keeps the two components apart. Functions that pass resources are not offered.
#include "offer.h"

#include "base/check.h"
#include "base/mem.h"
#include "component/host_call.h"

enum { OFFER_BYTES_MAX = 16 << 20 };

typedef struct offer_func {
    component_instance *from;
    const component_func *func;
} offer_func;

struct wast_offer {
    wast_offer *next;
    arena arena;
    host_interface interface;
    host_func *funcs;   // of the interface
    offer_func *behind; // what stands behind each
};

// --- calls -------------------------------------------------------------------------------------------------

static status lift_args(host_call *call, core_value *flat, component_value *args, err *e) {
    const abi_layout *l = &call->func->layout;
    abi_side *side = &call->side;
    uint8_t *ignored;
    uint32_t at = 0;
    if (l->params_spilled) {
        TRY(memory_range(&side->memory, flat[0].u32, l->size, l->align, "parameters", &ignored, e));
    }
    for (uint32_t i = 0; i < l->type->param_count; i++) {
        const ctype *t = l->type->params[i].type;
        abi_place place = l->params_spilled ? abi_memory(flat[0].u32 + l->offsets[i]) : abi_flat(flat + at);
        TRY(abi_lift(t, side, place, &call->arena, &args[i], e));
        at += t->flat_count;
    }
    return STATUS_OK;
}

static status lower_result(host_call *call, core_value *flat, const component_value *v,
                           uint32_t return_pointer, err *e) {
    const abi_layout *l = &call->func->layout;
    const ctype *t = l->type->result;
    uint32_t consumed = 0;
    uint8_t *ignored;
    memory_refresh(&call->side.memory);
    if (!l->result_spilled) {
        return abi_lower(t, v, &call->side, abi_flat(flat), &consumed, e);
    }
    TRY(memory_range(&call->side.memory, return_pointer, t->size, t->align, "return area", &ignored, e));
    return abi_lower(t, v, &call->side, abi_memory(return_pointer), &consumed, e);
}

static const offer_func *find_behind(host_call *call) {
    const host_func *h = call->func->host;
    const wast_host *host = host_call_context(call);
    for (const wast_offer *o = host->offers; o != NULL; o = o->next) {
        if (h >= o->funcs && h < o->funcs + o->interface.func_count) {
            return &o->behind[h - o->funcs];
        }
    }
    return NULL;
}

static status forward(host_call *call, core_value *flat, err *e) {
    const offer_func *f = find_behind(call);
    CHECK(f != NULL);
    const abi_layout *l = &call->func->layout;
    component_value *args = ARENA_ARRAY(&call->arena, component_value, l->type->param_count);
    component_value result;
    if (args == NULL) {
        return err_set(e, STATUS_TRAP, "too many arguments");
    }
    memset(&result, 0, sizeof result);
    uint32_t return_pointer = flat[l->params_spilled ? 1 : l->flat_count % (CTYPE_FLAT_PARAMS_MAX + 1)].u32;
    TRY(lift_args(call, flat, args, e));
    TRY(component_call(f->from, f->func, args, l->type->param_count, &result, &call->arena, e));
    return l->type->result == NULL ? STATUS_OK : lower_result(call, flat, &result, return_pointer, e);
}

// --- making ------------------------------------------------------------------------------------------------

static bool has_handles(const ctype_func *f) {
    bool found = f->result != NULL && f->result->has_handle;
    for (uint32_t i = 0; i < f->param_count; i++) {
        found = found || f->params[i].type->has_handle;
    }
    return found;
}

static uint32_t add_funcs(wast_offer *o, const component *c, const component_program *p,
                          component_instance *from) {
    uint32_t n = 0;
    for (size_t i = 0; i < component_export_count(c); i++) {
        const component_item *x = component_export_at(c, i);
        const component_func *func =
            x->kind == COMPONENT_FUNC ? component_program_export(p, slice_empty(), x->name) : NULL;
        if (func != NULL && !has_handles(component_func_type(func))) {
            o->funcs[n] = (host_func){.name = x->name, .type = component_func_type(func), .body = forward};
            o->behind[n++] = (offer_func){from, func};
        }
    }
    return n;
}

status wast_offer_make(wast_offer **list, slice name, const component *c, const component_program *p,
                       component_instance *from, const host_interface **ret, err *e) {
    wast_offer *o = MEM_NEW(wast_offer);
    arena_init(&o->arena, OFFER_BYTES_MAX);
    o->next = *list;
    *list = o;
    o->funcs = ARENA_ARRAY(&o->arena, host_func, component_export_count(c));
    o->behind = ARENA_ARRAY(&o->arena, offer_func, component_export_count(c));
    if (o->funcs == NULL || o->behind == NULL) {
        return err_set(e, STATUS_LIMIT, "\"%.*s\" exports too much", SLICE_ARG(name));
    }
    o->interface = (host_interface){.name = name, .funcs = o->funcs};
    o->interface.func_count = add_funcs(o, c, p, from);
    *ret = &o->interface;
    return STATUS_OK;
}

void wast_offers_free(wast_offer *list) {
    while (list != NULL) {
        wast_offer *next = list->next;
        arena_done(&list->arena);
        mem_free(list);
        list = next;
    }
}
