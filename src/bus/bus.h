// SPDX-License-Identifier: Apache-2.0
// What the hosts of a lattice share: messages on subjects, and buckets of keys and values that can be
// watched. One interface with several implementations: in this process with its state in a file
// (bus/bus_local.h), a cluster of NATS (bus/bus_nats.h), a simulated network (tests/sim). Whoever uses it
// cannot tell which it is, but for what a lost connection means: bus_is_up, and ends with STATUS_CLOSED.
//
// Subjects are tokens with '.' between; in subscriptions '*' stands for one token and '>' for the rest.
// What is published with a reply subject and heard by nobody is answered there with an empty message whose
// headers begin with "NATS/1.0 503". Names of buckets are letters, digits, '_' and '-', of keys also '/', '='
// and '.', without empty tokens. Delivery is at most once; messages of one publisher on one subject come in
// order. Buckets: one value per key with a revision that grows over the whole bucket; a change made with an
// expected revision is made when nobody was faster.
//
// Nobody is there: a message with a reply subject that no subscription takes is answered on that subject by
// an empty one whose headers begin with "NATS/1.0 503" (requests and gatherings end with STATUS_NOT_FOUND
// then). Whoever publishes may give a headers block with such a status line, too.
//
// Bounds: bytes of a message (bus_payload_max, and BUS_PAYLOAD_BYTES_MAX of what is taken), subscriptions,
// operations in flight, bytes queued for a subscriber; over them STATUS_LIMIT at once, or, of a subscriber
// that cannot keep up, messages are dropped and counted.
//
// Threads: all on the thread of the loop. Callbacks come from the loop only, never from inside a function of
// this header, and may call anything here. Bytes that a callback gets are valid during the call.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/slice.h"
#include "loop/loop.h"

typedef struct bus bus;

enum {
    BUS_SUBJECT_BYTES_MAX = 512,
    BUS_PAYLOAD_BYTES_MAX = 8 << 20,
    BUS_INBOX_BYTES_MAX = 64,
    BUS_BUCKET_BYTES_MAX = 128,
    BUS_KEY_BYTES_MAX = 256,
    BUS_ANSWERS_MAX = 1 << 16,
};

typedef struct bus_message {
    slice subject;
    slice reply;   // empty = none
    slice headers; // a whole block as nats_headers_begin and so on make it; empty = none
    slice payload;
} bus_message;

void bus_free(bus *b); // accepts NULL; what is in flight is forgotten without a callback

// --- the connection ----------------------------------------------------------------------------------------

bool bus_is_up(const bus *b); // always, of one in this process
typedef struct bus_watcher bus_watcher;
struct bus_watcher { // the caller's, zeroed, in place until it is removed
    void (*changed)(void *arg, bool is_up, const char *reason);
    // The server complains, such as about a subject that is not allowed, and the connection goes on. A line
    // to be shown. May be NULL.
    void (*complains)(void *arg, const char *text);
    void *arg;
    list_node node;
};
void bus_add_watcher(bus *b, bus_watcher *w);
void bus_remove_watcher(bus_watcher *w); // idempotent; accepts a zeroed one
size_t bus_payload_max(const bus *b);    // that can be published, with headers
uint64_t bus_dropped(const bus *b);      // messages of subscribers that could not keep up

// --- messages ----------------------------------------------------------------------------------------------

// STATUS_CLOSED while there is no connection, STATUS_LIMIT, STATUS_INVALID for a subject that is none.
status bus_publish(bus *b, const bus_message *m, err *e) WRIT_MUST_USE;

typedef struct bus_subscription bus_subscription;
typedef void (*bus_on_message)(void *arg, bus_subscription *s, const bus_message *m);
struct bus_subscription { // the caller's, zeroed, in place until it is cancelled; all fields are the bus's
    bus *b;               // NULL when idle
    bus_on_message on_message;
    void *arg;
    void *impl;
};
// `queue`: of all subscribers with the same one, one gets a message; empty = none. Works without a
// connection.
status bus_subscribe(bus *b, bus_subscription *s, slice subject, slice queue, bus_on_message on_message,
                     void *arg, err *e) WRIT_MUST_USE;
void bus_unsubscribe(bus_subscription *s); // no callback follows; idempotent; accepts a zeroed one

