// SPDX-License-Identifier: Apache-2.0
// How the host offers interfaces to components, and what the generated glue uses to move values.
//
// For each WIT interface that Writ hosts in C, the build generates one `host_interface`: types, resources
// and, for each function, a body that reads its arguments from core values and guest memory, calls the
// hand-written implementation, and writes the result back. All access to guest memory goes through the
// functions below; they check bounds, alignment and encodings, and every failure is a trap of the guest,
// never of the host.
//
// Pointers into guest memory (slices of strings and byte lists) stay valid until guest code runs again: until
// host_alloc and what uses it, until a suspend, or until the body returns. Copy into host_call_arena to keep
// longer. Source: CanonicalABI.md "Loading", "Storing", "Lifting and lowering".
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "codec/semver.h"
#include "component/core.h"
#include "component/type.h"

typedef struct host_call host_call; // one call from a guest to the host; lives on the task's stack

// `flat` holds the core parameters and receives the core result, as the canonical ABI flattens the function's
// type for `canon lower` (spilled parameters and results are pointers).
typedef status (*host_body)(host_call *call, core_value *flat, err *e);

typedef struct host_func {
    slice name; // as in the interface: "poll", "[method]input-stream.read", "[constructor]fields",
                // "[static]..."
    const ctype_func *type;
    host_body body;
} host_func;

typedef struct host_interface {
    slice name;     // "wasi:io/streams"
    semver version; // the newest that is implemented; older compatible ones match too
    uint32_t func_count;
    const host_func *funcs;
    uint32_t resource_count;
    const ctype_resource *const *resources; // those that the interface itself defines
    // NULL, or the component that its resources belong to: its handles stand for numbers of that component,
    // and resources are the same when their index is (component/bridge.h).
    const struct component *remote;
} host_interface;

// --- context -----------------------------------------------------------------------------------------------

void *host_call_context(host_call *call); // the pointer given to component_instantiate
arena *host_call_arena(host_call *call);  // freed when the body returns; bounded
core_store *host_call_store(host_call *call);
// What is called: the interface without a version, and the function of it.
slice host_call_interface(const host_call *call);
slice host_call_function(const host_call *call);
const semver *host_call_version(const host_call *call); // of that interface, as this host has it; zeros: none
// The name under which the component imports the interface, when it is another than the interface's; else
// empty.
slice host_call_label(const host_call *call);
// Suspends the task until someone resumes it (see core_ops.suspend).
status host_call_suspend(host_call *call, err *e) WRIT_MUST_USE;

// --- guest memory ------------------------------------------------------------------------------------------

// Checks that [ptr, ptr + bytes) lies in the guest's memory and that ptr is a multiple of `align`.
status host_memory_at(host_call *call, uint32_t ptr, uint64_t bytes, uint32_t align, uint8_t **ret,
                      err *e) WRIT_MUST_USE;
// The same for a list of `count` elements of `size` bytes each; a product that overflows traps.
status host_list_at(host_call *call, uint32_t ptr, uint32_t count, uint32_t size, uint32_t align,
                    uint8_t **ret, err *e) WRIT_MUST_USE;
// A string in the encoding that the guest chose, as checked UTF-8: in place when it is UTF-8, else in the
// arena. `length` is in the code units of that encoding (with the UTF-16 tag bit for latin1+utf16).
status host_lift_string(host_call *call, uint32_t ptr, uint32_t length, slice *ret, err *e) WRIT_MUST_USE;
status host_lift_char(host_call *call, uint32_t code, uint32_t *ret, err *e) WRIT_MUST_USE;

// Calls the guest's realloc for fresh memory and checks what it returns.
status host_alloc(host_call *call, uint32_t bytes, uint32_t align, uint32_t *ret_ptr, err *e) WRIT_MUST_USE;
// Allocates in the guest and copies, transcoding to the guest's encoding; `text` must be valid UTF-8
// (checked).
status host_lower_string(host_call *call, slice text, uint32_t *ret_ptr, uint32_t *ret_length,
                         err *e) WRIT_MUST_USE;
// Allocates in the guest and copies the bytes of a list<u8>.
status host_lower_bytes(host_call *call, slice bytes, uint32_t *ret_ptr, uint32_t *ret_count,
                        err *e) WRIT_MUST_USE;

// --- handles -----------------------------------------------------------------------------------------------

// Finds the host object behind a handle that the guest lends for this call.
status host_lift_borrow(host_call *call, uint32_t handle, const ctype_resource *type, void **ret,
                        err *e) WRIT_MUST_USE;
// Checks that the guest owns the handle and that it is not lent; changes nothing.
status host_check_own(host_call *call, uint32_t handle, const ctype_resource *type, void **ret,
                      err *e) WRIT_MUST_USE;
// Takes the handle out of the guest's table: from now on the implementation owns the object. Glue calls this
// for each own argument after everything else was lifted without failure, so that a trap never leaks an
// object. Fails when one handle is passed twice.
status host_take_own(host_call *call, uint32_t handle, const ctype_resource *type, void **ret,
                     err *e) WRIT_MUST_USE;
// Gives an object to the guest. On failure the object is dropped.
status host_lower_own(host_call *call, const ctype_resource *type, void *rep, uint32_t *ret_handle,
                      err *e) WRIT_MUST_USE;

// --- little-endian access at checked pointers --------------------------------------------------------------

static inline uint16_t host_load_u16(const uint8_t *p) {
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint32_t host_load_u32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint64_t host_load_u64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void host_store_u16(uint8_t *p, uint16_t v) { memcpy(p, &v, sizeof v); }
static inline void host_store_u32(uint8_t *p, uint32_t v) { memcpy(p, &v, sizeof v); }
static inline void host_store_u64(uint8_t *p, uint64_t v) { memcpy(p, &v, sizeof v); }
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "linear memory is accessed in place");
