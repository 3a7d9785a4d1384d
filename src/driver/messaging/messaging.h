// SPDX-License-Identifier: Apache-2.0
// The contract wasmcloud:messaging@0.2.0 as C values, and their bytes (codec/values.h): what the component's
// side encodes as a call and a driver decodes, what a driver encodes as a delivery and a component decodes.
// The same bytes travel to providers of wasmCloud 1.x.
//
//   broker-message                   {subject: string, body: list<u8>, reply-to: option<string>}
//   wasmcloud:messaging/consumer     request(subject, body, timeout-ms: u32) -> result<broker-message,
//   string>
//                                    publish(broker-message) -> result<_, string>
//   wasmcloud:messaging/handler      handle-message(broker-message) -> result<_, string>; exported by
//   components
//
// What every driver does alike (tests/unit/driver/messaging_contract.h holds them against it):
// - A link is subscribed to the patterns of its setting `subscriptions` for as long as it is open; when its
//   health is up they are in force. PATTERN|QUEUE: of all with this pattern and queue, also of other links,
//   one gets each message.
// - A link may publish to what its setting `subjects` allows, and to no other subject; without the setting to
//   none. While its handler has a message, also to the reply-to of that one, as often as it likes. A
//   message's reply-to must be a subject that the link may publish to or is subscribed to: nobody gets
//   somebody else to publish for it.
// - Subjects that begin with '$' are the server's own (JetStream, and with it other links' buckets), those
// that
//   begin with _INBOX. are answers to others. A pattern covers them when it names their first token, and '*'
//   and '>' in its place do not. Nobody is asked to answer to the server's own.
// - A message is handed to the handler once, and again only with `redeliver`: see the feed below.
// - publish: done when the broker has the message. Nobody need be subscribed. What is refused by a rule or a
//   bound is the contract's error, and nobody gets the message then.
// - request: publishes with a reply-to of the driver's own and answers with the first message that comes to
//   it. Nobody subscribed, or no answer in time, is the contract's error.
// - Messages of one publisher to one subscription are handed over in their order; with a concurrency above 1
//   their handlers run side by side.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "codec/subject.h"
#include "driver/driver.h"

enum {
    MESSAGING_BODY_BYTES_MAX = 8 << 20, // of what a setting may allow
    MESSAGING_CALL_BYTES_MAX = 9 << 20, // of a call's payload, and of an answer's
    MESSAGING_SUBSCRIPTIONS_MAX = 64,   // of a link
    MESSAGING_SUBJECTS_MAX = 256,       // likewise
    MESSAGING_ERROR_BYTES_MAX = 1024,   // of an error's text, from others
    MESSAGING_TIMEOUT_MS_MAX = 600000,  // of a request; longer ones count as this
};

extern const char *const messaging_interfaces[]; // for a `driver`; NULL at the end
#define MESSAGING_CONSUMER "wasmcloud:messaging/consumer"
#define MESSAGING_HANDLER "wasmcloud:messaging/handler"

typedef enum messaging_function {
    MESSAGING_REQUEST,
    MESSAGING_PUBLISH,
    MESSAGING_FUNCTION_COUNT,
} messaging_function;

const char *messaging_function_name(messaging_function f); // of MESSAGING_CONSUMER
bool messaging_function_find(slice interface, slice function, messaging_function *ret);

typedef struct messaging_message {
    slice subject;
    slice body;
    bool has_reply_to;
    slice reply_to;
} messaging_message;

typedef struct messaging_call {
    messaging_function function;
    messaging_message message; // of REQUEST: subject and body
    uint32_t timeout_ms;       // REQUEST
} messaging_call;

typedef struct messaging_answer {
    bool is_error;
    slice error;
    messaging_message message; // REQUEST
} messaging_answer;

// Each appends; STATUS_LIMIT over the maximum of `out`.
status messaging_call_encode(const messaging_call *c, buf *out, err *e) WRIT_MUST_USE;
status messaging_answer_encode(messaging_function f, const messaging_answer *a, buf *out,
                               err *e) WRIT_MUST_USE;
// Each reads hostile bytes; slices are borrowed from `payload`. Subjects are any text still. STATUS_INVALID.
status messaging_call_decode(messaging_function f, slice payload, messaging_call *ret, err *e) WRIT_MUST_USE;
status messaging_answer_decode(messaging_function f, slice payload, messaging_answer *ret,
                               err *e) WRIT_MUST_USE;

// Of handle-message: its argument, and its answer.
status messaging_message_encode(const messaging_message *m, buf *out, err *e) WRIT_MUST_USE;
status messaging_message_decode(slice payload, messaging_message *ret, err *e) WRIT_MUST_USE;
status messaging_handled_encode(const char *error, buf *out, err *e) WRIT_MUST_USE; // NULL = ok
status messaging_handled_decode(slice payload, bool *ret_is_error, slice *ret_error, err *e) WRIT_MUST_USE;

// --- settings that all drivers of the contract have --------------------------------------------------------

typedef struct messaging_subscription {
    slice pattern;
    slice queue; // empty = none
} messaging_subscription;

