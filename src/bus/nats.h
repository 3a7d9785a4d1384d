// SPDX-License-Identifier: Apache-2.0
// A client of NATS on the loop: publish, subscribe (with queue groups), request with one answer. It connects
// through the connector and connects again by itself; time, randomness and sockets come from outside, so that
// a simulation can drive it.
//
// What happens when the connection is lost: subscriptions stay and are made again; requests that are on their
// way end with STATUS_CLOSED (whether they were heard is not known); what is published while there is no
// connection is refused. Nothing is kept for later: NATS promises delivery at most once, and so does this.
//
// Bounds: `out_bytes_max` queued for the server, requests and subscriptions by number, the length of
// messages. Messages are handed over one after the other from the socket's buffer; who cannot keep up drops
// them or calls nats_pause, and the server drops the connection of a client that is paused for too long.
//
// Threads: all on the thread of the loop. Callbacks come from the loop only, never from inside a function of
// this header, and may call anything here, nats_free included.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/slice.h"
#include "bus/nats_parse.h"
#include "crypto/tls.h"
#include "loop/loop.h"
#include "net/connector.h"

typedef struct nats nats;

enum {
    NATS_SERVERS_MAX = 32, // given and discovered
    NATS_SUBSCRIPTIONS_MAX = 1 << 16,
    NATS_REQUESTS_MAX = 1 << 16, // on their way
    NATS_REASON_BYTES_MAX = 256,
};

typedef struct nats_server {
    char host[CONNECT_HOST_BYTES_MAX + 1]; // a name, or an address without brackets
    uint16_t port;
    bool is_secure; // tls://
} nats_server;

// nats://host[:port], tls://host[:port] or host[:port]; the default port is 4222. A user or a password in it
// is STATUS_INVALID.
status nats_server_parse(slice url, nats_server *ret, err *e) WRIT_MUST_USE;

// What the client proves itself with; empty fields are not there. `creds` is the text of a credentials file
// (a user JWT and the seed of its key), `seed` an nkey's seed: both sign what the server asks, the seed never
// leaves.
typedef struct nats_credentials {
    slice user;
    slice password;
    slice token;
    slice seed;
    slice creds;
} nats_credentials;

typedef enum nats_state {
    NATS_CONNECTING, // the first attempt runs
    NATS_UP,
    NATS_DOWN, // and another attempt is planned
} nats_state;

typedef struct nats_options {
    loop *l;
    connector *connector;
    uint32_t workload;          // whose policy the connector applies
    const nats_server *servers; // copied; at least one
    size_t server_count;
    bool discovers;               // goes to servers that a server tells of, too
    const char *name;             // of this client, for the server's lists; NULL = none; copied
    tls_context *tls;             // NULL = in the clear; a server that wants TLS is refused then. Stays the
                                  // caller's, valid until nats_free. With it a server without TLS is refused
    bool tls_first;               // TLS before the server's greeting
    nats_credentials credentials; // borrowed until nats_free or nats_set_credentials
    uint64_t random;              // seeds waits and the names of inboxes
    size_t out_bytes_max;         // 0 = 64 MiB
    size_t payload_bytes_max;     // of a message that is taken, longer ones are passed over; 0 = 8 MiB
    uint64_t connect_ns_max;      // until it is up; 0 = 5 s
    uint64_t ping_ns;             // a server that is silent for that long is asked, twice; 0 = 20 s
    uint64_t retry_ns_max;        // the longest wait when no server could be reached; 0 = 15 s
    // The state has changed; `why` is STATUS_OK when it is up. NATS_DOWN comes again for each attempt that
    // failed. May be NULL.
    void (*on_state)(void *arg, nats_state state, status why, const char *reason);
    // The server complains, such as about a subject that is not allowed, and the connection goes on. The text
    // is as it came. May be NULL.
    void (*on_error)(void *arg, slice text);
    void *arg;
} nats_options;

// Begins to connect.
status nats_new(const nats_options *options, nats **ret, err *e) WRIT_MUST_USE;
// Cuts; requests and subscriptions are forgotten without a callback, and may be freed from now on.
void nats_free(nats *n);                                                 // accepts NULL
void nats_set_credentials(nats *n, const nats_credentials *credentials); // for the next connection

nats_state nats_state_of(const nats *n);
uint64_t nats_next_try_ns(const nats *n); // of loop_now_ns; UINT64_MAX = none is planned
uint64_t nats_passed_over(const nats *n); // messages of subscriptions that were too long
size_t nats_payload_max(const nats *n); // that the server takes, with headers; 0 before the first connection

// --- publishing --------------------------------------------------------------------------------------------