// A new subject below this client's own inbox, for answers that come in several messages.
slice bus_inbox(bus *b, char ret[BUS_INBOX_BYTES_MAX]);

typedef struct bus_result {
    // STATUS_OK; STATUS_NOT_FOUND: nobody listens; STATUS_TIMEOUT; STATUS_CLOSED: the connection was lost, it
    // is not known whether it was heard; STATUS_DENIED, STATUS_LIMIT
    status code;
    bus_message message; // with STATUS_OK
    const char *text;    // a sentence unless STATUS_OK
} bus_result;
typedef struct bus_request bus_request;
struct bus_request { // the caller's, zeroed, in place until it has ended or was cancelled; fields are the
                     // bus's
    bus *b;          // NULL when idle
    void (*ended)(void *arg, const bus_result *result);
    void *arg;
    void *impl;
};
// One answer. `ended` is called exactly once unless it is cancelled or this fails. `deadline_ns` of
// loop_now_ns.
status bus_request_start(bus *b, bus_request *r, const bus_message *m, uint64_t deadline_ns,
                         void (*ended)(void *arg, const bus_result *result), void *arg, err *e) WRIT_MUST_USE;
void bus_request_cancel(bus_request *r); // idempotent; accepts a zeroed one

// All answers until a deadline (scatter and gather): `answer` for each, then `ended` once. At most `max`
// answers (0 = no bound but BUS_ANSWERS_MAX); `quiet_ns`: ends that long after the last answer, 0 = only at
// the deadline.
typedef struct bus_gather bus_gather;
struct bus_gather { // the caller's, zeroed, in place until it has ended or was cancelled
    bus *b;         // NULL when idle
    void (*answer)(void *arg, const bus_message *m);
    void (*ended)(void *arg,
                  status code); // STATUS_OK (the deadline, or `max`), STATUS_NOT_FOUND, STATUS_CLOSED
    void *arg;
    bus_subscription inbox;
    bus_watcher lost;
    loop_timer deadline;
    loop_timer quiet;
    uint64_t quiet_ns;
    size_t count; // of answers
    size_t max;
};
status bus_gather_start(bus *b, bus_gather *g, const bus_message *m, uint64_t deadline_ns, uint64_t quiet_ns,
                        size_t max, err *e) WRIT_MUST_USE; // answer, ended and arg are set before
void bus_gather_cancel(bus_gather *g);

// --- buckets -----------------------------------------------------------------------------------------------

typedef enum bus_kv_kind { BUS_KV_PUT, BUS_KV_DELETE, BUS_KV_PURGE } bus_kv_kind;

typedef struct bus_kv_entry {
    slice key;
    slice value; // empty unless BUS_KV_PUT
    uint64_t revision;
    bus_kv_kind kind;
    slice headers; // that were put with it, a whole block; only over NATS: elsewhere they are not kept
} bus_kv_entry;

typedef struct bus_kv_result {
    // STATUS_OK; STATUS_NOT_FOUND: no such key (get), no such bucket; STATUS_EXISTS: somebody was faster;
    // STATUS_TIMEOUT, STATUS_CLOSED, STATUS_DENIED, STATUS_LIMIT, STATUS_IO: the store failed,
    // STATUS_UNSUPPORTED: the server keeps nothing
    status code;
    bus_kv_entry entry; // of get; of changes only `revision` is told, which may be 0 when there was
                        // nothing to remove
    const char *text;   // a sentence unless STATUS_OK
} bus_kv_result;

typedef struct bus_kv_op bus_kv_op;
struct bus_kv_op { // the caller's, zeroed, in place until it has ended or was cancelled; fields are the bus's
    bus *b;        // NULL when idle
    void (*ended)(void *arg, const bus_kv_result *result);
    void *arg;
    void *impl;
};
typedef void (*bus_kv_ended)(void *arg, const bus_kv_result *result);

// The bucket is there from now on: opened, or made with history 1.
status bus_kv_open(bus *b, bus_kv_op *o, slice bucket, uint64_t deadline_ns, bus_kv_ended ended, void *arg,
                   err *e) WRIT_MUST_USE;
status bus_kv_get(bus *b, bus_kv_op *o, slice bucket, slice key, uint64_t deadline_ns, bus_kv_ended ended,
                  void *arg, err *e) WRIT_MUST_USE;
