// SPDX-License-Identifier: Apache-2.0
// wasi:filesystem on a real directory, everything both with openat2 and with our own walk.
//
//   base/outside/secret          what nobody granted
//   base/granted/                granted, as descriptor `root`
//     file, dir/, dir/inner, fifo, and the links that `links` lists
//
// Every way out that is tried leads to base/outside, so that the day on which one is open costs nothing but
// this test.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

static slice text(const char *s) { return slice_from_text(s); }

static void put_file(int dir, const char *name, const char *contents) {
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

static void make_tree(tree *t) {
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

static void tree_start(tree *t, bool walks) {
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

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *f) {
    (void)s, (void)type, (void)f;
    return remove(path);
}

static void tree_done(tree *t) {
    guest_done(&t->g);
    close(t->directories[0].fd);
    close(t->base_fd);
    nftw(t->base, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void drop(tree *t, descriptor *d) { wasi_filesystem_types_descriptor_drop(t->g.instance, d); }

// --- operations that answer a code, or OK ----------------------------------------------------------------

#define RESULT(r) ((r).is_err ? (int)(r).err : OK)

static int open_at(tree *t, descriptor *d, int follow, const char *path, unsigned open_flags, unsigned flags,
                   descriptor **ret) {
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

static int stat_at(tree *t, descriptor *d, int follow, const char *path,
                   wasi_filesystem_types_descriptor_stat_data *ret) {
    wasi_filesystem_types_result_descriptor_stat_error_code r = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_stat_at(&t->g, d, (uint8_t)follow, text(path), &r, NULL));
    if (!r.is_err && ret != NULL) {
        *ret = r.ok;
    }
    return RESULT(r);
}

static int hash_at(tree *t, descriptor *d, int follow, const char *path,
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
    static int name(tree *t, descriptor *d, const char *path) {                                 \
        wasi_filesystem_types_result_void_error_code r = {0};                                   \
        EXPECT_OK(wasi_filesystem_types_descriptor_##function(&t->g, d, text(path), &r, NULL)); \
        return RESULT(r);                                                                       \
    }
PATH_OPERATION(make_directory, create_directory_at)
PATH_OPERATION(remove_directory, remove_directory_at)
PATH_OPERATION(unlink_file, unlink_file_at)

static int rename_at(tree *t, descriptor *from, const char *a, descriptor *to, const char *b) {
    wasi_filesystem_types_result_void_error_code r = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_rename_at(&t->g, from, text(a), to, text(b), &r, NULL));
    return RESULT(r);
}

static int link_at(tree *t, int follow, descriptor *from, const char *a, descriptor *to, const char *b) {
    wasi_filesystem_types_result_void_error_code r = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_link_at(&t->g, from, (uint8_t)follow, text(a), to, text(b), &r,
                                                       NULL));
    return RESULT(r);
}

static int symlink_at(tree *t, descriptor *d, const char *target, const char *path) {
    wasi_filesystem_types_result_void_error_code r = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_symlink_at(&t->g, d, text(target), text(path), &r, NULL));
    return RESULT(r);
}

static int readlink_at(tree *t, descriptor *d, const char *path, slice *ret) {
    wasi_filesystem_types_result_string_error_code r = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_readlink_at(&t->g, d, text(path), &r, NULL));
    if (!r.is_err && ret != NULL) {
        *ret = r.ok;
    }
    return RESULT(r);
}

static int set_times_at(tree *t, descriptor *d, int follow, const char *path, uint64_t seconds) {
    wasi_filesystem_types_result_void_error_code r = {0};
    wasi_filesystem_types_new_timestamp when = {.tag = WASI_FILESYSTEM_TYPES_NEW_TIMESTAMP_TIMESTAMP,
                                                .of.timestamp = {.seconds = seconds, .nanoseconds = 5}};
    EXPECT_OK(wasi_filesystem_types_descriptor_set_times_at(&t->g, d, (uint8_t)follow, text(path), &when,
                                                            &when, &r, NULL));
    return RESULT(r);
}

static int read_file(tree *t, descriptor *d, uint64_t len, uint64_t offset, slice *ret, bool *ret_end) {
    wasi_filesystem_types_result_tuple_list_u8_bool_error_code r = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_read(&t->g, d, len, offset, &r, NULL));
    if (!r.is_err) {
        *ret = r.ok.f0;
        *ret_end = r.ok.f1;
    }
    return RESULT(r);
}

static int write_file(tree *t, descriptor *d, const char *bytes, uint64_t offset) {
    wasi_filesystem_types_result_u64_error_code r = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_write(&t->g, d, text(bytes), offset, &r, NULL));
    if (!r.is_err) {
        EXPECT_EQ(r.ok, strlen(bytes));
    }
    return RESULT(r);
}

// --- escapes ---------------------------------------------------------------------------------------------

// Each leads out when it is followed to its end. Nothing may come of any of them, whatever the operation.
static const char *const outside_paths[] = {
    "..",
    "../",
    "../outside",
    "../outside/secret",
    "@",
    "@/outside",
    "@/outside/secret",
    "/@/outside/secret",
    "./../outside/secret",
    "dir/../../outside/secret",
    "dir/./../../outside/secret",
    "dir/../..",
    "dir//..//../outside/secret",
    "gooddir/../../outside/secret",
    "abs_link/secret",
    "abs_link/",
    "abs_link/.",
    "abs_link/../outside/secret",
    "up_link/secret",
    "up_link/",
    "up_link/.",
    "up_link/../outside/secret",
    "dir/../up_link/secret",
    "chain/secret",
    "chain/",
    "dot/../outside/secret",
    "dotdot/../outside/secret",
    "slash/../../outside/secret",
    "magic/secret",
    "magic/",
    "../granted/file",
    "dir/../../granted/file",
};
// These lead out only when the last component is followed.
static const char *const outside_links[] = {"abs_link", "up_link", "up_file",      "dir/up2",
                                            "chain",    "magic",   "dangling_out", "dir/../up_file"};

typedef struct snapshot {
    struct stat directory, secret;
    size_t entries;
} snapshot;

