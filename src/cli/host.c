// SPDX-License-Identifier: Apache-2.0
// writ host: a host of a lattice.
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "api/assignment.h"
#include "api/component_facts.h"
#include "api/control_place.h"
#include "base/mem.h"
#include "cli/audit_internal.h"
#include "cli/host_connector.h"
#include "cli/host_internal.h"
#include "cli/key_option.h"
#include "cli/lattice_trust.h"
#include "cli/places.h"
#include "cli/start_table.h"
#include "host/generations.h"
#include "os/fd.h"
#include "os/private.h"
#include "os/random.h"
#include "os/socket_open.h"
#include "os/whole_file.h"

_Static_assert(offsetof(host_args, host.config) == 0, "cli/host_option.h");

enum { CHANNEL_BYTES = 1 << 20, PATH_BYTES_MAX = 4096, TOKEN_FILE_BYTES_MAX = 16 << 10, NAME_BYTES = 64 };
#define LABEL_VARIABLE "WASMCLOUD_LABEL_"

// --- who we are --------------------------------------------------------------------------------------------

static void name_host(char ret[NAME_BYTES]) {
    static const char *const first[] = {"amber", "brisk", "calm",  "dry",   "early", "fair",
                                        "green", "hazy",  "ivory", "keen",  "late",  "mild",
                                        "north", "olive", "plain", "quiet", "rapid", "still",
                                        "tidal", "under", "vivid", "warm",  "young", "zonal"};
    static const char *const second[] = {"acorn", "birch", "cedar", "dune",    "ember", "field",
                                         "grove", "hill",  "inlet", "juniper", "lake",  "maple",
                                         "oak",   "pond",  "reed",  "river",   "shore", "spruce",
                                         "stone", "tarn",  "vale",  "willow",  "wood",  "yew"};
    uint64_t r = random_u64();
    (void)snprintf(ret, NAME_BYTES, "%s-%s-%04u", first[r % (sizeof first / sizeof first[0])],
                   second[(r >> 8) % (sizeof second / sizeof second[0])], (unsigned)((r >> 16) % 10000));
}

static void add_label(host_args *a, slice key, slice value) {
    for (size_t i = 0; i < a->label_count; i++) {
        if (slice_equal(a->labels[i].key, key)) {
            return; // the first one counts: options come before variables
        }
    }
    if (a->label_count < HOST_LABELS_MAX) {
        a->labels[a->label_count++] = (lattice_pair){key, value};
    }
}

#if defined(__aarch64__)
static const char architecture[] = "aarch64";
#else
static const char architecture[] = "x86_64";
#endif

static void add_labels(host_args *a) {
    size_t n = sizeof LABEL_VARIABLE - 1;
    for (char **v = environ; *v != NULL; v++) {
        const char *equals = strchr(*v, '=');
        if (strncmp(*v, LABEL_VARIABLE, n) == 0 && equals != NULL && equals > *v + n) {
            add_label(a, slice_of((const uint8_t *)*v + n, (size_t)(equals - *v) - n),
                      slice_from_text(equals + 1));
        }
    }
    add_label(a, slice_from_text("hostcore.arch"), slice_from_text(architecture));
    add_label(a, slice_from_text("hostcore.os"), slice_from_text("linux"));
    add_label(a, slice_from_text("hostcore.osfamily"), slice_from_text("unix"));
}

static status load_key(host_args *a, nkey_kind kind, nkey *k, nkey **ret, err *e) {
    nkey_public p = nkey_public_of(k);
    (void)a;
    if (p.kind != kind) {
        nkey_free(k);
        return err_set(e, STATUS_INVALID, "a %s key is wanted, and this is a %s key", nkey_kind_name(kind),
                       nkey_kind_name(p.kind));
    }
    *ret = k;
    return STATUS_OK;
}

// A host without a key of its own has another one each time, as hosts of 1.x do.
static status take_host_key(host_args *a, err *e) {
    nkey *k = NULL;
    if (a->values[HOST_SEED] != NULL) {
        TRY(nkey_from_seed_text(slice_from_text(a->values[HOST_SEED]), &k, e));
    } else if (a->values[HOST_KEY] != NULL) {
        TRY(cli_key_load(a->values[HOST_KEY], a->values[HOST_KEYS], a->values[HOST_PASSPHRASE_FILE], &k, e));
    } else {
        return nkey_generate(NKEY_SERVER, &a->key, e);
    }
    return load_key(a, NKEY_SERVER, k, &a->key, e);
}

// Without a token by somebody else the host needs the cluster's key: that of the store, made when there is
// none and nobody else is trusted either.
static status take_cluster_key(host_args *a, err *e) {
    bool was_made;
    nkey *k = NULL;
    const char *keys = a->values[HOST_KEYS];
    if (a->values[HOST_CLUSTER_TOKEN] != NULL) {
        return file_read_whole(a->values[HOST_CLUSTER_TOKEN], TOKEN_FILE_BYTES_MAX, &a->token, e);
    }
    if (a->values[HOST_CLUSTER_KEY] == NULL && a->values[HOST_CLUSTER_SEED] == NULL) {
        return cli_key_load_or_make("cluster", NKEY_CLUSTER, keys, &a->cluster_key, &was_made, e);
    }
    TRY(a->values[HOST_CLUSTER_SEED] != NULL
            ? nkey_from_seed_text(slice_from_text(a->values[HOST_CLUSTER_SEED]), &k, e)
            : cli_key_load(a->values[HOST_CLUSTER_KEY], keys, a->values[HOST_PASSPHRASE_FILE], &k, e));
    return load_key(a, NKEY_CLUSTER, k, &a->cluster_key, e);
}

