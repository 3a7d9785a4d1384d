// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"
#include "deploy/project.h"
#include "test.h"

static project *read_text(const char *text, status expected) {
    project *p;
    EXPECT_STATUS(project_read(slice_from_text(text), "writ.yaml", &p), expected);
    return p;
}

TEST(a_whole_project) {
    project *p =
        read_text("name: shop\n"
                  "manifest: deploy/app.yaml\n"
                  "components:\n"
                  "  - {name: app, build: sh build.sh app, output: build/app.wasm, sources: [app, wit]}\n"
                  "  - {name: cart-2, build: make, output: build/cart.wasm}\n"
                  "tools:\n"
                  "  - {run: clang, get: \"apt-get install clang\"}\n",
                  STATUS_OK);
    EXPECT_TEXT(p->name, "shop");
    EXPECT_TEXT(p->manifest, "deploy/app.yaml");
    REQUIRE(p->component_count == 2);
    EXPECT_TEXT(p->components[0].build, "sh build.sh app");
    EXPECT_TEXT(p->components[0].output, "build/app.wasm");
    REQUIRE(p->components[0].source_count == 2);
    EXPECT_TEXT(p->components[0].sources[1], "wit");
    EXPECT_TEXT(p->components[1].name, "cart-2");
    REQUIRE(p->components[1].source_count == 1);
    EXPECT_TEXT(p->components[1].sources[0], ".");
    REQUIRE(p->tool_count == 1);
    EXPECT_TEXT(p->tools[0].get, "apt-get install clang");
    project_free(p);
}

TEST(the_manifest_has_a_usual_name) {
    project *p = read_text("{name: a, components: [{name: a, build: make, output: a.wasm}]}", STATUS_OK);
    EXPECT_TEXT(p->manifest, "app.yaml");
    project_free(p);
}

typedef struct wrong {
    const char *text;
    const char *message;
    uint32_t line;
} wrong;

static const wrong wrongs[] = {
    {"", "expected a map", 1},
    {"name: a\n", "missing field `components`", 1},
    {"name: a\ncomponents: []\n", "there is none", 2},
    {"name: Shop\ncomponents: [{name: a, build: b, output: c}]\n", "is no name", 1},
    {"name: a\nbuilds: x\ncomponents: [{name: a, build: b, output: c}]\n", "unknown field `builds`", 2},
    {"name: a\ncomponents: [{name: a, build: b, output: /etc/passwd}]\n", "no path inside", 2},
    {"name: a\ncomponents: [{name: a, build: b, output: ../x}]\n", "no path inside", 2},
    {"name: a\ncomponents: [{name: a, build: b, output: c, sources: [x/../../y]}]\n", "no path inside", 2},
    {"name: a\ncomponents: [{name: a, build: \"\", output: c}]\n", "is empty or longer", 2},
    {"name: a\ncomponents: [{name: a, build: 7, output: c}]\n", "expected text", 2},
    {"name: a\ncomponents: [{name: a, build: b, output: c}, {name: a, build: b, output: d}]\n",
     "have the name a", 2},
    {"name: a\ncomponents: [{name: a, build: b, output: c}, {name: d, build: b, output: c}]\n",
     "the output c", 2},
    {"name: a\nmanifest: /app.yaml\ncomponents: [{name: a, build: b, output: c}]\n", "no path inside", 2},
    {"name: a\ncomponents: [{name: a, build: b, output: c}]\ntools: [{run: x}]\n", "missing field `get`", 3},
};

TEST(what_is_wrong_has_its_place) {
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        project *p = read_text(wrongs[i].text, STATUS_INVALID);
        REQUIRE(p->found.first != NULL);
        EXPECT_CONTAINS(p->found.first->message, wrongs[i].message);
        EXPECT_EQ(p->found.first->at.line, wrongs[i].line);
        project_free(p);
    }
}

TEST(all_that_is_wrong_is_told_at_once) {
    project *p = read_text("name: X\nmanifest: /x\ncomponents: [{name: a, output: ..}]\n", STATUS_INVALID);
    EXPECT_EQ(p->found.error_count, 4);
    project_free(p);
}

TEST(lists_are_bounded) {
    auto_buf text;
    buf_init(&text, 1 << 20);
    EXPECT_OK(buf_append_text(&text, "name: a\ncomponents:\n"));
    for (int i = 0; i <= PROJECT_COMPONENTS_MAX; i++) {
        EXPECT_OK(buf_append_format(&text, "  - {name: a%d, build: b, output: o%d}\n", i, i));
    }
    project *p = read_text(buf_text(&text), STATUS_INVALID);
    EXPECT_CONTAINS(p->found.first->message, "more than 64 entries");
    project_free(p);
}

TEST(names) {
    EXPECT_OK(project_name_check(slice_from_text("a"), NULL));
    EXPECT_OK(project_name_check(slice_from_text("shop-2"), NULL));
    static const char *const bad[] = {
        "", "2a", "-a", "a_b", "a/b", "..", "a b", "A", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        EXPECT_STATUS(project_name_check(slice_from_text(bad[i]), NULL), STATUS_INVALID);
    }
}
