// SPDX-License-Identifier: Apache-2.0
// What the files of the end of links share.
#pragma once

#include "base/list.h"
#include "host/link_server.h"
#include "host/served_link.h"
#include "net/rpc.h"

typedef struct link_place { // of one number in a session
    served_link *link;      // NULL: cut
    served_link *candidate; // that is to take its place; or NULL
    loop_timer patience;    // for it
    link_session *session;
    bool was_kept;
} link_place;

struct link_session {
    link_server *server;
    link_session_options options;
    link_place *places;
    uint32_t count;
    list_node workers;
    list_node node; // the newest is the last
};

typedef struct attached { // a worker
    link_session *session;
    rpc *rpc;
    list_node calls;
    uint32_t *call_counts; // by number
    uint32_t delivery_count;
    bool is_ending; // takes no more deliveries
    list_node node;
} attached;

struct link_server {
    served_link_place place;
    list_node links;  // all that are open
    list_node shared; // by their drivers
    list_node sessions;
    uint32_t session_count;
};

// link_deliveries.c, for served_link_events.
status link_deliver(served_link *l, driver_delivery *d, err *e) WRIT_MUST_USE;
void link_deliver_cancel(driver_delivery *d);
void link_end_deliveries(served_link *l);
// A worker goes: what it has ends by itself, soon.
void link_orphan_deliveries(const attached *a);
