// SPDX-License-Identifier: Apache-2.0
// The way from a command to the bus of a lattice: over NATS, or through a host of this machine.
#pragma once

#include "agent/connection.h"
#include "cli/lattice_option.h"
#include "identity/nkey.h"
#include "lattice/client.h"
#include "net/connector.h"

typedef struct cli_connection { // zeroed; in place until it is closed
    loop *l;
    bus *b;
    connection *servers; // of NATS
    connector *to_host;  // in their place
    nkey *user;          // signs requests; NULL = nobody
    lattice_signer signer;
    bus_watcher watcher;
    char reason[256]; // why it is not up
    size_t failures;  // servers that were tried
} cli_connection;

// Opens a bus as resolved options say, and waits until it is up. Requests are signed by `signer`, if there is
// anybody to sign them.
status cli_connection_open(cli_connection *c, const cli_lattice_args *a, uint64_t time_ns,
                           err *e) WRIT_MUST_USE;
void cli_connection_close(cli_connection *c); // accepts one whose opening failed
