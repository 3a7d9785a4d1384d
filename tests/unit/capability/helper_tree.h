// SPDX-License-Identifier: Apache-2.0
// A real directory for tests of wasi:filesystem, and its functions with an answer that is easy to compare.
//
//   base/outside/secret          what nobody granted
//   base/granted/                granted, as descriptor `root`
//     file, dir/, dir/inner, fifo, and the links that `links` lists
//
// Every way out that is tried leads to base/outside, so that the day on which one is open costs nothing but
// this test.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capability/filesystem/descriptor.h"
#include "helper_guest.h"
#include "test.h"
#include "wasi/filesystem_preopens.h"
#include "wasi/filesystem_types.h"

#define CODE(name) WASI_FILESYSTEM_TYPES_ERROR_CODE_##name
#define FLAG(name) WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_##name
#define OPEN(name) WASI_FILESYSTEM_TYPES_OPEN_FLAGS_##name
enum { OK = -1, NO_FOLLOW = 0, FOLLOW = WASI_FILESYSTEM_TYPES_PATH_FLAGS_SYMLINK_FOLLOW };

typedef struct tree {
    guest g;
    char base[64];
    int base_fd;
    wasi_directory directories[2];
    descriptor *root;      // "/" may be changed
    descriptor *read_only; // "/ro", the same directory
} tree;

static inline slice text(const char *s) { return slice_from_text(s); }

static inline void put_file(int dir, const char *name, const char *contents) {
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    size_t len = strlen(contents);
    if (fd < 0 || write(fd, contents, len) != (ssize_t)len) {
        printf("cannot write %s\n", name);
        exit(2);
    }
    close(fd);
}

// "@" stands for the absolute path of base.
static const char *expand(const tree *t, const char *path, char ret[256]) {
    const char *at = strchr(path, '@');
    if (at == NULL) {
        return path;
    }
    snprintf(ret, 256, "%.*s%s%s", (int)(at - path), path, t->base, at + 1);
    return ret;
}

static const char *const links[][2] = {
    {"granted/abs_link", "@/outside"},
    {"granted/up_link", "../outside"},
    {"granted/up_file", "../outside/secret"},
    {"granted/dir/up2", "../../outside/secret"},
    {"granted/dir/back", "../file"},
    {"granted/good", "file"},
    {"granted/gooddir", "dir"},
    {"granted/loop", "loop"},
    {"granted/chain", "chain2"},
    {"granted/chain2", "dir/../up_link"},
    {"granted/dot", "."},
    {"granted/dotdot", "dir/.."},
    {"granted/dangling", "nothing"},
    {"granted/dangling_out", "../outside/new"},
    {"granted/magic", "/proc/self/root@/outside"},
    {"granted/slash", "dir/"},
};

static inline void make_tree(tree *t) {
    snprintf(t->base, sizeof t->base, "/tmp/writ-test-XXXXXX");
    t->base_fd = mkdtemp(t->base) == NULL ? -1 : open(t->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int b = t->base_fd;
    bool ok = b >= 0 && mkdirat(b, "outside", 0755) == 0 && mkdirat(b, "granted", 0755) == 0 &&
              mkdirat(b, "granted/dir", 0755) == 0 && mkfifoat(b, "granted/fifo", 0644) == 0;
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        char target[256];
        ok = ok && symlinkat(expand(t, links[i][1], target), b, links[i][0]) == 0;
    }
    if (!ok) {
        printf("cannot make %s: %s\n", t->base, strerror(errno));
        exit(2);
    }
    put_file(b, "outside/secret", "secret");
    put_file(b, "granted/file", "data");
    put_file(b, "granted/dir/inner", "inner");
}

