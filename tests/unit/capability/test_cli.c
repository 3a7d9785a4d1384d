// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "capability/stream.h"
#include "helper_guest.h"
#include "test.h"
#include "wasi/cli_environment.h"
#include "wasi/cli_exit.h"
#include "wasi/cli_stderr.h"
#include "wasi/cli_stdin.h"
#include "wasi/cli_stdout.h"
#include "wasi/cli_terminal_stderr.h"
#include "wasi/cli_terminal_stdin.h"
#include "wasi/cli_terminal_stdout.h"

static slice text(const char *s) { return slice_from_text(s); }

static void write_text(guest *g, wasi_io_streams_output_stream *s, slice bytes) {
    wasi_io_streams_result_void_stream_error r = {0};
    EXPECT_OK(wasi_io_streams_output_stream_blocking_write_and_flush(g, s, bytes, &r, NULL));
    EXPECT(!r.is_err);
}

// --- environment -----------------------------------------------------------------------------------------

TEST(environment) {
    guest g;
    const wasi_variable variables[] = {{text("A"), text("1")}, {text("B"), text("")}};
    const slice arguments[] = {text("program"), text("--x")};
    guest_init(&g);
    g.workload.variables = variables;
    g.workload.variable_count = 2;
    g.workload.arguments = arguments;
    g.workload.argument_count = 2;
    guest_start(&g);
    wasi_cli_environment_list_tuple_string_string env = {0};
    EXPECT_OK(wasi_cli_environment_get_environment(&g, &env, NULL));
    REQUIRE(env.count == 2);
    EXPECT_BYTES(env.items[0].f0, text("A"));
    EXPECT_BYTES(env.items[0].f1, text("1"));
    EXPECT_BYTES(env.items[1].f0, text("B"));
    wasi_cli_environment_list_string args = {0};
    EXPECT_OK(wasi_cli_environment_get_arguments(&g, &args, NULL));
    REQUIRE(args.count == 2);
    EXPECT_BYTES(args.items[1], text("--x"));
    wasi_cli_environment_option_string cwd = {.some = true};
    EXPECT_OK(wasi_cli_environment_initial_cwd(&g, &cwd, NULL));
    EXPECT(!cwd.some);
    guest_done(&g);
}

TEST(nothing_granted_is_empty) {
    guest g;
    guest_init(&g);
    guest_start(&g);
    wasi_cli_environment_list_tuple_string_string env = {0};
    wasi_cli_environment_list_string args = {0};
    EXPECT_OK(wasi_cli_environment_get_environment(&g, &env, NULL));
    EXPECT_OK(wasi_cli_environment_get_arguments(&g, &args, NULL));
    EXPECT_EQ(env.count + args.count, 0);
    guest_done(&g);
}

TEST(exit_traps_with_its_status) {
    err e;
    for (int i = 0; i < 3; i++) {
        guest g;
        guest_init(&g);
        guest_start(&g);
        wasi_cli_exit_result_void_void result = {.is_err = i == 1};
        EXPECT_STATUS(i < 2 ? wasi_cli_exit_exit(&g, &result, &e) : wasi_cli_exit_exit_with_code(&g, 42, &e),
                      STATUS_TRAP);
        EXPECT(g.instance->has_exited);
        EXPECT_EQ(g.instance->exit_code, i < 2 ? i : 42);
        guest_done(&g);
    }
}

// --- captured --------------------------------------------------------------------------------------------

typedef struct log {
    buf lines; // "o:" or "e:" before each line, "|" after it
} log;

static void log_line(void *context, wasi_instance *instance, bool is_stderr, slice line) {
    (void)instance;
    buf *b = &((log *)context)->lines;
    EXPECT_OK(buf_append_format(b, "%c:%.*s|", is_stderr ? 'e' : 'o', SLICE_ARG(line)));
}

static void start_captured(guest *g, log *l) {
    buf_init(&l->lines, 1 << 20);
    guest_init(g);
    g->has_clock = true;
    g->workload.stdio = WASI_STDIO_CAPTURED;
    g->workload.log = (wasi_log_sink){.context = l, .line = log_line};
    g->workload.limits.log_line_bytes_max = 8;
    guest_start(g);
}

TEST(lines_are_logged_whole) {
    guest g;
    log l;
    start_captured(&g, &l);
    wasi_io_streams_output_stream *out = NULL, *again = NULL, *errors = NULL;
    EXPECT_OK(wasi_cli_stdout_get_stdout(&g, &out, NULL));
    EXPECT_OK(wasi_cli_stdout_get_stdout(&g, &again, NULL));
    EXPECT_OK(wasi_cli_stderr_get_stderr(&g, &errors, NULL));
    write_text(&g, out, text("one\ntw"));
    EXPECT_BYTES(buf_slice(&l.lines), text("o:one|"));
    write_text(&g, errors, text("bad\n"));
    write_text(&g, again, text("o\n\nx")); // the same line, through another handle
    EXPECT_BYTES(buf_slice(&l.lines), text("o:one|e:bad|o:two|o:|"));
    EXPECT_U64(g.instance->counters.stdout_bytes, 10);
    EXPECT_U64(g.instance->counters.stderr_bytes, 4);
    guest_done(&g); // what has no newline yet comes out at the end
    EXPECT_BYTES(buf_slice(&l.lines), text("o:one|e:bad|o:two|o:|o:x|"));
    buf_done(&l.lines);
}

