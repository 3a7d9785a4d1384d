// SPDX-License-Identifier: Apache-2.0
// Secrets in a worker: asks the supervisor for a value when a guest reveals it, and keeps none. A few are on
// their way at one time; more wait, in order.
#pragma once

#include "host/message.h"
#include "host/workload.h"

enum { REMOTE_SECRETS_IN_FLIGHT_MAX = 4 }; // the channel holds the answers to all

typedef struct remote_secrets remote_secrets;

// `c` is borrowed. Whoever reads the channel hands MESSAGE_REVEALED packets over.
remote_secrets *remote_secrets_new(channel *c);
void remote_secrets_free(remote_secrets *r); // accepts NULL; no guest may wait

secret_teller remote_secrets_teller(remote_secrets *r);
void remote_secrets_answer(remote_secrets *r, channel_packet *p); // wipes the packet
