// SPDX-License-Identifier: Apache-2.0
// The state of a core, and what its files offer each other.
#pragma once

#include "base/arena.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/siphash.h"
#include "lattice/core.h"
#include "lattice/core_read.h"
#include "lattice/core_record.h"

enum {
    CORE_REQUEST_BYTES_MAX = 1 << 20,
    CORE_REQUEST_ARENA_BYTES = 8 << 20,
    CORE_ANSWER_BYTES_MAX = 32 << 20,
    CORE_SUBJECT_BYTES_MAX = 512,
    CORE_PAGE_BYTES_MAX = 512 << 10, // of a long list, for who asks for pages
    CORE_LINK_ATTEMPTS_MAX = 32,     // of a change while others change the same links
    CORE_STOPS_WAITING_MAX = 8,      // who wait for the end of one provider
};

#define CORE_BUSY "the host is busy: too many operations wait for the lattice's data"
#define CORE_STOPPING "the host is stopping"

// --- records -----------------------------------------------------------------------------------------------

typedef struct core_mark { // which entry a record is made from
    uint64_t revision;
    uint64_t epoch; // of the watch that told it; revisions of a bucket that was made anew begin anew, too
    uint64_t hash;  // of the value
} core_mark;

typedef struct core_source { // COMPONENT_{id}: the links that begin there
    core_record record;
    core_mark mark;
    size_t count;
    lattice_link *links;
    void *block;
} core_source;

typedef struct core_config { // of CONFIGDATA
    core_record record;
    core_mark mark;
    lattice_pairs values;
    void *block;
} core_config;

typedef struct core_stored_claims { // CLAIMS_{key}
    core_record record;
    core_mark mark;
    bool is_provider;
    lattice_pairs members; // as clients are told them
    void *block;
} core_stored_claims;

// Claims of what runs, one block.
typedef struct core_claims {
    slice issuer, subject, name, version, call_alias, config_schema;
    lattice_texts tags;
    bool has_revision;
    int32_t revision;
    bool has_not_before, has_expiry;
    uint64_t not_before_s, expires_at_s;
} core_claims;

typedef struct core_wish { // one block
    slice ref;
    uint32_t max_instances; // of a component; 0: none
    lattice_pairs annotations;
    lattice_texts config;
    bool has_limits;
    bool has_memory, has_execution;
    uint64_t memory_bytes_max;
    uint64_t execution_s_max;
} core_wish;

typedef struct core_component {
    core_record record;
    uint64_t generation; // of `wanted`
    core_wish *wanted;
    bool is_ready;      // the names of its configuration are known to exist
    bool is_restored;   // `wanted` is what ran before a change that failed
    core_wish *running; // NULL = nothing
    uint64_t running_generation;
    core_claims *claims; // of what runs; NULL = it is not signed
} core_component;

typedef struct core_provider {
    core_record record;
    uint64_t generation;
    core_wish *wish;
    core_wish *next; // to start when this one has ended
    bool is_wanted;
    bool is_ready;
    bool is_running;
    bool is_healthy;
    core_claims *claims;
    size_t waiting_count; // reply subjects of who asked for its end
    char *waiting[CORE_STOPS_WAITING_MAX];
} core_provider;

typedef struct core_registry {
    core_record record;
    char *type, *username, *password, *token; // NULL = not given
} core_registry;

// --- operations and jobs -----------------------------------------------------------------------------------

typedef struct core_operation core_operation;
typedef struct core_job core_job; // something that waits for buckets

typedef void (*core_step)(lattice_core *c, lattice_time t, core_job *j, const core_operation *o,
                          const bus_kv_result *r);

struct core_operation {
    uint64_t id;
    uint64_t epoch; // of the bucket's watch when it began
    core_bucket bucket;
    core_job *job;
    core_step step;
    slice key; // stands behind it
};

struct core_job {
    list_node node;
    size_t operations; // that have not ended; the job is freed with the last one
    char *reply;       // NULL = nobody waits for an answer
    slice name;        // a configuration, or the id of a component or provider
    lattice_link link; // to be put or (without target) deleted
    uint64_t generation;
    unsigned attempts;
    void (*confirmed)(lattice_core *c, lattice_time t, core_job *j);
    char *problem;      // NULL = none so far
    char *written;      // the entry that is being written; NULL = none
    lattice_link found; // what was deleted
    void *found_block;
    void *block; // that `name` and `link` point into
};