TEST(long_lines_are_cut) {
    guest g;
    log l;
    start_captured(&g, &l);
    wasi_io_streams_output_stream *out = NULL;
    EXPECT_OK(wasi_cli_stdout_get_stdout(&g, &out, NULL));
    write_text(&g, out, text("12345678\n123456789"));
    write_text(&g, out, text("abc\nnext\n"));
    EXPECT_BYTES(buf_slice(&l.lines), text("o:12345678|o:12345678|o:next|"));
    EXPECT_U64(g.instance->counters.log_bytes_dropped, 4);
    guest_done(&g);
    buf_done(&l.lines);
}

TEST(the_log_rate_is_bounded) {
    guest g;
    log l;
    start_captured(&g, &l);
    g.workload.limits.log_bytes_per_second_max = 10;
    wasi_io_streams_output_stream *out = NULL;
    EXPECT_OK(wasi_cli_stdout_get_stdout(&g, &out, NULL));
    write_text(&g, out, text("1234\n1234\n1234\n\n"));
    EXPECT_BYTES(buf_slice(&l.lines), text("o:1234|o:1234|"));
    EXPECT_U64(g.instance->counters.log_bytes_dropped, 6);
    g.now_ns += 500000000; // half a second: five more
    write_text(&g, out, text("abcd\nx\n"));
    EXPECT_BYTES(buf_slice(&l.lines), text("o:1234|o:1234|o:abcd|"));
    for (int i = 0; i < 100; i++) { // small steps of time add up
        g.now_ns += 10000000;
        write_text(&g, out, text("\n"));
    }
    EXPECT_EQ(l.lines.len, 21 + 10 * 3);
    guest_done(&g);
    buf_done(&l.lines);
}

TEST(without_stdio_output_is_counted) {
    guest g;
    guest_init(&g);
    guest_start(&g);
    wasi_io_streams_output_stream *out = NULL;
    wasi_io_streams_input_stream *in = NULL;
    EXPECT_OK(wasi_cli_stdout_get_stdout(&g, &out, NULL));
    write_text(&g, out, text("nobody reads this"));
    EXPECT_U64(g.instance->counters.stdout_bytes, 17);
    EXPECT_OK(wasi_cli_stdin_get_stdin(&g, &in, NULL));
    wasi_io_streams_result_list_u8_stream_error r = {0};
    EXPECT_OK(wasi_io_streams_input_stream_blocking_read(&g, in, 1, &r, NULL));
    EXPECT(r.is_err && r.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
    wasi_cli_terminal_stdin_option_terminal_input t = {.some = true};
    EXPECT_OK(wasi_cli_terminal_stdin_get_terminal_stdin(&g, &t, NULL));
    EXPECT(!t.some);
    guest_done(&g);
}

// --- inherited: descriptors 0 and 1 of this test, exchanged for pipes ------------------------------------

typedef struct pipes {
    int saved[2];
    int to_stdin;    // we write, the guest reads
    int from_stdout; // the guest writes, we read
} pipes;

static void pipes_open(pipes *p) {
    int in[2], out[2];
    fflush(stdout);
    signal(SIGPIPE, SIG_IGN); // as every process of the host does
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) {
        exit(2);
    }
    for (int i = 0; i < 2; i++) {
        p->saved[i] = dup(i);
    }
    dup2(in[0], 0);
    dup2(out[1], 1);
    close(in[0]);
    close(out[1]);
    p->to_stdin = in[1];
    p->from_stdout = out[0];
}

static void pipes_restore(pipes *p) {
    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        dup2(p->saved[i], i);
        close(p->saved[i]);
    }
}

static void pipes_close(pipes *p) {
    close(p->from_stdout);
    if (p->to_stdin >= 0) {
        close(p->to_stdin);
    }
}

static void start_inherited(guest *g) {
    guest_init(g);
    g->workload.stdio = WASI_STDIO_INHERIT;
    guest_start(g);
}

// While the guest waits for input somebody types.
static void type_later(host_call *call, void *arg) {
    pipes *p = arg;
    if (write(p->to_stdin, "typed", 5) != 5) {
        exit(2);
    }
    call->on_suspend = NULL;
    loop_turn(call->loop, true); // the loop sees it and wakes the guest
}

