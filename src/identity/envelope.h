// SPDX-License-Identifier: Apache-2.0
// A component and the token inside it: where the token stands, and the hash of everything else.
//
// The token is the content of a custom section `wasmcloud_jwt` (older: `jwt`), the last section of the
// outermost binary. The hash is SHA-256 over the binary without such sections, with every section size in its
// shortest form at every depth (crates/wascap/src/wasm.rs of wasmCloud v1.9.2).
//
// Since that hash does not see token sections below the top, nor how sizes are padded, nor the header, a
// signed binary is believed only in canonical form: the exact header of a component (or core module),
// shortest sizes at every depth, one token section, at the end. Then every byte is covered: by the hash, or
// by the token's own signature, or by being the only spelling possible.
//
// Works on sections only, without decoding them. A canonical binary is hashed in place, in one pass; another
// one is rewritten in memory (no larger than it is) to learn its hash.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "crypto/hash.h"
#include "identity/refusal.h"

enum {
    ENVELOPE_DEPTH_MAX = 100, // of components in components
    ENVELOPE_SECTIONS_MAX = 1000000,
};

typedef struct envelope {
    bool has_token;    // in the canonical place
    slice token;       // borrowed from the bytes
    bool is_canonical; // as the contract above says; `why_not` is empty
    char why_not[160]; // the first rule that is broken, and where ("section at byte 17: its size is padded")
    bool has_stray_token; // a token section at another place, or a second one
    uint8_t hash[HASH_BYTES];
} envelope;

// As tokens spell it: upper case, NUL-terminated.
void envelope_hash_text(const uint8_t hash[HASH_BYTES], char ret[HASH_HEX_BYTES]);

// Finds the token and computes the hash. STATUS_INVALID when the bytes are no sequence of sections.
status envelope_read(slice bytes, envelope *ret, err *e) WRIT_MUST_USE;
// The canonical form of a component, without any token section, into an empty buffer. Never longer than
// `bytes`.
status envelope_strip(slice bytes, buf *ret, err *e) WRIT_MUST_USE;
// Appends a token to a canonical component without one.
status envelope_append_token(buf *component, slice token, err *e) WRIT_MUST_USE;
