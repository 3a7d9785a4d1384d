// SPDX-License-Identifier: Apache-2.0
// Why a guest stopped: what, and where in which function. Bounded, for one line of a log.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef enum engine_trap_kind {
    ENGINE_TRAP_NONE,
    ENGINE_TRAP_UNREACHABLE, // the guest's own panic or abort
    ENGINE_TRAP_MEMORY,      // out of bounds
    ENGINE_TRAP_TABLE,       // out of bounds, a null or a function of another type
    ENGINE_TRAP_ARITHMETIC,  // overflow, division by zero, bad conversion
    ENGINE_TRAP_STACK,       // call stack exhausted
    ENGINE_TRAP_STOPPED,     // by a limit or a deadline, see engine_store_stop
    ENGINE_TRAP_HOST,        // a host function refused; the message is its own
    ENGINE_TRAP_EXCEPTION,   // thrown and not caught
    ENGINE_TRAP_OTHER,
} engine_trap_kind;

enum {
    ENGINE_TRAP_FRAMES_MAX = 16,
    ENGINE_TRAP_NAME_BYTES = 128,
    ENGINE_TRAP_MESSAGE_BYTES = 256,
};

typedef struct engine_frame {
    char module[48];                       // from the name section; may be empty
    char function[ENGINE_TRAP_NAME_BYTES]; // demangled; "wasm function N" without a name section
    uint32_t function_index;
    uint64_t offset; // in the module's binary
} engine_frame;

typedef struct engine_trap {
    engine_trap_kind kind;
    char message[ENGINE_TRAP_MESSAGE_BYTES];
    uint32_t frame_count; // innermost first
    uint32_t frames_left_off;
    engine_frame *frames; // owned by the store
} engine_trap;

const char *engine_trap_kind_name(engine_trap_kind kind);
// One line: "unreachable: wasm `unreachable` instruction executed at app!fail (0x1f3) < app!run (0x20a)". Cut
// to fit; always NUL-terminated.
void engine_trap_format(const engine_trap *t, char *text, size_t size);
