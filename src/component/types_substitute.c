// SPDX-License-Identifier: Apache-2.0
// Replaces resource types inside types. What does not change is shared, what was replaced once is remembered,
// so that the work is that of the graph of types and not of the tree. Recursion is bounded by the depth of
// types.
#include "component/types_internal.h"

static const void *id_key(uint32_t id) { return (const void *)(uintptr_t)id; }

void substitution_add(decoder *d, substitution *s, uint32_t id, const vresource *to) {
    pointer_map_put(d, &s->by_id, id_key(id), to);
}

const vresource *substitution_find(const substitution *s, uint32_t id) {
    return pointer_map_get(&s->by_id, id_key(id));
}

// Names of one resource type stay apart: each address gets a new address.
static const ctype_resource *replace_resource(decoder *d, substitution *s, const ctype_resource *r) {
    const ctype_resource *done = pointer_map_get(&s->by_address, r);
    if (done != NULL) {
        return done;
    }
    const vresource *to = substitution_find(s, vresource_of(r)->id);
    done = r;
    if (to != NULL) {
        vresource *copy = KEEP_NEW(d, vresource);
        if (copy == NULL) {
            return r;
        }
        *copy = *to;
        copy->pub.name = r->name;
        done = &copy->pub;
    }
    pointer_map_put(d, &s->by_address, r, done);
    return done;
}

static const ctype *replace_value(decoder *d, substitution *s, const ctype *t);

static const ctype_case *replace_cases(decoder *d, substitution *s, const ctype *t) {
    ctype_case *changed = NULL;
    for (uint32_t i = 0; i < t->case_count; i++) {
        const ctype *to = replace_value(d, s, t->cases[i].type);
        if (to != t->cases[i].type && changed == NULL) {
            changed = KEEP_ARRAY(d, ctype_case, t->case_count);
            if (changed == NULL) {
                return t->cases;
            }
            memcpy(changed, t->cases, t->case_count * sizeof *changed);
        }
        if (changed != NULL) {
            changed[i].type = to;
        }
    }
    return changed != NULL ? changed : t->cases;
}

static const ctype *replace_value(decoder *d, substitution *s, const ctype *t) {
    if (t == NULL || t->kind <= CTYPE_STRING || !decode_work(d, 1)) {
        return t;
    }
    const ctype *done = pointer_map_get(&s->by_address, t);
    if (done != NULL) {
        return done;
    }
    ctype to = *t;
    if (t->resource != NULL) {
        to.resource = replace_resource(d, s, t->resource);
    } else {
        to.cases = replace_cases(d, s, t);
        to.element = replace_value(d, s, t->element);
        to.error = replace_value(d, s, t->error);
    }
    done = t;
    if (to.resource != t->resource || to.cases != t->cases || to.element != t->element ||
        to.error != t->error) {
        vtype *copy = KEEP_NEW(d, vtype);
        if (copy == NULL) {
            return t;
        }
        *copy = *vtype_of(t);
        copy->pub = to;
        done = types_finish(d, copy, d->whole.len);
        done = done == NULL ? t : done;
    }
    pointer_map_put(d, &s->by_address, t, done);
    return done;
}

static const ctype_func *replace_func(decoder *d, substitution *s, const ctype_func *f) {
    const ctype_func *done = pointer_map_get(&s->by_address, f);
    if (done != NULL) {
        return done;
    }
    ctype_func to = *f;
    to.result = replace_value(d, s, f->result);
    ctype_param *params = NULL;
    for (uint32_t i = 0; i < f->param_count && decode_work(d, 1); i++) {
        const ctype *type = replace_value(d, s, f->params[i].type);
        if (type != f->params[i].type && params == NULL) {
            params = KEEP_ARRAY(d, ctype_param, f->param_count);
            if (params == NULL) {
                return f;
            }
            memcpy(params, f->params, f->param_count * sizeof *params);
            to.params = params;
        }
        if (params != NULL) {
            params[i].type = type;
        }
    }
    done = f;
    if (to.result != f->result || to.params != f->params) {
        vfunc *copy = KEEP_NEW(d, vfunc);
        if (copy == NULL) {
            return f;
        }
        copy->pub = to;
        done = types_finish_func(d, copy, d->whole.len);
        done = done == NULL ? f : done;
    }
    pointer_map_put(d, &s->by_address, f, done);
    return done;
}

