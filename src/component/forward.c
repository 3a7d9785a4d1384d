// SPDX-License-Identifier: Apache-2.0
#include "component/forward.h"

#include "base/mem.h"
#include "component/bridge_failure.h"
#include "component/bridge_internal.h"
#include "component/host_call.h"
#include "component/value_code.h"

forward forward_of(host_call *call, core_value *values) {
    return (forward){call, values, trampoline_return_pointer(&call->func->layout, values)};
}

static status write_param(const forward *f, uint32_t k, abi_place place, values_writer *w, err *e) {
    const ctype *t = f->call->func->layout.type->params[k].type;
    component_value v = {0};
    TRY(abi_lift(t, &f->call->side, place, &f->call->arena, &v, e));
    value_code_write(t, &v, w);
    return STATUS_OK;
}

status forward_params(const forward *f, buf *out, err *e) {
    const abi_layout *l = &f->call->func->layout;
    values_writer w = values_writer_of(out);
    uint32_t source = f->values[0].u32;
    uint32_t at = 0;
    uint8_t *ignored;
    if (l->params_spilled) {
        TRY(memory_range(&f->call->side.memory, source, l->size, l->align, "parameters", &ignored, e));
    }
    for (uint32_t k = 0; k < l->type->param_count; k++) {
        abi_place place = l->params_spilled ? abi_memory(source + l->offsets[k]) : abi_flat(f->values + at);
        TRY(write_param(f, k, place, &w, e));
        at += l->type->params[k].type->flat_count;
    }
    return values_write_end(&w, "arguments", e);
}

status forward_result(const forward *f, slice answer, err *e) {
    const ctype *t = f->call->func->layout.type->result;
    values_reader r = values_reader_of(answer);
    component_value v = {0};
    if (t != NULL) {
        value_code_read(t, &r, &f->call->arena, &v);
    }
    err why;
    if (values_read_end(&r, "the answer", &why) != STATUS_OK) {
        return err_set(e, STATUS_IO, "%s", why.message);
    }
    return t == NULL ? STATUS_OK : host_call_lower_result(f->call, &v, f->values, f->return_pointer, e);
}

status forward_failure(const forward *f, status code, err *e) {
    bridge_failure failure = bridge_failure_of(f->call->func->layout.type->result);
    if (failure.kind == BRIDGE_FAILURE_NONE) {
        return code;
    }
    slice why = slice_from_text(e->message);
    return bridge_failure_lower(&failure, f->call, why, f->values, f->return_pointer, e);
}

// --- interfaces --------------------------------------------------------------------------------------------

static status add_item(forward_interface *f, const component_item *item, host_body body, err *e) {
    if (item->kind == COMPONENT_TYPE && item->resource != NULL) {
        return err_set(e, STATUS_UNSUPPORTED,
                       "%.*s is a resource, and only values can be passed on to a driver",
                       SLICE_ARG(item->name));
    }
    if (item->kind != COMPONENT_FUNC) {
        return STATUS_OK;
    }
    if (item->func->is_async) {
        return err_set(e, STATUS_UNSUPPORTED, "%.*s is async, which this host does not run",
                       SLICE_ARG(item->name));
    }
    if (value_code_check(item->func, e) != STATUS_OK) {
        return err_wrap(e, "%.*s", SLICE_ARG(item->name));
    }
    f->funcs[f->base.func_count++] = (host_func){.name = item->name, .type = item->func, .body = body};
    return STATUS_OK;
}

status forward_interface_new(const component_item *import, host_body body, forward_interface **ret, err *e) {
    forward_interface *f = mem_try_calloc(1, sizeof *f + import->item_count * sizeof f->funcs[0]);
    if (f == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for its %zu functions", import->item_count);
    }
    f->base.funcs = f->funcs;
    (void)component_name_split(component_item_interface(import), &f->base.name, &f->base.version);
    for (size_t i = 0; i < import->item_count; i++) {
        status s = add_item(f, &import->items[i], body, e);
        if (s != STATUS_OK) {
            forward_interface_free(f);
            return s;
        }
    }
    *ret = f;
    return STATUS_OK;
}

void forward_interface_free(forward_interface *f) { mem_free(f); }
