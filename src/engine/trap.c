// SPDX-License-Identifier: Apache-2.0
// Reads the engine's failures. Frames come from its API, except for the demangled names, which it only gives
// in the text of the message: one line for each frame, "   0:   0x23 - module!function".
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

// --- text -------------------------------------------------------------------------------------------------

static size_t text_find(slice text, size_t from, const char *mark) {
    size_t n = strlen(mark);
    for (size_t i = from; i + n <= text.len; i++) {
        if (memcmp(text.data + i, mark, n) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static slice text_trim(slice s) {
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\n')) {
        s = slice_sub(s, 1, s.len);
    }
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\n')) {
        s = slice_sub(s, 0, s.len - 1);
    }
    return s;
}

// Names and messages come from the guest's binary: what could break a line of a log is replaced.
static void text_copy(char *to, size_t size, slice from) {
    size_t n = from.len < size - 1 ? from.len : size - 1;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = from.data[i];
        to[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    while (n < from.len && n > 0 && ((uint8_t)to[n - 1] & 0x80) != 0) { // no half of a character at the cut
        n--;
    }
    to[n] = '\0';
}

slice trap_message_reason(slice text) {
    static const char mark[] = "Caused by:";
    size_t at = text_find(text, 0, mark);
    slice reason = at == SIZE_MAX ? text : slice_sub(text, at + sizeof mark - 1, text.len);
    reason = text_trim(reason);
    reason = slice_sub(reason, 0, slice_find(reason, 0, '\n'));
    static const char prefix[] = "wasm trap: ";
    return slice_starts_with(reason, prefix) ? slice_sub(reason, sizeof prefix - 1, reason.len) : reason;
}

// The name in the line of frame `index`, or an empty slice.
static slice text_function(slice text, uint32_t index, slice module) {
    char mark[16];
    snprintf(mark, sizeof mark, "%3u: ", index);
    size_t from = text_find(text, 0, mark);
    if (from == SIZE_MAX) {
        return slice_empty();
    }
    slice line = slice_sub(text, from, slice_find(text, from, '\n'));
    size_t dash = text_find(line, 0, " - ");
    if (dash == SIZE_MAX) {
        return slice_empty();
    }
    slice name = slice_sub(line, dash + 3, line.len);
    static const char unknown[] = "<unknown>!";
    if (slice_starts_with(name, unknown)) {
        return slice_sub(name, sizeof unknown - 1, name.len);
    }
    slice head = slice_sub(name, 0, module.len);
    if (slice_equal(head, module) && name.len > module.len && name.data[module.len] == '!') {
        return slice_sub(name, module.len + 1, name.len);
    }
    return name;
}

// --- frames -----------------------------------------------------------------------------------------------

static slice frame_text(const wasm_name_t *n) {
    return n == NULL ? slice_empty() : slice_of(n->data, n->size);
}

static void frame_fill(engine_frame *to, const wasm_frame_t *from, uint32_t index, slice text) {
    slice module = frame_text(wasmtime_frame_module_name(from));
    slice function = text_function(text, index, module);
    if (function.len == 0) {
        function = frame_text(wasmtime_frame_func_name(from));
    }
    to->function_index = wasm_frame_func_index(from);
    to->offset = wasm_frame_module_offset(from);
    text_copy(to->module, sizeof to->module, module);
    if (function.len > 0 && function.data[0] != '<') {
        text_copy(to->function, sizeof to->function, function);
    } else {
        snprintf(to->function, sizeof to->function, "wasm function %u", to->function_index);
    }
}

static void frames_fill(engine_trap *t, const wasm_frame_vec_t *frames, slice text) {
    uint32_t count = (uint32_t)frames->size;
    t->frame_count = count < ENGINE_TRAP_FRAMES_MAX ? count : ENGINE_TRAP_FRAMES_MAX;
    t->frames_left_off = count - t->frame_count;
    t->frames = mem_calloc(t->frame_count == 0 ? 1 : t->frame_count, sizeof *t->frames);
    for (uint32_t i = 0; i < t->frame_count; i++) {
        frame_fill(&t->frames[i], frames->data[i], i, text);
    }
}

void trap_record(engine_store *s, const wasm_trap_t *trap, const wasmtime_error_t *error) {
    engine_trap *t = &s->trap;
    if (t->kind != ENGINE_TRAP_NONE) {
        return;
    }
    wasm_name_t message;
    wasm_frame_vec_t frames;
    wasmtime_trap_code_t code = 0;
    t->kind = ENGINE_TRAP_OTHER;
    if (trap != NULL) {
        wasm_trap_message(trap, &message);
        wasm_trap_trace(trap, &frames);
        t->kind = wasmtime_trap_code(trap, &code) ? trap_kind_of_code(code) : ENGINE_TRAP_OTHER;
    } else {
        wasmtime_error_message(error, &message);
        wasmtime_error_wasm_trace(error, &frames);
    }
    slice text = slice_of(message.data, message.size);
    slice reason = trap_message_reason(text);
    if (s->stop != ENGINE_STOP_NONE) {
        t->kind = ENGINE_TRAP_STOPPED;
        reason = slice_from_text(engine_stop_name(s->stop));
    } else if (trap == NULL && s->host_error.code != STATUS_OK) {
        t->kind = ENGINE_TRAP_HOST;
        reason = slice_from_text(s->host_error.message);
    }
    text_copy(t->message, sizeof t->message, reason);
    frames_fill(t, &frames, text);
    wasm_frame_vec_delete(&frames);
    wasm_name_delete(&message);
}

void trap_record_text(engine_store *s, engine_trap_kind kind, const char *text) {
    engine_trap *t = &s->trap;
    if (t->kind == ENGINE_TRAP_NONE) {
        t->kind = kind;
        text_copy(t->message, sizeof t->message, slice_from_text(text));
    }
}

void trap_done(engine_trap *t) {
    mem_free(t->frames);
    *t = (engine_trap){0};
}

// --- one line ---------------------------------------------------------------------------------------------

void engine_trap_format(const engine_trap *t, char *text, size_t size) {
    int n = snprintf(text, size, "%s: %s", engine_trap_kind_name(t->kind), t->message);
    for (uint32_t i = 0; i < t->frame_count && n >= 0 && (size_t)n < size; i++) {
        const engine_frame *f = &t->frames[i];
        n += snprintf(text + n, size - (size_t)n, "%s%s%s%s (0x%llx)", i == 0 ? " at " : " < ", f->module,
                      f->module[0] == '\0' ? "" : "!", f->function, (unsigned long long)f->offset);
    }
    if (t->frames_left_off > 0 && n >= 0 && (size_t)n < size) {
        snprintf(text + n, size - (size_t)n, " < %u more", t->frames_left_off);
    }
}
