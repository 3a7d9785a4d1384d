// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/private.h"

typedef struct place {
    char path[64];
    char inner[128];
} place;

static place place_new(void) {
    place p = {.path = "/tmp/writ-private-XXXXXX"};
    EXPECT(mkdtemp(p.path) != NULL);
    snprintf(p.inner, sizeof p.inner, "%s/a", p.path);
    return p;
}

TEST(missing_parents_are_made_for_this_user_only) {
    place p = place_new();
    char deep[160];
    snprintf(deep, sizeof deep, "%s/b", p.inner);
    int fd = -1;
    err e;
    EXPECT_STATUS_ERR(private_directory_open(deep, &fd, &e), STATUS_OK, e);
    struct stat st;
    EXPECT(fstat(fd, &st) == 0);
    EXPECT_EQ(st.st_mode & 07777, 0700);
    close(fd);
    EXPECT_OK(private_directory_open(deep, &fd, NULL)); // again
    close(fd);
    EXPECT(rmdir(deep) == 0 && rmdir(p.inner) == 0 && rmdir(p.path) == 0);
}

TEST(directories_of_others_are_refused) {
    place p = place_new();
    int fd = -1;
    err e;
    EXPECT(chmod(p.path, 0720) == 0);
    EXPECT_STATUS(private_directory_open(p.path, &fd, &e), STATUS_DENIED);
    EXPECT_CONTAINS(e.message, "chmod");
    EXPECT(chmod(p.path, 0755) == 0);
    EXPECT_OK(private_directory_open(p.path, &fd, NULL));
    close(fd);
    if (geteuid() == 0) {
        EXPECT(chown(p.path, 12345, 12345) == 0);
        EXPECT_STATUS(private_directory_open(p.path, &fd, &e), STATUS_DENIED);
        EXPECT_CONTAINS(e.message, "another user");
    }
    EXPECT(rmdir(p.path) == 0);
}

TEST(a_file_in_place_of_the_directory_is_an_error) {
    err e;
    int fd = -1;
    EXPECT_STATUS(private_directory_open("/etc/hostname", &fd, &e), STATUS_IO);
    EXPECT_CONTAINS(e.message, "/etc/hostname");
    EXPECT_STATUS(private_directory_open("", &fd, &e), STATUS_INVALID);
    EXPECT_EQ(fd, -1);
}

TEST(files_are_made_once_and_judged_by_owner_and_mode) {
    place p = place_new();
    int dir = -1;
    int fd = -1;
    EXPECT_OK(private_directory_open(p.path, &dir, NULL));
    EXPECT_EQ(private_file_create(dir, "a", &fd), 0);
    EXPECT(private_file_is_ours(fd, true));
    int again = -1;
    EXPECT_EQ(private_file_create(dir, "a", &again), EEXIST);
    EXPECT(fchmod(fd, 0644) == 0);
    EXPECT(private_file_is_ours(fd, false));
    EXPECT(!private_file_is_ours(fd, true));
    EXPECT(fchmod(fd, 0622) == 0);
    EXPECT(!private_file_is_ours(fd, false));
    EXPECT(!private_file_is_ours(dir, false));
    close(fd);
    EXPECT(unlink(p.inner) == 0);
    EXPECT(symlink("/tmp/writ-elsewhere", p.inner) == 0);
    EXPECT_EQ(private_file_create(dir, "a", &again), EEXIST);
    EXPECT(unlink(p.inner) == 0);
    close(dir);
    EXPECT(rmdir(p.path) == 0);
}

TEST(a_secret_that_others_can_read_is_refused_with_the_remedy) {
    place p = place_new();
    int fd = open(p.inner, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), got = -1;
    err e;
    EXPECT(fd >= 0);
    EXPECT_STATUS_ERR(private_secret_open(-1, p.inner, "it", &got, &e), STATUS_OK, e);
    close(got);
    static const mode_t open_modes[] = {0640, 0604, 0620, 0602, 0610};
    for (size_t i = 0; i < sizeof open_modes / sizeof open_modes[0]; i++) {
        got = -1;
        EXPECT(fchmod(fd, open_modes[i]) == 0);
        EXPECT_STATUS(private_secret_open(-1, p.inner, "it", &got, &e), STATUS_DENIED);
        EXPECT_CONTAINS(e.message, "chmod 600 it");
        EXPECT_EQ(got, -1);
    }
    EXPECT(fchmod(fd, 0400) == 0);
    EXPECT_OK(private_secret_open(-1, p.inner, "it", &got, &e));
    close(got);
    close(fd);
    EXPECT(unlink(p.inner) == 0 && rmdir(p.path) == 0);
}

TEST(a_secret_is_a_regular_file) {
    place p = place_new();
    int got = -1, dir = open(p.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    err e;
    EXPECT_STATUS(private_secret_open(dir, "a", "it", &got, &e), STATUS_NOT_FOUND);
    EXPECT(mkfifo(p.inner, 0600) == 0); // must not wait for a writer
    EXPECT_STATUS(private_secret_open(dir, "a", "it", &got, &e), STATUS_INVALID);
    EXPECT(unlink(p.inner) == 0 && symlink("/etc/hostname", p.inner) == 0);
    EXPECT(private_secret_open(dir, "a", "it", &got, &e) != STATUS_OK);
    EXPECT(unlink(p.inner) == 0 && rmdir(p.path) == 0);
    EXPECT_EQ(got, -1);
    close(dir);
}
