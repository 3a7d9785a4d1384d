// SPDX-License-Identifier: Apache-2.0
// wasi:io over streams whose every step the test decides.
#include "base/buf.h"
#include "base/mem.h"
#include "capability/stream.h"
#include "helper_guest.h"
#include "test.h"

// A source that gives what `script` says, one character per read: a letter = a few bytes of it, '-' = nothing
// now,
// '.' = the end, '!' = a failure.
typedef struct source {
    wasi_io_streams_input_stream base;
    const char *script;
    uint8_t bytes[8];
    int arms;
} source;

static void source_free(wasi_resource *r) { mem_free((source *)r); }

static wasi_io_state source_read(wasi_io_streams_input_stream *s, size_t max, slice *ret,
                                 wasi_failure *failure) {
    source *x = (source *)s;
    char step = *x->script;
    x->script += step != '\0';
    switch (step) {
    case '-':
        return WASI_IO_OK;
    case '.':
        return WASI_IO_CLOSED;
    case '!':
        return wasi_fail(failure, &wasi_io_streams_interface, 7, "the %s broke", "wire");
    default:
        break;
    }
    size_t len = max < sizeof x->bytes ? max : sizeof x->bytes;
    memset(x->bytes, step, len);
    *ret = slice_of(x->bytes, len);
    return WASI_IO_OK;
}

static bool source_ready(wasi_io_streams_input_stream *s) { return *((source *)s)->script != '-'; }

static status source_arm(wasi_io_streams_input_stream *s, err *e) {
    (void)e;
    ((source *)s)->arms++;
    return STATUS_OK;
}

static source *source_new(guest *g, const char *script) {
    static const wasi_resource_ops resource_ops = {.free = source_free};
    static const wasi_input_ops ops = {.read = source_read, .ready = source_ready, .arm = source_arm};
    source *s = MEM_NEW(source);
    if (wasi_input_stream_init(&s->base, g->instance, &resource_ops, &ops, NULL, NULL) != STATUS_OK) {
        mem_free(s);
        return NULL;
    }
    s->script = script;
    return s;
}

// A sink with room for `room` bytes, and `refill` more after each suspend. Flushing takes one suspend.
typedef struct sink {
    wasi_io_streams_output_stream base;
    buf got;
    uint64_t room;
    uint64_t refill;
    bool is_flushing;
    int flushes;
    int writes;
    bool fails;     // at the next check or write
    bool is_closed; // by the reader
} sink;

static void sink_free(wasi_resource *r) {
    sink *s = (sink *)r;
    buf_done(&s->got);
    mem_free(s);
}

static wasi_io_state sink_check_write(wasi_io_streams_output_stream *b, uint64_t *ret_permit,
                                      wasi_failure *failure) {
    sink *s = (sink *)b;
    if (s->fails) {
        return wasi_fail(failure, NULL, 0, "no");
    }
    *ret_permit = s->is_flushing ? 0 : s->room;
    return s->is_closed ? WASI_IO_CLOSED : WASI_IO_OK;
}

static wasi_io_state sink_write(wasi_io_streams_output_stream *b, slice bytes, wasi_failure *failure) {
    sink *s = (sink *)b;
    s->writes++;
    if (bytes.len > s->room || buf_append(&s->got, bytes) != STATUS_OK) {
        return wasi_fail(failure, NULL, 0, "too much");
    }
    s->room -= bytes.len;
    return WASI_IO_OK;
}

static wasi_io_state sink_flush(wasi_io_streams_output_stream *b, wasi_failure *failure) {
    (void)failure;
    sink *s = (sink *)b;
    s->is_flushing = true;
    s->flushes++;
    return WASI_IO_OK;
}

static bool sink_ready(wasi_io_streams_output_stream *b) {
    sink *s = (sink *)b;
    return s->fails || s->is_closed || (!s->is_flushing && s->room > 0);
}

static sink *sink_new(guest *g, uint64_t room, uint64_t refill) {
    static const wasi_resource_ops resource_ops = {.free = sink_free};
    static const wasi_output_ops ops = {
        .check_write = sink_check_write, .write = sink_write, .flush = sink_flush, .ready = sink_ready};
    sink *s = MEM_NEW(sink);
    if (wasi_output_stream_init(&s->base, g->instance, &resource_ops, &ops, NULL, NULL) != STATUS_OK) {
        mem_free(s);
        return NULL;
    }
    buf_init(&s->got, 1 << 20);
    s->room = room;
    s->refill = refill;
    return s;
}

