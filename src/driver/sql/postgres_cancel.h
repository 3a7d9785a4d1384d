// SPDX-License-Identifier: Apache-2.0
// Asking a server to stop what one of its connections runs: a connection of its own that says so and is
// closed. Nobody is told whether it helped.
#pragma once

#include "driver/sql/postgres_connection.h"

enum { POSTGRES_CANCELS_MAX = 32 }; // of a link at one time; more are not sent

typedef struct postgres_cancels {
    loop *l;
    connector *connector;
    const postgres_server *server;
    list_node items;
    size_t count;
} postgres_cancels;

void postgres_cancels_init(postgres_cancels *s, loop *l, connector *by, const postgres_server *server);
void postgres_cancels_done(postgres_cancels *s); // cuts them
void postgres_cancels_add(postgres_cancels *s, uint32_t process, uint32_t key);
