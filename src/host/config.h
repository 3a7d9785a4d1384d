// SPDX-License-Identifier: Apache-2.0
// What to run and with which authority and limits: the checked form of the command line (later also of a
// manifest). Filled by cli/, read by everything in host/. Borrows nothing: `host_config_done` frees it all.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "policy/network.h"

#define HOST_CPU_NS_MAX 10000000000ull
#define HOST_WALL_NS_MAX 30000000000ull

enum {
    HOST_LIST_MAX = 1024, // entries of each list below
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
    uint32_t instances_max; // at one time, over all workers
    uint32_t queue_max;     // requests waiting for an instance, over all workers
    uint32_t reuse_max;     // requests that one instance may serve; 1 = fresh for each
    uint32_t files_max;     // open files and directories of one instance
    uint32_t sockets_max;   // of one instance
    uint32_t streams_max;   // of one instance
    uint32_t resources_max; // handles of one instance
    uint32_t header_count_max;         // of one request
    uint32_t header_bytes_max;         // of one request, names and values together
    uint32_t connections_max;          // accepted by one worker
    uint64_t log_bytes_per_second_max; // of the workload, per worker
} host_limits;

host_limits host_limits_default(void);

typedef struct host_config {
    char *component_path;
    char *name; // of the workload, in logs; the file's base name without .wasm by default

    char *listen_address; // literal address
    uint16_t listen_port; // 0 = any free one
    int workers;          // 0 = everything in one process; -1 = one per core

    host_directory *directories;
    size_t directory_count;
    host_variable *variables; // with values resolved
    size_t variable_count;
    char **arguments; // after the component's name
    size_t argument_count;
    network_policy http_policy; // outgoing HTTP
    network_policy net_policy;  // sockets
    host_stdio stdio;

    char **grants; // interfaces named by --grant, such as "wasi:sockets" or "wasi:sockets/tcp"
    size_t grant_count;
    char **refusals; // --refuse
    size_t refusal_count;
    bool is_strict; // refuse inert interfaces too

    // Whether it may run at all (host/vetting.h); for the process that starts it, not for workers.
    bool is_unsigned;    // --unsigned: run it although nobody vouches for it
    char *token_path;    // --token: of a token beside the component, or NULL
    char *trust_usual;   // the user's own trust store; NULL = there is none
    char *trust_named;   // --trust, or NULL
    char *settings_path; // --config, or NULL

    // The SPIFFE identity of this host (host/host_identity.h); for the supervisor, not for workers.
    char *spiffe_endpoint; // "unix:///path", or NULL: this host has none
    char *spiffe_audience; // of a JWT-SVID, or NULL

    host_limits limits;
    char *cache_directory;    // NULL = the user's cache directory
    char *ca_file;            // additional certificate authorities for outgoing TLS, or NULL
    uint64_t hang_ns_max;     // a worker whose loop has not turned for this long is replaced
    uint64_t drain_ns_max;    // what running requests get after SIGTERM
    uint64_t metadata_key[2]; // random per run, the same for all workers: hides inode numbers from guests
    bool is_verbose;
    bool is_json; // log lines and tables as JSON
} host_config;

// A configuration with every default set; all strings and lists owned.
void host_config_init(host_config *c);
void host_config_done(host_config *c);

// Appends to the lists; they copy. STATUS_LIMIT over HOST_LIST_MAX.
status host_config_add_directory(host_config *c, const char *host_path, const char *guest_path,
                                 bool read_only, err *e) WRIT_MUST_USE;
status host_config_add_variable(host_config *c, const char *name, const char *value, err *e) WRIT_MUST_USE;
status host_config_add_text(char ***list, size_t *count, const char *text, err *e) WRIT_MUST_USE;