typedef struct core_watch {
    uint64_t epoch;     // grows with each restart
    uint64_t revision;  // the newest that was told in this epoch
    bool was_caught_up; // once
} core_watch;

struct lattice_core {
    core_effects effects;
    core_settings settings; // texts point into `block`
    siphash_key key;
    void *block;
    char subject[CORE_SUBJECT_BYTES_MAX]; // "wasmbus.ctl.v1.default."
    lattice_pairs labels;
    void *labels_block;
    uint64_t started_ns;
    uint64_t heartbeat_ns;
    bool has_started, is_stopping, has_stopped;
    uint64_t generation; // the last that was given
    unsigned changes;    // to be told at the end of an input
    core_watch watches[2];
    core_table sources, config, claims, components, providers, registries;
    size_t hidden_components, hidden_providers; // whose configurations are looked for, with nothing that runs
    bool recounts;                              // at the end of an input: the two may be others
    size_t link_count;
    core_operation **operations; // by slot
    size_t operation_slots, operation_count;
    uint64_t operation_number;
    list_node jobs;
    core_counters counters;
};

// --- requests ----------------------------------------------------------------------------------------------

typedef struct core_request {
    lattice_core *c;
    lattice_time t;
    slice reply;  // empty = no answer
    slice object; // of the subject
    slice payload;
    json_value *body; // NULL unless the handler reads JSON
    arena memory;
} core_request;

void core_answer(lattice_core *c, slice reply, bool success, const char *message, json_value *response);
// A long list goes out as a whole, as clients of 1.x want it, or to who asks for that ({"writ": {"skip": n}})
// in pages, of which all but the last say where the next one begins ("writ": {"next": n}).
typedef struct core_page {
    json_value *items;
    uint64_t at; // of the item that comes next
    uint64_t skip;
    bool is_paged;
    size_t bytes;
    bool is_full;
} core_page;
bool core_page_begin(core_request *q, core_page *ret); // false: it was answered
bool core_page_takes(core_page *p, size_t bytes);      // whether the next item is to be added to `items`
void core_page_answer(core_request *q, core_page *p);  // takes the items

void core_yes(core_request *q, const char *format, ...) WRIT_FORMAT(2, 3);
void core_no(core_request *q, const char *format, ...) WRIT_FORMAT(2, 3);
// "failed to deserialize ...", with what is wrong.
void core_malformed(core_request *q, const char *what, const err *e);

size_t core_hidden_components(const lattice_core *c);
size_t core_hidden_providers(const lattice_core *c);
// Sends what `changes` has gathered. At the end of each input.
void core_flush(lattice_core *c);

void core_on_ping(core_request *q);
void core_on_inventory(core_request *q);
void core_on_stop(core_request *q);
void core_on_label_put(core_request *q);
void core_on_label_del(core_request *q);
void core_on_component_auction(core_request *q);
void core_on_component_scale(core_request *q);
void core_on_component_update(core_request *q);
void core_on_provider_auction(core_request *q);
void core_on_provider_start(core_request *q);
void core_on_provider_stop(core_request *q);
void core_on_link_put(core_request *q);
void core_on_link_del(core_request *q);
void core_on_link_get(core_request *q);
void core_on_claims_get(core_request *q);
void core_on_config_put(core_request *q);
void core_on_config_get(core_request *q);
void core_on_config_del(core_request *q);
void core_on_registry_put(core_request *q);

// Whether the host's labels are as an auction wants them.
bool core_fits(const lattice_core *c, lattice_pairs constraints);
typedef struct core_auction {
    slice ref;
    slice id;
    lattice_pairs constraints;
} core_auction;
// `ref` and `id`: names of members.
status core_read_auction(core_request *q, const char *ref, const char *id, core_auction *ret,
                         err *e) WRIT_MUST_USE;
json_value *core_inventory(const lattice_core *c, lattice_time t);

// --- operations --------------------------------------------------------------------------------------------

// NULL when too many wait. The texts are copied.
core_job *core_job_new(lattice_core *c, slice reply, slice name, const lattice_link *link);
// Begins an operation of a job; `step` is called when it has ended.
void core_job_get(lattice_core *c, core_job *j, core_bucket bucket, slice key, core_step step);
void core_job_put(lattice_core *c, core_job *j, core_bucket bucket, slice key, slice value, uint64_t expected,
                  core_step step);
