// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "codec/yaml.h"
#include "test.h"

typedef struct reading {
    arena memory;
    problems found;
    status result;
    const yaml_node *root;
} reading;

static const yaml_limits usual = {.bytes_max = 1 << 20, .depth_max = 32, .nodes_max = 1000};

static void read_slice(reading *r, slice text, const yaml_limits *limits) {
    *r = (reading){0};
    arena_init(&r->memory, 16 << 20);
    problems_init(&r->found, &r->memory, 50);
    r->result = yaml_read(text, limits, &r->memory, &r->found, &r->root);
}
static void read_text(reading *r, const char *text) { read_slice(r, slice_from_text(text), &usual); }
static void done(reading *r) { arena_done(&r->memory); }

static const char *first_message(const reading *r) {
    return r->found.first == NULL ? "(none)" : r->found.first->message;
}

static void expect_problem(const char *text, status result, const char *rule, uint32_t line, uint32_t column,
                           const char *part) {
    reading r;
    read_text(&r, text);
    EXPECT_STATUS(r.result, result);
    EXPECT_CONTAINS(first_message(&r), part);
    if (r.found.first != NULL) {
        EXPECT_TEXT(r.found.first->rule, rule);
        EXPECT_EQ(r.found.first->at.line, line);
        EXPECT_EQ(r.found.first->at.column, column);
    }
    done(&r);
}

TEST(knows_where_everything_is) {
    reading r;
    read_text(&r, "a: 1\nb:\n  - x\n  - {c: 'q', \xc3\xa4: z}\n");
    REQUIRE(r.result == STATUS_OK && r.found.error_count == 0);
    EXPECT_EQ(r.root->kind, YAML_KIND_MAP);
    EXPECT_EQ(r.root->count, 2);
    const yaml_entry *b = yaml_find(r.root, "b");
    REQUIRE(b != NULL);
    EXPECT_EQ(b->key_at.line, 2);
    EXPECT_EQ(b->value->kind, YAML_KIND_LIST);
    EXPECT_EQ(b->value->at.line, 3);
    EXPECT_EQ(b->value->at.column, 3);
    const yaml_node *map = b->value->first->next->value;
    EXPECT_EQ(map->at.line, 4);
    EXPECT_EQ(map->at.column, 5);
    const yaml_entry *c = map->first;
    EXPECT(!c->value->is_plain && slice_equal_text(c->value->text, "q"));
    // Columns are characters, not bytes.
    EXPECT_EQ(c->next->value->at.column, 17);
    EXPECT_EQ(r.root->expanded, 7);
    EXPECT_EQ(r.root->height, 3);
    done(&r);
}

TEST(no_document_is_null) {
    static const char *const texts[] = {"", "\n\n", "# only words\n", "---\n"};
    for (size_t i = 0; i < 4; i++) {
        reading r;
        read_text(&r, texts[i]);
        EXPECT(r.result == STATUS_OK && yaml_is_null(r.root));
        done(&r);
    }
}

