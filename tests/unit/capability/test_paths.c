// SPDX-License-Identifier: Apache-2.0
// Where paths lead, both with openat2 and with our own walk: nowhere beyond what was granted.
#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "helper_tree.h"

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
