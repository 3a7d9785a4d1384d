// SPDX-License-Identifier: Apache-2.0
// A link to a driver of key-value, on a loop of its own, and calls to it. Failures that are no test's subject
// stop the program.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "driver/keyvalue/keyvalue.h"
#include "unit/net/helper_connector.h"

typedef struct kv {
    loop *l;
    direct_connector connector;
    const driver *d;
    driver_link *link;
    driver_environment env;
    char directory[64]; // a fresh one, removed by kv_stop
    bool is_closed;
    driver_health health; // as last told
    int health_changes;
    void *data; // of the test file
} kv;

typedef struct kv_pending { // a call on its way, and what came of it
    driver_call call;
    buf payload;
    keyvalue_function function;
    bool is_done;
    status code;
    char message[512]; // unless STATUS_OK
    keyvalue_answer answer;
    buf bytes; // what the answer's slices point at
    arena memory;
    void (*ended)(struct kv_pending *p); // may be NULL
    void *arg;
} kv_pending;

void kv_start(kv *k);
status kv_open(kv *k, const driver *d, const driver_values *settings, const driver_values *credentials,
               err *e);
void kv_close(kv *k); // and waits for it
void kv_stop(kv *k);
void kv_wait_up(kv *k);
void kv_turn(kv *k); // waits, but not long

// Begins a call; the loop has to be turned. A kv_pending can be used again after kv_pending_done.
void kv_begin(kv *k, kv_pending *p, const keyvalue_call *c, uint64_t deadline_ns);
void kv_wait(kv *k, kv_pending *p);
void kv_pending_done(kv_pending *p);
// Begins and waits.
void kv_call(kv *k, const keyvalue_call *c, kv_pending *ret);

// The status of a call with an answer that is no error; what did not work is printed.
bool kv_do(kv *k, const keyvalue_call *c);
bool kv_set(kv *k, const char *bucket, const char *key, const char *value);
bool kv_delete(kv *k, const char *bucket, const char *key);
bool kv_is(kv *k, const char *bucket, const char *key, const char *value); // NULL = not there
bool kv_exists(kv *k, const char *bucket, const char *key);
bool kv_add(kv *k, const char *bucket, const char *key, uint64_t delta, uint64_t expected);
bool kv_add_signed(kv *k, const char *bucket, const char *key, int64_t delta, int64_t expected);
// Whether it ends as an error of the contract whose message has that part.
bool kv_is_error(kv *k, const keyvalue_call *c, keyvalue_error error, const char *part);
// Whether swapping did (1), did not (0) or failed (-1). `expected` NULL = not there.
int kv_swap(kv *k, const char *bucket, const char *key, const char *expected, const char *value);

static inline keyvalue_call kv_key_call(keyvalue_function f, const char *bucket, const char *key) {
    return (keyvalue_call){.function = f, .bucket = slice_from_text(bucket), .key = slice_from_text(key)};
}