static inline void tree_start(tree *t, bool walks) {
    memset(t, 0, sizeof *t);
    make_tree(t);
    guest_init(&t->g);
    int granted = openat(t->base_fd, "granted", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    t->directories[0] = (wasi_directory){.fd = granted, .guest_path = text("/")};
    t->directories[1] = (wasi_directory){.fd = granted, .guest_path = text("/ro"), .is_read_only = true};
    t->g.workload.directories = t->directories;
    t->g.workload.directory_count = 2;
    t->g.workload.walks_paths = walks;
    guest_start(&t->g);
    wasi_filesystem_preopens_list_tuple_descriptor_string list = {0};
    EXPECT_OK(wasi_filesystem_preopens_get_directories(&t->g, &list, NULL));
    EXPECT_EQ(list.count, 2);
    EXPECT_BYTES(list.items[1].f1, text("/ro"));
    t->root = list.items[0].f0;
    t->read_only = list.items[1].f0;
}

static inline int remove_entry(const char *path, const struct stat *s, int type, struct FTW *f) {
    (void)s, (void)type, (void)f;
    return remove(path);
}

static inline void tree_done(tree *t) {
    guest_done(&t->g);
    close(t->directories[0].fd);
    close(t->base_fd);
    nftw(t->base, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void drop(tree *t, descriptor *d) { wasi_filesystem_types_descriptor_drop(t->g.instance, d); }

// --- operations that answer a code, or OK ----------------------------------------------------------------

#define RESULT(r) ((r).is_err ? (int)(r).err : OK)

static inline int open_at(tree *t, descriptor *d, int follow, const char *path, unsigned open_flags,
                          unsigned flags, descriptor **ret) {
    wasi_filesystem_types_result_descriptor_error_code r = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_open_at(&t->g, d, (uint8_t)follow, text(path),
                                                       (uint8_t)open_flags, (uint8_t)flags, &r, NULL));
    if (!r.is_err && ret != NULL) {
        *ret = r.ok;
    } else if (!r.is_err) {
        drop(t, r.ok);
    }
    return RESULT(r);
}

static inline int stat_at(tree *t, descriptor *d, int follow, const char *path,
                          wasi_filesystem_types_descriptor_stat_data *ret) {
    wasi_filesystem_types_result_descriptor_stat_error_code r = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_stat_at(&t->g, d, (uint8_t)follow, text(path), &r, NULL));
    if (!r.is_err && ret != NULL) {
        *ret = r.ok;
    }
    return RESULT(r);
}

static inline int hash_at(tree *t, descriptor *d, int follow, const char *path,
                          wasi_filesystem_types_metadata_hash_value *ret) {
    wasi_filesystem_types_result_metadata_hash_value_error_code r = {0};
    EXPECT_OK(
        wasi_filesystem_types_descriptor_metadata_hash_at(&t->g, d, (uint8_t)follow, text(path), &r, NULL));
    if (!r.is_err && ret != NULL) {
        *ret = r.ok;
    }
    return RESULT(r);
}

#define PATH_OPERATION(name, function)                                                          \
    static inline int name(tree *t, descriptor *d, const char *path) {                          \
        wasi_filesystem_types_result_void_error_code r = {0};                                   \
        EXPECT_OK(wasi_filesystem_types_descriptor_##function(&t->g, d, text(path), &r, NULL)); \
        return RESULT(r);                                                                       \
    }
PATH_OPERATION(make_directory, create_directory_at)
PATH_OPERATION(remove_directory, remove_directory_at)
PATH_OPERATION(unlink_file, unlink_file_at)

static inline int rename_at(tree *t, descriptor *from, const char *a, descriptor *to, const char *b) {
    wasi_filesystem_types_result_void_error_code r = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_rename_at(&t->g, from, text(a), to, text(b), &r, NULL));
    return RESULT(r);
}

static inline int link_at(tree *t, int follow, descriptor *from, const char *a, descriptor *to,
                          const char *b) {
    wasi_filesystem_types_result_void_error_code r = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_link_at(&t->g, from, (uint8_t)follow, text(a), to, text(b), &r,
                                                       NULL));
    return RESULT(r);
}

static inline int symlink_at(tree *t, descriptor *d, const char *target, const char *path) {
    wasi_filesystem_types_result_void_error_code r = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_symlink_at(&t->g, d, text(target), text(path), &r, NULL));
    return RESULT(r);
}

static inline int readlink_at(tree *t, descriptor *d, const char *path, slice *ret) {
    wasi_filesystem_types_result_string_error_code r = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_readlink_at(&t->g, d, text(path), &r, NULL));
    if (!r.is_err && ret != NULL) {
        *ret = r.ok;
    }
    return RESULT(r);
}

static inline int set_times_at(tree *t, descriptor *d, int follow, const char *path, uint64_t seconds) {
    wasi_filesystem_types_result_void_error_code r = {0};
    wasi_filesystem_types_new_timestamp when = {.tag = WASI_FILESYSTEM_TYPES_NEW_TIMESTAMP_TIMESTAMP,
                                                .of.timestamp = {.seconds = seconds, .nanoseconds = 5}};
    EXPECT_OK(wasi_filesystem_types_descriptor_set_times_at(&t->g, d, (uint8_t)follow, text(path), &when,
                                                            &when, &r, NULL));
    return RESULT(r);
}

static inline int read_file(tree *t, descriptor *d, uint64_t len, uint64_t offset, slice *ret,
                            bool *ret_end) {
    wasi_filesystem_types_result_tuple_list_u8_bool_error_code r = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_read(&t->g, d, len, offset, &r, NULL));
    if (!r.is_err) {
        *ret = r.ok.f0;
        *ret_end = r.ok.f1;
    }
    return RESULT(r);
}

static inline int write_file(tree *t, descriptor *d, const char *bytes, uint64_t offset) {
    wasi_filesystem_types_result_u64_error_code r = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_write(&t->g, d, text(bytes), offset, &r, NULL));
    if (!r.is_err) {
        EXPECT_EQ(r.ok, strlen(bytes));
    }
    return RESULT(r);
}
