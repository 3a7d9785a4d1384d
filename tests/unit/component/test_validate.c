// SPDX-License-Identifier: Apache-2.0
// The rules that a component must keep, each with one that breaks it and, where that says something, one that
// does not. Sections named are those of Explainer.md, Binary.md and CanonicalABI.md.
#include "component/component.h"
#include "helper_wat.h"
#include "test.h"

typedef struct rule {
    const char *text; // without the outer "(component ...)"
    const char *part; // of the message; NULL: it is valid
} rule;

static void check(const rule *rules, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char text[4096];
        snprintf(text, sizeof text, "(component %s)", rules[i].text);
        auto_buf binary;
        component *c = NULL;
        err e = {0};
        status s = wat_decode(text, &binary, &c, &e);
        bool ok = rules[i].part == NULL
                      ? EXPECT_STATUS_ERR(s, STATUS_OK, e)
                      : EXPECT_STATUS_ERR(s, STATUS_INVALID, e) && EXPECT_CONTAINS(e.message, rules[i].part);
        if (!ok) {
            printf("    of: %s\n", text);
        }
        component_free(c);
    }
}

#define CHECK_RULES(rules) check((rules), sizeof(rules) / sizeof(rules)[0])

TEST(names) { // "Import and Export Definitions", "Name Uniqueness"
    static const rule rules[] = {
        {"(import \"a-b1-C\" (func)) (import \"ns:pkg/FACE-2@1.0.0-rc.1+b\" (func))", NULL},
        {"(import \"a:b/c@1\" (instance)) (import \"a:b/d@0.2\" (instance))", NULL},
        {"(import \"\" (func))", "not in kebab case"},
        {"(import \"aB\" (func))", "not in kebab case"},
        {"(import \"a--b\" (func))", "not in kebab case"},
        {"(import \"1a\" (func))", "not in kebab case"},
        {"(import \"a:b\" (func))", "expected `/`"},
        {"(import \"A:b/c\" (func))", "the namespace is not in kebab case"},
        {"(import \"a:b/c@1.0\" (func))", "version"},
        {"(import \"a:b/c@0\" (func))", "version"},
        {"(import \"a\" (func)) (import \"A\" (func))", "conflicts with previous name `a`"},
        {"(import \"a\" (type $a (sub resource))) (import \"[constructor]a\" (func (result (own $a))))",
         NULL},
        {"(import \"a\" (type $a (sub resource))) (import \"[static]a.a\" (func))", "conflicts"},
        {"(import \"a\" (type $a (sub resource))) (import \"[static]b.c\" (func))",
         "not known in this context"},
        {"(import \"a\" (type $a (sub resource))) (import \"[method]a.b\" (func))", "at least one argument"},
        {"(import \"a\" (type $a (sub resource)))"
         "(import \"[method]a.b\" (func (param \"self\" (own $a))))",
         "`(borrow $T)`"},
        {"(import \"a\" (type $a (sub resource))) (import \"b\" (type $b (sub resource)))"
         "(import \"[method]a.m\" (func (param \"self\" (borrow $b))))",
         "does not match expected resource name `b`"},
        {"(import \"a\" (implements \"x:y/z\") (instance))", NULL},
        {"(import \"a\" (implements \"x\") (instance))", "must be an interface"},
        {"(import \"a\" (implements \"x:y/z\") (func))", "only instances"},
    };
    CHECK_RULES(rules);
}

TEST(labels) { // "Type Definitions"
    static const rule rules[] = {
        {"(type (record (field \"a\" u8) (field \"B\" u8)))", NULL},
        {"(type (record (field \"a\" u8) (field \"A\" u8)))", "conflicts with a previous record field name"},
        {"(type (enum \"aB\"))", "not in kebab case"},
        {"(type (flags \"\"))", "cannot be empty"},
        {"(type (variant))", "at least one"},
        {"(type (func (param \"x\" u8) (param \"x\" u8)))", "conflicts"},
    };
    CHECK_RULES(rules);
}

