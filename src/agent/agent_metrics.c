// SPDX-License-Identifier: Apache-2.0
// What this host knows of the lattice, for GET /metrics. What runs guests tells its own, elsewhere.
#include "agent/agent_internal.h"

typedef struct figure {
    bool is_counter;
    const char *name, *help;
    uint64_t value;
} figure;

typedef struct sample { // of a metric that has several, told apart by one label
    const char *value_of_label;
    uint64_t value;
} sample;

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static void put_figures(metrics_writer *w, const figure *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const figure *f = &list[i];
        (f->is_counter ? metrics_counter : metrics_gauge)(w, f->name, f->help, f->value);
    }
}

static void put_sample(metrics_writer *w, bool is_counter, const char *name, const char *label, sample s) {
    METRICS_PUT(w, "%s%s{", name, is_counter ? "_total" : "");
    metrics_label(w, label, slice_from_text(s.value_of_label), true);
    METRICS_PUT(w, "} %llu\n", (unsigned long long)s.value);
}

static void put_samples(metrics_writer *w, bool is_counter, const char *name, const char *help,
                        const char *label, const sample *list, size_t count) {
    metrics_family(w, name, is_counter ? "counter" : "gauge", help);
    for (size_t i = 0; i < count; i++) {
        put_sample(w, is_counter, name, label, list[i]);
    }
}

// --- who is there ------------------------------------------------------------------------------------------

static void put_host(metrics_writer *w, const agent *a) {
    metrics_family(w, "writ_lattice_host_info", "gauge", "This host and its lattice; always 1.");
    METRICS_PUT(w, "writ_lattice_host_info{");
    metrics_label(w, "host", slice_from_text(a->id.text), false);
    metrics_label(w, "name", slice_from_text(a->options->friendly_name), false);
    metrics_label(w, "lattice", slice_from_text(a->options->lattice), false);
    metrics_label(w, "version", slice_from_text(WRIT_VERSION), true);
    METRICS_PUT(w, "} 1\n");
    metrics_gauge(w, "writ_lattice_unsigned_peers_allowed",
                  "Whether this host calls, and is called by, hosts and providers that do not sign.",
                  a->options->allows_unsigned_peers);
}

// All of these sign: who does not is not known as a host.
static void put_peers(metrics_writer *w, const agent *a) {
    sample list[] = {{"refused", 0}, {"allowed", 0}};
    size_t at = 0;
    for (const peer *p; (p = peers_next(presence_peers(a->presence), &at)) != NULL;) {
        list[p->allows_unsigned_peers ? 1 : 0].value++;
    }
    put_samples(w, false, "writ_lattice_peers",
                "Other hosts that sign, by what they do with those that do not.", "unsigned_peers", list,
                COUNT(list));
}

static void put_refusals(metrics_writer *w, const agent *a) {
    metrics_family(w, "writ_lattice_refusals", "counter", "What was not believed or not allowed, by reason.");
    for (size_t i = 0; i < LATTICE_REFUSED_COUNT; i++) {
        const sample s = {lattice_refused_name((lattice_refused)i), a->refusals.counts[i]};
        put_sample(w, true, "writ_lattice_refusals", "reason", s);
    }
}

// --- what is told ------------------------------------------------------------------------------------------

static void put_control(metrics_writer *w, const agent *a) {
    core_counters c = lattice_core_count(agent_core(a));
    const figure list[] = {
        {true, "writ_lattice_control_messages", "Messages of the control interface.", c.messages},
        {true, "writ_lattice_control_failures", "Of these: answered with a failure.", c.refused},
        {true, "writ_lattice_control_malformed", "Of these: could not be read.", c.malformed},
        {true, "writ_lattice_bucket_entries_bad", "Entries of buckets that were passed over.", c.bad_entries},
        {true, "writ_lattice_events", "Events that this host told.", c.events},
    };
    put_figures(w, list, COUNT(list));
}

static void put_buses(metrics_writer *w, const agent *a) {
    const size_t count = a->rpc == a->ctl ? 1 : 2;
    const sample up[] = {{"control", bus_is_up(a->ctl)}, {"calls", bus_is_up(a->rpc)}};
    const sample dropped[] = {{"control", bus_dropped(a->ctl)}, {"calls", bus_dropped(a->rpc)}};
    put_samples(w, false, "writ_lattice_bus_up",
                "Whether there is a connection; one for both is \"control\".", "bus", up, count);
    put_samples(w, true, "writ_lattice_bus_dropped", "Messages for subscribers that could not keep up.",
                "bus", dropped, count);
}

static void put_doors(metrics_writer *w, const agent *a) {
    const bus_door_counts c = a->door == NULL ? (bus_door_counts){0} : bus_door_count(a->door);
    const bus_door_counts p = providers_door_count(a->providers);
    const struct {
        bool is_counter;
        const char *name, *help;
        uint64_t commands, providers;
    } list[] = {
        {false, "writ_lattice_door_connections", "Connections to the doors of this host.", c.connections,
         p.connections},
        {true, "writ_lattice_door_refused", "Connections of somebody who has no key to it.", c.refused,
         p.refused},
        {true, "writ_lattice_door_denied", "Subjects that were not allowed.", c.denied, p.denied},
        {true, "writ_lattice_door_slow", "Connections that were cut because they did not read.", c.slow,
         p.slow},
        {true, "writ_lattice_door_dropped", "Messages that the bus behind it did not take.", c.dropped,
         p.dropped},
    };
    for (size_t i = 0; i < COUNT(list); i++) {
        const sample s[] = {{"commands", list[i].commands}, {"providers", list[i].providers}};
        put_samples(w, list[i].is_counter, list[i].name, list[i].help, "door", s, COUNT(s));
    }
}

