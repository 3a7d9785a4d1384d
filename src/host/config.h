// SPDX-License-Identifier: Apache-2.0
// What to run and with which authority and limits: the checked form of the command line (later also of a
// manifest). Filled by cli/, read by everything in host/. Borrows nothing: `host_config_done` frees it all.
//
//   host_config       what the host has once
//   workload_config   one component, configured to run here; the host runs a list of them. Their number is
//   their
//                     place in this list, in all processes.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "host/links.h"
#include "host/rules.h"
#include "policy/network.h"
#include "secrets/settings.h"

#define HOST_CPU_NS_MAX 10000000000ull
#define HOST_WALL_NS_MAX 30000000000ull

enum {
    HOST_LIST_MAX = 1024,      // entries of each list below, unless it says another
    HOST_WORKLOADS_MAX = 1024, // of one host
    HOST_ROUTES_MAX = 64,      // of one workload
    HOST_ROUTE_BYTES_MAX = 1024,
    HOST_SECRETS_MAX = 256,           // of one workload
    HOST_SECRET_NAME_BYTES_MAX = 128, // as the workload calls it
    HOST_INSTANCES_DEFAULT = 1000,    // of a workload alone; several share it, down to the least
    HOST_INSTANCES_DEFAULT_MIN = 100,
};

typedef struct host_directory {
    char *host_path;
    char *guest_path; // absolute, as the guest sees it
    bool read_only;
} host_directory;

typedef struct host_variable {
    char *name;
    char *value;
} host_variable;

// Which requests a workload is for. Rules: host/routes.h.
typedef struct host_route {
    char *host; // "api.example.org", "*.example.org", or NULL for any
    char *path; // prefix of whole segments, "/" for all
} host_route;

// An interface that the workload imports and another workload exports (host/callee.h).
typedef struct host_callee {
    char *interface; // without a version: "example:shop/catalog"
    char *link;      // name of the link: "default"
    char *workload;  // its name
} host_callee;

void host_callee_done(host_callee *c);

// Where secrets are kept, beside the sealed store.
typedef struct host_secret_backend {
    char *name; // for people: "the policy vault of app.yaml"
    secret_settings settings;
} host_secret_backend;

typedef enum host_stdio {
    HOST_STDIO_DEFAULT, // commands inherit, HTTP workloads get none
    HOST_STDIO_INHERIT,
    HOST_STDIO_NONE, // discarded and counted; stdin is empty
} host_stdio;

// Hard bounds of one workload, each with a default (host_limits_default).
typedef struct host_limits {
    uint64_t memory_bytes_max;   // linear memory of one instance, all its memories together
    uint32_t table_elements_max; // of one instance, all its tables together
    uint64_t cpu_time_ns_max; // of one call; 0 = the default: HOST_CPU_NS_MAX of a request, none of a command
    uint64_t
        wall_time_ns_max;   // of one call; 0 = the default: HOST_WALL_NS_MAX of a request, none of a command
    uint32_t instances_max; // at one time, over all workers; 0 = the default (host_config_share_instances)
    uint32_t queue_max;     // requests waiting for an instance, over all workers
    uint32_t reuse_max;     // requests that one instance may serve; 1 = fresh for each
    uint32_t files_max;     // open files and directories of one instance
    uint32_t sockets_max;   // of one instance
    uint32_t streams_max;   // of one instance
    uint32_t resources_max; // handles of one instance
    uint64_t log_bytes_per_second_max; // of the workload, per worker
} host_limits;

host_limits host_limits_default(void);

