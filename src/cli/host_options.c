// SPDX-License-Identifier: Apache-2.0
// The options of `writ host`, and the variables of hosts of wasmCloud 1.x that mean the same (docs/host.md).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/control_place.h"
#include "base/mem.h"
#include "cli/host_internal.h"
#include "cli/host_option.h"
#include "cli/key_option.h"
#include "cli/options.h"

enum { KV_REPLICAS_MAX = 5 };

#define VALUE(setter, name)                                                   \
    static status setter(void *target, const char *value, err *e) {           \
        (void)e;                                                              \
        ((host_args *)target)->values[name] = value != NULL ? value : "true"; \
        return STATUS_OK;                                                     \
    }
VALUE(set_lattice, HOST_LATTICE)
VALUE(set_name, HOST_NAME)
VALUE(set_nats, HOST_NATS)
VALUE(set_nats_host, HOST_NATS_HOST)
VALUE(set_nats_port, HOST_NATS_PORT)
VALUE(set_nats_jwt, HOST_NATS_JWT)
VALUE(set_nats_seed, HOST_NATS_SEED)
VALUE(set_nats_creds, HOST_NATS_CREDS)
VALUE(set_ctl_host, HOST_CTL_HOST)
VALUE(set_ctl_port, HOST_CTL_PORT)
VALUE(set_ctl_jwt, HOST_CTL_JWT)
VALUE(set_ctl_seed, HOST_CTL_SEED)
VALUE(set_ctl_creds, HOST_CTL_CREDS)
VALUE(set_ctl_tls, HOST_CTL_TLS)
VALUE(set_ctl_prefix, HOST_CTL_PREFIX)
VALUE(set_rpc_host, HOST_RPC_HOST)
VALUE(set_rpc_port, HOST_RPC_PORT)
VALUE(set_rpc_jwt, HOST_RPC_JWT)
VALUE(set_rpc_seed, HOST_RPC_SEED)
VALUE(set_rpc_creds, HOST_RPC_CREDS)
VALUE(set_rpc_tls, HOST_RPC_TLS)
VALUE(set_rpc_timeout, HOST_RPC_TIMEOUT)
VALUE(set_js_domain, HOST_JS_DOMAIN)
VALUE(set_kv_replicas, HOST_KV_REPLICAS)
VALUE(set_tls_ca, HOST_TLS_CA)
VALUE(set_tls_certificate, HOST_TLS_CERTIFICATE)
VALUE(set_tls_key, HOST_TLS_KEY)
VALUE(set_tls_first, HOST_TLS_FIRST)
VALUE(set_host_seed, HOST_SEED)
VALUE(set_host_key, HOST_KEY)
VALUE(set_keys, HOST_KEYS)
VALUE(set_passphrase_file, HOST_PASSPHRASE_FILE)
VALUE(set_cluster_key, HOST_CLUSTER_KEY)
VALUE(set_cluster_seed, HOST_CLUSTER_SEED)
VALUE(set_cluster_token, HOST_CLUSTER_TOKEN)
VALUE(set_cluster_issuers, HOST_CLUSTER_ISSUERS)
VALUE(set_lattice_trust, HOST_LATTICE_TRUST)
VALUE(set_allow_file_load, HOST_ALLOW_FILE_LOAD)
VALUE(set_allow_unsigned_peers, HOST_ALLOW_UNSIGNED_PEERS)
VALUE(set_provider_direct, HOST_PROVIDER_DIRECT)
VALUE(set_unsigned_control, HOST_UNSIGNED_CONTROL)
VALUE(set_unsigned, HOST_UNSIGNED)
VALUE(set_max_execution_time, HOST_MAX_EXECUTION_TIME)
VALUE(set_max_memory, HOST_MAX_MEMORY)
VALUE(set_max_component_size, HOST_MAX_COMPONENT_SIZE)
VALUE(set_max_components, HOST_MAX_COMPONENTS)
VALUE(set_heartbeat, HOST_HEARTBEAT)
VALUE(set_shutdown_delay, HOST_SHUTDOWN_DELAY)
VALUE(set_component_auction, HOST_COMPONENT_AUCTION)
VALUE(set_provider_auction, HOST_PROVIDER_AUCTION)

static status set_place(void *target, const char *value, err *e) {
    ((host_args *)target)->values[HOST_PLACE] = value;
    return control_check_name(value, e);
}

