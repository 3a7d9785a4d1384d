// SPDX-License-Identifier: Apache-2.0
// A connector whose connections lead to no network: somebody makes each, at once, and hands it over.
#pragma once

#include "loop/loop.h"
#include "net/connector.h"

// A connected stream socket, which becomes the receiver's. For the connector that asks for that workload.
typedef status (*handed_open)(void *context, uint32_t workload, int *ret_fd, err *e);

// All borrowed. Connections to any name; no addresses, and nothing to bind: STATUS_UNSUPPORTED.
connector *handed_connector_new(loop *l, handed_open open, void *context);
void handed_connector_free(connector *c); // accepts NULL; answers nothing more
