// SPDX-License-Identifier: Apache-2.0
#include "component/forward.h"

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
