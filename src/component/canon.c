// SPDX-License-Identifier: Apache-2.0
// Canonical definitions: lift, lower and the built-ins for resources. Asynchronous built-ins are read to
// their end and refused by name. Source: Binary.md, "Canonical Definitions"; CanonicalABI.md, "Canonical
// Definitions".
#include "component/flatten.h"
#include "component/scope_internal.h"

// --- options ----------------------------------------------------------------------------------------------

typedef struct options {
    ast_options pub;
    bool has_encoding;
    bool is_async; // `async` or `callback`
} options;

static const char *encoding_name(ast_encoding e) {
    static const char *const names[] = {"utf8", "utf16", "latin1+utf16"};
    return names[e];
}

static void set_once(decoder *d, uint32_t *option, uint32_t value, const char *name, size_t offset) {
    if (*option != AST_NONE) {
        decode_fail(d, offset, "canonical option `%s` is specified more than once", name);
    }
    *option = value;
}

static void option_read(reader *r, options *o) {
    decoder *d = r->d;
    size_t offset = reader_offset(r);
    uint8_t code = reader_byte(r);
    switch (code) {
    case 0:
    case 1:
    case 2:
        if (o->has_encoding) {
            decode_fail(d, offset, "canonical encoding option `%s` conflicts with option `%s`",
                        encoding_name(o->pub.encoding), encoding_name((ast_encoding)code));
        }
        o->pub.encoding = (ast_encoding)code;
        o->has_encoding = true;
        break;
    case 3:
        set_once(d, &o->pub.memory, reader_u32(r), "memory", offset);
        break;
    case 4:
        set_once(d, &o->pub.realloc, reader_u32(r), "realloc", offset);
        break;
    case 5:
        set_once(d, &o->pub.post_return, reader_u32(r), "post-return", offset);
        break;
    case 6:
        o->is_async = true;
        break;
    case 7:
        o->is_async = true;
        reader_u32(r);
        break;
    default:
        decode_fail(d, offset, "0x%02x is not a canonical option", code);
        break;
    }
}

static bool signature_is(const core_func_type *f, uint32_t i32_params, uint32_t i32_results) {
    bool ok = f->param_count == i32_params && f->result_count == i32_results;
    for (uint32_t i = 0; i < i32_params && ok; i++) {
        ok = f->params[i] == CORE_I32;
    }
    for (uint32_t i = 0; i < i32_results && ok; i++) {
        ok = f->results[i] == CORE_I32;
    }
    return ok;
}

static void memory_check(decoder *d, const scope *s, uint32_t index, size_t offset) {
    const ast_core_extern *memory = scope_core(d, s, AST_CORE_MEMORY, index, offset);
    if (memory == NULL) {
        return;
    }
    if (memory->limits.is_64) {
        decode_fail_as(d, STATUS_UNSUPPORTED, offset, "uses a 64-bit memory in a canonical definition");
    } else if (memory->limits.shared) {
        decode_fail(d, offset, "mismatch in the shared flag for memories");
    }
}

static void options_read(reader *r, const scope *s, options *o) {
    decoder *d = r->d;
    size_t offset = reader_offset(r);
    *o = (options){.pub = {.memory = AST_NONE, .realloc = AST_NONE, .post_return = AST_NONE}};
    uint32_t count = reader_count(r);
    for (uint32_t i = 0; i < count && decode_ok(d); i++) {
        option_read(r, o);
    }
    if (o->pub.memory != AST_NONE) {
        memory_check(d, s, o->pub.memory, offset);
    }
    if (o->pub.realloc != AST_NONE) {
        if (o->pub.memory == AST_NONE) {
            decode_fail(d, offset, "canonical option `realloc` requires `memory` to also be specified");
        }
        const ast_core_extern *f = scope_core(d, s, AST_CORE_FUNC, o->pub.realloc, offset);
        if (f != NULL && !signature_is(f->func, 4, 1)) {
            decode_fail(d, offset,
                        "canonical option `realloc` uses a core function with an incorrect signature");
        }
    }
    if (o->pub.post_return != AST_NONE) {
        scope_core(d, s, AST_CORE_FUNC, o->pub.post_return, offset);
    }
}

static void require(decoder *d, const options *o, bool memory, bool realloc, size_t offset) {
    if ((memory || realloc) && o->pub.memory == AST_NONE) {
        decode_fail(d, offset, "canonical option `memory` is required");
    } else if (realloc && o->pub.realloc == AST_NONE) {
        decode_fail(d, offset, "canonical option `realloc` is required");
    }
}

static bool params_have_pointer(const ctype_func *f) {
    for (uint32_t i = 0; i < f->param_count; i++) {
        if (f->params[i].type->has_pointer) {
            return true;
        }
    }
    return false;
}

static bool result_has_pointer(const ctype_func *f) { return f->result != NULL && f->result->has_pointer; }

// --- lift and lower ---------------------------------------------------------------------------------------

static bool same_values(const core_value_type *a, uint32_t a_count, const core_value_type *b,
                        uint32_t b_count) {
    return a_count == b_count && (a_count == 0 || memcmp(a, b, a_count * sizeof *a) == 0);
}

