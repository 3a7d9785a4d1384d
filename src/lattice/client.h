// SPDX-License-Identifier: Apache-2.0
// A client of the control interface that the hosts of a lattice have: what `writ get hosts`, `writ start` and
// so on ask, over any bus. One request with one answer, one question to all with the answers that come within
// a time, and the events that hosts publish.
//
//   subject   {prefix}.v1.{lattice}.{noun}.{verb}[.{object}]     wasmbus.ctl.v1.default.component.scale.NABC
//   answer    {"success": bool, "message": text, "response": ...}
//   event     wasmbus.evt.{lattice}.{name}, a CloudEvent as JSON
//
// Yes from a host means that it has accepted a change, not that it is done; events tell that. Answers come
// from whoever the bus lets publish: they are parsed with limits, and one that is no answer is a failure of a
// request and is counted and passed over where many are gathered.
//
// Threads: all on the thread of the bus's loop. Callbacks come from the loop only.
#pragma once

#include "base/attributes.h"
#include "bus/bus.h"
#include "codec/json.h"

enum {
    LATTICE_NAME_BYTES_MAX = 64,    // of a lattice: letters, digits, '_', '-', the name of buckets too
    LATTICE_PREFIX_BYTES_MAX = 128, // of the control interface's subjects, dots allowed
    LATTICE_REQUEST_BYTES_MAX = 1 << 20,
    LATTICE_HOSTS_MAX = 4096, // whose answers are gathered
};

#define LATTICE_PREFIX_DEFAULT "wasmbus.ctl"
#define LATTICE_NAME_DEFAULT "default"

// Proves who asks: appends a whole block of headers for a request (lattice/roles.h).
typedef struct lattice_signer {
    status (*sign)(void *arg, slice subject, slice payload, buf *ret, err *e);
    void *arg;
} lattice_signer;

typedef struct lattice_client {
    bus *b;                                                              // NULL when idle
    char subject[LATTICE_PREFIX_BYTES_MAX + LATTICE_NAME_BYTES_MAX + 8]; // up to the lattice
    char events[LATTICE_NAME_BYTES_MAX + 16];
    lattice_signer signer;
    uint64_t timeout_ns;
} lattice_client;

typedef struct lattice_client_options {
    bus *b;                // borrowed, longer than everything that is asked
    slice prefix;          // empty = LATTICE_PREFIX_DEFAULT
    slice lattice;         // empty = LATTICE_NAME_DEFAULT
    uint64_t timeout_ns;   // of a request, and of gathering; 0 = 2 s
    lattice_signer signer; // `sign` NULL: requests are not signed
} lattice_client_options;

// STATUS_INVALID for a name of a lattice or a prefix that cannot be one. Nothing is to be freed.
status lattice_client_init(lattice_client *c, const lattice_client_options *options, err *e) WRIT_MUST_USE;

// A name of a lattice that subjects and buckets can have.
status lattice_name_check(slice name, err *e) WRIT_MUST_USE;

// --- one answer --------------------------------------------------------------------------------------------

typedef struct lattice_answer {
    // STATUS_OK: a host has answered. STATUS_NOT_FOUND: none listens; STATUS_TIMEOUT; STATUS_CLOSED: the
    // connection was lost, it is not known what became of it; STATUS_DENIED: the bus does not allow it;
    // STATUS_INVALID: what came is no answer
    status code;
    const char *text;           // a sentence unless STATUS_OK
    bool success;               // what the host says
    slice message;              // the host's, perhaps empty; hostile
    const json_value *response; // NULL = none; hostile
    // Of link.get and claims.get with the body {"writ": {"skip": n}}: where the next page begins; 0 = that
    // was all. Hosts that do not know pages answer with everything, which may be more than a bus carries.
    uint64_t next;
} lattice_answer;

typedef struct lattice_request lattice_request;
struct lattice_request { // the caller's, zeroed, in place until it has ended or was cancelled
    void (*ended)(void *arg, const lattice_answer *answer);
    void *arg;
    bus_request request;
};
// `command` is noun and verb, "component.scale"; `object` is empty, or one token: a host's key, the name of a
// configuration. `body` NULL = an empty payload. What `answer` points at is valid during the callback, which
// comes exactly once unless the request is cancelled or this fails: then nothing was sent.
status lattice_request_start(lattice_client *c, lattice_request *r, const char *command, slice object,
                             const json_value *body, void (*ended)(void *arg, const lattice_answer *answer),
                             void *arg, err *e) WRIT_MUST_USE;
void lattice_request_cancel(lattice_request *r); // idempotent; accepts a zeroed one

// --- the answers of all ------------------------------------------------------------------------------------

typedef struct lattice_gather lattice_gather;
struct lattice_gather { // the caller's, zeroed but for what it sets, in place until it has ended or was
                        // cancelled
    void (*answer)(void *arg, const lattice_answer *answer); // code is STATUS_OK
    // Once, at the end: STATUS_OK, STATUS_NOT_FOUND: nobody listens, STATUS_CLOSED
    void (*ended)(void *arg, status code);
    void *arg;
    size_t passed_over; // messages that were no answers
    bus_gather gather;
};
// Ends at the client's timeout, `quiet_ns` after the last answer (0 = not before the timeout), or with `max`
// answers (0 = LATTICE_HOSTS_MAX).
status lattice_gather_start(lattice_client *c, lattice_gather *g, const char *command, const json_value *body,
                            uint64_t quiet_ns, size_t max, err *e) WRIT_MUST_USE;
void lattice_gather_cancel(lattice_gather *g); // idempotent; accepts a zeroed one

// --- events ------------------------------------------------------------------------------------------------

typedef struct lattice_event {
    slice name;   // "component_scaled"; as the subject says
    slice source; // who published it, as it says: a host's key
    slice time;   // RFC 3339, or empty
    const json_value *data;
} lattice_event;

typedef struct lattice_events lattice_events;
struct lattice_events { // the caller's, zeroed, in place until it is stopped
    void (*event)(void *arg, const lattice_event *event);
    void *arg;
    size_t skip;        // bytes of the subject before the event's name
    size_t passed_over; // messages that were no events
    bus_subscription subscription;
};
// Of all hosts. What `event` points at is valid during the callback, and hostile.
status lattice_events_start(lattice_client *c, lattice_events *w,
                            void (*event)(void *arg, const lattice_event *event), void *arg,
                            err *e) WRIT_MUST_USE;
void lattice_events_stop(lattice_events *w); // idempotent; accepts a zeroed one

// --- for tests and fuzzers ---------------------------------------------------------------------------------

// An answer from its bytes. `ret` borrows from `*ret_document`, which the caller frees.
status lattice_answer_parse(slice payload, lattice_answer *ret, json_value **ret_document,
                            err *e) WRIT_MUST_USE;
