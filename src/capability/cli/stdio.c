// SPDX-License-Identifier: Apache-2.0
// wasi:cli/stdin, stdout, stderr: discarded, captured, or the descriptors of this process.
//
// Inherited descriptors are shared with other processes, so they stay as blocking as they are: each transfer
// is made only when poll says that it will not wait. Only while the guest waits does the loop watch a
// duplicate, and the flag that this sets on the shared open file is taken back afterwards.
#include "capability/cli/stdio.h"

#include "base/mem.h"
#include "capability/stream.h"
#include "loop/loop.h"
#include "os/fd.h"
#include "os/stdio.h"
#include "wasi/cli_stderr.h"
#include "wasi/cli_stdin.h"
#include "wasi/cli_stdout.h"

// --- waiting for an inherited descriptor -----------------------------------------------------------------

typedef struct shared_fd {
    wasi_instance *instance;
    int fd;      // 0, 1 or 2
    int watched; // a duplicate while the loop watches it, else -1
    bool was_nonblocking;
    loop_watch watch;
} shared_fd;

static void shared_fd_unwatch(shared_fd *s) {
    loop_watch_stop(&s->watch);
    if (s->watched >= 0) {
        if (!s->was_nonblocking) {
            (void)!fd_set_nonblocking(s->watched, false, NULL);
        }
        fd_close(s->watched);
        s->watched = -1;
    }
}

static void on_shared_fd(void *arg, unsigned events) {
    (void)events;
    shared_fd *s = arg;
    shared_fd_unwatch(s);
    wasi_instance_wake(s->instance);
}

static status shared_fd_arm(shared_fd *s, unsigned events, err *e) {
    if (s->watched >= 0) {
        return STATUS_OK;
    }
    if (s->instance->loop == NULL) {
        return err_set(e, STATUS_TRAP,
                       "the guest waits for standard input or output where no event loop runs");
    }
    s->was_nonblocking = stdio_is_nonblocking(s->fd);
    TRY(fd_duplicate(s->fd, &s->watched,
                     e)); // one loop watches a descriptor once, and instances share this one
    status started = loop_watch_start(&s->watch, s->instance->loop, s->watched, events, on_shared_fd, s, e);
    if (started != STATUS_OK) {
        shared_fd_unwatch(s);
    }
    return started;
}

// --- standard input --------------------------------------------------------------------------------------

typedef struct stdin_stream {
    wasi_io_streams_input_stream base;
    shared_fd shared;
} stdin_stream;

static void stdin_free(wasi_resource *r) {
    stdin_stream *s = (stdin_stream *)r;
    shared_fd_unwatch(&s->shared);
    mem_free(s);
}

static wasi_io_state stdin_read(wasi_io_streams_input_stream *base, size_t max, slice *ret,
                                wasi_failure *failure) {
    if (!stdio_can_read(0)) {
        return WASI_IO_OK;
    }
    uint8_t *bytes = wasi_instance_scratch(base->base.instance);
    size_t len = 0;
    err e;
    status read = stdio_read(0, bytes, max < WASI_SCRATCH_BYTES ? max : WASI_SCRATCH_BYTES, &len, &e);
    if (read != STATUS_OK) {
        return read == STATUS_CLOSED ? WASI_IO_CLOSED : wasi_fail(failure, NULL, 0, "%s", e.message);
    }
    *ret = slice_of(bytes, len);
    return WASI_IO_OK;
}

static bool stdin_ready(wasi_io_streams_input_stream *s) {
    (void)s;
    return stdio_can_read(0);
}

static status stdin_arm(wasi_io_streams_input_stream *s, err *e) {
    return shared_fd_arm(&((stdin_stream *)s)->shared, LOOP_READABLE, e);
}

status wasi_cli_stdin_get_stdin(host_call *call, wasi_io_streams_input_stream **ret, err *e) {
    static const wasi_resource_ops resource_ops = {.free = stdin_free};
    static const wasi_input_ops ops = {.read = stdin_read, .ready = stdin_ready, .arm = stdin_arm};
    wasi_instance *i = wasi_of(call);
    if (i->workload->stdio != WASI_STDIO_INHERIT) {
        return wasi_input_stream_new_empty(i, ret, e);
    }
    stdin_stream *s = MEM_NEW(stdin_stream);
    s->shared = (shared_fd){.instance = i, .fd = 0, .watched = -1};
    status made = wasi_input_stream_init(&s->base, i, &resource_ops, &ops, NULL, e);
    if (made != STATUS_OK) {
        mem_free(s);
        return made;
    }
    *ret = &s->base;
    return STATUS_OK;
}

// --- standard output and error ---------------------------------------------------------------------------

typedef struct output_stream {
    wasi_io_streams_output_stream base;
    uint64_t *counter;                   // of the instance
    shared_fd shared;                    // inherited
    uint8_t rest[STDIO_WRITE_BYTES_MAX]; // what a write to it left over
    size_t rest_len;
    stdio_lines *lines; // captured
} output_stream;

static void output_free(wasi_resource *r) {
    output_stream *o = (output_stream *)r;
    if (o->rest_len > 0 && stdio_can_write(o->shared.fd)) {
        size_t done; // the guest did not wait for a flush, so this is all that it can expect
        (void)!stdio_write(o->shared.fd, slice_of(o->rest, o->rest_len), &done, NULL);
    }
    shared_fd_unwatch(&o->shared);
    mem_free(o);
}

