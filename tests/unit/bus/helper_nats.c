// SPDX-License-Identifier: Apache-2.0
#include "unit/bus/helper_nats.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

extern char **environ;

enum { START_MS_MAX = 10000 };

static struct sockaddr_in loopback(uint16_t port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
}

uint16_t nats_free_port(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = loopback(0);
    socklen_t len = sizeof a;
    CHECK(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
          getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    close(fd);
    return ntohs(a.sin_port);
}

// The server accepts before JetStream is ready, and says nothing then.
static bool greets(const nats_process *p) {
    char said[16] = "";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = loopback(p->port);
    bool ok = connect(fd, (struct sockaddr *)&a, sizeof a) == 0 && read(fd, said, sizeof said - 1) > 0;
    close(fd);
    return ok && strncmp(said, "INFO", 4) == 0;
}

static bool wait_until_it_greets(nats_process *p) {
    for (int i = 0; i < START_MS_MAX / 10; i++) {
        if (greets(p)) {
            return true;
        }
        if (waitpid(p->pid, NULL, WNOHANG) == p->pid) {
            p->pid = 0;
            return false;
        }
        poll(NULL, 0, 10);
    }
    return false;
}

static void write_config(const nats_process *p, const char *config) {
    char path[96];
    snprintf(path, sizeof path, "%s/config", p->directory);
    FILE *f = fopen(path, "we");
    CHECK(f != NULL);
    fprintf(f, "listen: \"127.0.0.1:%u\"\nlog_file: \"%s/log\"\njetstream { store_dir: \"%s/data\" }\n",
            p->port, p->directory, p->directory);
    for (const char *at = config != NULL ? config : ""; *at != '\0'; at++) {
        if (at[0] == '%' && at[1] == 's') {
            fputs(p->directory, f);
            at++;
        } else {
            fputc(*at, f);
        }
    }
    CHECK(fclose(f) == 0);
}

const char *nats_process_start(nats_process *p, const char *config) {
    char path[96];
    if (p->port == 0) {
        p->port = nats_free_port();
        if (p->directory[0] == '\0') {
            snprintf(p->directory, sizeof p->directory, "/tmp/writ-test-nats-XXXXXX");
            CHECK(mkdtemp(p->directory) != NULL);
        }
    }
    write_config(p, config);
    snprintf(path, sizeof path, "%s/config", p->directory);
    char program[512];
    snprintf(program, sizeof program, "%s", p->program != NULL ? p->program : "nats-server");
    char *words[] = {program, "-c", path, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int error = posix_spawnp(&p->pid, words[0], &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        p->pid = 0;
        nats_process_stop(p);
        return error != ENOENT      ? "nats-server cannot be started"
               : p->program != NULL ? "this nats-server is not there (run tools/setup/setup.py)"
                                    : "nats-server is not installed (apt-get install nats-server)";
    }
    return wait_until_it_greets(p) ? NULL : "nats-server did not start";
}

void nats_process_signal(const nats_process *p, int number) {
    CHECK(p->pid > 0 && kill(p->pid, number) == 0);
    CHECK(number != SIGSTOP || waitpid(p->pid, NULL, WUNTRACED) == p->pid); // it has stopped
}

void nats_process_kill(nats_process *p) {
    if (p->pid > 0) {
        kill(p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
        p->pid = 0;
    }
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *where) {
    (void)s, (void)kind, (void)where;
    return remove(path);
}

void nats_process_stop(nats_process *p) {
    nats_process_kill(p);
    if (p->directory[0] != '\0') {
        (void)nftw(p->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    *p = (nats_process){0};
}
