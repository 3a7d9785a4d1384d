// SPDX-License-Identifier: Apache-2.0
// The rules for names of imports and exports: their form, their attributes, what a name says about a type,
// and that no two are alike (Binary.md, "Import and Export Definitions").
#include "component/scope_internal.h"

// --- reading names ----------------------------------------------------------------------------------------

static void attribute_read(reader *r, name_attributes *a, uint8_t *seen) {
    size_t offset = reader_offset(r);
    uint8_t kind = reader_byte(r);
    slice value = reader_name(r);
    if (kind > 2) {
        decode_fail(r->d, offset, "0x%02x is not a kind of name attribute", kind);
    } else if ((*seen & 1u << kind) != 0) {
        static const char *const names[] = {"implements", "versionsuffix", "external-id"};
        decode_fail(r->d, offset, "duplicate '%s' in the attributes of a name", names[kind]);
    }
    if (!decode_ok(r->d)) {
        return;
    }
    *seen |= (uint8_t)(1u << kind);
    if (kind == 0) {
        a->implements = value;
        a->has_implements = true;
    } else if (kind == 1) {
        a->version_suffix = value;
        a->has_version_suffix = true;
    }
}

void name_attributes_read(reader *r, name_attributes *ret) {
    *ret = (name_attributes){0};
    size_t offset = reader_offset(r);
    uint8_t form = reader_byte(r);
    if (form > 2) {
        decode_fail(r->d, offset, "0x%02x does not begin a name", form);
    }
    ret->name = reader_name(r);
    if (form == 2) {
        uint8_t seen = 0;
        uint32_t count = reader_count(r);
        for (uint32_t i = 0; i < count && decode_ok(r->d); i++) {
            attribute_read(r, ret, &seen);
        }
    }
}

// --- checking names ---------------------------------------------------------------------------------------

static void attributes_check(decoder *d, const name_attributes *a, const extern_name *parsed, bool instance,
                             size_t offset) {
    extern_name implements = {0};
    if (a->has_implements) {
        const char *why = extern_name_parse(a->implements, &implements);
        if (why != NULL) {
            decode_fail(d, offset, "`%.*s` is not a valid name for `implements`: %s", NAME_ARG(a->implements),
                        why);
        } else if (implements.kind != EXTERN_NAME_INTERFACE) {
            decode_fail(d, offset, "`%.*s` must be an interface", NAME_ARG(a->implements));
        } else if (!instance) {
            decode_fail(d, offset, "only instances can have an `implements`");
        } else if (parsed->kind != EXTERN_NAME_PLAIN) {
            decode_fail(d, offset, "name `%.*s` is not valid with `implements`", NAME_ARG(a->name));
        }
    }
    if (a->has_version_suffix) {
        slice version = a->has_implements ? implements.version : parsed->version;
        if (!interface_version_complete(version, a->version_suffix)) {
            decode_fail(d, offset, "version `%.*s` with suffix `%.*s` is not a valid semantic version",
                        NAME_ARG(version), NAME_ARG(a->version_suffix));
        }
    }
}

// The resource must have been given the name that the function claims, in the same context.
static void owner_check(decoder *d, const name_context *names, const ctype_resource *resource, slice label,
                        size_t offset) {
    const slice *name = pointer_map_get(&names->resources, resource);
    if (name == NULL) {
        decode_fail(d, offset, "the resource used in the function does not have a name in this context");
    } else if (!slice_equal(*name, label)) {
        decode_fail(d, offset, "function does not match expected resource name `%.*s`", NAME_ARG(*name));
    }
}

static void constructor_check(decoder *d, const name_context *names, const ctype_func *f, slice label,
                              size_t offset) {
    if (f->result == NULL) {
        decode_fail(d, offset, "a constructor should return one value");
        return;
    }
    const ctype *made = f->result->kind == CTYPE_RESULT ? f->result->element : f->result;
    if (made == NULL || made->kind != CTYPE_OWN) {
        decode_fail(d, offset, "a constructor should return `(own $T)` or `(result (own $T))`");
        return;
    }
    owner_check(d, names, made->resource, label, offset);
}

static void method_check(decoder *d, const name_context *names, const ctype_func *f, slice label,
                         size_t offset) {
    if (f->param_count == 0) {
        decode_fail(d, offset, "a method should have at least one argument");
    } else if (!slice_equal_text(f->params[0].name, "self")) {
        decode_fail(d, offset, "a method should have a first argument called `self`");
    } else if (f->params[0].type->kind != CTYPE_BORROW) {
        decode_fail(d, offset, "a method should take a first argument of `(borrow $T)`");
    } else {
        owner_check(d, names, f->params[0].type->resource, label, offset);
    }
}

static void annotation_check(decoder *d, const name_context *names, const extern_name *parsed,
                             const ast_extern *type, size_t offset) {
    if (parsed->kind == EXTERN_NAME_PLAIN || parsed->kind == EXTERN_NAME_INTERFACE) {
        return;
    }
    if (type->sort != AST_FUNC) {
        decode_fail(d, offset, "item is not a func, as its name says");
    } else if (parsed->kind == EXTERN_NAME_CONSTRUCTOR) {
        constructor_check(d, names, type->of.func, parsed->resource, offset);
    } else if (parsed->kind == EXTERN_NAME_METHOD) {
        method_check(d, names, type->of.func, parsed->resource, offset);
    } else if (name_map_get(d, &names->resource_names, parsed->resource) == NULL) {
        decode_fail(d, offset, "static resource name is not known in this context");
    }
}

static slice *slice_keep(decoder *d, slice s) {
    slice *copy = decode_scratch(d, 1, sizeof *copy);
    if (copy != NULL) {
        *copy = s;
    }
    return copy;
}

void name_check(decoder *d, name_context *names, const name_attributes *a, const ast_extern *type,
                const char *what, size_t offset) {
    if (!decode_ok(d)) {
        return;
    }
    extern_name parsed;
    const char *why = extern_name_parse(a->name, &parsed);
    if (why != NULL) {
        decode_fail(d, offset, "%s name `%.*s` is not a valid extern name: %s", what, NAME_ARG(a->name), why);
        return;
    }
    attributes_check(d, a, &parsed, type->sort == AST_INSTANCE, offset);
    annotation_check(d, names, &parsed, type, offset);
    uint8_t *folded = decode_scratch(d, 1, a->name.len + 1);
    slice *written = slice_keep(d, a->name);
    if (folded == NULL || written == NULL) {
        return;
    }
    slice key = slice_of(folded, extern_name_fold(a->name, &parsed, folded));
    const slice *previous = name_map_add(d, &names->unique, key, written);
    if (previous != NULL) {
        decode_fail(d, offset, "%s name `%.*s` conflicts with previous name `%.*s`", what, NAME_ARG(a->name),
                    NAME_ARG(*previous));
    }
}

void name_context_add_resource(decoder *d, name_context *names, slice name, const ctype_resource *resource) {
    slice *label = slice_keep(d, name);
    if (label != NULL) {
        pointer_map_put(d, &names->resources, resource, label);
        name_map_add(d, &names->resource_names, name, label);
    }
}