static void post_return_check(decoder *d, const scope *s, uint32_t index, const core_def *lifted,
                              size_t offset) {
    const ast_core_extern *f = scope_core(d, s, AST_CORE_FUNC, index, offset);
    if (f == NULL) {
        return;
    }
    const core_def *post = core_def_of(f->func);
    if (!same_values(post->params, post->func.param_count, lifted->results, lifted->func.result_count) ||
        post->func.result_count != 0) {
        decode_fail(d, offset,
                    "canonical option `post-return` uses a core function with an incorrect signature");
    }
}

static const core_func_type *signature_make(decoder *d, const ctype_signature *sig) {
    return core_func_type_make(d, sig->params, sig->param_count, sig->results, sig->result_count);
}

static void lift_check(decoder *d, scope *s, ast_def *def, const options *o, size_t offset) {
    const ctype_func *type = def->of.lift.type;
    const ast_core_extern *f = scope_core(d, s, AST_CORE_FUNC, def->of.lift.core_func, offset);
    if (f == NULL) {
        return;
    }
    if (!decode_work(d, type->param_count)) {
        return;
    }
    ctype_signature sig;
    ctype_signature_lift(type, &sig);
    bool allocates = params_have_pointer(type) || sig.params_spilled;
    require(d, o, result_has_pointer(type) || sig.results_spilled, allocates, offset);
    const core_func_type *expected = signature_make(d, &sig);
    if (expected == NULL) {
        return;
    }
    const core_def *a = core_def_of(f->func);
    const core_def *e = core_def_of(expected);
    if (!same_values(a->params, a->func.param_count, e->params, e->func.param_count)) {
        decode_fail(d, offset,
                    "lowered parameter types do not match the parameter types of the core function");
    } else if (!same_values(a->results, a->func.result_count, e->results, e->func.result_count)) {
        decode_fail(d, offset, "lowered result types do not match the result types of the core function");
    }
    if (o->pub.post_return != AST_NONE) {
        post_return_check(d, s, o->pub.post_return, a, offset);
    }
    def->of.lift.core_type = expected;
}

static void lift_read(reader *r, scope *s, size_t offset) {
    decoder *d = r->d;
    if (reader_byte(r) != 0) {
        decode_fail(d, offset, "malformed canonical function lift");
    }
    ast_def def = scope_def_begin(s, AST_DEF_LIFT, AST_FUNC, offset);
    def.of.lift.core_func = reader_u32(r);
    options o;
    options_read(r, s, &o);
    uint32_t index = reader_u32(r);
    ast_type t;
    if (!scope_type(d, s, index, offset, &t)) {
        return;
    }
    if (t.kind != AST_TYPE_FUNC) {
        decode_fail(d, offset, "type index %u is not a function type", index);
        return;
    }
    if (o.is_async) {
        decode_fail_async(d, offset, "an async lift");
    }
    def.type = (ast_extern){.sort = AST_FUNC, .of.func = t.of.func};
    def.of.lift.type = t.of.func;
    def.of.lift.options = o.pub;
    lift_check(d, s, &def, &o, offset);
    if (decode_ok(d)) {
        scope_add(d, s, &def.type);
        scope_def_end(d, s, &def);
    }
}

static void core_func_add(decoder *d, scope *s, const ast_def *def, const core_func_type *type) {
    if (type != NULL) {
        scope_add_core(d, s, &(ast_core_extern){.kind = CORE_FUNC, .func = type});
        scope_def_end(d, s, def);
    }
}

static void lower_read(reader *r, scope *s, size_t offset) {
    decoder *d = r->d;
    if (reader_byte(r) != 0) {
        decode_fail(d, offset, "malformed canonical function lower");
    }
    ast_def def = scope_def_begin(s, AST_DEF_LOWER, AST_CORE_FUNC, offset);
    def.of.lower.func = reader_u32(r);
    options o;
    options_read(r, s, &o);
    const ctype_func *type = scope_func(d, s, def.of.lower.func, offset);
    if (type == NULL) {
        return;
    }
    if (o.pub.post_return != AST_NONE) {
        decode_fail(d, offset, "canonical option `post-return` cannot be specified for lowerings");
    }
    if (o.is_async) {
        decode_fail_async(d, offset, "an async lower");
    }
    if (!decode_work(d, type->param_count)) {
        return;
    }
    ctype_signature sig;
    ctype_signature_lower(type, &sig);
    bool memory = params_have_pointer(type) || sig.params_spilled || sig.results_spilled;
    require(d, &o, memory, result_has_pointer(type), offset);
    def.of.lower.type = type;
    def.of.lower.options = o.pub;
    def.of.lower.core_type = signature_make(d, &sig);
    core_func_add(d, s, &def, def.of.lower.core_type);
}

// --- resources --------------------------------------------------------------------------------------------

