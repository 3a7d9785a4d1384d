// SPDX-License-Identifier: Apache-2.0
// wasi:cli/terminal-*: whether a standard stream is a terminal. There is nothing to do with one yet.
#include "base/mem.h"
#include "capability/wasi.h"
#include "os/stdio.h"
#include "wasi/cli_terminal_input.h"
#include "wasi/cli_terminal_output.h"
#include "wasi/cli_terminal_stderr.h"
#include "wasi/cli_terminal_stdin.h"
#include "wasi/cli_terminal_stdout.h"

struct wasi_cli_terminal_input_terminal_input {
    wasi_resource base;
};

struct wasi_cli_terminal_output_terminal_output {
    wasi_resource base;
};

static void free_plain(wasi_resource *r) { mem_free(r); }
static const wasi_resource_ops plain = {.free = free_plain};

static bool is_terminal(host_call *call, int fd) {
    return wasi_of(call)->workload->stdio == WASI_STDIO_INHERIT && stdio_is_terminal(fd);
}

void wasi_cli_terminal_input_terminal_input_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((wasi_cli_terminal_input_terminal_input *)rep)->base);
}

void wasi_cli_terminal_output_terminal_output_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((wasi_cli_terminal_output_terminal_output *)rep)->base);
}

status wasi_cli_terminal_stdin_get_terminal_stdin(host_call *call,
                                                  wasi_cli_terminal_stdin_option_terminal_input *ret,
                                                  err *e) {
    ret->some = is_terminal(call, 0);
    if (!ret->some) {
        return STATUS_OK;
    }
    ret->value =
        WASI_NEW(wasi_of(call), wasi_cli_terminal_input_terminal_input, &plain, WASI_CLASS_OTHER, NULL, e);
    return ret->value == NULL ? STATUS_LIMIT : STATUS_OK;
}

static status make_output(host_call *call, int fd, bool *ret_some,
                          wasi_cli_terminal_output_terminal_output **ret, err *e) {
    *ret_some = is_terminal(call, fd);
    if (!*ret_some) {
        return STATUS_OK;
    }
    *ret =
        WASI_NEW(wasi_of(call), wasi_cli_terminal_output_terminal_output, &plain, WASI_CLASS_OTHER, NULL, e);
    return *ret == NULL ? STATUS_LIMIT : STATUS_OK;
}

status wasi_cli_terminal_stdout_get_terminal_stdout(host_call *call,
                                                    wasi_cli_terminal_stdout_option_terminal_output *ret,
                                                    err *e) {
    return make_output(call, 1, &ret->some, &ret->value, e);
}

status wasi_cli_terminal_stderr_get_terminal_stderr(host_call *call,
                                                    wasi_cli_terminal_stderr_option_terminal_output *ret,
                                                    err *e) {
    return make_output(call, 2, &ret->some, &ret->value, e);
}
