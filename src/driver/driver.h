// SPDX-License-Identifier: Apache-2.0
// What a driver is: the code that implements a contract (WIT interfaces) against a backend. The in-tree
// drivers and those of third parties implement this one header.
//
// The host opens a *link* for each place where a workload was given the contract, with that place's settings
// and credentials, and sends it *calls*: a function of an interface with its arguments as bytes
// (codec/values.h). For contracts with resources the resource travels as its identifier, in front: `get` of
// `wasi:keyvalue/store` has the arguments (bucket: string, key: string). The bytes come from a component that
// nobody trusts: a driver decodes them with limits and never trusts a length.
//
// The rules of a driver
// - It lives on one loop: all functions here and all of its callbacks run on the loop's thread, and none of
// them may
//   block: no file, no name lookup, no wait. What blocks runs on loop/work.h; connections come from the
//   connector, which looks up names and asks the policy.
// - Every call is answered exactly once: at once, later, or after `cancel`. It answers by the deadline.
// - Everything is bounded: calls that wait, bytes, connections. Over a bound: STATUS_LIMIT at once.
// - A backend that is gone costs the calls that were on their way to it, and is told as health; the driver
// connects
//   again by itself, with growing and random waits. A call that may have been done is never done again by the
//   driver unless doing it twice is the same as once.
// - Credentials stay where they are (locked memory, the host's): used in place, never copied to memory that
// is not
//   wiped, never in a message.
// - No state outside of its links: several links of one driver, also with the same settings, do not know each
// other. The exception is what a contract is about: links that name the same thing in `shared` (a bus of
// messages within this process) have it together, and it goes with the last of them.
//
// Errors. What the contract has a place for (`result<_, error>`) is a payload: a successful call whose answer
// is an error. The transport's own ends are a status: STATUS_DENIED (the backend or a setting forbids it),
// STATUS_CLOSED (the backend cannot be reached, or was lost on the way), STATUS_TIMEOUT, STATUS_LIMIT,
// STATUS_CANCELLED, STATUS_UNSUPPORTED (no such function), STATUS_INVALID (arguments that do not decode),
// STATUS_IO (the backend answered with nonsense). The component's side turns these into the contract's error
// where there is one.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/err.h"
#include "base/list.h"
#include "base/slice.h"
#include "crypto/trust_roots.h"
#include "loop/loop.h"
#include "net/connector.h"

typedef struct driver_link driver_link; // the driver's own
typedef struct driver_call driver_call;

// --- settings ----------------------------------------------------------------------------------------------

typedef struct driver_value {
    slice name; // of letters, digits and '-' or '_'
    slice value;
} driver_value;

typedef struct driver_values {
    const driver_value *values;
    size_t count;
} driver_values;

// One setting that a driver knows; for checks before anything runs, and for documentation.
typedef struct driver_setting {
    const char *name;
    const char *text; // what it means, its unit, its default
    bool is_secret;   // a credential: comes from secrets, is refused among the settings
    bool is_required;
} driver_setting;

// For drivers that pass on what others have: as their interface, any; as a setting, one of any other name,
// credential or not.
#define DRIVER_ANY "*"

// STATUS_NOT_FOUND without it.
status driver_values_text(const driver_values *v, const char *name, slice *ret) WRIT_MUST_USE;
// `*ret` keeps its value (the default) when the setting is not there. A number is in [min, max].
status driver_values_number(const driver_values *v, const char *name, uint64_t min, uint64_t max,
                            uint64_t *ret, err *e) WRIT_MUST_USE;
status driver_values_bool(const driver_values *v, const char *name, bool *ret,
                          err *e) WRIT_MUST_USE; // true, false
// Where a file or directory is that the setting `name` names: absolute, or below the host's directory for
// data, which is not left. NUL-terminated.
struct driver_environment;
status driver_path(const struct driver_environment *env, const char *name, slice text, char *ret, size_t size,
                   err *e) WRIT_MUST_USE;
// Whether `name` is one of the names in `list`, which has ',' between them.
bool driver_list_has(slice list, slice name);

// --- a link ------------------------------------------------------------------------------------------------

