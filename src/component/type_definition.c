// SPDX-License-Identifier: Apache-2.0
// The type section: value, function, resource, component and instance types (Binary.md, "Type Definitions").
#include "component/scope_internal.h"

// --- labels -----------------------------------------------------------------------------------------------

// Reads the next label and checks that it is in kebab case and new. `what` is "record field" and so on.
static slice label_read(reader *r, name_map *seen, const char *what) {
    decoder *d = r->d;
    size_t offset = reader_offset(r);
    slice label = reader_name(r);
    if (!decode_ok(d)) {
        return label;
    }
    if (label.len == 0) {
        decode_fail(d, offset, "%s name cannot be empty", what);
    } else if (!label_valid(label)) {
        decode_fail(d, offset, "%s name `%.*s` is not in kebab case", what, NAME_ARG(label));
    }
    uint8_t *folded = decode_scratch(d, 1, label.len);
    if (folded == NULL) {
        return label;
    }
    label_fold(label, folded);
    if (name_map_add(d, seen, slice_of(folded, label.len), seen) != NULL) {
        decode_fail(d, offset, "%s name `%.*s` conflicts with a previous %s name", what, NAME_ARG(label),
                    what);
    }
    return label;
}

// --- value types ------------------------------------------------------------------------------------------

static bool primitive_kind(uint8_t code, ctype_kind *ret) {
    static const uint8_t kinds[] = {
        CTYPE_STRING, CTYPE_CHAR, CTYPE_F64, CTYPE_F32, CTYPE_U64, CTYPE_S64,  CTYPE_U32,
        CTYPE_S32,    CTYPE_U16,  CTYPE_S16, CTYPE_U8,  CTYPE_S8,  CTYPE_BOOL,
    };
    if (code < 0x73 || code > 0x7f) {
        return false;
    }
    *ret = (ctype_kind)kinds[code - 0x73];
    return true;
}

const ctype *value_type_read(reader *r, scope *s) {
    decoder *d = r->d;
    size_t offset = reader_offset(r);
    uint8_t code = reader_peek(r);
    ctype_kind kind;
    if ((code & 0xc0) == 0x40) { // one byte, negative: not an index
        reader_byte(r);
        if (primitive_kind(code, &kind)) {
            return types_primitive(kind);
        }
        if (code == 0x64) {
            decode_fail_async(d, offset, "the type error-context");
        }
        decode_fail(d, offset, "0x%02x is not a primitive value type", code);
        return NULL;
    }
    int64_t index = reader_s33(r);
    ast_type t;
    if (index < 0 || !scope_type(d, s, (uint32_t)index, offset, &t)) {
        decode_fail(d, offset, "malformed value type");
        return NULL;
    }
    if (t.kind != AST_TYPE_VALUE) {
        decode_fail(d, offset, "type index %u is not a defined type", (uint32_t)index);
        return NULL;
    }
    return t.of.value;
}

static const ctype *optional_type_read(reader *r, scope *s) {
    return reader_flag(r) ? value_type_read(r, s) : NULL;
}

static void set_cases(decoder *d, ctype *t, const vec *cases) {
    t->case_count = cases->count;
    t->cases = vec_keep(d, cases, sizeof(ctype_case));
}

// Fields, cases and labels: the four kinds differ in what follows a name.
static void named_parts_read(reader *r, scope *s, ctype *t, const char *what) {
    decoder *d = r->d;
    vec cases = {0};
    name_map seen = {0};
    size_t offset = reader_offset(r);
    uint32_t count = reader_count(r);
    if (count == 0) {
        decode_fail(d, offset, "%s type must have at least one %s", types_kind_name(t->kind), what);
    }
    for (uint32_t i = 0; i < count && decode_ok(d); i++) {
        ctype_case *part = vec_push(d, &cases, sizeof *part);
        slice label = label_read(r, &seen, what);
        const ctype *type = NULL;
        if (t->kind == CTYPE_RECORD) {
            type = value_type_read(r, s);
        } else if (t->kind == CTYPE_VARIANT) {
            type = optional_type_read(r, s);
            offset = reader_offset(r);
            if (reader_byte(r) != 0) {
                decode_fail(d, offset, "a zero byte is required after a case");
            }
        }
        if (part != NULL) {
            *part = (ctype_case){.name = label, .type = type};
        }
    }
    if (t->kind == CTYPE_FLAGS && count > 32) {
        decode_fail(d, offset, "cannot have more than 32 flags");
    }
    set_cases(d, t, &cases);
}