void core_job_purge(lattice_core *c, core_job *j, core_bucket bucket, slice key, core_step step);
void core_job_answer(lattice_core *c, core_job *j, bool success, const char *message, json_value *response);
void core_job_free(core_job *j);
void core_operations_done(lattice_core *c);
// Writes an entry; nobody waits for what becomes of it.
void core_store(lattice_core *c, core_bucket bucket, slice key, slice value, uint64_t expected);

// --- what the buckets hold ---------------------------------------------------------------------------------

// Whether an entry says something new beside what `known` was made from (NULL: nothing was), which is marked
// as told in any case. `ret` is the mark of what is to be made of it.
bool core_is_news(const lattice_core *c, core_bucket bucket, core_mark *known, const slice *value,
                  uint64_t revision, core_mark *ret);
// `value` NULL: it is no more. What cannot be read is no more, either, for all hosts alike.
void core_source_set(lattice_core *c, slice id, const slice *value, uint64_t revision);
void core_config_set(lattice_core *c, slice name, const slice *value, uint64_t revision);
void core_claims_set(lattice_core *c, slice subject, const slice *value, uint64_t revision);
void core_source_drop(lattice_core *c, core_source *s);
void core_config_drop(lattice_core *c, core_config *s);
void core_claims_drop(lattice_core *c, core_stored_claims *s);
void core_source_ensure(lattice_core *c, slice id, slice ref);

// Looks whether all the names exist, asking the bucket about those that are not known here. True: they do
// and nothing is asked. Else `confirmed` is called, with j->problem, once all is known.
bool core_config_confirm(lattice_core *c, core_job *j, const lattice_texts *names, size_t count,
                         void (*confirmed)(lattice_core *c, lattice_time t, core_job *j));

// --- links -------------------------------------------------------------------------------------------------

bool core_link_has_interface(const lattice_link *link, slice interface);
void core_link_tell_put(lattice_core *c, const lattice_link *link); // old peers, where they are admitted
void core_link_tell_del(lattice_core *c, const lattice_link *link);

// --- claims ------------------------------------------------------------------------------------------------

core_claims *core_claims_copy(const token_claims *from); // NULL from NULL
void core_claims_store(lattice_core *c, const core_claims *claims, bool is_provider);
lattice_claims core_claims_view(const core_claims *claims);

// --- components and providers ------------------------------------------------------------------------------

core_wish *core_wish_copy(const core_wish *from);
bool core_wish_equal(const core_wish *a, const core_wish *b);
core_component *core_component_find(const lattice_core *c, slice id);
// A new wish, which is shown once its configurations are known to exist. False: the host is busy.
bool core_component_wish(lattice_core *c, core_component *p, const core_wish *w) WRIT_MUST_USE;
void core_component_drop(lattice_core *c, core_component *p);
// The image of a provider as hosts of 1.x show it: without "file://", "oci://", ..., which clients rely on.
slice core_shown_ref(slice ref);
void core_component_free(core_component *p);
void core_provider_free(core_provider *p);
void core_registry_free(core_registry *r);

// --- events ------------------------------------------------------------------------------------------------

// Takes `data`.
void core_event(lattice_core *c, lattice_time t, const char *name, json_value *data);
void core_event_scaled(lattice_core *c, lattice_time t, const core_component *p, const core_wish *wish,
                       const core_claims *claims, uint32_t max_instances);
void core_event_scale_failed(lattice_core *c, lattice_time t, slice id, const core_wish *wish,
                             const core_claims *claims, const char *why);
void core_event_labels(lattice_core *c, lattice_time t);
void core_event_link(lattice_core *c, lattice_time t, const char *name, const lattice_link *link,
                     const char *why);
void core_event_link_deleted(lattice_core *c, lattice_time t, const lattice_link *wanted,
                             const lattice_link *found);
void core_event_config(lattice_core *c, lattice_time t, const char *name, slice config);
void core_event_provider_started(lattice_core *c, lattice_time t, const core_provider *p);
void core_event_provider_failed(lattice_core *c, lattice_time t, slice id, slice ref, const char *why);
void core_event_provider_stopped(lattice_core *c, lattice_time t, const core_provider *p, const char *reason);
void core_event_health(lattice_core *c, lattice_time t, const char *name, slice id);