typedef enum driver_state {
    DRIVER_CONNECTING, // the first attempt runs
    DRIVER_UP,
    DRIVER_DOWN,
} driver_state;

enum { DRIVER_REASON_BYTES_MAX = 256 };

typedef struct driver_health {
    driver_state state;
    uint64_t since_ns;                    // of loop_now_ns
    uint64_t next_try_ns;                 // of loop_now_ns; UINT64_MAX = none is planned
    char reason[DRIVER_REASON_BYTES_MAX]; // why it is not up, without credentials; else empty
} driver_health;

// A call in the other direction: of a function that the workload of the link exports, such as a handler of
// messages. The driver's, in place and unchanged until `ended` was called or it was cancelled.
typedef struct driver_delivery driver_delivery;
struct driver_delivery {
    slice interface; // without version, such as "wasmcloud:messaging/handler"
    slice function;
    slice payload;
    uint64_t deadline_ns; // of loop_now_ns; UINT64_MAX = the workload's own limit
    // Once, from the loop, never from inside a function of the driver, and not after a cancellation.
    // STATUS_OK with the answer, whatever it says; STATUS_LIMIT: the workload has no room, it was not called;
    // STATUS_TRAP: it failed; STATUS_TIMEOUT: its time was over; STATUS_CLOSED: it was lost on the way, and
    // may have done it or not. STATUS_DENIED: a rule forbids the call, STATUS_UNSUPPORTED: the component has
    // no such function, STATUS_INVALID: the payload is not of its type; it was not called then.
    // `e` is NULL with STATUS_OK. `payload` is borrowed for this call.
    void (*ended)(driver_delivery *d, status code, slice payload, const err *e);
    // For the host.
    void *host;
    list_node node;
};

// What the host gives. Valid until the link is closed, unless said otherwise.
typedef struct driver_environment {
    loop *l;
    connector *connector;  // NULL = this host connects nowhere
    trust_roots *roots;    // whom TLS trusts where a setting does not say it; NULL = nobody
    const char *directory; // a directory for files of this host's drivers, absolute; NULL = none
    uint64_t random;       // seeds what should differ between links (waits); a test gives a fixed one
    loop_clock wall;       // nanoseconds since 1970, UTC; now_ns NULL = the machine's
    list_node *shared;     // of driver_shared: see above; NULL = each link is alone
    void *context;         // of a driver that is not in-tree: what its process gave it
} driver_environment;

typedef struct driver_link_options {
    driver_values settings; // borrowed for link_open
    slice workload;         // the name of the workload at the other end; valid until link_close
    // What the link is for, of the driver's interfaces; borrowed for link_open. None = any of them.
    const slice *interfaces;
    size_t interface_count;
    driver_values credentials; // borrowed until link_close, or until other ones were given
    // The health has changed. From the loop, never from inside a function of the driver. May be NULL.
    void (*on_health)(void *arg, const driver_health *h);
    // After link_close: nothing of the link is left. From the loop, once, the last callback.
    void (*on_closed)(void *arg);
    // Calls the workload. STATUS_LIMIT when too many are on the way already, STATUS_CLOSED when no worker
    // serves now: nothing was started, try again a little later. All have ended or are cancelled before
    // on_closed. NULL = nobody is there to be called.
    status (*deliver)(void *arg, driver_delivery *d, err *e);
    // `ended` will not be called. Idempotent.
    void (*deliver_cancel)(void *arg, driver_delivery *d);
    // A call of the workload is given up for good and nobody else says so: for the log, of which the host
    // writes one line in a second. `what` tells which one: "a message for orders.new". From the loop. May be
    // NULL.
    void (*on_lost)(void *arg, const char *what, status why);
    void *arg;
} driver_link_options;

// A call, made by the host; in place and unchanged until it is answered.
struct driver_call {
    slice interface; // without version, such as "wasi:keyvalue/store"; one of the driver's
    slice function;
    slice payload;
    uint64_t deadline_ns; // of loop_now_ns; UINT64_MAX = none
    bool is_cancelled;    // set before `cancel` is called
    // For the driver, until the answer.
    void *data;
    list_node node;
    // For the host: what driver_answer and driver_fail call. `e` is NULL with STATUS_OK.
    void (*end)(driver_call *c, status code, slice payload, const err *e);
    void *host;
};