static void tuple_read(reader *r, scope *s, ctype *t) {
    vec cases = {0};
    size_t offset = reader_offset(r);
    uint32_t count = reader_count(r);
    if (count == 0) {
        decode_fail(r->d, offset, "tuple type must have at least one type");
    }
    for (uint32_t i = 0; i < count && decode_ok(r->d); i++) {
        ctype_case *part = vec_push(r->d, &cases, sizeof *part);
        if (part != NULL) {
            part->type = value_type_read(r, s);
        }
    }
    set_cases(r->d, t, &cases);
}

static void fixed_length_read(reader *r, scope *s, ctype *t) {
    t->element = value_type_read(r, s);
    size_t offset = reader_offset(r);
    t->has_fixed_length = true;
    t->fixed_length = reader_u32(r);
    if (t->fixed_length == 0) {
        decode_fail(r->d, offset, "a list of fixed length must have at least one element");
    }
}

// map<k, v> is laid out as a list of pairs.
static void map_read(reader *r, scope *s, ctype *t, size_t offset) {
    vec cases = {0};
    for (int i = 0; i < 2; i++) {
        ctype_case *part = vec_push(r->d, &cases, sizeof *part);
        if (part != NULL) {
            part->type = value_type_read(r, s);
        }
    }
    vtype *pair = KEEP_NEW(r->d, vtype);
    if (pair == NULL) {
        return;
    }
    const ctype *key = ((const ctype_case *)cases.items)[0].type;
    if (key->kind > CTYPE_STRING || key->kind == CTYPE_F32 || key->kind == CTYPE_F64) {
        decode_fail(r->d, offset, "the keys of a map cannot be of type %s", types_kind_name(key->kind));
    }
    pair->pub.kind = CTYPE_TUPLE;
    pair->is_pair = true;
    set_cases(r->d, &pair->pub, &cases);
    t->element = types_finish(r->d, pair, offset);
    t->is_map = true;
}

static void handle_read(reader *r, scope *s, ctype *t) {
    size_t offset = reader_offset(r);
    uint32_t index = reader_u32(r);
    ast_type target;
    if (!scope_type(r->d, s, index, offset, &target)) {
        return;
    }
    if (target.kind != AST_TYPE_RESOURCE) {
        decode_fail(r->d, offset, "type index %u is not a resource type", index);
        return;
    }
    t->resource = target.of.resource;
}

static void channel_read(reader *r, scope *s, uint8_t code, size_t offset) {
    const ctype *element = optional_type_read(r, s);
    if (!decode_ok(r->d)) {
        return;
    }
    if (code == 0x66 && element != NULL && element->kind == CTYPE_CHAR) {
        decode_fail(r->d, offset, "`stream<char>` is not valid at this time");
    } else if (element != NULL && vtype_of(element)->has_borrow) {
        decode_fail(r->d, offset, "a stream or future cannot carry a `borrow`");
    } else {
        decode_fail_async(r->d, offset, code == 0x66 ? "the type stream" : "the type future");
    }
}

