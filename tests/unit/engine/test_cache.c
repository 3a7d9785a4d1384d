// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/cache.h"
#include "unit/engine/helper_engine.h"

typedef struct place {
    char path[64];
    engine_cache *cache;
    int reports;
    char report[256];
} place;

static void on_report(void *context, const char *text) {
    place *p = context;
    p->reports++;
    snprintf(p->report, sizeof p->report, "%s", text);
}

static void place_open(place *p, engine_level level, bool memory64, uint64_t bytes_max) {
    engine_options o = helper_options();
    o.level = level;
    o.has_memory64 = memory64;
    engine_cache_options c = {
        .directory = p->path, .engine = &o, .bytes_max = bytes_max, .report = on_report, .context = p};
    err e;
    engine_cache_close(p->cache);
    p->cache = NULL;
    EXPECT_STATUS_ERR(engine_cache_open(&c, &p->cache, &e), STATUS_OK, e);
}

static place place_new(void) {
    place p = {.path = "/tmp/writ-cache-XXXXXX"};
    EXPECT(mkdtemp(p.path) != NULL);
    return p;
}

// Calls `visit` for every file of the directory but the key; returns how many there are.
static int place_each(const place *p, void (*visit)(const char *path, void *arg), void *arg) {
    int count = 0;
    DIR *d = opendir(p->path);
    for (struct dirent *x = readdir(d); x != NULL; x = readdir(d)) {
        if (x->d_name[0] != '.' && strcmp(x->d_name, "key") != 0) {
            char path[512];
            snprintf(path, sizeof path, "%s/%s", p->path, x->d_name);
            count++;
            if (visit != NULL) {
                visit(path, arg);
            }
        }
    }
    closedir(d);
    return count;
}

static void visit_remove(const char *path, void *arg) {
    (void)arg;
    unlink(path);
}

static void place_done(place *p) {
    engine_cache_close(p->cache);
    place_each(p, visit_remove, NULL);
    char key[80];
    snprintf(key, sizeof key, "%s/key", p->path);
    unlink(key);
    EXPECT(rmdir(p->path) == 0);
}

static const char module_wat[] =
    "(module (memory (export \"memory\") 1) (data (i32.const 0) \"cached\")"
    "  (func (export \"f\") (param i32) (result i32) (i32.load8_u (local.get 0))))";

static void call_f(core_store *s, void *arg) {
    core_instance i;
    core_extern f;
    core_value v = {.i32 = 5};
    bool ok = s->ops->instantiate(s, *(core_module **)arg, NULL, 0, &i, NULL) == STATUS_OK &&
              s->ops->export_at(s, &i, 1, &f) && s->ops->call(s, &f, &v, 1, NULL) == STATUS_OK;
    EXPECT(ok && v.i32 == 'd');
}

static void expect_runs(int fd) {
    core_module *m = NULL;
    err e;
    EXPECT_STATUS_ERR(engine_module_load_fd(helper_engine(), fd, &m, &e), STATUS_OK, e);
    if (m != NULL) {
        core_store *s = helper_store(helper_engine());
        EXPECT_EQ(helper_run(s, call_f, &m, 1), 1);
        engine_store_free(s);
        helper_ops()->module_free(m);
    }
}

static int store(place *p, slice wasm) {
    buf artifact;
    buf_init(&artifact, 1 << 20);
    int fd = -1;
    err e;
    EXPECT_STATUS_ERR(engine_compile(helper_engine(), wasm, &artifact, &e), STATUS_OK, e);
    EXPECT_STATUS_ERR(engine_cache_store(p->cache, wasm, buf_slice(&artifact), &fd, &e), STATUS_OK, e);
    buf_done(&artifact);
    return fd;
}

TEST(compiled_code_is_found_again_and_runs) {
    place p = place_new();
    place_open(&p, ENGINE_POOLED, false, 1 << 30);
    slice wasm = helper_wat(module_wat);
    int fd = -1;
    EXPECT_STATUS(engine_cache_find(p.cache, wasm, &fd, NULL), STATUS_NOT_FOUND);
    fd = store(&p, wasm);
    expect_runs(fd);
    close(fd);
    place_open(&p, ENGINE_POOLED, false, 1 << 30); // as after a restart
    EXPECT_OK(engine_cache_find(p.cache, wasm, &fd, NULL));
    expect_runs(fd);
    close(fd);
    EXPECT_EQ(p.reports, 0);
    EXPECT_EQ(place_each(&p, NULL, NULL), 1);
    mem_free((void *)(uintptr_t)wasm.data);
    place_done(&p);
}

