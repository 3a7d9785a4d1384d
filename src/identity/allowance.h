// SPDX-License-Identifier: Apache-2.0
// The capability allow-list of a writ: every interface that its component may ever import, with the versions,
// and, for interfaces that reach something named, the names. Also the shape of what an issuer is trusted for.
//
// As JSON (claim "writ", member "allow"): an array of
//   {"interface": "wasi:http/outgoing-handler", "versions": "^0.2.0", "hosts": ["api.example.com:443"]}
// As text (option --cap), the same in one word, its lists separated by commas and parts by semicolons:
//   wasi:http/outgoing-handler@^0.2.0;hosts=api.example.com:443,*.example.org
// An interface without "/" is a package and covers all interfaces of it; "*" covers everything. A list that
// is absent does not narrow; one that is present and empty allows no name. `hosts` are rules of
// policy/network.h, `buckets` and `subjects` are names, in which a final "*" stands for any rest, and
// subjects also know NATS's "*" token and final ">".
//
// Pure. Everything borrows from the arena or the text that it was read from.
#pragma once

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "codec/json.h"
#include "codec/semver.h"
#include "codec/version_range.h"

enum {
    ALLOWANCE_ENTRIES_MAX = 512,
    ALLOWANCE_NAMES_MAX = 256, // of each list of an entry
    ALLOWANCE_NAME_BYTES_MAX = 512,
};

typedef struct allowance_names {
    bool is_given; // false: the list is absent and does not narrow
    size_t count;
    const slice *names;
} allowance_names;

typedef enum allowance_resource {
    ALLOWANCE_HOSTS,    // of outgoing HTTP and sockets
    ALLOWANCE_BUCKETS,  // of key-value and blob stores
    ALLOWANCE_SUBJECTS, // of messaging
} allowance_resource;
enum { ALLOWANCE_RESOURCE_COUNT = ALLOWANCE_SUBJECTS + 1 };

typedef struct allowance_entry {
    slice interface; // without version
    slice version_text;
    version_range versions;
    allowance_names names[ALLOWANCE_RESOURCE_COUNT];
} allowance_entry;

typedef struct allowance {
    size_t count;
    const allowance_entry *entries;
} allowance;

status allowance_from_json(const json_value *array, arena *memory, allowance *ret, err *e) WRIT_MUST_USE;
json_value *allowance_to_json(const allowance *a);
status allowance_entry_parse(slice text, arena *memory, allowance_entry *ret, err *e) WRIT_MUST_USE;
status allowance_entry_format(const allowance_entry *entry, buf *ret) WRIT_MUST_USE;

// The first entry that covers the interface ("wasi:http/types", no version) at `version` (NULL: none), from
// `*from` on; sets `*from` behind it. NULL when no further entry does. Several entries together allow what
// each of them allows.
const allowance_entry *allowance_find(const allowance *a, slice interface, const semver *version,
                                      size_t *from);
bool allowance_covers(const allowance *a, slice interface, const semver *version);
// Whether some entry for the interface allows the bucket or subject.
bool allowance_covers_name(const allowance *a, slice interface, const semver *version,
                           allowance_resource resource, slice name);
// Whether everything that `inner` allows is allowed by `outer`; on false `*ret` names an entry of `inner`
// that is not.
bool allowance_within(const allowance *outer, const allowance *inner, const allowance_entry **ret);