TEST(types) {
    static const rule rules[] = {
        {"(type (list u8 268435455))", NULL},
        {"(type (list u8 268435456))", "exceeds the maximum byte size"},
        {"(type (list string 16777216))", "exceeds the maximum byte size"}, // with 64-bit pointers
        {"(type (list u8 0))", "at least one element"},
        {"(type (map string u8))", NULL},
        {"(type (map f32 u8))", "keys of a map"},
        {"(type $t u8) (type (own $t))", "not a resource type"},
        {"(type $t (func)) (type (list $t))", "not a defined type"},
        {"(type (list 7))", "type index 7 out of bounds"},
        {"(type $r (resource (rep i32))) (type (func (result (option (borrow $r)))))",
         "cannot contain a `borrow`"},
        {"(type (instance (type (resource (rep i32)))))", "within a concrete component"},
        {"(core module $m (func (export \"d\") (param i64))) (core instance $i (instantiate $m))"
         "(type (resource (rep i32) (dtor (core func $i \"d\"))))",
         "wrong signature for a destructor"},
    };
    CHECK_RULES(rules);
}

TEST(visibility) { // "External Visibility of Types"
    static const rule rules[] = {
        {"(type $r (record (field \"x\" u8))) (import \"r\" (type $n (eq $r))) (import \"f\" (func (param "
         "\"p\" $n)))",
         NULL},
        {"(type $r (record (field \"x\" u8))) (import \"f\" (func (param \"p\" (list $r))))",
         "has no name there"},
        {"(type $r (record (field \"x\" u8))) (import \"r\" (type (eq $r))) (import \"f\" (func (param \"p\" "
         "$r)))",
         "has no name there"},
        {"(type $r (resource (rep i32))) (instance $i (export \"r\" (type $r))) (export \"i\" (instance $i))",
         NULL},
        {"(type $r (resource (rep i32))) (export $n \"r\" (type $r)) (import \"f\" (func (param \"p\" (own "
         "$n))))",
         "has no name there"},
        {"(type (instance (type $e (enum \"a\")) (export \"f\" (func (param \"p\" $e)))))", NULL},
        {"(type (component (type $e (enum \"a\")) (export \"f\" (func (param \"p\" $e)))))",
         "has no name there"},
    };
    CHECK_RULES(rules);
}

TEST(outer_aliases) { // "Alias Definitions"
    static const rule rules[] = {
        {"(type $t (enum \"a\")) (component (alias outer 1 $t (type)))", NULL},
        {"(type $t (resource (rep i32))) (component (alias outer 1 $t (type)))", "refers to resources"},
        {"(type $t (resource (rep i32))) (type (instance (alias outer 1 $t (type))))", NULL},
        {"(type $t (component (export \"r\" (type (sub resource))))) (component (alias outer 1 $t (type)))",
         NULL},
        {"(type (component (alias outer 3 0 (type))))", "invalid outer alias count of 3"},
        {"(core module $m) (type (component (alias outer 1 $m (core module))))", "may only refer to types"},
    };
    CHECK_RULES(rules);
}

