// SPDX-License-Identifier: Apache-2.0
// What one host of a lattice knows and wants: the control interface, the two buckets, events. Pure: messages,
// entries of buckets and news of what runs come in by the functions below, each with the time; what is to be
// done goes out by a table of effects. The same inputs in the same order have the same outcome.
//
//   control message ----+                           +---> answer, event, publish
//   entry of a bucket --+--> lattice_core (state) --+---> operation on a bucket (ends with kv_ended)
//   operation ended ----+                           +---> changed: what is to run, links, configuration
//   runs / failed ------+                           +---> stop
//
// What is to run is a state, not a list of commands: after `changed` the owner reads it from the accessors,
// makes it so, and tells what became of it. Each wish for a component or provider has a generation, which
// grows with every change of it; what is told of an older one is ignored. lattice/control.h binds a core to a
// bus.
//
// What comes from outside is hostile: sizes and counts are bounded, a malformed message gets the answer of a
// failure and changes nothing; the same message twice, or late, is harmless. docs/compatibility.md says
// where this differs from hosts of wasmCloud 1.x.
//
// Not thread-safe. Effects are called from inside the functions that take `lattice_time`, and must not call
// those in turn (operations end later); accessors may be called at any time.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "bus/bus.h"
#include "codec/json.h"
#include "identity/token.h"

enum {
    CORE_ID_BYTES_MAX = 128,   // of components and providers: letters, digits, '_', '-'
    CORE_REF_BYTES_MAX = 2048, // of an image
    CORE_NAME_BYTES_MAX = 128, // of links, configurations, parts of interfaces; of keys of labels
    CORE_VALUE_BYTES_MAX = 4 << 10,
    CORE_LABELS_MAX = 64,
    CORE_ANNOTATIONS_MAX = 64,
    CORE_CONFIGS_MAX = 64,             // names that one component, provider or end of a link has
    CORE_INTERFACES_MAX = 64,          // of a link
    CORE_LINKS_OF_SOURCE_MAX = 4096,   // that begin at one component or provider
    CORE_SOURCES_MAX = 1 << 16,        // components and providers that the lattice knows
    CORE_LINKS_MAX = 1 << 18,          // of the lattice
    CORE_CONFIG_MAX = 1 << 16,         // of the lattice
    CORE_CONFIG_BYTES_MAX = 512 << 10, // of one configuration
    CORE_CONFIG_KEYS_MAX = 4096,       // likewise
    CORE_CLAIMS_MAX = 1 << 16,         // of the lattice
    CORE_REGISTRIES_MAX = 256,
    CORE_OPERATIONS_MAX = 4096, // that wait for a bucket
    CORE_COMPONENTS_MAX_DEFAULT = 10000,
    CORE_PROVIDERS_MAX_DEFAULT = 256,
};
#define CORE_HEARTBEAT_NS_DEFAULT 30000000000ull

typedef struct lattice_core lattice_core;

typedef struct lattice_texts {
    size_t count;
    const slice *items;
} lattice_texts;

typedef struct lattice_pair {
    slice key;
    slice value;
} lattice_pair;

typedef struct lattice_pairs { // in the order of their keys
    size_t count;
    const lattice_pair *items;
} lattice_pairs;

typedef struct lattice_time {
    uint64_t now_ns;  // of loop_now_ns; never goes back
    uint64_t unix_ns; // the wall clock's, since 1970; for what others read
} lattice_time;

// --- what goes out -----------------------------------------------------------------------------------------

typedef enum core_bucket { CORE_LATTICE_DATA, CORE_CONFIG_DATA } core_bucket;

typedef enum core_changes { // bits
    CORE_CHANGED_COMPONENTS = 1,
    CORE_CHANGED_PROVIDERS = 2,
    CORE_CHANGED_LINKS = 4,
    CORE_CHANGED_CONFIG = 8, // values that something uses or may use
    CORE_CHANGED_LABELS = 16,
    CORE_CHANGED_REGISTRIES = 32,
} core_changes;

