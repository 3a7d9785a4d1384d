// SPDX-License-Identifier: Apache-2.0
// The contract wasi:keyvalue as C values, and their bytes (codec/values.h): what the component's side encodes
// as a call and decodes as an answer, and what a driver decodes and encodes. One encoding for both, so that
// they cannot differ. The same bytes travel as `wrpc:keyvalue/*@0.2.0-draft` to providers of wasmCloud 1.x.
//
//   wasi:keyvalue/store     get(bucket, key) -> result<option<list<u8>>, error>
//                           set(bucket, key, value) -> result<_, error>
//                           delete(bucket, key) -> result<_, error>
//                           exists(bucket, key) -> result<bool, error>
//                           list-keys(bucket, option<u64>) -> result<{list<string>, option<u64>}, error>
//   wasi:keyvalue/atomics   increment(bucket, key, u64) -> result<u64, error>
//                           ours, for the newer drafts of the contract:
//                           increment-signed(bucket, key, s64) -> result<s64, error>
//                           compare-and-swap(bucket, key, option<list<u8>>, list<u8>) -> result<bool, error>
//   wasi:keyvalue/batch     get-many(bucket, list<string>) -> result<list<option<tuple<string, list<u8>>>>,
//   error>
//                           set-many(bucket, list<tuple<string, list<u8>>>) -> result<_, error>
//                           delete-many(bucket, list<string>) -> result<_, error>
//
// What every driver does alike (tests/unit/driver/helper_keyvalue.c holds them against it):
// - Keys are 1 to key_bytes_max bytes of UTF-8, values 0 to value_bytes_max bytes of anything.
// - A number is a value that is the decimal text of an s64; a key that is not there counts as 0, and so does
//   increment by 0 create it. A value that is no number, and a sum out of range, is an error `other` and
//   changes nothing. increment (u64) to a number
//   below 0 is an error `other`; whether it was added is not said.
// - compare-and-swap writes when the value is the expected one (none = the key is not there), and says
// whether.
// - set-many and delete-many happen as a whole or not at all, delete-many of missing keys is no error;
// get-many
//   answers in the order of the keys, none for a missing one.
// - list-keys: keys that were there the whole time are listed, others may be; a key may come twice. A page
// may be
//   empty while there is a cursor. A cursor that the driver did not give lists from some place.
// - Buckets do not know each other; one that nothing was written to is empty.
// - After a write was answered, every later read sees it, through any link with the same settings.
// - A write that ended with another status than STATUS_OK may have been done.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "driver/driver.h"

typedef enum keyvalue_function {
    KEYVALUE_GET,
    KEYVALUE_SET,
    KEYVALUE_DELETE,
    KEYVALUE_EXISTS,
    KEYVALUE_LIST_KEYS,
    KEYVALUE_INCREMENT,
    KEYVALUE_INCREMENT_SIGNED,
    KEYVALUE_COMPARE_AND_SWAP,
    KEYVALUE_GET_MANY,
    KEYVALUE_SET_MANY,
    KEYVALUE_DELETE_MANY,
    KEYVALUE_FUNCTION_COUNT,
} keyvalue_function;

// The names on the wire. `interface` is "wasi:keyvalue/store" and so on.
const char *keyvalue_interface_name(keyvalue_function f);
const char *keyvalue_function_name(keyvalue_function f);
bool keyvalue_function_find(slice interface, slice function, keyvalue_function *ret);

extern const char *const keyvalue_interfaces[]; // for a `driver`; NULL at the end

enum {
    KEYVALUE_BUCKET_BYTES_MAX = 255,
    KEYVALUE_KEY_BYTES_MAX = 1024,      // of what a setting may allow
    KEYVALUE_VALUE_BYTES_MAX = 4 << 20, // likewise
    KEYVALUE_MANY_MAX = 4096,           // keys of one call
    KEYVALUE_CALL_BYTES_MAX = 16 << 20, // of a call's payload, and of an answer's
    KEYVALUE_PAGE_KEYS_MAX = 1000,      // of one answer to list-keys, from us
    KEYVALUE_KEYS_READ_MAX = 1 << 16,   // from others
};

typedef struct keyvalue_item {
    slice key;
    slice value;   // of get-many's answer and set-many's call
    bool is_there; // of get-many's answer
} keyvalue_item;

typedef struct keyvalue_call {
    keyvalue_function function;
    slice bucket;
    slice key;         // unless LIST_KEYS and the *_MANY
    slice value;       // SET, COMPARE_AND_SWAP
    bool has_expected; // COMPARE_AND_SWAP
    slice expected;
    uint64_t delta;  // INCREMENT; INCREMENT_SIGNED: the bits of an int64_t
    bool has_cursor; // LIST_KEYS
    uint64_t cursor;
    const keyvalue_item *items; // *_MANY
    size_t count;
} keyvalue_call;

typedef enum keyvalue_error { // the contract's, in its order
    KEYVALUE_NO_SUCH_STORE,
    KEYVALUE_ACCESS_DENIED,
    KEYVALUE_OTHER,
} keyvalue_error;

