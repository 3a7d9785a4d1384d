// SPDX-License-Identifier: Apache-2.0
// Between what the kernel says and what the interface says.
#include <errno.h>

#include "capability/filesystem/descriptor.h"

#define CODE(name) WASI_FILESYSTEM_TYPES_ERROR_CODE_##name

static const struct {
    int errno_value;
    wasi_filesystem_types_error_code code;
} codes[] = {
    {EACCES, CODE(ACCESS)},
    {EAGAIN, CODE(WOULD_BLOCK)},
    {EALREADY, CODE(ALREADY)},
    {EBADF, CODE(BAD_DESCRIPTOR)},
    {EBUSY, CODE(BUSY)},
    {EDEADLK, CODE(DEADLOCK)},
    {EDQUOT, CODE(QUOTA)},
    {EEXIST, CODE(EXIST)},
    {EFBIG, CODE(FILE_TOO_LARGE)},
    {EILSEQ, CODE(ILLEGAL_BYTE_SEQUENCE)},
    {EINPROGRESS, CODE(IN_PROGRESS)},
    {EINTR, CODE(INTERRUPTED)},
    {EINVAL, CODE(INVALID)},
    {EIO, CODE(IO)},
    {EISDIR, CODE(IS_DIRECTORY)},
    {ELOOP, CODE(LOOP)},
    {EMLINK, CODE(TOO_MANY_LINKS)},
    {EMSGSIZE, CODE(MESSAGE_SIZE)},
    {ENAMETOOLONG, CODE(NAME_TOO_LONG)},
    {ENODEV, CODE(NO_DEVICE)},
    {ENOENT, CODE(NO_ENTRY)},
    {ENOLCK, CODE(NO_LOCK)},
    {ENOMEM, CODE(INSUFFICIENT_MEMORY)},
    {EMFILE, CODE(INSUFFICIENT_MEMORY)}, // of this process, not of the guest
    {ENFILE, CODE(INSUFFICIENT_MEMORY)},
    {ENOSPC, CODE(INSUFFICIENT_SPACE)},
    {ENOTDIR, CODE(NOT_DIRECTORY)},
    {ENOTEMPTY, CODE(NOT_EMPTY)},
    {ENOTRECOVERABLE, CODE(NOT_RECOVERABLE)},
    {ENOTSUP, CODE(UNSUPPORTED)},
    {ENOSYS, CODE(UNSUPPORTED)},
    {ENOTTY, CODE(NO_TTY)},
    {ENXIO, CODE(NO_SUCH_DEVICE)},
    {EOVERFLOW, CODE(OVERFLOW)},
    {EPERM, CODE(NOT_PERMITTED)},
    {EPIPE, CODE(PIPE)},
    {EROFS, CODE(READ_ONLY)},
    {ESPIPE, CODE(INVALID_SEEK)},
    {ETXTBSY, CODE(TEXT_FILE_BUSY)},
    {EXDEV, CODE(CROSS_DEVICE)},
};

wasi_filesystem_types_error_code filesystem_code(int errno_value) {
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].errno_value == errno_value) {
            return codes[i].code;
        }
    }
    return CODE(IO);
}

wasi_filesystem_types_descriptor_type filesystem_type(file_kind kind) {
    switch (kind) {
    case FILE_KIND_BLOCK_DEVICE:
        return WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_BLOCK_DEVICE;
    case FILE_KIND_CHARACTER_DEVICE:
        return WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_CHARACTER_DEVICE;
    case FILE_KIND_DIRECTORY:
        return WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_DIRECTORY;
    case FILE_KIND_FIFO:
        return WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_FIFO;
    case FILE_KIND_SYMBOLIC_LINK:
        return WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_SYMBOLIC_LINK;
    case FILE_KIND_REGULAR:
        return WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_REGULAR_FILE;
    case FILE_KIND_SOCKET:
        return WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_SOCKET;
    case FILE_KIND_UNKNOWN:
        break;
    }
    return WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_UNKNOWN;
}

// --- times -----------------------------------------------------------------------------------------------

static int time_to_kernel(const wasi_filesystem_types_new_timestamp *t, file_time_mode *ret_mode,
                          file_time *ret) {
    switch (t->tag) {
    case WASI_FILESYSTEM_TYPES_NEW_TIMESTAMP_NO_CHANGE:
        *ret_mode = FILE_TIME_KEEP;
        return 0;
    case WASI_FILESYSTEM_TYPES_NEW_TIMESTAMP_NOW:
        *ret_mode = FILE_TIME_NOW;
        return 0;
    default:
        break;
    }
    if (t->of.timestamp.seconds > INT64_MAX || t->of.timestamp.nanoseconds >= 1000000000) {
        return EINVAL;
    }
    *ret_mode = FILE_TIME_SET;
    *ret =
        (file_time){.seconds = (int64_t)t->of.timestamp.seconds, .nanoseconds = t->of.timestamp.nanoseconds};
    return 0;
}

int filesystem_times(const wasi_filesystem_types_new_timestamp *access,
                     const wasi_filesystem_types_new_timestamp *modify, file_times *ret) {
    *ret = (file_times){.access_mode = FILE_TIME_KEEP};
    int error = time_to_kernel(access, &ret->access_mode, &ret->accessed);
    return error != 0 ? error : time_to_kernel(modify, &ret->modify_mode, &ret->modified);
}

// The interface has no times before 1970.
static wasi_filesystem_types_option_datetime time_to_guest(file_time t) {
    return (wasi_filesystem_types_option_datetime){
        .some = t.seconds >= 0,
        .value = {.seconds = t.seconds < 0 ? 0 : (uint64_t)t.seconds, .nanoseconds = t.nanoseconds},
    };
}

void filesystem_stat(const file_info *info, wasi_filesystem_types_descriptor_stat_data *ret) {
    *ret = (wasi_filesystem_types_descriptor_stat_data){
        .type = filesystem_type(info->kind),
        .link_count = info->link_count,
        .size = info->size,
        .data_access_timestamp = time_to_guest(info->accessed),
        .data_modification_timestamp = time_to_guest(info->modified),
        .status_change_timestamp = time_to_guest(info->changed),
    };
}

// Libraries of guests use the hash as the inode number, to find out whether two names mean one file. So it
// depends on the identity of the file alone, though the interface would like it to change with the contents
// too.
wasi_filesystem_types_metadata_hash_value filesystem_hash(const wasi_instance *i, const file_info *info) {
    uint64_t input[3] = {info->device, info->inode, 0};
    siphash_key key = i->workload->metadata_key;
    uint64_t lower = siphash(key, slice_of(input, sizeof input));
    input[2] = 1;
    uint64_t upper = siphash(key, slice_of(input, sizeof input));
    return (wasi_filesystem_types_metadata_hash_value){.lower = lower, .upper = upper};
}
