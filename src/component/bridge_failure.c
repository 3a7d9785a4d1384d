// SPDX-License-Identifier: Apache-2.0
#include "component/bridge_failure.h"

#include "component/host_call.h"

static bool is_string(const ctype *t) { return t != NULL && t->kind == CTYPE_STRING; }

static bool is_optional_string(const ctype *t) {
    return t != NULL && t->kind == CTYPE_OPTION && is_string(t->element);
}

// The best name first.
static bool find_case(const ctype *variant, bridge_failure *ret) {
    static const char *const names[] = {"other",   "unexpected", "upstream",    "internal-error", "internal",
                                        "io",      "io-error",   "unavailable", "unknown",        "failed",
                                        "failure", "error",      "trap"};
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        for (uint32_t i = 0; i < variant->case_count; i++) {
            const ctype_case *c = &variant->cases[i];
            bool has_place = is_string(c->type) || is_optional_string(c->type);
            if (has_place && slice_equal_text(c->name, names[n])) {
                *ret = (bridge_failure){BRIDGE_FAILURE_CASE, i, is_optional_string(c->type)};
                return true;
            }
        }
    }
    return false;
}

bridge_failure bridge_failure_of(const ctype *result) {
    bridge_failure f = {.kind = BRIDGE_FAILURE_NONE};
    if (result == NULL || result->kind != CTYPE_RESULT) {
        return f;
    }
    if (result->error == NULL) {
        f.kind = BRIDGE_FAILURE_PLAIN;
    } else if (is_string(result->error)) {
        f.kind = BRIDGE_FAILURE_TEXT;
    } else if (result->error->kind == CTYPE_VARIANT) {
        (void)find_case(result->error, &f);
    }
    return f;
}

status bridge_failure_lower(const bridge_failure *f, host_call *call, slice why, core_value *values,
                            uint32_t return_pointer, err *e) {
    component_value text = {.kind = CTYPE_STRING, .of.string = why};
    component_value some = {.kind = CTYPE_OPTION, .of.variant = {1, &text}};
    component_value other = {.kind = CTYPE_VARIANT, .of.variant = {f->tag, f->is_option ? &some : &text}};
    component_value failed = {.kind = CTYPE_RESULT, .of.variant = {1, NULL}};
    if (f->kind != BRIDGE_FAILURE_PLAIN) {
        failed.of.variant.payload = f->kind == BRIDGE_FAILURE_TEXT ? &text : &other;
    }
    return host_call_lower_result(call, &failed, values, return_pointer, e);
}
