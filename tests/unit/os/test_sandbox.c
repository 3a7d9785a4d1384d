// SPDX-License-Identifier: Apache-2.0
// Each test forks, shuts the child in and lets it try: what it reports is the only evidence that counts.
#include "test.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "escape.h"
#include "os/fd.h"
#include "os/sandbox.h"

// Runs `body` in a child that has done nothing yet; it returns the number of what should have been refused
// and was not.
static int in_child(int (*body)(void *), void *argument) {
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(body(argument));
    }
    int result = 0;
    EXPECT(waitpid(pid, &result, 0) == pid);
    EXPECT(WIFEXITED(result));
    return WIFEXITED(result) ? WEXITSTATUS(result) : -1;
}

static int shut_in_completely(void *unused) {
    (void)unused;
    int datagram = socket(AF_INET, SOCK_DGRAM, 0);
    err e;
    sandbox_calls none = {.accepts_connections = true};
    if (sandbox_drop_privileges(64, &e) != STATUS_OK || sandbox_restrict_files(NULL, 0, &e) != STATUS_OK ||
        sandbox_restrict_calls(&none, &e) != STATUS_OK) {
        (void)dprintf(STDOUT_FILENO, "    %s\n", e.message);
        return 100;
    }
    try_processes();
    try_network(datagram);
    try_files();
    try_code();
    static char page[4096];
    works(syscall(SYS_mlock, page, sizeof page) == 0 && syscall(SYS_munlock, page, sizeof page) == 0,
          "keep memory from being swapped out");
    works(getpid() > 0 && write(STDOUT_FILENO, "", 0) == 0, "write");
    return escapes;
}

static bool is_missing_anything(void) {
    sandbox_report r;
    sandbox_probe(&r);
    return r.landlock_abi == 0 || !r.has_seccomp;
}

TEST(nothing_can_be_reached) {
    if (is_missing_anything()) {
        SKIP("this kernel has no Landlock or no seccomp");
    }
    EXPECT_EQ(in_child(shut_in_completely, NULL), 0);
}

typedef struct two_directories {
    char granted[32];
    char other[32];
    bool can_write;
} two_directories;

