// SPDX-License-Identifier: Apache-2.0
// Bytes to a checked component: what is wrong is named, what is right is found again in the result.
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "codec/leb128.h"
#include "component/ast.h"
#include "component/component.h"
#include "helper_wat.h"
#include "test.h"

// Decodes and frees; the message is left in `e`.
static status decode(slice bytes, const component_limits *limits, err *e) {
    component *c = NULL;
    *e = (err){0};
    status s = component_decode(bytes, limits, &c, e);
    CHECK((s == STATUS_OK) == (c != NULL));
    component_free(c);
    return s;
}

static void expect_refused(slice bytes, status code, const char *part) {
    err e;
    EXPECT_STATUS(decode(bytes, NULL, &e), code);
    EXPECT_CONTAINS(e.message, part);
}

// --- the beginning of a file -------------------------------------------------------------------------------

static const uint8_t preamble[] = {0, 'a', 's', 'm', 0x0d, 0, 1, 0};

TEST(empty_file) { expect_refused(slice_empty(), STATUS_INVALID, "empty"); }

TEST(core_module) {
    static const uint8_t module[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    expect_refused(slice_of(module, sizeof module), STATUS_UNSUPPORTED,
                   "this is a core WebAssembly module, not a component");
}

TEST(text_file) {
    expect_refused(slice_from_text("(component)\n"), STATUS_INVALID, "this is text");
    expect_refused(slice_from_text("#!/bin/sh\necho \xc3\xa4\n"), STATUS_INVALID, "this is text");
}

TEST(something_else) {
    static const uint8_t elf[] = {0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0};
    expect_refused(slice_of(elf, sizeof elf), STATUS_INVALID, "not WebAssembly");
}

TEST(other_version) {
    static const uint8_t old[] = {0, 'a', 's', 'm', 0x0c, 0, 1, 0};
    expect_refused(slice_of(old, sizeof old), STATUS_INVALID, "unknown version");
}

TEST(cut_beginning) {
    for (size_t n = 1; n < sizeof preamble; n++) {
        expect_refused(slice_of(preamble, n), STATUS_INVALID, "unexpected end");
    }
    err e;
    EXPECT_OK(decode(slice_of(preamble, sizeof preamble), NULL, &e));
}

// --- limits ------------------------------------------------------------------------------------------------

TEST(too_many_bytes) {
    component_limits limits = component_limits_default();
    err e;
    // Only the length matters: not a byte is read.
    EXPECT_STATUS(decode(slice_of(preamble, 200u << 20), NULL, &e), STATUS_LIMIT);
    EXPECT_CONTAINS(e.message, "209715200 bytes");
    limits.bytes_max = 7;
    EXPECT_STATUS(decode(slice_of(preamble, 8), &limits, &e), STATUS_LIMIT);
}

// `depth` components inside each other, written from the innermost outwards.
static slice nested(size_t depth, uint8_t *end) {
    uint8_t *at = end;
    for (size_t i = 0; i <= depth; i++) {
        size_t length = (size_t)(end - at);
        if (i > 0) {
            uint8_t size[LEB128_U64_BYTES_MAX];
            size_t size_bytes = leb128_write_u64(size, length);
            at -= size_bytes;
            memcpy(at, size, size_bytes);
            *--at = 4; // component section
        }
        at -= sizeof preamble;
        memcpy(at, preamble, sizeof preamble);
    }
    return slice_of(at, (size_t)(end - at));
}

TEST(nested_components) {
    enum { BYTES = 1 << 18 };
    uint8_t *bytes = mem_alloc(BYTES);
    err e;
    EXPECT_STATUS_ERR(decode(nested(100, bytes + BYTES), NULL, &e), STATUS_OK, e);
    EXPECT_STATUS(decode(nested(101, bytes + BYTES), NULL, &e), STATUS_LIMIT);
    EXPECT_STATUS(decode(nested(10000, bytes + BYTES), NULL, &e), STATUS_LIMIT);
    EXPECT_CONTAINS(e.message, "nested more than 100 deep");
    mem_free(bytes);
}

TEST(nested_types) {
    // 10 000 instance types, each the only declaration of the one around it.
    enum { DEPTH = 10000 };
    auto_buf b;
    buf_init(&b, 1 << 20);
    CHECK(buf_append(&b, slice_of(preamble, sizeof preamble)) == STATUS_OK);
    uint8_t size[LEB128_U64_BYTES_MAX];
    size_t size_bytes = leb128_write_u64(size, 1 + 3 * DEPTH + 2);
    CHECK(buf_append_byte(&b, 7) == STATUS_OK);
    CHECK(buf_append(&b, slice_of(size, size_bytes)) == STATUS_OK);
    CHECK(buf_append_byte(&b, 1) == STATUS_OK);
    for (int i = 0; i < DEPTH; i++) {
        CHECK(buf_append(&b, slice_of("\x42\x01\x01", 3)) == STATUS_OK);
    }
    CHECK(buf_append(&b, slice_of("\x42\x00", 2)) == STATUS_OK);
    err e;
    EXPECT_STATUS(decode(buf_slice(&b), NULL, &e), STATUS_LIMIT);
    EXPECT_CONTAINS(e.message, "nested more than 100 deep");
}

// Types that double in size with each definition: small to write, endless to walk.
TEST(doubling_types) {
    auto_buf b;
    buf_init(&b, 1 << 16);
    CHECK(buf_append(&b, slice_of(preamble, sizeof preamble)) == STATUS_OK);
    enum { COUNT = 60 };
    CHECK(buf_append(&b, slice_of("\x07\xf2\x01\x3d\x73", 5)) == STATUS_OK); // 61 types: string, then pairs
    for (uint8_t i = 0; i < COUNT; i++) {
        uint8_t pair[] = {0x6f, 2, i, i};
        CHECK(buf_append(&b, slice_of(pair, sizeof pair)) == STATUS_OK);
    }
    err e;
    EXPECT_STATUS(decode(buf_slice(&b), NULL, &e), STATUS_LIMIT);
    EXPECT_CONTAINS(e.message, "types of more than 1000000 parts");
}

TEST(items_names_and_memory) {
    auto_buf binary;
    buf_init(&binary, WAT_BYTES_MAX);
    wat_parse("(component (type u8) (type u8) (type u8) (import \"abcdefgh\" (func)))", &binary);
    err e;
    component_limits limits = component_limits_default();
    EXPECT_OK(decode(buf_slice(&binary), &limits, &e));
    limits.items_max = 3;
    EXPECT_STATUS(decode(buf_slice(&binary), &limits, &e), STATUS_LIMIT);
    limits = component_limits_default();
    limits.name_bytes_max = 7;
    EXPECT_STATUS(decode(buf_slice(&binary), &limits, &e), STATUS_LIMIT);
    EXPECT_CONTAINS(e.message, "name of 8 bytes");
    limits = component_limits_default();
    limits.arena_bytes_max = 1000;
    EXPECT_STATUS(decode(buf_slice(&binary), &limits, &e), STATUS_LIMIT);
    EXPECT_CONTAINS(e.message, "memory");
}

// --- broken bytes ------------------------------------------------------------------------------------------

// A bit of everything that a component may hold.
static const char rich[] =
    "(component"
    "  (import \"wasi:io/streams@0.2.3\" (instance $io"
    "    (export \"input-stream\" (type $in (sub resource)))"
    "    (export \"[method]input-stream.read\" (func (param \"self\" (borrow $in)) (result (list u8))))))"
    "  (alias export $io \"input-stream\" (type $in))"
    "  (core module $libc (memory (export \"mem\") 1)"
    "    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) unreachable)"
    "    (func (export \"run\") (param i32) (result i32) unreachable)"
    "    (func (export \"post\") (param i32))"
    "    (func (export \"dtor\") (param i32)))"
    "  (core instance $libc (instantiate $libc))"
    "  (alias core export $libc \"mem\" (core memory $mem))"
    "  (alias core export $libc \"realloc\" (core func $realloc))"
    "  (alias core export $libc \"dtor\" (core func $dtor))"
    "  (alias core export $libc \"run\" (core func $run))"
    "  (alias core export $libc \"post\" (core func $post))"
    "  (alias export $io \"[method]input-stream.read\" (func $read))"
    "  (core func $read' (canon lower (func $read) (memory $mem) (realloc (core func $realloc))))"
    "  (type $mine (resource (rep i32) (dtor (core func $dtor))))"
    "  (export $mine' \"mine\" (type $mine))"
    "  (core func (canon resource.new $mine))"
    "  (core func (canon resource.rep $mine))"
    "  (core func (canon resource.drop $in))"
    "  (core module $user (import \"io\" \"read\" (func (param i32 i32))))"
    "  (core instance (instantiate $user (with \"io\" (instance (export \"read\" (func $read'))))))"
    "  (type $color (enum \"red\" \"green\"))"
    "  (export $color' \"color\" (type $color))"
    "  (type $run-type (func (param \"c\" $color') (result string)))"
    "  (func $run (type $run-type) (canon lift (core func $run) (memory $mem) (post-return (core func "
    "$post))))"
    "  (export \"run\" (func $run))"
    "  (component $inner"
    "    (import \"r\" (type $r (sub resource)))"
    "    (import \"f\" (func (param \"x\" (own $r))))"
    "    (export \"again\" (type $r)))"
    "  (core func $drop (canon resource.drop $mine))"
    "  (func $take (param \"x\" (own $mine)) (canon lift (core func $drop)))"
    "  (instance $made (instantiate $inner (with \"r\" (type $mine)) (with \"f\" (func $take))))"
    "  (instance $bag (export \"run\" (func $run)))"
    "  (export \"a:b/bag@1.2.0\" (instance $bag)))";

TEST(every_truncation) {
    auto_buf binary;
    buf_init(&binary, WAT_BYTES_MAX);
    wat_parse(rich, &binary);
    err e;
    REQUIRE(EXPECT_STATUS_ERR(decode(buf_slice(&binary), NULL, &e), STATUS_OK, e));
    for (size_t n = 0; n < binary.len; n++) {
        // A copy of exactly that length, so that reading past it is found.
        uint8_t *copy = mem_alloc(n + 1);
        memcpy(copy + 1, binary.data, n);
        status s = decode(slice_of(copy + 1, n), NULL, &e);
        EXPECT(s == STATUS_OK || e.message[0] != '\0'); // at the end of a section it may be whole
        mem_free(copy);
    }
}

TEST(every_flipped_bit) {
    auto_buf binary;
    buf_init(&binary, WAT_BYTES_MAX);
    wat_parse(rich, &binary);
    err e;
    size_t refused = 0;
    for (size_t bit = 0; bit < binary.len * 8; bit++) {
        binary.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        refused += decode(buf_slice(&binary), NULL, &e) != STATUS_OK;
        binary.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    EXPECT(refused > binary.len * 4); // most bits matter
}

// Whatever allocation is the first to be refused, the decode ends with that and nothing else.
TEST(every_lack_of_memory) {
    auto_buf binary;
    buf_init(&binary, WAT_BYTES_MAX);
    wat_parse(rich, &binary);
    component_limits limits = component_limits_default();
    err e;
    size_t refused = 0;
    for (limits.arena_bytes_max = 0;; limits.arena_bytes_max += 16) {
        status s = decode(buf_slice(&binary), &limits, &e);
        if (s == STATUS_OK) {
            break;
        }
        REQUIRE(EXPECT_STATUS_ERR(s, STATUS_LIMIT, e));
        refused++;
    }
    EXPECT(refused > 100);
}

TEST(section_lies_about_its_size) {
    static const uint8_t longer[] = {0, 'a', 's', 'm', 0x0d, 0, 1, 0, 7, 9, 1, 0x73};
    expect_refused(slice_of(longer, sizeof longer), STATUS_INVALID, "9 bytes announced, 2 left");
    static const uint8_t shorter[] = {0, 'a', 's', 'm', 0x0d, 0, 1, 0, 7, 3, 1, 0x73, 0x73};
    expect_refused(slice_of(shorter, sizeof shorter), STATUS_INVALID, "bytes left at the end of a section");
    static const uint8_t many[] = {0, 'a', 's', 'm', 0x0d, 0, 1, 0, 7, 6, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x73};
    expect_refused(slice_of(many, sizeof many), STATUS_INVALID, "4294967295 items announced in 1 bytes");
}

TEST(messages_are_printable) {
    static const uint8_t named[] = {0, 'a', 's', 'm', 0x0d, 0, 1,   0,    7,   5,   1,   0x40, 0, 1,
                                    0, 10,  10,  1,   0,    5, 'a', 0x1b, '[', '2', 'J', 1,    0};
    err e;
    EXPECT_STATUS(decode(slice_of(named, sizeof named), NULL, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "`a?[2J`");
}

// --- what this version does not host -----------------------------------------------------------------------

static void expect_unsupported(const char *text, const char *part) {
    auto_buf binary;
    component *c = NULL;
    err e = {0};
    if (!EXPECT_STATUS_ERR(wat_decode(text, &binary, &c, &e), STATUS_UNSUPPORTED, e)) {
        printf("    of: %s\n", text);
    }
    EXPECT_CONTAINS(e.message, part);
    component_free(c);
}

TEST(async_features) {
    static const struct {
        const char *text;
        const char *part;
    } cases[] = {
        {"(component (type (stream u8)))", "the type stream"},
        {"(component (type (future)))", "the type future"},
        {"(component (type error-context))", "the type error-context"},
        {"(component (type (func (param \"e\" error-context))))", "the type error-context"},
        {"(component (type (func async)))", "an async function type"},
        {"(component (import \"f\" (func $f)) (core func (canon lower (func $f) async)))", "an async lower"},
        {"(component (core func (canon task.cancel)))", "task.cancel"},
        {"(component (core func (canon task.return (result u32))))", "task.return"},
        {"(component (core func (canon backpressure.inc)))", "backpressure.inc"},
        {"(component (core func (canon subtask.drop)))", "subtask.drop"},
        {"(component (core func (canon waitable-set.new)))", "waitable-set.new"},
        {"(component (core func (canon waitable.join)))", "waitable.join"},
        {"(component (core func (canon context.get i32 0)))", "context.get"},
        {"(component (core func (canon thread.yield)))", "thread.yield"},
        {"(component (component (core func (canon thread.index))))", "thread.index"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_unsupported(cases[i].text, cases[i].part);
        expect_unsupported(cases[i].text, "needs component-model async, which this version does not host");
    }
}

TEST(values) { expect_unsupported("(component (import \"v\" (value u8)))", "uses values"); }

// --- what is found in a good one ---------------------------------------------------------------------------

TEST(imports_and_exports) {
    auto_buf binary;
    component *c = NULL;
    err e;
    REQUIRE(EXPECT_STATUS_ERR(wat_decode(rich, &binary, &c, &e), STATUS_OK, e));
    EXPECT_EQ(component_module_count(c), 2);
    EXPECT(slice_starts_with(slice_sub(component_module_bytes(c, 1), 1, 4), "asm"));

    REQUIRE(EXPECT_EQ(component_import_count(c), 1));
    const component_item *io = component_import_at(c, 0);
    EXPECT(slice_equal_text(io->name, "wasi:io/streams@0.2.3"));
    EXPECT_EQ(io->kind, COMPONENT_INSTANCE);
    REQUIRE(EXPECT_EQ(io->item_count, 2));
    EXPECT_EQ(io->items[0].kind, COMPONENT_TYPE);
    EXPECT(slice_equal_text(io->items[0].resource->name, "input-stream"));
    const ctype_func *read = io->items[1].func;
    EXPECT_EQ(read->params[0].type->kind, CTYPE_BORROW);
    EXPECT(read->params[0].type->resource == io->items[0].resource);
    EXPECT_EQ(read->result->kind, CTYPE_LIST);

    REQUIRE(EXPECT_EQ(component_export_count(c), 4));
    EXPECT(slice_equal_text(component_export_at(c, 0)->name, "mine"));
    EXPECT(component_export_at(c, 0)->resource != NULL);
    EXPECT_EQ(component_export_at(c, 1)->type->kind, CTYPE_ENUM);
    EXPECT_EQ(component_export_at(c, 2)->kind, COMPONENT_FUNC);
    EXPECT(slice_equal_text(component_export_at(c, 2)->func->params[0].name, "c"));
    EXPECT_EQ(component_export_at(c, 3)->item_count, 1);
    EXPECT(component_export_at(c, 4) == NULL);
    component_free(c);
}

static const ast_def *find_def(const ast_component *c, ast_def_kind kind) {
    for (uint32_t i = 0; i < c->def_count; i++) {
        if (c->defs[i].kind == kind) {
            return &c->defs[i];
        }
    }
    return NULL;
}

// Definitions append to their index spaces one by one.
static void expect_dense(const ast_component *c) {
    uint32_t counts[AST_SORT_COUNT] = {0};
    uint32_t resources = 0;
    for (uint32_t i = 0; i < c->def_count; i++) {
        EXPECT_EQ(c->defs[i].index, counts[c->defs[i].sort]++);
        EXPECT_EQ(c->defs[i].resource_first, resources);
        resources += c->defs[i].resource_count;
    }
    EXPECT_EQ(resources, c->resource_count);
    for (uint32_t sort = 0; sort < AST_SORT_COUNT; sort++) {
        EXPECT_EQ(counts[sort], c->space_count[sort]);
    }
    for (uint32_t i = 0; i < c->resource_count; i++) {
        EXPECT_EQ(c->resources[i].type->index, i);
    }
}

TEST(definitions) {
    auto_buf binary;
    component *c = NULL;
    err e;
    REQUIRE(EXPECT_STATUS_ERR(wat_decode(rich, &binary, &c, &e), STATUS_OK, e));
    const ast_component *root = component_ast(c);
    expect_dense(root);

    const ast_def *lift = find_def(root, AST_DEF_LIFT);
    EXPECT_EQ(lift->of.lift.core_type->param_count, 1);
    EXPECT_EQ(lift->of.lift.core_type->results[0], CORE_I32);
    EXPECT_EQ(lift->of.lift.options.memory, 0);
    EXPECT_EQ(lift->of.lift.options.realloc, AST_NONE);
    EXPECT(lift->of.lift.options.post_return != AST_NONE);

    const ast_def *lower = find_def(root, AST_DEF_LOWER);
    EXPECT_EQ(lower->of.lower.core_type->param_count, 2); // the handle, and where the result goes
    EXPECT_EQ(lower->of.lower.core_type->result_count, 0);

    const ast_def *core = find_def(root, AST_DEF_CORE_INSTANTIATE);
    EXPECT_EQ(core->of.core_instantiate.arg_count, 0);
    const ast_def *alias = find_def(root, AST_DEF_ALIAS_CORE_EXPORT);
    EXPECT(slice_equal_text(alias->of.alias.name, "mem"));
    EXPECT_EQ(alias->of.alias.position, 0);

    const ast_component *inner = find_def(root, AST_DEF_COMPONENT)->of.component;
    EXPECT_EQ(inner->depth, 1);
    expect_dense(inner);
    component_free(c);
}

TEST(where_resources_come_from) {
    auto_buf binary;
    component *c = NULL;
    err e;
    const char *text = "(component"
                       "  (import \"a\" (type $a (sub resource)))"
                       "  (import \"i\" (instance $i"
                       "    (export \"j\" (instance (export \"r\" (type (sub resource)))))))"
                       "  (type $own (resource (rep i32)))"
                       "  (component $c (type $x (resource (rep i32))) (export \"x\" (type $x)))"
                       "  (instance $c1 (instantiate $c))"
                       "  (instance $c2 (instantiate $c))"
                       "  (alias export $c2 \"x\" (type $c2x))"
                       "  (core func (canon resource.drop $c2x))"
                       "  (core func (canon resource.drop $a))"
                       "  (export \"hidden\" (type $own) (type (sub resource))))";
    REQUIRE(EXPECT_STATUS_ERR(wat_decode(text, &binary, &c, &e), STATUS_OK, e));
    const ast_component *root = component_ast(c);
    expect_dense(root);
    REQUIRE(EXPECT_EQ(root->resource_count, 6));
    const ast_resource *r = root->resources;
    EXPECT_EQ(r[0].origin, AST_RESOURCE_IMPORTED);
    EXPECT_EQ(r[0].path_count, 0);
    EXPECT_EQ(r[1].origin, AST_RESOURCE_IMPORTED);
    REQUIRE(EXPECT_EQ(r[1].path_count, 2));
    EXPECT(slice_equal_text(r[1].path[0], "j") && slice_equal_text(r[1].path[1], "r"));
    EXPECT_EQ(r[2].origin, AST_RESOURCE_DEFINED);
    EXPECT_EQ(r[3].origin, AST_RESOURCE_INSTANCE);
    EXPECT_EQ(r[4].origin, AST_RESOURCE_INSTANCE);
    EXPECT_EQ(root->defs[r[4].def].kind, AST_DEF_INSTANTIATE);
    EXPECT(r[3].def != r[4].def);
    EXPECT_EQ(r[5].origin, AST_RESOURCE_EXPORTED);
    const ast_def *drop = find_def(root, AST_DEF_RESOURCE_DROP);
    EXPECT_EQ(drop->of.resource.resource, 4);
    EXPECT_EQ(drop[1].of.resource.resource, 0);
    component_free(c);
}

TEST(given_resources_keep_their_number) {
    auto_buf binary;
    component *c = NULL;
    err e;
    const char *text = "(component"
                       "  (import \"r\" (type $r (sub resource)))"
                       "  (component $c (import \"x\" (type $x (sub resource))) (export \"y\" (type $x)))"
                       "  (instance $i (instantiate $c (with \"x\" (type $r))))"
                       "  (alias export $i \"y\" (type $y))"
                       "  (core func (canon resource.drop $y)))";
    REQUIRE(EXPECT_STATUS_ERR(wat_decode(text, &binary, &c, &e), STATUS_OK, e));
    EXPECT_EQ(component_ast(c)->resource_count, 1);
    EXPECT_EQ(find_def(component_ast(c), AST_DEF_RESOURCE_DROP)->of.resource.resource, 0);
    component_free(c);
}

TEST(outer_aliases) {
    auto_buf binary;
    component *c = NULL;
    err e;
    const char *text = "(component $root"
                       "  (core module $m (func (export \"f\")))"
                       "  (component (component"
                       "    (alias outer $root $m (core module $m))"
                       "    (core instance (instantiate $m)))))";
    REQUIRE(EXPECT_STATUS_ERR(wat_decode(text, &binary, &c, &e), STATUS_OK, e));
    const ast_component *middle = find_def(component_ast(c), AST_DEF_COMPONENT)->of.component;
    const ast_component *inner = find_def(middle, AST_DEF_COMPONENT)->of.component;
    const ast_def *alias = find_def(inner, AST_DEF_ALIAS_OUTER);
    REQUIRE(EXPECT(alias != NULL));
    EXPECT_EQ(alias->sort, AST_CORE_MODULE);
    EXPECT_EQ(alias->of.outer.count, 2);
    EXPECT_EQ(alias->of.outer.index, 0);
    component_free(c);
}

TEST(custom_sections) {
    static const uint8_t bytes[] = {0, 'a', 's', 'm', 0x0d, 0, 1, 0, 0, 5, 2, 'h', 'i', 7, 8};
    component *c = NULL;
    err e;
    REQUIRE(EXPECT_OK(component_decode(slice_of(bytes, sizeof bytes), NULL, &c, &e)));
    REQUIRE(EXPECT_EQ(component_section_count(c), 1));
    EXPECT(slice_equal_text(component_section_at(c, 0)->name, "hi"));
    EXPECT_BYTES(component_section_at(c, 0)->bytes, slice_of("\x07\x08", 2));
    EXPECT(component_section_at(c, 1) == NULL);
    component_free(c);
}

TEST(names_and_versions) {
    slice name;
    semver v;
    EXPECT(component_name_split(slice_from_text("wasi:io/streams@0.2.3"), &name, &v));
    EXPECT(slice_equal_text(name, "wasi:io/streams"));
    EXPECT(v.major == 0 && v.minor == 2 && v.patch == 3);
    EXPECT(component_name_split(slice_from_text("wasi:io/streams@0.2"), &name, &v));
    EXPECT(v.major == 0 && v.minor == 2 && v.patch == 0);
    EXPECT(!component_name_split(slice_from_text("wasi:io/streams"), &name, &v));
    EXPECT(slice_equal_text(name, "wasi:io/streams"));
    EXPECT(!component_name_split(slice_from_text("a:b/c@1.x"), &name, &v));
    EXPECT(slice_equal_text(name, "a:b/c@1.x"));
    EXPECT_EQ(v.major, 0);
}
