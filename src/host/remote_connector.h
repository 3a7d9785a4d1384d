// SPDX-License-Identifier: Apache-2.0
// The connector of a worker: asks the supervisor over the channel. At most REMOTE_IN_FLIGHT_MAX requests are
// on their way at one time; more wait here, in order.
#pragma once

#include "host/message.h"

enum {
    REMOTE_IN_FLIGHT_MAX = 64,
    REMOTE_WAITING_MAX = 16384,
};

// `c` is borrowed. Whoever reads the channel hands MESSAGE_CONNECTED packets over.
status remote_connector_new(loop *l, channel *c, connector **ret, err *e) WRIT_MUST_USE;
void remote_connector_free(connector *c); // accepts NULL

void remote_connector_answer(connector *c, channel_packet *p); // takes the descriptor
// Sends what waits: call when the channel may have room again.
void remote_connector_flush(connector *c);