static status set_lattice_metrics(void *target, const char *value, err *e) {
    host_args *a = target;
    return cli_parse_metrics(value, &a->metrics_address, &a->metrics_port, e);
}

static status add_label(void *target, const char *value, err *e) {
    host_args *a = target;
    slice all = slice_from_text(value);
    size_t equals = slice_find(all, 0, '=');
    if (equals == SIZE_MAX || equals == 0) {
        return err_set(e, STATUS_INVALID, "\"%.80s\" is not KEY=VALUE", value);
    }
    if (a->label_count == HOST_LABELS_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d labels", HOST_LABELS_MAX);
    }
    a->labels[a->label_count++] =
        (lattice_pair){slice_sub(all, 0, equals), slice_sub(all, equals + 1, SIZE_MAX)};
    return STATUS_OK;
}

static status add_user(void *target, const char *value, err *e) {
    host_args *a = target;
    slice all = slice_from_text(value);
    size_t equals = slice_find(all, 0, '=');
    role what;
    if (equals == SIZE_MAX || !role_parse(slice_sub(all, equals + 1, SIZE_MAX), &what)) {
        return err_set(e, STATUS_INVALID, "\"%.80s\" is not KEY=ROLE, with read, operate or admin", value);
    }
    if (a->user_count == HOST_USERS_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d users", HOST_USERS_MAX);
    }
    char *key = mem_slice_dup(slice_sub(all, 0, equals));
    agent_user *u = &a->users[a->user_count];
    status s = cli_public_key(key, NULL, &u->key, e);
    mem_free(key);
    TRY(s);
    u->what = what;
    a->user_count++;
    return STATUS_OK;
}