static snapshot look_outside(tree *t) {
    snapshot s = {0};
    EXPECT_EQ(fstatat(t->base_fd, "outside", &s.directory, 0), 0);
    EXPECT_EQ(fstatat(t->base_fd, "outside/secret", &s.secret, 0), 0);
    DIR *d = fdopendir(openat(t->base_fd, "outside", O_RDONLY | O_DIRECTORY));
    while (readdir(d) != NULL) {
        s.entries++;
    }
    closedir(d);
    return s;
}

static bool same_times(const struct stat *a, const struct stat *b) {
    return a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void expect_untouched(tree *t, const snapshot *before, const char *path) {
    snapshot now = look_outside(t);
    bool same = now.entries == before->entries && same_times(&now.directory, &before->directory) &&
                same_times(&now.secret, &before->secret) && now.secret.st_size == before->secret.st_size &&
                now.secret.st_nlink == before->secret.st_nlink;
    if (!EXPECT(same)) {
        printf("    something outside changed through %s\n", path);
        exit(1);
    }
}

// What reads: must be refused as not permitted.
static void expect_refused(tree *t, const char *path) {
    static const unsigned open_flags[] = {0, OPEN(DIRECTORY), OPEN(CREATE), OPEN(TRUNCATE)};
    bool ends_in_slash = path[strlen(path) - 1] == '/';
    for (size_t i = 0; i < sizeof open_flags / sizeof open_flags[0]; i++) {
        unsigned flags = open_flags[i] == 0 || open_flags[i] == OPEN(DIRECTORY) ? FLAG(READ) : FLAG(WRITE);
        int code = open_at(t, t->root, FOLLOW, path, open_flags[i], flags, NULL);
        // A name that ends in a slash cannot be created, wherever it leads.
        bool fine = code == CODE(NOT_PERMITTED) || (ends_in_slash && code == CODE(IS_DIRECTORY));
        if (!EXPECT(fine)) {
            printf("    open %s with flags %u: %d\n", path, open_flags[i], code);
        }
    }
    if (!EXPECT_EQ(stat_at(t, t->root, FOLLOW, path, NULL), CODE(NOT_PERMITTED)) ||
        !EXPECT_EQ(hash_at(t, t->root, FOLLOW, path, NULL), CODE(NOT_PERMITTED)) ||
        !EXPECT_EQ(set_times_at(t, t->root, FOLLOW, path, 77), CODE(NOT_PERMITTED))) {
        printf("    at %s\n", path);
    }
}

// What changes directories: must fail somehow and change nothing outside.
static void expect_powerless(tree *t, const char *path) {
    char below[256];
    snprintf(below, sizeof below, "%s/new", path);
    EXPECT(make_directory(t, t->root, path) != OK);
    EXPECT(make_directory(t, t->root, below) != OK);
    EXPECT(remove_directory(t, t->root, path) != OK);
    EXPECT(unlink_file(t, t->root, path) != OK);
    EXPECT(rename_at(t, t->root, path, t->root, "stolen") != OK);
    EXPECT(rename_at(t, t->root, "file", t->root, path) != OK);
    EXPECT(rename_at(t, t->root, "file", t->root, below) != OK);
    EXPECT(link_at(t, NO_FOLLOW, t->root, path, t->root, "stolen") != OK);
    EXPECT(link_at(t, NO_FOLLOW, t->root, "file", t->root, below) != OK);
    EXPECT(symlink_at(t, t->root, "file", path) != OK);
    EXPECT(symlink_at(t, t->root, "file", below) != OK);
    EXPECT(readlink_at(t, t->root, path, NULL) != OK);
    EXPECT(open_at(t, t->root, NO_FOLLOW, path, 0, FLAG(READ), NULL) != OK);
    EXPECT(stat_at(t, t->root, NO_FOLLOW, path, NULL) != OK);
    EXPECT(set_times_at(t, t->root, NO_FOLLOW, path, 77) != OK);
}

static void try_escapes(bool walks) {
    tree t;
    tree_start(&t, walks);
    snapshot before = look_outside(&t);
    for (size_t i = 0; i < sizeof outside_paths / sizeof outside_paths[0]; i++) {
        char room[256];
        const char *path = expand(&t, outside_paths[i], room);
        expect_refused(&t, path);
        expect_untouched(&t, &before, path);
        expect_powerless(&t, path);
        expect_untouched(&t, &before, path);
        guest_return(&t.g);
    }
    EXPECT_EQ(stat_at(&t, t.root, FOLLOW, "/", NULL), CODE(NOT_PERMITTED));
    EXPECT_EQ(open_at(&t, t.root, FOLLOW, "/", 0, FLAG(READ), NULL), CODE(NOT_PERMITTED));
    for (size_t i = 0; i < sizeof outside_links / sizeof outside_links[0]; i++) {
        expect_refused(&t, outside_links[i]);
        EXPECT_EQ(open_at(&t, t.root, NO_FOLLOW, outside_links[i], 0, FLAG(READ), NULL), CODE(LOOP));
        EXPECT_EQ(stat_at(&t, t.root, NO_FOLLOW, outside_links[i], NULL), OK); // of the link, which is inside
        EXPECT_EQ(set_times_at(&t, t.root, NO_FOLLOW, outside_links[i], 77), OK);
        EXPECT_EQ(link_at(&t, FOLLOW, t.root, outside_links[i], t.root, "stolen"), CODE(INVALID));
        EXPECT_EQ(
            open_at(&t, t.root, FOLLOW, outside_links[i], OPEN(CREATE) | OPEN(EXCLUSIVE), FLAG(WRITE), NULL),
            CODE(EXIST));
        expect_untouched(&t, &before, outside_links[i]);
    }
    tree_done(&t);
}

TEST(no_escape_with_openat2) { try_escapes(false); }
TEST(no_escape_with_our_walk) { try_escapes(true); }

static void try_subdirectory(bool walks) {
    tree t;
    tree_start(&t, walks);
    descriptor *dir = NULL;
    REQUIRE(open_at(&t, t.root, NO_FOLLOW, "dir", OPEN(DIRECTORY), FLAG(READ), &dir) == OK);
    // A descriptor is a root of its own: what is above it is outside, granted or not.
    EXPECT_EQ(open_at(&t, dir, FOLLOW, "../file", 0, FLAG(READ), NULL), CODE(NOT_PERMITTED));
    EXPECT_EQ(open_at(&t, dir, FOLLOW, "back", 0, FLAG(READ), NULL), CODE(NOT_PERMITTED));
    EXPECT_EQ(open_at(&t, t.root, FOLLOW, "dir/back", 0, FLAG(READ), NULL), OK);
    EXPECT_EQ(open_at(&t, dir, FOLLOW, "inner", 0, FLAG(READ), NULL), OK);
    // Moved elsewhere, it still is the same directory.
    EXPECT_EQ(rename_at(&t, t.root, "dir", t.root, "moved"), OK);
    EXPECT_EQ(open_at(&t, dir, FOLLOW, "inner", 0, FLAG(READ), NULL), OK);
    EXPECT_EQ(open_at(&t, dir, FOLLOW, "../file", 0, FLAG(READ), NULL), CODE(NOT_PERMITTED));
    drop(&t, dir);
    tree_done(&t);
}

TEST(a_directory_is_a_root_with_openat2) { try_subdirectory(false); }
TEST(a_directory_is_a_root_with_our_walk) { try_subdirectory(true); }

// --- the kernel as an oracle of our walk -------------------------------------------------------------------

static uint32_t next_random(uint32_t *state) { // xorshift: the same paths in every run
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void random_path(uint32_t *state, char ret[256]) {
    static const char *const parts[] = {
        "dir",   "dir",    "dir",     "gooddir", "gooddir",  "slash",        "dot",
        "dot",   "dotdot", ".",       ".",       "..",       "file",         "inner",
        "good",  "back",   "up_link", "up_file", "dangling", "dangling_out", "chain",
        "magic", "loop",   "fifo",    "up2",     "nothing",
    };
    static const char *const separators[] = {"/", "/", "/", "//"};
    ret[0] = '\0';
    uint32_t count = 1 + next_random(state) % 5;
    for (uint32_t i = 0; i < count; i++) {
        bool ends = i + 1 == count && next_random(state) % 3 != 0;
        size_t len = strlen(ret);
        snprintf(ret + len, 256 - len, "%s%s", parts[next_random(state) % (sizeof parts / sizeof parts[0])],
                 ends ? "" : separators[next_random(state) % 4]);
    }
}

static bool same_outcome(tree *t, slice path, bool follows, int flags, int *found) {
    path_base base[2] = {{.fd = t->directories[0].fd}, {.fd = t->directories[0].fd, .walks = true}};
    int errors[2];
    file_info info[2] = {0};
    for (int i = 0; i < 2; i++) {
        int fd = -1;
        errors[i] = path_open(&base[i], path, follows, flags, &fd);
        if (errors[i] == 0) {
            EXPECT_EQ(file_info_of(fd, &info[i]), 0);
            close(fd);
        }
    }
    bool same = errors[0] == errors[1] && info[0].inode == info[1].inode && info[0].device == info[1].device;
    if (!EXPECT(same)) {
        printf("    %.*s follows %d flags %o: %s, walking %s\n", SLICE_ARG(path), follows, (unsigned)flags,
               strerrorname_np(errors[0]), strerrorname_np(errors[1]));
    }
    *found += errors[0] == 0;
    return same;
}

static bool same_place(tree *t, slice path) {
    path_base base[2] = {{.fd = t->directories[0].fd}, {.fd = t->directories[0].fd, .walks = true}};
    path_place places[2];
    int errors[2];
    file_info info[2] = {0};
    for (int i = 0; i < 2; i++) {
        errors[i] = path_find(&base[i], path, &places[i]);
        if (errors[i] == 0) {
            EXPECT_EQ(file_info_of(places[i].dir, &info[i]), 0);
        }
        path_place_done(&places[i]);
    }
    bool same = errors[0] == errors[1] && info[0].inode == info[1].inode &&
                (errors[0] != 0 || (strcmp(places[0].name, places[1].name) == 0 &&
                                    places[0].is_directory_itself == places[1].is_directory_itself &&
                                    places[0].has_slash == places[1].has_slash));
    if (!EXPECT(same)) {
        printf("    place of %.*s: %s, walking %s\n", SLICE_ARG(path), strerrorname_np(errors[0]),
               strerrorname_np(errors[1]));
    }
    return same;
}

TEST(our_walk_agrees_with_the_kernel) {
    tree t;
    tree_start(&t, false);
    uint32_t state = 20260521;
    bool same = true;
    int found = 0;
    for (int i = 0; same && i < 20000; i++) {
        char path[256];
        random_path(&state, path);
        bool follows = next_random(&state) % 2 == 0;
        int flags = next_random(&state) % 2 == 0 ? O_PATH : O_RDONLY;
        same = same_outcome(&t, text(path), follows, flags, &found) && same_place(&t, text(path));
    }
    EXPECT(found > 2000 && found < 18000); // both outcomes were compared often
    tree_done(&t);
}

// --- links and directories exchanged during the resolution -----------------------------------------------

typedef struct swapper {
    int dir;
    atomic_bool stop;
    uint64_t swaps;
} swapper;

static void *swap_for_ever(void *arg) {
    swapper *s = arg;
    while (!atomic_load(&s->stop)) {
        renameat2(s->dir, "swap", s->dir, "swapped", RENAME_EXCHANGE);
        s->swaps++;
    }
    return NULL;
}

static void race(bool walks) {
    tree t;
    tree_start(&t, walks);
    int granted = t.directories[0].fd;
    REQUIRE(mkdirat(granted, "swap", 0755) == 0 && mkdirat(granted, "swap/x", 0755) == 0);
    put_file(granted, "swap/x/secret", "decoy");
    REQUIRE(symlinkat("../outside", granted, "swapped") == 0 && mkdirat(t.base_fd, "outside/x", 0755) == 0);
    put_file(t.base_fd, "outside/x/secret", "secret");
    swapper s = {.dir = granted};
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, swap_for_ever, &s) == 0);
    size_t inside = 0, refused = 0;
    for (size_t i = 0; i < 200000 && (inside < 300 || refused < 300); i++) {
        descriptor *d = NULL;
        int code = open_at(&t, t.root, FOLLOW, "swap/x/../x/secret", 0, FLAG(READ), &d);
        if (code == OK) {
            slice bytes = slice_empty();
            bool end;
            EXPECT_EQ(read_file(&t, d, 10, 0, &bytes, &end), OK);
            if (!EXPECT_BYTES(bytes, text("decoy"))) {
                break;
            }
            inside++;
            drop(&t, d);
        } else {
            refused++;
        }
    }
    atomic_store(&s.stop, true);
    pthread_join(thread, NULL);
    EXPECT(inside > 0 && s.swaps > 0);
    tree_done(&t);
}