// `expected`: the revision that it has now, 0 = there must be none (a deleted one counts as none);
// BUS_KV_ANY = whatever it has.
#define BUS_KV_ANY UINT64_MAX
status bus_kv_put(bus *b, bus_kv_op *o, slice bucket, slice key, slice value, uint64_t expected,
                  uint64_t deadline_ns, bus_kv_ended ended, void *arg, err *e) WRIT_MUST_USE;
// With BUS_KV_DELETE or BUS_KV_PURGE; removing what is not there is STATUS_OK.
status bus_kv_remove(bus *b, bus_kv_op *o, slice bucket, slice key, bus_kv_kind kind, uint64_t expected,
                     uint64_t deadline_ns, bus_kv_ended ended, void *arg, err *e) WRIT_MUST_USE;
// Either of them, with headers; `change->revision` is not read.
status bus_kv_change(bus *b, bus_kv_op *o, slice bucket, const bus_kv_entry *change, uint64_t expected,
                     uint64_t deadline_ns, bus_kv_ended ended, void *arg, err *e) WRIT_MUST_USE;
void bus_kv_cancel(bus_kv_op *o); // it may be done all the same; idempotent; accepts a zeroed one

// Every key of the bucket as it is (values that are longer than the bus takes are told by `failed`), then
// `caught_up`, then the changes as they come, in the order of revisions; of several of one key that come fast
// only the last is certain. After a lost connection it goes on by itself: what may have been missed is told
// again as it is then (`restarted` first: whatever is not told until `caught_up` is gone).
typedef struct bus_kv_watch bus_kv_watch;
struct bus_kv_watch { // the caller's, zeroed, in place until it is cancelled
    bus *b;           // NULL when idle
    void (*restarted)(void *arg);
    void (*entry)(void *arg, const bus_kv_entry *entry);
    void (*caught_up)(void *arg);
    void (*failed)(void *arg, status code, const char *text); // told each time; it tries again by itself
    void *arg;
    void *impl;
};
status bus_kv_watch_start(bus *b, bus_kv_watch *w, slice bucket,
                          err *e) WRIT_MUST_USE; // callbacks set before
void bus_kv_watch_stop(bus_kv_watch *w);         // idempotent; accepts a zeroed one

// --- for implementations -----------------------------------------------------------------------------------

typedef struct bus_ops {
    void (*free)(bus *b);
    bool (*is_up)(const bus *b);
    size_t (*payload_max)(const bus *b);
    uint64_t (*dropped)(const bus *b);
    slice (*inbox)(bus *b, char ret[BUS_INBOX_BYTES_MAX]);
    status (*publish)(bus *b, const bus_message *m, err *e);
    status (*subscribe)(bus *b, bus_subscription *s, slice subject, slice queue, err *e);
    void (*unsubscribe)(bus_subscription *s);
    status (*request)(bus *b, bus_request *r, const bus_message *m, uint64_t deadline_ns, err *e);
    void (*request_cancel)(bus_request *r);
    status (*kv_open)(bus *b, bus_kv_op *o, slice bucket, uint64_t deadline_ns, err *e);
    status (*kv_get)(bus *b, bus_kv_op *o, slice bucket, slice key, uint64_t deadline_ns, err *e);
    status (*kv_change)(bus *b, bus_kv_op *o, slice bucket, const bus_kv_entry *change, uint64_t expected,
                        uint64_t deadline_ns, err *e); // `change->revision` is not read
    void (*kv_cancel)(bus_kv_op *o);
    status (*watch)(bus *b, bus_kv_watch *w, slice bucket, err *e);
    void (*watch_stop)(bus_kv_watch *w);
} bus_ops;

struct bus { // the first part of an implementation's own
    const bus_ops *ops;
    loop *loop;
    list_node watchers;
};
void bus_init(bus *b, const bus_ops *ops, loop *l);
// The connection has changed. Whoever is told may free the bus: the caller keeps it in place meanwhile.
void bus_tell_watchers(bus *b, bool is_up, const char *reason);
void bus_tell_complaint(bus *b, const char *text); // likewise
bool bus_nobody_listens(const bus_message *m);     // the answer that says so
bool bus_key_is_valid(slice key);
