// SPDX-License-Identifier: Apache-2.0
#include "os/replace.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/whole_file.h"
#include "test.h"

static char folder[64];

static const char *in_folder(const char *name) {
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void make_folder(void) {
    snprintf(folder, sizeof folder, "/tmp/writ-replace-XXXXXX");
    REQUIRE(mkdtemp(folder) != NULL);
}

static void remove_folder(void) {
    DIR *d = opendir(folder);
    for (struct dirent *entry; d != NULL && (entry = readdir(d)) != NULL;) {
        remove(in_folder(entry->d_name)); // "." and ".." fail, which does not matter
    }
    closedir(d);
    EXPECT_EQ(rmdir(folder), 0);
}

static size_t count_files(void) {
    size_t count = 0;
    DIR *d = opendir(folder);
    for (struct dirent *entry; d != NULL && (entry = readdir(d)) != NULL;) {
        count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    }
    closedir(d);
    return count;
}

static void expect_content(const char *path, const char *text) {
    auto_buf b;
    buf_init(&b, 100);
    err e = {0};
    EXPECT_EQ(file_read_whole(path, 100, &b, &e), STATUS_OK);
    EXPECT(slice_equal_text(buf_slice(&b), text));
}

TEST(makes_and_replaces_a_file_and_keeps_its_permissions) {
    make_folder();
    err e = {0};
    const char *path = in_folder("a");
    REQUIRE(file_replace_whole(path, slice_from_text("one"), &e) == STATUS_OK);
    expect_content(path, "one");
    REQUIRE(chmod(path, 0640) == 0);
    REQUIRE(file_replace_whole(path, slice_from_text("two!"), &e) == STATUS_OK);
    expect_content(path, "two!");
    struct stat st;
    REQUIRE(stat(path, &st) == 0);
    EXPECT_EQ(st.st_mode & 07777, 0640);
    EXPECT_EQ(count_files(), 1);
    remove_folder();
}

static mode_t mode_of(const char *path) {
    struct stat st = {0};
    EXPECT_EQ(stat(path, &st), 0);
    return st.st_mode & 07777;
}

TEST(a_program_may_be_run_by_who_may_read_it) {
    static const struct {
        mode_t mask, was, becomes;
    } rows[] = {{022, 0, 0755},     {077, 0, 0700},     {0, 0, 0777},       {022, 0644, 0755},
                {077, 0640, 0750},  {022, 0600, 0700},  {022, 0711, 0711},  {022, 04755, 0755},
                {022, 02755, 0755}, {022, 01644, 0755}, {0777, 0400, 0500}, {022, 0222, 0222}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_folder();
        err e = {0};
        const char *path = in_folder("program");
        if (rows[i].was != 0) {
            REQUIRE(file_replace_whole(path, slice_from_text("old"), &e) == STATUS_OK);
            REQUIRE(chmod(path, rows[i].was) == 0);
        }
        mode_t before = umask(rows[i].mask);
        status s = file_replace_program(path, slice_from_text("new"), &e);
        umask(before);
        EXPECT_EQ(s, STATUS_OK);
        EXPECT_EQ(mode_of(path), rows[i].becomes);
        remove_folder();
    }
}

TEST(new_bytes_do_not_run_as_somebody_else) {
    make_folder();
    err e = {0};
    const char *path = in_folder("a");
    REQUIRE(file_replace_whole(path, slice_from_text("one"), &e) == STATUS_OK);
    REQUIRE(chmod(path, 06751) == 0);
    REQUIRE(file_replace_whole(path, slice_from_text("two"), &e) == STATUS_OK);
    EXPECT_EQ(mode_of(path), 0751);
    remove_folder();
}

TEST(follows_a_link_and_leaves_it) {
    make_folder();
    err e = {0};
    char target[160];
    snprintf(target, sizeof target, "%s", in_folder("real"));
    REQUIRE(file_replace_whole(target, slice_from_text("old"), &e) == STATUS_OK);
    REQUIRE(symlink("real", in_folder("link")) == 0);
    REQUIRE(file_replace_whole(in_folder("link"), slice_from_text("new"), &e) == STATUS_OK);
    expect_content(target, "new");
    struct stat st;
    REQUIRE(lstat(in_folder("link"), &st) == 0);
    EXPECT(S_ISLNK(st.st_mode));
    remove_folder();
}

TEST(says_what_is_wrong_and_leaves_nothing) {
    make_folder();
    err e = {0};
    EXPECT_EQ(file_replace_whole(folder, slice_from_text("x"), &e), STATUS_INVALID);
    EXPECT(strstr(e.message, "not a regular file") != NULL);
    EXPECT_EQ(file_replace_whole(in_folder("missing/a"), slice_from_text("x"), &e), STATUS_NOT_FOUND);
    EXPECT(strstr(e.message, "missing/a") != NULL);
    EXPECT_EQ(file_replace_whole("/proc/writ-test", slice_from_text("x"), &e) == STATUS_OK, 0);
    EXPECT_EQ(count_files(), 0);
    remove_folder();
}
