// SPDX-License-Identifier: Apache-2.0
// Layout and flattening: CanonicalABI.md "Alignment", "Element Size", "Flattening".
#include "component/ast.h"
#include "component/flatten.h"
#include "component/type_format.h"
#include "helper_wat.h"
#include "test.h"

// The last type of a component that holds these definitions.
typedef struct subject {
    buf binary;
    component *c;
    const ast_type *last;
} subject;

static bool open_types(subject *s, const char *definitions) {
    char text[4096];
    err e = {0};
    snprintf(text, sizeof text, "(component %s)", definitions);
    *s = (subject){0};
    if (!EXPECT_STATUS_ERR(wat_decode(text, &s->binary, &s->c, &e), STATUS_OK, e)) {
        printf("    of: %s\n", text);
        return false;
    }
    const ast_component *root = component_ast(s->c);
    s->last = &root->defs[root->def_count - 1].type.of.type;
    return true;
}

static void close_types(subject *s) {
    component_free(s->c);
    buf_done(&s->binary);
}

static void flat_text(const uint8_t *types, uint32_t count, char *out) {
    for (uint32_t i = 0; i < count; i++) {
        *out++ = "iIfF"[types[i]]; // i32, i64, f32, f64
    }
    *out = '\0';
}

TEST(layout) {
    static const struct {
        const char *definitions;
        uint32_t size;
        uint32_t align;
        const char *flat;
    } cases[] = {
        {"(type bool)", 1, 1, "i"},
        {"(type s16)", 2, 2, "i"},
        {"(type char)", 4, 4, "i"},
        {"(type u64)", 8, 8, "I"},
        {"(type f32)", 4, 4, "f"},
        {"(type f64)", 8, 8, "F"},
        {"(type string)", 8, 4, "ii"},
        {"(type (list u64))", 8, 4, "ii"},
        {"(type (map string u64))", 8, 4, "ii"},
        {"(type (list u16 3))", 6, 2, "iii"},
        {"(type (record (field \"a\" u8) (field \"b\" u32) (field \"c\" u8)))", 12, 4, "iii"},
        {"(type (record (field \"a\" u8) (field \"b\" u64) (field \"c\" u16)))", 24, 8, "iIi"},
        {"(type (tuple u8 u8 u16))", 4, 2, "iii"},
        {"(type (enum \"a\"))", 1, 1, "i"},
        {"(type (option u8))", 2, 1, "ii"},
        {"(type (option u64))", 16, 8, "iI"},
        {"(type (option (option u32)))", 12, 4, "iii"},
        {"(type (result))", 1, 1, "i"},
        {"(type (result u32 (error u8)))", 8, 4, "ii"},
        {"(type (result f32 (error u32)))", 8, 4, "ii"},
        {"(type (result f32 (error f64)))", 16, 8, "iI"},
        {"(type (result u64 (error f64)))", 16, 8, "iI"},
        {"(type (variant (case \"a\") (case \"b\" f32) (case \"c\" (tuple f32 f64))))", 24, 8, "ifF"},
        {"(type (variant (case \"a\" (tuple u8 u8 u8)) (case \"b\" u16)))", 6, 2, "iiii"},
        {"(type (flags \"a\"))", 1, 1, "i"},
        {"(type (flags \"a\" \"b\" \"c\" \"d\" \"e\" \"f\" \"g\" \"h\" \"i\"))", 2, 2, "i"},
        {"(type $r (resource (rep i32))) (type (own $r))", 4, 4, "i"},
        {"(type $r (resource (rep i32))) (type (tuple (borrow $r) u8))", 8, 4, "ii"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        subject s;
        if (open_types(&s, cases[i].definitions)) {
            const ctype *t = s.last->of.value;
            uint8_t flat[CTYPE_FLAT_PARAMS_MAX];
            uint32_t count = 0;
            char text[CTYPE_FLAT_PARAMS_MAX + 1];
            ctype_flatten(t, flat, &count);
            flat_text(flat, count, text);
            bool ok = EXPECT_EQ(t->size, cases[i].size) && EXPECT_EQ(t->align, cases[i].align) &&
                      EXPECT_TEXT(text, cases[i].flat) && EXPECT_EQ(t->flat_count, count);
            if (!ok) {
                printf("    of: %s\n", cases[i].definitions);
            }
        }
        close_types(&s);
    }
}

TEST(offsets) {
    subject s;
    REQUIRE(open_types(&s, "(type (record (field \"a\" u8) (field \"b\" u64) (field \"c\" u16)))"));
    const ctype_case *fields = s.last->of.value->cases;
    EXPECT_EQ(fields[0].offset, 0);
    EXPECT_EQ(fields[1].offset, 8);
    EXPECT_EQ(fields[2].offset, 16);
    close_types(&s);
    REQUIRE(open_types(&s, "(type (variant (case \"a\" u8) (case \"b\" u64)))"));
    EXPECT_EQ(s.last->of.value->discriminant_size, 1);
    EXPECT_EQ(s.last->of.value->payload_offset, 8);
    close_types(&s);
}

TEST(wide_discriminant) {
    auto_buf text;
    buf_init(&text, 4096);
    REQUIRE(buf_append_text(&text, "(type (enum") == STATUS_OK);
    for (int i = 0; i < 257; i++) {
        REQUIRE(buf_append_format(&text, " \"a%d\"", i) == STATUS_OK);
    }
    REQUIRE(buf_append_text(&text, "))") == STATUS_OK);
    subject s;
    REQUIRE(open_types(&s, buf_text(&text)));
    EXPECT_EQ(s.last->of.value->discriminant_size, 2);
    EXPECT_EQ(s.last->of.value->size, 2);
    close_types(&s);
}

TEST(what_is_inside) {
    subject s;
    REQUIRE(open_types(&s, "(type $r (resource (rep i32))) (type (record (field \"a\" (option (own $r)))))"));
    EXPECT(s.last->of.value->has_handle && !s.last->of.value->has_pointer);
    close_types(&s);
    REQUIRE(open_types(&s, "(type (variant (case \"a\" (tuple u8 string))))"));
    EXPECT(!s.last->of.value->has_handle && s.last->of.value->has_pointer);
    close_types(&s);
    REQUIRE(open_types(&s, "(type (list u8 4))"));
    EXPECT(!s.last->of.value->has_pointer && s.last->of.value->has_fixed_length);
    close_types(&s);
}

static void expect_signature(const char *function, bool lower, const char *params, const char *results) {
    char definitions[1024];
    snprintf(definitions, sizeof definitions, "(type (func %s))", function);
    subject s;
    if (open_types(&s, definitions)) {
        ctype_signature sig;
        (lower ? ctype_signature_lower : ctype_signature_lift)(s.last->of.func, &sig);
        char text[CTYPE_FLAT_PARAMS_MAX + 2];
        flat_text(sig.params, sig.param_count, text);
        EXPECT_TEXT(text, params);
        flat_text(sig.results, sig.result_count, text);
        EXPECT_TEXT(text, results);
    }
    close_types(&s);
}

TEST(signatures) {
    expect_signature("", false, "", "");
    expect_signature("(param \"a\" u64) (result f32)", false, "I", "f");
    expect_signature("(param \"a\" string) (result string)", false, "ii", "i");
    expect_signature("(param \"a\" string) (result string)", true, "iii", "");
    expect_signature("(result (tuple u64))", true, "", "I");
    // 16 core values are passed as they are, 17 through memory.
    expect_signature("(param \"a\" (list f32 16))", false, "ffffffffffffffff", "");
    expect_signature("(param \"a\" (list f32 17))", false, "i", "");
    expect_signature("(param \"a\" (list f32 16)) (result string)", true, "ffffffffffffffffi", "");
}

TEST(flat_count_saturates) {
    subject s;
    REQUIRE(open_types(&s, "(type (list (list u8 60000) 4000))"));
    EXPECT_EQ(s.last->of.value->flat_count, CTYPE_FLAT_LIMIT);
    EXPECT_EQ(s.last->of.value->size, 240000000);
    close_types(&s);
}

static void expect_text(const char *definitions, const char *expected) {
    subject s;
    if (open_types(&s, definitions)) {
        auto_buf text;
        buf_init(&text, 1024);
        if (s.last->kind == AST_TYPE_FUNC) {
            type_format_func(s.last->of.func, &text);
        } else {
            type_format_value(s.last->of.value, &text);
        }
        EXPECT_TEXT(buf_text(&text), expected);
    }
    close_types(&s);
}

TEST(definitions_as_text) {
    subject s;
    REQUIRE(open_types(&s, "(type $e (enum \"a\" \"b\")) (import \"code\" (type $c (eq $e)))"
                           "(type (func (param \"c\" $c)))"));
    const ctype_func *f = s.last->of.func;
    auto_buf text;
    buf_init(&text, 1024);
    type_format_definition(f->params[0].type, &text);
    EXPECT_TEXT(buf_text(&text), "enum { a, b }");
    buf_clear(&text);
    type_format_func_spelled(f, &text);
    EXPECT_TEXT(buf_text(&text), "func(c: enum { a, b })");
    close_types(&s);
}

TEST(as_text) {
    expect_text("(type (func (param \"x\" u32) (param \"y\" (list u8)) (result (result string))))",
                "func(x: u32, y: list<u8>) -> result<string>");
    expect_text("(type $e (enum \"a\")) (import \"code\" (type $c (eq $e))) (type (func (result (result "
                "(error $c)))))",
                "func() -> result<_, code>");
    expect_text("(type (record (field \"a\" (option (tuple u8 (list char 3)))) (field \"b\" (map s8 bool))))",
                "record { a: option<tuple<u8, list<char, 3>>>, b: map<s8, bool> }");
    expect_text("(type (variant (case \"a\") (case \"b\" f64)))", "variant { a, b(f64) }");
}
