// SPDX-License-Identifier: Apache-2.0
// What all WASI capabilities of one guest instance share: its authority, its limits, its clocks, its
// resources and the way to wake it. `host_call_context` of every hosted interface is a `wasi_instance`.
//
//   wasi_workload   what a workload may do, immutable, shared by its instances; filled by host/ from the
//   grants.
//                   An inert capability is the same code over a workload that grants it nothing.
//   wasi_instance   one guest instance; lives as long as its store
//   wasi_resource   base of every object that a guest can hold: counted against the limits, freed at the
//   latest with
//                   the instance, so that no trap leaks anything
//
// Threads: an instance and its resources belong to the thread of its store; a workload may be shared.
// Limits are enforced when a resource is made (wasi_resource_init). Tests: tests/unit/capability.
#pragma once

#include "base/list.h"
#include "base/siphash.h"
#include "component/host.h"

struct connector;
struct gate;
struct loop;
struct network_policy;
typedef struct wasi_instance wasi_instance;
typedef struct wasi_resource wasi_resource;

// --- what is granted -------------------------------------------------------------------------------------

typedef struct wasi_directory {
    int fd;           // of the directory, opened by the host; borrowed
    slice guest_path; // as the guest sees it
    bool is_read_only;
} wasi_directory;

typedef struct wasi_variable {
    slice name;
    slice value;
} wasi_variable;

typedef struct wasi_config {    // what wasi:config tells
    const wasi_variable *items; // names are unique
    size_t count;
} wasi_config;

typedef enum wasi_stdio {
    WASI_STDIO_NONE,     // output is discarded and counted, input is at its end
    WASI_STDIO_INHERIT,  // the descriptors 0, 1 and 2 of this process
    WASI_STDIO_CAPTURED, // output goes to the log sink line by line, input is at its end
} wasi_stdio;

typedef enum wasi_log_level { // as wasi:logging counts them
    WASI_LOG_TRACE,
    WASI_LOG_DEBUG,
    WASI_LOG_INFO,
    WASI_LOG_WARN,
    WASI_LOG_ERROR,
    WASI_LOG_CRITICAL,
} wasi_log_level;

// What it is given may be any bytes, so escape them; it bounds the rate of what it takes.
typedef struct wasi_log_sink {
    void *context;
    // One line without its newline, not longer than limits.log_line_bytes_max.
    void (*line)(void *context, wasi_instance *instance, bool is_stderr, slice line);
    // Of wasi:logging: the guest's name for the part of it that speaks, and what it says, together not longer
    // than limits.log_line_bytes_max. NULL = discarded.
    void (*entry)(void *context, wasi_instance *instance, wasi_log_level level, slice part, slice message);
    // A call that the gate refused, and why. NULL = discarded.
    void (*denied)(void *context, wasi_instance *instance, slice why);
} wasi_log_sink;

typedef struct wasi_limits {
    uint32_t resources_max; // objects of all kinds that the guest, or a capability for it, holds
    uint32_t streams_max;
    uint32_t files_max; // descriptors, directory streams and file streams
    uint32_t sockets_max;
    uint32_t log_line_bytes_max;       // longer lines are cut
    uint64_t log_bytes_per_second_max; // per instance; a burst of one second is free. What is over is counted
                                       // only.
    uint32_t random_bytes_max;         // of one call
} wasi_limits;

wasi_limits wasi_limits_default(void);

typedef struct wasi_clock { // injected, so that tests need not wait
    void *context;
    uint64_t (*monotonic_ns)(void *context);
    void (*wall)(void *context, uint64_t *ret_seconds, uint32_t *ret_nanoseconds);
} wasi_clock;

typedef struct wasi_random {
    void *context;
    void (*fill)(void *context, void *bytes, size_t len);
} wasi_random;

// For tests of components (capability/virtual.h).
typedef struct wasi_test_mode {
    bool has_clock;
    uint64_t start_s; // of the wall clock, since 1970
    bool has_seed;
    uint64_t seed;
} wasi_test_mode;

const wasi_clock *wasi_clock_of_machine(void);
const wasi_random *wasi_random_of_machine(void);

typedef struct wasi_workload {
    slice name;      // for messages, and for rules of calls
    slice issuer;    // public key of who signed it; empty: nobody that this host believes
    uint32_t number; // on this host, for the connector
    const slice *arguments;
    size_t argument_count;
    const wasi_variable *variables;
    size_t variable_count;
    // NULL = empty. Each call reads it anew, so that between two calls another may take its place.
    const wasi_config *config;
    const wasi_directory *directories;
    size_t directory_count;
    bool walks_paths; // resolve paths without openat2, as on kernels that lack it
    siphash_key
        metadata_key; // of what guests see instead of inode numbers; secret, the same for all instances
    wasi_stdio stdio;
    wasi_log_sink log;
    const struct wasi_links *links;           // capability/links.h; NULL = none
    struct gate *gate;                        // policy/gate.h, the worker's; NULL = no call is allowed
    const struct wasi_secrets *secrets;       // capability/secrets.h; NULL = none. Read anew by each call
    const struct network_policy *http_policy; // outgoing HTTP; NULL or empty = nothing
    bool is_http_linked;                      // its client leads to who is linked, and not to the network
    const struct network_policy *net_policy;  // sockets; NULL or empty = nothing
    wasi_limits limits;
    const wasi_clock *clock;    // NULL = the machine's
    const wasi_random *random;  // NULL = the machine's
    const wasi_test_mode *test; // or NULL: goes before both
} wasi_workload;

