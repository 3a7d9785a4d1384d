// SPDX-License-Identifier: Apache-2.0
#include "unit/driver/helper_postgres.h"

#include <arpa/inet.h>
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
#include "unit/net/helper_tls_server.h"

extern char **environ;

static struct {
    tls_server keys;
    const char *why; // it cannot be had
    bool was_asked;
    pid_t pid;
    uint16_t port;
} server; // of the program

// Debian keeps the server's programs out of the PATH; the server does not run as root.
static const char prelude[] =
    "bin=$(dirname \"$(readlink -f \"$(command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb | tail -n "
    "1)\")\")\n"
    "as=''; if [ \"$(id -u)\" = 0 ]; then as='setpriv --reuid=nobody --regid=nogroup --clear-groups'; fi\n"
    "export PGPASSWORD='" POSTGRES_PASSWORD "' PGHOST=$PWD/run PGUSER=writ PGCONNECT_TIMEOUT=5\n";

static const char set_up[] =
    "mkdir run data; echo \"$PGPASSWORD\" >pw; chmod 755 .; cp server.pem server.key run/; chmod 600 "
    "run/server.key\n"
    "if [ -n \"$as\" ]; then chown -R nobody:nogroup run data; fi; chmod 700 data\n"
    "$as $bin/initdb -D data -U writ --auth=scram-sha-256 --pwfile=pw -E UTF8 --locale=C --no-sync\n"
    "cat >hba <<END\n"
    "local all all trust\n"
    "host all trusted 127.0.0.1/32 trust\n"
    "hostssl all secured 127.0.0.1/32 scram-sha-256\n"
    "host all secured 127.0.0.1/32 reject\n"
    "host all plain 127.0.0.1/32 password\n"
    "host all hashed 127.0.0.1/32 md5\n"
    "host all all 127.0.0.1/32 scram-sha-256\n"
    "END\n"
    "cp hba data/pg_hba.conf\n"
    "printf '%s\\n' \"listen_addresses='127.0.0.1'\" \"unix_socket_directories='$PWD/run'\" fsync=off ssl=on "
    "\"ssl_cert_file='$PWD/run/server.pem'\" \"ssl_key_file='$PWD/run/server.key'\" max_connections=60 "
    "log_min_messages=fatal shared_buffers=16MB >>data/postgresql.conf\n";

static const char make_users[] =
    "$bin/psql -X -q -d postgres -c \"create role secured login superuser password '$PGPASSWORD'\" "
    "-c \"create role plain login superuser password '$PGPASSWORD'\" -c \"create role trusted login "
    "superuser\" "
    "-c \"set password_encryption = 'md5'\" -c \"create role hashed login superuser password '$PGPASSWORD'\"";

static bool run(const char *script) {
    char text[8192];
    snprintf(text, sizeof text, "%s%s", prelude, script);
    return openssl_run(&server.keys.place, text);
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

static bool start(void) {
    char script[4096];
    char *words[] = {"sh", "-c", script, NULL};
    snprintf(script, sizeof script,
             "cd %s && %s\nexec setpriv --pdeathsig INT ${as#setpriv} $bin/postgres -D data -p %u "
             ">server.log 2>&1",
             server.keys.place.path, prelude, server.port);
    CHECK(posix_spawnp(&server.pid, "sh", NULL, NULL, words, environ) == 0);
    char wait[256];
    snprintf(wait, sizeof wait,
             "for i in $(seq 200); do $bin/pg_isready -q -p %u && exit 0; sleep 0.05; done; exit 1",
             server.port);
    return run(wait);
}

static void stop(int number) {
    if (server.pid > 0) {
        kill(server.pid, number);
        waitpid(server.pid, NULL, 0);
        server.pid = 0;
    }
}

static void end(void) {
    stop(SIGINT);
    tls_server_done(&server.keys);
}

static const char *begin(void) {
    const char *why = tls_server_prepare(&server.keys);
    if (why != NULL) {
        return why;
    }
    atexit(end);
    if (!run("[ -x \"$bin/initdb\" ] && [ -x \"$bin/postgres\" ]")) {
        return "there is no PostgreSQL server (apt-get install postgresql)";
    }
    server.port = free_port();
    char export_port[8192];
    snprintf(export_port, sizeof export_port, "export PGPORT=%u\n%s", server.port, make_users);
    return !run(set_up)        ? "initdb failed"
           : !start()          ? "the PostgreSQL server did not start"
           : !run(export_port) ? "the PostgreSQL server has no users"
                               : NULL;
}

const char *postgres_process_need(uint16_t *ret_port) {
    if (!server.was_asked) {
        server.was_asked = true;
        server.why = begin();
    }
    *ret_port = server.port;
    return server.why;
}

bool postgres_process_say(const char *database, const char *sql, char *ret, size_t size) {
    char script[4096];
    auto_buf said;
    buf_init(&said, 1 << 16);
    snprintf(script, sizeof script, "$bin/psql -X -q -A -t -p %u -d %s >said <<'END'\n%s;\nEND\n",
             server.port, database, sql);
    if (!run(script) || !openssl_read(&server.keys.place, "said", &said)) {
        return false;
    }
    size_t line = slice_find(buf_slice(&said), 0, '\n');
    snprintf(ret, size, "%.*s", (int)(line == SIZE_MAX ? said.len : line), (const char *)said.data);
    return true;
}

bool postgres_process_database(const char *name) {
    char sql[256];
    char ignored[64];
    snprintf(sql, sizeof sql, "drop database if exists %s with (force);\ncreate database %s", name, name);
    return postgres_process_say("postgres", sql, ignored, sizeof ignored);
}

bool postgres_process_authority(bool is_right, buf *ret) {
    return openssl_read(&server.keys.place, is_right ? "ca.pem" : "other.pem", ret);
}

bool postgres_process_restart(void) {
    stop(SIGQUIT);
    return start();
}
