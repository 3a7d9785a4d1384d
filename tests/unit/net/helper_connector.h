// SPDX-License-Identifier: Apache-2.0
// A connector that connects by itself, to the loopback interface, whatever the name: for tests.
#pragma once

#include "loop/loop.h"
#include "net/connector.h"

enum { DIRECT_REQUESTS_MAX = 2048 };

typedef struct direct_connector direct_connector;

typedef struct direct_request {
    direct_connector *owner;
    loop_soon soon;
    bool is_used;
    connect_callback done;
    void *arg;
    uint16_t port;
    char host[CONNECT_HOST_BYTES_MAX + 1];
} direct_request;

struct direct_connector {
    connector base; // first
    loop *l;
    direct_request *requests;
    int asked;      // how many requests there were
    status refuses; // STATUS_OK, or what every request gets instead
    bool never_answers;
    char last_host[CONNECT_HOST_BYTES_MAX + 1];
};

void direct_connector_init(direct_connector *c, loop *l);
void direct_connector_done(direct_connector *c);
