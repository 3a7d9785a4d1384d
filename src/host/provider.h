// SPDX-License-Identifier: Apache-2.0
// A process that serves drivers to hosts on this machine (`writ provider`): the operator starts it under a
// user of its own, with the drivers that it may have.
//
// It shuts itself in before it listens to anybody: no new privileges, no capabilities, no core dumps; of
// files only its directory (and what looking up names needs, when a server to connect to is a name); of the
// network only the servers that are named here. Whoever has the key may use its drivers, with settings of
// their own, within these walls.
#pragma once

#include "driver/driver.h"

typedef struct host_provider_peer {
    char host[CONNECT_HOST_BYTES_MAX + 1]; // a name in lower case, or an address
    uint16_t port;
} host_provider_peer;

enum { HOST_PROVIDER_PEERS_MAX = 64 };

typedef struct host_provider_options {
    const driver *const *drivers; // NULL at the end
    const char *address;          // a literal loopback address
    uint16_t port;                // 0 = any free one, which the log tells
    const char *key_file;         // its first line is the key; nobody else may read it
    const char *directory;        // for files of drivers; made when it is not there; NULL = none
    const char *ca_file;          // more certificate authorities for TLS; NULL = the system's alone
    const host_provider_peer *peers;
    size_t peer_count;
    bool allow_root;
    bool is_json; // of the log, on standard error
    bool is_verbose;
} host_provider_options;

// Serves until SIGTERM or SIGINT and ends the process then: returns failures only. STATUS_DENIED when it
// would run as root, or listen to other machines.
status host_provider_run(const host_provider_options *options, err *e) WRIT_MUST_USE;
