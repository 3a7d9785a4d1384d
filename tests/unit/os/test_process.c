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

// What a tool printed; its standard input is empty, or `cat` would wait.
static void run_tool(const char *script, const char *directory, char *text, size_t size, process_exit *ret) {
    int ends[2];
    process p;
    REQUIRE(pipe(ends) == 0);
    const char *const argv[] = {"sh", "-c", script, NULL};
    const process_tool t = {.path = "/bin/sh",
                            .argv = argv,
                            .directory = directory,
                            .output_fd = ends[1],
                            .error_fd = -1,
                            .leads_group = true};
    EXPECT_OK(process_spawn_tool(&t, &p, NULL));
    close(ends[1]);
    ssize_t len = read(ends[0], text, size - 1);
    text[len > 0 ? len : 0] = '\0';
    close(ends[0]);
    *ret = process_wait(&p);
}

TEST(tools_have_the_environment_and_a_folder) {
    char text[200];
    process_exit x;
    REQUIRE(setenv("WRIT_TEST_WORD", "kept", 1) == 0);
    run_tool("cat; echo $WRIT_TEST_WORD $PWD; exit 7", "/usr", text, sizeof text, &x);
    EXPECT_TEXT(text, "kept /usr\n");
    EXPECT(!x.is_signal);
    EXPECT_EQ(x.number, 7);
}

TEST(a_tool_ends_with_all_that_it_started) {
    int ends[2];
    process p;
    char byte;
    REQUIRE(pipe(ends) == 0);
    const char *const argv[] = {"sh", "-c", "sleep 60 & echo; wait", NULL};
    const process_tool t = {
        .path = "/bin/sh", .argv = argv, .output_fd = ends[1], .error_fd = -1, .leads_group = true};
    EXPECT_OK(process_spawn_tool(&t, &p, NULL));
    close(ends[1]);
    EXPECT_EQ(read(ends[0], &byte, 1), 1);
    process_signal_group(&p, SIGTERM);
    EXPECT_EQ(read(ends[0], &byte, 1), 0); // nobody holds the other end any more
    EXPECT(process_wait(&p).is_signal);
    close(ends[0]);
}

TEST(programs_are_found) {
    EXPECT(process_finds_program("sh", "/"));
    EXPECT(!process_finds_program("no-such-program", "/"));
    EXPECT(process_finds_program("bin/sh", "/"));
    EXPECT(!process_finds_program("bin/sh", "/usr/share"));
    EXPECT(!process_finds_program("etc/passwd", "/")); // no program
    EXPECT(!process_finds_program("usr/bin", "/"));
    REQUIRE(setenv("PATH", "/nowhere::/usr", 1) == 0);
    EXPECT(!process_finds_program("sh", "/"));
}