TEST(race_with_openat2) { race(false); }
TEST(race_with_our_walk) { race(true); }

// --- what is inside --------------------------------------------------------------------------------------

static void resolve_inside(bool walks) {
    static const struct {
        const char *path;
        int follow;
        unsigned open_flags;
        int code;
    } cases[] = {
        {"file", NO_FOLLOW, 0, OK},
        {"./file", NO_FOLLOW, 0, OK},
        {".", NO_FOLLOW, 0, OK},
        {"./", NO_FOLLOW, 0, OK},
        {"dir/..", NO_FOLLOW, 0, OK},
        {"dir/../dir/inner", NO_FOLLOW, 0, OK},
        {"dir//inner", NO_FOLLOW, 0, OK},
        {"dir/", NO_FOLLOW, OPEN(DIRECTORY), OK},
        {"good", FOLLOW, 0, OK},
        {"good", NO_FOLLOW, 0, CODE(LOOP)},
        {"gooddir/inner", NO_FOLLOW, 0, OK},
        {"gooddir/", NO_FOLLOW, 0, OK}, // the slash follows
        {"slash/inner", NO_FOLLOW, 0, OK},
        {"dir/back", FOLLOW, 0, OK},
        {"dotdot/dotdot/dot/file", FOLLOW, 0, OK},
        {"file/", FOLLOW, 0, CODE(NOT_DIRECTORY)},
        {"file/x", FOLLOW, 0, CODE(NOT_DIRECTORY)},
        {"good/x", FOLLOW, 0, CODE(NOT_DIRECTORY)},
        {"nothing", FOLLOW, 0, CODE(NO_ENTRY)},
        {"nothing/x", FOLLOW, 0, CODE(NO_ENTRY)},
        {"dangling", FOLLOW, 0, CODE(NO_ENTRY)},
        {"", FOLLOW, 0, CODE(NO_ENTRY)},
        {"loop", FOLLOW, 0, CODE(LOOP)},
        {"loop/x", FOLLOW, 0, CODE(LOOP)},
        {"file", FOLLOW, OPEN(DIRECTORY), CODE(NOT_DIRECTORY)},
        {"fifo", FOLLOW, 0, CODE(UNSUPPORTED)},
        {"new/", FOLLOW, OPEN(CREATE), CODE(IS_DIRECTORY)},
        {"new", FOLLOW, OPEN(CREATE) | OPEN(DIRECTORY), CODE(INVALID)},
        {"file", FOLLOW, OPEN(CREATE) | OPEN(EXCLUSIVE), CODE(EXIST)},
        {"made", FOLLOW, OPEN(CREATE) | OPEN(EXCLUSIVE), OK},
        {"dangling", FOLLOW, OPEN(CREATE), OK}, // makes what the link names
        {"nothing", FOLLOW, 0, OK},
    };
    tree t;
    tree_start(&t, walks);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int code = open_at(&t, t.root, cases[i].follow, cases[i].path, cases[i].open_flags, FLAG(READ), NULL);
        if (!EXPECT_EQ(code, cases[i].code)) {
            printf("    open %s, follow %d, flags %u\n", cases[i].path, cases[i].follow, cases[i].open_flags);
        }
    }
    char name[257], path[4200];
    memset(name, 'n', 256);
    name[256] = '\0';
    EXPECT_EQ(open_at(&t, t.root, FOLLOW, name, 0, FLAG(READ), NULL), CODE(NAME_TOO_LONG));
    EXPECT_EQ(make_directory(&t, t.root, name), CODE(NAME_TOO_LONG));
    memset(path, '/', sizeof path);
    path[0] = '.';
    path[4100] = '\0';
    EXPECT_EQ(open_at(&t, t.root, FOLLOW, path, 0, FLAG(READ), NULL), CODE(NAME_TOO_LONG));
    wasi_filesystem_types_result_void_error_code r = {0};
    EXPECT_OK(
        wasi_filesystem_types_descriptor_create_directory_at(&t.g, t.root, slice_of("a\0b", 3), &r, NULL));
    EXPECT_EQ(RESULT(r), CODE(INVALID));
    tree_done(&t);
}

