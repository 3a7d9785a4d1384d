// SPDX-License-Identifier: Apache-2.0
#include "component/flatten.h"

#include "base/check.h"

static uint8_t join(uint8_t a, uint8_t b) {
    if (a == b) {
        return a;
    }
    bool narrow = (a == CORE_I32 && b == CORE_F32) || (a == CORE_F32 && b == CORE_I32);
    return narrow ? CORE_I32 : CORE_I64;
}

// Joins the core types of one case into those of the variant, which stand at `ret` and number `*count`.
static void join_case(const ctype *payload, uint8_t *ret, uint32_t *count) {
    uint8_t flat[CTYPE_FLAT_PARAMS_MAX];
    uint32_t flat_count = 0;
    if (payload != NULL) {
        ctype_flatten(payload, flat, &flat_count);
    }
    for (uint32_t i = 0; i < flat_count; i++) {
        ret[i] = i < *count ? join(ret[i], flat[i]) : flat[i];
    }
    *count = flat_count > *count ? flat_count : *count;
}

static void flatten_variant(const ctype *t, uint8_t *ret, uint32_t *count) {
    ret[(*count)++] = CORE_I32;
    uint32_t joined = 0;
    if (t->kind == CTYPE_OPTION || t->kind == CTYPE_RESULT) {
        join_case(t->element, ret + *count, &joined);
        join_case(t->error, ret + *count, &joined);
    }
    for (uint32_t i = 0; i < t->case_count; i++) {
        join_case(t->cases[i].type, ret + *count, &joined);
    }
    *count += joined;
}

// Recursion is bounded by the depth of the type, which the decoder limits.
void ctype_flatten(const ctype *t, uint8_t *ret, uint32_t *count) {
    CHECK(t->flat_count <= CTYPE_FLAT_PARAMS_MAX);
    switch (t->kind) {
    case CTYPE_S64:
    case CTYPE_U64:
        ret[(*count)++] = CORE_I64;
        break;
    case CTYPE_F32:
        ret[(*count)++] = CORE_F32;
        break;
    case CTYPE_F64:
        ret[(*count)++] = CORE_F64;
        break;
    case CTYPE_STRING:
        ret[(*count)++] = CORE_I32;
        ret[(*count)++] = CORE_I32;
        break;
    case CTYPE_LIST:
        if (!t->has_fixed_length) {
            ret[(*count)++] = CORE_I32;
            ret[(*count)++] = CORE_I32;
            break;
        }
        for (uint32_t i = 0; i < t->fixed_length; i++) {
            ctype_flatten(t->element, ret, count);
        }
        break;
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
        for (uint32_t i = 0; i < t->case_count; i++) {
            ctype_flatten(t->cases[i].type, ret, count);
        }
        break;
    case CTYPE_VARIANT:
    case CTYPE_ENUM:
    case CTYPE_OPTION:
    case CTYPE_RESULT:
        flatten_variant(t, ret, count);
        break;
    default: // numbers up to 32 bits, char, bool, flags, handles
        ret[(*count)++] = CORE_I32;
        break;
    }
}

static void flatten_params(const ctype_func *f, ctype_signature *ret) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < f->param_count; i++) {
        count += f->params[i].type->flat_count;
    }
    if (count > CTYPE_FLAT_PARAMS_MAX) {
        ret->params_spilled = true;
        ret->params[ret->param_count++] = CORE_I32;
        return;
    }
    for (uint32_t i = 0; i < f->param_count; i++) {
        ctype_flatten(f->params[i].type, ret->params, &ret->param_count);
    }
}

static bool results_spill(const ctype_func *f) {
    return f->result != NULL && f->result->flat_count > CTYPE_FLAT_RESULTS_MAX;
}

void ctype_signature_lift(const ctype_func *f, ctype_signature *ret) {
    *ret = (ctype_signature){.results_spilled = results_spill(f)};
    flatten_params(f, ret);
    if (ret->results_spilled) {
        ret->results[ret->result_count++] = CORE_I32;
    } else if (f->result != NULL) {
        ctype_flatten(f->result, ret->results, &ret->result_count);
    }
}

void ctype_signature_lower(const ctype_func *f, ctype_signature *ret) {
    *ret = (ctype_signature){.results_spilled = results_spill(f)};
    flatten_params(f, ret);
    if (ret->results_spilled) {
        ret->params[ret->param_count++] = CORE_I32;
    } else if (f->result != NULL) {
        ctype_flatten(f->result, ret->results, &ret->result_count);
    }
}
