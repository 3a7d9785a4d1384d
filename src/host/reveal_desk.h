// SPDX-License-Identifier: Apache-2.0
// The supervisor's side of one worker's reveals: takes its requests off the channel, and sends the values
// once the audit log has them. As many at one time as remote_secrets.h has, each answered once.
#pragma once

#include "host/host_secrets.h"
#include "host/message.h"

typedef struct reveal_desk reveal_desk;

// Both are borrowed; `secrets` NULL = no workload has any.
reveal_desk *reveal_desk_new(host_secrets *secrets, channel *c);
void reveal_desk_free(reveal_desk *d); // accepts NULL; what waits is answered by nobody

// STATUS_INVALID when the packet is malformed, over the bound, or for what the workload was not granted: no
// worker of ours sends that.
status reveal_desk_request(reveal_desk *d, const channel_packet *p, err *e) WRIT_MUST_USE;