static wasi_io_state output_failed(status s, const err *e, wasi_failure *failure) {
    return s == STATUS_CLOSED ? WASI_IO_CLOSED : wasi_fail(failure, NULL, 0, "%s", e->message);
}

static wasi_io_state write_rest(output_stream *o, wasi_failure *failure) {
    size_t done = 0;
    err e;
    status s = stdio_write(o->shared.fd, slice_of(o->rest, o->rest_len), &done, &e);
    if (s != STATUS_OK) {
        return output_failed(s, &e, failure);
    }
    memmove(o->rest, o->rest + done, o->rest_len - done);
    o->rest_len -= done;
    return WASI_IO_OK;
}

static wasi_io_state inherit_check_write(wasi_io_streams_output_stream *s, uint64_t *ret_permit,
                                         wasi_failure *failure) {
    output_stream *o = (output_stream *)s;
    *ret_permit = 0;
    if (!stdio_can_write(o->shared.fd)) {
        return WASI_IO_OK;
    }
    if (o->rest_len > 0) {
        wasi_io_state state = write_rest(o, failure);
        if (state != WASI_IO_OK || o->rest_len > 0) {
            return state;
        }
    }
    *ret_permit = STDIO_WRITE_BYTES_MAX;
    return WASI_IO_OK;
}

static wasi_io_state inherit_write(wasi_io_streams_output_stream *s, slice bytes, wasi_failure *failure) {
    output_stream *o = (output_stream *)s;
    size_t done = 0;
    err e;
    *o->counter += bytes.len;
    // Zeroes come in parts within one permit, so something may be left over already.
    size_t room = sizeof o->rest - o->rest_len;
    if (o->rest_len == 0) {
        status written = stdio_write(o->shared.fd, bytes, &done, &e);
        if (written != STATUS_OK) {
            return output_failed(written, &e, failure);
        }
    }
    size_t left = bytes.len - done;
    if (left > room) {
        return wasi_fail(failure, NULL, 0, "standard output takes %zu bytes less than it said", left - room);
    }
    if (left > 0) {
        memcpy(o->rest + o->rest_len, bytes.data + done, left);
        o->rest_len += left;
    }
    return WASI_IO_OK;
}

static bool inherit_ready(wasi_io_streams_output_stream *s) {
    return stdio_can_write(((output_stream *)s)->shared.fd);
}

static status inherit_arm(wasi_io_streams_output_stream *s, err *e) {
    return shared_fd_arm(&((output_stream *)s)->shared, LOOP_WRITABLE, e);
}

static wasi_io_state capture_check_write(wasi_io_streams_output_stream *s, uint64_t *ret_permit,
                                         wasi_failure *failure) {
    (void)s, (void)failure;
    *ret_permit = 64 * 1024; // the sink drops what is too much, so it never makes a guest wait
    return WASI_IO_OK;
}

static wasi_io_state capture_write(wasi_io_streams_output_stream *s, slice bytes, wasi_failure *failure) {
    (void)failure;
    output_stream *o = (output_stream *)s;
    *o->counter += bytes.len;
    stdio_capture_write(stdio_capture_of(s->base.instance), o->lines, bytes);
    return WASI_IO_OK;
}

static bool capture_ready(wasi_io_streams_output_stream *s) {
    (void)s;
    return true;
}

static status make_output(host_call *call, int fd, wasi_io_streams_output_stream **ret, err *e) {
    static const wasi_resource_ops resource_ops = {.free = output_free};
    static const wasi_output_ops inherit = {.check_write = inherit_check_write,
                                            .write = inherit_write,
                                            .ready = inherit_ready,
                                            .arm = inherit_arm};
    static const wasi_output_ops capture = {
        .check_write = capture_check_write, .write = capture_write, .ready = capture_ready};
    wasi_instance *i = wasi_of(call);
    uint64_t *counter = fd == 1 ? &i->counters.stdout_bytes : &i->counters.stderr_bytes;
    if (i->workload->stdio == WASI_STDIO_NONE) {
        return wasi_output_stream_new_discard(i, counter, ret, e);
    }
    bool is_captured = i->workload->stdio == WASI_STDIO_CAPTURED;
    output_stream *o = MEM_NEW(output_stream);
    o->counter = counter;
    o->shared = (shared_fd){.instance = i, .fd = fd, .watched = -1};
    status made =
        wasi_output_stream_init(&o->base, i, &resource_ops, is_captured ? &capture : &inherit, NULL, e);
    if (made != STATUS_OK) {
        mem_free(o);
        return made;
    }
    if (is_captured) {
        stdio_capture *c = stdio_capture_of(i);
        o->lines = fd == 1 ? &c->out : &c->err;
    }
    *ret = &o->base;
    return STATUS_OK;
}

status wasi_cli_stdout_get_stdout(host_call *call, wasi_io_streams_output_stream **ret, err *e) {
    return make_output(call, 1, ret, e);
}

status wasi_cli_stderr_get_stderr(host_call *call, wasi_io_streams_output_stream **ret, err *e) {
    return make_output(call, 2, ret, e);
}