typedef struct nats_message {
    slice subject;
    slice reply;   // empty = none
    slice headers; // a whole block, see nats_headers_begin; empty = none
    slice payload;
    bool is_cut; // one that came was longer than is taken: without headers and payload
} nats_message;

// STATUS_CLOSED while there is no connection, STATUS_LIMIT for a full queue or a message that is longer than
// the server takes, STATUS_INVALID for a subject that is none.
status nats_publish(nats *n, const nats_message *m, err *e) WRIT_MUST_USE;

// A block of headers: begin, any number of fields, end. Names and values without line ends (STATUS_INVALID).
status nats_headers_begin(buf *b) WRIT_MUST_USE;
status nats_headers_put(buf *b, slice name, slice value) WRIT_MUST_USE;
status nats_headers_end(buf *b) WRIT_MUST_USE;

// --- subscriptions -----------------------------------------------------------------------------------------

typedef struct nats_subscription nats_subscription;
typedef void (*nats_on_message)(void *arg, nats_subscription *s, const nats_message *m);

// The caller's, zeroed, in place until it is cancelled. All fields are this module's.
struct nats_subscription {
    nats *n; // NULL when idle
    nats_on_message on_message;
    void *arg;
    char *subject;
    char *queue; // or NULL
    uint64_t sid;
    uint64_t left;  // messages until its end; 0 = no end
    bool takes_cut; // the caller's, set after subscribing: messages that are too long are told
};

// `queue`: of all subscribers with the same one, one gets a message; empty = none. `max`: ends after so many
// messages (0 = never). What `m` points at in the callback is valid during the call. Works without a
// connection.
status nats_subscribe(nats *n, nats_subscription *s, slice subject, slice queue, uint64_t max,
                      nats_on_message on_message, void *arg, err *e) WRIT_MUST_USE;
// No callback follows. Idempotent; accepts a zeroed one.
void nats_unsubscribe(nats_subscription *s);

// --- requests ----------------------------------------------------------------------------------------------

enum { NATS_INBOX_BYTES_MAX = 64 };
// A new subject below the client's own inbox, for answers that come in several messages.
slice nats_inbox(nats *n, char ret[NATS_INBOX_BYTES_MAX]);

typedef struct nats_result {
    // STATUS_OK; STATUS_NOT_FOUND: nobody listens on the subject; STATUS_DENIED: the server does not allow
    // the subject; STATUS_LIMIT: the answer is longer than is taken; STATUS_TIMEOUT; STATUS_CLOSED: the
    // connection was lost, it is not known whether it was heard.
    status code;
    nats_message message; // with STATUS_OK; valid during the callback
    const char *text;     // a sentence unless STATUS_OK
} nats_result;

typedef struct nats_request nats_request;
typedef void (*nats_ended)(void *arg, const nats_result *result);

// The caller's, zeroed, in place until it has ended or was cancelled. All fields are this module's.
struct nats_request {
    nats *n; // NULL when idle
    nats_ended ended;
    void *arg;
    loop_timer deadline;
    uint64_t subject_hash;
    uint64_t number;
};

// Publishes `m` (its `reply` must be empty) with an inbox for the answer: the first message to it ends the
// request. `ended` is called exactly once unless it is cancelled or this fails: then nothing was sent.
status nats_request_start(nats *n, nats_request *r, const nats_message *m, uint64_t deadline_ns,
                          nats_ended ended, void *arg, err *e) WRIT_MUST_USE;
void nats_request_cancel(nats_request *r); // idempotent; accepts a zeroed one
static inline bool nats_request_is_active(const nats_request *r) { return r->n != NULL; }

// --- flushes -----------------------------------------------------------------------------------------------

typedef struct nats_flush nats_flush;
// STATUS_OK: the server has read everything that was published before; STATUS_CLOSED.
typedef void (*nats_flushed)(void *arg, status code);

// The caller's, zeroed, in place until it has ended or was cancelled. All fields are this module's.
struct nats_flush {
    nats *n; // NULL when idle
    nats_flushed ended;
    void *arg;
    uint64_t ping;
    list_node node;
};

// All that are started in one turn of the loop cost one question to the server. What it does not allow is
// told by on_error before `ended`. STATUS_CLOSED: there is no connection.
status nats_flush_start(nats *n, nats_flush *f, nats_flushed ended, void *arg, err *e) WRIT_MUST_USE;
void nats_flush_cancel(nats_flush *f); // idempotent; accepts a zeroed one

// The subject that a complaint of the server (on_error) says must not be published to; false for another one.
bool nats_refused_subject(slice text, uint8_t room[NATS_SUBJECT_BYTES_MAX], slice *ret);

// --- back-pressure -----------------------------------------------------------------------------------------

// Nothing is read from the server while paused, answers of requests included.
void nats_pause(nats *n);
void nats_resume(nats *n);
