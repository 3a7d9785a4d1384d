// SPDX-License-Identifier: Apache-2.0
// The connector that really connects: looks names up off the loop's thread, applies the policy to the name
// before and to every address after, connects without blocking. Runs in the supervisor, for all workers and
// workloads, and in the single process of --workers 0. Whose policy applies says the request's number of a
// workload; one that is not in the configuration is refused. A worker's request may be hostile: nothing in it
// is believed but what is asked for. (A worker runs all workloads, so one that was taken over may ask for any
// of them: it has the authority of all, and not more.)
#pragma once

#include "host/config.h"
#include "net/connector.h"

enum {
    LOCAL_CONNECTIONS_MAX = 4096, // on their way at one time
    LOCAL_SHARE_MIN = 64,         // of one workload; otherwise they share the sum
};

// `config` (its policies) is borrowed. NULL: for connections of the host's own, anywhere, as workload 0.
status local_connector_new(loop *l, const host_config *config, connector **ret, err *e) WRIT_MUST_USE;
void local_connector_free(connector *c); // accepts NULL; answers nothing more