TEST(core_instances) { // "Instance Definitions"
    static const rule rules[] = {
        {"(core module $m (import \"a\" \"f\" (func))) (core instance (instantiate $m))", "named `a`"},
        {"(core module $e (func (export \"f\") (param i32))) (core instance $e (instantiate $e))"
         "(core module $m (import \"a\" \"f\" (func)))"
         "(core instance (instantiate $m (with \"a\" (instance $e))))",
         "core function types differ"},
        {"(core module $e (memory (export \"f\") 1)) (core instance $e (instantiate $e))"
         "(core module $m (import \"a\" \"f\" (memory 2)))"
         "(core instance (instantiate $m (with \"a\" (instance $e))))",
         "memory limits"},
        {"(core module $e (table (export \"f\") 3 4 funcref)) (core instance $e (instantiate $e))"
         "(core module $m (import \"a\" \"f\" (table 2 5 funcref)))"
         "(core instance (instantiate $m (with \"a\" (instance $e))))",
         NULL},
        {"(core module $e (global (export \"f\") (mut i32) (i32.const 0))) (core instance $e (instantiate "
         "$e))"
         "(core module $m (import \"a\" \"f\" (global i32)))"
         "(core instance (instantiate $m (with \"a\" (instance $e))))",
         "mutability"},
        {"(core module $e (tag (export \"f\") (param i32))) (core instance $e (instantiate $e))"
         "(core module $m (type (func (param i32))) (import \"a\" \"f\" (tag (type 0))))"
         "(core instance (instantiate $m (with \"a\" (instance $e))))",
         NULL},
        {"(core module (import \"a\" \"f\" (func)) (import \"a\" \"f\" (func)))",
         "duplicate import name `a:f`"},
        {"(core module $m (func (export \"f\"))) (core instance $i (instantiate $m))"
         "(alias core export $i \"g\" (core func))",
         "no export named `g`"},
    };
    CHECK_RULES(rules);
}

// A function type that refers to its own recursion group is the same type wherever it is written.
TEST(core_recursion_groups) {
    static const rule rules[] = {
        {"(core module $e"
         "  (rec (type $f (func (param (ref null $s)))) (type $s (struct (field (ref null $f)))))"
         "  (func (export \"f\") (type $f)))"
         "(core instance $e (instantiate $e))"
         "(core module $m (type (func))"
         "  (rec (type $f (func (param (ref null $s)))) (type $s (struct (field (ref null $f)))))"
         "  (import \"a\" \"f\" (func (type $f))))"
         "(core instance (instantiate $m (with \"a\" (instance $e))))",
         NULL},
        {"(core module $e"
         "  (rec (type $f (func (param (ref null $s)))) (type $s (struct (field (ref null $f)))))"
         "  (func (export \"f\") (type $f)))"
         "(core instance $e (instantiate $e))"
         "(core module $m"
         "  (rec (type $f (func (param (ref null $s)))) (type $s (struct (field (mut (ref null $f))))))"
         "  (import \"a\" \"f\" (func (type $f))))"
         "(core instance (instantiate $m (with \"a\" (instance $e))))",
         "core function types differ"},
    };
    CHECK_RULES(rules);
}

TEST(instances) {
    static const rule rules[] = {
        {"(component $c (import \"f\" (func))) (instance (instantiate $c))", "missing import named `f`"},
        {"(import \"f\" (func $f (param \"x\" u8))) (component $c (import \"g\" (func (param \"y\" u8))))"
         "(instance (instantiate $c (with \"g\" (func $f))))",
         "expected parameter named `y`, found `x`"},
        {"(import \"i\" (instance $i (export \"a\" (func)) (export \"b\" (func))))"
         "(component $c (import \"j\" (instance (export \"b\" (func)))))"
         "(instance (instantiate $c (with \"j\" (instance $i))))",
         NULL},
        {"(import \"i\" (instance $i)) (component $c (import \"j\" (instance (export \"b\" (func)))))"
         "(instance (instantiate $c (with \"j\" (instance $i))))",
         "missing expected export `b`"},
        {"(type $t (tuple u8)) (component $c (type $t (tuple u16)) (import \"t\" (type (eq $t))))"
         "(instance (instantiate $c (with \"t\" (type $t))))",
         "expected u16, found u8"},
    };
    CHECK_RULES(rules);
}

