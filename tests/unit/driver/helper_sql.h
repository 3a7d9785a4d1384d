// SPDX-License-Identifier: Apache-2.0
// Calls to a driver of wasmcloud:postgres, with values written as text: "int8:5|text:a|null" are parameters,
// and "id=int8:1 name=text:a; id=int8:2 name=null" are rows. Links are opened as for key-value.
#pragma once

#include "driver/sql/sql.h"
#include "unit/driver/helper_keyvalue.h"

typedef struct sql_pending { // a call on its way, and what came of it
    driver_call call;
    buf payload;
    sql_function function;
    bool is_done;
    status code;
    char text[8192]; // rows, "ok 5", a token, or the error: "invalid-query 42601: ...", "closed ..."
} sql_pending;

// Begins a call; `params` are for QUERY and EXEC, NULL = none.
void sql_begin(kv *k, sql_pending *p, sql_function f, const char *text, const char *params,
               uint64_t deadline_ns);
void sql_wait(kv *k, sql_pending *p);
void sql_done(sql_pending *p);
// Begins and waits.
void sql_call(kv *k, sql_pending *p, sql_function f, const char *text, const char *params);

// Whether the answer is this; what came instead is printed.
bool sql_is(kv *k, const char *text, const char *params, const char *rows);
// Whether the answer begins with this: "ok", or an error's kind and state.
bool sql_gives(kv *k, sql_function f, const char *text, const char *params, const char *start);
bool sql_batch(kv *k, const char *text);
