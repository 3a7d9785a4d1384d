// SPDX-License-Identifier: Apache-2.0
// Value and function types of the Component Model, with the layout that the canonical ABI derives from them.
//
// One representation serves both sides of the load-time check: the decoder builds these from a component's
// bytes, and the glue generator emits them as constants for the interfaces that the host offers. Immutable
// once built; owned by the component's arena or static. Source: Explainer.md "Type Definitions",
// CanonicalABI.md "Alignment", "Element Size" and "Flattening".
#pragma once

#include "base/slice.h"

typedef enum ctype_kind {
    CTYPE_BOOL,
    CTYPE_S8,
    CTYPE_U8,
    CTYPE_S16,
    CTYPE_U16,
    CTYPE_S32,
    CTYPE_U32,
    CTYPE_S64,
    CTYPE_U64,
    CTYPE_F32,
    CTYPE_F64,
    CTYPE_CHAR,
    CTYPE_STRING,
    CTYPE_LIST,    // element
    CTYPE_RECORD,  // cases: the fields
    CTYPE_TUPLE,   // cases: the fields, without names
    CTYPE_VARIANT, // cases: type may be NULL
    CTYPE_ENUM,    // cases: names only
    CTYPE_OPTION,  // element
    CTYPE_RESULT,  // element (may be NULL), error (may be NULL)
    CTYPE_FLAGS,   // cases: names only
    CTYPE_OWN,     // resource
    CTYPE_BORROW,  // resource
    // Recognised so that they can be refused by name; no layout.
    CTYPE_STREAM,
    CTYPE_FUTURE,
    CTYPE_ERROR_CONTEXT,
} ctype_kind;

typedef struct ctype ctype;

// A resource type. For the host's own resources this is a static constant and `drop` is set. Inside a
// component it stands for an imported or defined resource; which ones are the same is decided by the
// validator (see ast.h).
typedef struct ctype_resource {
    slice interface; // "wasi:io/streams" for a host resource, else empty
    slice name;      // "input-stream"
    uint32_t index;  // decoder: number of the resource type within the component; host: 0
    // Host resources: called once when the last own handle goes (dropped by the guest, or with its instance).
    // `context` is the embedder's pointer of the instance (host_call_context).
    void (*drop)(void *context, void *rep);
} ctype_resource;

typedef struct ctype_case {
    slice name;        // empty in tuples
    const ctype *type; // NULL where a case has no payload
    uint32_t offset;   // bytes from the start of a record or tuple; 0 in variants
} ctype_case;

struct ctype {
    ctype_kind kind;
    uint32_t size;              // bytes in linear memory (32-bit)
    uint32_t align;             // 1, 2, 4 or 8
    uint32_t flat_count;        // core values when flattened, saturating at CTYPE_FLAT_LIMIT
    uint32_t discriminant_size; // variant, enum, option, result: 1, 2 or 4
    uint32_t payload_offset;    // variant, option, result: bytes from the start
    uint32_t case_count;
    const ctype_case *cases;
    const ctype *element; // list, option, result's ok
    const ctype *error;   // result's error
    const ctype_resource *resource;
    bool has_fixed_length; // list<T, N>
    uint32_t fixed_length;
    bool has_pointer; // a string or list somewhere inside (needs memory)
    bool has_handle;  // an own or borrow somewhere inside
    bool is_map;      // a list of pairs that was written as map<k, v>; a type of its own
    slice name;       // the name by which it was imported or exported; empty when it has none
};

enum {
    CTYPE_FLAT_PARAMS_MAX = 16, // MAX_FLAT_PARAMS: more are passed through memory
    CTYPE_FLAT_RESULTS_MAX = 1, // MAX_FLAT_RESULTS
    CTYPE_FLAT_LIMIT = 1000,
};

typedef struct ctype_param {
    slice name;
    const ctype *type;
} ctype_param;

typedef struct ctype_func {
    uint32_t param_count;
    const ctype_param *params;
    const ctype *result; // NULL when there is none
    bool is_async;
} ctype_func;