TEST(paths_inside_with_openat2) { resolve_inside(false); }
TEST(paths_inside_with_our_walk) { resolve_inside(true); }

static void change_entries(bool walks) {
    tree t;
    tree_start(&t, walks);
    descriptor *r = t.root;
    EXPECT_EQ(make_directory(&t, r, "made"), OK);
    EXPECT_EQ(make_directory(&t, r, "made/deep/"), OK); // a slash is fine here
    EXPECT_EQ(make_directory(&t, r, "made"), CODE(EXIST));
    EXPECT_EQ(make_directory(&t, r, "."), CODE(EXIST));
    EXPECT_EQ(make_directory(&t, r, "gooddir/"), CODE(EXIST));
    EXPECT_EQ(remove_directory(&t, r, "made"), CODE(NOT_EMPTY));
    EXPECT_EQ(remove_directory(&t, r, "made/."), CODE(INVALID));
    EXPECT_EQ(remove_directory(&t, r, "gooddir/"), CODE(NOT_DIRECTORY));
    EXPECT_EQ(remove_directory(&t, r, "made/deep/"), OK);
    EXPECT_EQ(remove_directory(&t, r, "file"), CODE(NOT_DIRECTORY));
    EXPECT_EQ(unlink_file(&t, r, "made"), CODE(IS_DIRECTORY));
    EXPECT_EQ(unlink_file(&t, r, "made/"), CODE(IS_DIRECTORY));
    EXPECT_EQ(unlink_file(&t, r, "."), CODE(IS_DIRECTORY));
    EXPECT_EQ(unlink_file(&t, r, "file/"), CODE(NOT_DIRECTORY));
    EXPECT_EQ(unlink_file(&t, r, "gooddir/"), CODE(NOT_DIRECTORY));
    EXPECT_EQ(unlink_file(&t, r, "up_link"), OK); // the link, not what it names
    EXPECT_EQ(rename_at(&t, r, "file", r, "made/"), CODE(NOT_DIRECTORY));
    EXPECT_EQ(rename_at(&t, r, "file/", r, "x"), CODE(NOT_DIRECTORY));
    EXPECT_EQ(rename_at(&t, r, "made/.", r, "x"), CODE(BUSY));
    EXPECT_EQ(rename_at(&t, r, "made/", r, "dir/made/"), OK);
    EXPECT_EQ(rename_at(&t, r, "dir", r, "dir/made/dir"), CODE(INVALID));
    EXPECT_EQ(rename_at(&t, r, "file", r, "dir/moved"), OK);
    EXPECT_EQ(link_at(&t, NO_FOLLOW, r, "dir/moved", r, "hard"), OK);
    EXPECT_EQ(link_at(&t, NO_FOLLOW, r, "dir/moved", r, "hard"), CODE(EXIST));
    EXPECT_EQ(link_at(&t, NO_FOLLOW, r, "dir/moved/", r, "x"), CODE(NOT_DIRECTORY));
    EXPECT_EQ(link_at(&t, NO_FOLLOW, r, "dir/moved", r, "x/"), CODE(NO_ENTRY));
    EXPECT_EQ(link_at(&t, NO_FOLLOW, r, "dir/", r, "x"), CODE(NOT_PERMITTED));
    EXPECT_EQ(link_at(&t, NO_FOLLOW, r, ".", r, "x"), CODE(NOT_PERMITTED));
    wasi_filesystem_types_descriptor_stat_data s = {0};
    EXPECT_EQ(stat_at(&t, r, NO_FOLLOW, "hard", &s), OK);
    EXPECT_EQ(s.link_count, 2);
    EXPECT_EQ(s.size, 4);
    EXPECT_EQ(s.type, WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_REGULAR_FILE);
    tree_done(&t);
}

