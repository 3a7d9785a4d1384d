// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/file_watch.h"

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    REQUIRE(f != NULL);
    fputs(text, f);
    fclose(f);
}

static bool hears(int fd) {
    (void)poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 10000);
    return file_watch_drain(fd);
}

TEST(changes_in_a_directory_are_heard) {
    char folder[] = "/tmp/writ-test-XXXXXX", file[64], other[64];
    auto_fd fd = -1;
    REQUIRE(mkdtemp(folder) != NULL);
    snprintf(file, sizeof file, "%s/file", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    EXPECT_OK(file_watch_open(&fd, NULL));
    EXPECT_OK(file_watch_add(fd, folder, NULL));
    EXPECT_OK(file_watch_add(fd, folder, NULL));
    EXPECT(!file_watch_drain(fd));
    write_file(file, "a");
    EXPECT(hears(fd));
    EXPECT(rename(file, other) == 0);
    EXPECT(hears(fd));
    EXPECT(unlink(other) == 0);
    EXPECT(hears(fd));
    EXPECT(!file_watch_drain(fd));
    EXPECT(rmdir(folder) == 0);
}

TEST(only_directories_are_watched) {
    auto_fd fd = -1;
    EXPECT_OK(file_watch_open(&fd, NULL));
    EXPECT_STATUS(file_watch_add(fd, "/nowhere/at/all", NULL), STATUS_NOT_FOUND);
    EXPECT_STATUS(file_watch_add(fd, "/etc/passwd", NULL), STATUS_NOT_FOUND);
    EXPECT_STATUS(file_watch_add(fd, "/proc/self/cwd", NULL), STATUS_NOT_FOUND); // a link
}
