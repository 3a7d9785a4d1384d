// SPDX-License-Identifier: Apache-2.0
// A connector whose way out changes while requests are on it: those that are not answered are asked for again
// on the next way. For links, which outlive the supervisor that connected them.
#pragma once

#include "loop/loop.h"
#include "net/connector.h"

// Without a way at first.
connector *switch_connector_new(loop *l);
// What was asked for is cancelled on the old way, if that is not the same, and asked for on `inner`; NULL =
// there is none: it ends with STATUS_CLOSED.
void switch_connector_set(connector *c, connector *inner);
void switch_connector_free(connector *c); // accepts NULL; cancels what was asked for
