// SPDX-License-Identifier: Apache-2.0
// The statements that a connection has prepared on its server, by their text.
#pragma once

#include "driver/sql/postgres_connection.h"

typedef struct postgres_column {
    slice name;
    uint32_t oid;
} postgres_column;

struct postgres_statement {
    list_node node;
    slice text;
    char name[24];
    bool is_kept;     // else it is for one call
    uint32_t *params; // types
    size_t param_count;
    postgres_column *columns;
    size_t column_count;
    arena memory; // all of it
};

// The one with that text, as the most used one; NULL when there is none.
postgres_statement *postgres_statements_find(postgres_connection *c, slice text);
// A new one. When there are too many already the least used one is dropped, and `*ret_dropped` is its name,
// to be closed on the server; else it is empty.
postgres_statement *postgres_statements_add(postgres_connection *c, slice text, char ret_dropped[24]);
void postgres_statements_drop(postgres_connection *c, postgres_statement *s);
void postgres_statements_clear(postgres_connection *c);
// ParameterDescription and RowDescription. False when they are no such messages.
bool postgres_statement_read_params(postgres_statement *s, slice body);
bool postgres_statement_read_columns(postgres_statement *s, slice body);
