// SPDX-License-Identifier: Apache-2.0
// What works on an open file or directory itself.
#include "capability/filesystem/descriptor.h"

#include <errno.h>

#include "base/mem.h"
#include "os/fd.h"

enum { WRITE_BYTES_MAX = 1 << 20 }; // of one call; guests go on where it stopped

// --- life ------------------------------------------------------------------------------------------------

static void descriptor_free(wasi_resource *r) {
    descriptor *d = (descriptor *)r;
    fd_close(d->fd);
    mem_free(d);
}

void wasi_filesystem_types_descriptor_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((descriptor *)rep)->base);
}

int descriptor_new(wasi_instance *i, int fd, const descriptor *like, descriptor **ret) {
    static const wasi_resource_ops ops = {.free = descriptor_free};
    descriptor *d = WASI_NEW(i, descriptor, &ops, WASI_CLASS_FILE, NULL, NULL);
    if (d == NULL) {
        fd_close(fd);
        return EDQUOT;
    }
    d->fd = fd;
    d->is_directory = like->is_directory;
    d->is_read_only = like->is_read_only;
    d->can_read = like->can_read;
    d->can_write = like->can_write;
    d->sync_flags = like->sync_flags;
    *ret = d;
    return 0;
}

int descriptor_check_directory(const descriptor *d, bool changes) {
    if (!d->is_directory) {
        return ENOTDIR;
    }
    return changes && d->is_read_only ? EROFS : 0;
}

// Contents: of files only, and in the mode in which they were opened.
static int check_read(const descriptor *d) { return d->can_read ? 0 : EBADF; }
static int check_write(const descriptor *d) { return d->can_write ? 0 : EBADF; }

// --- metadata --------------------------------------------------------------------------------------------

status
wasi_filesystem_types_descriptor_get_flags(host_call *call, descriptor *self,
                                           wasi_filesystem_types_result_descriptor_flags_error_code *ret,
                                           err *e) {
    (void)call, (void)e;
    unsigned flags = self->sync_flags;
    if (self->is_directory) {
        flags |= WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_READ;
        flags |= self->is_read_only ? 0 : WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_MUTATE_DIRECTORY;
    } else {
        flags |= self->can_read ? WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_READ : 0;
        flags |= self->can_write ? WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_WRITE : 0;
    }
    ret->ok = (wasi_filesystem_types_descriptor_flags)flags;
    FILESYSTEM_ANSWER(ret, 0);
}

status wasi_filesystem_types_descriptor_get_type(host_call *call, descriptor *self,
                                                 wasi_filesystem_types_result_descriptor_type_error_code *ret,
                                                 err *e) {
    (void)call, (void)e;
    ret->ok = filesystem_type(self->is_directory ? FILE_KIND_DIRECTORY : FILE_KIND_REGULAR);
    FILESYSTEM_ANSWER(ret, 0);
}

status wasi_filesystem_types_descriptor_stat(host_call *call, descriptor *self,
                                             wasi_filesystem_types_result_descriptor_stat_error_code *ret,
                                             err *e) {
    (void)call, (void)e;
    file_info info;
    int error = file_info_of(self->fd, &info);
    if (error == 0) {
        filesystem_stat(&info, &ret->ok);
    }
    FILESYSTEM_ANSWER(ret, error);
}

status wasi_filesystem_types_descriptor_is_same_object(host_call *call, descriptor *self, descriptor *other,
                                                       bool *ret, err *e) {
    (void)call, (void)e;
    file_info a, b;
    *ret = file_info_of(self->fd, &a) == 0 && file_info_of(other->fd, &b) == 0 && a.device == b.device &&
           a.inode == b.inode;
    return STATUS_OK;
}

status wasi_filesystem_types_descriptor_metadata_hash(
    host_call *call, descriptor *self, wasi_filesystem_types_result_metadata_hash_value_error_code *ret,
    err *e) {
    (void)e;
    file_info info;
    int error = file_info_of(self->fd, &info);
    if (error == 0) {
        ret->ok = filesystem_hash(wasi_of(call), &info);
    }
    FILESYSTEM_ANSWER(ret, error);
}

