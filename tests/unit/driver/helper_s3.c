// SPDX-License-Identifier: Apache-2.0
#include "unit/driver/helper_s3.h"

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

enum { START_MS_MAX = 20000 };

static const char program[] = WRIT_DEPS_DIR "/tools/bin/versitygw";

static int connected(uint16_t *port, bool binds) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(*port)};
    socklen_t len = sizeof a;
    if (binds) {
        CHECK(bind(fd, (struct sockaddr *)&a, len) == 0 && getsockname(fd, (struct sockaddr *)&a, &len) == 0);
        *port = ntohs(a.sin_port);
    }
    bool ok = binds || connect(fd, (struct sockaddr *)&a, len) == 0;
    close(fd);
    return ok;
}

static bool wait_until_it_accepts(s3_process *p) {
    for (int i = 0; i < START_MS_MAX / 10; i++) {
        if (connected(&p->port, false)) {
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

const char *s3_process_start(s3_process *p, const char *certificate, const char *key) {
    char address[32];
    if (access(program, X_OK) != 0) {
        return "versitygw is not here (tools/setup/setup.py test builds it with go)";
    }
    if (p->port == 0) {
        connected(&p->port, true);
        snprintf(p->directory, sizeof p->directory, "/tmp/writ-test-s3-XXXXXX");
        CHECK(mkdtemp(p->directory) != NULL);
    }
    snprintf(address, sizeof address, "127.0.0.1:%u", p->port);
    const char *words[20] = {program,  "--access", S3_TEST_ID, "--secret",    S3_TEST_SECRET,
                             "--port", address,    "--quiet",  "--keep-alive"};
    size_t count = 9;
    if (certificate != NULL) {
        words[count++] = "--cert";
        words[count++] = certificate;
        words[count++] = "--key";
        words[count++] = key;
    }
    words[count++] = "posix";
    words[count++] = p->directory;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    int error = posix_spawn(&p->pid, program, &actions, NULL, (char **)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        p->pid = 0;
        s3_process_stop(p);
        return "versitygw cannot be started";
    }
    return wait_until_it_accepts(p) ? NULL : "versitygw did not start (it needs extended attributes in /tmp)";
}

void s3_process_kill(s3_process *p) {
    if (p->pid > 0) {
        kill(p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
        p->pid = 0;
    }
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info, (void)kind, (void)place;
    return remove(path);
}

void s3_process_stop(s3_process *p) {
    s3_process_kill(p);
    if (p->port != 0) {
        (void)nftw(p->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        p->port = 0;
    }
}