static bool composite_read(reader *r, scope *s, uint8_t code, ctype *t, size_t offset) {
    switch (code) {
    case 0x72:
        t->kind = CTYPE_RECORD;
        named_parts_read(r, s, t, "record field");
        return true;
    case 0x71:
        t->kind = CTYPE_VARIANT;
        named_parts_read(r, s, t, "variant case");
        return true;
    case 0x70:
        t->kind = CTYPE_LIST;
        t->element = value_type_read(r, s);
        return true;
    case 0x6f:
        t->kind = CTYPE_TUPLE;
        tuple_read(r, s, t);
        return true;
    case 0x6e:
        t->kind = CTYPE_FLAGS;
        named_parts_read(r, s, t, "flag");
        return true;
    case 0x6d:
        t->kind = CTYPE_ENUM;
        named_parts_read(r, s, t, "enum tag");
        return true;
    case 0x6b:
        t->kind = CTYPE_OPTION;
        t->element = value_type_read(r, s);
        return true;
    case 0x6a:
        t->kind = CTYPE_RESULT;
        t->element = optional_type_read(r, s);
        t->error = optional_type_read(r, s);
        return true;
    case 0x69:
    case 0x68:
        t->kind = code == 0x69 ? CTYPE_OWN : CTYPE_BORROW;
        handle_read(r, s, t);
        return true;
    case 0x67:
        t->kind = CTYPE_LIST;
        fixed_length_read(r, s, t);
        return true;
    case 0x66:
    case 0x65:
        channel_read(r, s, code, offset);
        return true;
    case 0x63:
        t->kind = CTYPE_LIST;
        map_read(r, s, t, offset);
        return true;
    default:
        return false;
    }
}

static const ctype *defined_type_read(reader *r, scope *s, uint8_t code, size_t offset) {
    ctype_kind kind;
    vtype *v = KEEP_NEW(r->d, vtype);
    if (v == NULL) {
        return NULL;
    }
    if (primitive_kind(code, &kind)) {
        *v = *vtype_of(types_primitive(kind));
        return &v->pub;
    }
    if (code == 0x64) {
        decode_fail_async(r->d, offset, "the type error-context");
    } else if (!composite_read(r, s, code, &v->pub, offset)) {
        decode_fail(r->d, offset, "0x%02x is not a type", code);
    }
    return types_finish(r->d, v, offset);
}

// --- functions and resources ------------------------------------------------------------------------------

static const ctype *results_read(reader *r, scope *s) {
    size_t offset = reader_offset(r);
    uint8_t form = reader_byte(r);
    if (form == 0) {
        return value_type_read(r, s);
    }
    if (form != 1) {
        decode_fail(r->d, offset, "0x%02x is not a result list", form);
    } else if (reader_byte(r) != 0) {
        decode_fail(r->d, offset, "a function has one result or none");
    }
    return NULL;
}

static const ctype_func *func_type_read(reader *r, scope *s, bool is_async, size_t offset) {
    decoder *d = r->d;
    vfunc *f = KEEP_NEW(d, vfunc);
    vec params = {0};
    name_map seen = {0};
    uint32_t count = reader_count(r);
    for (uint32_t i = 0; i < count && decode_ok(d); i++) {
        ctype_param *param = vec_push(d, &params, sizeof *param);
        slice name = label_read(r, &seen, "function parameter");
        const ctype *type = value_type_read(r, s);
        if (param != NULL) {
            *param = (ctype_param){name, type};
        }
    }
    const ctype *result = results_read(r, s);
    if (!decode_ok(d)) {
        return NULL;
    }
    if (result != NULL && vtype_of(result)->has_borrow) {
        decode_fail(d, offset, "function result cannot contain a `borrow` type");
    }
    if (is_async) {
        decode_fail_async(d, offset, "an async function type");
    }
    f->pub = (ctype_func){.param_count = params.count, .result = result, .is_async = is_async};
    f->pub.params = vec_keep(d, &params, sizeof(ctype_param));
    return types_finish_func(d, f, offset);
}

static void resource_read(reader *r, scope *s, ast_def *def, size_t offset) {
    decoder *d = r->d;
    if (s->kind != SCOPE_COMPONENT) {
        decode_fail(d, offset, "resources can only be defined within a concrete component");
    }
    if (reader_byte(r) != CORE_VALUE_I32) {
        decode_fail(d, offset, "resources can only be represented by `i32`");
    }
    def->of.type.destructor = AST_NONE;
    if (reader_flag(r)) {
        uint32_t index = reader_u32(r);
        def->of.type.destructor = index;
        const ast_core_extern *dtor = scope_core(d, s, AST_CORE_FUNC, index, offset);
        if (dtor != NULL && (dtor->func->param_count != 1 || dtor->func->params[0] != CORE_I32 ||
                             dtor->func->result_count != 0)) {
            decode_fail(d, offset, "core function %u has the wrong signature for a destructor", index);
        }
    }
    if (decode_ok(d)) {
        const vresource *made = scope_new_resource(d, s, slice_empty(), AST_RESOURCE_DEFINED, NULL, 0);
        if (made != NULL) {
            def->type.of.type = (ast_type){.kind = AST_TYPE_RESOURCE, .of.resource = &made->pub};
        }
    }
}

