// SPDX-License-Identifier: Apache-2.0
// Links to a driver of messaging, on one loop, with handlers that a test plays itself, and calls to them.
// Failures that are no test's subject stop the program.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "driver/messaging/messaging.h"
#include "unit/net/helper_connector.h"

enum { MSG_LINKS_MAX = 4, MSG_SETTINGS_MAX = 16, MSG_GOT_MAX = 4096 };

typedef struct msg msg;
typedef struct msg_link msg_link;

typedef struct msg_got { // a message that was handed to a handler
    msg_link *link;
    driver_delivery *delivery; // NULL once it was answered or cancelled
    messaging_message message; // a copy
    buf bytes;
    loop_soon soon;
    status end; // that msg_end chose
    const char *error;
} msg_got;

struct msg_link {
    msg *m;
    driver_link *link;
    driver_health health; // as last told
    bool is_closed;
    msg_got *got; // all, in the order in which they came
    size_t got_count;
    size_t running; // of them
    size_t running_max;
    bool holds;     // handlers do not end by themselves
    status ends[8]; // what the first ones end with, by themselves
    size_t end_count;
    size_t refusals; // so many deliveries are refused with STATUS_CLOSED, nothing begun
    size_t refused;
    // Called for each that came, before it ends by itself. May be NULL.
    void (*on_got)(msg_got *g);
};

struct msg {
    loop *l;
    direct_connector connector;
    driver_environment env;
    list_node shared;
    const driver *d;
    driver_value common[MSG_SETTINGS_MAX]; // settings of every link
    size_t common_count;
    driver_values credentials; // likewise
    msg_link links[MSG_LINKS_MAX];
    void *data; // of the test file
};

typedef struct msg_pending { // a call on its way, and what came of it
    driver_call call;
    buf payload;
    messaging_function function;
    bool is_done;
    status code;
    char message[512]; // unless STATUS_OK
    messaging_answer answer;
    buf bytes; // what the answer's slices point at
} msg_pending;

void msg_start(msg *m, const driver *d);
void msg_stop(msg *m); // closes what is open
// Opens a link and waits until it is up. The list of settings ends with a name of NULL; may be NULL.
msg_link *msg_open(msg *m, const char *subscriptions, const char *subjects, const driver_value *more);
void msg_close(msg_link *k); // and waits for it
void msg_turn(msg *m);       // waits, but not long

void msg_begin(msg_link *k, msg_pending *p, const messaging_call *c);
void msg_wait(msg_link *k, msg_pending *p);
void msg_pending_done(msg_pending *p);

// Whether the broker has it; what did not work is printed.
bool msg_publish(msg_link *k, const char *subject, const char *body);
bool msg_publish_to(msg_link *k, const char *subject, slice body, const char *reply_to);
// Whether it ends as an error of the contract whose text has that part.
bool msg_is_refused(msg_link *k, const char *subject, slice body, const char *reply_to, const char *part);
// The body of the answer equals `expected`; NULL: the request ends with an error that has `part` in it.
bool msg_request(msg_link *k, const char *subject, const char *body, uint32_t timeout_ms,
                 const char *expected, const char *part);

// Waits until so many have come (in all); false when they do not.
bool msg_wait_for(msg_link *k, size_t count);
// Whether message `index` has that subject and body; what differs is printed.
bool msg_got_is(const msg_link *k, size_t index, const char *subject, const char *body);
// Ends a handler that is held. STATUS_OK with `error` NULL: ok.
void msg_end(msg_got *g, status code, const char *error);
// Publishes from the handler of `g` to its reply-to.
bool msg_answer(msg_got *g, const char *body);
