// SPDX-License-Identifier: Apache-2.0
// A connector without a policy, on the loopback interface: binds and connects for real, or answers what the
// test says, and remembers what it was asked.
#pragma once

#include "helper_guest.h"
#include "net/connector.h"

enum { NET_REQUESTS_MAX = 64 };

typedef struct net_request {
    struct net_connector *owner;
    loop_soon soon;
    bool is_used;
    connect_request wanted;
    char host[CONNECT_HOST_BYTES_MAX + 1];
    connect_callback done;
    void *arg;
} net_request;

typedef struct net_connector {
    connector base; // first
    loop *l;
    net_request requests[NET_REQUESTS_MAX];
    int asked;
    int cancelled;
    connect_request last; // its host is `last_host`
    char last_host[CONNECT_HOST_BYTES_MAX + 1];
    status refuses_at_once;        // what connector_request returns; STATUS_OK = it takes the request
    status refuses;                // what the answer is; STATUS_OK = the real thing
    int os_error;                  // of that answer
    bool is_mute;                  // takes requests and does not answer them
    const loop_address *addresses; // the answer to CONNECT_RESOLVE
    size_t address_count;
} net_connector;

// Of the guest's instance, after guest_start.
void net_connector_init(net_connector *c, guest *g);
// Lets the loop go on until the guest was woken or nothing moves any more.
void net_settle(guest *g);

// A listening socket on 127.0.0.1 and its port.
int net_listen(uint16_t *ret_port);
// A blocking connection to 127.0.0.1, for the other side of a test.
int net_connect(uint16_t port);
