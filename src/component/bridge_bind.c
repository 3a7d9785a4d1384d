// SPDX-License-Identifier: Apache-2.0
// Making bridges: what another component exports as an interface that can be bound, before either is linked,
// and the functions behind it afterwards.
#include "base/check.h"
#include "base/mem.h"
#include "component/bridge_internal.h"
#include "component/host_call.h"
#include "component/type_match.h"

enum { BRIDGE_ARENA_BYTES_MAX = 16 << 20 };

// The newest compatible version that the component exports.
static const component_item *find_export(const component *c, slice interface, semver *ret_version) {
    slice wanted;
    semver wanted_version;
    bool wants_version = component_name_split(interface, &wanted, &wanted_version);
    const component_item *best = NULL;
    for (size_t i = 0; i < component_export_count(c); i++) {
        const component_item *item = component_export_at(c, i);
        slice name;
        semver version;
        bool has_version = component_name_split(item->name, &name, &version);
        bool fits = item->kind == COMPONENT_INSTANCE && slice_equal(name, wanted) &&
                    (!wants_version || (has_version && semver_compatible(&version, &wanted_version)));
        if (fits && (best == NULL || semver_compare(&version, ret_version) > 0)) {
            best = item;
            *ret_version = version;
        }
    }
    return best;
}

// Calls `found` for each resource in a type; stops when it returns false.
typedef bool resource_visit(const void *context, const ctype_resource *r);

static bool visit_type(const ctype *t, resource_visit *visit, const void *context) {
    if (t == NULL || !t->has_handle) {
        return true;
    }
    if (t->kind == CTYPE_OWN || t->kind == CTYPE_BORROW) {
        return visit(context, t->resource);
    }
    bool ok = visit_type(t->element, visit, context) && visit_type(t->error, visit, context);
    for (uint32_t i = 0; i < t->case_count && ok; i++) {
        ok = visit_type(t->cases[i].type, visit, context);
    }
    return ok;
}

static bool visit_func(const ctype_func *f, resource_visit *visit, const void *context) {
    bool ok = visit_type(f->result, visit, context);
    for (uint32_t i = 0; i < f->param_count && ok; i++) {
        ok = visit_type(f->params[i].type, visit, context);
    }
    return ok;
}

// Whether the component does not import it.
static bool is_not_imported(const void *context, const ctype_resource *r) {
    const component *c = context;
    for (size_t i = 0; i < component_import_count(c); i++) {
        const component_item *item = component_import_at(c, i);
        if (item->resource != NULL && item->resource->index == r->index) {
            return false;
        }
        for (size_t k = 0; k < item->item_count; k++) {
            if (item->items[k].resource != NULL && item->items[k].resource->index == r->index) {
                return false;
            }
        }
    }
    return true;
}

static status refuse_resources(const bridge *b, slice func, err *e) {
    return err_set(e, STATUS_UNSUPPORTED,
                   "%.*s of %.*s passes resources that %.*s does not define itself, such as streams; between "
                   "workloads only its own can be passed",
                   SLICE_ARG(func), SLICE_ARG(b->interface), SLICE_ARG(b->options.name));
}

static status check_func(const bridge *b, const component_item *f, err *e) {
    if (f->func->is_async) {
        return err_set(e, STATUS_UNSUPPORTED, "%.*s of %.*s is async, which this host does not run",
                       SLICE_ARG(f->name), SLICE_ARG(b->interface));
    }
    return visit_func(f->func, is_not_imported, b->options.component) ? STATUS_OK
                                                                      : refuse_resources(b, f->name, e);
}

static bool is_of_guest(const void *context, const ctype_resource *r) {
    const component_func *f = context;
    return f->types[r->index]->host == NULL;
}

static status fill_items(bridge *b, const component_item *interface, err *e) {
    for (size_t i = 0; i < interface->item_count; i++) {
        const component_item *item = &interface->items[i];
        if (item->kind == COMPONENT_TYPE && item->resource != NULL) {
            b->resources[b->host.resource_count++] = item->resource;
        } else if (item->kind == COMPONENT_FUNC) {
            TRY(check_func(b, item, e));
            uint32_t n = b->host.func_count++;
            b->host_funcs[n] = (host_func){.name = item->name, .type = item->func, .body = bridge_call};
            b->funcs[n].failure = bridge_failure_of(item->func->result);
        }
    }
    return STATUS_OK;
}

