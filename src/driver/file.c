// SPDX-License-Identifier: Apache-2.0
#include "driver/file.h"

#include <errno.h>
#include <stdio.h>

#include "os/fd.h"
#include "os/private.h"

status driver_file_make(const char *path, err *e) {
    char folder[DRIVER_PATH_BYTES_MAX];
    const char *slash = strrchr(path, '/');
    if (path[0] != '/' || strlen(path) >= sizeof folder || slash[1] == '\0') {
        return err_set(e, STATUS_INVALID, "\"%s\" is not the absolute path of a file", path);
    }
    snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    auto_fd dir = -1;
    auto_fd fd = -1;
    TRY(fd_open_directory(folder, &dir, e));
    int error = private_file_create(dir, slash + 1, &fd);
    return error == 0 || error == EEXIST ? STATUS_OK : err_set_errno(e, error, path);
}
