// SPDX-License-Identifier: Apache-2.0
#include "driver/blobstore/directory_names.h"

#include <stdio.h>

static bool is_plain(uint8_t byte, bool is_first) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte >= 0x80 || (byte == '.' && !is_first) || (byte != 0 && strchr("-_~+=,@", byte) != NULL);
}

bool directory_path(slice name, char ret[DIRECTORY_PATH_BYTES_MAX]) {
    size_t at = 0;    // in `ret`
    size_t piece = 0; // where its piece begins
    if (name.len == 0 || name.len > BLOBSTORE_OBJECT_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (at - piece + 3 > DIRECTORY_PIECE_BYTES_MAX) {
            ret[at++] = '%';
            ret[at++] = '/';
            piece = at;
        }
        if (is_plain(name.data[i], at == piece)) {
            ret[at++] = (char)name.data[i];
        } else {
            at += (size_t)snprintf(ret + at, 4, "%%%02X", name.data[i]);
        }
    }
    ret[at] = '\0';
    return true;
}

static int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

// What is not the one spelling is found by writing it again.
bool directory_name(const char *path, uint8_t ret[BLOBSTORE_OBJECT_BYTES_MAX], size_t *ret_len) {
    char again[DIRECTORY_PATH_BYTES_MAX];
    size_t len = 0;
    for (const char *p = path; *p != '\0'; p++) {
        if (len == BLOBSTORE_OBJECT_BYTES_MAX) {
            return false;
        }
        if (p[0] == '%' && p[1] == '/') {
            p++;
        } else if (p[0] != '%') {
            ret[len++] = (uint8_t)*p;
        } else if (digit(p[1]) >= 0 && digit(p[2]) >= 0) {
            ret[len++] = (uint8_t)(digit(p[1]) * 16 + digit(p[2]));
            p += 2;
        } else {
            return false;
        }
    }
    *ret_len = len;
    return directory_path(slice_of(ret, len), again) && strcmp(again, path) == 0;
}
