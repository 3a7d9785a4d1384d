// SPDX-License-Identifier: Apache-2.0
#include "agent/agent.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent_internal.h"
#include "base/mem.h"
#include "bus/bus_local.h"
#include "os/clock.h"
#include "os/random.h"

enum { LOG_BYTES_MAX = 2048 };
#define CALL_NS_DEFAULT 30000000000ull
#define POLL_NS 20000000ull        // while something ends
#define LAST_WORDS_NS 100000000ull // for what is queued to leave
#define LOCAL_GRACE_NS 2000000000ull

void agent_log(agent *a, log_level level, const char *event, const char *format, ...) {
    char text[LOG_BYTES_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    logger_event(a->logger, level, event, NULL, 0, "%s", text);
}

uint64_t agent_wall_ms(void) {
    clock_wall w = clock_wall_now();
    return w.seconds * 1000u + w.nanoseconds / 1000000u;
}

// --- the end -----------------------------------------------------------------------------------------------

static void leave(agent *a) {
    a->phase = AGENT_LEAVING;
    if (a->presence != NULL) {
        presence_end(a->presence);
    }
    if (a->sealed != NULL) {
        sealed_goodbye(a->sealed);
    }
    if (a->control != NULL) {
        lattice_control_stopped(a->control);
    }
    loop_timer_start_in(&a->poll, LAST_WORDS_NS);
}

static void stop_what_runs(agent *a) {
    a->phase = AGENT_STOPPING;
    agent_exports_withdraw(a);
    if (a->components != NULL) {
        components_stop(a->components);
    }
    if (a->has_local) {
        local_host_stop(a->local);
    }
    if (a->providers != NULL) {
        providers_stop_all(a->providers);
    }
    loop_timer_start_in(&a->deadline, a->options->drain_ns + LOCAL_GRACE_NS);
    loop_timer_start_in(&a->poll, 0);
}

static bool is_idle(const agent *a) { return a->inbound == NULL || inbound_count(a->inbound).in_flight == 0; }

static bool has_ended(const agent *a) {
    return !a->has_local && (a->providers == NULL || providers_count(a->providers) == 0);
}

// Each phase ends when there is nothing left of it, or at the deadline.
static void on_poll(void *arg) {
    agent *a = arg;
    bool is_late = !loop_timer_is_active(&a->deadline);
    if (a->phase == AGENT_DRAINING && (is_idle(a) || is_late)) {
        stop_what_runs(a);
    } else if (a->phase == AGENT_STOPPING && (has_ended(a) || is_late)) {
        leave(a);
    } else if (a->phase == AGENT_LEAVING) {
        loop_stop(a->loop);
    } else {
        loop_timer_start_in(&a->poll, POLL_NS);
    }
}

static void on_deadline(void *arg) { (void)arg; } // seen by on_poll

static void drain(agent *a, uint64_t time_ns) {
    if (a->phase >= AGENT_DRAINING) {
        return;
    }
    agent_log(a, LOG_INFO, "draining", "asked to end: running calls get %llu ms",
              (unsigned long long)(time_ns / 1000000u));
    a->phase = AGENT_DRAINING;
    if (a->control != NULL) {
        lattice_control_drain(a->control);
    }
    if (a->presence != NULL) {
        presence_drain(a->presence);
    }
    agent_exports_withdraw(a);
    loop_timer_start_in(&a->deadline, time_ns);
    loop_timer_start_in(&a->poll, POLL_NS);
}

static void on_signal(void *arg) {
    agent *a = arg;
    if (a->phase >= AGENT_DRAINING) { // a second time: at once
        a->exit_status = 1;
        loop_stop(a->loop);
        return;
    }
    drain(a, a->options->drain_ns);
}

static void on_hangup(void *arg) { agent_trust_reload(arg); }

// --- the control interface ---------------------------------------------------------------------------------

static lattice_time time_now(void *arg) {
    agent *a = arg;
    clock_wall w = clock_wall_now();
    return (lattice_time){loop_now_ns(a->loop), w.seconds * 1000000000u + w.nanoseconds};
}

static void fill_random(void *arg, void *ret, size_t len) {
    (void)arg;
    random_fill(ret, len);
}

static void on_changed(void *context, unsigned changes) {
    agent *a = context;
    if (a->components != NULL &&
        (changes & (CORE_CHANGED_COMPONENTS | CORE_CHANGED_LINKS | CORE_CHANGED_CONFIG)) != 0) {
        components_look(a->components);
    }
    if (a->wanted != NULL &&
        (changes & (CORE_CHANGED_PROVIDERS | CORE_CHANGED_LINKS | CORE_CHANGED_CONFIG)) != 0) {
        wanted_providers_look(a->wanted);
    }
}

static void on_stop(void *context, uint64_t timeout_ns) {
    agent *a = context;
    drain(a, timeout_ns == UINT64_MAX ? a->options->drain_ns : timeout_ns);
}

static void put_refusals(const agent *a, json_value *writ) {
    json_value *o = json_object_new();
    for (size_t i = 0; i < LATTICE_REFUSED_COUNT; i++) {
        if (a->refusals.counts[i] > 0) {
            json_put_integer(o, lattice_refused_name((lattice_refused)i), (int64_t)a->refusals.counts[i]);
        }
    }
    json_put(writ, "refused", o);
}

static void describe(void *context, json_value *writ) {
    const agent *a = context;
    json_put_text(writ, "version", slice_from_text(WRIT_VERSION));
    json_put_text(writ, "everybody", slice_from_text(role_name(roles_everybody(a->roles))));
    if (a->presence != NULL) {
        json_put_integer(writ, "peers", (int64_t)peers_count(presence_peers(a->presence)));
    }
    put_refusals(a, writ);
}

static void on_ready(void *context) {
    agent *a = context;
    agent_log(a, LOG_INFO, "host-ready", "host %s (%s) takes part in the lattice \"%s\"", a->id.text,
              a->options->friendly_name, a->options->lattice);
    if (a->phase == AGENT_STARTING) {
        a->phase = AGENT_SERVING;
    }
    components_look(a->components);
    wanted_providers_look(a->wanted);
}

// Whoever keeps the buckets is not believed about what is in them.
static vouch *make_vouch(agent *a) {
    const agent_options *o = a->options;
    const vouch_options v = {.key = o->key,
                             .token = &a->token,
                             .lattice = slice_from_text(o->lattice),
                             .cluster = a->cluster,
                             .refusals = &a->refusals,
                             .allows_unsigned = o->allows_unsigned_peers};
    return o->ctl == NULL ? NULL : vouch_new(&v);
}

static status start_control(agent *a, err *e) {
    const agent_options *o = a->options;
    const connection_settings *js = o->ctl;
    const char *ctl_url = a->ctl_connection != NULL ? connection_url(a->ctl_connection) : "";
    const char *rpc_url = a->rpc_connection != NULL ? connection_url(a->rpc_connection) : ctl_url;
    const lattice_control_options options = {
        .ctl = a->ctl,
        .rpc = a->rpc,
        .now = time_now,
        .random = fill_random,
        .arg = a,
        .vouch = a->vouch,
        .owner = {.context = a,
                  .changed = on_changed,
                  .stop = on_stop,
                  .describe = describe,
                  .ready = on_ready,
                  .permit = agent_permit},
        .core = {.host_id = slice_from_text(a->id.text),
                 .friendly_name = slice_from_text(o->friendly_name),
                 .version = slice_from_text(WRIT_VERSION),
                 .lattice = slice_from_text(o->lattice),
                 .prefix = o->prefix == NULL ? slice_empty() : slice_from_text(o->prefix),
                 .ctl_url = slice_from_text(ctl_url),
                 .rpc_url = slice_from_text(rpc_url),
                 .js_domain = js == NULL || js->domain == NULL ? slice_empty() : slice_from_text(js->domain),
                 .labels = o->labels,
                 .refuses_component_auctions = o->refuses_component_auctions,
                 .refuses_provider_auctions = o->refuses_provider_auctions,
                 .allows_unsigned_peers = o->allows_unsigned_peers,
                 .heartbeat_ns = o->heartbeat_ns,
                 .components_max = o->components_max},
    };
    return lattice_control_new(&options, &a->control, e);
}

// --- calls -------------------------------------------------------------------------------------------------

static lattice_core *core_of(void *context) { return agent_core(context); }

static const component_facts *facts_of(void *context, slice id) {
    const agent *a = context;
    return components_facts(a->components, id);
}

// Another host has room where this one has none: as many calls run here as the component may have instances.
static lattice_transport *way_here(void *context, const lattice_invocation *i) {
    agent *a = context;
    return inbound_serves(a->inbound, i->target) ? lattice_within_transport(a->within) : NULL;
}

static lattice_transport *way_to_host(void *context, const nkey_public *host) {
    agent *a = context;
    return sealed_to(a->sealed, host);
}

static void on_host_ended(void *arg, const nkey_public *host, uint64_t epoch) {
    agent *a = arg;
    if (!a->is_in_peer_news) { // else that is where it is known from
        presence_end_host(a->presence, host, epoch);
    }
}

static void on_host_silent(void *arg, const nkey_public *host) {
    agent *a = arg;
    peers_avoid(presence_peers(a->presence), host, loop_now_ns(a->loop));
}

static status start_sealed(agent *a, err *e) {
    const sealed_options o = {.bus = a->rpc,
                              .session = {.key = a->options->key,
                                          .token = buf_slice(&a->token),
                                          .lattice = slice_from_text(a->options->lattice),
                                          .epoch = a->epoch,
                                          .cluster = a->cluster,
                                          .refusals = &a->refusals},
                              .server = *inbound_server(a->inbound),
                              .host_ended = on_host_ended,
                              .host_silent = on_host_silent,
                              .arg = a};
    return sealed_new(&o, &a->sealed, e);
}

static status start_calls(agent *a, err *e) {
    const agent_options *o = a->options;
    siphash_key key;
    random_fill(&key, sizeof key);
    TRY(host_rules_gate(o->rules, key, &a->gate, e));
    a->ways = http_ways_new(a->loop);
    const inbound_options in = {
        .loop = a->loop, .gate = a->gate, .ways = a->ways, .core = core_of, .facts = facts_of, .context = a};
    a->inbound = inbound_new(&in);
    a->within = lattice_within_new(a->loop, inbound_server(a->inbound));
    TRY(start_sealed(a, e));
    if (o->allows_unsigned_peers) {
        const wrpc_options w = {.bus = a->rpc,
                                .loop = a->loop,
                                .lattice = slice_from_text(o->lattice),
                                .server = inbound_server(a->inbound),
                                .random = {random_u64(), random_u64()}};
        TRY(wrpc_new(&w, &a->wrpc, e));
    }
    const router_options r = {.loop = a->loop,
                              .peers = presence_peers(a->presence),
                              .context = a,
                              .here = way_here,
                              .to_host = way_to_host,
                              .old = a->wrpc == NULL ? NULL : wrpc_transport(a->wrpc),
                              .is_settling = true};
    a->router = router_new(&r);
    const component_links_options links = {.loop = a->loop,
                                           .core = core_of,
                                           .calls = router_transport(a->router),
                                           .gate = a->gate,
                                           .call_ns = o->time_ns_max > 0 ? o->time_ns_max : CALL_NS_DEFAULT,
                                           .context = a};
    a->links = component_links_new(&links);
    const component_http_options http = {
        .loop = a->loop, .links = a->links, .calls = links.calls, .call_ns = links.call_ns};
    a->http = component_http_new(&http);
    return STATUS_OK;
}

// --- providers ---------------------------------------------------------------------------------------------

static void on_provider_runs(void *context, slice id, const token_claims *claims) {
    agent_exports_provider(context, id, claims != NULL && claims->has_revision ? claims->revision : 0);
}

static void on_provider_ended(void *context, slice id) { agent_exports_provider_ended(context, id); }

static void on_provider_log(void *context, log_level level, slice id, const char *text) {
    agent *a = context;
    logger_event(a->logger, level, "provider", LOG_FIELDS(LOG_TEXT("provider", id)), "%.*s: %s",
                 SLICE_ARG(id), text);
}

static lattice_time core_time(void *context) { return lattice_control_now(((agent *)context)->control); }

static status start_providers(agent *a, err *e) {
    const agent_options *o = a->options;
    bool is_direct = o->are_providers_direct && o->allows_unsigned_peers && a->rpc_connection != NULL;
    const wanted_providers_options wo = {.loop = a->loop,
                                         .images = a->images,
                                         .core = agent_core(a),
                                         .now = core_time,
                                         .trust = o->trust,
                                         .allows_unsigned = o->allows_unsigned_components,
                                         .image_bytes_max = o->image_bytes_max,
                                         .runs = on_provider_runs,
                                         .ended = on_provider_ended,
                                         .log = on_provider_log,
                                         .context = a};
    TRY(wanted_providers_new(&wo, &a->wanted, e));
    provider_rules_init(&a->provider_rules, router_transport(a->router), a->gate);
    const providers_options po = {.loop = a->loop,
                                  .bus = is_direct ? a->rpc : NULL,
                                  .url = is_direct ? connection_url(a->rpc_connection) : "",
                                  .jwt = is_direct && o->rpc->jwt != NULL ? o->rpc->jwt : "",
                                  .seed = is_direct && o->rpc->seed != NULL ? o->rpc->seed : "",
                                  .is_bus_shared = is_direct,
                                  .lattice = o->lattice,
                                  .host_id = a->id.text,
                                  .rpc_timeout_ms = o->rpc_timeout_ms,
                                  .shutdown_delay_ns = o->provider_shutdown_ns,
                                  .calls = &a->provider_rules.base,
                                  .logger = a->logger,
                                  .directory = o->data_directory,
                                  .ops = &wanted_providers_ops,
                                  .arg = a->wanted};
    TRY(providers_new(&po, &a->providers, e));
    wanted_providers_use(a->wanted, a->providers);
    inbound_use(a->inbound, a->links, a->providers);
    return STATUS_OK;
}

// --- the other hosts ---------------------------------------------------------------------------------------

static void on_peer(void *arg, const peer *p, peer_news news) {
    static const char *const words[] = {[PEER_CAME] = "is there",
                                        [PEER_CHANGED] = "has changed",
                                        [PEER_RESTARTED] = "has started anew",
                                        [PEER_LEFT] = "has ended",
                                        [PEER_LOST] = "is silent"};
    agent *a = arg;
    nkey_text host = nkey_public_text(&p->host);
    agent_log(a, news == PEER_CHANGED ? LOG_VERBOSE : LOG_INFO, "peer", "host %s %s", host.text, words[news]);
    uint64_t over = peer_over_before(p, news);
    if (over != 0 && a->sealed != NULL) {
        a->is_in_peer_news = true;
        sealed_host_ended(a->sealed, &p->host, over);
        a->is_in_peer_news = false;
    }
    loop_soon_add(a->loop, &a->look_again);
}

static void on_look_again(void *arg) {
    const agent *a = arg;
    if (a->router != NULL) {
        router_look_again(a->router, false);
    }
}

static void on_settled(void *arg) {
    agent *a = arg;
    router_look_again(a->router, true);
}

static status start_peers(agent *a, err *e) {
    const agent_options *o = a->options;
    const presence_options options = {.bus = a->rpc,
                                      .key = o->key,
                                      .token = buf_slice(&a->token),
                                      .lattice = slice_from_text(o->lattice),
                                      .epoch = a->epoch,
                                      .version = slice_from_text(WRIT_VERSION),
                                      .cluster = a->cluster,
                                      .refusals = &a->refusals,
                                      .seed = random_u64(),
                                      .allows_unsigned_peers = o->allows_unsigned_peers,
                                      .peer_changed = on_peer,
                                      .settled = on_settled,
                                      .arg = a};
    return presence_start(&options, &a->presence, e);
}

// --- what runs ---------------------------------------------------------------------------------------------

static void on_components_changed(void *context) { agent_exports_update(context); }

static void on_trouble(void *context, const char *what) {
    agent_log(context, LOG_ERROR, "assignment", "what is to run cannot be changed: %s", what);
}

static void on_assigned(void *arg, status code, const char *why) {
    components_assigned(((agent *)arg)->components, code, why);
}

static void on_checked(void *arg, arena *memory, const component_facts *facts, size_t count, status code,
                       const char *why) {
    components_checked(((agent *)arg)->components, memory, facts, count, code, why);
}

static void on_local_ended(void *arg, process_exit x) {
    agent *a = arg;
    char text[PROCESS_EXIT_TEXT_BYTES];
    a->has_local = false;
    if (a->phase < AGENT_STOPPING) {
        agent_log(a, LOG_ERROR, "local-host", "what runs guests here has ended by %s",
                  process_exit_text(x, text));
        a->exit_status = 1;
        drain(a, 0);
    }
}

static void on_http(void *arg, slice id, int fd) { component_http_adopt(((agent *)arg)->http, id, fd); }

static const local_host_ops local_ops = {on_assigned, on_checked, on_http, on_local_ended};

static status start_local(agent *a, err *e) {
    const agent_options *o = a->options;
    const images_options io = {.loop = a->loop,
                               .directory = o->images_directory,
                               .allows_files = o->allows_files,
                               .bytes_max = o->image_bytes_max};
    TRY(images_new(&io, &a->images, e));
    TRY(start_providers(a, e));
    const components_options co = {.loop = a->loop,
                                   .images = a->images,
                                   .core = agent_core(a),
                                   .now = core_time,
                                   .allows_unsigned = o->allows_unsigned_components,
                                   .memory_bytes_max = o->memory_bytes_max,
                                   .time_ns_max = o->time_ns_max,
                                   .changed = on_components_changed,
                                   .trouble = on_trouble,
                                   .context = a};
    a->components = components_new(&co);
    const local_host_options lo = {.loop = a->loop,
                                   .channel = o->host_channel,
                                   .process = o->host_process,
                                   .driver = &component_link_driver,
                                   .driver_context = a->links,
                                   .ops = &local_ops,
                                   .arg = a};
    TRY(local_host_new(&lo, &a->local, e));
    a->has_local = true;
    http_ways_use(a->ways, a->local);
    components_use(a->components, a->local);
    return STATUS_OK;
}

// --- the bus -----------------------------------------------------------------------------------------------

static void on_bus(void *arg, bool is_up, const char *reason) {
    agent_log(arg, is_up ? LOG_INFO : LOG_WARN, "bus", is_up ? "connected%s%s" : "the connection is lost%s%s",
              reason != NULL && reason[0] != '\0' ? ": " : "", reason != NULL ? reason : "");
}

static void on_complaint(void *arg, const char *text) {
    agent_log(arg, LOG_WARN, "bus-refuses", "the server complains: %s", text);
}

static void watch_bus(agent *a, size_t i, bus *b) {
    a->watchers[i] = (bus_watcher){.changed = on_bus, .complains = on_complaint, .arg = a};
    bus_add_watcher(b, &a->watchers[i]);
}

static status open_bus(agent *a, err *e) {
    const agent_options *o = a->options;
    const bus_local_options local = {.l = a->loop, .random = random_u64(), .path = o->state_path};
    if (o->ctl == NULL) {
        TRY(bus_local_new(&local, &a->own, e));
        a->ctl = a->rpc = a->own;
        return STATUS_OK;
    }
    TRY(connection_new(a->loop, o->ctl, &a->ctl_connection, e));
    a->ctl = a->rpc = connection_bus(a->ctl_connection);
    watch_bus(a, 0, a->ctl);
    if (o->rpc != NULL) {
        TRY(connection_new(a->loop, o->rpc, &a->rpc_connection, e));
        a->rpc = connection_bus(a->rpc_connection);
        watch_bus(a, 1, a->rpc);
    }
    return STATUS_OK;
}

// Whoever may use the socket is our user, whose requests are those of everybody.
static status open_door(agent *a, err *e) {
    const slice all[] = {slice_from_text(">")}, name = slice_from_text(a->options->door_user);
    const bus_door_options o = {.l = a->loop, .listener = a->options->door_fd};
    if (o.listener < 0) {
        return STATUS_OK;
    }
    TRY(bus_door_new(&o, &a->door, e));
    bus_door_user *ignored;
    const bus_door_user_options u = {.name = name,
                                     .b = a->ctl,
                                     .user = name,
                                     .password = name,
                                     .publish = {all, 1},
                                     .subscribe = {all, 1},
                                     .may_answer = true,
                                     .connections_max = 256};
    return bus_door_add_user(a->door, &u, &ignored, e);
}

// --- the whole ---------------------------------------------------------------------------------------------

static status start_log(agent *a, err *e) {
    const logger_options o = {.workload = SLICE_LITERAL("lattice"),
                              .is_json = a->options->is_json,
                              .is_verbose = a->options->is_verbose,
                              .fd = STDERR_FILENO};
    return logger_new(&o, &a->logger, e);
}

static status start(agent *a, err *e) {
    static const struct {
        int number;
        loop_callback fn;
    } signals[AGENT_SIGNALS] = {{SIGTERM, on_signal}, {SIGINT, on_signal}, {SIGHUP, on_hangup}};
    (void)signal(SIGPIPE, SIG_IGN);
    TRY(start_log(a, e));
    TRY(loop_new(NULL, &a->loop, e));
    loop_soon_init(&a->look_again, on_look_again, a);
    loop_timer_init(&a->deadline, a->loop, on_deadline, a);
    loop_timer_init(&a->poll, a->loop, on_poll, a);
    for (size_t i = 0; i < AGENT_SIGNALS; i++) {
        TRY(loop_signal_new(a->loop, signals[i].number, signals[i].fn, a, &a->signals[i], e));
    }
    TRY(agent_trust_start(a, e));
    TRY(open_bus(a, e));
    TRY(open_door(a, e));
    TRY(start_peers(a, e));
    TRY(start_calls(a, e));
    a->vouch = make_vouch(a);
    TRY(start_control(a, e));
    agent_trust_serve(a);
    TRY(start_local(a, e));
    return agent_metrics_start(a, e);
}

// The loop turns for what other threads are at, while all is there that it may call.
static void settle(agent *a) {
    if (a->components != NULL) {
        components_stop(a->components);
    }
    if (a->wanted != NULL) {
        wanted_providers_stop(a->wanted);
    }
    while ((a->images != NULL && !images_is_idle(a->images)) ||
           (a->wanted != NULL && !wanted_providers_is_idle(a->wanted))) {
        loop_turn(a->loop, true);
    }
}

static void end(agent *a) {
    settle(a);
    metrics_server_free(a->metrics);
    agent_exports_free(a);
    local_host_free(a->local);
    component_http_free(a->http);
    components_free(a->components);
    wanted_providers_free(a->wanted);
    providers_free(a->providers);
    images_free(a->images);
    component_links_free(a->links);
    lattice_control_free(a->control);
    vouch_free(a->vouch);
    router_free(a->router);
    wrpc_free(a->wrpc);
    sealed_free(a->sealed);
    lattice_within_free(a->within);
    inbound_free(a->inbound);
    http_ways_free(a->ways);
    presence_free(a->presence);
    agent_trust_end(a);
    gate_free(a->gate);
    bus_door_free(a->door);
    bus_remove_watcher(&a->watchers[0]);
    bus_remove_watcher(&a->watchers[1]);
    connection_free(a->rpc_connection);
    connection_free(a->ctl_connection);
    bus_free(a->own);
    for (size_t i = 0; i < AGENT_SIGNALS; i++) {
        loop_signal_free(a->signals[i]);
    }
    loop_soon_cancel(&a->look_again);
    loop_timer_stop(&a->deadline);
    loop_timer_stop(&a->poll);
    loop_free(a->loop);
    logger_free(a->logger);
}

status agent_run(const agent_options *options, int *ret_exit, err *e) {
    agent a = {.options = options, .public_key = nkey_public_of(options->key), .epoch = agent_wall_ms()};
    a.id = nkey_public_text(&a.public_key);
    status s = start(&a, e);
    if (s == STATUS_OK) {
        loop_run(a.loop);
    }
    *ret_exit = a.exit_status;
    end(&a);
    return s;
}