// --- calls -------------------------------------------------------------------------------------------------

static void put_calls(metrics_writer *w, const agent *a) {
    router_counters r = router_count(a->router);
    inbound_counters in = inbound_count(a->inbound);
    const sample ways[] = {{"here", r.here}, {"sealed", r.sealed}, {"unsigned", r.old}};
    put_samples(w, true, "writ_lattice_calls", "Calls that left a component or provider, by their way.",
                "way", ways, COUNT(ways));
    const figure list[] = {
        {true, "writ_lattice_calls_retried", "Calls that were begun again.", r.retried},
        {true, "writ_lattice_calls_unserved", "Calls that found nobody.", r.unserved},
        {true, "writ_lattice_calls_limited", "Calls over what a host may have at one time.", r.limited},
        {false, "writ_lattice_calls_in_flight", "Calls now.", r.in_flight},
        {false, "writ_lattice_calls_waiting", "Of these: wait for somebody to serve them.", r.waiting},
        {true, "writ_lattice_calls_received", "Calls that came for what runs here.", in.calls},
        {true, "writ_lattice_calls_received_failed", "Of these: failed.", in.failed},
        {false, "writ_lattice_calls_received_in_flight", "Of these: now.", in.in_flight},
    };
    put_figures(w, list, COUNT(list));
}

static void put_sealed(metrics_writer *w, const agent *a) {
    sealed_counters c = sealed_count(a->sealed);
    const sample calls[] = {{"out", c.calls_out}, {"in", c.calls_in}};
    const sample frames[] = {{"out", c.frames_out}, {"in", c.frames_in}};
    const sample open[] = {{"out", c.open_out}, {"in", c.open_in}};
    put_samples(w, true, "writ_lattice_sealed_calls", "Sealed calls that were begun.", "direction", calls,
                COUNT(calls));
    put_samples(w, true, "writ_lattice_sealed_frames", "Their frames.", "direction", frames, COUNT(frames));
    put_samples(w, false, "writ_lattice_sealed_calls_open", "Sealed calls now.", "direction", open,
                COUNT(open));
    const figure list[] = {
        {true, "writ_lattice_sealed_calls_failed", "Of those that went out: failed.", c.failed_out},
        {true, "writ_lattice_sealed_handshakes", "Sessions that were made.", c.handshakes},
        {false, "writ_lattice_sealed_memory_bytes", "Memory of sealed calls.", c.memory},
    };
    put_figures(w, list, COUNT(list));
}

static void put_wrpc(metrics_writer *w, const agent *a) {
    if (a->wrpc == NULL) {
        return;
    }
    wrpc_counters c = wrpc_count(a->wrpc);
    const figure list[] = {
        {true, "writ_lattice_wrpc_calls", "Calls to peers that do not sign.", c.started},
        {true, "writ_lattice_wrpc_calls_failed", "Of these: failed.", c.failed},
        {true, "writ_lattice_wrpc_served", "Calls of such peers that were accepted.", c.served},
        {true, "writ_lattice_wrpc_refused", "Calls of such peers that were not.", c.refused},
        {true, "writ_lattice_wrpc_strays", "Messages for no call that is open.", c.strays},
        {false, "writ_lattice_wrpc_calls_open", "Calls to such peers now.", c.calls},
        {false, "writ_lattice_wrpc_serving", "Calls of such peers now.", c.serving},
        {false, "writ_lattice_wrpc_queued_bytes", "Received and not taken yet.", c.queued_bytes},
    };
    put_figures(w, list, COUNT(list));
}

// --- what runs ---------------------------------------------------------------------------------------------

static uint64_t running_components(const components *c) {
    uint64_t n = 0, serial;
    slice id;
    for (size_t i = 0; i < components_count(c); i++) {
        n += components_at(c, i, &id, &serial) != NULL;
    }
    return n;
}

static void put_running(metrics_writer *w, const agent *a) {
    const figure list[] = {
        {false, "writ_lattice_components_running", "Components that run here.",
         running_components(a->components)},
        {false, "writ_lattice_providers", "Providers that are here.", providers_count(a->providers)},
        {true, "writ_lattice_provider_restarts",
         "Programs of providers that ended by themselves and were to start again.",
         providers_restarts(a->providers)},
    };
    put_figures(w, list, COUNT(list));
}

static status write_metrics(const void *arg, metrics_format format, buf *ret) {
    const agent *a = arg;
    metrics_writer w = {ret, format, false};
    put_host(&w, a);
    put_peers(&w, a);
    put_refusals(&w, a);
    put_control(&w, a);
    put_buses(&w, a);
    put_doors(&w, a);
    put_calls(&w, a);
    put_sealed(&w, a);
    put_wrpc(&w, a);
    put_running(&w, a);
    return metrics_end(&w);
}

status agent_metrics_start(agent *a, err *e) {
    const metrics_source source = {write_metrics, a};
    return a->options->metrics_fd < 0
               ? STATUS_OK
               : metrics_server_new(a->loop, a->options->metrics_fd, &source, &a->metrics, e);
}
