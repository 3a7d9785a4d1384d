// SPDX-License-Identifier: Apache-2.0
#include "agent/provider_process.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "os/fd.h"
#include "test.h"

typedef struct world {
    loop *loop;
    provider_process *process;
    buf said;
    char how[64];
} world;

static void on_said(void *arg, slice line) {
    world *w = arg;
    EXPECT_OK(buf_append_format(&w->said, "%.*s\n", SLICE_ARG(line)));
}

static void on_ended(void *arg, const char *how) {
    world *w = arg;
    (void)snprintf(w->how, sizeof w->how, "%s", how);
    loop_stop(w->loop);
}

static void world_init(world *w) {
    *w = (world){0};
    buf_init(&w->said, 16 << 20);
    EXPECT_OK(loop_new(NULL, &w->loop, NULL));
    w->process = provider_process_new(w->loop, &(provider_process_owner){w, on_said, on_ended});
}

static void world_done(world *w) {
    provider_process_free(w->process);
    loop_free(w->loop);
    buf_done(&w->said);
}

static int script(const char *text) {
    char path[] = "/tmp/writ-test-provider-XXXXXX";
    int fd = mkstemp(path);
    EXPECT(fd >= 0);
    EXPECT_OK(fd_write_all(fd, slice_from_text(text), NULL));
    EXPECT_EQ(fchmod(fd, 0700), 0);
    fd_close(fd);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    (void)unlink(path);
    return fd;
}

static void run(world *w, const char *text, slice line) {
    auto_fd program = script(text);
    EXPECT_OK(provider_process_spawn(w->process, program, "kv", line, NULL));
    loop_run(w->loop);
}

TEST(it_gets_its_line_and_what_it_says_comes_line_by_line) {
    world w;
    world_init(&w);
    run(&w,
        "#!/bin/sh\nread a\necho \"one $a\"\nprintf 'esc\\033[2J\\n\\n' >&2\nread b || echo end\nprintf "
        "rest\nexit 7\n",
        slice_from_text("aGk=\r\n"));
    EXPECT_TEXT(buf_text(&w.said), "one aGk=\nesc\\x1b[2J\nend\nrest\n");
    EXPECT_TEXT(w.how, "exit status 7");
    world_done(&w);
}

TEST(a_line_that_is_longer_than_a_pipe_goes_through) {
    world w;
    world_init(&w);
    size_t len = 3 << 20;
    uint8_t *line = mem_alloc(len);
    memset(line, 'A', len - 1);
    line[len - 1] = '\n';
    run(&w, "#!/bin/sh\nwc -c\n", slice_of(line, len));
    EXPECT_TEXT(buf_text(&w.said), "3145728\n");
    mem_free(line);
    world_done(&w);
}

TEST(one_that_does_not_listen_ends_as_it_likes) {
    world w;
    world_init(&w);
    size_t len = 1 << 20;
    uint8_t *line = mem_zalloc(len);
    run(&w, "#!/bin/sh\nexec 0</dev/null\nkill -TERM $$\n", slice_of(line, len));
    EXPECT_TEXT(w.how, "signal 15 (TERM)");
    mem_free(line);
    world_done(&w);
}

TEST(one_that_says_too_much_is_cut_short) {
    world w;
    world_init(&w);
    run(&w, "#!/bin/sh\nyes 0123456789012345678901234567890123456789 | head -c 2000000\necho\necho last\n",
        slice_from_text("\n"));
    EXPECT(w.said.len < 1 << 20);
    EXPECT_TEXT(w.how, "exit status 0");
    world_done(&w);
}

TEST(it_can_be_killed_and_started_again) {
    world w;
    world_init(&w);
    auto_fd program = script("#!/bin/sh\nsleep 1000\n");
    EXPECT_OK(provider_process_spawn(w.process, program, "kv", slice_from_text("\n"), NULL));
    provider_process_kill(w.process);
    provider_process_kill(w.process);
    run(&w, "#!/bin/sh\necho again\n", slice_from_text("\n"));
    EXPECT_TEXT(buf_text(&w.said), "again\n");
    EXPECT_TEXT(w.how, "exit status 0");
    world_done(&w);
}

TEST(what_cannot_be_executed_is_told) {
    world w;
    err e = {0};
    world_init(&w);
    auto_fd program = script("no program at all");
    EXPECT(provider_process_spawn(w.process, program, "kv", slice_from_text("\n"), &e) != STATUS_OK);
    EXPECT_CONTAINS(e.message, "execute the program");
    world_done(&w);
}
