// SPDX-License-Identifier: Apache-2.0
#include "helper_openssl.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/whole_file.h"

enum { FILE_BYTES_MAX = 1 << 20 };

static bool run_shell(const char *text) {
    char *const arguments[] = {"sh", "-c", (char *)(uintptr_t)text, NULL};
    pid_t child;
    int ended = -1;
    return posix_spawnp(&child, "sh", NULL, NULL, arguments, environ) == 0 &&
           waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == 0;
}

bool openssl_run(const openssl_place *p, const char *script) {
    auto_buf text;
    buf_init(&text, FILE_BYTES_MAX);
    return buf_append_format(&text, "cd %s && set -e && { %s\n} >log 2>&1", p->path, script) == STATUS_OK &&
           run_shell(buf_text(&text));
}

bool openssl_begin(openssl_place *ret) {
    *ret = (openssl_place){.path = "/tmp/writ-openssl-XXXXXX"};
    if (mkdtemp(ret->path) == NULL) {
        return false;
    }
    if (openssl_run(ret, "openssl version")) {
        return true;
    }
    openssl_end(ret);
    return false;
}

void openssl_end(const openssl_place *p) {
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", p->path);
    WRIT_UNUSED bool ended = run_shell(command);
}

bool openssl_read(const openssl_place *p, const char *name, buf *ret) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", p->path, name);
    buf_init(ret, FILE_BYTES_MAX);
    return file_read_whole(path, FILE_BYTES_MAX, ret, NULL) == STATUS_OK;
}
