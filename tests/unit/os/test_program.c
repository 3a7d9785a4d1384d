// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/program.h"
#include "os/sandbox.h"

typedef struct running {
    process process;
    int input, output; // our ends
} running;

static const char *const environment[] = {"GREETING=hello", NULL};

static status start(int program_fd, const char *const *argv, running *ret, err *e) {
    auto_fd input = -1;
    auto_fd output = -1;
    *ret = (running){{0, -1}, -1, -1};
    EXPECT_OK(program_input_pipe(&input, &ret->input, NULL));
    EXPECT_OK(program_output_pipe(&ret->output, &output, NULL));
    const program_options o = {.program_fd = program_fd,
                               .argv = argv,
                               .environment = environment,
                               .input_fd = input,
                               .output_fd = output};
    return program_spawn(&o, &ret->process, e);
}

static running start_shell(const char *script) {
    const char *const argv[] = {"sh", "-c", script, NULL};
    running r;
    auto_fd shell = open("/bin/sh", O_RDONLY | O_CLOEXEC);
    EXPECT_OK(start(shell, argv, &r, NULL));
    return r;
}

// Everything until the end.
static void read_all(running *r, char *ret, size_t size) {
    size_t len = 0;
    for (;;) {
        size_t n = 0;
        EXPECT_EQ(poll(&(struct pollfd){.fd = r->output, .events = POLLIN}, 1, 10000), 1);
        if (fd_read_some(r->output, ret + len, size - 1 - len, &n) != STATUS_OK) {
            break;
        }
        len += n;
    }
    ret[len] = '\0';
}

static process_exit finish(running *r) {
    process_exit x = process_wait(&r->process);
    fd_close(r->input);
    fd_close(r->output);
    return x;
}

TEST(it_reads_what_it_is_given_and_writes_what_it_says) {
    char text[200];
    running r = start_shell("read line; echo \"got $line\"; echo error >&2; exit 4");
    EXPECT_OK(fd_write_all(r.input, slice_from_text("a line\r\n"), NULL));
    read_all(&r, text, sizeof text);
    EXPECT_TEXT(text, "got a line\r\nerror\n");
    process_exit x = finish(&r);
    EXPECT(!x.is_signal);
    EXPECT_EQ(x.number, 4);
}

TEST(it_has_no_environment_but_what_is_named) {
    char text[2000];
    REQUIRE(setenv("WRIT_TEST_SECRET", "s3cret", 1) == 0);
    running r = start_shell("/usr/bin/env");
    read_all(&r, text, sizeof text);
    (void)finish(&r);
    EXPECT_CONTAINS(text, "GREETING=hello\n");
    EXPECT(strstr(text, "s3cret") == NULL && strstr(text, "PATH=/") == NULL);
    REQUIRE(unsetenv("WRIT_TEST_SECRET") == 0);
}

TEST(it_has_no_descriptors_of_ours_no_cores_and_no_privileges_to_gain) {
    char text[2000];
    int ours = open("/dev/null", O_RDONLY); // somebody forgot close-on-exec
    REQUIRE(ours >= 0 && dup2(ours, 77) == 77);
    running r = start_shell("ls /proc/self/fd | tr '\\n' ' '; ulimit -c; grep NoNewPrivs /proc/self/status");
    read_all(&r, text, sizeof text);
    (void)finish(&r);
    EXPECT(strstr(text, "77") == NULL);
    EXPECT_CONTAINS(text, " 0\nNoNewPrivs:\t1\n");
    fd_close(ours);
    fd_close(77);
}

TEST(scripts_run_too_and_what_is_no_program_does_not) {
    char path[] = "/tmp/writ-test-program-XXXXXX", text[100];
    const char *const argv[] = {"provider", NULL};
    running r;
    int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    EXPECT_OK(fd_write_all(fd, slice_from_text("#!/bin/sh\necho script\n"), NULL));
    fd_close(fd);
    auto_fd program = open(path, O_RDONLY | O_CLOEXEC);
    err e = {0};
    EXPECT(start(program, argv, &r, &e) != STATUS_OK);
    EXPECT_CONTAINS(e.message, "execute the program");
    fd_close(r.input);
    fd_close(r.output);
    EXPECT_EQ(chmod(path, 0700), 0);
    REQUIRE(start(program, argv, &r, &e) == STATUS_OK);
    read_all(&r, text, sizeof text);
    EXPECT_TEXT(text, "script\n");
    (void)finish(&r);
    (void)unlink(path);
}

TEST(it_cannot_look_into_others_or_signal_them) {
    sandbox_report can;
    char text[400], script[400];
    sandbox_probe(&can);
    if (can.landlock_abi == 0) {
        SKIP("this kernel has no Landlock");
    }
    int pid = (int)getpid();
    (void)snprintf(script, sizeof script,
                   "(: </proc/%d/mem) 2>/dev/null && echo memory; readlink /proc/%d/fd/0 && echo files; "
                   "kill -0 %d 2>/dev/null && echo signal; cat /proc/self/environ >/dev/null && echo own",
                   pid, pid, pid);
    running r = start_shell(script);
    read_all(&r, text, sizeof text);
    (void)finish(&r);
    EXPECT_TEXT(text, can.landlock_abi >= 6 ? "own\n" : "signal\nown\n");
}

TEST(it_leads_a_group_that_is_ended_together) {
    char text[10];
    running r = start_shell("/bin/sleep 1000 & echo x; wait");
    EXPECT_EQ(poll(&(struct pollfd){.fd = r.output, .events = POLLIN}, 1, 10000), 1);
    process_signal_group(&r.process, SIGKILL);
    process_exit x = process_wait(&r.process);
    EXPECT(x.is_signal);
    EXPECT_EQ(x.number, SIGKILL);
    read_all(&r, text, sizeof text); // comes to an end: nobody is left who could write
    EXPECT_TEXT(text, "x\n");
    fd_close(r.input);
    fd_close(r.output);
}
