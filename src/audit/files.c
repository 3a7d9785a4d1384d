// SPDX-License-Identifier: Apache-2.0
#include "audit/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/path.h"
#include "os/private.h"

enum { DIRECTORY_ENTRIES_MAX = 1 << 20, PATH_BYTES_MAX = 4096, NUMBER_LEN = 6 };

static status open_directory(const char *path, bool make, int *ret, err *e) {
    return make ? private_directory_open(path, ret, e) : fd_open_directory(path, ret, e);
}

status audit_place_open(const char *path, bool make, audit_place *ret, err *e) {
    char dir[PATH_BYTES_MAX];
    const char *name = NULL;
    audit_place p = {.dir = -1};
    if (!path_split(path, dir, sizeof dir, &name) || name[0] == '\0' || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0 || strlen(name) > AUDIT_NAME_BYTES_MAX) {
        return err_set(e, STATUS_INVALID,
                       "audit log \"%.200s\": it needs the name of a file of at most %d bytes", path,
                       AUDIT_NAME_BYTES_MAX);
    }
    if (open_directory(dir, make, &p.dir, e) != STATUS_OK) {
        return err_wrap(e, "audit log");
    }
    snprintf(p.name, sizeof p.name, "%s", name);
    *ret = p;
    return STATUS_OK;
}

void audit_place_close(audit_place *p) {
    fd_close(p->dir);
    p->dir = -1;
}

audit_file_name audit_name_full(const audit_place *p, uint32_t number) {
    audit_file_name n;
    snprintf(n.text, sizeof n.text, "%s.%06u", p->name, (unsigned)number);
    return n;
}

audit_file_name audit_name_with(const audit_place *p, const char *ending) {
    audit_file_name n;
    snprintf(n.text, sizeof n.text, "%s%s", p->name, ending);
    return n;
}

// --- listing ----------------------------------------------------------------------------------------------

static bool number_of(const audit_place *p, const char *file, uint32_t *ret) {
    size_t len = strlen(p->name);
    uint64_t number;
    if (strncmp(file, p->name, len) != 0 || file[len] != '.' || strlen(file + len + 1) != NUMBER_LEN ||
        !slice_to_u64(slice_from_text(file + len + 1), &number) || number == 0) {
        return false;
    }
    *ret = (uint32_t)number;
    return true;
}

typedef struct numbers {
    uint32_t *list;
    size_t count;
    size_t capacity;
} numbers;

static void add_number(numbers *n, uint32_t number) {
    if (n->count == n->capacity) {
        n->capacity = n->capacity == 0 ? 16 : 2 * n->capacity;
        n->list = mem_resize(n->list, n->capacity * sizeof *n->list);
    }
    n->list[n->count++] = number;
}

static status read_numbers(const audit_place *p, numbers *n, err *e) {
    auto_fd fd = -1;
    file_listing files = {0};
    file_entry entry = {0};
    int failed = file_open_component(p->dir, ".", O_RDONLY | O_DIRECTORY, &fd);
    for (size_t i = 0; failed == 0 && i < DIRECTORY_ENTRIES_MAX; i++) {
        uint32_t number;
        failed = file_next_entry(fd, &files, &entry);
        if (failed == 0 && entry.name == NULL) {
            return STATUS_OK;
        }
        if (failed == 0 && number_of(p, entry.name, &number)) {
            add_number(n, number);
        }
    }
    return failed != 0 ? err_set_errno(e, failed, "directory of the audit log")
                       : err_set(e, STATUS_LIMIT, "the directory of the audit log has more than %d files",
                                 DIRECTORY_ENTRIES_MAX);
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

status audit_list_full(const audit_place *p, uint32_t **ret, size_t *ret_count, err *e) {
    numbers n = {0};
    status read = read_numbers(p, &n, e);
    if (read != STATUS_OK) {
        mem_free(n.list);
        return read;
    }
    if (n.count > 1) {
        qsort(n.list, n.count, sizeof *n.list, ascending);
    }
    *ret = n.list;
    *ret_count = n.count;
    return STATUS_OK;
}

// --- opening ----------------------------------------------------------------------------------------------

status audit_open_file(const audit_place *p, audit_file_name name, int flags, int *ret_fd, uint64_t *ret_size,
                       err *e) {
    auto_fd fd = -1;
    file_info info;
    int failed = file_open_component(p->dir, name.text, flags, &fd);
    if (failed == ENOENT) {
        return err_set(e, STATUS_NOT_FOUND, "audit log: there is no file %s", name.text);
    }
    failed = failed == 0 ? file_info_of(fd, &info) : failed;
    if (failed != 0) {
        err_set_errno(e, failed, name.text);
        return err_wrap(e, "audit log");
    }
    if (info.kind != FILE_KIND_REGULAR) {
        return err_set(e, STATUS_INVALID, "audit log: %s is not a regular file", name.text);
    }
    *ret_fd = fd;
    *ret_size = info.size;
    fd = -1;
    return STATUS_OK;
}

status audit_read_head(const audit_place *p, audit_seal *ret, err *e) {
    auto_fd fd = -1;
    uint64_t size;
    char text[AUDIT_HEAD_BYTES + 1];
    size_t len;
    TRY(audit_open_file(p, audit_name_with(p, ".head"), O_RDONLY, &fd, &size, e));
    TRY(fd_read_at(fd, text, sizeof text, 0, &len, e));
    return audit_head_read(slice_of(text, len), ret, e);
}