static status fill_interface(bridge *b, const component_item *interface, err *e) {
    size_t count = interface->item_count;
    b->funcs = ARENA_ARRAY(&b->arena, bridge_func, count);
    b->host_funcs = ARENA_ARRAY(&b->arena, host_func, count);
    b->resources = ARENA_ARRAY(&b->arena, const ctype_resource *, count);
    if (b->funcs == NULL || b->host_funcs == NULL || b->resources == NULL) {
        return err_set(e, STATUS_LIMIT, "%.*s exports too many functions", SLICE_ARG(b->options.name));
    }
    b->host.funcs = b->host_funcs;
    b->host.resources = b->resources;
    b->host.remote = b->options.component;
    return fill_items(b, interface, e);
}

static status fill(bridge *b, err *e) {
    const bridge_options *o = &b->options;
    semver version = {0};
    const component_item *interface = find_export(o->component, o->interface, &version);
    if (interface == NULL) {
        return err_set(e, STATUS_NOT_FOUND, "%.*s does not export %.*s in a compatible version",
                       SLICE_ARG(o->name), SLICE_ARG(o->interface));
    }
    b->interface = interface->name;
    (void)component_name_split(interface->name, &b->host.name, &b->host.version);
    return fill_interface(b, interface, e);
}

status bridge_new(const bridge_options *options, bridge **ret, err *e) {
    bridge *b = MEM_NEW(bridge);
    b->options = *options;
    arena_init(&b->arena, BRIDGE_ARENA_BYTES_MAX);
    status s = fill(b, e);
    if (s != STATUS_OK) {
        bridge_free(b);
        return s;
    }
    *ret = b;
    return STATUS_OK;
}

void bridge_free(bridge *b) {
    if (b == NULL) {
        return;
    }
    arena_done(&b->arena);
    mem_free(b);
}

static bool has_no_resource(const void *context, const ctype_resource *r) {
    (void)context, (void)r;
    return false;
}

static status find_same(const bridge *b, const bridge *other, uint32_t number, uint32_t *ret, err *e) {
    const host_func *f = &b->host_funcs[number];
    if (!visit_func(f->type, has_no_resource, NULL)) {
        return err_set(e, STATUS_UNSUPPORTED,
                       "%.*s has resources, so it cannot be chosen call by call; import it under names",
                       SLICE_ARG(b->interface));
    }
    for (uint32_t i = 0; i < other->host.func_count; i++) {
        const host_func *g = &other->host_funcs[i];
        if (slice_equal(f->name, g->name) && type_match_func(f->type, NULL, g->type, NULL)) {
            *ret = i;
            return STATUS_OK;
        }
    }
    return err_set(e, STATUS_INVALID, "%.*s and %.*s do not export the same %.*s of %.*s",
                   SLICE_ARG(b->options.name), SLICE_ARG(other->options.name), SLICE_ARG(f->name),
                   SLICE_ARG(b->interface));
}

status bridge_alternative(const bridge *b, bridge *other, err *e) {
    other->numbers = ARENA_ARRAY(&other->arena, uint32_t, b->host.func_count + 1);
    if (other->numbers == NULL) {
        return err_set(e, STATUS_LIMIT, "%.*s exports too many functions", SLICE_ARG(b->options.name));
    }
    for (uint32_t i = 0; i < b->host.func_count; i++) {
        TRY(find_same(b, other, i, &other->numbers[i], e));
    }
    return STATUS_OK;
}

const host_interface *bridge_interface(const bridge *b) { return &b->host; }

status bridge_connect(bridge *b, const component_program *program, err *e) {
    for (uint32_t i = 0; i < b->host.func_count; i++) {
        bridge_func *f = &b->funcs[i];
        const host_func *host = &b->host_funcs[i];
        f->callee = component_program_export(program, b->interface, host->name);
        if (f->callee == NULL || f->callee->lift == NULL) {
            return err_set(e, STATUS_UNSUPPORTED, "%.*s exports %.*s again, which it imports itself",
                           SLICE_ARG(b->options.name), SLICE_ARG(b->interface));
        }
        CHECK(f->callee->type == host->type);
        if (!visit_func(host->type, is_of_guest, f->callee)) {
            return refuse_resources(b, host->name, e);
        }
    }
    b->program = program;
    return STATUS_OK;
}
