// SPDX-License-Identifier: Apache-2.0
#include "unit/net/helper_tls_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

enum { WORDS_MAX = 24, START_MS_MAX = 10000 };

static const char make_keys[] =
    "authority() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout "
    "$1.key "
    "-out $1.pem -subj /CN=$1; }\n"
    "leaf() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.csr "
    "-subj /CN=$1; printf \"subjectAltName=$2\" >$1.ext; openssl x509 -req -in $1.csr -CA ca.pem -CAkey "
    "ca.key "
    "-CAcreateserial -days 2 -extfile $1.ext -out $1.pem; }\n"
    "authority ca; authority other; leaf server DNS:db.example,IP:127.0.0.1; leaf client DNS:client.example";

const char *tls_server_prepare(tls_server *s) {
    *s = (tls_server){0};
    if (!openssl_begin(&s->place)) {
        return "there is no openssl command (apt-get install openssl)";
    }
    return openssl_run(&s->place, make_keys) ? NULL : "openssl cannot make certificates";
}

int tls_server_connect(const tls_server *s) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(s->port)};
    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        close(fd);
        return -1;
    }
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    return fd;
}

static uint16_t free_port(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    CHECK(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
          getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    close(fd);
    return ntohs(a.sin_port);
}

static bool wait_until_it_accepts(const tls_server *s) {
    for (int i = 0; i < START_MS_MAX / 10; i++) {
        int fd = tls_server_connect(s);
        if (fd >= 0) {
            close(fd);
            return true;
        }
        poll(NULL, 0, 10);
    }
    return false;
}

const char *tls_server_start(tls_server *s, const char *const *options) {
    char address[32];
    char certificate[96];
    char key[96];
    char authority[96];
    s->port = free_port();
    snprintf(address, sizeof address, "127.0.0.1:%u", s->port);
    snprintf(certificate, sizeof certificate, "%s/server.pem", s->place.path);
    snprintf(key, sizeof key, "%s/server.key", s->place.path);
    snprintf(authority, sizeof authority, "%s/ca.pem", s->place.path);
    const char *words[WORDS_MAX + 1] = {"openssl", "s_server",  "-quiet", "-rev", "-accept", address,
                                        "-cert",   certificate, "-key",   key,    "-CAfile", authority};
    size_t count = 12;
    for (; options != NULL && *options != NULL && count < WORDS_MAX; options++) {
        words[count++] = *options;
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int error = posix_spawnp(&s->pid, words[0], &actions, NULL, (char **)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        s->pid = 0;
        return "openssl s_server cannot be started";
    }
    return wait_until_it_accepts(s) ? NULL : "openssl s_server did not start";
}

void tls_server_stop(tls_server *s) {
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
        s->pid = 0;
    }
}

void tls_server_done(tls_server *s) {
    tls_server_stop(s);
    openssl_end(&s->place);
}
