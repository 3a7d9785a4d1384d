// SPDX-License-Identifier: Apache-2.0
// Where the process with the drivers may connect: to the servers that the settings of its links name, and
// nowhere else. In front of the connector that connects; runs in the supervisor.
//
// A named server may be anywhere, in private networks too: the operator named it.
#pragma once

#include "host/links.h"
#include "net/connector.h"

typedef struct driver_peers driver_peers;

// `inner` is borrowed.
driver_peers *driver_peers_new(const host_links *links, connector *inner);
void driver_peers_add(driver_peers *p, const host_links *links);    // these servers, too
void driver_peers_set(driver_peers *p, const host_links *links);    // these and no others
void driver_peers_free(driver_peers *p);                            // accepts NULL
void driver_peers_name(driver_peers *p, slice host, uint16_t port); // this one, too, whatever links say
connector *driver_peers_connector(driver_peers *p);