TEST(inherited_input) {
    guest g;
    pipes p;
    pipes_open(&p);
    start_inherited(&g);
    g.on_suspend = type_later;
    g.on_suspend_arg = &p;
    wasi_io_streams_input_stream *in = NULL;
    wasi_io_streams_result_list_u8_stream_error a = {0}, b = {0}, c = {0};
    status made = wasi_cli_stdin_get_stdin(&g, &in, NULL);
    status nothing_yet = wasi_io_streams_input_stream_read(&g, in, 10, &a, NULL);
    bool nothing = !a.is_err && a.ok.len == 0;
    status typed = wasi_io_streams_input_stream_blocking_read(&g, in, 10, &b, NULL);
    bool is_typed = !b.is_err && slice_equal_text(b.ok, "typed");
    bool is_blocking = (fcntl(0, F_GETFL) & O_NONBLOCK) == 0; // as we found it
    close(p.to_stdin);
    p.to_stdin = -1;
    status ended = wasi_io_streams_input_stream_blocking_read(&g, in, 10, &c, NULL);
    guest_done(&g);
    pipes_restore(&p);
    pipes_close(&p);
    EXPECT_OK(made);
    EXPECT_OK(nothing_yet);
    EXPECT_OK(typed);
    EXPECT_OK(ended);
    EXPECT(nothing);
    EXPECT(is_typed);
    EXPECT(is_blocking);
    EXPECT(c.is_err && c.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
    EXPECT(g.suspends >= 1);
}

// While the guest waits for room somebody reads.
static void read_later(host_call *call, void *arg) {
    pipes *p = arg;
    static const size_t part = 1 << 15;
    uint8_t bytes[1 << 15];
    if (read(p->from_stdout, bytes, part) <= 0) {
        exit(2);
    }
    loop_turn(call->loop, true);
}

TEST(inherited_output_never_blocks_the_host) {
    guest g;
    pipes p;
    pipes_open(&p);
    start_inherited(&g);
    g.on_suspend = read_later;
    g.on_suspend_arg = &p;
    wasi_io_streams_output_stream *out = NULL;
    bool failed = false;
    static const uint8_t bytes[4096];
    bool ok = wasi_cli_stdout_get_stdout(&g, &out, NULL) == STATUS_OK;
    for (int i = 0; ok && i < 40; i++) { // 160 KiB into a pipe of 64 KiB
        wasi_io_streams_result_void_stream_error r = {0};
        ok = wasi_io_streams_output_stream_blocking_write_and_flush(&g, out, slice_of(bytes, 4096), &r,
                                                                    NULL) == STATUS_OK;
        failed = failed || r.is_err;
    }
    bool is_blocking = (fcntl(1, F_GETFL) & O_NONBLOCK) == 0;
    uint64_t counted = g.instance->counters.stdout_bytes;
    guest_done(&g);
    pipes_restore(&p);
    pipes_close(&p);
    EXPECT(ok && !failed);
    EXPECT(is_blocking);
    EXPECT(g.suspends > 0);
    EXPECT_U64(counted, 40 * 4096);
}

TEST(a_reader_that_is_gone_closes_the_stream) {
    guest g;
    pipes p;
    pipes_open(&p);
    close(p.from_stdout);
    p.from_stdout = open("/dev/null", O_RDONLY | O_CLOEXEC);
    start_inherited(&g);
    wasi_io_streams_output_stream *out = NULL;
    wasi_io_streams_result_void_stream_error r = {0};
    status made = wasi_cli_stdout_get_stdout(&g, &out, NULL);
    status written = wasi_io_streams_output_stream_blocking_write_and_flush(&g, out, text("x"), &r, NULL);
    wasi_cli_terminal_stdout_option_terminal_output t = {.some = true};
    status asked = wasi_cli_terminal_stdout_get_terminal_stdout(&g, &t, NULL);
    guest_done(&g);
    pipes_restore(&p);
    pipes_close(&p);
    EXPECT_OK(made);
    EXPECT_OK(written);
    EXPECT_OK(asked);
    EXPECT(!t.some);
    EXPECT(r.is_err && r.err.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED);
}

// A pseudo-terminal in the place of descriptor 1.
TEST(a_terminal_is_told) {
    guest g;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) {
        SKIP("no pseudo-terminals here");
    }
    char name[64];
    int other = ptsname_r(terminal, name, sizeof name) == 0 ? open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
    REQUIRE(other >= 0);
    fflush(stdout);
    int saved = dup(1);
    dup2(other, 1);
    start_inherited(&g);
    wasi_cli_terminal_stdout_option_terminal_output t = {0};
    status asked = wasi_cli_terminal_stdout_get_terminal_stdout(&g, &t, NULL);
    if (t.some) {
        wasi_cli_terminal_output_terminal_output_drop(g.instance, t.value);
    }
    guest_done(&g);
    dup2(saved, 1);
    close(saved);
    close(other);
    close(terminal);
    EXPECT_OK(asked);
    EXPECT(t.some);
}
