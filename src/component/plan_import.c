// SPDX-License-Identifier: Apache-2.0
// Binding the imports of the root component to interfaces of the host, through the gate and nowhere else.
//
// A component declares the type of what it imports. It must be what the interface has: the same functions
// with the same types, where resources are compared by what they are bound to. Here, at load, is the only
// place where the two meet; the glue that runs later relies on it.
#include "component/plan.h"
#include "component/type_format.h"
#include "component/type_match.h"

// Stands for a resource of an import that is missing.
static const handle_type unbound = {.destructor = HANDLE_NO_DESTRUCTOR};

static bool is_type_of(const handle_type *t, const ctype_resource *resource, const struct component *remote) {
    return remote == NULL ? t->host == resource : t->remote == remote && t->host->index == resource->index;
}

const handle_type *plan_host_type(plan *p, const ctype_resource *resource, const struct component *remote) {
    for (uint32_t i = 0; i < p->host_type_count; i++) {
        if (is_type_of(p->host_types[i], resource, remote)) {
            return p->host_types[i];
        }
    }
    if (p->host_type_count % 32 == 0) {
        handle_type **larger = ARENA_ARRAY(p->arena, handle_type *, p->host_type_count + 32);
        if (larger == NULL) {
            return NULL;
        }
        if (p->host_type_count > 0) {
            memcpy(larger, p->host_types, p->host_type_count * sizeof(handle_type *));
        }
        p->host_types = larger;
    }
    handle_type *t = ARENA_NEW(p->arena, handle_type);
    if (t == NULL) {
        return NULL;
    }
    *t = (handle_type){
        .host = resource, .remote = remote, .destructor = HANDLE_NO_DESTRUCTOR, .name = resource->name};
    p->host_types[p->host_type_count++] = t;
    return t;
}

static status missing(plan *p, const err *why) {
    if (p->missing->len > 0) {
        (void)!buf_append_text(p->missing, "\n");
    }
    (void)!buf_append_text(p->missing, why->message);
    return STATUS_OK;
}

// --- resources ---------------------------------------------------------------------------------------------

static const ctype_resource *resource_in_type(const ctype *t, slice name) {
    if (t == NULL || !t->has_handle) {
        return NULL;
    }
    if (t->kind == CTYPE_OWN || t->kind == CTYPE_BORROW) {
        return slice_equal(t->resource->name, name) ? t->resource : NULL;
    }
    const ctype_resource *found = resource_in_type(t->element, name);
    if (found == NULL) {
        found = resource_in_type(t->error, name);
    }
    for (uint32_t i = 0; i < t->case_count && found == NULL; i++) {
        found = resource_in_type(t->cases[i].type, name);
    }
    return found;
}

// The host resource that an interface calls `name`: one of its own, or one that it uses from another
// interface.
static const ctype_resource *find_resource(const host_interface *h, slice name) {
    for (uint32_t i = 0; i < h->resource_count; i++) {
        if (slice_equal(h->resources[i]->name, name)) {
            return h->resources[i];
        }
    }
    const ctype_resource *found = NULL;
    for (uint32_t i = 0; i < h->func_count && found == NULL; i++) {
        const ctype_func *f = h->funcs[i].type;
        found = resource_in_type(f->result, name);
        for (uint32_t k = 0; k < f->param_count && found == NULL; k++) {
            found = resource_in_type(f->params[k].type, name);
        }
    }
    return found;
}

static status bind_host_resources(plan *p, plan_frame *f, const ast_def *def, const host_interface *h,
                                  err *e) {
    for (uint32_t i = 0; i < def->resource_count; i++) {
        const ast_resource *r = &f->ast->resources[def->resource_first + i];
        slice name = r->path_count == 0 ? def->of.import.name : r->path[r->path_count - 1];
        const ctype_resource *found = r->path_count <= 1 ? find_resource(h, name) : NULL;
        if (found == NULL) {
            return err_set(e, STATUS_INVALID,
                           "interface %.*s has no resource \"%.*s\", which the component imports",
                           SLICE_ARG(h->name), SLICE_ARG(name));
        }
        const handle_type *t = plan_host_type(p, found, h->remote);
        if (t == NULL) {
            return plan_no_room(e);
        }
        f->types[def->resource_first + i] = t;
    }
    return STATUS_OK;
}

static void leave_unbound(plan *p, plan_frame *f, const ast_def *def) {
    for (uint32_t i = 0; i < def->resource_count; i++) {
        f->types[def->resource_first + i] = &unbound;
        p->has_unbound = true;
    }
}

// --- functions ---------------------------------------------------------------------------------------------

static status type_differs(slice interface, const host_func *h, const ctype_func *declared, err *e) {
    buf expected;
    buf found;
    buf_init(&expected, 300);
    buf_init(&found, 300);
    type_format_func_spelled(h->type, &expected);
    type_format_func_spelled(declared, &found);
    status s = err_set(e, STATUS_INVALID,
                       "interface %.*s: the component imports function \"%.*s\" as %.*s, but it is %.*s",
                       SLICE_ARG(interface), SLICE_ARG(h->name), SLICE_ARG(buf_slice(&found)),
                       SLICE_ARG(buf_slice(&expected)));
    buf_done(&expected);
    buf_done(&found);
    return s;
}

