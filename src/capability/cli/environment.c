// SPDX-License-Identifier: Apache-2.0
// wasi:cli/environment and wasi:cli/exit
#include "capability/wasi.h"
#include "wasi/cli_environment.h"
#include "wasi/cli_exit.h"

static status no_memory(err *e) {
    return err_set(e, STATUS_TRAP, "the environment needs more memory than a call may use");
}

status wasi_cli_environment_get_environment(host_call *call,
                                            wasi_cli_environment_list_tuple_string_string *ret, err *e) {
    const wasi_workload *w = wasi_of(call)->workload;
    ret->items =
        ARENA_ARRAY(host_call_arena(call), wasi_cli_environment_tuple_string_string, w->variable_count);
    if (ret->items == NULL) {
        return no_memory(e);
    }
    for (size_t i = 0; i < w->variable_count; i++) {
        ret->items[i].f0 = w->variables[i].name;
        ret->items[i].f1 = w->variables[i].value;
    }
    ret->count = w->variable_count;
    return STATUS_OK;
}

status wasi_cli_environment_get_arguments(host_call *call, wasi_cli_environment_list_string *ret, err *e) {
    const wasi_workload *w = wasi_of(call)->workload;
    ret->items = ARENA_ARRAY(host_call_arena(call), slice, w->argument_count);
    if (ret->items == NULL) {
        return no_memory(e);
    }
    for (size_t i = 0; i < w->argument_count; i++) {
        ret->items[i] = w->arguments[i];
    }
    ret->count = w->argument_count;
    return STATUS_OK;
}

// Where the host runs is no business of the guest, and its directories have names of their own.
status wasi_cli_environment_initial_cwd(host_call *call, wasi_cli_environment_option_string *ret, err *e) {
    (void)call, (void)e;
    ret->some = false;
    return STATUS_OK;
}

static status exit_with(host_call *call, uint8_t code, err *e) {
    wasi_instance *i = wasi_of(call);
    i->has_exited = true;
    i->exit_code = code;
    return err_set(e, STATUS_TRAP, "the guest exited with status %u", code);
}

status wasi_cli_exit_exit(host_call *call, const wasi_cli_exit_result_void_void *status_, err *e) {
    return exit_with(call, status_->is_err ? 1 : 0, e);
}

status wasi_cli_exit_exit_with_code(host_call *call, uint8_t status_code, err *e) {
    return exit_with(call, status_code, e);
}