TEST(components_as_arguments) { // contravariant in imports, covariant in exports
    static const rule rules[] = {
        {"(component $a (import \"x\" (func)))"
         "(component $c (import \"a\" (component (import \"x\" (func)) (import \"y\" (func)))))"
         "(instance (instantiate $c (with \"a\" (component $a))))",
         NULL},
        {"(component $a (import \"x\" (func)))"
         "(component $c (import \"a\" (component)))"
         "(instance (instantiate $c (with \"a\" (component $a))))",
         "missing expected import `x`"},
        {"(component $a (type $r (resource (rep i32))) (export \"r\" (type $r)) (export \"s\" (type $r)))"
         "(component $c (import \"a\" (component (export \"r\" (type $r (sub resource)))"
         "  (export \"s\" (type (eq $r))))))"
         "(instance (instantiate $c (with \"a\" (component $a))))",
         NULL},
        {"(component $a (type $r (resource (rep i32))) (export \"r\" (type $r))"
         "  (type $q (resource (rep i32))) (export \"s\" (type $q)))"
         "(component $c (import \"a\" (component (export \"r\" (type $r (sub resource)))"
         "  (export \"s\" (type (eq $r))))))"
         "(instance (instantiate $c (with \"a\" (component $a))))",
         "resource types are not the same"},
    };
    CHECK_RULES(rules);
}

TEST(resources) { // each definition, import and instantiation makes another type
#define SAME "(component $same (import \"a\" (type $a (sub resource))) (import \"b\" (type (eq $a))))"
    static const rule rules[] = {
        {SAME "(type $r (resource (rep i32)))"
              "(instance (instantiate $same (with \"a\" (type $r)) (with \"b\" (type $r))))",
         NULL},
        {SAME "(import \"r\" (type $r (sub resource))) (import \"q\" (type $q (sub resource)))"
              "(instance (instantiate $same (with \"a\" (type $r)) (with \"b\" (type $q))))",
         "resource types are not the same"},
        {SAME "(component $c (type $r (resource (rep i32))) (export \"r\" (type $r)))"
              "(instance $i (instantiate $c)) (instance $j (instantiate $c))"
              "(instance (instantiate $same (with \"a\" (type $i \"r\")) (with \"b\" (type $j \"r\"))))",
         "resource types are not the same"},
        {SAME "(component $c (import \"r\" (type $r (sub resource))) (export \"s\" (type $r)))"
              "(type $r (resource (rep i32))) (instance $i (instantiate $c (with \"r\" (type $r))))"
              "(instance (instantiate $same (with \"a\" (type $r)) (with \"b\" (type $i \"s\"))))",
         NULL},
        {SAME "(type $r (resource (rep i32))) (export $h \"h\" (type $r) (type (sub resource)))"
              "(instance (instantiate $same (with \"a\" (type $r)) (with \"b\" (type $h))))",
         "resource types are not the same"},
        {"(import \"r\" (type $r (sub resource))) (core func (canon resource.new $r))",
         "not a local resource"},
        {"(import \"r\" (type $r (sub resource))) (core func (canon resource.drop $r))", NULL},
    };
    CHECK_RULES(rules);
}