static bool same_extern(const ast_extern *a, const ast_extern *b) {
    switch (a->sort) {
    case AST_FUNC:
        return a->of.func == b->of.func;
    case AST_INSTANCE:
        return a->of.instance == b->of.instance;
    case AST_COMPONENT:
        return a->of.component == b->of.component;
    case AST_TYPE: // all members of the union are pointers
        return a->of.type.of.value == b->of.type.of.value;
    default:
        return true;
    }
}

static const ast_named_extern *replace_items(decoder *d, substitution *s, const ast_named_extern *items,
                                             uint32_t count) {
    ast_named_extern *changed = NULL;
    for (uint32_t i = 0; i < count && decode_work(d, 1); i++) {
        ast_extern to = types_substitute(d, s, &items[i].type);
        if (changed == NULL && !same_extern(&to, &items[i].type)) {
            changed = KEEP_ARRAY(d, ast_named_extern, count);
            if (changed == NULL) {
                return items;
            }
            memcpy(changed, items, count * sizeof *changed);
        }
        if (changed != NULL) {
            changed[i].type = to;
        }
    }
    return changed != NULL ? changed : items;
}

static const ast_instance_type *replace_instance(decoder *d, substitution *s, const ast_instance_type *t) {
    const ast_instance_type *done = pointer_map_get(&s->by_address, t);
    if (done != NULL) {
        return done;
    }
    const ast_named_extern *exports = replace_items(d, s, t->exports, t->export_count);
    done = t;
    if (exports != t->exports) {
        vinstance *copy = KEEP_NEW(d, vinstance);
        if (copy == NULL) {
            return t;
        }
        *copy = *vinstance_of(t);
        copy->pub.exports = exports;
        done = types_finish_instance(d, copy, d->whole.len);
        done = done == NULL ? t : done;
    }
    pointer_map_put(d, &s->by_address, t, done);
    return done;
}

static const ast_component_type *replace_component(decoder *d, substitution *s, const ast_component_type *t) {
    const ast_component_type *done = pointer_map_get(&s->by_address, t);
    if (done != NULL) {
        return done;
    }
    const ast_named_extern *imports = replace_items(d, s, t->imports, t->import_count);
    const ast_named_extern *exports = replace_items(d, s, t->exports, t->export_count);
    done = t;
    if (imports != t->imports || exports != t->exports) {
        vcomponent *copy = KEEP_NEW(d, vcomponent);
        if (copy == NULL) {
            return t;
        }
        *copy = *vcomponent_of(t);
        copy->pub.imports = imports;
        copy->pub.exports = exports;
        done = types_finish_component(d, copy, d->whole.len);
        done = done == NULL ? t : done;
    }
    pointer_map_put(d, &s->by_address, t, done);
    return done;
}

static void replace_type(decoder *d, substitution *s, ast_type *t) {
    switch (t->kind) {
    case AST_TYPE_VALUE:
        t->of.value = replace_value(d, s, t->of.value);
        break;
    case AST_TYPE_FUNC:
        t->of.func = replace_func(d, s, t->of.func);
        break;
    case AST_TYPE_RESOURCE:
        t->of.resource = replace_resource(d, s, t->of.resource);
        break;
    case AST_TYPE_INSTANCE:
        t->of.instance = replace_instance(d, s, t->of.instance);
        break;
    case AST_TYPE_COMPONENT:
        t->of.component = replace_component(d, s, t->of.component);
        break;
    }
}

ast_extern types_substitute(decoder *d, substitution *s, const ast_extern *t) {
    ast_extern to = *t;
    switch (t->sort) {
    case AST_FUNC:
        to.of.func = replace_func(d, s, t->of.func);
        break;
    case AST_INSTANCE:
        to.of.instance = replace_instance(d, s, t->of.instance);
        break;
    case AST_COMPONENT:
        to.of.component = replace_component(d, s, t->of.component);
        break;
    case AST_TYPE:
        replace_type(d, s, &to.of.type);
        break;
    default:
        break;
    }
    return to;
}
