// SPDX-License-Identifier: Apache-2.0
// Byte streams of wasi:io: what a capability implements so that guests can read and write.
//
// A capability embeds wasi_io_streams_input_stream (or output) as the first member of its own struct, fills
// `ops`, and initialises it with wasi_input_stream_init (or output). The base checks lengths, remembers the
// end, turns failures into error resources, and blocks: ops never do. For `ready` and `arm` see pollable.h.
#pragma once

#include "capability/pollable.h"
#include "wasi/io_error.h"
#include "wasi/io_streams.h"

// Why an operation failed. `origin` names the interface that can explain `code`: the address of its
// host_interface, compared by filesystem-error-code and http-error-code. NULL when there is nothing but the
// text.
enum { WASI_FAILURE_TEXT_BYTES = 160 };
typedef struct wasi_failure {
    const host_interface *origin;
    uint32_t code;
    char text[WASI_FAILURE_TEXT_BYTES];
} wasi_failure;

struct wasi_io_error_error {
    wasi_resource base;
    wasi_failure failure;
};

// Fills a failure; returns WASI_IO_FAILED so that ops can write `return wasi_fail(...)`.
typedef enum wasi_io_state {
    WASI_IO_OK,     // also with nothing to read or no room to write: not now
    WASI_IO_CLOSED, // the regular end
    WASI_IO_FAILED, // the failure was filled in; the stream is closed from now on
} wasi_io_state;
wasi_io_state wasi_fail(wasi_failure *failure, const host_interface *origin, uint32_t code,
                        const char *format, ...) WRIT_FORMAT(4, 5);

typedef struct wasi_input_ops {
    // At most `max` (> 0) bytes that are there now, none when there are none yet. The bytes stay valid until
    // the next call of the same guest; wasi_instance_scratch is a good place for them.
    wasi_io_state (*read)(wasi_io_streams_input_stream *s, size_t max, slice *ret, wasi_failure *failure);
    // The same without the bytes; may be NULL (then it reads).
    wasi_io_state (*skip)(wasi_io_streams_input_stream *s, uint64_t max, uint64_t *ret,
                          wasi_failure *failure);
    bool (*ready)(wasi_io_streams_input_stream *s);         // a read would give bytes, the end, or a failure
    status (*arm)(wasi_io_streams_input_stream *s, err *e); // may be NULL where it is always ready
} wasi_input_ops;

enum { WASI_WRITE_BYTES_MAX = 1 << 20 }; // of one write, whatever an implementation would take

typedef struct wasi_output_ops {
    // How many bytes one `write` would take now; 0 = none, also while a flush is under way.
    wasi_io_state (*check_write)(wasi_io_streams_output_stream *s, uint64_t *ret_permit,
                                 wasi_failure *failure);
    // Takes all of `bytes`, which are no more than check_write allows at this moment. Must copy what it
    // keeps.
    wasi_io_state (*write)(wasi_io_streams_output_stream *s, slice bytes, wasi_failure *failure);
    // Starts to flush; may be NULL where write is final. Until it is done check_write gives 0.
    wasi_io_state (*flush)(wasi_io_streams_output_stream *s, wasi_failure *failure);
    bool (*ready)(
        wasi_io_streams_output_stream *s); // check_write would give more than 0, the end, or a failure
    status (*arm)(wasi_io_streams_output_stream *s, err *e); // may be NULL where it is always ready
} wasi_output_ops;

struct wasi_io_streams_input_stream {
    wasi_resource base;
    const wasi_input_ops *ops;
    bool is_closed;
};

struct wasi_io_streams_output_stream {
    wasi_resource base;
    const wasi_output_ops *ops;
    bool is_closed;
};

// Like wasi_resource_init (`resource_ops->free` is the implementer's), class WASI_CLASS_STREAM.
status wasi_input_stream_init(wasi_io_streams_input_stream *s, wasi_instance *i,
                              const wasi_resource_ops *resource_ops, const wasi_input_ops *ops,
                              wasi_resource *parent, err *e) WRIT_MUST_USE;
status wasi_output_stream_init(wasi_io_streams_output_stream *s, wasi_instance *i,
                               const wasi_resource_ops *resource_ops, const wasi_output_ops *ops,
                               wasi_resource *parent, err *e) WRIT_MUST_USE;

// An input stream at its end, and an output stream that counts (when `counter` is not NULL) and forgets.
status wasi_input_stream_new_empty(wasi_instance *i, wasi_io_streams_input_stream **ret,
                                   err *e) WRIT_MUST_USE;
status wasi_output_stream_new_discard(wasi_instance *i, uint64_t *counter,
                                      wasi_io_streams_output_stream **ret, err *e) WRIT_MUST_USE;

// For capabilities that work on streams given to them (forwarding a body): the same operations as the
// guest's, with the state remembered. `max` and lengths as in the ops.
wasi_io_state wasi_input_stream_read(wasi_io_streams_input_stream *s, size_t max, slice *ret,
                                     wasi_failure *failure);
wasi_io_state wasi_output_stream_check_write(wasi_io_streams_output_stream *s, uint64_t *ret_permit,
                                             wasi_failure *failure);
wasi_io_state wasi_output_stream_write(wasi_io_streams_output_stream *s, slice bytes, wasi_failure *failure);
wasi_io_state wasi_output_stream_flush(wasi_io_streams_output_stream *s, wasi_failure *failure);
