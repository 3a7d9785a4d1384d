// SPDX-License-Identifier: Apache-2.0
#include "helper_openssl.h"

#include <stdio.h>
#include <stdlib.h>

#include "os/whole_file.h"

enum { FILE_BYTES_MAX = 1 << 20 };

bool openssl_run(const openssl_place *p, const char *script) {
    auto_buf text;
    buf_init(&text, FILE_BYTES_MAX);
    return buf_append_format(&text, "cd %s && set -e && { %s\n} >log 2>&1", p->path, script) == STATUS_OK &&
           system(buf_text(&text)) == 0;
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
    WRIT_UNUSED int ended = system(command);
}

bool openssl_read(const openssl_place *p, const char *name, buf *ret) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", p->path, name);
    buf_init(ret, FILE_BYTES_MAX);
    return file_read_whole(path, FILE_BYTES_MAX, ret, NULL) == STATUS_OK;
}
