// SPDX-License-Identifier: Apache-2.0
// What the halves of a connection share.
#pragma once

#include "driver/sql/postgres_connection.h"

// Tells the end of the connection. It may be connecting again, or stopped, when this returns.
void postgres_lose(postgres_connection *c, status why, const char *format, ...) WRIT_FORMAT(3, 4);
status postgres_send(postgres_connection *c, const buf *bytes) WRIT_MUST_USE;
// A message to a connection that was greeted.
void postgres_read_message(postgres_connection *c, const postgres_message *m);