// While the guest waits, the source goes on by one step and the sink drains.
typedef struct both {
    source *in;
    sink *out;
} both;

static void progress(host_call *call, void *arg) {
    both *b = arg;
    if (b->in != NULL && *b->in->script == '-') {
        b->in->script++;
    }
    if (b->out != NULL) {
        b->out->is_flushing = false;
        b->out->room += b->out->refill;
    }
    wasi_instance_wake(call->instance);
}

static void start(guest *g, both *b) {
    guest_init(g);
    guest_start(g);
    g->on_suspend = progress;
    g->on_suspend_arg = b;
}

#define READ(g, s, n, ret) wasi_io_streams_input_stream_read((g), &(s)->base, (n), (ret), NULL)
#define BLOCKING_READ(g, s, n, ret) \
    wasi_io_streams_input_stream_blocking_read((g), &(s)->base, (n), (ret), NULL)

// --- input -----------------------------------------------------------------------------------------------

TEST(reading) {
    guest g;
    both b = {0};
    start(&g, &b);
    source *s = source_new(&g, "a-b.");
    wasi_io_streams_result_list_u8_stream_error r = {0};
    EXPECT_OK(READ(&g, s, 3, &r));
    EXPECT_BYTES(r.ok, slice_from_text("aaa"));
    EXPECT_OK(READ(&g, s, 0, &r)); // asks for nothing, gets nothing, and uses up nothing
    EXPECT_EQ(r.ok.len, 0);
    EXPECT_OK(READ(&g, s, 3, &r)); // nothing there now
    EXPECT(!r.is_err && r.ok.len == 0);
    EXPECT_OK(READ(&g, s, UINT64_MAX, &r));
    EXPECT_BYTES(r.ok, slice_from_text("bbbbbbbb"));
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(READ(&g, s, 3, &r));
        EXPECT(r.is_err && r.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
    }
    EXPECT_EQ(g.suspends, 0);
    guest_done(&g);
}

TEST(blocking_reading) {
    guest g;
    source *s;
    both b = {0};
    start(&g, &b);
    s = b.in = source_new(&g, "--a.");
    wasi_io_streams_result_list_u8_stream_error r = {0};
    EXPECT_OK(BLOCKING_READ(&g, s, 2, &r));
    EXPECT_BYTES(r.ok, slice_from_text("aa"));
    EXPECT_EQ(g.suspends, 2);
    EXPECT_EQ(s->arms, 2);
    EXPECT_OK(BLOCKING_READ(&g, s, 2, &r));
    EXPECT(r.is_err);
    EXPECT_OK(BLOCKING_READ(&g, s, 2, &r)); // a closed stream never waits
    EXPECT_EQ(g.suspends, 2);
    guest_done(&g);
}

