// SPDX-License-Identifier: Apache-2.0
// The capability allow-list of a writ: every interface that its component may ever import, with the versions,
// and, for interfaces that reach something named, the names. Also the shape of what an issuer is trusted for.
//
// As JSON (claim "writ", member "allow"): an array of
//   {"interface": "wasi:http/outgoing-handler", "versions": "^0.2.0", "hosts": ["api.example.com:443"]}
// As text (option --cap), the same in one word, its lists separated by commas and parts by semicolons:
//   wasi:http/outgoing-handler@^0.2.0;hosts=api.example.com:443,*.example.org
// An interface without "/" is a package and covers all interfaces of it; "*" covers everything. Several
// entries for one interface allow together what each of them allows. A list that is absent does not narrow;
// one that is present and empty allows no name.
//
//   hosts     rules of policy/network.h. Without a port they mean what they mean on the command line: 80 and
//             443 in an entry of wasi:http (as --allow-http), every port in any other (as --allow-net)
//   buckets   names, in which a final "*" stands for any rest
//   subjects  as in NATS: "*" is any one token, a final ">" one or more tokens
//
// Reading is strict: what is not known is refused, since a member that a newer writer added may be a
// restriction, and passing over it would allow what its author did not.
// Hosts are compared with the rules of the command line and enforced through them, buckets with those that a
// link names (host/grants_writ.c). No interface that is hosted yet takes a subject from a guest; one that
// does asks allowance_covers_name for each.
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
#include "policy/network.h"

enum {
    ALLOWANCE_ENTRIES_MAX = 512,
    ALLOWANCE_NAMES_MAX = 256,      // of each list of an entry
    ALLOWANCE_NAMES_ALL_MAX = 1024, // of all lists together
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
// `*from` on; sets `*from` behind it. NULL when no further entry does.
const allowance_entry *allowance_find(const allowance *a, slice interface, const semver *version,
                                      size_t *from);
bool allowance_covers(const allowance *a, slice interface, const semver *version);
// Whether some entry for the interface allows the name: a bucket, a subject (which may itself be a pattern,
// as in a subscription: then all that it matches must be allowed), or a host rule.
bool allowance_covers_name(const allowance *a, slice interface, const semver *version,
                           allowance_resource resource, slice name);
// Adds to `ret` the host rules of all entries for the interface, and says whether they narrow at all: one
// entry without the list allows every host. Covered is what network_policy_within finds within them.
status allowance_hosts(const allowance *a, slice interface, const semver *version, network_policy *ret,
                       bool *ret_narrows, err *e) WRIT_MUST_USE;
// Whether everything that `inner` allows is surely allowed by `outer`; on false `*ret` names an entry of
// `inner` that is not. Each entry of `inner` needs one entry of `outer` that covers its interface and
// versions as a whole; what only several together cover counts as not covered.
bool allowance_within(const allowance *outer, const allowance *inner, const allowance_entry **ret);