TEST(changing_entries_with_openat2) { change_entries(false); }
TEST(changing_entries_with_our_walk) { change_entries(true); }

// A kernel that does not know openat2, or a filter that forbids it: we walk without being told to.
static bool forbid_openat2(unsigned error) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(without_openat2) {
    static const int errors[] = {ENOSYS, EPERM};
    for (size_t i = 0; i < 2; i++) {
        fflush(stdout);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            int before = test_run_state.failures;
            if (!forbid_openat2((unsigned)errors[i])) {
                _exit(77);
            }
            try_escapes(false);
            resolve_inside(false);
            fflush(stdout);
            _exit(test_run_state.failures == before ? 0 : 1);
        }
        int result = -1;
        REQUIRE(waitpid(child, &result, 0) == child);
        if (WIFEXITED(result) && WEXITSTATUS(result) == 77) {
            SKIP("no seccomp filters here");
        }
        EXPECT(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    }
}

static void symbolic_links(bool walks) {
    tree t;
    tree_start(&t, walks);
    slice target = slice_empty();
    EXPECT_EQ(symlink_at(&t, t.root, "dir/inner", "link"), OK);
    EXPECT_EQ(readlink_at(&t, t.root, "link", &target), OK);
    EXPECT_BYTES(target, text("dir/inner"));
    EXPECT_EQ(symlink_at(&t, t.root, "x", "link"), CODE(EXIST));
    EXPECT_EQ(symlink_at(&t, t.root, "x", "new/"), CODE(NO_ENTRY));
    EXPECT_EQ(symlink_at(&t, t.root, "x", "."), CODE(EXIST));
    EXPECT_EQ(symlink_at(&t, t.root, "/etc", "bad"), CODE(NOT_PERMITTED));
    EXPECT_EQ(symlink_at(&t, t.root, "", "bad"), CODE(NO_ENTRY));
    EXPECT_EQ(symlink_at(&t, t.root, "../outside", "useless"), OK); // resolves for nobody here
    EXPECT_EQ(open_at(&t, t.root, FOLLOW, "useless/secret", 0, FLAG(READ), NULL), CODE(NOT_PERMITTED));
    EXPECT_EQ(readlink_at(&t, t.root, "abs_link", NULL), CODE(NOT_PERMITTED));
    EXPECT_EQ(readlink_at(&t, t.root, "file", NULL), CODE(INVALID));
    EXPECT_EQ(readlink_at(&t, t.root, "link/", NULL), CODE(INVALID));
    EXPECT_EQ(readlink_at(&t, t.root, ".", NULL), CODE(INVALID));
    EXPECT(symlinkat("\xff\xfe", t.directories[0].fd, "not_text") == 0);
    EXPECT_EQ(readlink_at(&t, t.root, "not_text", NULL), CODE(ILLEGAL_BYTE_SEQUENCE));
    tree_done(&t);
}

TEST(symbolic_links_with_openat2) { symbolic_links(false); }
TEST(symbolic_links_with_our_walk) { symbolic_links(true); }

// --- authority -------------------------------------------------------------------------------------------

