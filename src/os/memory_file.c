// SPDX-License-Identifier: Apache-2.0
#include "os/memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"

enum {
    SEALS_SIZE = F_SEAL_SHRINK | F_SEAL_GROW,
    SEALS_ALL = SEALS_SIZE | F_SEAL_WRITE | F_SEAL_SEAL,
    SEALS_PUBLISHED = SEALS_SIZE | F_SEAL_FUTURE_WRITE,
};

status memory_file_new(const char *name, int *ret_fd, err *e) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return err_set_errno(e, errno, "memfd_create");
    }
    *ret_fd = fd;
    return STATUS_OK;
}

static status seal(int fd, int seals, err *e) {
    if (fcntl(fd, F_ADD_SEALS, seals) != 0) {
        return err_set_errno(e, errno, "seal a memory file");
    }
    return STATUS_OK;
}

status memory_file_seal(int fd, err *e) { return seal(fd, SEALS_ALL, e); }

status memory_file_from_bytes(const char *name, slice bytes, int *ret_fd, err *e) {
    auto_fd fd = -1;
    TRY(memory_file_new(name, &fd, e));
    TRY(fd_write_all(fd, bytes, e));
    TRY(seal(fd, SEALS_ALL, e));
    *ret_fd = fd;
    fd = -1;
    return STATUS_OK;
}

// Copies until the end of the file, wherever that turns out to be: its size is not believed beforehand.
static status copy_contents(int from, int to, size_t max, err *e) {
    uint8_t chunk[65536];
    uint64_t offset = 0;
    for (;;) {
        size_t n = 0;
        TRY(fd_read_at(from, chunk, sizeof chunk, offset, &n, e));
        offset += n;
        if (offset > max) {
            return err_set(e, STATUS_LIMIT, "the file is larger than %zu bytes, the most that is accepted",
                           max);
        }
        TRY(fd_write_all(to, slice_of(chunk, n), e));
        if (n < sizeof chunk) {
            return STATUS_OK;
        }
    }
}

status memory_file_copy(const char *name, int fd, size_t max, int *ret_fd, err *e) {
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return err_set_errno(e, errno, "stat");
    }
    if (!S_ISREG(st.st_mode)) {
        return err_set(e, STATUS_INVALID, "not a regular file");
    }
    if (st.st_size < 0 || (uint64_t)st.st_size > max) {
        return err_set(e, STATUS_LIMIT, "the file has %lld bytes; at most %zu are accepted",
                       (long long)st.st_size, max);
    }
    auto_fd copy = -1;
    TRY(memory_file_new(name, &copy, e));
    TRY(copy_contents(fd, copy, max, e));
    TRY(seal(copy, SEALS_ALL, e));
    *ret_fd = copy;
    copy = -1;
    return STATUS_OK;
}

status memory_file_shared(const char *name, size_t bytes, int *ret_fd, err *e) {
    auto_fd fd = -1;
    TRY(memory_file_new(name, &fd, e));
    if (ftruncate(fd, (off_t)bytes) != 0) {
        return err_set_errno(e, errno, "size a memory file");
    }
    TRY(seal(fd, SEALS_SIZE | F_SEAL_SEAL, e));
    *ret_fd = fd;
    fd = -1;
    return STATUS_OK;
}

static status map(int fd, size_t bytes, int protection, memory_map *ret, err *e) {
    void *data = NULL;
    if (bytes > 0) {
        data = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED) {
            return err_set_errno(e, errno, "map a memory file");
        }
    }
    *ret = (memory_map){data, bytes};
    return STATUS_OK;
}

status memory_file_published(const char *name, size_t bytes, int *ret_fd, memory_map *ret, err *e) {
    auto_fd fd = -1;
    memory_map made;
    TRY(memory_file_new(name, &fd, e));
    if (ftruncate(fd, (off_t)bytes) != 0) {
        return err_set_errno(e, errno, "size a memory file");
    }
    TRY(map(fd, bytes, PROT_READ | PROT_WRITE, &made, e));
    status s = seal(fd, SEALS_PUBLISHED | F_SEAL_SEAL, e); // mappings from before may still write
    if (s != STATUS_OK) {
        memory_map_done(&made);
        return s;
    }
    *ret = made;
    *ret_fd = fd;
    fd = -1;
    return STATUS_OK;
}

static status check_file(int fd, int seals_wanted, size_t *ret_bytes, err *e) {
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || fstat(fd, &st) != 0) {
        return err_set_errno(e, errno, "inspect a memory file");
    }
    if ((seals & seals_wanted) != seals_wanted) {
        return err_set(e, STATUS_INVALID, "the memory file is not sealed");
    }
    *ret_bytes = (size_t)st.st_size;
    return STATUS_OK;
}

status memory_map_read(int fd, size_t max, memory_map *ret, err *e) {
    size_t bytes = 0;
    TRY(check_file(fd, SEALS_SIZE | F_SEAL_WRITE, &bytes, e));
    if (bytes > max) {
        return err_set(e, STATUS_LIMIT, "the memory file has %zu bytes; at most %zu are accepted", bytes,
                       max);
    }
    return map(fd, bytes, PROT_READ, ret, e);
}

status memory_map_watch(int fd, size_t bytes, memory_map *ret, err *e) {
    size_t actual = 0;
    TRY(check_file(fd, SEALS_PUBLISHED, &actual, e));
    if (actual != bytes) {
        return err_set(e, STATUS_INVALID, "the memory file has %zu bytes instead of %zu", actual, bytes);
    }
    return map(fd, bytes, PROT_READ, ret, e);
}

status memory_map_shared(int fd, size_t bytes, memory_map *ret, err *e) {
    size_t actual = 0;
    TRY(check_file(fd, SEALS_SIZE, &actual, e));
    if (actual != bytes) {
        return err_set(e, STATUS_INVALID, "the memory file has %zu bytes instead of %zu", actual, bytes);
    }
    return map(fd, bytes, PROT_READ | PROT_WRITE, ret, e);
}

void memory_map_done(memory_map *m) {
    if (m->data != NULL) {
        (void)munmap(m->data, m->len);
    }
    *m = (memory_map){NULL, 0};
}