typedef struct workload_config {
    char *component_path;
    char *name; // unique on this host; in logs and messages

    host_route *routes; // of one that serves
    size_t route_count;

    host_directory *directories;
    size_t directory_count;
    host_variable *variables; // with values resolved
    size_t variable_count;
    char **arguments; // after the component's name
    size_t argument_count;
    network_policy http_policy; // outgoing HTTP
    bool is_http_linked;        // or: its requests go by a link of the lattice, whatever the policy says
    network_policy net_policy;  // sockets
    host_stdio stdio;

    host_callee *callees; // one for each interface and name of a link at most
    size_t callee_count;
    host_links links;      // contracts of which a driver takes care
    host_variable *values; // what wasi:config tells
    size_t value_count;
    host_secret *secrets; // granted to it; workers know no more than what it calls them
    size_t secret_count;

    char **grants; // interfaces named by --grant, such as "wasi:sockets" or "wasi:sockets/tcp"
    size_t grant_count;
    char **refusals; // --refuse
    size_t refusal_count;
    bool is_strict; // refuse inert interfaces too

    // Whether it may run at all (host/vetting.h); for the process that starts it, not for workers.
    bool is_unsigned;    // --unsigned: run it although nobody vouches for it
    char *manifest_path; // what advice is about: a manifest, or (NULL) options of `writ run`; not for workers
    char *token_path;    // --token: of a token beside the component, or NULL

    // Public key of who signed it and is believed, for rules of calls; NULL until that is known, or when
    // nobody did.
    char *issuer;

    // For tests of components: virtual time and random bytes from a seed (capability/virtual.h).
    bool has_test_clock;
    uint64_t test_clock_s;
    bool has_test_seed;
    uint64_t test_seed;

    host_limits limits;
    uint64_t metadata_key[2]; // random per run, the same for all workers: hides inode numbers from guests
} workload_config;

typedef struct host_config {
    char *name; // in log lines that are about no workload; NULL = that of the only one, or "host"
    workload_config *workloads;
    size_t workload_count;
    host_rules rules; // of calls through links, over all workloads
    host_secret_backend *secret_backends;
    size_t secret_backend_count;

    char *listen_address;      // literal address; NULL = it listens nowhere, which goes with is_assigned
    uint16_t listen_port;      // 0 = any free one
    int workers;               // 0 = everything in one process; -1 = one per core
    uint32_t header_count_max; // of one request
    uint32_t header_bytes_max; // of one request, names and values together
    uint32_t connections_max;  // accepted by one worker

    // Of a host that may be replaced while it serves (host/generations.h).
    bool is_generation;           // SIGUSR2 retires it; SIGINT and SIGHUP are its parent's business
    const int *adopted_listeners; // sockets to serve on, in place of new ones; borrowed
    size_t adopted_count;
    struct channel *drivers_holder; // who has the process with the drivers; NULL = the host itself; borrowed

    // What it runs is assigned to it, and changes: it may be nothing, none of it is a command, what the
    // machine has no room for waits, and a callee that does not fit gives way to a link of the same name.
    bool is_assigned;

    // Whom this host believes (host/vetting.h); for the process that starts it, not for workers.
    char *trust_usual;   // the user's own trust store; NULL = there is none
    char *trust_named;   // --trust, or NULL
    char *settings_path; // --config, or NULL

    // The SPIFFE identity of this host (host/host_identity.h); for the supervisor, not for workers.
    char *spiffe_endpoint; // "unix:///path", or NULL: this host has none
    char *spiffe_audience; // of a JWT-SVID, or NULL

    char *cache_directory; // NULL = the user's cache directory
    char *data_directory;  // for files of drivers; NULL = the user's (host_data_directory)
    char *ca_file;         // additional certificate authorities for outgoing TLS, or NULL

    // Outgoing HTTP through a proxy (host/outgoing.h); for the supervisor, not for workers.
    char *proxy_host; // NULL = there is none
    uint16_t proxy_port;
    char *proxy_login_file;  // "USER:PASSWORD", or NULL
    network_policy no_proxy; // what is connected without it

    uint64_t hang_ns_max;  // a worker whose loop has not turned for this long is replaced
    uint64_t drain_ns_max; // what running requests get after SIGTERM
    bool is_verbose;
    bool is_json; // log lines and tables as JSON
} host_config;

