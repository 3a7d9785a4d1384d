// SPDX-License-Identifier: Apache-2.0
// Exports of one component instance of a script, offered as a host interface to later components.
#pragma once

#include "component/component.h"

typedef struct wast_offer wast_offer;

// What host functions of a script find as their context.
typedef struct wast_host {
    wast_offer *offers;
    uint32_t last_drop; // of the resources of the interface "host", see host.h
    uint32_t drops;
} wast_host;

// Adds to `list`, which owns what is made. `from` must outlive every use.
status wast_offer_make(wast_offer **list, slice name, const component *c, const component_program *p,
                       component_instance *from, const host_interface **ret, err *e) WRIT_MUST_USE;
void wast_offers_free(wast_offer *list);
