// SPDX-License-Identifier: Apache-2.0
#include "crypto/secret_line.h"

#include <string.h>

#include "os/fd.h"
#include "os/private.h"

status secret_line_read(const char *path, size_t bytes_max, secret *ret, err *e) {
    auto_fd fd = -1;
    auto_secret memory = {0};
    size_t len = 0;
    TRY(private_secret_open(-1, path, path, &fd, e));
    TRY(secret_new(bytes_max + 2, &memory, e));
    TRY(fd_read_at(fd, memory.data, memory.len, 0, &len, e));
    slice text = slice_of(memory.data, len);
    size_t end = slice_find(text, 0, '\n');
    end = end == SIZE_MAX ? len : end;
    end -= end > 0 && text.data[end - 1] == '\r';
    if (end == 0 || end > bytes_max) {
        return err_set(e, STATUS_INVALID, "the first line of %s is empty or longer than %zu bytes", path,
                       bytes_max);
    }
    TRY(secret_new(end, ret, e));
    memcpy(ret->data, memory.data, end);
    return STATUS_OK;
}