// A configuration with every default set and no workload; all strings and lists owned.
void host_config_init(host_config *c);
void host_config_done(host_config *c);

// Appends a workload with every default set, valid until the next is added. STATUS_LIMIT over
// HOST_WORKLOADS_MAX.
status host_config_add_workload(host_config *c, workload_config **ret, err *e) WRIT_MUST_USE;
// The number of the workload of that name, or HOST_WORKLOADS_MAX.
uint32_t host_config_find(const host_config *c, slice name);

// Appends a rule of calls; copies. As host_rules_add.
status host_config_add_rule(host_config *c, const gate_rule *rule, err *e) WRIT_MUST_USE;

// The number of a backend of secrets with these settings, from 1, for host_secret.backend; adds it when there
// is none yet. Takes the settings. STATUS_LIMIT over HOST_SECRET_BACKENDS_MAX.
enum { HOST_SECRET_BACKENDS_MAX = 64 };
status host_config_add_secret_backend(host_config *c, const char *name, secret_settings *settings,
                                      uint32_t *ret, err *e) WRIT_MUST_USE;

// Numbers the links of all workloads, in order, marks them with whose they are, and returns how many there
// are. STATUS_LIMIT over HOST_LINKS_MAX.
status host_config_number_links(host_config *c, uint32_t *ret_count, err *e) WRIT_MUST_USE;

// It runs one workload and never another, so that may be a command.
static inline bool host_config_is_for_one(const host_config *c) {
    return c->workload_count == 1 && !c->is_assigned;
}

// Whether any workload may make outgoing HTTP requests.
bool host_config_calls_out(const host_config *c);

// Whether a workload, or a driver for one, needs a secret.
bool host_config_needs_secrets(const host_config *c);

// How many instances may run at one time, all workloads together.
uint64_t host_config_instances(const host_config *c);
// Gives each workload whose instances_max is 0 its part of `capacity`: the default, or an equal part of what
// the others leave. STATUS_LIMIT with the numbers when a part would be less than one.
status host_config_share_instances(host_config *c, uint32_t capacity, err *e) WRIT_MUST_USE;

// Appends to the lists; they copy. STATUS_LIMIT over HOST_LIST_MAX.
status workload_config_add_directory(workload_config *c, const char *host_path, const char *guest_path,
                                     bool read_only, err *e) WRIT_MUST_USE;
status workload_config_add_variable(workload_config *c, const char *name, const char *value,
                                    err *e) WRIT_MUST_USE;
// STATUS_EXISTS when there is a value of that name.
status workload_config_add_value(workload_config *c, const char *name, const char *value,
                                 err *e) WRIT_MUST_USE;
// STATUS_EXISTS when there is a secret of that name.
status workload_config_add_secret(workload_config *c, const host_secret *added, err *e) WRIT_MUST_USE;
// `host` may be NULL. STATUS_INVALID for what is no route (host/routes.h), STATUS_LIMIT over HOST_ROUTES_MAX.
status workload_config_add_route(workload_config *c, const char *host, const char *path,
                                 err *e) WRIT_MUST_USE;
// `interface` without a version. STATUS_INVALID when it has one, or is linked under that name already.
status workload_config_add_callee(workload_config *c, const char *interface, const char *link,
                                  const char *workload, err *e) WRIT_MUST_USE;
// The workload that an interface of this name is linked to under that name of a link, or NULL.
const host_callee *workload_config_callee(const workload_config *c, slice interface, slice link);
// The one that an import of it is bound to, or NULL: by its label (component_import); without one by
// "default", or, where the interface has links to workloads only, any of them, as the choice comes with the
// call (wasmcloud:bus/lattice).
const host_callee *workload_config_import(const workload_config *c, slice interface, slice label);
status host_config_add_text(char ***list, size_t *count, const char *text, err *e) WRIT_MUST_USE;