typedef struct core_effects { // all are set; slices are borrowed for the call
    void *context;
    // To a reply subject, or an event; on the connection of the control interface.
    void (*publish)(void *context, slice subject, slice payload);
    // What old providers are told of links ("wasmbus.rpc.default.ID.linkdefs.put"), on the connection of
    // calls.
    void (*publish_rpc)(void *context, slice subject, slice payload);
    // Operations on a bucket; each ends with lattice_core_kv_ended(.., operation, ..), once.
    void (*kv_get)(void *context, uint64_t operation, core_bucket bucket, slice key);
    void (*kv_put)(void *context, uint64_t operation, core_bucket bucket, slice key, slice value,
                   uint64_t expected);
    void (*kv_purge)(void *context, uint64_t operation, core_bucket bucket, slice key);
    // Read the accessors again. At most once for each input.
    void (*changed)(void *context, unsigned changes);
    // Somebody asked this host to stop: UINT64_MAX when they named no time. The owner ends what runs and then
    // calls lattice_core_stopped.
    void (*stop)(void *context, uint64_t timeout_ns);
    void (*random)(void *context, void *ret, size_t len);
    // Adds members to the object "writ" that hosts tell of themselves, beside "strict" and "control".
    void (*describe)(void *context, json_value *writ);
} core_effects;

typedef struct core_settings { // copied
    slice host_id;             // public key, "N..."
    slice friendly_name;
    slice version;
    slice lattice;
    slice prefix;           // of control subjects; empty = "wasmbus.ctl"
    slice ctl_url, rpc_url; // "nats://host:port", for people
    slice js_domain;        // empty = none
    lattice_pairs labels;   // with hostcore.*; in any order
    bool refuses_component_auctions;
    bool refuses_provider_auctions;
    bool allows_unsigned_peers; // else old peers are told nothing on subjects of theirs
    uint64_t heartbeat_ns;      // 0 = CORE_HEARTBEAT_NS_DEFAULT
    size_t components_max;      // that run here; 0 = CORE_COMPONENTS_MAX_DEFAULT
    size_t providers_max;       // 0 = CORE_PROVIDERS_MAX_DEFAULT
} core_settings;

// STATUS_INVALID for settings that cannot be.
status lattice_core_new(const core_settings *settings, const core_effects *effects, lattice_core **ret,
                        err *e) WRIT_MUST_USE;
void lattice_core_free(lattice_core *c); // accepts NULL; no effects

// --- what comes in -----------------------------------------------------------------------------------------

// Once, when the buckets are open and the subjects subscribed: publishes host_started.
void lattice_core_started(lattice_core *c, lattice_time t);
// Everything that ran here has ended: publishes host_stopped, once. Later messages are passed over.
void lattice_core_stopped(lattice_core *c, lattice_time t);
slice lattice_core_host_id(const lattice_core *c);

// A message of the control interface. `headers` are not read: who may ask is checked before.
void lattice_core_message(lattice_core *c, lattice_time t, const bus_message *m);
// Noun and verb of a subject of the control interface, "component.scale"; empty = it is none.
slice lattice_core_command(const lattice_core *c, slice subject);
// Answers a message with a failure, in the envelope that clients know. Nothing when it has no reply subject.
void lattice_core_refuse(lattice_core *c, const bus_message *m, slice why);

// The watches of the two buckets, as bus_kv_watch tells them.
void lattice_core_entry(lattice_core *c, lattice_time t, core_bucket bucket, const bus_kv_entry *entry);
void lattice_core_watch_restarted(lattice_core *c, core_bucket bucket);
void lattice_core_caught_up(lattice_core *c, lattice_time t, core_bucket bucket);
bool lattice_core_is_caught_up(const lattice_core *c); // with both, at least once

void lattice_core_kv_ended(lattice_core *c, lattice_time t, uint64_t operation, const bus_kv_result *result);

// Heartbeats and waits that ran out. Call it at lattice_core_next_ns (UINT64_MAX = never), or more often.
void lattice_core_tick(lattice_core *c, lattice_time t);
uint64_t lattice_core_next_ns(const lattice_core *c);

// What became of a wish for a component: `failure` NULL = it is so now. `claims` of what runs, NULL = it is
// not signed. A failure of a first start takes the component off the list, one of a change takes the wish
// back to what ran before (with a new generation).
void lattice_core_component_is(lattice_core *c, lattice_time t, slice id, uint64_t generation,
                               const token_claims *claims, const char *failure);
// The same of a provider.
// empty.
void lattice_core_provider_is(lattice_core *c, lattice_time t, slice id, uint64_t generation,
                              const token_claims *claims, const char *failure);
// It has ended for good: `reason` for the event ("stop", "crashed").
void lattice_core_provider_ended(lattice_core *c, lattice_time t, slice id, const char *reason);
// An answer to a question about its health.
void lattice_core_provider_health(lattice_core *c, lattice_time t, slice id, bool is_healthy);

