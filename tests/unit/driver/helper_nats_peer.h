// SPDX-License-Identifier: Apache-2.0
// Another client of a NATS server, on the loop of a kv: what it asks and answers is what the protocol has.
#pragma once

#include "bus/nats.h"
#include "unit/driver/helper_keyvalue.h"

typedef struct nats_peer {
    kv *k;
    nats *n;
    nats_request request;
    int ends;
    char answer[8000]; // to what was asked last
} nats_peer;

void nats_peer_begin(nats_peer *p, kv *k, uint16_t port); // and waits for it
void nats_peer_end(nats_peer *p);
// A request whose answer is no fault of JetStream. `headers` may be NULL.
void nats_peer_ask(nats_peer *p, const char *subject, const char *headers, const char *payload);
