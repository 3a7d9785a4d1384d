// SPDX-License-Identifier: Apache-2.0
// An answer over HTTP of any length, sent as fast as its client takes it.
#pragma once

#include "base/buf.h"
#include "net/http_server.h"

// Sends `text`, which is taken over and left empty, and releases the exchange when it is done.
void answer_send(http_exchange *x, uint16_t code, const http_header *headers, size_t header_count, buf *text);