TEST(a_read_only_directory_stays_as_it_is) {
    tree t;
    tree_start(&t, false);
    descriptor *r = t.read_only;
    wasi_filesystem_types_result_descriptor_flags_error_code flags = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_get_flags(&t.g, r, &flags, NULL));
    EXPECT_EQ(flags.ok, FLAG(READ));
    EXPECT_OK(wasi_filesystem_types_descriptor_get_flags(&t.g, t.root, &flags, NULL));
    EXPECT_EQ(flags.ok, FLAG(READ) | FLAG(MUTATE_DIRECTORY));

    descriptor *dir = NULL, *file = NULL;
    REQUIRE(open_at(&t, r, NO_FOLLOW, "dir", OPEN(DIRECTORY), FLAG(READ), &dir) == OK);
    REQUIRE(open_at(&t, dir, NO_FOLLOW, "inner", 0, FLAG(READ), &file) == OK);
    descriptor *both[] = {r, dir}; // what is opened below it inherits that
    for (size_t i = 0; i < 2; i++) {
        descriptor *d = both[i];
        EXPECT_EQ(open_at(&t, d, FOLLOW, "inner", 0, FLAG(WRITE), NULL), CODE(READ_ONLY));
        EXPECT_EQ(open_at(&t, d, FOLLOW, "new", OPEN(CREATE), FLAG(READ), NULL), CODE(READ_ONLY));
        EXPECT_EQ(open_at(&t, d, FOLLOW, "inner", OPEN(TRUNCATE), FLAG(READ), NULL), CODE(READ_ONLY));
        EXPECT_EQ(open_at(&t, d, FOLLOW, ".", 0, FLAG(READ) | FLAG(MUTATE_DIRECTORY), NULL), CODE(READ_ONLY));
        EXPECT_EQ(make_directory(&t, d, "new"), CODE(READ_ONLY));
        EXPECT_EQ(remove_directory(&t, d, "dir"), CODE(READ_ONLY));
        EXPECT_EQ(unlink_file(&t, d, "file"), CODE(READ_ONLY));
        EXPECT_EQ(symlink_at(&t, d, "x", "y"), CODE(READ_ONLY));
        EXPECT_EQ(set_times_at(&t, d, FOLLOW, ".", 1), CODE(READ_ONLY));
        EXPECT_EQ(set_times_at(&t, d, NO_FOLLOW, "file", 1), CODE(READ_ONLY));
        EXPECT_EQ(rename_at(&t, d, "file", t.root, "x"), CODE(READ_ONLY));
        EXPECT_EQ(rename_at(&t, t.root, "file", d, "x"), CODE(READ_ONLY));
        EXPECT_EQ(link_at(&t, NO_FOLLOW, d, "file", t.root, "x"), CODE(READ_ONLY)); // would be writable there
        EXPECT_EQ(link_at(&t, NO_FOLLOW, t.root, "file", d, "x"), CODE(READ_ONLY));
    }
    wasi_filesystem_types_result_void_error_code v = {0};
    wasi_filesystem_types_new_timestamp now = {.tag = WASI_FILESYSTEM_TYPES_NEW_TIMESTAMP_NOW};
    EXPECT_OK(wasi_filesystem_types_descriptor_set_times(&t.g, file, &now, &now, &v, NULL));
    EXPECT_EQ(RESULT(v), CODE(READ_ONLY));
    EXPECT_OK(wasi_filesystem_types_descriptor_set_size(&t.g, file, 0, &v, NULL));
    EXPECT_EQ(RESULT(v), CODE(BAD_DESCRIPTOR));
    EXPECT_EQ(write_file(&t, file, "x", 0), CODE(BAD_DESCRIPTOR));
    wasi_filesystem_types_result_output_stream_error_code o = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_write_via_stream(&t.g, file, 0, &o, NULL));
    EXPECT_EQ(RESULT(o), CODE(BAD_DESCRIPTOR));
    EXPECT_OK(wasi_filesystem_types_descriptor_append_via_stream(&t.g, file, &o, NULL));
    EXPECT_EQ(RESULT(o), CODE(BAD_DESCRIPTOR));
    EXPECT_EQ(stat_at(&t, r, FOLLOW, "file", NULL), OK);
    EXPECT_EQ(readlink_at(&t, r, "good", NULL), OK);
    tree_done(&t);
}

TEST(open_files_are_bounded) {
    tree t;
    tree_start(&t, false);
    t.g.workload.limits.files_max = 4; // two are the granted directories
    descriptor *a = NULL, *b = NULL;
    EXPECT_EQ(open_at(&t, t.root, FOLLOW, "file", 0, FLAG(READ), &a), OK);
    EXPECT_EQ(open_at(&t, t.root, FOLLOW, "file", 0, FLAG(READ), &b), OK);
    EXPECT_EQ(open_at(&t, t.root, FOLLOW, "file", 0, FLAG(READ), NULL), CODE(QUOTA));
    wasi_filesystem_types_result_directory_entry_stream_error_code r = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_read_directory(&t.g, t.root, &r, NULL));
    EXPECT_EQ(RESULT(r), CODE(QUOTA));
    drop(&t, a);
    EXPECT_EQ(open_at(&t, t.root, FOLLOW, "file", 0, FLAG(READ), NULL), OK);
    tree_done(&t);
}

// --- values ----------------------------------------------------------------------------------------------

TEST(every_error_code_has_an_errno) {
    bool seen[CODE(CROSS_DEVICE) + 1] = {false};
    for (int number = 1; number < 134; number++) {
        seen[filesystem_code(number)] = true;
    }
    for (size_t i = 0; i < sizeof seen; i++) {
        if (!EXPECT(seen[i])) {
            printf("    code %zu\n", i);
        }
    }
    EXPECT_EQ(filesystem_code(ENOENT), CODE(NO_ENTRY));
    EXPECT_EQ(filesystem_code(EXDEV), CODE(CROSS_DEVICE));
    EXPECT_EQ(filesystem_code(9999), CODE(IO));
}

// --- contents and metadata -------------------------------------------------------------------------------

