// SPDX-License-Identifier: Apache-2.0
// What is found out about components before a host runs them, each for itself: whether it would start, who
// signed it, what it exports. Found in a process that has no keys and ends afterwards; whoever wants to know
// reads the result, which is JSON of our own making.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "host/config.h"
#include "identity/token.h"

enum { COMPONENT_FACTS_BYTES_MAX = 64 << 20, COMPONENT_FACTS_EXPORTS_MAX = 4096 };

typedef struct component_export { // a function
    slice interface; // as the component spells it, with its version; empty: none, it stands alone
    slice function;  // likewise: "[method]bucket.get"
} component_export;

typedef struct component_facts { // all of it in the arena of whoever reads
    slice name;                  // of the workload
    slice failure;               // why it would not start; empty = it would
    bool has_claims;
    token_claims claims; // kind, issuer, subject, dates, name, revision, version, tags and alias
    size_t export_count;
    const component_export *exports;
    bool has_http_limits; // writ or trust name the hosts that it may send requests to
} component_facts;

// Of all workloads of the configuration. Compiles what is not in the cache yet. Appends a document.
status component_facts_find(const host_config *c, buf *ret, err *e) WRIT_MUST_USE;

status component_facts_read(slice text, arena *memory, component_facts **ret, size_t *ret_count,
                            err *e) WRIT_MUST_USE;