status wasi_filesystem_types_descriptor_set_times(
    host_call *call, descriptor *self, const wasi_filesystem_types_new_timestamp *data_access_timestamp,
    const wasi_filesystem_types_new_timestamp *data_modification_timestamp,
    wasi_filesystem_types_result_void_error_code *ret, err *e) {
    (void)call, (void)e;
    file_times times;
    int error = self->is_read_only ? EROFS : 0;
    if (error == 0) {
        error = filesystem_times(data_access_timestamp, data_modification_timestamp, &times);
    }
    FILESYSTEM_ANSWER(ret, error != 0 ? error : file_set_times(self->fd, &times));
}

status wasi_filesystem_types_descriptor_set_size(host_call *call, descriptor *self, uint64_t size,
                                                 wasi_filesystem_types_result_void_error_code *ret, err *e) {
    (void)call, (void)e;
    int error = check_write(self);
    FILESYSTEM_ANSWER(ret, error != 0 ? error : file_set_size(self->fd, size));
}

status wasi_filesystem_types_descriptor_advise(host_call *call, descriptor *self, uint64_t offset,
                                               uint64_t length, wasi_filesystem_types_advice advice,
                                               wasi_filesystem_types_result_void_error_code *ret, err *e) {
    (void)call, (void)e;
    static const file_advice kernel[] = {
        [WASI_FILESYSTEM_TYPES_ADVICE_NORMAL] = FILE_ADVICE_NORMAL,
        [WASI_FILESYSTEM_TYPES_ADVICE_SEQUENTIAL] = FILE_ADVICE_SEQUENTIAL,
        [WASI_FILESYSTEM_TYPES_ADVICE_RANDOM] = FILE_ADVICE_RANDOM,
        [WASI_FILESYSTEM_TYPES_ADVICE_WILL_NEED] = FILE_ADVICE_WILL_NEED,
        [WASI_FILESYSTEM_TYPES_ADVICE_DONT_NEED] = FILE_ADVICE_DONT_NEED,
        [WASI_FILESYSTEM_TYPES_ADVICE_NO_REUSE] = FILE_ADVICE_NO_REUSE,
    };
    FILESYSTEM_ANSWER(ret,
                      self->is_directory ? EBADF : file_advise(self->fd, offset, length, kernel[advice]));
}

// A guest without the right to change anything cannot make the disk work either.
static int sync_descriptor(const descriptor *d, bool data_only) {
    return d->is_read_only ? 0 : file_sync(d->fd, data_only);
}

status wasi_filesystem_types_descriptor_sync(host_call *call, descriptor *self,
                                             wasi_filesystem_types_result_void_error_code *ret, err *e) {
    (void)call, (void)e;
    FILESYSTEM_ANSWER(ret, sync_descriptor(self, false));
}

status wasi_filesystem_types_descriptor_sync_data(host_call *call, descriptor *self,
                                                  wasi_filesystem_types_result_void_error_code *ret, err *e) {
    (void)call, (void)e;
    FILESYSTEM_ANSWER(ret, sync_descriptor(self, true));
}

// --- contents --------------------------------------------------------------------------------------------

status wasi_filesystem_types_descriptor_read(host_call *call, descriptor *self, uint64_t length,
                                             uint64_t offset,
                                             wasi_filesystem_types_result_tuple_list_u8_bool_error_code *ret,
                                             err *e) {
    (void)e;
    size_t len = length < WASI_SCRATCH_BYTES ? (size_t)length : WASI_SCRATCH_BYTES;
    uint8_t *bytes = wasi_instance_scratch(wasi_of(call));
    size_t got = 0;
    int error = check_read(self);
    if (error == 0) {
        error = file_read(self->fd, bytes, len, offset, &got);
    }
    if (error == 0) {
        ret->ok.f0 = slice_of(bytes, got);
        ret->ok.f1 = got < len;
    }
    FILESYSTEM_ANSWER(ret, error);
}

status wasi_filesystem_types_descriptor_write(host_call *call, descriptor *self, slice buffer,
                                              uint64_t offset,
                                              wasi_filesystem_types_result_u64_error_code *ret, err *e) {
    (void)call, (void)e;
    size_t len = buffer.len < WRITE_BYTES_MAX ? buffer.len : WRITE_BYTES_MAX;
    size_t done = 0;
    int error = check_write(self);
    if (error == 0) {
        error = file_write(self->fd, buffer.data, len, offset, &done);
    }
    if (error == 0) {
        ret->ok = done;
    }
    FILESYSTEM_ANSWER(ret, error);
}