// --- component and instance types -------------------------------------------------------------------------

static void declaration_read(reader *r, scope *s) {
    size_t offset = reader_offset(r);
    uint8_t kind = reader_byte(r);
    if (kind == 0) {
        core_type_definition_read(r, s);
    } else if (kind == 1) {
        type_definition_read(r, s);
    } else if (kind == 2) {
        alias_read(r, s);
    } else if (kind == 3 && s->kind == SCOPE_COMPONENT_TYPE) {
        import_read(r, s);
    } else if (kind == 4) {
        export_declaration_read(r, s);
    } else {
        decode_fail(r->d, offset, "0x%02x is not a declaration in a component or instance type", kind);
    }
}

// Recursion (through nested declarations) is bounded by scope_open.
static scope *declarations_read(reader *r, scope_kind kind, size_t offset) {
    scope *s = scope_open(r->d, kind, offset);
    if (s == NULL) {
        return NULL;
    }
    uint32_t count = reader_count(r);
    for (uint32_t i = 0; i < count && decode_ok(r->d); i++) {
        declaration_read(r, s);
    }
    scope_close(r->d);
    return decode_ok(r->d) ? s : NULL;
}

static const ast_instance_type *instance_type_read(reader *r, size_t offset) {
    scope *s = declarations_read(r, SCOPE_INSTANCE_TYPE, offset);
    vinstance *t = KEEP_NEW(r->d, vinstance);
    if (s == NULL || t == NULL) {
        return NULL;
    }
    t->scope = s->number;
    t->pub.export_count = s->exports.count;
    t->pub.exports = vec_keep(r->d, &s->exports, sizeof(ast_named_extern));
    return types_finish_instance(r->d, t, offset);
}

static const ast_component_type *component_type_read(reader *r, size_t offset) {
    scope *s = declarations_read(r, SCOPE_COMPONENT_TYPE, offset);
    vcomponent *t = KEEP_NEW(r->d, vcomponent);
    if (s == NULL || t == NULL) {
        return NULL;
    }
    t->scope = s->number;
    t->pub.import_count = s->imports.count;
    t->pub.imports = vec_keep(r->d, &s->imports, sizeof(ast_named_extern));
    t->pub.export_count = s->exports.count;
    t->pub.exports = vec_keep(r->d, &s->exports, sizeof(ast_named_extern));
    const ast_component_type *made = types_finish_component(r->d, t, offset);
    if (made != NULL) {
        types_check_resources(r->d, made, offset);
    }
    return made;
}

// --- definitions ------------------------------------------------------------------------------------------

void type_definition_read(reader *r, scope *s) {
    size_t offset = reader_offset(r);
    ast_def def = scope_def_begin(s, AST_DEF_TYPE, AST_TYPE, offset);
    def.type.sort = AST_TYPE;
    def.of.type.destructor = AST_NONE;
    ast_type *t = &def.type.of.type;
    uint8_t code = reader_byte(r);
    if (code == 0x40 || code == 0x43) {
        *t = (ast_type){.kind = AST_TYPE_FUNC, .of.func = func_type_read(r, s, code == 0x43, offset)};
    } else if (code == 0x41) {
        *t = (ast_type){.kind = AST_TYPE_COMPONENT, .of.component = component_type_read(r, offset)};
    } else if (code == 0x42) {
        *t = (ast_type){.kind = AST_TYPE_INSTANCE, .of.instance = instance_type_read(r, offset)};
    } else if (code == 0x3f) {
        resource_read(r, s, &def, offset);
    } else {
        *t = (ast_type){.kind = AST_TYPE_VALUE, .of.value = defined_type_read(r, s, code, offset)};
    }
    if (decode_ok(r->d)) {
        scope_add(r->d, s, &def.type);
        scope_def_end(r->d, s, &def);
    }
}
