// SPDX-License-Identifier: Apache-2.0
// Guest memory. The only module that turns a number from a guest into a pointer of ours: bounds, alignment,
// sizes that overflow, string encodings and what the guest's realloc returns are checked here and nowhere
// else.
//
// Every failure is STATUS_TRAP: the guest is at fault. Pointers that are handed out stay valid until guest
// code runs, which is any call that allocates. Not thread-safe. A guest's memory is 32-bit here.
// Source: CanonicalABI.md "Loading", "Storing", "LiftLowerContext"; the order and the sizes of the calls of
// realloc are those of definitions.py, because guests can observe them.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "component/core.h"

enum {
    MEMORY_STRING_BYTES_MAX = (1 << 28) - 1, // MAX_STRING_BYTE_LENGTH
    MEMORY_LIST_BYTES_MAX = (1 << 28) - 1,   // MAX_LIST_BYTE_LENGTH
};
// What one call may read of strings and lists, in bytes. Lists that point at the same bytes again and again
// would else keep the host busy for ever, where no deadline of the guest applies.
#define MEMORY_WORK_MAX ((uint64_t)1 << 29)
#define MEMORY_UTF16_TAG 0x80000000u // in the length of a latin1+utf16 string: it is UTF-16

typedef enum memory_encoding { // canonical option `string-encoding`
    MEMORY_ENCODING_UTF8,
    MEMORY_ENCODING_UTF16,
    MEMORY_ENCODING_LATIN1_UTF16,
} memory_encoding;

// What the canonical options of one function name, resolved in one instance.
typedef struct memory_guest {
    core_store *store;
    const core_extern *memory;  // NULL when the options have none
    const core_extern *realloc; // NULL when the options have none
    bool *may_leave;            // of the component instance; false while its realloc runs
    memory_encoding encoding;
    uint64_t work;         // of this call so far; see MEMORY_WORK_MAX
    bool has_failed;       // its realloc trapped or returned what it may not: this side is at fault
    core_memory_view view; // as of the last time that guest code could have run
} memory_guest;

// Reads the view again; must be called once before anything else and after guest code ran by other means than
// the functions below.
void memory_refresh(memory_guest *m);

// [ptr, ptr + bytes) as memory of ours. `what` names it in the error: "string content", "parameters".
status memory_range(const memory_guest *m, uint32_t ptr, uint64_t bytes, uint32_t align, const char *what,
                    uint8_t **ret, err *e) WRIT_MUST_USE;
// Counts `bytes` more; STATUS_TRAP when one call would read more than MEMORY_WORK_MAX.
status memory_charge(memory_guest *m, uint64_t bytes, err *e) WRIT_MUST_USE;
// A list of `count` elements of `size` bytes.
status memory_list(memory_guest *m, uint32_t ptr, uint32_t count, uint32_t size, uint32_t align,
                   uint8_t **ret, err *e) WRIT_MUST_USE;
// Calls realloc(old, old_bytes, align, bytes) and checks the result.
status memory_realloc(memory_guest *m, uint32_t old, uint32_t old_bytes, uint32_t align, uint32_t bytes,
                      const char *what, uint32_t *ret_ptr, uint8_t **ret, err *e) WRIT_MUST_USE;
status memory_alloc(memory_guest *m, uint32_t align, uint64_t bytes, const char *what, uint32_t *ret_ptr,
                    uint8_t **ret, err *e) WRIT_MUST_USE;

// --- strings -----------------------------------------------------------------------------------------------

typedef enum memory_units { MEMORY_UTF8, MEMORY_UTF16, MEMORY_LATIN1 } memory_units;

// A checked string, either of ours (`guest` NULL) or in a guest's memory.
typedef struct memory_text {
    const uint8_t *data;
    uint32_t unit_count;
    memory_units units;
    bool compact;        // came from a latin1+utf16 guest
    memory_guest *guest; // where `data` is `ptr`
    uint32_t ptr;
} memory_text;

// Checks bounds, alignment, length and encoding of a guest's string.
status memory_text_at(memory_guest *m, uint32_t ptr, uint32_t length, memory_text *ret, err *e) WRIT_MUST_USE;
// Checks that `text` is UTF-8 and not too long.
status memory_text_from_utf8(slice text, memory_text *ret, err *e) WRIT_MUST_USE;
// As UTF-8: in place when it is that already, else in `a`.
status memory_text_utf8(const memory_text *text, arena *a, slice *ret, err *e) WRIT_MUST_USE;
// Allocates in `m` and stores in its encoding. `text` may stand in a guest's memory, even in `m`'s.
status memory_text_store(memory_guest *m, const memory_text *text, uint32_t *ret_ptr, uint32_t *ret_length,
                         err *e) WRIT_MUST_USE;

// --- floats ------------------------------------------------------------------------------------------------

static inline uint32_t memory_canonical_f32(uint32_t bits) {
    return (bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc00000u : bits;
}
static inline uint64_t memory_canonical_f64(uint64_t bits) {
    return (bits & 0x7fffffffffffffffu) > 0x7ff0000000000000u ? 0x7ff8000000000000u : bits;
}

// The address of a range that was checked before: memory never shrinks, it may only have moved.
static inline uint8_t *memory_at(const memory_guest *m, uint32_t ptr) { return m->view.base + ptr; }
