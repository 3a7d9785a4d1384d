// SPDX-License-Identifier: Apache-2.0
// Where workloads' connections come from, in the supervisor and in the single process: made directly
// (host/local_connector.h), or, outgoing HTTP of a host that has a proxy, by a tunnel through it
// (net/tunnel.h). So the policy of the workload is applied to a name before the proxy hears it, nobody in a
// worker sees the proxy or its credentials, and TLS stays between the component's host and the target.
//
// What a name leads to is the proxy's business: the rule that keeps public names from leading into private
// networks is the proxy's to hold then. What --no-proxy names is connected directly, and so is what is not
// HTTP.
#pragma once

#include "host/config.h"
#include "host/handed_connector.h"
#include "net/connector.h"

typedef struct outgoing outgoing;

// `config` is borrowed. Reads the file with the credentials of the proxy, if one is named: STATUS_NOT_FOUND,
// STATUS_DENIED when others may read it, STATUS_INVALID.
status outgoing_new(loop *l, const host_config *config, outgoing **ret, err *e) WRIT_MUST_USE;
void outgoing_free(outgoing *o); // accepts NULL; answers nothing more
// Connections of outgoing HTTP of workloads that are linked (workload_config.is_http_linked) come from there;
// before outgoing_connector. Without it they get none.
void outgoing_hand(outgoing *o, handed_open open, void *context);
connector *outgoing_connector(outgoing *o);