TEST(other_bytes_or_another_configuration_are_not_found) {
    place p = place_new();
    place_open(&p, ENGINE_POOLED, false, 1 << 30);
    slice wasm = helper_wat(module_wat);
    slice other = helper_wat("(module)");
    close(store(&p, wasm));
    int fd = -1;
    EXPECT_STATUS(engine_cache_find(p.cache, other, &fd, NULL), STATUS_NOT_FOUND);
    place_open(&p, ENGINE_SMALL, false, 1 << 30);
    EXPECT_STATUS(engine_cache_find(p.cache, wasm, &fd, NULL), STATUS_NOT_FOUND);
    place_open(&p, ENGINE_POOLED, true, 1 << 30);
    EXPECT_STATUS(engine_cache_find(p.cache, wasm, &fd, NULL), STATUS_NOT_FOUND);
    EXPECT_EQ(p.reports, 0);
    mem_free((void *)(uintptr_t)wasm.data);
    mem_free((void *)(uintptr_t)other.data);
    place_done(&p);
}

typedef struct change {
    off_t at;     // negative: from the end
    off_t cut_to; // when not 0: cuts the file
} change;

static void visit_change(const char *path, void *arg) {
    const change *c = arg;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    if (c->cut_to != 0) {
        EXPECT(ftruncate(fd, c->cut_to > 0 ? c->cut_to : size + c->cut_to) == 0);
    } else {
        off_t at = c->at < 0 ? size + c->at : c->at;
        uint8_t byte = 0;
        EXPECT(pread(fd, &byte, 1, at) == 1);
        byte ^= 0x10;
        EXPECT(pwrite(fd, &byte, 1, at) == 1);
    }
    close(fd);
}

TEST(damaged_files_are_refused_and_replaced) {
    static const change changes[] = {
        {.at = 0},       {.at = 1000},        {.at = -97},    {.at = -96},    {.at = -88},
        {.at = -84},     {.at = -80},         {.at = -72},    {.at = -40},    {.at = -32},
        {.at = -1},      {.cut_to = -1},      {.cut_to = 95}, {.cut_to = 96}, {.cut_to = 5000},
        {.cut_to = -96}, {.cut_to = 1 << 20},
    };
    place p = place_new();
    place_open(&p, ENGINE_POOLED, false, 1 << 30);
    slice wasm = helper_wat(module_wat);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        close(store(&p, wasm));
        change c = changes[i];
        place_each(&p, visit_change, &c);
        int fd = -1;
        EXPECT_STATUS(engine_cache_find(p.cache, wasm, &fd, NULL), STATUS_NOT_FOUND);
        EXPECT_EQ(p.reports, i + 1);
        EXPECT_CONTAINS(p.report, "compiling it again");
        EXPECT_EQ(place_each(&p, NULL, NULL), 0);
    }
    close(store(&p, wasm));
    int fd = -1;
    EXPECT_OK(engine_cache_find(p.cache, wasm, &fd, NULL));
    close(fd);
    mem_free((void *)(uintptr_t)wasm.data);
    place_done(&p);
}

static void visit_path(const char *path, void *arg) { snprintf(arg, 512, "%s", path); }

// The only file of a place.
static const char *place_file(const place *p, char path[512]) {
    path[0] = '\0';
    EXPECT_EQ(place_each(p, visit_path, path), 1);
    return path;
}

TEST(a_file_with_the_key_of_another_host_is_refused) {
    place ours = place_new();
    place theirs = place_new();
    place_open(&ours, ENGINE_POOLED, false, 1 << 30);
    place_open(&theirs, ENGINE_POOLED, false, 1 << 30);
    slice wasm = helper_wat(module_wat);
    close(store(&theirs, wasm));
    char from[512];
    char to[640];
    place_file(&theirs, from);
    snprintf(to, sizeof to, "%s%s", ours.path, strrchr(from, '/'));
    EXPECT(link(from, to) == 0);
    int fd = -1;
    EXPECT_STATUS(engine_cache_find(ours.cache, wasm, &fd, NULL), STATUS_NOT_FOUND);
    EXPECT_EQ(ours.reports, 1);
    mem_free((void *)(uintptr_t)wasm.data);
    place_done(&ours);
    place_done(&theirs);
}

TEST(a_file_under_the_name_of_another_module_is_refused) {
    place p = place_new();
    place_open(&p, ENGINE_POOLED, false, 1 << 30);
    slice wasm = helper_wat(module_wat);
    slice other = helper_wat("(module)");
    char name[512];
    char aside[] = "/tmp/writ-aside-XXXXXX";
    close(mkstemp(aside));
    close(store(&p, wasm));
    EXPECT(rename(place_file(&p, name), aside) == 0);
    close(store(&p, other));
    EXPECT(rename(aside, place_file(&p, name)) == 0);
    int fd = -1;
    EXPECT_STATUS(engine_cache_find(p.cache, other, &fd, NULL), STATUS_NOT_FOUND);
    EXPECT_EQ(p.reports, 1);
    mem_free((void *)(uintptr_t)wasm.data);
    mem_free((void *)(uintptr_t)other.data);
    place_done(&p);
}

