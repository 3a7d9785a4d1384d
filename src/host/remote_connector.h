// SPDX-License-Identifier: Apache-2.0
// The connector of a worker: asks the supervisor over the channel. So many requests of each workload are on
// their way at one time; more wait here, in order, so that those of one workload never wait for another's.
#pragma once

#include "host/message.h"

enum {
    REMOTE_IN_FLIGHT_MAX = 64,
    REMOTE_SHARE_MIN = 4,
    REMOTE_WAITING_MAX = 16384, // of one workload
};

// How many requests of one workload may be on their way, when there are so many workloads.
static inline uint32_t remote_connector_share(uint32_t workload_count) {
    uint32_t share = workload_count == 0 ? 0 : REMOTE_IN_FLIGHT_MAX / workload_count;
    return share > REMOTE_SHARE_MIN ? share : REMOTE_SHARE_MIN;
}

// `c` is borrowed. Whoever reads the channel hands MESSAGE_CONNECTED packets over.
status remote_connector_new(loop *l, channel *c, uint32_t workload_count, connector **ret,
                            err *e) WRIT_MUST_USE;
void remote_connector_free(connector *c); // accepts NULL

void remote_connector_answer(connector *c, channel_packet *p); // takes the descriptor
// Sends what waits: call when the channel may have room again.
void remote_connector_flush(connector *c);
