// SPDX-License-Identifier: Apache-2.0
// The providers that the lattice wants this host to run: their images are fetched and opened, and what they
// are to have is told whenever it changes (agent/providers.h). What became of it is told to the core.
//
// Threads: all on the thread of the loop.
#pragma once

#include "agent/images.h"
#include "agent/providers.h"
#include "identity/trust.h"
#include "lattice/core.h"

typedef struct wanted_providers wanted_providers;

typedef struct wanted_providers_options { // borrowed
    loop *loop;
    images *images;
    lattice_core *core;
    lattice_time (*now)(void *context);
    const trust_store *trust; // NULL = nobody is trusted
    bool allows_unsigned;
    size_t image_bytes_max;
    // It runs here from now on, or does not any more. The claims are those of its image, or NULL.
    void (*runs)(void *context, slice id, const token_claims *claims);
    void (*ended)(void *context, slice id);
    void (*log)(void *context, log_level level, slice id, const char *text);
    void *context;
} wanted_providers_options;

status wanted_providers_new(const wanted_providers_options *options, wanted_providers **ret,
                            err *e) WRIT_MUST_USE;
void wanted_providers_free(wanted_providers *w); // accepts NULL; before the providers
// Where they run, before the first look.
void wanted_providers_use(wanted_providers *w, providers *p);
// The core wants something else, or links or configurations have changed.
void wanted_providers_look(wanted_providers *w);
// Nothing begins any more; what is under way ends.
void wanted_providers_stop(wanted_providers *w);
bool wanted_providers_is_idle(const wanted_providers *w);
// What providers_ops tell.
extern const providers_ops wanted_providers_ops; // with the wanted_providers as `arg`
