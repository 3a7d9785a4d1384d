// SPDX-License-Identifier: Apache-2.0
// Core modules inside components: what they import and export, types of modules, and how those match
// (WebAssembly core specification, "Matching").
#include "component/ast.h"
#include "component/component.h"
#include "helper_wat.h"
#include "test.h"

static bool check(const char *text, const char *part) {
    auto_buf binary;
    component *c = NULL;
    err e = {0};
    status s = wat_decode(text, &binary, &c, &e);
    bool ok = part == NULL ? EXPECT_STATUS_ERR(s, STATUS_OK, e)
                           : EXPECT_STATUS_ERR(s, STATUS_INVALID, e) && EXPECT_CONTAINS(e.message, part);
    if (!ok) {
        printf("    of: %s\n", text);
    }
    component_free(c);
    return ok;
}

// Whether an export of this definition may be given for an import of that type.
static void check_match(const char *export_, const char *import, const char *part) {
    char text[2048];
    snprintf(text, sizeof text,
             "(component (core module $e %s) (core instance $e (instantiate $e))"
             "  (core module $m %s) (core instance (instantiate $m (with \"\" (instance $e)))))",
             export_, import);
    check(text, part);
}

TEST(globals) {
#define GLOBAL(type, value) "(global (export \"g\") " type " " value ")"
#define IMPORT(type) "(import \"\" \"g\" (global " type "))"
    check_match(GLOBAL("i64", "(i64.const 1)"), IMPORT("i64"), NULL);
    check_match(GLOBAL("i64", "(i64.const 1)"), IMPORT("i32"), "global types differ");
    check_match(GLOBAL("(mut f32)", "(f32.const 1)"), IMPORT("(mut f32)"), NULL);
    check_match(GLOBAL("funcref", "(ref.null func)"), IMPORT("funcref"), NULL);
    check_match(GLOBAL("funcref", "(ref.null func)"), IMPORT("externref"), "global types differ");
    // References are covariant in what cannot be changed.
    check_match(GLOBAL("nullfuncref", "(ref.null nofunc)"), IMPORT("funcref"), NULL);
    check_match(GLOBAL("i31ref", "(ref.null i31)"), IMPORT("eqref"), NULL);
    check_match(GLOBAL("i31ref", "(ref.null i31)"), IMPORT("structref"), "global types differ");
    check_match(GLOBAL("nullref", "(ref.null none)"), IMPORT("arrayref"), NULL);
    check_match(GLOBAL("nullref", "(ref.null none)"), IMPORT("externref"), "global types differ");
    check_match(GLOBAL("nullexternref", "(ref.null noextern)"), IMPORT("externref"), NULL);
    check_match(GLOBAL("(ref i31)", "(ref.i31 (i32.const 1))"), IMPORT("i31ref"), NULL);
    check_match(GLOBAL("i31ref", "(ref.null i31)"), IMPORT("(ref i31)"), "global types differ");
    check_match(GLOBAL("(mut nullref)", "(ref.null none)"), IMPORT("(mut anyref)"), "global types differ");
}

// The value of a global is stepped over, whatever it is.
TEST(constant_expressions) {
    check_match("(func $f) (elem declare func $f)"
                "(type $s (struct (field i32))) (type $a (array i8))"
                "(global $c i32 (i32.const -1000000))"
                "(global i64 (i64.add (i64.const 0x7fffffffffffffff) (i64.mul (i64.const 2) (i64.const 3))))"
                "(global f64 (f64.const 0x1.8p+1)) (global v128 (v128.const i64x2 1 2))"
                "(global i32 (i32.sub (global.get $c) (i32.const 1)))"
                "(global (ref func) (ref.func $f))"
                "(global (ref $s) (struct.new $s (i32.const 1))) (global (ref $s) (struct.new_default $s))"
                "(global (ref $a) (array.new $a (i32.const 1) (i32.const 2)))"
                "(global (ref $a) (array.new_fixed $a 2 (i32.const 1) (i32.const 2)))"
                "(global externref (extern.convert_any (ref.null none)))"
                "(table 1 (ref func) (ref.func $f))"
                "(global (export \"g\") f32 (f32.const 1.5))",
                IMPORT("f32"), NULL);
}

TEST(memories_and_tables) {
    check_match("(memory (export \"m\") 1 2)", "(import \"\" \"m\" (memory 1 2))", NULL);
    check_match("(memory (export \"m\") 1)", "(import \"\" \"m\" (memory 1 2))", "memory limits");
    check_match("(memory (export \"m\") i64 1)", "(import \"\" \"m\" (memory 1))", "memory limits");
    check_match("(memory (export \"m\") 1 (pagesize 1))", "(import \"\" \"m\" (memory 1))", "page size");
    check_match("(memory (export \"m\") 1 1 shared)", "(import \"\" \"m\" (memory 1))", "shared");
    check_match("(table (export \"t\") 1 funcref)", "(import \"\" \"t\" (table 2 funcref))", "table limits");
    check_match("(table (export \"t\") 1 externref)", "(import \"\" \"t\" (table 1 funcref))",
                "element type");
    check_match("(table (export \"m\") 1 funcref)", "(import \"\" \"m\" (memory 1))",
                "expected memory, found table");
    check("(component (core module (memory 70000)))", "at most 65536 pages");
    check("(component (core module (memory 2 1)))", "must not be greater");
}