typedef struct keyvalue_answer {
    bool is_error;
    keyvalue_error error;
    slice message;              // of KEYVALUE_OTHER
    bool is_there;              // GET: has a value; EXISTS; COMPARE_AND_SWAP: it was swapped
    slice value;                // GET
    uint64_t number;            // INCREMENT; INCREMENT_SIGNED: the bits of an int64_t
    const keyvalue_item *items; // GET_MANY; LIST_KEYS: the keys
    size_t count;
    bool has_cursor; // LIST_KEYS
    uint64_t cursor;
} keyvalue_answer;

// Each appends; STATUS_LIMIT over the maximum of `out`, and of keyvalue_limits where they are given.
status keyvalue_call_encode(const keyvalue_call *c, buf *out, err *e) WRIT_MUST_USE;
status keyvalue_answer_encode(keyvalue_function f, const keyvalue_answer *a, buf *out, err *e) WRIT_MUST_USE;
// Each reads hostile bytes; slices are borrowed from `payload`, lists come from `a`. STATUS_INVALID,
// STATUS_LIMIT.
status keyvalue_call_decode(keyvalue_function f, slice payload, arena *a, keyvalue_call *ret,
                            err *e) WRIT_MUST_USE;
status keyvalue_answer_decode(keyvalue_function f, slice payload, arena *a, keyvalue_answer *ret,
                              err *e) WRIT_MUST_USE;

// --- for drivers -------------------------------------------------------------------------------------------

// The settings that all drivers of the contract have.
typedef struct keyvalue_limits {
    size_t key_bytes_max;
    size_t value_bytes_max;
    slice buckets;                // names with ',' between them; empty = any. A copy of the link's own
    struct keyvalue_watch *watch; // NULL = nobody is told what was written; freed with the limits
} keyvalue_limits;

#define KEYVALUE_SETTINGS                                                                                    \
    {"key-bytes-max", "the longest key, in bytes (at most 1024, the default)", false, false},                \
        {"value-bytes-max", "the longest value, in bytes (at most 4194304; default 1048576)", false, false}, \
        {"buckets", "names of the buckets that there are, with commas; default: any", false, false},         \
        {"watch", "buckets whose writes the component is told, with commas, or *; default: none", false,     \
         false},                                                                                             \
    {                                                                                                        \
        "feed", "links with the same name tell each other their writes; default: each its own", false, false \
    }

typedef struct keyvalue_watch keyvalue_watch;
// What the settings `watch` and `feed` ask for, once the limits are read; see watch.c.
status keyvalue_watch_open(const driver_environment *env, const driver_link_options *options,
                           keyvalue_limits *l, err *e) WRIT_MUST_USE;
void keyvalue_watch_close(keyvalue_watch *w); // accepts NULL
// After a call was answered; `w` may be NULL.
void keyvalue_watch_tell(keyvalue_watch *w, const keyvalue_call *c, const keyvalue_answer *a);

status keyvalue_limits_read(const driver_values *settings, keyvalue_limits *ret, err *e) WRIT_MUST_USE;
void keyvalue_limits_done(keyvalue_limits *l);

enum { KEYVALUE_ROOM_BYTES = 192 };

// A call that was decoded and is within the limits. Lives until its answer.
typedef struct keyvalue_request {
    keyvalue_call call;
    driver_call *origin; // deadline_ns, is_cancelled; its `data` is this
    list_node node;      // the driver's
    loop_timer timer;    // the driver's; stopped when it is answered
    void *data;          // the driver's
    keyvalue_watch *watch;
    arena memory; // for the driver too: of what the answer is made; bounded
    // For what `data` points at, so that a small call needs no memory but this.
    _Alignas(16) uint8_t room[KEYVALUE_ROOM_BYTES];
} keyvalue_request;

// The one way in: decodes and checks. When the call is wrong, its bucket is none of ours, or it is about no
// key at all, it is answered and NULL is returned.
keyvalue_request *keyvalue_receive(driver_call *c, const keyvalue_limits *l);
// Each answers and frees.
void keyvalue_reply(keyvalue_request *q, const keyvalue_answer *a);
void keyvalue_reply_other(keyvalue_request *q, const char *format, ...)
    WRIT_FORMAT(2, 3); // the error `other`
void keyvalue_fail(keyvalue_request *q, status code, const char *format, ...) WRIT_FORMAT(3, 4);
// Whether it changes nothing, so that it may be sent again when a connection was lost. (Not even `set` is
// such a function: what another one wrote between the two would be lost.)
bool keyvalue_is_read(keyvalue_function f);

// The number that a value is; false when it is none. And the text of a number.
bool keyvalue_number_read(slice value, int64_t *ret);
enum { KEYVALUE_NUMBER_BYTES_MAX = 20 };
slice keyvalue_number_write(int64_t number, char text[KEYVALUE_NUMBER_BYTES_MAX + 1]);
// Adds for INCREMENT and INCREMENT_SIGNED: what the sum is, or the answer's error.
bool keyvalue_add(keyvalue_function f, int64_t before, uint64_t delta, int64_t *ret,
                  const char **ret_problem);

// The drivers.
extern const driver keyvalue_memory; // in this process's memory, gone with the link: for tests and trying out
extern const driver keyvalue_sqlite; // one file
extern const driver keyvalue_redis;  // a Redis server, 6 or newer
extern const driver keyvalue_nats;   // a NATS server with JetStream, 2.9 or newer
