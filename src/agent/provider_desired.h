// SPDX-License-Identifier: Apache-2.0
// What a core of the lattice wants a provider to have, as its provider is told: merged configuration, all its
// links with the values behind the names, and secrets.
#pragma once

#include "agent/providers.h"
#include "base/arena.h"
#include "lattice/core.h"

// The value of a reference to a secret, by its name ("SECRET_db"). False: it cannot be had. The name that
// providers know it by (the member "name" of the reference) and the value live in `memory`, or longer.
typedef struct provider_secret_source {
    bool (*get)(void *context, slice name, arena *memory, host_data_secret *ret);
    void *context;
} provider_secret_source;

// Fills id, image, configuration, secrets and links; `program_fd` is left -1. `source` NULL = there are no
// secrets. A link with a secret that cannot be had is left out, `skipped` (may be NULL) is called for it;
// STATUS_NOT_FOUND for one of the provider itself. STATUS_LIMIT when the arena is full. What the result
// points at is the arena's and the core's: valid until the next input of the core.
status provider_desired_read(const lattice_core *c, const lattice_provider *p,
                             const provider_secret_source *source,
                             void (*skipped)(void *context, const lattice_link *l), void *context,
                             arena *memory, providers_wanted *ret, err *e) WRIT_MUST_USE;