// --- an instance -----------------------------------------------------------------------------------------

typedef enum wasi_slot { // where a capability keeps what it needs per instance
    WASI_SLOT_CLI,
    WASI_SLOT_HTTP,
    WASI_SLOT_SOCKETS,
    WASI_SLOT_LINKS,
    WASI_SLOT_BLOBSTORE,
    WASI_SLOT_COUNT,
} wasi_slot;

typedef enum wasi_class { // what a resource counts as, beside `resources_max`
    WASI_CLASS_OTHER,
    WASI_CLASS_STREAM,
    WASI_CLASS_FILE,
    WASI_CLASS_SOCKET,
    WASI_CLASS_COUNT,
} wasi_class;

typedef struct wasi_counters { // for logs and metrics
    uint64_t stdout_bytes;     // written by the guest, shown or not
    uint64_t stderr_bytes;
    uint64_t log_bytes_dropped; // over the rate
    uint64_t limits_hit;
    uint64_t calls_denied; // by the gate
} wasi_counters;

typedef struct wasi_instance_options {
    const wasi_workload *workload; // borrowed
    struct loop *loop;             // borrowed; may be NULL where nothing can wait (tests)
    struct connector *connector;   // borrowed; where sockets come from (net/connector.h); NULL = nowhere
    struct http_client *http; // borrowed; the workload's (net/http_client.h); NULL = no outgoing requests
    // Makes the event loop resume the suspended task soon (never from inside the call). Called at most once
    // per suspend.
    void (*wake)(void *waker);
    void *waker;
} wasi_instance_options;

struct wasi_instance {
    const wasi_workload *workload;
    struct loop *loop;
    struct connector *connector;
    struct http_client *http;
    const wasi_clock *clock;
    const wasi_random *random;
    struct wasi_virtual *virtual; // where the clock or the randomness is; else NULL
    wasi_counters counters;
    bool has_exited; // the guest called wasi:cli/exit; the call returns STATUS_TRAP
    uint8_t exit_code;
    // Of a capability: state and what frees it, after all resources are gone.
    struct {
        void *state;
        void (*free)(void *state);
    } slots[WASI_SLOT_COUNT];

    // Private to wasi.c.
    void (*wake)(void *waker);
    void *waker;
    bool is_waiting; // the task is suspended and nobody has woken it yet
    list_node resources;
    uint32_t resource_count;
    uint32_t class_count[WASI_CLASS_COUNT];
    uint8_t *scratch;
};

status wasi_instance_new(const wasi_instance_options *options, wasi_instance **ret, err *e) WRIT_MUST_USE;
// After component_instance_free. Frees every resource that is still alive.
void wasi_instance_free(wasi_instance *i); // accepts NULL

static inline wasi_instance *wasi_of(host_call *call) { return host_call_context(call); }

// Suspends the guest until wasi_instance_wake. Wakes may be spurious: try again, and arm again, after each.
status wasi_instance_suspend(host_call *call, err *e) WRIT_MUST_USE;
// What a guest may wait for calls this when it happens. Cheap and harmless when nothing waits.
void wasi_instance_wake(wasi_instance *i);

enum { WASI_SCRATCH_BYTES = 64 * 1024 };
// A buffer for the result of the running call; the next call may overwrite it.
uint8_t *wasi_instance_scratch(wasi_instance *i);

// --- resources -------------------------------------------------------------------------------------------

typedef struct wasi_resource_ops {
    // The guest (or whoever owned it) let go. May be NULL. Children may still be alive.
    void (*drop)(wasi_resource *r);
    // Nobody refers to it any more: frees its memory, and drops what it owns.
    void (*free)(wasi_resource *r);
} wasi_resource_ops;

// First member of every resource.
//
// WASI allows either to trap when a parent is dropped before its children (a stream before its pollables) or
// to go on. We go on: a child keeps its parent's memory alive, because drops run in places that cannot fail
// and because garbage-collected guests cannot promise an order.
struct wasi_resource {
    list_node node; // in wasi_instance.resources, oldest first
    wasi_instance *instance;
    const wasi_resource_ops *ops;
    wasi_resource *parent; // kept alive; NULL when there is none
    uint32_t child_count;
    uint8_t resource_class;
    bool is_dropped;
    bool is_held; // owned by another resource, which drops it; set by a capability that takes one from the
                  // guest
};

// Counts and registers a new resource. STATUS_LIMIT with a sentence when the instance has too many; then the
// caller frees the memory itself and answers with the interface's typed error, or returns the status so that
// it traps.
status wasi_resource_init(wasi_resource *r, wasi_instance *i, const wasi_resource_ops *ops, wasi_class class_,
                          wasi_resource *parent, err *e) WRIT_MUST_USE;
// Lets go of it: `ops->drop` now, `ops->free` as soon as it has no children. Accepts NULL.
void wasi_resource_drop(wasi_resource *r);

// Allocates `bytes` zeroed (a size of ours) and initialises the resource at its start; NULL over a limit.
void *wasi_resource_new(wasi_instance *i, size_t bytes, const wasi_resource_ops *ops, wasi_class class_,
                        wasi_resource *parent, err *e) WRIT_MUST_USE;
#define WASI_NEW(i, type, ops, class_, parent, e) \
    ((type *)wasi_resource_new((i), sizeof(type), (ops), (class_), (parent), (e)))
