// SPDX-License-Identifier: Apache-2.0
// Streams over open files. Files are always ready (see descriptor.h on time), so nothing here waits; a stream
// keeps its descriptor alive and a position of its own.
#include <errno.h>

#include "base/mem.h"
#include "capability/filesystem/descriptor.h"

enum { WRITE_PERMIT = 1 << 20 };

static wasi_io_state failed(wasi_failure *failure, int error, const char *what) {
    return wasi_fail(failure, &wasi_filesystem_types_interface, filesystem_code(error), "%s a file: %s", what,
                     strerrordesc_np(error));
}

// --- reading ---------------------------------------------------------------------------------------------

typedef struct file_input {
    wasi_io_streams_input_stream base;
    const descriptor *from;
    uint64_t offset;
} file_input;

static void input_free(wasi_resource *r) { mem_free((file_input *)r); }

static wasi_io_state input_read(wasi_io_streams_input_stream *s, size_t max, slice *ret,
                                wasi_failure *failure) {
    file_input *f = (file_input *)s;
    uint8_t *bytes = wasi_instance_scratch(s->base.instance);
    size_t got = 0;
    int error =
        file_read(f->from->fd, bytes, max < WASI_SCRATCH_BYTES ? max : WASI_SCRATCH_BYTES, f->offset, &got);
    if (error != 0) {
        return failed(failure, error, "read");
    }
    f->offset += got;
    *ret = slice_of(bytes, got);
    return got == 0 ? WASI_IO_CLOSED : WASI_IO_OK;
}

static wasi_io_state input_skip(wasi_io_streams_input_stream *s, uint64_t max, uint64_t *ret,
                                wasi_failure *failure) {
    file_input *f = (file_input *)s;
    file_info info;
    int error = file_info_of(f->from->fd, &info);
    if (error != 0) {
        return failed(failure, error, "skip in");
    }
    uint64_t left = info.size > f->offset ? info.size - f->offset : 0;
    *ret = max < left ? max : left;
    f->offset += *ret;
    return left == 0 ? WASI_IO_CLOSED : WASI_IO_OK;
}

static bool input_ready(wasi_io_streams_input_stream *s) {
    (void)s;
    return true;
}

static int check_offset(uint64_t offset) { return offset > INT64_MAX ? EINVAL : 0; }

static int input_new(descriptor *d, uint64_t offset, wasi_io_streams_input_stream **ret) {
    static const wasi_resource_ops resource_ops = {.free = input_free};
    static const wasi_input_ops ops = {.read = input_read, .skip = input_skip, .ready = input_ready};
    if (!d->can_read) {
        return EBADF;
    }
    file_input *f = MEM_NEW(file_input);
    if (wasi_input_stream_init(&f->base, d->base.instance, &resource_ops, &ops, &d->base, NULL) !=
        STATUS_OK) {
        mem_free(f);
        return EDQUOT;
    }
    f->from = d;
    f->offset = offset;
    *ret = &f->base;
    return 0;
}

status
wasi_filesystem_types_descriptor_read_via_stream(host_call *call, descriptor *self, uint64_t offset,
                                                 wasi_filesystem_types_result_input_stream_error_code *ret,
                                                 err *e) {
    (void)call, (void)e;
    int error = check_offset(offset);
    FILESYSTEM_ANSWER(ret, error != 0 ? error : input_new(self, offset, &ret->ok));
}

// --- writing ---------------------------------------------------------------------------------------------

typedef struct file_output {
    wasi_io_streams_output_stream base;
    const descriptor *to;
    uint64_t offset;
    bool appends;
} file_output;

static void output_free(wasi_resource *r) { mem_free((file_output *)r); }

static wasi_io_state output_check_write(wasi_io_streams_output_stream *s, uint64_t *ret_permit,
                                        wasi_failure *failure) {
    (void)s, (void)failure;
    *ret_permit = WRITE_PERMIT;
    return WASI_IO_OK;
}

static wasi_io_state output_write(wasi_io_streams_output_stream *s, slice bytes, wasi_failure *failure) {
    file_output *f = (file_output *)s;
    size_t at = 0;
    while (at < bytes.len) {
        size_t done = 0;
        int error = f->appends ? file_append(f->to->fd, bytes.data + at, bytes.len - at, &done)
                               : file_write(f->to->fd, bytes.data + at, bytes.len - at, f->offset, &done);
        if (error == 0 && done == 0) {
            error = ENOSPC;
        }
        if (error != 0) {
            return failed(failure, error, "write");
        }
        at += done;
        f->offset += done;
    }
    return WASI_IO_OK;
}

static bool output_ready(wasi_io_streams_output_stream *s) {
    (void)s;
    return true;
}

static int output_new(descriptor *d, uint64_t offset, bool appends, wasi_io_streams_output_stream **ret) {
    static const wasi_resource_ops resource_ops = {.free = output_free};
    static const wasi_output_ops ops = {
        .check_write = output_check_write, .write = output_write, .ready = output_ready};
    if (!d->can_write) {
        return EBADF;
    }
    file_output *f = MEM_NEW(file_output);
    if (wasi_output_stream_init(&f->base, d->base.instance, &resource_ops, &ops, &d->base, NULL) !=
        STATUS_OK) {
        mem_free(f);
        return EDQUOT;
    }
    f->to = d;
    f->offset = offset;
    f->appends = appends;
    *ret = &f->base;
    return 0;
}

status
wasi_filesystem_types_descriptor_write_via_stream(host_call *call, descriptor *self, uint64_t offset,
                                                  wasi_filesystem_types_result_output_stream_error_code *ret,
                                                  err *e) {
    (void)call, (void)e;
    int error = check_offset(offset);
    FILESYSTEM_ANSWER(ret, error != 0 ? error : output_new(self, offset, false, &ret->ok));
}

status wasi_filesystem_types_descriptor_append_via_stream(
    host_call *call, descriptor *self, wasi_filesystem_types_result_output_stream_error_code *ret, err *e) {
    (void)call, (void)e;
    FILESYSTEM_ANSWER(ret, output_new(self, 0, true, &ret->ok));
}

status wasi_filesystem_types_filesystem_error_code(host_call *call, wasi_io_error_error *err_,
                                                   wasi_filesystem_types_option_error_code *ret, err *e) {
    (void)call, (void)e;
    ret->some = err_->failure.origin == &wasi_filesystem_types_interface;
    if (ret->some) {
        ret->value = (wasi_filesystem_types_error_code)err_->failure.code;
    }
    return STATUS_OK;
}
