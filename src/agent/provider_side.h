// SPDX-License-Identifier: Apache-2.0
// A provider of 1.x that is shown no more of the lattice than what it is linked to: a bus of its own within
// this process, behind a door on a loopback port, to which only the key that it was given opens. On that bus
// this host plays the rest of the lattice. What the provider calls becomes a call of the lattice in its name,
// signed like those of components; what it says of itself, such as who it is, is not listened to.
#pragma once

#include "agent/provider_wants.h"
#include "bus/bus_door.h"

typedef struct provider_doors provider_doors; // one for all providers of a host
typedef struct provider_side provider_side;   // one provider's

// Opens the port. `host` is borrowed.
status provider_doors_new(const providers_options *host, provider_doors **ret, err *e) WRIT_MUST_USE;
bus_door_counts provider_doors_count(const provider_doors *d);
void provider_doors_free(provider_doors *d); // accepts NULL; when all sides are gone

status provider_side_new(provider_doors *doors, slice id, provider_side **ret, err *e) WRIT_MUST_USE;
void provider_side_free(provider_side *s); // accepts NULL; cuts its connection and fails its calls

bus *provider_side_bus(provider_side *s);
slice provider_side_url(const provider_side *s); // these three are what it is told
slice provider_side_jwt(const provider_side *s);
slice provider_side_seed(const provider_side *s);

// Whom it may call: the targets of its links. `w` is borrowed until the next one, or the end.
void provider_side_want(provider_side *s, const provider_wants *w);

// A call to the provider; as lattice_server has it. A caller without a link is STATUS_DENIED.
status provider_side_check(const provider_side *s, const lattice_invocation *i, err *e) WRIT_MUST_USE;
void provider_side_call(provider_side *s, lattice_served *q);
