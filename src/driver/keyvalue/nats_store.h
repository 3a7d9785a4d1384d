// SPDX-License-Identifier: Apache-2.0
// What the files of the driver `nats` of key-value share.
#pragma once

#include "base/siphash.h"
#include "bus/jetstream.h"
#include "driver/keyvalue/keyvalue.h"
#include "driver/nats_link.h"

enum {
    NATS_STORE_BUCKETS_MAX = 1024, // that are remembered
    NATS_STORE_WAITING_MAX = 4096,
    NATS_STORE_WAITING_BYTES_MAX = 64 << 20,
    NATS_STORE_TRIES_MAX = 3, // of a call whose bucket is removed and made while it runs
    NATS_STORE_SUBJECT_BYTES = 4096,
};

typedef struct nats_task nats_task;

typedef struct nats_bucket {
    struct driver_link *link;
    list_node node;    // of the link
    list_node waiting; // nats_task.q, until it is known
    unsigned users;    // calls
    enum { NATS_BUCKET_UNKNOWN, NATS_BUCKET_ASKING, NATS_BUCKET_CREATING, NATS_BUCKET_THERE } state;
    bool is_direct;   // its values can be asked for directly
    bool has_history; // more than one message for a key
    nats_request request;
    char name[]; // as it is written
} nats_bucket;

// A key whose value depends on the one before: one change of ours is on its way at a time, and all calls that
// came meanwhile are the next one. Others' changes are seen by the number that each value has.
typedef struct nats_hot nats_hot;

typedef struct nats_part { // of a call with many keys
    nats_task *op;
    size_t index;
    nats_request request;
} nats_part;

struct nats_task { // `data` of a keyvalue_request
    struct driver_link *link;
    keyvalue_request *q;
    nats_bucket *bucket;
    nats_hot *hot;
    nats_request request;
    void *extra;         // parts, or what a list is made of
    uint32_t parts_left; // requests on their way
    uint32_t tries;
    uint64_t number; // of a hot key: what the answer will be
    const char *problem;
    bool is_swapped;
};

struct driver_link {
    nats_link base;
    keyvalue_limits limits;
    nats *client;
    bool creates;   // buckets that are not there
    bool in_memory; // those that it creates
    uint64_t replicas;
    list_node waiting; // keyvalue_request, until the first connection
    size_t waiting_count;
    size_t waiting_bytes;
    list_node buckets;
    size_t bucket_count;
    list_node hots;
    size_t idle_hots;
    siphash_key hot_key;
    list_node lists; // calls that a consumer of the server gives keys to
    loop_soon closed;
};

// Every op ends in one of these, which free it.
void nats_task_reply(nats_task *x, const keyvalue_answer *a);
void nats_task_other(nats_task *x, const char *text); // the error `other`
void nats_task_fail(nats_task *x, status code, const char *text);
// A result that is no STATUS_OK.
void nats_task_failed(nats_task *x, const nats_result *r);
void nats_task_fault(nats_task *x, const jetstream_fault *fault);
// Begins anew, for the bucket is not what it was.
void nats_task_again(nats_task *x);
// Does what it is for; the bucket is there.
void nats_task_run(nats_task *x);
void nats_task_list(nats_task *x);
void nats_task_list_drop(nats_task *x); // what it holds outside of the arena

// "$KV.<bucket>.<key>" into `ret`; an error is answered and false returned.
bool nats_task_subject(nats_task *x, slice key, buf *ret);

// A value as a message of its stream.
typedef struct nats_value {
    bool is_there;
    uint64_t sequence; // 0 = there is not even a mark that it was deleted
    slice value;
} nats_value;

// Asks for the value of the subject.
status nats_value_ask(nats_bucket *b, slice subject, nats_request *request, nats_ended ended, void *arg,
                      err *e) WRIT_MUST_USE;
// The answer; slices are of the message or in the arena. STATUS_NOT_FOUND: the bucket is not there.
status nats_value_read(const nats_bucket *b, const nats_message *m, arena *a, nats_value *ret,
                       jetstream_fault *fault, err *e) WRIT_MUST_USE;

// --- buckets -----------------------------------------------------------------------------------------------

// Finds or makes it, and counts one user. NULL: an answer was given.
nats_bucket *nats_bucket_take(nats_task *x);
void nats_bucket_give(nats_bucket *b);
// Runs the op when it is known that the bucket is there; answers when it is not and need not be.
void nats_bucket_run(nats_task *x);
void nats_bucket_forget(nats_bucket *b); // it is not what it was
void nats_buckets_reset(driver_link *k); // the connection is another one
void nats_buckets_done(driver_link *k);

// --- hot keys ----------------------------------------------------------------------------------------------

void nats_hot_add(nats_task *x);
void nats_hot_leave(nats_task *x);
void nats_hots_done(driver_link *k);