static int shut_in_directory(void *argument) {
    two_directories *d = argument;
    int fd = open(d->granted, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sandbox_directory grant = {fd, d->can_write};
    sandbox_calls calls = {.opens_files = true};
    if (sandbox_drop_privileges(64, NULL) != STATUS_OK ||
        sandbox_restrict_files(&grant, 1, NULL) != STATUS_OK ||
        sandbox_restrict_calls(&calls, NULL) != STATUS_OK) {
        return 100;
    }
    int file = openat(fd, "inside", O_RDONLY);
    works(file >= 0, "read inside the grant");
    char path[64];
    (void)snprintf(path, sizeof path, "../%s/inside", strrchr(d->other, '/') + 1);
    refused(denied(openat(fd, path, O_RDONLY)), "leave the grant by ..");
    refused(denied(openat(AT_FDCWD, "/etc/passwd", O_RDONLY)), "open outside");
    refused(denied(openat(AT_FDCWD, "/proc/self/status", O_RDONLY)), "open in /proc");
    int made = openat(fd, "made", O_WRONLY | O_CREAT, 0600);
    if (d->can_write) {
        works(made >= 0 && write(made, "x", 1) == 1, "write inside the grant");
    } else {
        refused(denied(made), "create in a read-only grant");
        refused(denied(openat(fd, "inside", O_RDWR)), "write in a read-only grant");
        refused(denied(unlinkat(fd, "inside", 0)), "delete in a read-only grant");
    }
    return escapes;
}

static void make_file(const char *directory, const char *name) {
    char path[64];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    EXPECT(fd >= 0);
    fd_close(fd);
}

static void remove_directory(const char *directory) {
    const char *const names[] = {"inside", "made"};
    for (size_t i = 0; i < 2; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        (void)unlink(path);
    }
    EXPECT(rmdir(directory) == 0);
}

static void check_directory(bool can_write) {
    two_directories d = {"/tmp/writ-test-a-XXXXXX", "/tmp/writ-test-b-XXXXXX", can_write};
    REQUIRE(mkdtemp(d.granted) != NULL && mkdtemp(d.other) != NULL);
    make_file(d.granted, "inside");
    make_file(d.other, "inside");
    EXPECT_EQ(in_child(shut_in_directory, &d), 0);
    remove_directory(d.granted);
    remove_directory(d.other);
}

TEST(only_the_granted_directory_can_be_reached) {
    if (is_missing_anything()) {
        SKIP("this kernel has no Landlock or no seccomp");
    }
    check_directory(true);
    check_directory(false);
}

static void *waiting_thread(void *argument) {
    int *ends = argument;
    char byte;
    (void)!read(ends[0], &byte, 1); // until the main thread is shut in
    errno = 0;
    return denied(socket(AF_INET, SOCK_STREAM, 0)) ? NULL : (void *)1;
}

static int filter_reaches_threads(void *unused) {
    (void)unused;
    int ends[2];
    pthread_t thread;
    if (pipe(ends) != 0 || pthread_create(&thread, NULL, waiting_thread, ends) != 0) {
        return 100;
    }
    sandbox_calls calls = {0};
    if (sandbox_drop_privileges(64, NULL) != STATUS_OK || sandbox_restrict_calls(&calls, NULL) != STATUS_OK) {
        return 101;
    }
    void *result = NULL;
    works(write(ends[1], "x", 1) == 1 && pthread_join(thread, &result) == 0, "wake the thread");
    refused(result == NULL, "socket in a thread that ran before");
    return escapes;
}

TEST(the_filter_covers_threads_that_run_already) { EXPECT_EQ(in_child(filter_reaches_threads, NULL), 0); }

static void *nothing(void *argument) { return argument; }

static int compiler_has_threads(void *unused) {
    (void)unused;
    sandbox_calls calls = {.starts_threads = true, .makes_code = true};
    if (sandbox_drop_privileges(64, NULL) != STATUS_OK || sandbox_restrict_calls(&calls, NULL) != STATUS_OK) {
        return 101;
    }
    pthread_t thread;
    works(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0,
          "start a thread");
    refused(fork() < 0, "fork");
    refused(denied(execl("/bin/true", "true", NULL)), "execve");
    refused(denied(socket(AF_INET, SOCK_STREAM, 0)), "socket");
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    works(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0, "make memory executable");
    return escapes;
}

TEST(a_compiler_has_threads_but_no_processes) { EXPECT_EQ(in_child(compiler_has_threads, NULL), 0); }

static int privileges_are_gone(void *unused) {
    (void)unused;
    if (sandbox_drop_privileges(50, NULL) != STATUS_OK) {
        return 100;
    }
    struct rlimit core, files;
    works(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0, "no core dumps");
    works(getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max == 50, "a bound on descriptors");
    refused(setrlimit(RLIMIT_NOFILE, &(struct rlimit){60, 60}) != 0, "raise the bound");
    char status_text[4096] = "";
    int fd = open("/proc/self/status", O_RDONLY);
    works(fd >= 0 && read(fd, status_text, sizeof status_text - 1) > 0, "read /proc/self/status");
    works(strstr(status_text, "CapEff:\t0000000000000000") != NULL, "no effective capabilities");
    works(strstr(status_text, "CapPrm:\t0000000000000000") != NULL, "no permitted capabilities");
    works(strstr(status_text, "NoNewPrivs:\t1") != NULL, "no new privileges");
    return escapes;
}

TEST(privileges_are_dropped) { EXPECT_EQ(in_child(privileges_are_gone, NULL), 0); }

// A process whose sockets come connected: to connect again does nothing, and everything else goes on.
static int connects_are_skipped(void *unused) {
    (void)unused;
    int pair[2] = {-1, -1};
    char byte = 'x';
    const struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_port = htons(9)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sandbox_drop_privileges(64, NULL) != STATUS_OK || sandbox_skip_connects(NULL) != STATUS_OK) {
        return 1;
    }
    if (connect(fd, (const struct sockaddr *)&nobody, sizeof nobody) != 0 ||
        send(fd, &byte, 1, MSG_NOSIGNAL) != -1) {
        return 2; // it says that it is done, and has not done it
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ||
        connect(pair[0], (const struct sockaddr *)&nobody, sizeof nobody) != 0 ||
        write(pair[0], &byte, 1) != 1 || read(pair[1], &byte, 1) != 1) {
        return 3;
    }
    return 0;
}

TEST(connecting_again_does_nothing) { EXPECT_EQ(in_child(connects_are_skipped, NULL), 0); }
