// SPDX-License-Identifier: Apache-2.0
// The supervisor's side of one worker's connections: takes its requests off the channel, has them made by the
// local connector, and passes the descriptors. Bounded per worker; a worker that asks for more than
// remote_connector.h ever does breaks the protocol.
#pragma once

#include "host/message.h"

typedef struct broker broker;

// All borrowed. `workload_count`: a request for another workload breaks the protocol too.
status broker_new(loop *l, connector *local, channel *c, uint32_t workload_count, broker **ret,
                  err *e) WRIT_MUST_USE;
void broker_free(broker *b); // accepts NULL; cancels what is on its way

// STATUS_INVALID when the packet is malformed or over the bound.
status broker_request(broker *b, const channel_packet *p, err *e) WRIT_MUST_USE;
status broker_cancel(broker *b, const channel_packet *p, err *e) WRIT_MUST_USE;
