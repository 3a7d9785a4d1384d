// SPDX-License-Identifier: Apache-2.0
// Generations of this program, which run nothing: how one takes over from another.
#include "host/generations.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/memory_file.h"
#include "test.h"

enum { GENERATIONS_MAX = 8, PLAN_BYTES = 16 };

typedef struct shared { // of all processes
    _Atomic int count;
    char plans[GENERATIONS_MAX][PLAN_BYTES]; // what each was to run
    bool keeps_changes[GENERATIONS_MAX];
    _Atomic int kept;
    int began[2], changed[2]; // pipes
} shared;

static void wait_for_signal(void) {
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    for (;;) {
        (void)pause();
    }
}

static void serve(generation *g, const char *text) {
    auto_fd fd = -1;
    EXPECT_OK(memory_file_from_bytes("plan", slice_from_text(text), &fd, NULL));
    generation_serving(g, NULL, 0, fd, fd);
}

static void keep(generation *g, const char *text) {
    auto_fd fd = -1;
    EXPECT_OK(memory_file_from_bytes("plan", slice_from_text(text), &fd, NULL));
    EXPECT_OK(generation_keep_plan(g, fd, NULL));
}

static void cue(const int *pipe_fds) { EXPECT(write(pipe_fds[1], "", 1) == 1); }

static void await(const int *pipe_fds) {
    char c;
    EXPECT(read(pipe_fds[0], &c, 1) == 1);
}

static void note_plan(shared *s, int number, const generation *g) {
    size_t n = 0;
    s->keeps_changes[number] = generation_keeps_changes(g);
    if (generation_plan(g) >= 0) {
        EXPECT_OK(fd_read_at(generation_plan(g), s->plans[number], PLAN_BYTES - 1, 0, &n, NULL));
    }
}

// The first asks for a second, and changes the plan when that has read it.
static int run(void *context, generation *g) {
    shared *s = context;
    int number = ++s->count;
    if (number < GENERATIONS_MAX) {
        note_plan(s, number, g);
    }
    if (number == 1) {
        serve(g, "open");
        (void)kill(getppid(), SIGHUP);
        await(s->began);
        keep(g, "cut");
        cue(s->changed);
    } else {
        if (number == 2) {
            cue(s->began);
            await(s->changed);
        }
        serve(g, s->plans[number]);
        generation_ask_end(g);
    }
    wait_for_signal();
    return 0;
}

static void on_kept(void *context, int exit_status) {
    (void)exit_status;
    ((shared *)context)->kept++;
}

// In a process of its own, since its signals and its children are the parent's.
static void run_generations(shared *s) {
    const generations_options o = {.run = run, .kept = on_kept, .context = s};
    int code = 0;
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        status done = generations_run(&o, &code, NULL);
        _exit(done == STATUS_OK ? 0 : 99);
    }
    int ended = -1;
    EXPECT(waitpid(pid, &ended, 0) == pid);
    EXPECT(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
}

TEST(what_is_changed_while_the_next_one_starts_is_not_undone) {
    shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(s != MAP_FAILED);
    REQUIRE(pipe(s->began) == 0 && pipe(s->changed) == 0);
    run_generations(s);
    EXPECT_EQ(s->count, 3);
    EXPECT_TEXT(s->plans[2], "open");
    EXPECT_TEXT(s->plans[3], "cut");
    EXPECT(!s->keeps_changes[2] && s->keeps_changes[3]);
    EXPECT_EQ(s->kept, 0);
    for (int i = 0; i < 2; i++) {
        fd_close(s->began[i]);
        fd_close(s->changed[i]);
    }
    (void)munmap(s, sizeof *s);
}
