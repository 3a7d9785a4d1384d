// SPDX-License-Identifier: Apache-2.0
// The key is written to a file of another name and then linked, so that a reader never sees half of it.
#include "crypto/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#include "os/fd.h"
#include "os/file.h"
#include "os/private.h"
#include "os/random.h"

static status key_read(int fd, const char *name, uint8_t ret[HASH_KEY_BYTES], err *e) {
    if (!private_file_is_ours(fd, true)) {
        return err_set(e, STATUS_DENIED,
                       "the key file %s must belong to this user and be readable by nobody else", name);
    }
    uint8_t bytes[HASH_KEY_BYTES + 1]; // one more, to notice a longer file
    size_t len = 0;
    TRY(fd_read_at(fd, bytes, sizeof bytes, 0, &len, e));
    if (len != HASH_KEY_BYTES) {
        return err_set(e, STATUS_INVALID, "the key file %s is damaged: remove it to get a new one", name);
    }
    memcpy(ret, bytes, HASH_KEY_BYTES);
    sodium_memzero(bytes, sizeof bytes);
    return STATUS_OK;
}

static status key_make(int dir, const char *name, err *e) {
    char temporary[64];
    snprintf(temporary, sizeof temporary, "new-key-%016" PRIx64, random_u64());
    auto_fd fd = -1;
    int failed = private_file_create(dir, temporary, &fd);
    if (failed != 0) {
        return err_set_errno(e, failed, "make a key file");
    }
    uint8_t key[HASH_KEY_BYTES];
    random_fill(key, sizeof key);
    status s = fd_write_all(fd, slice_of(key, sizeof key), e);
    sodium_memzero(key, sizeof key);
    if (s == STATUS_OK) {
        failed = file_sync(fd, false);
        failed = failed == 0 ? file_link(dir, temporary, dir, name) : failed;
        s = failed == 0 || failed == EEXIST ? STATUS_OK : err_set_errno(e, failed, "make a key file");
    }
    (void)!file_remove(dir, temporary);
    return s;
}

status key_file_load(int dir, const char *name, uint8_t ret[HASH_KEY_BYTES], err *e) {
    auto_fd fd = -1;
    int failed = file_open_component(dir, name, O_RDONLY, &fd);
    if (failed == ENOENT) {
        TRY(key_make(dir, name, e));
        failed = file_open_component(dir, name, O_RDONLY, &fd);
    }
    if (failed != 0) {
        return err_set_errno(e, failed, "open a key file");
    }
    return key_read(fd, name, ret, e);
}

void key_wipe(uint8_t key[HASH_KEY_BYTES]) { sodium_memzero(key, HASH_KEY_BYTES); }