TEST(reading_and_writing) {
    tree t;
    tree_start(&t, false);
    descriptor *f = NULL, *w = NULL;
    slice bytes = slice_empty();
    bool end = false;
    REQUIRE(open_at(&t, t.root, FOLLOW, "new", OPEN(CREATE), FLAG(READ) | FLAG(WRITE), &f) == OK);
    EXPECT_EQ(write_file(&t, f, "hello", 3), OK);
    EXPECT_EQ(read_file(&t, f, 100, 0, &bytes, &end), OK);
    EXPECT_BYTES(bytes, slice_of("\0\0\0hello", 8));
    EXPECT(end);
    EXPECT_EQ(read_file(&t, f, 4, 2, &bytes, &end), OK);
    EXPECT_BYTES(bytes, slice_of("\0hel", 4));
    EXPECT(!end);
    EXPECT_EQ(read_file(&t, f, UINT64_MAX, 8, &bytes, &end), OK);
    EXPECT(bytes.len == 0 && end);
    EXPECT_EQ(read_file(&t, f, 1, UINT64_MAX, &bytes, &end), CODE(INVALID));
    EXPECT_EQ(write_file(&t, f, "x", (uint64_t)INT64_MAX + 1), CODE(INVALID));
    EXPECT_EQ(read_file(&t, t.root, 1, 0, &bytes, &end), CODE(BAD_DESCRIPTOR));
    REQUIRE(open_at(&t, t.root, FOLLOW, "new", 0, FLAG(WRITE), &w) == OK);
    EXPECT_EQ(read_file(&t, w, 1, 0, &bytes, &end), CODE(BAD_DESCRIPTOR));
    wasi_filesystem_types_result_void_error_code v = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_set_size(&t.g, f, 4, &v, NULL));
    EXPECT_EQ(RESULT(v), OK);
    EXPECT_OK(wasi_filesystem_types_descriptor_set_size(&t.g, f, UINT64_MAX, &v, NULL));
    EXPECT_EQ(RESULT(v), CODE(INVALID));
    EXPECT_OK(wasi_filesystem_types_descriptor_sync(&t.g, f, &v, NULL));
    EXPECT_EQ(RESULT(v), OK);
    EXPECT_OK(wasi_filesystem_types_descriptor_sync_data(&t.g, f, &v, NULL));
    EXPECT_EQ(RESULT(v), OK);
    EXPECT_OK(wasi_filesystem_types_descriptor_advise(&t.g, f, 0, 4, WASI_FILESYSTEM_TYPES_ADVICE_SEQUENTIAL,
                                                      &v, NULL));
    EXPECT_EQ(RESULT(v), OK);
    wasi_filesystem_types_descriptor_stat_data s = {0};
    EXPECT_EQ(stat_at(&t, t.root, FOLLOW, "new", &s), OK);
    EXPECT_EQ(s.size, 4);
    EXPECT_EQ(open_at(&t, t.root, FOLLOW, "new", OPEN(TRUNCATE), FLAG(WRITE), NULL), OK);
    EXPECT_EQ(stat_at(&t, t.root, FOLLOW, "new", &s), OK);
    EXPECT_EQ(s.size, 0);
    tree_done(&t);
}

static slice read_stream(tree *t, wasi_io_streams_input_stream *s, uint64_t len) {
    wasi_io_streams_result_list_u8_stream_error r = {0};
    EXPECT_OK(wasi_io_streams_input_stream_blocking_read(&t->g, s, len, &r, NULL));
    return r.is_err ? text("closed") : r.ok;
}

TEST(streams) {
    tree t;
    tree_start(&t, false);
    descriptor *f = NULL;
    REQUIRE(open_at(&t, t.root, FOLLOW, "file", 0, FLAG(READ) | FLAG(WRITE), &f) == OK);
    wasi_filesystem_types_result_output_stream_error_code o = {0}, a = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_write_via_stream(&t.g, f, 2, &o, NULL));
    EXPECT_OK(wasi_filesystem_types_descriptor_append_via_stream(&t.g, f, &a, NULL));
    wasi_filesystem_types_result_input_stream_error_code in = {0}, bad = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_read_via_stream(&t.g, f, 1, &in, NULL));
    EXPECT_OK(wasi_filesystem_types_descriptor_read_via_stream(&t.g, t.root, 0, &bad, NULL));
    EXPECT_EQ(RESULT(bad), CODE(BAD_DESCRIPTOR));
    EXPECT_OK(wasi_filesystem_types_descriptor_read_via_stream(&t.g, f, UINT64_MAX, &bad, NULL));
    EXPECT_EQ(RESULT(bad), CODE(INVALID));
    drop(&t, f); // the streams keep it open
    wasi_io_streams_result_void_stream_error v = {0};
    EXPECT_OK(wasi_io_streams_output_stream_blocking_write_and_flush(&t.g, o.ok, text("TA"), &v, NULL));
    EXPECT_OK(wasi_io_streams_output_stream_blocking_write_and_flush(&t.g, a.ok, text("end"), &v, NULL));
    EXPECT_OK(wasi_io_streams_output_stream_blocking_write_and_flush(&t.g, a.ok, text("."), &v, NULL));
    EXPECT(!v.is_err);
    EXPECT_BYTES(read_stream(&t, in.ok, 2), text("aT"));
    wasi_io_streams_result_u64_stream_error skipped = {0};
    EXPECT_OK(wasi_io_streams_input_stream_skip(&t.g, in.ok, 2, &skipped, NULL));
    EXPECT_EQ(skipped.ok, 2);
    EXPECT_BYTES(read_stream(&t, in.ok, 100), text("nd."));
    EXPECT_BYTES(read_stream(&t, in.ok, 100), text("closed"));
    EXPECT_EQ(t.g.suspends, 0);
    EXPECT_EQ(t.g.instance->class_count[WASI_CLASS_FILE], 3);
    wasi_io_streams_input_stream_drop(t.g.instance, in.ok);
    wasi_io_streams_output_stream_drop(t.g.instance, o.ok);
    wasi_io_streams_output_stream_drop(t.g.instance, a.ok);
    EXPECT_EQ(t.g.instance->class_count[WASI_CLASS_FILE], 2);
    tree_done(&t);
}