typedef struct messaging_settings {
    messaging_subscription *subscriptions;
    size_t subscription_count;
    slice *subjects; // patterns
    size_t subject_count;
    uint64_t body_bytes_max;
    uint64_t queue_max;       // messages of one subscription that wait for the handler
    uint64_t queue_bytes_max; // likewise
    uint64_t concurrency;     // of one subscription
    uint64_t redeliver;       // further attempts
    arena memory;             // of the lists
} messaging_settings;

#define MESSAGING_SETTINGS                                                                                   \
    {"subscriptions", "what the handler gets: patterns PATTERN or PATTERN|QUEUE, with ',' or ';' between",   \
     false, false},                                                                                          \
        {"subjects", "what may be published to: patterns, with ',' or ';' between; default: nothing", false, \
         false},                                                                                             \
        {"body-bytes-max", "the longest body, in bytes (at most 8388608; default 1048576)", false, false},   \
        {"queue-max", "messages of one subscription that wait (1 to 65536; default 1024)", false, false},    \
        {"queue-bytes-max", "their bodies together, in bytes (at most 1 GiB; default 16777216)", false,      \
         false},                                                                                             \
        {"concurrency", "handlers of one subscription that run at a time (1 to 512; default 64)", false,     \
         false},                                                                                             \
    {                                                                                                        \
        "redeliver",                                                                                         \
            "how often a message whose handler failed or was lost is tried again (at most 100; "             \
            "default 0)",                                                                                    \
            false, false                                                                                     \
    }

// Whether the subject is one of those that a pattern has to name, and this one does not.
bool messaging_is_hidden(slice pattern, slice subject);
bool messaging_covers(slice pattern, slice subject); // and is not hidden

status messaging_settings_read(const driver_values *settings, messaging_settings *ret, err *e) WRIT_MUST_USE;
void messaging_settings_done(messaging_settings *s); // accepts a zeroed one

// --- the feed: from a driver to the handler of the link's workload -----------------------------------------

// A bounded queue of messages of one subscription, which are delivered to the workload `concurrency` at a
// time.
//
// A message is done when its handler has answered, be it with an error, unless `redeliver` says otherwise:
//
//   the workload has no room, or no worker serves    it was not begun: again a little later, as often as it
//                                                    takes
//   the handler answers with an error, traps, runs   with `redeliver` up to so many more times, each a little
//   over its time, or its worker is lost             later; then, or without it, the message is dropped
//   a rule denies it, the component has no handler   dropped
typedef struct messaging_feed messaging_feed;

typedef enum messaging_fate {
    MESSAGING_HANDLED,
    MESSAGING_DROPPED, // see above
} messaging_fate;

typedef struct messaging_feed_options {
    loop *l;
    const messaging_settings *settings; // borrowed
    const driver_link_options *link;    // deliver, deliver_cancel, arg; borrowed
    uint64_t random;
    // What became of a message, for drivers that acknowledge; from the loop. May be NULL.
    void (*settled)(void *arg, void *tag, messaging_fate fate);
    void *arg;
} messaging_feed_options;

messaging_feed *messaging_feed_new(const messaging_feed_options *o);
// Cancels what is on its way and drops what waits; `settled` does not come for them. Accepts NULL.
void messaging_feed_free(messaging_feed *f);

// Whether another message with a body of so many bytes fits.
bool messaging_feed_has_room(const messaging_feed *f, size_t body_bytes);
// Copies. STATUS_LIMIT when it does not fit. `tag` is for `settled`.
status messaging_feed_put(messaging_feed *f, const messaging_message *m, void *tag, err *e) WRIT_MUST_USE;
// What is not on its way goes to the end of the queue of another one, as far as that has room, when its tag
// as a number is below `tags`; the rest stays.
void messaging_feed_move(messaging_feed *from, messaging_feed *to, uintptr_t tags);
// Whether a handler has a message with this reply-to now.
bool messaging_feed_is_asked(const messaging_feed *f, slice reply_to);

typedef struct messaging_feed_counters {
    uint32_t waiting;
    uint32_t running;
    uint64_t handled;
    uint64_t redelivered;
    uint64_t dropped;
} messaging_feed_counters;
messaging_feed_counters messaging_feed_count(const messaging_feed *f);

// --- calls, for drivers ------------------------------------------------------------------------------------

// A call that was decoded and is allowed. Lives until its answer.
typedef struct messaging_request {
    messaging_call call;
    driver_call *origin; // deadline_ns, is_cancelled; its `data` is this
    list_node node;      // the driver's
    loop_timer timer;    // the driver's; stopped when it is answered
    uint64_t number;     // the driver's
    void *data;          // the driver's
} messaging_request;

// The one way in: decodes and checks against the settings and what the feeds of the link have been asked.
// When the call is wrong or refused it is answered and NULL is returned.
messaging_request *messaging_receive(driver_call *c, const messaging_settings *s,
                                     messaging_feed *const *feeds, size_t feed_count);
// Each answers and frees. `m` NULL for PUBLISH.
void messaging_reply(messaging_request *q, const messaging_message *m);
void messaging_reply_error(messaging_request *q, const char *format, ...) WRIT_FORMAT(2, 3);
void messaging_fail(messaging_request *q, status code, const char *format, ...) WRIT_FORMAT(3, 4);

// The drivers.
extern const driver messaging_local; // within this process: see local.c
extern const driver messaging_nats;  // a NATS server