static status bind_func(plan *p, plan_frame *f, const ast_def *def, const host_interface *h, slice name,
                        const ctype_func *declared, const plan_func **ret, err *e) {
    for (uint32_t i = 0; i < h->func_count; i++) {
        const host_func *func = &h->funcs[i];
        if (!slice_equal(func->name, name)) {
            continue;
        }
        if (!p->has_unbound && !type_match_func(declared, f->types, func->type, h->remote)) {
            return type_differs(h->name, func, declared, e);
        }
        plan_func *bound = ARENA_NEW(p->arena, plan_func);
        if (bound == NULL) {
            return plan_no_room(e);
        }
        bool is_named = def->of.import.implements.len > 0;
        *bound =
            (plan_func){.host = func, .from = h, .label = is_named ? def->of.import.name : slice_empty()};
        *ret = bound;
        return STATUS_OK;
    }
    return err_set(e, STATUS_INVALID, "interface %.*s has no function \"%.*s\", which the component imports",
                   SLICE_ARG(h->name), SLICE_ARG(name));
}

// --- instances ---------------------------------------------------------------------------------------------

static status bind_export(plan *p, plan_frame *f, const ast_def *def, const host_interface *h,
                          const ast_named_extern *x, plan_item *ret, err *e) {
    ret->sort = x->type.sort;
    switch (x->type.sort) {
    case AST_FUNC:
        return bind_func(p, f, def, h, x->name, x->type.of.func, &ret->of.func, e);
    case AST_TYPE:
        if (x->type.of.type.kind == AST_TYPE_RESOURCE) {
            ret->of.resource = f->types[x->type.of.type.of.resource->index];
        }
        return STATUS_OK;
    default:
        return err_set(e, STATUS_INVALID, "interface %.*s has no instance or module \"%.*s\"",
                       SLICE_ARG(h->name), SLICE_ARG(x->name));
    }
}

static status bind_instance(plan *p, plan_frame *f, const ast_def *def, const host_interface *h,
                            plan_item *ret, err *e) {
    TRY(bind_host_resources(p, f, def, h, e));
    const ast_instance_type *type = def->type.of.instance;
    plan_instance *x = ARENA_NEW(p->arena, plan_instance);
    plan_named *items = ARENA_ARRAY(p->arena, plan_named, type->export_count);
    if (x == NULL || items == NULL) {
        return plan_no_room(e);
    }
    for (uint32_t i = 0; i < type->export_count; i++) {
        items[i].name = type->exports[i].name;
        TRY(bind_export(p, f, def, h, &type->exports[i], &items[i].item, e));
    }
    *x = (plan_instance){type->export_count, items};
    ret->of.instance = x;
    return STATUS_OK;
}

// Asks the gate. Anything but an instance belongs to the nameless interface of the root.
static status admit(plan *p, const ast_def *def, const host_interface **ret, err *e) {
    semver version = {0};
    bool versioned = false, is_named = def->of.import.implements.len > 0;
    component_import asked = {.label = is_named ? def->of.import.name : slice_empty()};
    if (def->sort == AST_INSTANCE) {
        versioned = component_name_split(is_named ? def->of.import.implements : def->of.import.name,
                                         &asked.name, &version);
        asked.version = versioned ? &version : NULL;
    }
    const host_interface *h = NULL;
    TRY(p->gate->admit(p->gate->context, &asked, &h, e));
    if (h == NULL) {
        return err_set(e, STATUS_NOT_FOUND, "nothing offers it");
    }
    if (versioned && !semver_compatible(&version, &h->version)) {
        return err_set(e, STATUS_INVALID, "this host implements version %u.%u.%u, which is not compatible",
                       h->version.major, h->version.minor, h->version.patch);
    }
    *ret = h;
    return STATUS_OK;
}

static status bind(plan *p, plan_frame *f, const ast_def *def, plan_item *ret, err *e) {
    const host_interface *h;
    switch (def->sort) {
    case AST_INSTANCE:
        TRY(admit(p, def, &h, e));
        return bind_instance(p, f, def, h, ret, e);
    case AST_FUNC:
        TRY(admit(p, def, &h, e));
        return bind_func(p, f, def, h, def->of.import.name, def->type.of.func, &ret->of.func, e);
    case AST_TYPE:
        if (def->resource_count == 0) {
            return STATUS_OK; // an equality that the component states about its own types
        }
        TRY(admit(p, def, &h, e));
        return bind_host_resources(p, f, def, h, e);
    default:
        return err_set(e, STATUS_UNSUPPORTED, "this host offers no modules or components to import");
    }
}

status plan_import(plan *p, plan_frame *f, const ast_def *def, plan_item *ret, err *e) {
    static const plan_instance nothing = {0, NULL};
    err why;
    err_clear(&why);
    ret->sort = def->sort;
    status s = bind(p, f, def, ret, &why);
    if (s == STATUS_OK) {
        return STATUS_OK;
    }
    if (s == STATUS_LIMIT) {
        return err_set(e, s, "%s", why.message);
    }
    if (p->missing_status == STATUS_OK) {
        p->missing_status = s;
    }
    (void)err_wrap(&why, "import \"%.*s\"", SLICE_ARG(def->of.import.name));
    leave_unbound(p, f, def);
    ret->of.instance = &nothing;
    return missing(p, &why);
}
