// SPDX-License-Identifier: Apache-2.0
// What a provider is to have, kept: its configuration, secrets and links. And what is other than before.
#pragma once

#include "agent/providers.h"
#include "base/arena.h"

enum { PROVIDER_WANTS_BYTES_MAX = 8 << 20 };

typedef struct provider_wants {
    arena memory;
    host_data_values config;
    host_data_secrets secrets;
    const host_data_link *links; // in the order of source, target, name and package
    size_t link_count;
} provider_wants;

// A copy. STATUS_LIMIT.
status provider_wants_copy(const providers_wanted *wanted, provider_wants *ret, err *e) WRIT_MUST_USE;
void provider_wants_done(provider_wants *w); // accepts a zeroed one

bool provider_wants_same_values(const host_data_values *a, const host_data_values *b);
bool provider_wants_equal_links(const host_data_link *a, const host_data_link *b);
bool provider_wants_equal(const provider_wants *a, const provider_wants *b);
// The one with the same source, target, name and package, which is what a provider takes for the same link;
// or NULL.
const host_data_link *provider_wants_find_link(const provider_wants *w, const host_data_link *l);
// The links from one to the other: the first, and how many follow it, itself included.
const host_data_link *provider_wants_between(const provider_wants *w, slice source, slice target,
                                             size_t *ret_count);
// The one of them for an interface ("wasi:http/incoming-handler"), of that name or, when there is none, of
// any; or NULL.
const host_data_link *provider_wants_link_for(const provider_wants *w, slice source, slice target, slice name,
                                              slice interface);
