// SPDX-License-Identifier: Apache-2.0
#include "secrets/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "codec/utf.h"
#include "identity/secret_store.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/private.h"
#include "secrets/threaded.h"

enum { SHOWN_BYTES = 600, TARGET_BYTES = FILES_NAME_BYTES_MAX + 2 };

static const char data_name[] = "..data";

typedef struct files {
    threaded_backend base;
    char *directory;
} files;

bool files_name_is_valid(slice name) {
    bool good = name.len > 0 && name.len <= FILES_NAME_BYTES_MAX && !slice_starts_with(name, "..") &&
                !slice_equal_text(name, ".");
    for (size_t i = 0; good && i < name.len; i++) {
        uint8_t c = name.data[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-';
    }
    return good;
}

// --- one value ---------------------------------------------------------------------------------------------

static status read_value(int fd, const char *shown, secret_value *ret, err *e) {
    file_info info;
    size_t len = 0;
    secret_value v = {.kind = SECRET_BYTES};
    int failed = file_info_of(fd, &info);
    if (failed != 0) {
        return err_set_errno(e, failed, shown);
    }
    if (info.size == 0 || info.size > SECRET_VALUE_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "%s: a secret has 1 byte to %d KiB, and this file %llu bytes",
                       shown, SECRET_VALUE_BYTES_MAX >> 10, (unsigned long long)info.size);
    }
    TRY(secret_new((size_t)info.size, &v.bytes, e));
    status s = fd_read_at(fd, v.bytes.data, v.bytes.len, 0, &len, e);
    if (s == STATUS_OK && len != v.bytes.len) {
        s = err_set(e, STATUS_IO, "%s: it was written while it was read", shown);
    }
    if (s != STATUS_OK) {
        secret_value_free(&v);
        return s;
    }
    v.kind = utf8_valid(secret_slice(&v.bytes)) ? SECRET_TEXT : SECRET_BYTES;
    v.version = (uint64_t)info.modified.seconds;
    *ret = v;
    return STATUS_OK;
}

static status read_file(int dir, const char *name, const char *shown, secret_value *ret, err *e) {
    auto_fd fd = -1;
    int failed = file_open_component(dir, name, O_RDONLY, &fd);
    if (failed == ENOENT) {
        return err_set(e, STATUS_NOT_FOUND, "%s: there is no such file", shown);
    }
    if (failed != 0) {
        return failed == ELOOP ? err_set(e, STATUS_DENIED, "%s is a symbolic link", shown)
                               : err_set_errno(e, failed, shown);
    }
    TRY(private_mounted_check(fd, PRIVATE_MOUNTED_SECRET, shown, e));
    return read_value(fd, shown, ret, e);
}

// --- the files of one time ---------------------------------------------------------------------------------

static status open_directory(int dir, const char *name, const char *shown, int *ret_fd, err *e) {
    int failed = file_open_component(dir, name, O_RDONLY | O_DIRECTORY, ret_fd);
    return failed == 0 ? STATUS_OK
           : failed == ENOENT || failed == ENOTDIR
               ? err_set(e, STATUS_NOT_FOUND, "%s: there is no such directory", shown)
               : err_set_errno(e, failed, shown);
}

// The directory that `..data` leads to now; the mount itself where there is no such link. The link is one
// name, so it leads nowhere else.
static status open_snapshot(int mount, const char *shown, int *ret_fd, err *e) {
    char target[TARGET_BYTES], where[SHOWN_BYTES];
    size_t len = 0;
    int failed = file_read_link(mount, data_name, target, sizeof target - 1, &len);
    if (failed == ENOENT) {
        return fd_duplicate(mount, ret_fd, e);
    }
    target[failed == 0 ? len : 0] = '\0';
    (void)snprintf(where, sizeof where, "%s/%s", shown, data_name);
    if (failed != 0 || len == 0 || strchr(target, '/') != NULL || strcmp(target, "..") == 0) {
        return err_set(e, STATUS_DENIED, "%s is not a link to a directory beside it", where);
    }
    TRY(open_directory(mount, target, where, ret_fd, e));
    return private_mounted_check(*ret_fd, PRIVATE_MOUNTED_DIRECTORY, where, e);
}

static status open_mount(const files *f, const char *key, const char *shown, int *ret_fd, err *e) {
    auto_fd top = -1;
    TRY(fd_open_directory(f->directory, &top, e));
    TRY(private_mounted_check(top, PRIVATE_MOUNTED_PLACE, f->directory, e));
    if (key == NULL) {
        return open_snapshot(top, shown, ret_fd, e);
    }
    auto_fd mount = -1;
    TRY(open_directory(top, key, shown, &mount, e));
    TRY(private_mounted_check(mount, PRIVATE_MOUNTED_PLACE, shown, e));
    return open_snapshot(mount, shown, ret_fd, e);
}

// --- batches -----------------------------------------------------------------------------------------------

static const char *mount_of(const secret_fetch *f) { return f->field == NULL ? NULL : f->key; }

static bool is_same_mount(const secret_fetch *a, const secret_fetch *b) {
    const char *x = mount_of(a), *y = mount_of(b);
    return x == NULL || y == NULL ? x == y : strcmp(x, y) == 0;
}

static bool is_name(const char *name) { return name == NULL || files_name_is_valid(slice_from_text(name)); }

static status read_one(const files *f, int dir, secret_fetch *one) {
    char shown[SHOWN_BYTES];
    const char *name = one->field == NULL ? one->key : one->field;
    if (one->version != NULL || !is_name(one->key) || !is_name(one->field)) {
        return err_set(&one->e, STATUS_INVALID,
                       "secrets in files have names of letters, digits, \".\", "
                       "\"_\" and \"-\", and no versions");
    }
    (void)snprintf(shown, sizeof shown, "%s/%s%s%s", f->directory, one->key, one->field == NULL ? "" : "/",
                   one->field == NULL ? "" : one->field);
    return read_file(dir, name, shown, &one->value, &one->e);
}

// All items of the mount of item `first`, which is the first of them.
static void read_mount(const files *f, secret_batch *b, size_t first) {
    char shown[SHOWN_BYTES];
    auto_fd dir = -1;
    err e = {0};
    const char *key = mount_of(&b->items[first]);
    (void)snprintf(shown, sizeof shown, "%s%s%s", f->directory, key == NULL ? "" : "/",
                   key == NULL ? "" : key);
    status opened = is_name(key) ? open_mount(f, key, shown, &dir, &e) : STATUS_OK;
    for (size_t i = first; i < b->count; i++) {
        secret_fetch *one = &b->items[i];
        if (is_same_mount(one, &b->items[first])) {
            one->code =
                opened == STATUS_OK ? read_one(f, dir, one) : err_set(&one->e, opened, "%s", e.message);
        }
    }
}

static void read_files(threaded_backend *t, secret_batch *b) {
    const files *f = (files *)t;
    for (size_t i = 0; i < b->count; i++) {
        bool is_first = true;
        for (size_t k = 0; k < i && is_first; k++) {
            is_first = !is_same_mount(&b->items[i], &b->items[k]);
        }
        if (is_first) {
            read_mount(f, b, i);
        }
    }
}

static void release(threaded_backend *t) {
    mem_free(((files *)t)->directory);
    mem_free(t);
}

secret_backend *files_backend_new(const char *directory) {
    files *f = MEM_NEW(files);
    threaded_backend_init(&f->base, read_files, release);
    f->directory = mem_text_dup(directory);
    return &f->base.base;
}