TEST(stream_errors_have_codes) {
    tree t;
    tree_start(&t, false);
    descriptor *f = NULL;
    REQUIRE(open_at(&t, t.root, FOLLOW, "file", 0, FLAG(WRITE), &f) == OK);
    wasi_filesystem_types_result_output_stream_error_code o = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_write_via_stream(&t.g, f, INT64_MAX - 1, &o, NULL));
    wasi_io_streams_result_void_stream_error v = {0};
    EXPECT_OK(wasi_io_streams_output_stream_blocking_write_and_flush(&t.g, o.ok, text("too far"), &v, NULL));
    REQUIRE(v.is_err && v.err.tag == WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
    wasi_filesystem_types_option_error_code code = {0};
    EXPECT_OK(wasi_filesystem_types_filesystem_error_code(&t.g, v.err.of.last_operation_failed, &code, NULL));
    EXPECT(code.some && (code.value == CODE(INVALID) || code.value == CODE(FILE_TOO_LARGE)));
    wasi_io_error_error other = {.failure = {.code = 3}};
    EXPECT_OK(wasi_filesystem_types_filesystem_error_code(&t.g, &other, &code, NULL));
    EXPECT(!code.some);
    tree_done(&t);
}

static void times_and_hashes(bool walks) {
    tree t;
    tree_start(&t, walks);
    wasi_filesystem_types_descriptor_stat_data s = {0};
    EXPECT_EQ(set_times_at(&t, t.root, FOLLOW, "good", 1234567), OK);
    EXPECT_EQ(stat_at(&t, t.root, NO_FOLLOW, "file", &s), OK);
    EXPECT(s.data_modification_timestamp.some);
    EXPECT_EQ(s.data_modification_timestamp.value.seconds, 1234567);
    EXPECT_EQ(s.data_access_timestamp.value.nanoseconds, 5);
    EXPECT_EQ(stat_at(&t, t.root, NO_FOLLOW, "good", &s), OK); // the link itself was left alone
    EXPECT(s.data_modification_timestamp.value.seconds != 1234567);
    EXPECT_EQ(s.type, WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_SYMBOLIC_LINK);
    EXPECT_EQ(set_times_at(&t, t.root, NO_FOLLOW, "gooddir/", 99), OK); // a slash: the directory
    EXPECT_EQ(stat_at(&t, t.root, NO_FOLLOW, "dir", &s), OK);
    EXPECT_EQ(s.data_modification_timestamp.value.seconds, 99);
    EXPECT_EQ(set_times_at(&t, t.root, FOLLOW, "file", UINT64_MAX), CODE(INVALID));
    EXPECT_EQ(stat_at(&t, t.root, NO_FOLLOW, "fifo", &s), OK); // looking at one is fine
    EXPECT_EQ(s.type, WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_FIFO);

    wasi_filesystem_types_metadata_hash_value a = {0}, b = {0}, c = {0};
    EXPECT_EQ(hash_at(&t, t.root, FOLLOW, "good", &a), OK);
    EXPECT_EQ(hash_at(&t, t.root, NO_FOLLOW, "file", &b), OK);
    EXPECT_EQ(hash_at(&t, t.root, NO_FOLLOW, "good", &c), OK);
    EXPECT(a.lower == b.lower && a.upper == b.upper && a.lower != c.lower && a.lower != a.upper);
    tree_done(&t);
}

TEST(times_and_hashes_with_openat2) { times_and_hashes(false); }
TEST(times_and_hashes_with_our_walk) { times_and_hashes(true); }

TEST(reading_directories) {
    tree t;
    tree_start(&t, false);
    for (int i = 0; i < 500; i++) { // more than one buffer of the kernel's records
        char name[32];
        snprintf(name, sizeof name, "dir/entry-number-%d", i);
        put_file(t.directories[0].fd, name, "");
    }
    put_file(t.directories[0].fd, "dir/\xff", "");
    descriptor *dir = NULL;
    REQUIRE(open_at(&t, t.root, FOLLOW, "dir", 0, FLAG(READ), &dir) == OK);
    wasi_filesystem_types_result_directory_entry_stream_error_code s = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_read_directory(&t.g, dir, &s, NULL));
    REQUIRE(!s.is_err);
    int files = 0, symbolic = 0, bad = 0;
    for (;;) {
        wasi_filesystem_types_result_option_directory_entry_error_code r = {0};
        EXPECT_OK(wasi_filesystem_types_directory_entry_stream_read_directory_entry(&t.g, s.ok, &r, NULL));
        if (r.is_err) {
            EXPECT_EQ(r.err, CODE(ILLEGAL_BYTE_SEQUENCE)); // and it goes on behind that name
            bad++;
            continue;
        }
        if (!r.ok.some) {
            break;
        }
        EXPECT(!slice_equal_text(r.ok.value.name, ".") && !slice_equal_text(r.ok.value.name, ".."));
        files += r.ok.value.type == WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_REGULAR_FILE;
        symbolic += r.ok.value.type == WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_SYMBOLIC_LINK;
    }
    EXPECT_EQ(files, 501);
    EXPECT_EQ(symbolic, 2);
    EXPECT_EQ(bad, 1);
    wasi_filesystem_types_directory_entry_stream_drop(t.g.instance, s.ok);
    descriptor *f = NULL;
    REQUIRE(open_at(&t, t.root, FOLLOW, "file", 0, FLAG(READ), &f) == OK);
    EXPECT_OK(wasi_filesystem_types_descriptor_read_directory(&t.g, f, &s, NULL));
    EXPECT_EQ(RESULT(s), CODE(NOT_DIRECTORY));
    EXPECT_EQ(stat_at(&t, f, FOLLOW, "x", NULL), CODE(NOT_DIRECTORY));
    bool same = true;
    EXPECT_OK(wasi_filesystem_types_descriptor_is_same_object(&t.g, f, dir, &same, NULL));
    EXPECT(!same);
    EXPECT_OK(wasi_filesystem_types_descriptor_is_same_object(&t.g, t.root, t.read_only, &same, NULL));
    EXPECT(same);
    wasi_filesystem_types_result_descriptor_type_error_code type = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_get_type(&t.g, f, &type, NULL));
    EXPECT_EQ(type.ok, WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_REGULAR_FILE);
    tree_done(&t);
}
