// SPDX-License-Identifier: Apache-2.0
// What the files of the agent share.
#pragma once

#include "agent/agent.h"
#include "agent/component_http.h"
#include "agent/components.h"
#include "agent/inbound.h"
#include "agent/provider_rules.h"
#include "agent/wanted_providers.h"
#include "api/metrics_server.h"
#include "bus/bus_door.h"
#include "host/host_audit.h"
#include "lattice/cluster.h"
#include "lattice/control.h"
#include "lattice/presence.h"
#include "lattice/refused.h"
#include "lattice/router.h"
#include "lattice/sealed.h"
#include "lattice/within.h"
#include "lattice/wrpc.h"
#include "loop/signal.h"

enum { AGENT_SIGNALS = 3, AGENT_KEY_BYTES = NKEY_PUBLIC_TEXT_LEN + 1 };

typedef enum agent_phase {
    AGENT_STARTING,
    AGENT_SERVING,
    AGENT_DRAINING, // no new calls come, those that run end
    AGENT_STOPPING, // what runs is told to end
    AGENT_LEAVING,  // all has ended; the last words are on their way
} agent_phase;

typedef struct agent {
    const agent_options *options;
    loop *loop;
    logger *logger;
    nkey_public public_key;
    nkey_text id;
    uint64_t epoch;
    connection *ctl_connection, *rpc_connection;
    bus *own;       // when there is no connection
    bus *ctl, *rpc; // of these
    bus_watcher watchers[2];
    bus_door *door; // for commands
    images *images;
    gate *gate;
    roles *roles;
    cluster *cluster;
    buf token;
    lattice_refusals refusals;
    host_audit *audit; // NULL without a log
    vouch *vouch;      // NULL in a lattice of this host alone
    lattice_control *control;
    components *components;
    component_links *links;
    component_http *http;
    inbound *inbound;
    lattice_within *within;
    presence *presence;
    sealed *sealed;
    router *router;
    wrpc *wrpc; // NULL unless old peers are allowed
    provider_rules provider_rules;
    providers *providers;
    wanted_providers *wanted;
    struct agent_exports *exports;
    local_host *local;
    http_ways *ways;
    metrics_server *metrics; // NULL when nobody asks
    bool has_local;          // it has not ended
    loop_signal *signals[AGENT_SIGNALS];
    loop_timer deadline, poll, renewal;
    loop_soon look_again; // who serves what has changed
    bool is_in_peer_news; // presence is telling, and must not be told
    agent_phase phase;
    int exit_status;
} agent;

static inline lattice_core *agent_core(const agent *a) {
    return a->control == NULL ? NULL : lattice_control_core(a->control);
}

uint64_t agent_wall_ms(void); // since 1970
void agent_log(agent *a, log_level level, const char *event, const char *format, ...) WRIT_FORMAT(4, 5);

// agent_trust.c: whom this host believes, what it shows to be believed, and who may tell it what to do.
status agent_trust_start(agent *a, err *e) WRIT_MUST_USE;
void agent_trust_serve(agent *a); // there are sessions and presence from now on, which get new tokens
void agent_trust_reload(agent *a);
void agent_trust_end(agent *a);
status agent_permit(void *context, const bus_message *m, slice command, err *e);

// agent_metrics.c: what is counted here, once all has started.
status agent_metrics_start(agent *a, err *e) WRIT_MUST_USE;

// agent_exports.c: what others are told that this host serves, by presence and, to old peers, by
// subscriptions.
typedef struct agent_exports agent_exports;
void agent_exports_update(agent *a);                               // something else runs
void agent_exports_provider(agent *a, slice id, int32_t revision); // a provider runs
void agent_exports_provider_ended(agent *a, slice id);
void agent_exports_withdraw(agent *a);
void agent_exports_free(agent *a);
