// SPDX-License-Identifier: Apache-2.0
// This program is its own supervisor, compiler and worker: started as a worker, it does what the real one
// does, and when that is shut in, it tries to get out.
#include "test.h"

#include <stdlib.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "escape.h"
#include "host/host.h"
#include "host/worker.h"
#include "os/fd.h"
#include "os/process.h"
#include "os/sandbox.h"

static void try_to_get_out(void) {
    try_processes();
    try_network(PROCESS_CHANNEL_FD);
    try_files();
    try_code();
    (void)dprintf(STDERR_FILENO, "tried, %d escapes\n", escapes);
}

__attribute__((constructor)) static void be_what_the_supervisor_asks_for(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "__worker") == 0) {
        _exit(worker_main(try_to_get_out));
    }
    if (argc == 2 && strcmp(argv[1], "__compiler") == 0) {
        _exit(host_compiler_main(argc, argv));
    }
}

static bool make_component(const char *path) {
    const char *const argv[] = {"wasm-tools", "parse", WRIT_SOURCE_DIR "/tests/unit/host/command.wat",
                                "-o",         path,    NULL};
    process_options o = {
        .path = WRIT_DEPS_DIR "/tools/bin/wasm-tools", .argv = argv, .channel_fd = STDERR_FILENO};
    process p;
    return process_spawn(&o, &p, NULL) == STATUS_OK && process_wait(&p).number == 0;
}

static int run_command(const char *folder, const char *path) {
    host_config c;
    workload_config *w;
    host_config_init(&c);
    err e = {0};
    int exit_status = -1;
    EXPECT_OK(host_config_add_workload(&c, &w, &e));
    w->component_path = mem_text_dup(path);
    w->name = mem_text_dup("confined");
    c.cache_directory = mem_text_dup(folder);
    w->is_unsigned = true;
    status s = workload_config_add_directory(w, folder, "/data", false, &e);
    if (s == STATUS_OK) {
        s = host_run(&c, NULL, &exit_status, &e);
    }
    if (s != STATUS_OK) {
        (void)dprintf(STDERR_FILENO, "host_run: %s\n", e.message);
    }
    host_config_done(&c);
    return exit_status;
}

// In a child, so that its standard error can be read.
static int run_captured(const char *folder, const char *path, char *text, size_t size) {
    int ends[2];
    EXPECT(pipe(ends) == 0);
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        (void)setenv("WRIT_HOME", folder, 1); // the trust of whoever runs the test does not matter
        _exit(run_command(folder, path));
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t n; len < size - 1 && (n = read(ends[0], text + len, size - 1 - len)) > 0;) {
        len += (size_t)n;
    }
    text[len] = '\0';
    close(ends[0]);
    int result = -1;
    EXPECT(waitpid(pid, &result, 0) == pid);
    return WIFEXITED(result) ? WEXITSTATUS(result) : -1;
}

static void remove_folder(const char *folder) {
    const char *const argv[] = {"rm", "-rf", folder, NULL};
    process_options o = {.path = "/bin/rm", .argv = argv, .channel_fd = STDERR_FILENO};
    process p;
    EXPECT_OK(process_spawn(&o, &p, NULL));
    (void)process_wait(&p);
}

TEST(native_code_in_a_worker_reaches_nothing) {
    sandbox_report report;
    sandbox_probe(&report);
    if (report.landlock_abi == 0 || !report.has_seccomp) {
        SKIP("this kernel has no Landlock or no seccomp");
    }
    char folder[] = "/tmp/writ-test-XXXXXX";
    char path[64];
    static char text[1 << 16];
    REQUIRE(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/command.wasm", folder);
    REQUIRE(make_component(path));
    EXPECT_EQ(run_captured(folder, path, text, sizeof text), 0);
    if (!EXPECT(strstr(text, "tried, 0 escapes") != NULL)) {
        printf("%s\n", text);
    }
    remove_folder(folder);
}
