// SPDX-License-Identifier: Apache-2.0
#include "host/routes.h"

#include "test.h"

#include "base/mem.h"

static void add(host_config *c, const char *name, const char *host, const char *path) {
    workload_config *w;
    uint32_t number = host_config_find(c, slice_from_text(name));
    if (number == HOST_WORKLOADS_MAX) {
        EXPECT_OK(host_config_add_workload(c, &w, NULL));
        w->name = mem_text_dup(name);
    } else {
        w = &c->workloads[number];
    }
    EXPECT_OK(workload_config_add_route(w, host, path, NULL));
}

static const char *find(const host_config *c, const char *host, const char *path) {
    routes *r;
    if (!EXPECT_OK(routes_new(c, &r, NULL))) {
        return "refused";
    }
    uint32_t number = routes_find(r, slice_from_text(host), slice_from_text(path));
    routes_free(r);
    return number == ROUTES_NONE ? "none" : c->workloads[number].name;
}

TEST(one_route_takes_everything) {
    host_config c;
    host_config_init(&c);
    add(&c, "all", NULL, "/");
    EXPECT_TEXT(find(&c, "", "/"), "all");
    EXPECT_TEXT(find(&c, "a.example.org:8000", "/x/y?z"), "all");
    EXPECT_TEXT(find(&c, "[::1]:8000", "*"), "all");
    host_config_done(&c);
}

TEST(paths_are_prefixes_of_whole_segments) {
    host_config c;
    host_config_init(&c);
    add(&c, "shop", NULL, "/shop");
    add(&c, "cart", NULL, "/shop/cart/");
    EXPECT_TEXT(find(&c, "", "/shop"), "shop");
    EXPECT_TEXT(find(&c, "", "/shop?q=/cart"), "shop");
    EXPECT_TEXT(find(&c, "", "/shop/"), "shop");
    EXPECT_TEXT(find(&c, "", "/shop/cart"), "cart");
    EXPECT_TEXT(find(&c, "", "/shop/cart/3"), "cart");
    EXPECT_TEXT(find(&c, "", "/shop/carts"), "shop");
    EXPECT_TEXT(find(&c, "", "/shopping"), "none");
    EXPECT_TEXT(find(&c, "", "/"), "none");
    EXPECT_TEXT(find(&c, "", "/Shop"), "none");
    EXPECT_TEXT(find(&c, "", "/%73hop/x"), "shop"); // an escaped letter is the letter
    EXPECT_TEXT(find(&c, "", "/shop%2fcart"), "none");
    EXPECT_TEXT(find(&c, "", "/shop%"), "none");
    EXPECT_TEXT(find(&c, "", "/x/../shop"), "none"); // nothing is resolved
    host_config_done(&c);
}

TEST(hosts_are_compared_without_case_and_port) {
    host_config c;
    host_config_init(&c);
    add(&c, "api", "API.example.org", "/");
    add(&c, "six", "[::1]", "/");
    EXPECT_TEXT(find(&c, "api.example.org", "/"), "api");
    EXPECT_TEXT(find(&c, "api.EXAMPLE.org:80", "/"), "api");
    EXPECT_TEXT(find(&c, "api.example.org.", "/"), "api");
    EXPECT_TEXT(find(&c, "api.example.org.:80", "/"), "api");
    EXPECT_TEXT(find(&c, "xapi.example.org", "/"), "none");
    EXPECT_TEXT(find(&c, "[::1]:80", "/"), "six");
    EXPECT_TEXT(find(&c, "[::1]", "/"), "six");
    EXPECT_TEXT(find(&c, "", "/"), "none");
    host_config_done(&c);
}

TEST(the_most_specific_route_wins) {
    host_config c;
    host_config_init(&c);
    add(&c, "any", NULL, "/");
    add(&c, "any-deep", NULL, "/a/b/c");
    add(&c, "pattern", "*.example.org", "/a/b");
    add(&c, "longer-pattern", "*.eu.example.org", "/");
    add(&c, "named", "api.eu.example.org", "/a");
    EXPECT_TEXT(find(&c, "api.eu.example.org", "/a/b/c"), "named");
    EXPECT_TEXT(find(&c, "api.eu.example.org", "/x"), "longer-pattern");
    EXPECT_TEXT(find(&c, "eu.example.org", "/a/b/c"), "pattern");
    EXPECT_TEXT(find(&c, "eu.example.org", "/a"), "any");
    EXPECT_TEXT(find(&c, "example.org", "/a/b"), "any"); // not below itself
    EXPECT_TEXT(find(&c, "badexample.org", "/a/b"), "any");
    EXPECT_TEXT(find(&c, "", "/a/b/c/d"), "any-deep");
    host_config_done(&c);
}

static void expect_same(const char *host_a, const char *path_a, const char *host_b, const char *path_b) {
    host_config c;
    routes *r;
    err e = {0};
    host_config_init(&c);
    add(&c, "between", "x.example.org", "/");
    add(&c, "first", host_a, path_a);
    add(&c, "second", host_b, path_b);
    EXPECT_STATUS(routes_new(&c, &r, &e), STATUS_DENIED);
    EXPECT_CONTAINS(e.message, "\"first\" and \"second\"");
    host_config_done(&c);
}

TEST(two_workloads_cannot_have_the_same_route) {
    expect_same(NULL, "/", NULL, "/");
    expect_same("a.example.org", "/x", "A.example.org.", "/x/");
    expect_same("*.example.org", "/%78", "*.Example.org", "/x");
    host_config c;
    host_config_init(&c);
    add(&c, "one", NULL, "/x");
    add(&c, "one", NULL, "/x/"); // with itself it may
    add(&c, "two", "x.org", "/x");
    add(&c, "three", "*.x.org", "/x");
    EXPECT_TEXT(find(&c, "y.org", "/x"), "one");
    host_config_done(&c);
}

TEST(what_is_no_route_is_refused) {
    static const char *const hosts[] = {"",    ".",    "*",         "*.",     "a..b", "a:80", "a/b", ".a",
                                        "a b", "[::1", "*.*.a.org", "a*.org", "[x]",  "a\n",  "é"};
    static const char *const paths[] = {"",      "x",    "/x?y", "/x#y", "/a//b", "//",  "/.",
                                        "/a/..", "/a b", "/%",   "/%2",  "/%zz",  "/a\n"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        EXPECT_STATUS(route_check(hosts[i], "/", NULL), STATUS_INVALID);
    }
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        EXPECT_STATUS(route_check(NULL, paths[i], NULL), STATUS_INVALID);
    }
    EXPECT_OK(route_check("*.example.org", "/a/b.c/%20~", NULL));
    EXPECT_OK(route_check("localhost", "/", NULL));
    EXPECT_OK(route_check("127.0.0.1", "/x/", NULL));
}
