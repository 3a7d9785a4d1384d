// SPDX-License-Identifier: Apache-2.0
// The links of a provider of ours as links of its driver: one for each component (or provider) at the other
// end and name of a link, whichever way the lattice's links between the two go. The configuration of the
// provider holds for all of them, that of a link's own end for this one; secrets become credentials.
#pragma once

#include "agent/provider_wants.h"
#include "host/config.h"

typedef struct provider_driver_links {
    host_config config; // a workload for each at the other end
    uint32_t count;     // of links, numbered
} provider_driver_links;

// A link that the driver cannot have (another interface, an unknown setting) is left out, and `trouble` gets
// a line about it. STATUS_LIMIT.
status provider_driver_links_read(const char *driver_name, slice id, const provider_wants *w,
                                  provider_driver_links *ret, buf *trouble, err *e) WRIT_MUST_USE;
void provider_driver_links_done(provider_driver_links *l); // accepts a zeroed one

// The link over which `source` calls an interface (without version) under that name; NULL = there is none.
const host_link *provider_driver_links_find(const provider_driver_links *l, slice source, slice name,
                                            slice interface);
const host_link *provider_driver_links_at(const provider_driver_links *l, uint32_t number); // or NULL
