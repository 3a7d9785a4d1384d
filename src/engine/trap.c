// SPDX-License-Identifier: Apache-2.0
#include "engine/trap.h"

#include <stdio.h>

#include "base/mem.h"
#include "engine/engine_internal.h"

const char *engine_trap_kind_name(engine_trap_kind kind) {
    static const char *const names[] = {"none",  "unreachable", "memory", "table",     "arithmetic",
                                        "stack", "stopped",     "host",   "exception", "other"};
    return kind <= ENGINE_TRAP_OTHER ? names[kind] : "unknown";
}

static engine_trap_kind trap_kind_of_code(wasmtime_trap_code_t code) {
    switch (code) {
    case WASMTIME_TRAP_CODE_UNREACHABLE_CODE_REACHED:
        return ENGINE_TRAP_UNREACHABLE;
    case WASMTIME_TRAP_CODE_MEMORY_OUT_OF_BOUNDS:
    case WASMTIME_TRAP_CODE_HEAP_MISALIGNED:
    case WASMTIME_TRAP_CODE_ARRAY_OUT_OF_BOUNDS:
    case WASMTIME_TRAP_CODE_ALLOCATION_TOO_LARGE:
        return ENGINE_TRAP_MEMORY;
    case WASMTIME_TRAP_CODE_TABLE_OUT_OF_BOUNDS:
    case WASMTIME_TRAP_CODE_INDIRECT_CALL_TO_NULL:
    case WASMTIME_TRAP_CODE_BAD_SIGNATURE:
    case WASMTIME_TRAP_CODE_NULL_REFERENCE:
    case WASMTIME_TRAP_CODE_CAST_FAILURE:
        return ENGINE_TRAP_TABLE;
    case WASMTIME_TRAP_CODE_INTEGER_OVERFLOW:
    case WASMTIME_TRAP_CODE_INTEGER_DIVISION_BY_ZERO:
    case WASMTIME_TRAP_CODE_BAD_CONVERSION_TO_INTEGER:
        return ENGINE_TRAP_ARITHMETIC;
    case WASMTIME_TRAP_CODE_STACK_OVERFLOW:
        return ENGINE_TRAP_STACK;
    case WASMTIME_TRAP_CODE_UNCAUGHT_EXCEPTION:
        return ENGINE_TRAP_EXCEPTION;
    default:
        return ENGINE_TRAP_OTHER;
    }
}

// The engine's text begins with a backtrace; the reason is what follows its last "Caused by:".
static slice message_reason(slice text) {
    static const char mark[] = "Caused by:";
    slice rest = text;
    for (size_t i = 0; i + sizeof mark - 1 <= text.len; i++) {
        if (memcmp(text.data + i, mark, sizeof mark - 1) == 0) {
            rest = slice_sub(text, i + sizeof mark - 1, text.len);
        }
    }
    while (rest.len > 0 && (rest.data[0] == ' ' || rest.data[0] == '\n')) {
        rest = slice_sub(rest, 1, rest.len);
    }
    return slice_sub(rest, 0, slice_find(rest, 0, '\n'));
}

void trap_record(engine_store *s, const wasm_trap_t *trap, const wasmtime_error_t *error) {
    engine_trap *t = &s->trap;
    if (t->kind != ENGINE_TRAP_NONE) {
        return;
    }
    wasm_name_t message;
    wasmtime_trap_code_t code = 0;
    if (trap != NULL) {
        wasm_trap_message(trap, &message);
        t->kind = wasmtime_trap_code(trap, &code) ? trap_kind_of_code(code) : ENGINE_TRAP_OTHER;
    } else {
        wasmtime_error_message(error, &message);
        t->kind = ENGINE_TRAP_OTHER;
    }
    slice reason = message_reason(slice_of(message.data, message.size));
    if (s->stop != ENGINE_STOP_NONE) {
        t->kind = ENGINE_TRAP_STOPPED;
        reason = slice_from_text(engine_stop_name(s->stop));
    } else if (s->host_error.code != STATUS_OK) {
        t->kind = ENGINE_TRAP_HOST;
        reason = slice_from_text(s->host_error.message);
    }
    snprintf(t->message, sizeof t->message, "%.*s", SLICE_ARG(reason));
    wasm_name_delete(&message);
}

void trap_done(engine_trap *t) {
    mem_free(t->frames);
    *t = (engine_trap){0};
}