TEST(canonical_definitions) { // CanonicalABI.md "canon lift", "canon lower"
#define LIBC                                                                                              \
    "(core module $l (memory (export \"m\") 1) (memory (export \"n\") 1)"                                 \
    " (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) unreachable)"                       \
    " (func (export \"f\") (param i32 i32)) (func (export \"p\")) (func (export \"g\") (result i32) "     \
    "unreachable))"                                                                                       \
    "(core instance $l (instantiate $l)) (alias core export $l \"m\" (core memory $m))"                   \
    "(alias core export $l \"realloc\" (core func $realloc)) (alias core export $l \"f\" (core func $f))" \
    "(alias core export $l \"p\" (core func $p)) (alias core export $l \"g\" (core func $g))"
    static const rule rules[] = {
        {LIBC
         "(func (param \"s\" string) (canon lift (core func $f) (memory $m) (realloc (core func $realloc))))",
         NULL},
        {LIBC "(func (param \"s\" string) (canon lift (core func $f)))", "`memory` is required"},
        {LIBC "(func (param \"s\" string) (canon lift (core func $f) (memory $m)))", "`realloc` is required"},
        {LIBC "(func (result string) (canon lift (core func $g) (memory $m)))", NULL},
        {LIBC "(func (result string) (canon lift (core func $g) (memory $m) (post-return (core func $p))))",
         "`post-return` uses a core function with an incorrect signature"},
        {LIBC "(func (param \"s\" u8) (canon lift (core func $f)))", "parameter types do not match"},
        {LIBC "(func (param \"a\" u8) (param \"b\" u8) (result u8) (canon lift (core func $f)))",
         "result types do not match"},
        {LIBC "(func (canon lift (core func $p) (realloc (core func $realloc))))", "requires `memory`"},
        {LIBC "(func (canon lift (core func $p) (memory $m) (realloc (core func $p))))",
         "incorrect signature"},
        {LIBC "(func (canon lift (core func $p) (memory $m) (memory $m)))", "more than once"},
        {LIBC "(func (canon lift (core func $p) string-encoding=utf8 string-encoding=utf16))", "conflicts"},
        {"(import \"f\" (func $f (param \"s\" string))) (core func (canon lower (func $f)))",
         "`memory` is required"},
        {LIBC "(import \"h\" (func $h (param \"s\" string))) (core func (canon lower (func $h) (memory $m)))",
         NULL},
        {LIBC "(import \"h\" (func $h (result string))) (core func (canon lower (func $h) (memory $m)))",
         "`realloc` is required"},
        {LIBC
         "(import \"h\" (func $h (result (tuple u8 u8)))) (core func (canon lower (func $h) (memory $m)))",
         NULL},
        {LIBC "(import \"h\" (func $h)) (core func (canon lower (func $h) (post-return (core func $p))))",
         "cannot be specified for lowerings"},
    };
    CHECK_RULES(rules);
}

TEST(ascription) { // an export may show less than it has
    static const rule rules[] = {
        {"(import \"i\" (instance $i (export \"f\" (func)))) (export \"e\" (instance $i) (instance))", NULL},
        {"(import \"i\" (instance $i)) (export \"e\" (instance $i) (instance (export \"f\" (func))))",
         "ascribed type of export is not compatible"},
        {"(type $r (resource (rep i32))) (instance $i (export \"r\" (type $r)))"
         "(export \"e\" (instance $i) (instance (export \"r\" (type (sub resource)))))",
         NULL},
    };
    CHECK_RULES(rules);
}

TEST(resources_stay_at_home) { // a component's own resources show only by name
#define TYPE_OF_R                    \
    "(type $r (resource (rep i32)))" \
    "(type $t (component (alias outer 1 $r (type $x)) (import \"x\" (type (eq $x)))))"
    static const rule rules[] = {
        {TYPE_OF_R "(import \"c\" (component (type $t)))", "local resource type found in imports"},
        {TYPE_OF_R "(component $c (import \"x\" (type (sub resource))))"
                   "(export \"c\" (component $c) (component (type $t)))",
         "found in export but not exported itself"},
        {TYPE_OF_R "(component $c (import \"x\" (type (sub resource)))) (export \"r\" (type $r))"
                   "(export \"c\" (component $c) (component (type $t)))",
         NULL},
    };
    CHECK_RULES(rules);
}

