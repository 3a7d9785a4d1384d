// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/memory_file.h"

TEST(sealed_bytes_cannot_change) {
    int fd = -1;
    REQUIRE(memory_file_from_bytes("test", slice_from_text("hello"), &fd, NULL) == STATUS_OK);
    EXPECT(pwrite(fd, "J", 1, 0) < 0);
    EXPECT(ftruncate(fd, 0) < 0);
    EXPECT(mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    memory_map m;
    EXPECT_OK(memory_map_read(fd, 5, &m, NULL));
    EXPECT_BYTES(memory_map_slice(&m), slice_from_text("hello"));
    memory_map_done(&m);
    EXPECT_STATUS(memory_map_read(fd, 4, &m, NULL), STATUS_LIMIT);
    fd_close(fd);
}

TEST(empty_files_map_to_nothing) {
    int fd = -1;
    REQUIRE(memory_file_from_bytes("test", slice_empty(), &fd, NULL) == STATUS_OK);
    memory_map m;
    EXPECT_OK(memory_map_read(fd, 0, &m, NULL));
    EXPECT_EQ(m.len, 0);
    memory_map_done(&m);
    fd_close(fd);
}

TEST(copies_are_bounded) {
    char path[] = "/tmp/writ-test-XXXXXX";
    int file = mkstemp(path);
    REQUIRE(file >= 0);
    unlink(path);
    static uint8_t bytes[200000];
    memset(bytes, 7, sizeof bytes);
    EXPECT_OK(fd_write_all(file, slice_of(bytes, sizeof bytes), NULL));
    int copy = -1;
    EXPECT_STATUS(memory_file_copy("test", file, sizeof bytes - 1, &copy, NULL), STATUS_LIMIT);
    EXPECT_OK(memory_file_copy("test", file, sizeof bytes, &copy, NULL));
    memory_map m;
    EXPECT_OK(memory_map_read(copy, SIZE_MAX, &m, NULL));
    EXPECT_BYTES(memory_map_slice(&m), slice_of(bytes, sizeof bytes));
    memory_map_done(&m);
    fd_close(copy);
    fd_close(file);
}

TEST(only_regular_files_are_copied) {
    int null = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    int copy = -1;
    EXPECT_STATUS(memory_file_copy("test", null, 1 << 20, &copy, NULL), STATUS_INVALID);
    fd_close(null);
}

TEST(shared_pages_are_shared) {
    int fd = -1;
    REQUIRE(memory_file_shared("test", 4096, &fd, NULL) == STATUS_OK);
    memory_map a, b;
    EXPECT_STATUS(memory_map_shared(fd, 8192, &a, NULL), STATUS_INVALID);
    REQUIRE(memory_map_shared(fd, 4096, &a, NULL) == STATUS_OK);
    REQUIRE(memory_map_shared(fd, 4096, &b, NULL) == STATUS_OK);
    ((uint8_t *)a.data)[100] = 42;
    EXPECT_EQ(((uint8_t *)b.data)[100], 42);
    memory_map_done(&a);
    memory_map_done(&b);
    EXPECT_STATUS(memory_map_read(fd, 4096, &a, NULL), STATUS_INVALID); // it may change under the reader
    fd_close(fd);
}

TEST(unsealed_files_are_refused) {
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    REQUIRE(fd >= 0);
    memory_map m;
    EXPECT_STATUS(memory_map_read(fd, 10, &m, NULL), STATUS_INVALID);
    fd_close(fd);
}
