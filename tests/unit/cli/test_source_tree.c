// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/source_tree.h"
#include "os/process.h"

static char root[] = "/tmp/writ-test-XXXXXX";

static void put(const char *name, const char *text) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *f = fopen(path, "w");
    REQUIRE(f != NULL);
    fputs(text, f);
    fclose(f);
}

static void make_folder(const char *name) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", root, name);
    REQUIRE(mkdir(path, 0700) == 0);
}

static source_print look_at(const char *path) {
    static const char *const left_out[] = {"build", "src/made.c"};
    bool lost = false;
    const source_look l = {.root = root,
                           .paths = &path,
                           .path_count = 1,
                           .left_out = left_out,
                           .left_out_count = 2,
                           .watch = -1,
                           .lost_watches = &lost};
    source_print p;
    EXPECT_OK(source_tree_look(&l, &p, NULL));
    return p;
}

static bool same(source_print a, source_print b) { return memcmp(&a, &b, sizeof a) == 0; }

TEST(content_counts_and_nothing_else) {
    REQUIRE(mkdtemp(root) != NULL);
    make_folder("src");
    make_folder("src/deep");
    make_folder("build");
    make_folder("src/node_modules");
    put("src/a.c", "a");
    source_print first = look_at(".");
    put("src/a.c", "a"); // the same again
    EXPECT(same(first, look_at(".")));
    for (size_t i = 0; i < 5; i++) { // what is no source
        put((const char *const[]){"build/x", "src/made.c", "src/.hidden", "src/a.c~",
                                  "src/node_modules/x"}[i],
            "x");
        EXPECT(same(first, look_at(".")));
    }
    put("src/a.c", "b");
    EXPECT(!same(first, look_at(".")));
    put("src/a.c", "a");
    EXPECT(same(first, look_at(".")));
    put("src/deep/b.c", "");
    EXPECT(!same(first, look_at(".")));
    source_print second = look_at(".");
    char from[200], to[200];
    snprintf(from, sizeof from, "%s/src/deep/b.c", root);
    snprintf(to, sizeof to, "%s/src/deep/c.c", root);
    EXPECT(rename(from, to) == 0); // names count
    EXPECT(!same(second, look_at(".")));
    EXPECT(same(look_at("nowhere"), look_at("not-there")));
    EXPECT(!same(look_at("src/a.c"), look_at("src/deep")));
    snprintf(from, sizeof from, "%s/src/loop", root);
    second = look_at("src");
    EXPECT(symlink("..", from) == 0); // not followed, but seen
    EXPECT(!same(second, look_at("src")));
    snprintf(to, sizeof to, "rm -r %s", root);
    const char *const argv[] = {"sh", "-c", to, NULL};
    process p;
    EXPECT_OK(process_spawn_tool(
        &(process_tool){.path = "/bin/sh", .argv = argv, .output_fd = -1, .error_fd = -1}, &p, NULL));
    EXPECT_EQ(process_wait(&p).number, 0);
}