// The answer; may be given from inside `call`. The call is gone then. `payload` is borrowed for this call.
static inline void driver_answer(driver_call *c, slice payload) { c->end(c, STATUS_OK, payload, NULL); }
// `code` is not STATUS_OK. The sentence is for people and holds no credentials.
void driver_fail(driver_call *c, status code, const char *format, ...) WRIT_FORMAT(3, 4);

// --- what links have together ------------------------------------------------------------------------------

typedef struct driver_shared { // the first part of a driver's own struct
    list_node node;
    const void *owner; // whose: an address of the driver's
    slice name;        // of the setting that names it; a copy
    uint32_t users;
} driver_shared;

// The one of that name, made zeroed with `size` bytes when there is none yet (then `users` is 1). Without
// `shared` in the environment always a new one.
driver_shared *driver_share(const driver_environment *env, const void *owner, slice name, size_t size);
// Whether it was the last user: the driver then empties it, and calls driver_shared_free.
bool driver_unshare(driver_shared *s);
void driver_shared_free(driver_shared *s);

// --- a driver ----------------------------------------------------------------------------------------------

enum { DRIVER_VERSION = 1 };

typedef void (*driver_peer)(void *arg, slice host, uint16_t port);

typedef struct driver {
    uint32_t version;               // DRIVER_VERSION
    const char *name;               // such as "redis"
    const char *const *interfaces;  // without versions, NULL at the end
    const driver_setting *settings; // a name of NULL at the end
    // Checks the settings and begins to connect; does not wait for it: calls may come at once, and wait
    // (bounded) or fail as the backend demands. The settings were checked for unknown, missing and secret
    // names.
    status (*link_open)(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                        err *e) WRIT_MUST_USE;
    // After the last call was answered. Returns at once; on_closed tells the end.
    void (*link_close)(driver_link *link);
    void (*call)(driver_link *link, driver_call *c);
    // The answer is not wanted any more: answer soon (STATUS_CANCELLED, or what came). Idempotent.
    void (*cancel)(driver_link *link, driver_call *c);
    // May be called at any time.
    void (*health)(const driver_link *link, driver_health *ret);
    // New credentials for new connections; the old ones go away after the return. NULL = the driver has none.
    status (*credentials)(driver_link *link, const driver_values *credentials, err *e) WRIT_MUST_USE;
    // The servers that a link with these settings connects to, exactly as it will ask the connector for them:
    // `found` is called for each, with a name or an address. Other connections are refused to it. NULL = it
    // connects nowhere. Needs no link and runs in the supervisor: it only reads the settings.
    status (*peers)(const driver_values *settings, driver_peer found, void *arg, err *e) WRIT_MUST_USE;
} driver;

// The in-tree driver of that name that has the interface, or NULL.
const driver *driver_find(slice name, slice interface);
// All in-tree drivers; one name may come several times, with other interfaces. NULL at the end.
const driver *const *driver_all(void);

// Checks names and credentials, then opens. What everybody calls instead of d->link_open.
status driver_open(const driver *d, const driver_environment *env, const driver_link_options *options,
                   driver_link **ret, err *e) WRIT_MUST_USE;
bool driver_has_interface(const driver *d, slice interface);
bool driver_has_any_interface(const driver *d); // whatever it is called
// The setting or credential of that name; that of DRIVER_ANY when there is one and no other; else NULL.
const driver_setting *driver_find_setting(const driver *d, slice name);
// Whether it can be a credential, or a setting.
bool driver_setting_fits(const driver_setting *s, bool is_secret);
// The first of a table (NULL at the end) that has all of these interfaces, and the name unless that is empty.
const driver *driver_choose(const driver *const *table, slice name, const slice *interfaces, size_t count);
// Checks names, then gives them to the link. What everybody calls instead of d->credentials.
status driver_renew(const driver *d, driver_link *link, const driver_values *credentials,
                    err *e) WRIT_MUST_USE;
// How long to wait before connecting again: from half of `max` to all of it, so that links do not come back
// at one time. `random` is a state of the link's, seeded from the environment.
uint64_t driver_wait(uint64_t *random, uint64_t max);