// Whom this host believes about providers: as about components, which are believed elsewhere.
static status take_trust(host_args *a, err *e) {
    const host_config *c = &a->host.config;
    const char *path = c->trust_named != NULL ? c->trust_named : c->trust_usual;
    return path == NULL ? STATUS_OK : trust_store_load(path, &a->trust, e);
}

// --- a generation ------------------------------------------------------------------------------------------

typedef struct watcher {
    host_args *args;
    generation *generation;
} watcher;

static void ignore_vetted(void *c, const host_config *h, uint32_t w, const vetting *v) {
    (void)c, (void)h, (void)w, (void)v;
}
static void ignore_identified(void *c, const host_config *h, const host_identity *i, const vetting *v) {
    (void)c, (void)h, (void)i, (void)v;
}
static void ignore_decided(void *c, const host_config *h, uint32_t w, const grants *g) {
    (void)c, (void)h, (void)w, (void)g;
}

static void on_serving(void *context, const char *url, int workers) {
    const watcher *w = context;
    (void)url, (void)workers;
    generation_serving(w->generation, NULL, 0, generation_plan(w->generation), -1);
}

static void configure(host_args *a) {
    host_config *c = &a->host.config;
    c->is_assigned = true;
    mem_free(c->name);
    c->name = mem_text_dup("host");
    mem_free(c->listen_address);
    c->listen_address = NULL;
}

static int run_generation(void *context, generation *g) {
    host_args *a = context;
    watcher w = {a, g};
    const host_observer observer = {.context = &w,
                                    .vetted = ignore_vetted,
                                    .identified = ignore_identified,
                                    .decided = ignore_decided,
                                    .serving = on_serving};
    int code = CLI_EXIT_OK;
    err e = {0};
    generation_adopt(g, &a->host.config);
    a->host.generation = g;
    status s =
        generation_plan(g) < 0 ? STATUS_OK : assignment_read_file(generation_plan(g), &a->host.config, &e);
    s = s == STATUS_OK ? cli_host_run(&a->host, &observer, &code, &e) : s;
    return s == STATUS_OK ? code : cli_fail(&e, a->host.output);
}

static status write_facts(host_args *a, int plan_fd, int ret_fd, err *e) {
    auto_buf text;
    buf_init(&text, COMPONENT_FACTS_BYTES_MAX);
    TRY(assignment_read_file(plan_fd, &a->host.config, e));
    TRY(component_facts_find(&a->host.config, &text, e));
    return fd_write_all(ret_fd, buf_slice(&text), e);
}

static int run_check(void *context, int plan_fd, int ret_fd) {
    host_args *a = context;
    err e = {0};
    return write_facts(a, plan_fd, ret_fd, &e) == STATUS_OK ? CLI_EXIT_OK : cli_fail(&e, a->host.output);
}

static void on_kept(void *context, int exit_status) { (void)context, (void)exit_status; } // the agent tells

static status run_generations(host_args *a, channel *owner, int *ret_exit, err *e) {
    const generations_options o = {
        .run = run_generation, .kept = on_kept, .context = a, .owner = owner, .check = run_check};
    return generations_run(&o, ret_exit, e);
}

// --- the agent ---------------------------------------------------------------------------------------------

static status make_directory(const char *below, const host_args *a, char ret[PATH_BYTES_MAX], err *e) {
    auto_buf path;
    buf_init(&path, PATH_BYTES_MAX);
    TRY(host_data_directory(a->host.config.data_directory, &path, e));
    int n = snprintf(ret, PATH_BYTES_MAX, "%.*s/%s", SLICE_ARG(buf_slice(&path)), below);
    bool fits = n > 0 && n < PATH_BYTES_MAX && path.data[0] == '/' && buf_text(&path) != NULL;
    if (!fits) {
        return err_set(e, STATUS_INVALID, "the directory for data must be a short, absolute path");
    }
    auto_fd made = -1;
    return private_directory_open(buf_text(&path), &made, e);
}

// A lattice of this host alone can be reached in no other way.
static status open_place(host_args *a, bool is_alone, err *e) {
    const char *name = host_value(a, HOST_PLACE, is_alone ? CONTROL_HOST_DEFAULT : NULL);
    if (name == NULL) {
        return STATUS_OK;
    }
    TRY(control_place_take(name, &a->place_fd, &a->lock_fd, e));
    return socket_listen_local(a->place_fd, HOST_BUS_SOCKET, &a->door_fd, e);
}

