// SPDX-License-Identifier: Apache-2.0
#include "os/path.h"

#include "test.h"

static void split(const char *path, const char *directory, const char *name) {
    char found[16];
    const char *rest = NULL;
    EXPECT(path_split(path, found, sizeof found, &rest));
    EXPECT_TEXT(found, directory);
    EXPECT_TEXT(rest, name);
}

TEST(a_path_is_a_directory_and_a_name) {
    split("name", ".", "name");
    split("a/name", "a", "name");
    split("a/b/name", "a/b", "name");
    split("/a/name", "/a", "name");
    split("/name", "/", "name");
    split("a/", "a", "");
    split("/", "/", "");
    split("", ".", "");
    split("a//name", "a/", "name");
}

TEST(a_directory_that_does_not_fit_is_told) {
    char found[4] = "was";
    const char *rest = NULL;
    EXPECT(path_split("abc/name", found, sizeof found, &rest));
    EXPECT_TEXT(found, "abc");
    EXPECT(!path_split("abcd/name", found, sizeof found, &rest));
    EXPECT_TEXT(found, "abc");
    EXPECT(!path_split("name", found, 1, &rest));
}
