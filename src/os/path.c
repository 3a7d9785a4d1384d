// SPDX-License-Identifier: Apache-2.0
#include "os/path.h"

#include <string.h>

bool path_split(const char *path, char *ret_directory, size_t size, const char **ret_name) {
    const char *slash = strrchr(path, '/');
    const char *directory = slash == NULL ? "." : path;
    size_t len = slash == NULL || slash == path ? 1 : (size_t)(slash - path);
    if (len >= size) {
        return false;
    }
    memcpy(ret_directory, directory, len);
    ret_directory[len] = '\0';
    *ret_name = slash == NULL ? path : slash + 1;
    return true;
}
