// SPDX-License-Identifier: Apache-2.0
// The way to the bus of a lattice through a host of this machine: its local socket, where it speaks NATS
// (docs/control.md). Whatever is asked for leads there.
#pragma once

#include "loop/loop.h"
#include "net/connector.h"

// What a client says that it is: the socket's directory is what keeps others out.
#define HOST_BUS_SOCKET "bus"
#define HOST_BUS_USER "local"

// `host` is borrowed.
connector *host_connector_new(loop *l, const char *host);
void host_connector_free(connector *c); // accepts NULL