static const cli_option options[] = {
    {"nats", 0, "URL[,URL]...", "servers of NATS, nats:// or tls:// (none: a lattice of this host alone)",
     set_nats},
    {"lattice", 'x', "NAME", "the lattice (default)", set_lattice},
    {"name", 'n', "NAME", "the friendly name of this host (made up)", set_name},
    {"host", 0, "NAME",
     "the name by which commands on this machine find it (" CONTROL_HOST_DEFAULT " without --nats)",
     set_place},
    {"label", 'l', "KEY=VALUE", "a label of this host, for auctions", add_label},
    {"allow-file-load", 0, NULL, "take images that are files of this machine, file:///PATH",
     set_allow_file_load},
    {"unsigned", 0, NULL, "run components although nobody whom this host trusts has signed them",
     set_unsigned},
    {"host-key", 0, "KEY", "the server key of this host, of the store or a file (a new one each time)",
     set_host_key},
    {"host-seed", 0, "SEED", "the same as a seed", set_host_seed},
    {"cluster-key", 0, "KEY", "the cluster key that admits this host (cluster, made when there is none)",
     set_cluster_key},
    {"cluster-seed", 0, "SEED", "the same as a seed", set_cluster_seed},
    {"cluster-token", 0, "FILE", "in its place: this host's token by a cluster key (writ lattice admit)",
     set_cluster_token},
    {"cluster-issuers", 0, "KEY[,KEY]...", "public cluster keys whose hosts are believed, beside its own",
     set_cluster_issuers},
    {"lattice-trust", 0, "FILE",
     "more of these, revoked hosts, and users (lattice.json in $WRIT_HOME or ~/.config/writ)",
     set_lattice_trust},
    {"allow-unsigned-peers", 0, NULL, "call, and be called by, hosts and providers of wasmCloud 1.x",
     set_allow_unsigned_peers},
    {"provider-direct", 0, NULL, "with it: provider programs are on the servers of NATS, as this host",
     set_provider_direct},
    {"allow-unsigned-control", 0, "ROLE",
     "what requests without a signature may do: read, operate, admin (none)", set_unsigned_control},
    {"user", 0, "KEY=ROLE", "a user key whose signed requests are taken: read, operate, admin", add_user},
    {"nats-host", 0, "HOST", "a server of NATS, with --nats-port", set_nats_host},
    {"nats-port", 0, "PORT", "its port (4222)", set_nats_port},
    {"nats-creds", 0, "FILE", "who this host is to NATS: a user's JWT and seed", set_nats_creds},
    {"nats-jwt", 0, "JWT", "the same, with --nats-seed", set_nats_jwt},
    {"nats-seed", 0, "SEED", "the seed of --nats-jwt, or of an nkey alone", set_nats_seed},
    {"ctl-host", 0, "HOST", "another server for the control interface", set_ctl_host},
    {"ctl-port", 0, "PORT", "its port", set_ctl_port},
    {"ctl-creds", 0, "FILE", "who this host is to it", set_ctl_creds},
    {"ctl-jwt", 0, "JWT", "the same, with --ctl-seed", set_ctl_jwt},
    {"ctl-seed", 0, "SEED", "the seed of --ctl-jwt", set_ctl_seed},
    {"ctl-tls", 0, NULL, "TLS to it", set_ctl_tls},
    {"ctl-topic-prefix", 0, "SUBJECT", "what subjects of the control interface begin with (wasmbus.ctl)",
     set_ctl_prefix},
    {"rpc-host", 0, "HOST", "another server for calls", set_rpc_host},
    {"rpc-port", 0, "PORT", "its port", set_rpc_port},
    {"rpc-creds", 0, "FILE", "who this host is to it", set_rpc_creds},
    {"rpc-jwt", 0, "JWT", "the same, with --rpc-seed", set_rpc_jwt},
    {"rpc-seed", 0, "SEED", "the seed of --rpc-jwt", set_rpc_seed},
    {"rpc-tls", 0, NULL, "TLS to it", set_rpc_tls},
    {"rpc-timeout-ms", 0, "N", "told to providers: how long their calls may take (2000)", set_rpc_timeout},
    {"js-domain", 0, "NAME", "the domain of JetStream", set_js_domain},
    {"kv-replicas", 0, "N", "servers that keep the lattice's state, when this host makes its buckets (1)",
     set_kv_replicas},
    {"tls-ca-path", 0, "FILE[,FILE]...", "authorities to trust in place of the system's (PEM)", set_tls_ca},
    {"tls-certificate", 0, "FILE", "what this host proves itself with under TLS (PEM)", set_tls_certificate},
    {"tls-key", 0, "FILE", "the key of --tls-certificate (PEM)", set_tls_key},
    {"tls-first", 0, NULL, "TLS before the greeting of the server", set_tls_first},
    {"max-execution-time-ms", 0, "N", "of one call of a component that names none (30000)",
     set_max_execution_time},
    {"max-linear-memory-bytes", 0, "N", "of one instance of such a component (268435456)", set_max_memory},
    {"max-component-size-bytes", 0, "N", "of an image (52428800)", set_max_component_size},
    {"max-components", 0, "N", "components that may run here (1000)", set_max_components},
    {"heartbeat-interval-seconds", 0, "N", "between heartbeats (30)", set_heartbeat},
    {"provider-shutdown-delay-ms", 0, "N", "what a provider gets before it is killed (300)",
     set_shutdown_delay},
    {"enable-component-auction", 0, "BOOL", "answer auctions of components (true)", set_component_auction},
    {"enable-provider-auction", 0, "BOOL", "answer auctions of providers (true)", set_provider_auction},
    CLI_OPTION_WORKERS,
    CLI_OPTION_TRUST(cli_set_trust),
    CLI_OPTION_KEYS(set_keys),
    CLI_OPTION_PASSPHRASE_FILE(set_passphrase_file),
    CLI_OPTION_SETTINGS,
    CLI_OPTION_DATA,
    CLI_OPTION_CACHE,
    CLI_OPTION_CA_FILE,
    CLI_OPTIONS_WATCHED,
    {"lattice-metrics", 0, "[ADDR:]PORT",
     "the same of the lattice: hosts, calls, refusals (127.0.0.1 without ADDR)", set_lattice_metrics},
    CLI_OPTION_DRAIN,
    CLI_OPTION_VERBOSE,
    CLI_OPTION_HOST_OUTPUT,
};