TEST(a_failure_is_told_once) {
    guest g;
    both b = {0};
    start(&g, &b);
    source *s = source_new(&g, "!");
    wasi_io_streams_result_list_u8_stream_error r = {0};
    EXPECT_OK(READ(&g, s, 1, &r));
    REQUIRE(r.is_err && r.err.tag == WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
    wasi_io_error_error *error = r.err.of.last_operation_failed;
    slice text;
    EXPECT_OK(wasi_io_error_error_to_debug_string(&g, error, &text, NULL));
    EXPECT_BYTES(text, slice_from_text("the wire broke"));
    EXPECT_EQ(error->failure.code, 7);
    EXPECT(error->failure.origin == &wasi_io_streams_interface);
    wasi_io_error_error_drop(g.instance, error);
    EXPECT_OK(READ(&g, s, 1, &r));
    EXPECT(r.is_err && r.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
    guest_done(&g);
}

TEST(skipping) {
    guest g;
    both b = {0};
    start(&g, &b);
    source *s = b.in = source_new(&g, "a-b.");
    wasi_io_streams_result_u64_stream_error r = {0};
    EXPECT_OK(wasi_io_streams_input_stream_skip(&g, &s->base, 5, &r, NULL));
    EXPECT_EQ(r.ok, 5);
    EXPECT_OK(wasi_io_streams_input_stream_skip(&g, &s->base, 0, &r, NULL));
    EXPECT_EQ(r.ok, 0);
    EXPECT_OK(wasi_io_streams_input_stream_blocking_skip(&g, &s->base, 100, &r, NULL));
    EXPECT_EQ(r.ok, 8);
    EXPECT_EQ(g.suspends, 1);
    EXPECT_OK(wasi_io_streams_input_stream_skip(&g, &s->base, 5, &r, NULL));
    EXPECT(r.is_err);
    guest_done(&g);
}

// --- output ----------------------------------------------------------------------------------------------

TEST(writing_within_the_permit) {
    guest g;
    both b = {0};
    start(&g, &b);
    err e;
    sink *s = sink_new(&g, 5, 0);
    wasi_io_streams_result_u64_stream_error permit = {0};
    wasi_io_streams_result_void_stream_error r = {0};
    EXPECT_OK(wasi_io_streams_output_stream_check_write(&g, &s->base, &permit, NULL));
    EXPECT_EQ(permit.ok, 5);
    EXPECT_OK(wasi_io_streams_output_stream_write(&g, &s->base, slice_from_text("abc"), &r, NULL));
    EXPECT_OK(wasi_io_streams_output_stream_write(&g, &s->base, slice_empty(), &r, NULL));
    EXPECT_STATUS(wasi_io_streams_output_stream_write(&g, &s->base, slice_from_text("def"), &r, &e),
                  STATUS_TRAP);
    EXPECT_CONTAINS(e.message, "wrote 3 bytes to a stream that takes 2 now");
    EXPECT_STATUS(wasi_io_streams_output_stream_write_zeroes(&g, &s->base, 3, &r, &e), STATUS_TRAP);
    EXPECT_OK(wasi_io_streams_output_stream_write_zeroes(&g, &s->base, 2, &r, NULL));
    EXPECT_BYTES(buf_slice(&s->got), slice_of("abc\0\0", 5));
    s->is_closed = true;
    EXPECT_OK(wasi_io_streams_output_stream_write(&g, &s->base, slice_empty(), &r, NULL));
    EXPECT(r.is_err && r.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
    EXPECT_OK(wasi_io_streams_output_stream_flush(&g, &s->base, &r, NULL));
    EXPECT(r.is_err);
    guest_done(&g);
}

// Implementations promise room for one write; frames around several of them would take more than that.
TEST(zeroes_are_one_write) {
    guest g;
    both b = {0};
    start(&g, &b);
    err e;
    sink *s = sink_new(&g, 100000, 0);
    wasi_io_streams_result_void_stream_error r = {0};
    EXPECT_OK(wasi_io_streams_output_stream_write_zeroes(&g, &s->base, 65536, &r, NULL));
    EXPECT_EQ(s->writes, 1);
    EXPECT_EQ(s->got.len, 65536);
    EXPECT_OK(wasi_io_streams_output_stream_write_zeroes(&g, &s->base, 0, &r, NULL));
    EXPECT_EQ(s->got.len, 65536);
    // However much an implementation would take, one write has an end.
    s->room = UINT64_MAX;
    wasi_io_streams_result_u64_stream_error permit = {0};
    EXPECT_OK(wasi_io_streams_output_stream_check_write(&g, &s->base, &permit, NULL));
    EXPECT_EQ(permit.ok, WASI_WRITE_BYTES_MAX);
    EXPECT_STATUS(wasi_io_streams_output_stream_write_zeroes(&g, &s->base, WASI_WRITE_BYTES_MAX + 1, &r, &e),
                  STATUS_TRAP);
    guest_done(&g);
}

TEST(blocking_writes_wait_for_room_and_flush) {
    guest g;
    both b = {0};
    start(&g, &b);
    sink *s = b.out = sink_new(&g, 2, 3);
    wasi_io_streams_result_void_stream_error r = {0};
    EXPECT_OK(wasi_io_streams_output_stream_blocking_write_and_flush(
        &g, &s->base, slice_from_text("abcdefghij"), &r, NULL));
    EXPECT(!r.is_err);
    EXPECT_BYTES(buf_slice(&s->got), slice_from_text("abcdefghij"));
    EXPECT_EQ(s->flushes, 1);
    EXPECT(!s->is_flushing);  // it waited for that too
    EXPECT_EQ(g.suspends, 4); // 2 + 3 + 3 + 2, and the flush
    s->refill = 100;
    EXPECT_OK(wasi_io_streams_output_stream_blocking_write_zeroes_and_flush(&g, &s->base, 4096, &r, NULL));
    EXPECT_EQ(s->got.len, 10 + 4096);
    guest_done(&g);
}

TEST(blocking_writes_have_a_limit) {
    guest g;
    both b = {0};
    start(&g, &b);
    err e;
    sink *s = b.out = sink_new(&g, 1 << 20, 0);
    static const uint8_t bytes[4097];
    wasi_io_streams_result_void_stream_error r = {0};
    EXPECT_STATUS(
        wasi_io_streams_output_stream_blocking_write_and_flush(&g, &s->base, slice_of(bytes, 4097), &r, &e),
        STATUS_TRAP);
    EXPECT_STATUS(wasi_io_streams_output_stream_blocking_write_zeroes_and_flush(&g, &s->base, 4097, &r, &e),
                  STATUS_TRAP);
    EXPECT_OK(
        wasi_io_streams_output_stream_blocking_write_and_flush(&g, &s->base, slice_of(bytes, 4096), &r, &e));
    EXPECT_EQ(s->got.len, 4096);
    guest_done(&g);
}

static void break_sink(host_call *call, void *arg) {
    ((both *)arg)->out->fails = true;
    wasi_instance_wake(call->instance);
}

TEST(a_blocking_write_reports_what_broke) {
    guest g;
    both b = {0};
    start(&g, &b);
    sink *s = b.out = sink_new(&g, 2, 0);
    g.on_suspend = break_sink;
    wasi_io_streams_result_void_stream_error r = {0};
    EXPECT_OK(wasi_io_streams_output_stream_blocking_write_and_flush(&g, &s->base, slice_from_text("abc"), &r,
                                                                     NULL));
    EXPECT(r.is_err && r.err.tag == WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
    EXPECT_BYTES(buf_slice(&s->got), slice_from_text("ab"));
    guest_done(&g);
}

TEST(a_cancelled_task_unwinds) {
    guest g;
    err e;
    both b = {0};
    start(&g, &b);
    sink *s = sink_new(&g, 0, 0); // nothing ever happens
    wasi_io_streams_result_void_stream_error r = {0};
    EXPECT_STATUS(wasi_io_streams_output_stream_blocking_flush(&g, &s->base, &r, &e), STATUS_CANCELLED);
    guest_done(&g);
}

TEST(splicing) {
    guest g;
    both b = {0};
    start(&g, &b);
    source *in = b.in = source_new(&g, "ab-c.");
    sink *out = b.out = sink_new(&g, 3, 10);
    wasi_io_streams_result_u64_stream_error r = {0};
    EXPECT_OK(wasi_io_streams_output_stream_splice(&g, &out->base, &in->base, 100, &r, NULL));
    EXPECT_EQ(r.ok, 3); // what there was room for
    EXPECT_OK(wasi_io_streams_output_stream_splice(&g, &out->base, &in->base, 100, &r, NULL));
    EXPECT_EQ(r.ok, 0); // no room, so nothing is read
    EXPECT_TEXT(in->script, "b-c.");
    EXPECT_OK(wasi_io_streams_output_stream_blocking_splice(&g, &out->base, &in->base, 2, &r, NULL));
    EXPECT_EQ(r.ok, 2);
    EXPECT_OK(wasi_io_streams_output_stream_blocking_splice(&g, &out->base, &in->base, 100, &r, NULL));
    EXPECT_EQ(r.ok, 8);
    EXPECT_BYTES(buf_slice(&out->got), slice_from_text("aaabbcccccccc"));
    EXPECT_OK(wasi_io_streams_output_stream_blocking_splice(&g, &out->base, &in->base, 100, &r, NULL));
    EXPECT(r.is_err && r.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
    guest_done(&g);
}

TEST(empty_and_discarding_streams) {
    guest g;
    both b = {0};
    start(&g, &b);
    wasi_io_streams_input_stream *in = NULL;
    wasi_io_streams_output_stream *out = NULL;
    uint64_t counter = 0;
    EXPECT_OK(wasi_input_stream_new_empty(g.instance, &in, NULL));
    EXPECT_OK(wasi_output_stream_new_discard(g.instance, &counter, &out, NULL));
    wasi_io_streams_result_list_u8_stream_error r = {0};
    EXPECT_OK(wasi_io_streams_input_stream_blocking_read(&g, in, 1, &r, NULL));
    EXPECT(r.is_err && r.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
    wasi_io_streams_result_void_stream_error w = {0};
    EXPECT_OK(
        wasi_io_streams_output_stream_blocking_write_and_flush(&g, out, slice_from_text("gone"), &w, NULL));
    EXPECT_EQ(counter, 4);
    EXPECT_EQ(g.suspends, 0);
    guest_done(&g);
}

// --- pollables -------------------------------------------------------------------------------------------

TEST(polling) {
    guest g;
    err e;
    both b = {0};
    start(&g, &b);
    b.in = source_new(&g, "--a");
    b.out = sink_new(&g, 0, 0);
    source *ready = source_new(&g, "x");
    wasi_io_poll_pollable *items[3] = {0};
    EXPECT_OK(wasi_io_streams_output_stream_subscribe(&g, &b.out->base, &items[0], NULL));
    EXPECT_OK(wasi_io_streams_input_stream_subscribe(&g, &b.in->base, &items[1], NULL));
    EXPECT_OK(wasi_io_streams_input_stream_subscribe(&g, &ready->base, &items[2], NULL));
    wasi_io_poll_list_borrow_pollable list = {.items = items, .count = 3};
    wasi_io_poll_list_u32 r = {0};
    EXPECT_OK(wasi_io_poll_poll(&g, &list, &r, &e));
    EXPECT(r.count == 1 && r.items[0] == 2);
    list.count = 2; // nothing is ready: waits until something is
    EXPECT_OK(wasi_io_poll_poll(&g, &list, &r, &e));
    EXPECT(r.count == 1 && r.items[0] == 1);
    EXPECT_EQ(g.suspends, 2);
    bool is_ready = true;
    EXPECT_OK(wasi_io_poll_pollable_ready(&g, items[0], &is_ready, &e));
    EXPECT(!is_ready);
    b.out->refill = 1;
    EXPECT_OK(wasi_io_poll_pollable_block(&g, items[0], &e));
    EXPECT_EQ(g.suspends, 3);
    list.count = 0;
    EXPECT_STATUS(wasi_io_poll_poll(&g, &list, &r, &e), STATUS_TRAP);
    EXPECT_CONTAINS(e.message, "empty list");
    // A stream may go before its pollable; the end frees both.
    wasi_io_streams_input_stream_drop(g.instance, &b.in->base);
    EXPECT_OK(wasi_io_poll_pollable_ready(&g, items[1], &is_ready, &e));
    EXPECT(is_ready);
    wasi_io_poll_pollable_drop(g.instance, items[1]);
    guest_done(&g);
}

TEST(stream_limits_trap) {
    guest g;
    err e;
    guest_init(&g);
    g.workload.limits.streams_max = 1;
    g.workload.limits.resources_max = 2;
    guest_start(&g);
    source *s = source_new(&g, "!!");
    EXPECT(source_new(&g, "a") == NULL);
    wasi_io_poll_pollable *p = NULL, *q = NULL;
    EXPECT_OK(wasi_io_streams_input_stream_subscribe(&g, &s->base, &p, &e));
    EXPECT_STATUS(wasi_io_streams_input_stream_subscribe(&g, &s->base, &q, &e), STATUS_LIMIT);
    EXPECT_CONTAINS(e.message, "2 resources");
    wasi_io_streams_result_list_u8_stream_error r = {0};
    EXPECT_STATUS(wasi_io_streams_input_stream_read(&g, &s->base, 1, &r, &e), STATUS_LIMIT);
    guest_done(&g);
}