TEST(functions) {
    check_match("(func (export \"f\") (param f32 f64) (result i64) unreachable)",
                "(import \"\" \"f\" (func (param f32 f64) (result i64)))", NULL);
    // A declared subtype may stand for its supertype.
    check_match("(type $a (sub (func))) (type $b (sub $a (func))) (func (export \"f\") (type $b))",
                "(type $a (sub (func))) (import \"\" \"f\" (func (type $a)))", NULL);
    check_match("(type $a (sub (func))) (func (export \"f\") (type $a))",
                "(type $a (sub (func))) (type $b (sub $a (func))) (import \"\" \"f\" (func (type $b)))",
                "core function types differ");
}

TEST(tags) {
    check_match("(tag (export \"t\") (param i32))", "(import \"\" \"t\" (tag (param i32)))", NULL);
    check_match("(tag (export \"t\") (param i32))", "(import \"\" \"t\" (tag (param i64)))",
                "tag types differ");
}

// --- types of modules --------------------------------------------------------------------------------------

TEST(module_types) {
    check("(component $c (core type $f (func (param i32)))"
          "  (core type $m (module (alias outer $c $f (type $g)) (type $h (func))"
          "    (import \"a\" \"b\" (func (type $g))) (import \"a\" \"c\" (memory 1))"
          "    (export \"d\" (func (type $h))) (export \"e\" (global i32))))"
          "  (component (import \"m\" (core module (type $m)))))",
          NULL);
    check("(component (core type (module (export \"a\" (func)) (export \"a\" (func)))))", "already defined");
    check("(component (core type (module (import \"a\" \"b\" (func)) (import \"a\" \"b\" (func)))))",
          "duplicate");
    check("(component (core type (module (export \"a\" (func (type 3))))))",
          "core type index 3 out of bounds");
    check("(component (core type (module (alias outer 5 0 (type)))))", "invalid outer alias count");
    check("(component (core type (module)) (core type (module (alias outer 1 0 (type)))))",
          "cannot refer to module types");
    check("(component (core type (module)) (core module (func (type 0))))", "out of bounds");
    check("(component (core type $f (func)) (import \"m\" (core module (type $f))))", "is not a module type");
    check("(component (core type (sub (func))) (core type (func)))", NULL);
    check("(component (core rec (type (func)) (type (struct))) (core type (func)))", NULL);
}

// A module is given where one of this type is asked for.
static void check_module(const char *module, const char *type, const char *part) {
    char text[2048];
    snprintf(text, sizeof text,
             "(component (core module $m %s) (component $c (import \"m\" (core module %s)))"
             "  (instance (instantiate $c (with \"m\" (core module $m)))))",
             module, type);
    check(text, part);
}

TEST(modules_as_arguments) {
    check_module("(func (export \"f\")) (func (export \"g\"))", "(export \"f\" (func))", NULL);
    check_module("", "(export \"f\" (func))", "missing expected export");
    check_module("(func (export \"f\") (param i32))", "(export \"f\" (func))", "core function types differ");
    check_module("", "(import \"a\" \"b\" (func))", NULL);
    check_module("(import \"a\" \"b\" (func))", "", "has an import that its type does not have");
    check_module("(import \"a\" \"m\" (memory 1))", "(import \"a\" \"m\" (memory 2))", NULL);
    check_module("(import \"a\" \"m\" (memory 2))", "(import \"a\" \"m\" (memory 1))", "memory limits");
}

// --- what is kept ------------------------------------------------------------------------------------------

TEST(imports_and_exports_in_order) {
    auto_buf binary;
    component *c = NULL;
    err e;
    const char *text =
        "(component (core module"
        "  (import \"x\" \"g\" (global (mut i32))) (import \"\" \"f\" (func (param i32 externref)))"
        "  (memory (export \"z\") 1 4) (func (export \"a\") (result f64) unreachable)"
        "  (export \"imported\" (func 0)) (global (export \"r\") (ref null any) (ref.null any))))";
    REQUIRE(EXPECT_STATUS_ERR(wat_decode(text, &binary, &c, &e), STATUS_OK, e));
    const ast_module_type *t = component_ast_module(c, 0)->type;
    REQUIRE(EXPECT_EQ(t->import_count, 2));
    EXPECT(slice_equal_text(t->imports[0].module, "x") && slice_equal_text(t->imports[0].name, "g"));
    EXPECT(t->imports[0].type.kind == CORE_GLOBAL && t->imports[0].type.mutable_);
    EXPECT_EQ(t->imports[1].type.func->params[1], CORE_EXTERNREF);
    REQUIRE(EXPECT_EQ(t->export_count, 4));
    EXPECT(slice_equal_text(t->exports[0].name, "z"));
    EXPECT_EQ(t->exports[0].type.limits.max, 4);
    EXPECT_EQ(t->exports[1].type.func->results[0], CORE_F64);
    EXPECT(t->exports[2].type.func == t->imports[1].type.func);
    EXPECT_EQ(ast_module_type_find_export(t, slice_from_text("imported")), 2);
    EXPECT_EQ(ast_module_type_find_export(t, slice_from_text("r")), 3);
    EXPECT_EQ(ast_module_type_find_export(t, slice_from_text("q")), AST_NONE);
    component_free(c);
}