static const cli_command command = {
    .name = "host",
    .usage = "[OPTIONS]",
    .summary = "Run a host of a lattice, until SIGINT or SIGTERM.",
    .details = "The host runs what it is told over the control interface of wasmCloud 1.x: by wash, wadm and "
               "writ. With "
               "--nats it\njoins the lattice of these servers; without, it is a lattice of its own, with its "
               "state in the "
               "directory for data\nand no port open.\n\nHosts prove themselves to each other with tokens by "
               "a cluster "
               "key, and calls between them are sealed. Hosts and\nproviders of 1.x, which cannot do that, "
               "are passed over "
               "unless --allow-unsigned-peers admits them.\nRequests of the control interface are taken from "
               "users that "
               "--user names, signed; from everybody with\n--allow-unsigned-control.\n\nThe variables of the "
               "host of 1.x "
               "(WASMCLOUD_NATS_HOST, WASMCLOUD_LATTICE ...) count where no option says otherwise.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples =
        "  writ host\n"
        "  writ get hosts --host default\n"
        "  writ host --nats nats://127.0.0.1:4222 --lattice shop\n"
        "  writ host --nats tls://nats.example.org --nats-creds host.creds --user ops=admin\n"
        "  writ host --nats-host 127.0.0.1 --allow-unsigned-control admin --allow-file-load --unsigned",
};

// --- variables ---------------------------------------------------------------------------------------------

static const char *const variables[HOST_VALUES] = {
    [HOST_LATTICE] = "WASMCLOUD_LATTICE",
    [HOST_NATS_HOST] = "WASMCLOUD_NATS_HOST",
    [HOST_NATS_PORT] = "WASMCLOUD_NATS_PORT",
    [HOST_NATS_JWT] = "WASMCLOUD_NATS_JWT",
    [HOST_NATS_SEED] = "WASMCLOUD_NATS_SEED",
    [HOST_NATS_CREDS] = "WASMCLOUD_NATS_CREDS",
    [HOST_CTL_HOST] = "WASMCLOUD_CTL_HOST",
    [HOST_CTL_PORT] = "WASMCLOUD_CTL_PORT",
    [HOST_CTL_JWT] = "WASMCLOUD_CTL_JWT",
    [HOST_CTL_SEED] = "WASMCLOUD_CTL_SEED",
    [HOST_CTL_CREDS] = "WASMCLOUD_CTL_CREDS",
    [HOST_CTL_TLS] = "WASMCLOUD_CTL_TLS",
    [HOST_CTL_PREFIX] = "WASMCLOUD_CTL_TOPIC_PREFIX",
    [HOST_RPC_HOST] = "WASMCLOUD_RPC_HOST",
    [HOST_RPC_PORT] = "WASMCLOUD_RPC_PORT",
    [HOST_RPC_JWT] = "WASMCLOUD_RPC_JWT",
    [HOST_RPC_SEED] = "WASMCLOUD_RPC_SEED",
    [HOST_RPC_CREDS] = "WASMCLOUD_RPC_CREDS",
    [HOST_RPC_TLS] = "WASMCLOUD_RPC_TLS",
    [HOST_RPC_TIMEOUT] = "WASMCLOUD_RPC_TIMEOUT_MS",
    [HOST_JS_DOMAIN] = "WASMCLOUD_JS_DOMAIN",
    [HOST_KV_REPLICAS] = "WRIT_KV_REPLICAS",
    [HOST_TLS_CA] = "WASMCLOUD_TLS_CA_PATH",
    [HOST_SEED] = "WASMCLOUD_HOST_SEED",
    [HOST_CLUSTER_SEED] = "WASMCLOUD_CLUSTER_SEED",
    [HOST_CLUSTER_ISSUERS] = "WASMCLOUD_CLUSTER_ISSUERS",
    [HOST_ALLOW_FILE_LOAD] = "WASMCLOUD_ALLOW_FILE_LOAD",
    [HOST_MAX_EXECUTION_TIME] = "WASMCLOUD_MAX_EXECUTION_TIME_MS",
    [HOST_MAX_MEMORY] = "WASMCLOUD_MAX_LINEAR_MEMORY",
    [HOST_MAX_COMPONENT_SIZE] = "WASMCLOUD_MAX_COMPONENT_SIZE",
    [HOST_MAX_COMPONENTS] = "WASMCLOUD_MAX_COMPONENTS",
    [HOST_HEARTBEAT] = "WASMCLOUD_HEARTBEAT_INTERVAL",
    [HOST_SHUTDOWN_DELAY] = "WASMCLOUD_PROV_SHUTDOWN_DELAY_MS",
    [HOST_COMPONENT_AUCTION] = "WASMCLOUD_COMPONENT_AUCTION_ENABLED",
    [HOST_PROVIDER_AUCTION] = "WASMCLOUD_PROVIDER_AUCTION_ENABLED",
};