// --- what is wanted, and what is known ---------------------------------------------------------------------
// What these return is valid until the next input.

typedef struct lattice_claims { // of what runs; all empty when it is not signed
    slice issuer, subject, name, version;
    int32_t revision;
} lattice_claims;

typedef struct lattice_component {
    slice id;
    slice ref;              // of the image, as it was asked for
    uint32_t max_instances; // 0: it is to end; tell when it has (lattice_core_component_is)
    uint64_t generation;
    lattice_pairs annotations;
    lattice_texts config;        // names; lattice_core_config_merge
    uint64_t memory_bytes_max;   // 0 = the host's
    uint64_t execution_s_max;    // 0 = the host's
    bool is_running;             // some generation of it is
    uint64_t running_generation; // 0 = none
    lattice_claims claims;
} lattice_component;

// Without those that are not to be started yet (their configurations are looked for).
size_t lattice_core_component_count(const lattice_core *c);
bool lattice_core_component_at(const lattice_core *c, size_t index, lattice_component *ret); // by id
bool lattice_core_component(const lattice_core *c, slice id, lattice_component *ret);

typedef struct lattice_provider {
    slice id;
    slice ref;
    bool is_wanted; // false: it is to end; tell when it has (lattice_core_provider_ended)
    uint64_t generation;
    lattice_pairs annotations;
    lattice_texts config;
    bool is_running;
    bool is_healthy; // the last answer; false before the first
    lattice_claims claims;
} lattice_provider;

size_t lattice_core_provider_count(const lattice_core *c);
bool lattice_core_provider_at(const lattice_core *c, size_t index, lattice_provider *ret); // by id
bool lattice_core_provider(const lattice_core *c, slice id, lattice_provider *ret);

typedef struct lattice_link {
    slice source;
    slice target;
    slice name;    // "default"
    slice ns;      // "wasi"
    slice package; // "keyvalue"
    lattice_texts interfaces;
    lattice_texts source_config; // names
    lattice_texts target_config;
} lattice_link;

// The links that begin at `source`, in their order; for the same name and interface the last one holds.
size_t lattice_core_links_from(const lattice_core *c, slice source, const lattice_link **ret);
// All links: by source, then by order. `index` up to the count.
size_t lattice_core_link_count(const lattice_core *c);
size_t lattice_core_source_count(const lattice_core *c);
slice lattice_core_source_at(const lattice_core *c, size_t index, const lattice_link **ret,
                             size_t *ret_count);
// Where a call goes: the target of the link of that name for an interface without version
// ("wasi:keyvalue/store"); NULL = there is none.
const lattice_link *lattice_core_route(const lattice_core *c, slice source, slice name, slice interface);
// Whether a call of that function through the link may be done twice: a configuration of its source end says
// so, with the value of "idempotent": functions as they are called on the wire, with ',' between, or "*". Of
// several configurations the last one that says anything holds.
bool lattice_core_may_repeat(const lattice_core *c, const lattice_link *link, slice function);

// Whether a name of a configuration is that of a reference to a secret.
bool lattice_is_secret_name(slice name);
// One configuration; false when there is none. References to secrets have the members "backend", "key", ...
bool lattice_core_config(const lattice_core *c, slice name, lattice_pairs *ret);
// The values of all names that are no references to secrets, the later names first in rank; those that are
// not there have none. The arena holds the list; STATUS_LIMIT when it is full.
status lattice_core_config_merge(const lattice_core *c, lattice_texts names, arena *memory,
                                 lattice_pairs *ret) WRIT_MUST_USE;
lattice_pairs lattice_core_labels(const lattice_core *c);

typedef struct lattice_registry {
    slice registry;                  // "ghcr.io"
    slice type;                      // "oci"
    slice username, password, token; // empty = not given
} lattice_registry;
size_t lattice_core_registry_count(const lattice_core *c);
bool lattice_core_registry_at(const lattice_core *c, size_t index, lattice_registry *ret);

typedef struct core_counters {
    uint64_t messages;    // of the control interface
    uint64_t refused;     // answered with a failure
    uint64_t malformed;   // of these: could not be read
    uint64_t bad_entries; // of buckets, passed over
    uint64_t events;
} core_counters;
core_counters lattice_core_count(const lattice_core *c);