TEST(types_of_scalars) {
    static const struct {
        const char *text;
        yaml_type type;
    } cases[] = {
        {"~", YAML_TYPE_NULL},
        {"null", YAML_TYPE_NULL},
        {"nUll", YAML_TYPE_TEXT},
        {"true", YAML_TYPE_BOOL},
        {"FALSE", YAML_TYPE_BOOL},
        {"yes", YAML_TYPE_TEXT},
        {"off", YAML_TYPE_TEXT},
        {"0", YAML_TYPE_INTEGER},
        {"-12", YAML_TYPE_INTEGER},
        {"+3", YAML_TYPE_INTEGER},
        {"007", YAML_TYPE_TEXT},
        {"-00", YAML_TYPE_TEXT},
        {"0x1F", YAML_TYPE_INTEGER},
        {"0o17", YAML_TYPE_INTEGER},
        {"0b11", YAML_TYPE_INTEGER},
        {"0b12", YAML_TYPE_TEXT},
        {"1.0", YAML_TYPE_FLOAT},
        {"1e3", YAML_TYPE_FLOAT},
        {".5", YAML_TYPE_FLOAT},
        {"5.", YAML_TYPE_FLOAT},
        {"1e", YAML_TYPE_TEXT},
        {".", YAML_TYPE_TEXT},
        {".inf", YAML_TYPE_FLOAT},
        {"-.INF", YAML_TYPE_FLOAT},
        {".nan", YAML_TYPE_FLOAT},
        {"inf", YAML_TYPE_TEXT},
        {"nan", YAML_TYPE_TEXT},
        {"0x", YAML_TYPE_TEXT},
        {"1e999", YAML_TYPE_TEXT},
        {"1_000", YAML_TYPE_TEXT},
        {"'5'", YAML_TYPE_TEXT},
        {"\"true\"", YAML_TYPE_TEXT},
        {"|\n  5", YAML_TYPE_TEXT},
        {"2020-01-01", YAML_TYPE_TEXT},
        {"0x1p3", YAML_TYPE_TEXT},
        {"''", YAML_TYPE_TEXT},
        {"18446744073709551615", YAML_TYPE_INTEGER},
        {"18446744073709551616", YAML_TYPE_FLOAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        reading r;
        read_text(&r, cases[i].text);
        if (r.result != STATUS_OK || yaml_type_of(r.root) != cases[i].type) {
            printf("    %s is %d\n", cases[i].text, (int)yaml_type_of(r.root));
            EXPECT(false);
        }
        done(&r);
    }
    EXPECT_EQ(yaml_type_of(NULL), YAML_TYPE_NONE);
}

TEST(numbers) {
    reading r;
    uint64_t u = 7;
    int64_t i = 7;
    double d = 7;
    read_text(&r, "[18446744073709551615, -9223372036854775808, 0x1F, 1.5, -.inf, '3', -1]");
    REQUIRE(r.result == STATUS_OK && r.root->count == 7);
    const yaml_entry *e = r.root->first;
    EXPECT(yaml_as_u64(e->value, &u) && u == UINT64_MAX && !yaml_as_i64(e->value, &i));
    e = e->next;
    EXPECT(!yaml_as_u64(e->value, &u) && yaml_as_i64(e->value, &i) && i == INT64_MIN);
    e = e->next;
    EXPECT(yaml_as_u64(e->value, &u) && u == 31);
    e = e->next;
    EXPECT(!yaml_as_u64(e->value, &u) && yaml_as_double(e->value, &d) && d > 1.4 && d < 1.6);
    e = e->next;
    EXPECT(yaml_as_double(e->value, &d) && isinf(d) && d < 0);
    e = e->next;
    EXPECT(!yaml_as_u64(e->value, &u));
    e = e->next;
    EXPECT(!yaml_as_u64(e->value, &u) && yaml_as_i64(e->value, &i) && i == -1);
    done(&r);
}

TEST(a_key_twice_is_an_error_with_both_lines) {
    reading r;
    read_text(&r, "a: 1\nb: 2\nc: {x: 1, y: 2, x: 3}\n'a': 4\na: 5\n");
    REQUIRE(r.result == STATUS_OK);
    EXPECT_EQ(r.found.error_count, 3);
    problems_sort(&r.found);
    const problem *p = r.found.first;
    EXPECT_TEXT(p->message, "the key \"x\" stands twice in one map");
    EXPECT_EQ(p->at.line, 3);
    EXPECT_EQ(p->at.column, 17);
    EXPECT_CONTAINS(p->advice, "line 3, column 5");
    EXPECT_EQ(p->next->at.line, 4);
    EXPECT_CONTAINS(p->next->advice, "line 1");
    EXPECT_EQ(p->next->next->at.line, 5);
    // The first one counts.
    EXPECT(slice_equal_text(yaml_get(r.root, "a")->text, "1"));
    EXPECT_EQ(r.root->count, 3);
    done(&r);
}

TEST(aliases_share_nodes) {
    reading r;
    read_text(&r, "a: &x {b: [1, 2]}\nc: *x\nd: &s text\ne: *s\n");
    REQUIRE(r.result == STATUS_OK && r.found.error_count == 0);
    EXPECT(yaml_get(r.root, "c") == yaml_get(r.root, "a"));
    EXPECT(slice_equal_text(yaml_get(r.root, "e")->text, "text"));
    EXPECT_EQ(r.root->expanded, 11);
    done(&r);
    // A name may be given again.
    read_text(&r, "[&x 1, *x, &x 2, *x]");
    REQUIRE(r.result == STATUS_OK && r.root->count == 4);
    EXPECT(slice_equal_text(r.root->first->next->value->text, "1"));
    EXPECT(slice_equal_text(r.root->first->next->next->next->value->text, "2"));
    done(&r);
}

TEST(aliases_do_not_multiply) {
    expect_problem(
        "a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
        "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n",
        STATUS_LIMIT, "limit", 4, 8, "more than 1000 values");
    expect_problem("a: &a [*a]\n", STATUS_INVALID, "alias", 1, 8, "inside of what it refers to");
    expect_problem("a: &a {b: [1, {c: *a}]}\n", STATUS_INVALID, "alias", 1, 19,
                   "inside of what it refers to");
    expect_problem("a: *b\n", STATUS_INVALID, "alias", 1, 4, "no anchor");
    expect_problem("a: &b x\n*b : y\n", STATUS_INVALID, "alias", 2, 1, "as a key");
}

TEST(aliases_do_not_deepen) {
    auto_buf text;
    buf_init(&text, 1 << 16);
    EXPECT_OK(buf_append_text(&text, "a0: &a0 [1]\n"));
    for (int i = 1; i < 40; i++) {
        EXPECT_OK(buf_append_format(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1));
    }
    reading r;
    read_slice(&r, buf_slice(&text), &usual);
    EXPECT_STATUS(r.result, STATUS_LIMIT);
    EXPECT_CONTAINS(first_message(&r), "nested too deeply");
    done(&r);
}

TEST(bounds) {
    expect_problem("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", STATUS_LIMIT,
                   "limit", 1, 33, "nested too deeply");
    reading r;
    yaml_limits small = {.bytes_max = 10, .depth_max = 8, .nodes_max = 3};
    read_slice(&r, slice_from_text("[1, 2, 3]"), &small);
    EXPECT_STATUS(r.result, STATUS_LIMIT);
    EXPECT_CONTAINS(first_message(&r), "more than 3 values");
    done(&r);
    read_slice(&r, slice_from_text("12345678901"), &small);
    EXPECT_STATUS(r.result, STATUS_LIMIT);
    EXPECT_CONTAINS(first_message(&r), "11 bytes is larger than 10");
    done(&r);
    // Deeper than any stack: refused long before.
    uint8_t *deep = mem_alloc(1 << 20);
    memset(deep, '[', 1 << 20);
    read_slice(&r, slice_of(deep, 1 << 20), &usual);
    EXPECT_STATUS(r.result, STATUS_LIMIT);
    done(&r);
    mem_free(deep);
}

TEST(an_arena_that_is_full_is_a_limit) {
    for (size_t bytes = 0; bytes < 3000; bytes += 40) {
        arena memory;
        problems found;
        const yaml_node *root = NULL;
        arena_init(&memory, bytes);
        problems_init(&found, &memory, 50);
        status result =
            yaml_read(slice_from_text("a: &x [1, {b: c}]\nd: *x\nd: 2\n"), &usual, &memory, &found, &root);
        EXPECT(result == STATUS_LIMIT || (result == STATUS_OK && root != NULL));
        EXPECT(found.error_count > 0);
        arena_done(&memory);
    }
}

TEST(refusals) {
    expect_problem("a: 1\n---\nb: 2\n", STATUS_UNSUPPORTED, "documents", 2, 1, "second document");
    expect_problem("a: !!str 5\n", STATUS_OK, "tag", 1, 4, "tag");
    expect_problem("a: !foo [1]\n", STATUS_OK, "tag", 1, 4, "!foo");
    expect_problem("!!str a: 5\n", STATUS_OK, "tag", 1, 1, "tag");
    expect_problem("? [1]\n: x\n", STATUS_INVALID, "key", 1, 3, "cannot be a key");
    expect_problem("a: [1\nb: 2\n", STATUS_INVALID, "syntax", 2, 2, "YAML");
    expect_problem("\ta: 1\n", STATUS_INVALID, "syntax", 1, 1, "YAML");
    expect_problem("a: \x01\n", STATUS_INVALID, "syntax", 1, 1, "control characters");
    expect_problem("a: \xff\n", STATUS_INVALID, "syntax", 1, 1, "UTF-8");
}

TEST(problems_are_bounded_and_counted) {
    auto_arena memory;
    problems p, more;
    arena_init(&memory, 1 << 20);
    problems_init(&p, &memory, 3);
    problems_init(&more, &memory, 3);
    for (uint32_t i = 0; i < 5; i++) {
        problems_add(&p, (text_place){9 - i, 1}, "x", NULL, "%u", i);
    }
    problems_warn(&more, (text_place){1, 1}, "y", "do", "w");
    EXPECT_EQ(p.kept, 3);
    EXPECT_EQ(p.error_count, 5);
    problems_take(&p, &more);
    EXPECT_EQ(p.kept, 3);
    EXPECT_EQ(p.warning_count, 1);
    EXPECT_EQ(more.kept, 0);
    problems_sort(&p);
    EXPECT_TEXT(p.first->message, "2");
    EXPECT_TEXT(p.last->message, "0");
}