static void resource_read(reader *r, scope *s, ast_def_kind kind, size_t offset) {
    static const uint8_t i32 = CORE_I32;
    decoder *d = r->d;
    uint32_t index = reader_u32(r);
    ast_type t;
    if (!scope_type(d, s, index, offset, &t)) {
        return;
    }
    if (t.kind != AST_TYPE_RESOURCE) {
        decode_fail(d, offset, "type index %u is not a resource type", index);
        return;
    }
    ast_def def = scope_def_begin(s, kind, AST_CORE_FUNC, offset);
    def.of.resource.resource = t.of.resource->index;
    const ast_resource *resource = &((const ast_resource *)s->resources.items)[t.of.resource->index];
    if (kind != AST_DEF_RESOURCE_DROP && resource->origin != AST_RESOURCE_DEFINED) {
        decode_fail(d, offset, "type index %u is not a local resource", index);
    }
    core_func_add(d, s, &def, core_func_type_make(d, &i32, 1, &i32, kind == AST_DEF_RESOURCE_DROP ? 0 : 1));
}

// --- asynchronous built-ins -------------------------------------------------------------------------------

typedef struct builtin {
    uint8_t code;
    const char *name;
    const char *immediates; // i: index or number, f: flag, o: options, r: result list, v: core value type
} builtin;

static const builtin builtins[] = {
    {0x05, "task.cancel", ""},
    {0x06, "subtask.cancel", "f"},
    {0x09, "task.return", "ro"},
    {0x0a, "context.get", "vi"},
    {0x0b, "context.set", "vi"},
    {0x0c, "thread.yield", "f"},
    {0x0d, "subtask.drop", ""},
    {0x0e, "stream.new", "i"},
    {0x0f, "stream.read", "io"},
    {0x10, "stream.write", "io"},
    {0x11, "stream.cancel-read", "if"},
    {0x12, "stream.cancel-write", "if"},
    {0x13, "stream.drop-readable", "i"},
    {0x14, "stream.drop-writable", "i"},
    {0x15, "future.new", "i"},
    {0x16, "future.read", "io"},
    {0x17, "future.write", "io"},
    {0x18, "future.cancel-read", "if"},
    {0x19, "future.cancel-write", "if"},
    {0x1a, "future.drop-readable", "i"},
    {0x1b, "future.drop-writable", "i"},
    {0x1c, "error-context.new", "o"},
    {0x1d, "error-context.debug-message", "o"},
    {0x1e, "error-context.drop", ""},
    {0x1f, "waitable-set.new", ""},
    {0x20, "waitable-set.wait", "fi"},
    {0x21, "waitable-set.poll", "fi"},
    {0x22, "waitable-set.drop", ""},
    {0x23, "waitable.join", ""},
    {0x24, "backpressure.inc", ""},
    {0x25, "backpressure.dec", ""},
    {0x26, "thread.index", ""},
    {0x27, "thread.new-indirect", "ii"},
    {0x28, "thread.resume-later", ""},
    {0x29, "thread.suspend", "f"},
    {0x2a, "thread.suspend-then-resume", "f"},
    {0x2b, "thread.yield-then-resume", "f"},
    {0x2c, "thread.suspend-then-promote", "f"},
    {0x2d, "thread.yield-then-promote", "f"},
    {0x40, "thread.spawn-ref", "fi"},
    {0x41, "thread.spawn-indirect", "fii"},
    {0x42, "thread.available-parallelism", "f"},
};

static void immediate_read(reader *r, scope *s, char kind) {
    options o;
    switch (kind) {
    case 'i':
        reader_u32(r);
        break;
    case 'f':
        reader_flag(r);
        break;
    case 'o':
        options_read(r, s, &o);
        break;
    case 'v':
        core_value_type_read(r, &s->core);
        break;
    default: // 'r'
        if (reader_byte(r) == 0) {
            value_type_read(r, s);
        } else {
            reader_byte(r);
        }
        break;
    }
}

static void builtin_read(reader *r, scope *s, uint8_t code, size_t offset) {
    for (size_t i = 0; i < sizeof builtins / sizeof builtins[0]; i++) {
        if (builtins[i].code == code) {
            for (const char *at = builtins[i].immediates; *at != '\0'; at++) {
                immediate_read(r, s, *at);
            }
            decode_fail_async(r->d, offset, builtins[i].name);
            return;
        }
    }
    decode_fail(r->d, offset, "0x%02x is not a canonical function", code);
}

void canon_read(reader *r, scope *s) {
    size_t offset = reader_offset(r);
    uint8_t code = reader_byte(r);
    if (!decode_ok(r->d)) {
        return;
    }
    switch (code) {
    case 0:
        lift_read(r, s, offset);
        break;
    case 1:
        lower_read(r, s, offset);
        break;
    case 2:
        resource_read(r, s, AST_DEF_RESOURCE_NEW, offset);
        break;
    case 3:
        resource_read(r, s, AST_DEF_RESOURCE_DROP, offset);
        break;
    case 4:
        resource_read(r, s, AST_DEF_RESOURCE_REP, offset);
        break;
    default:
        builtin_read(r, s, code, offset);
        break;
    }
}