static void visit_chmod(const char *path, void *arg) { EXPECT(chmod(path, *(mode_t *)arg) == 0); }

TEST(a_file_that_others_may_write_is_refused) {
    place p = place_new();
    place_open(&p, ENGINE_POOLED, false, 1 << 30);
    slice wasm = helper_wat(module_wat);
    close(store(&p, wasm));
    mode_t mode = 0660;
    place_each(&p, visit_chmod, &mode);
    int fd = -1;
    EXPECT_STATUS(engine_cache_find(p.cache, wasm, &fd, NULL), STATUS_NOT_FOUND);
    EXPECT_CONTAINS(p.report, "others may write");
    mem_free((void *)(uintptr_t)wasm.data);
    place_done(&p);
}

TEST(a_directory_that_others_may_write_is_refused) {
    place p = place_new();
    EXPECT(chmod(p.path, 0777) == 0);
    engine_options o = helper_options();
    o.level = ENGINE_POOLED;
    engine_cache_options c = {.directory = p.path, .engine = &o};
    err e;
    EXPECT_STATUS(engine_cache_open(&c, &p.cache, &e), STATUS_DENIED);
    EXPECT_CONTAINS(e.message, p.path);
    place_done(&p);
}

TEST(the_least_recently_used_go_first) {
    place p = place_new();
    place_open(&p, ENGINE_POOLED, false, 1 << 30);
    char wat[64];
    slice modules[4];
    for (int i = 0; i < 4; i++) {
        snprintf(wat, sizeof wat, "(module (func (export \"f%d\")))", i);
        modules[i] = helper_wat(wat);
    }
    for (int i = 0; i < 3; i++) {
        int stored = store(&p, modules[i]);
        struct timespec used[2] = {{.tv_sec = 1000 + i}, {.tv_sec = 1000 + i}};
        EXPECT(futimens(stored, used) == 0); // the file system's clock is too coarse to tell them apart
        close(stored);
    }
    struct stat st;
    char path[512] = "";
    DIR *d = opendir(p.path);
    for (struct dirent *x = readdir(d); x != NULL; x = readdir(d)) {
        if (strstr(x->d_name, ".code") != NULL) {
            snprintf(path, sizeof path, "%s/%s", p.path, x->d_name);
        }
    }
    closedir(d);
    EXPECT(stat(path, &st) == 0);
    int fd = -1;
    EXPECT_OK(engine_cache_find(p.cache, modules[0], &fd, NULL)); // the oldest becomes the newest
    close(fd);
    place_open(&p, ENGINE_POOLED, false, (uint64_t)st.st_size * 5 / 2); // room for two
    close(store(&p, modules[3]));
    EXPECT_EQ(place_each(&p, NULL, NULL), 2);
    EXPECT_OK(engine_cache_find(p.cache, modules[3], &fd, NULL));
    close(fd);
    EXPECT_OK(engine_cache_find(p.cache, modules[0], &fd, NULL));
    close(fd);
    for (int i = 0; i < 4; i++) {
        mem_free((void *)(uintptr_t)modules[i].data);
    }
    place_done(&p);
}

// Two processes that store and find the same module at once.
TEST(processes_share_a_directory) {
    place p = place_new();
    slice wasm = helper_wat(module_wat);
    buf artifact;
    buf_init(&artifact, 1 << 20);
    EXPECT_OK(engine_compile(helper_engine(), wasm, &artifact, NULL));
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            place_open(&p, ENGINE_POOLED, false, 1 << 30);
            bool ok = p.cache != NULL;
            for (int round = 0; ok && round < 50; round++) {
                int fd = -1;
                ok = engine_cache_store(p.cache, wasm, buf_slice(&artifact), &fd, NULL) == STATUS_OK;
                close(fd);
                ok = ok && engine_cache_find(p.cache, wasm, &fd, NULL) == STATUS_OK;
                close(fd);
            }
            _exit(ok && p.reports == 0 ? 0 : 1);
        }
    }
    for (int i = 0; i < 3; i++) {
        int how = -1;
        waitpid(pids[i], &how, 0);
        EXPECT_EQ(how, 0);
    }
    EXPECT_EQ(place_each(&p, NULL, NULL), 1);
    buf_done(&artifact);
    mem_free((void *)(uintptr_t)wasm.data);
    place_done(&p);
}