status host_parse(int argc, char **argv, host_args *a, err *e) {
    TRY(cli_parse(&command, argc, argv, a, e));
    for (size_t i = 0; i < HOST_VALUES; i++) {
        const char *value = variables[i] == NULL ? NULL : getenv(variables[i]);
        if (a->values[i] == NULL && value != NULL && value[0] != '\0') {
            a->values[i] = value;
        }
    }
    return STATUS_OK;
}

// --- what they say -----------------------------------------------------------------------------------------

static status take_number(const host_args *a, host_value_name name, uint64_t unit, uint64_t *ret, err *e) {
    uint64_t n;
    if (a->values[name] == NULL) {
        return STATUS_OK;
    }
    if (cli_parse_number(a->values[name], 1, UINT64_MAX / unit, &n, e) != STATUS_OK) {
        return err_wrap(e, "%s", variables[name]);
    }
    *ret = n * unit;
    return STATUS_OK;
}

static status take_bool(const host_args *a, host_value_name name, bool otherwise, bool *ret, err *e) {
    const char *text = host_value(a, name, otherwise ? "true" : "false");
    bool is_true = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    bool is_false = strcmp(text, "false") == 0 || strcmp(text, "0") == 0;
    *ret = is_true;
    return is_true || is_false ? STATUS_OK
                               : err_set(e, STATUS_INVALID, "\"%.40s\" is neither true nor false", text);
}

// NULL: nothing names a server.
static const char *make_url(char *room, size_t size, const char *host, const char *port) {
    if (host == NULL && port == NULL) {
        return NULL;
    }
    host = host != NULL ? host : "127.0.0.1";
    bool is_url = strstr(host, "://") != NULL;
    (void)snprintf(room, size, "%s%s:%s", is_url ? "" : "nats://", host, port != NULL ? port : "4222");
    return room;
}

static const char *first_of(const char *a, const char *b) { return a != NULL ? a : b; }

static status fill_common(const host_args *a, connection_settings *c, err *e) {
    c->tls_ca_path = a->values[HOST_TLS_CA];
    c->tls_certificate_path = a->values[HOST_TLS_CERTIFICATE];
    c->tls_key_path = a->values[HOST_TLS_KEY];
    c->name = "writ";
    return take_bool(a, HOST_TLS_FIRST, false, &c->tls_first, e);
}

// What an own JWT, seed or file of credentials says replaces all of what --nats-... say.
static void fill_credentials(const host_args *a, host_value_name jwt, host_value_name seed,
                             host_value_name creds, connection_settings *c) {
    bool is_own = a->values[jwt] != NULL || a->values[seed] != NULL || a->values[creds] != NULL;
    c->jwt = a->values[is_own ? jwt : HOST_NATS_JWT];
    c->seed = a->values[is_own ? seed : HOST_NATS_SEED];
    c->creds_path = a->values[is_own ? creds : HOST_NATS_CREDS];
}

static status fill_connections(host_args *a, agent_options *o, err *e) {
    const char *const *v = a->values;
    const char *ctl_host = first_of(v[HOST_CTL_HOST], v[HOST_NATS_HOST]);
    const char *ctl_port = first_of(v[HOST_CTL_PORT], v[HOST_NATS_PORT]);
    const char *rpc_host = first_of(v[HOST_RPC_HOST], v[HOST_NATS_HOST]);
    const char *rpc_port = first_of(v[HOST_RPC_PORT], v[HOST_NATS_PORT]);
    if (v[HOST_NATS] !=
        NULL) { // what names one server has no place beside it, but for the other connection's
        ctl_host = v[HOST_CTL_HOST], ctl_port = v[HOST_CTL_PORT];
        rpc_host = v[HOST_RPC_HOST], rpc_port = v[HOST_RPC_PORT];
    }
    a->ctl.servers = first_of(make_url(a->ctl_url, sizeof a->ctl_url, ctl_host, ctl_port), v[HOST_NATS]);
    a->rpc.servers = first_of(make_url(a->rpc_url, sizeof a->rpc_url, rpc_host, rpc_port), v[HOST_NATS]);
    a->ctl.servers = first_of(a->ctl.servers, a->rpc.servers);
    a->rpc.servers = first_of(a->rpc.servers, a->ctl.servers);
    if (a->ctl.servers == NULL) {
        return STATUS_OK;
    }
    TRY(fill_common(a, &a->ctl, e));
    TRY(fill_common(a, &a->rpc, e));
    a->ctl.domain = v[HOST_JS_DOMAIN];
    TRY(take_number(a, HOST_KV_REPLICAS, 1, &a->ctl.replicas, e));
    if (a->ctl.replicas > KV_REPLICAS_MAX) {
        return err_set(e, STATUS_INVALID, "--kv-replicas: JetStream keeps at most %d", KV_REPLICAS_MAX);
    }
    fill_credentials(a, HOST_CTL_JWT, HOST_CTL_SEED, HOST_CTL_CREDS, &a->ctl);
    fill_credentials(a, HOST_RPC_JWT, HOST_RPC_SEED, HOST_RPC_CREDS, &a->rpc);
    TRY(take_bool(a, HOST_CTL_TLS, false, &a->ctl.tls_wanted, e));
    TRY(take_bool(a, HOST_RPC_TLS, false, &a->rpc.tls_wanted, e));
    o->ctl = &a->ctl;
    o->rpc = &a->rpc; // of its own, so that many calls do not hold up control
    return STATUS_OK;
}

