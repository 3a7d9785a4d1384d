// SPDX-License-Identifier: Apache-2.0
// One walk for all comparisons; what differs is how two resources compare.
#include "component/type_match.h"

typedef struct matcher {
    const handle_type *const *a_types;
    const handle_type *const *b_types; // NULL: `b` is of the host, and its resources are host resources
    const struct component *b_remote;  // or of the program of that component
} matcher;

static bool same_value(const matcher *m, const ctype *a, const ctype *b);

static bool same_optional(const matcher *m, const ctype *a, const ctype *b) {
    return a == NULL || b == NULL ? a == b : same_value(m, a, b);
}

static bool same_cases(const matcher *m, const ctype *a, const ctype *b) {
    if (a->case_count != b->case_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->case_count; i++) {
        if (!slice_equal(a->cases[i].name, b->cases[i].name) ||
            !same_optional(m, a->cases[i].type, b->cases[i].type)) {
            return false;
        }
    }
    return true;
}

static bool same_resource(const matcher *m, const ctype_resource *a, const ctype_resource *b) {
    const handle_type *left = m->a_types[a->index];
    if (left == NULL) {
        return false;
    }
    if (m->b_types != NULL) {
        return left == m->b_types[b->index];
    }
    return m->b_remote == NULL ? left->host == b
                               : left->remote == m->b_remote && left->host->index == b->index;
}

static bool same_value(const matcher *m, const ctype *a, const ctype *b) {
    if (a->kind != b->kind || a->size != b->size || a->align != b->align || a->flat_count != b->flat_count) {
        return false;
    }
    switch (a->kind) {
    case CTYPE_LIST:
        return a->is_map == b->is_map && a->has_fixed_length == b->has_fixed_length &&
               a->fixed_length == b->fixed_length && same_value(m, a->element, b->element);
    case CTYPE_OPTION:
        return same_value(m, a->element, b->element);
    case CTYPE_RESULT:
        return same_optional(m, a->element, b->element) && same_optional(m, a->error, b->error);
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
    case CTYPE_VARIANT:
    case CTYPE_ENUM:
    case CTYPE_FLAGS:
        return same_cases(m, a, b);
    case CTYPE_OWN:
    case CTYPE_BORROW:
        return same_resource(m, a->resource, b->resource);
    default:
        return true;
    }
}

static bool same_func(const matcher *m, const ctype_func *a, const ctype_func *b) {
    if (a->param_count != b->param_count || a->is_async != b->is_async ||
        !same_optional(m, a->result, b->result)) {
        return false;
    }
    for (uint32_t i = 0; i < a->param_count; i++) {
        if (!same_value(m, a->params[i].type, b->params[i].type)) {
            return false;
        }
    }
    return true;
}

bool type_match_func(const ctype_func *own, const handle_type *const *types, const ctype_func *host,
                     const struct component *remote) {
    return same_func(&(matcher){types, NULL, remote}, own, host);
}

bool type_match_values(const ctype *a, const handle_type *const *a_types, const ctype *b,
                       const handle_type *const *b_types) {
    return same_value(&(matcher){a_types, b_types, NULL}, a, b);
}

bool type_match_funcs(const ctype_func *a, const handle_type *const *a_types, const ctype_func *b,
                      const handle_type *const *b_types) {
    return same_func(&(matcher){a_types, b_types, NULL}, a, b);
}
