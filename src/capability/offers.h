// SPDX-License-Identifier: Apache-2.0
// Every interface that the host offers, and which kind of authority stands behind it. Read by the gate alone.
#pragma once

#include "component/host.h"

// What an interface would let a component do. The gate asks the configuration whether such authority was
// named.
typedef enum wasi_authority {
    WASI_AUTHORITY_NONE, // values, streams, waiting, time, randomness: nothing that belongs to somebody
    WASI_AUTHORITY_ENVIRONMENT, // variables and arguments
    WASI_AUTHORITY_STDIO,
    WASI_AUTHORITY_FILES,
    WASI_AUTHORITY_NETWORK, // sockets, name lookup
    WASI_AUTHORITY_HTTP,    // outgoing requests
    WASI_AUTHORITY_CONFIG,  // the configuration of the workload
    WASI_AUTHORITY_LINK,    // a contract: what is linked to it
    WASI_AUTHORITY_SECRETS, // the secrets that the workload was granted
} wasi_authority;

// All of these interfaces are imported by language run-times whether their programs use them or not, so each
// has an implementation that works without authority (empty environment, no directory, refusing sockets ...).
typedef struct wasi_offer {
    const host_interface *interface;
    wasi_authority authority;
} wasi_offer;

// By name; of several versions the one that is compatible with `version` (NULL: the newest), if one is. NULL
// when nothing offers it.
const wasi_offer *wasi_offer_find(slice name, const semver *version);

size_t wasi_offer_count(void);
const wasi_offer *wasi_offer_at(size_t index);
