// SPDX-License-Identifier: Apache-2.0
// What hosts say of themselves to the other hosts of their lattice: the content of a statement
// (lattice/statement.h) with the topic "presence". In the value encoding (codec/values.h):
//
//   u8 format (1) · u8 kind · u8 flags (1 unsigned peers are allowed, 2 draining) · string version of the
//   program · u32 milliseconds until the next one at the latest · u32 calls in flight · u32 room for calls ·
//   u64 revision of what it serves · u32 how much it serves · u32 part · u32 parts ·
//   list<u8 kind (0 component, 1 provider; 2 added: is gone) · string id · s32 revision>
//
// What is served has a revision that grows by one with every `change`; `all` tells the whole of it, in as
// many parts as it takes. Whoever misses one sees it from the revision of the next message, and asks.
//
// Pure. Fuzzed by fuzz/fuzz_presence.c.
#pragma once

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "lattice/call.h"

enum {
    PRESENCE_VERSION_BYTES_MAX = 64,
    PRESENCE_ITEMS_MAX = 4096,      // of one message
    PRESENCE_BYTES_MAX = 128 << 10, // of one message: `all` of more is in parts
    PRESENCE_PARTS_MAX = 64,
    PRESENCE_BEAT_MS_MAX = 120 * 1000,
};

typedef enum presence_kind {
    PRESENCE_BEAT,   // nothing has changed but how busy it is
    PRESENCE_ALL,    // what it serves, or a part of it
    PRESENCE_CHANGE, // what has changed since the revision before
    PRESENCE_ASK,    // a beat; and whoever gets it answers with `all` to the reply subject
    PRESENCE_END,    // it ends now
} presence_kind;
enum { PRESENCE_KIND_COUNT = PRESENCE_END + 1 };

typedef struct presence_item {
    slice id;
    bool is_provider;
    bool is_gone;     // in a change
    int32_t revision; // from its claims; 0 = unsigned
} presence_item;

typedef struct presence_message {
    presence_kind kind;
    bool allows_unsigned_peers;
    bool is_draining;
    slice version;
    uint32_t beat_ms; // 1 .. PRESENCE_BEAT_MS_MAX
    uint32_t in_flight;
    uint32_t room;
    uint64_t revision;
    uint32_t serves; // how many items there are at that revision
    uint32_t part, parts;
    const presence_item *items; // of PRESENCE_ALL and PRESENCE_CHANGE
    size_t item_count;
} presence_message;

// Appends it. STATUS_LIMIT over a bound above.
status presence_message_write(const presence_message *m, buf *ret, err *e) WRIT_MUST_USE;
// Checks all of it. Texts are borrowed from `bytes`, the items are in the arena.
status presence_message_read(slice bytes, arena *memory, presence_message *ret, err *e) WRIT_MUST_USE;
