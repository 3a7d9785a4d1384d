// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/channel.h"
#include "os/process.h"

typedef struct child {
    process process;
    channel channel;
} child;

// A shell that has one end of a channel as its descriptor 3.
static child start_shell(const char *script) {
    child c = {.process = {0, -1}};
    channel theirs;
    EXPECT_OK(channel_pair(4096, &c.channel, &theirs, NULL));
    const char *const argv[] = {"sh", "-c", script, NULL};
    process_options o = {.path = "/bin/sh", .argv = argv, .channel_fd = theirs.fd, .discards_stdio = true};
    EXPECT_OK(process_spawn(&o, &c.process, NULL));
    channel_close(&theirs);
    return c;
}

static void wait_readable(int fd) {
    EXPECT_EQ(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 10000), 1);
}

TEST(exit_status_is_reported) {
    child c = start_shell("exit 3");
    process_exit x = process_wait(&c.process);
    EXPECT(!x.is_signal);
    EXPECT_EQ(x.number, 3);
    char text[PROCESS_EXIT_TEXT_BYTES];
    EXPECT_TEXT(process_exit_text(x, text), "exit status 3");
    channel_close(&c.channel);
}

TEST(reap_does_not_wait) {
    child c = start_shell("exec /bin/sleep 60");
    process_exit x;
    EXPECT(!process_reap(&c.process, &x));
    EXPECT(process_signal(&c.process, SIGKILL));
    wait_readable(c.process.pidfd);
    EXPECT(process_reap(&c.process, &x));
    EXPECT(x.is_signal);
    EXPECT_EQ(x.number, SIGKILL);
    char text[PROCESS_EXIT_TEXT_BYTES];
    EXPECT_TEXT(process_exit_text(x, text), "signal 9 (KILL)");
    EXPECT(!process_signal(&c.process, SIGKILL));
    EXPECT(!process_reap(&c.process, &x));
    channel_close(&c.channel);
}

TEST(environment_does_not_leak) {
    REQUIRE(setenv("WRIT_TEST_SECRET", "s3cret", 1) == 0);
    child c = start_shell("env >&3");
    EXPECT_EQ(process_wait(&c.process).number, 0);
    char text[4096] = "";
    ssize_t n = read(c.channel.fd, text, sizeof text - 1);
    EXPECT(n > 0);
    EXPECT(strstr(text, "PWD=") != NULL);
    EXPECT(strstr(text, "s3cret") == NULL);
    channel_close(&c.channel);
}

TEST(terminal_signals_are_blocked) {
    child c = start_shell("kill -TERM $$; kill -INT $$; exit 5");
    EXPECT_EQ(process_wait(&c.process).number, 5);
    channel_close(&c.channel);
}

TEST(missing_program_is_an_error) {
    process p;
    err e;
    const char *const argv[] = {"nothing", NULL};
    process_options o = {.path = "/nonexistent/program", .argv = argv, .channel_fd = 0};
    EXPECT_STATUS(process_spawn(&o, &p, &e), STATUS_IO);
    EXPECT_CONTAINS(e.message, "No such file");
}

TEST(there_is_a_processor) { EXPECT(process_cpu_count() >= 1); }
