// SPDX-License-Identifier: Apache-2.0
// Descriptors of wasi:filesystem: open files and directories below a granted one. Shared by the files of this
// folder.
//
// Authority: a descriptor inherits from its granted directory whether it may change anything. `open-at` is
// the only way to a new one, and paths never lead out (path.h). Only regular files and directories are ever
// opened. Time: calls on files are synchronous. They work on the page cache, as the machine's own programs
// do, and are bounded in bytes; handing each to another thread would cost more than it takes. What can take
// long, and so delays other guests of this worker, is sync and sync-data; a directory on a slow network file
// system is better not granted.
#pragma once

#include "capability/filesystem/path.h"
#include "capability/stream.h"
#include "os/file.h"
#include "wasi/filesystem_types.h"

struct wasi_filesystem_types_descriptor {
    wasi_resource base;
    int fd;
    bool is_directory;
    bool is_read_only; // nothing may be changed through it
    bool can_read;     // a file
    bool can_write;
    uint8_t sync_flags; // of wasi_filesystem_types_descriptor_flags
};

typedef wasi_filesystem_types_descriptor descriptor;

// Takes `fd`, also on failure. EDQUOT when the instance has too many open.
int descriptor_new(wasi_instance *i, int fd, const descriptor *like, descriptor **ret) WRIT_MUST_USE;

static inline path_base descriptor_base(const descriptor *d) {
    return (path_base){.fd = d->fd, .walks = d->base.instance->workload->walks_paths};
}

// ENOTDIR, and for changes EROFS.
int descriptor_check_directory(const descriptor *d, bool changes) WRIT_MUST_USE;

wasi_filesystem_types_error_code filesystem_code(int errno_value);
wasi_filesystem_types_descriptor_type filesystem_type(file_kind kind);
// EINVAL for times that the kernel cannot hold.
int filesystem_times(const wasi_filesystem_types_new_timestamp *access,
                     const wasi_filesystem_types_new_timestamp *modify, file_times *ret) WRIT_MUST_USE;
void filesystem_stat(const file_info *info, wasi_filesystem_types_descriptor_stat_data *ret);
wasi_filesystem_types_metadata_hash_value filesystem_hash(const wasi_instance *i, const file_info *info);

// Puts an errno value into a result with `is_err` and `err`, and returns from a function of the interface.
#define FILESYSTEM_ANSWER(ret, errno_value)        \
    do {                                           \
        int answer_ = (errno_value);               \
        (ret)->is_err = answer_ != 0;              \
        if (answer_ != 0) {                        \
            (ret)->err = filesystem_code(answer_); \
        }                                          \
        return STATUS_OK;                          \
    } while (0)
