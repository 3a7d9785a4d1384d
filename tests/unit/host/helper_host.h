// SPDX-License-Identifier: Apache-2.0
// A whole host with its workloads, as host_run runs it, in a process of its own, and a client. The test
// program is its own supervisor, compiler and worker. All in the header, because expectations belong to one
// file.
#pragma once

#include "test.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/host.h"
#include "host/worker.h"
#include "os/process.h"

#define GUESTS WRIT_SOURCE_DIR "/build/guests/"
#define HTTP_GUEST GUESTS "http-c.wasm"
#define SECOND_NS 1000000000ull

__attribute__((constructor)) static void be_what_the_supervisor_asks_for(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "__worker") == 0) {
        _exit(worker_main(NULL));
    }
    if (argc == 2 && strcmp(argv[1], "__compiler") == 0) {
        _exit(host_compiler_main(argc, argv));
    }
}

// --- a host ------------------------------------------------------------------------------------------------

typedef struct fixture {
    char folder[32];
    host_config config;
    pid_t pid;
    uint16_t port;
} fixture;

static inline void setup(fixture *f) {
    *f = (fixture){.folder = "/tmp/writ-test-XXXXXX"};
    EXPECT(mkdtemp(f->folder) != NULL);
    host_config_init(&f->config);
    f->config.listen_port = 0;
    f->config.cache_directory = mem_text_dup(f->folder);
}

#ifdef __SANITIZE_THREAD__
enum { INSTANCES = 18 }; // ThreadSanitizer leaves too little address space for the default
#else
enum { INSTANCES = 0 }; // the default
#endif

static inline workload_config *add(fixture *f, const char *name, const char *path) {
    workload_config *w;
    EXPECT_OK(host_config_add_workload(&f->config, &w, NULL));
    w->name = mem_text_dup(name);
    w->component_path = mem_text_dup(path);
    w->is_unsigned = true;
    w->limits.instances_max = INSTANCES;
    return w;
}

static inline void remove_folder(const char *folder) {
    const char *const argv[] = {"rm", "-rf", folder, NULL};
    process_options o = {.path = "/bin/rm", .argv = argv, .channel_fd = STDERR_FILENO};
    process p;
    EXPECT_OK(process_spawn(&o, &p, NULL));
    (void)process_wait(&p);
}

static inline void on_serving(void *context, const char *url, int workers) {
    (void)workers;
    (void)dprintf(*(int *)context, "%s\n", strrchr(url, ':') + 1);
}

static inline int serve(host_config *config, int report_fd) {
    host_observer observer = {.context = &report_fd, .serving = on_serving};
    int exit_status = -1;
    err e = {0};
    if (host_run(config, &observer, &exit_status, &e) != STATUS_OK) {
        (void)dprintf(STDERR_FILENO, "host_run: %s\n", e.message);
    }
    return exit_status;
}

static inline bool start(fixture *f) {
    int ends[2];
    char text[16] = {0};
    EXPECT(pipe(ends) == 0);
    (void)fflush(NULL);
    f->pid = fork();
    if (f->pid == 0) {
        close(ends[0]);
        (void)setenv("WRIT_HOME", f->folder, 1);
        _exit(serve(&f->config, ends[1]));
    }
    close(ends[1]);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    f->port = (uint16_t)strtoul(text, NULL, 10);
    return EXPECT(n > 1 && f->port != 0);
}

static inline void teardown(fixture *f) {
    int result = -1;
    if (f->pid > 0) {
        (void)kill(f->pid, SIGTERM);
        EXPECT(waitpid(f->pid, &result, 0) == f->pid);
        EXPECT(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    }
    host_config_done(&f->config);
    remove_folder(f->folder);
}

// Ends before anything runs; the message.
static inline const char *refusal_of(fixture *f) {
    static err e;
    int exit_status;
    e = (err){0};
    EXPECT(host_run(&f->config, NULL, &exit_status, &e) != STATUS_OK);
    return e.message;
}

// --- a client ----------------------------------------------------------------------------------------------

static inline int send_request(const fixture *f, const char *host, const char *path) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(f->port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT(connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    EXPECT(dprintf(fd, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host) > 0);
    return fd;
}

// The whole answer, valid until the next one.
static inline const char *receive(int fd) {
    static char text[1 << 16];
    size_t len = 0;
    for (ssize_t n; len < sizeof text - 1 && (n = read(fd, text + len, sizeof text - 1 - len)) > 0;) {
        len += (size_t)n;
    }
    text[len] = '\0';
    close(fd);
    return text;
}

static inline const char *get(const fixture *f, const char *host, const char *path) {
    return receive(send_request(f, host, path));
}
