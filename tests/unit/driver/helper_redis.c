// SPDX-License-Identifier: Apache-2.0
#include "unit/driver/helper_redis.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

enum { WORDS_MAX = 40, START_MS_MAX = 10000 };

static uint16_t free_port(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    CHECK(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
          getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    close(fd);
    return ntohs(a.sin_port);
}

bool redis_process_say(const redis_process *p, const char *command, char *ret, size_t size) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(p->port)};
    size_t len = strlen(command);
    ssize_t n = -1;
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0 && write(fd, command, len) == (ssize_t)len) {
        n = read(fd, ret, size - 1);
    }
    close(fd);
    ret[n < 0 ? 0 : n] = '\0';
    return n > 0;
}

static bool has_ended(redis_process *p) {
    if (waitpid(p->pid, NULL, WNOHANG) == p->pid) {
        p->pid = 0;
        return true;
    }
    return false;
}

static bool wait_until_it_accepts(redis_process *p) {
    for (int i = 0; i < START_MS_MAX / 10; i++) {
        char said[64];
        if (redis_process_say(p, "PING\r\n", said, sizeof said)) {
            return true;
        }
        if (has_ended(p)) {
            return false;
        }
        poll(NULL, 0, 10);
    }
    return false;
}

const char *redis_process_start(redis_process *p, const char *const *options) {
    char port[8];
    if (p->port == 0) {
        p->port = free_port();
        snprintf(p->directory, sizeof p->directory, "/tmp/writ-test-redis-XXXXXX");
        CHECK(mkdtemp(p->directory) != NULL);
    }
    snprintf(port, sizeof port, "%u", p->port);
    const char *words[WORDS_MAX + 1] = {"redis-server", "--port",     port,      "--bind",    "127.0.0.1",
                                        "--dir",        p->directory, "--save",  "",          "--appendonly",
                                        "no",           "--loglevel", "warning", "--logfile", "log"};
    size_t count = 15;
    for (; options != NULL && *options != NULL && count < WORDS_MAX; options++) {
        words[count++] = *options;
    }
    int error = posix_spawnp(&p->pid, words[0], NULL, NULL, (char **)words, environ);
    if (error != 0) {
        p->pid = 0;
        redis_process_stop(p);
        return error == ENOENT ? "redis-server is not installed (apt-get install redis-server)"
                               : "redis-server cannot be started";
    }
    return wait_until_it_accepts(p) ? NULL : "redis-server did not start";
}

void redis_process_signal(const redis_process *p, int number) {
    CHECK(p->pid > 0 && kill(p->pid, number) == 0);
}

void redis_process_kill(redis_process *p) {
    if (p->pid > 0) {
        kill(p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
        p->pid = 0;
    }
}

void redis_process_stop(redis_process *p) {
    redis_process_kill(p);
    if (p->port == 0) {
        return;
    }
    DIR *d = opendir(p->directory);
    for (const struct dirent *x; d != NULL && (x = readdir(d)) != NULL;) {
        unlinkat(dirfd(d), x->d_name, 0);
    }
    if (d != NULL) {
        closedir(d);
    }
    rmdir(p->directory);
    p->port = 0;
}