// The same log that the process which runs guests has: what comes over the lattice is recorded here.
static status open_audit(host_args *a, err *e) {
    bool was_made;
    if (a->host.audit_path == NULL) {
        return STATUS_OK;
    }
    TRY(cli_key_load_or_make(CLI_AUDIT_KEY, NKEY_SERVER, NULL, &a->audit_key, &was_made, e));
    const audit_options o = {
        .path = a->host.audit_path, .key = a->audit_key, .by = "lattice", .sync_every = AUDIT_SYNC_NEVER};
    (void)signal(SIGXFSZ, SIG_IGN);
    return audit_open(&o, &a->audit, e);
}

// The file that `writ lattice` writes; a user without a home has none.
static const char *lattice_file(const host_args *a, buf *room) {
    if (a->values[HOST_LATTICE_TRUST] != NULL) {
        return a->values[HOST_LATTICE_TRUST];
    }
    return cli_place(CLI_LATTICE_FILE, room, NULL) == STATUS_OK ? buf_text(room) : NULL;
}

// After the process that runs guests has gone its own way, which has nothing to do with it.
static status open_metrics(host_args *a, err *e) {
    if (a->metrics_address == NULL) {
        return STATUS_OK;
    }
    TRY(cli_open_metrics(a->metrics_address, &a->metrics_port, &a->metrics_fd, e));
    start_table_metrics("lattice-metrics", a->metrics_address, a->metrics_port, a->host.output);
    return STATUS_OK;
}

static status run_agent(host_args *a, channel *to_host, process *host, int *ret_exit, err *e) {
    char name[NAME_BYTES], images[PATH_BYTES_MAX], below[PATH_BYTES_MAX], state[PATH_BYTES_MAX],
        data[PATH_BYTES_MAX];
    auto_buf trusted = {0};
    auto_fd data_fd = -1;
    TRY(open_audit(a, e));
    TRY(take_host_key(a, e));
    TRY(take_cluster_key(a, e));
    add_labels(a);
    name_host(name);
    TRY(make_directory("images", a, images, e));
    (void)snprintf(below, sizeof below, "lattice-%s.db", host_value(a, HOST_LATTICE, "default"));
    TRY(make_directory(below, a, state, e));
    TRY(make_directory("", a, data, e));
    TRY(private_directory_open(data, &data_fd, e)); // made when it is not there
    TRY(take_trust(a, e));
    agent_options o = {
        .host_channel = to_host,
        .host_process = host,
        .friendly_name = host_value(a, HOST_NAME, name),
        .labels = {a->label_count, a->labels},
        .key = a->key,
        .cluster_key = a->cluster_key,
        .token = slice_trimmed(buf_slice(&a->token)),
        .images_directory = images,
        .state_path = state,
        .data_directory = data,
        .trust = a->trust,
        .audit = a->audit,
        .lattice_file = lattice_file(a, &trusted),
        .is_json = a->host.output == CLI_JSON,
        .is_verbose = a->host.config.is_verbose,
        .drain_ns = a->host.config.drain_ns_max,
        .rules = &a->host.config.rules,
    };
    TRY(host_fill_agent(a, &o, e));
    TRY(open_place(a, o.ctl == NULL, e));
    TRY(open_metrics(a, e));
    o.metrics_fd = a->metrics_fd;
    o.door_fd = a->door_fd;
    o.door_user = HOST_BUS_USER;
    return agent_run(&o, ret_exit, e);
}

// The process that starts what runs guests is a copy of this one from before it has read a key.
static status run(host_args *a, int *ret_exit, err *e) {
    channel ours = {-1}, theirs = {-1};
    process child = {0, -1};
    bool is_child = false;
    configure(a);
    TRY(channel_pair(CHANNEL_BYTES, &ours, &theirs, e));
    TRY(process_fork(&child, &is_child, e));
    if (is_child) {
        channel_close(&ours);
        return run_generations(a, &theirs, ret_exit, e);
    }
    channel_close(&theirs);
    process_forbid_dumps();
    status s = run_agent(a, &ours, &child, ret_exit, e);
    channel_close(&ours);
    if (child.pidfd >= 0) { // it failed before it had it
        (void)process_wait(&child);
    }
    return s;
}

int cli_run_host(int argc, char **argv) {
    host_args a = {.place_fd = -1, .lock_fd = -1, .door_fd = -1, .metrics_fd = -1};
    err e = {0};
    int code = CLI_EXIT_OK;
    cli_host_init(&a.host);
    host_config_init(&a.host.config);
    status s = host_parse(argc, argv, &a, &e);
    bool is_usage = s != STATUS_OK;
    if (s == STATUS_OK) {
        s = cli_host_open(&a.host, &e);
        is_usage = s == STATUS_INVALID;
    }
    s = s == STATUS_OK ? run(&a, &code, &e) : s;
    audit_close(a.audit);
    nkey_free(a.audit_key);
    nkey_free(a.key);
    nkey_free(a.cluster_key);
    trust_store_free(a.trust);
    buf_done(&a.token);
    fd_close(a.metrics_fd);
    mem_free(a.metrics_address);
    fd_close(a.place_fd);
    fd_close(a.lock_fd);
    return cli_host_end(&a.host, s, is_usage, code, &e);
}
