// SPDX-License-Identifier: Apache-2.0
#include "host/delivery_values.h"

#include "capability/made.h"
#include "component/value_code.h"

// The host's resource that a parameter is, or NULL.
static const ctype_resource *made_of(const component_func *f, const ctype *t) {
    const ctype_resource *r = t->kind == CTYPE_OWN ? component_func_host_resource(f, t->resource) : NULL;
    return wasi_made_is_known(r) ? r : NULL;
}

static bool has_made(const component_func *f) {
    const ctype_func *type = component_func_type(f);
    for (uint32_t i = 0; i < type->param_count; i++) {
        if (made_of(f, type->params[i].type) != NULL) {
            return true;
        }
    }
    return false;
}

status delivery_values_check(const component_func *f, err *e) {
    const ctype_func *type = component_func_type(f);
    if (!has_made(f)) {
        return value_code_check(type, e);
    }
    bool has_other = type->result != NULL && type->result->has_handle;
    for (uint32_t i = 0; i < type->param_count; i++) {
        const ctype *t = type->params[i].type;
        has_other = has_other || (t->has_handle && made_of(f, t) == NULL);
    }
    return !has_other ? STATUS_OK
                      : err_set(e, STATUS_UNSUPPORTED,
                                "a function with resources of others can be called only by a component "
                                "beside it");
}

// What was made so far goes when a later one cannot be.
static status make_all(const component_func *f, wasi_instance *i, const slice *ids, component_value *values,
                       err *e) {
    const ctype_func *type = component_func_type(f);
    for (uint32_t k = 0; k < type->param_count; k++) {
        const ctype_resource *r = made_of(f, type->params[k].type);
        void *made = NULL;
        status s = r == NULL ? STATUS_OK : wasi_made_new(i, r, ids[k], &made, e);
        if (s != STATUS_OK) {
            while (k-- > 0) {
                if (made_of(f, type->params[k].type) != NULL) {
                    wasi_made_drop(values[k].of.handle.rep);
                }
            }
            return s;
        }
        if (r != NULL) {
            values[k] = (component_value){.kind = CTYPE_OWN, .of.handle = {.type = r, .rep = made}};
        }
    }
    return STATUS_OK;
}

static status read_with_made(const component_func *f, wasi_instance *i, slice payload, arena *a,
                             component_value **ret, err *e) {
    const ctype_func *type = component_func_type(f);
    values_reader r = values_reader_of(payload);
    component_value *values = ARENA_ARRAY(a, component_value, type->param_count);
    slice *ids = ARENA_ARRAY(a, slice, type->param_count);
    if (values == NULL || ids == NULL) {
        return err_set(e, STATUS_LIMIT, "the arguments need more memory than one call may use");
    }
    for (uint32_t k = 0; k < type->param_count && values_read_ok(&r); k++) {
        const ctype *t = type->params[k].type;
        if (made_of(f, t) != NULL) {
            ids[k] = values_read_bytes(&r);
        } else {
            value_code_read(t, &r, a, &values[k]);
        }
    }
    TRY(values_read_end(&r, "arguments", e));
    TRY(make_all(f, i, ids, values, e));
    *ret = values;
    return STATUS_OK;
}

status delivery_values_read(const component_func *f, wasi_instance *i, slice payload, arena *a,
                            component_value **ret, err *e) {
    return has_made(f) ? read_with_made(f, i, payload, a, ret, e)
                       : value_code_read_params(component_func_type(f), payload, a, ret, e);
}