static status fill_numbers(const host_args *a, agent_options *o, err *e) {
    uint64_t size = 50u << 20, components = 1000;
    TRY(take_number(a, HOST_MAX_EXECUTION_TIME, 1000000, &o->time_ns_max, e));
    TRY(take_number(a, HOST_MAX_MEMORY, 1, &o->memory_bytes_max, e));
    TRY(take_number(a, HOST_MAX_COMPONENT_SIZE, 1, &size, e));
    TRY(take_number(a, HOST_MAX_COMPONENTS, 1, &components, e));
    TRY(take_number(a, HOST_HEARTBEAT, 1000000000, &o->heartbeat_ns, e));
    TRY(take_number(a, HOST_RPC_TIMEOUT, 1, &o->rpc_timeout_ms, e));
    TRY(take_number(a, HOST_SHUTDOWN_DELAY, 1000000, &o->provider_shutdown_ns, e));
    o->image_bytes_max = size < SIZE_MAX ? (size_t)size : SIZE_MAX;
    o->components_max = components < HOST_WORKLOADS_MAX ? (size_t)components : HOST_WORKLOADS_MAX;
    return STATUS_OK;
}

// A lattice of this host alone can be reached by its user only.
static status fill_roles(const host_args *a, agent_options *o, err *e) {
    const char *everybody = a->values[HOST_UNSIGNED_CONTROL];
    o->everybody = o->ctl == NULL ? ROLE_ADMIN : ROLE_NONE;
    o->users = a->users;
    o->user_count = a->user_count;
    return everybody == NULL || role_parse(slice_from_text(everybody), &o->everybody)
               ? STATUS_OK
               : err_set(e, STATUS_INVALID,
                         "--allow-unsigned-control: \"%.40s\" is not read, operate or admin", everybody);
}

status host_fill_agent(host_args *a, agent_options *o, err *e) {
    bool answers_components, answers_providers;
    o->lattice = host_value(a, HOST_LATTICE, "default");
    o->prefix = a->values[HOST_CTL_PREFIX];
    o->cluster_issuers = a->values[HOST_CLUSTER_ISSUERS];
    TRY(cluster_lattice_check(slice_from_text(o->lattice), e));
    TRY(fill_connections(a, o, e));
    TRY(fill_numbers(a, o, e));
    TRY(fill_roles(a, o, e));
    TRY(take_bool(a, HOST_ALLOW_FILE_LOAD, false, &o->allows_files, e));
    TRY(take_bool(a, HOST_ALLOW_UNSIGNED_PEERS, false, &o->allows_unsigned_peers, e));
    TRY(take_bool(a, HOST_PROVIDER_DIRECT, false, &o->are_providers_direct, e));
    TRY(take_bool(a, HOST_UNSIGNED, false, &o->allows_unsigned_components, e));
    TRY(take_bool(a, HOST_COMPONENT_AUCTION, true, &answers_components, e));
    TRY(take_bool(a, HOST_PROVIDER_AUCTION, true, &answers_providers, e));
    o->refuses_component_auctions = !answers_components;
    o->refuses_provider_auctions = !answers_providers;
    return STATUS_OK;
}