// Types of every shape keep their resources when they pass through an instantiation.
TEST(types_through_instances) {
#define SHAPES                                                                                              \
    "(type $rec' (record (field \"o\" (own $r)) (field \"l\" (list (borrow $r)))))"                         \
    "(import \"rec\" (type $rec (eq $rec')))"                                                               \
    "(type $var' (variant (case \"a\" $rec) (case \"b\") (case \"c\" (result (own $r) (error (option (own " \
    "$r)))))))"                                                                                             \
    "(import \"var\" (type $var (eq $var')))"                                                               \
    "(import \"f\" (func $f (param \"v\" $var) (param \"t\" (tuple u8 (own $r))) (result (result (own "     \
    "$r)))))"
    static const rule rules[] = {
        {"(component $c (import \"r\" (type $r (sub resource)))" SHAPES
         "  (export \"rec2\" (type $rec)) (export \"g\" (func $f))"
         "  (instance $i (export \"f\" (func $f)) (export \"var\" (type $var))) (export \"i\" (instance $i)))"
         "(import \"r\" (type $r (sub resource)))" SHAPES
         "(instance $made (instantiate $c (with \"r\" (type $r)) (with \"rec\" (type $rec))"
         "  (with \"var\" (type $var)) (with \"f\" (func $f))))"
         "(instance $again (instantiate $c (with \"r\" (type $r)) (with \"rec\" (type $made \"rec2\"))"
         "  (with \"var\" (type $made \"i\" \"var\")) (with \"f\" (func $made \"g\"))))"
         "(export \"g2\" (func $again \"i\" \"f\"))",
         NULL},
        {"(component $c (import \"r\" (type $r (sub resource)))" SHAPES ")"
         "(import \"r\" (type $r (sub resource)))" SHAPES "(import \"q\" (type $q (sub resource)))"
         "(instance (instantiate $c (with \"r\" (type $q)) (with \"rec\" (type $rec))"
         "  (with \"var\" (type $var)) (with \"f\" (func $f))))",
         "resource types are not the same"},
    };
    CHECK_RULES(rules);
}

// With many names, lookup goes by order instead of one by one.
TEST(many_exports) {
    static const rule rules[] = {
        {"(import \"i\" (instance $i (export \"k\" (func)) (export \"b\" (func)) (export \"z\" (func))"
         "  (export \"c\" (func)) (export \"a\" (func)) (export \"y\" (func)) (export \"d\" (func))"
         "  (export \"e\" (func)) (export \"m\" (func)) (export \"l\" (func)) (export \"x\" (func (param "
         "\"p\" u8)))))"
         "(alias export $i \"a\" (func)) (alias export $i \"z\" (func)) (alias export $i \"m\" (func))"
         "(alias export $i \"x\" (func $x)) (alias export $i \"k\" (func $k))"
         "(component $c (import \"x\" (func (param \"p\" u8))) (import \"k\" (func)))"
         "(instance (instantiate $c (with \"x\" (func $x)) (with \"k\" (func $k))))",
         NULL},
        {"(import \"i\" (instance $i (export \"k\" (func)) (export \"b\" (func)) (export \"z\" (func))"
         "  (export \"c\" (func)) (export \"a\" (func)) (export \"y\" (func)) (export \"d\" (func))"
         "  (export \"e\" (func)) (export \"m\" (func)) (export \"l\" (func))))"
         "(alias export $i \"n\" (func))",
         "no export named `n`"},
    };
    CHECK_RULES(rules);
}

TEST(component_types_through_instances) {
#define NEEDS_R "(type $t (component (alias outer 1 $r (type $x)) (import \"x\" (type (eq $x)))))"
#define GIVER                                                                                              \
    "(component $giver (import \"r\" (type $r (sub resource)))" NEEDS_R                                    \
    "  (export \"t\" (type $t)) (instance $i (export \"t\" (type $t))) (export \"i\" (instance $i)))"      \
    "(component $taker (import \"r\" (type $r (sub resource)))" NEEDS_R "  (import \"t\" (type (eq $t))))" \
    "(type $one (resource (rep i32))) (type $two (resource (rep i32)))"                                    \
    "(instance $i (instantiate $giver (with \"r\" (type $one))))"
    static const rule rules[] = {
        {GIVER "(instance (instantiate $taker (with \"r\" (type $one)) (with \"t\" (type $i \"t\"))))"
               "(instance (instantiate $taker (with \"r\" (type $one)) (with \"t\" (type $i \"i\" \"t\"))))",
         NULL},
        {GIVER "(instance (instantiate $taker (with \"r\" (type $two)) (with \"t\" (type $i \"t\"))))",
         "resource types are not the same"},
    };
    CHECK_RULES(rules);
}
