// SPDX-License-Identifier: Apache-2.0
// What happens in one run: hosts begin, an operator changes things while the network and the hosts fail, then
// all is mended, and after a while everything must be well.
#include "script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

#define CHAOS_NS (12 * WORLD_S)
#define QUIET_NS (13 * WORLD_S) // hosts that went without a word are lost after 10 s
#define CALL_NS (100 * WORLD_MS)
#define REQUEST_NS (3 * WORLD_S)

static const char *const break_names[SIM_BREAK_COUNT] = {
    [SIM_BREAK_NOTHING] = "nothing",
    [SIM_BREAK_WATCH] = "watch",
    [SIM_BREAK_LINKS] = "links",
    [SIM_BREAK_INSTANCES] = "instances",
    [SIM_BREAK_SESSIONS] = "sessions",
    [SIM_BREAK_ONCE] = "once",
    [SIM_BREAK_PRESENCE] = "presence",
    [SIM_BREAK_ENDS] = "ends",
    [SIM_BREAK_ACKNOWLEDGE] = "acknowledge",
    [SIM_BREAK_ANSWERS] = "answers",
};

const char *sim_break_name(sim_break b) { return break_names[b]; }

void sim_trace(sim *s, const char *format, ...) {
    if (!s->is_verbose) {
        return;
    }
    va_list args;
    va_start(args, format);
    printf("%9.4f ", (double)s->w.now_ns / (double)WORLD_S);
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

static uint64_t below(sim *s, uint64_t count) { return world_random(&s->w) % count; }

// --- the operator ------------------------------------------------------------------------------------------

static void on_answer(void *arg, const bus_result *result) {
    sim_request *r = arg;
    r->is_used = false;
    if (result->code == STATUS_OK) {
        static const char yes[] = "{\"success\":true";
        bool success = slice_starts_with(result->message.payload, yes);
        sim_trace(r->s, "answer: %.*s", SLICE_ARG(result->message.payload));
        sim_oracle_acknowledged(r, success);
    }
}

static sim_request *free_request(sim *s) {
    for (size_t i = 0; i < SIM_REQUESTS_MAX; i++) {
        if (!s->requests[i].is_used) {
            s->requests[i] = (sim_request){.s = s, .is_used = true, .began_ns = s->w.now_ns};
            return &s->requests[i];
        }
    }
    return NULL;
}

static void ask(sim *s, sim_request *r, const char *subject, const char *payload) {
    char full[256];
    snprintf(full, sizeof full, "wasmbus.ctl.v1.test.%s", subject);
    sim_trace(s, "operator: %s %s", subject, payload);
    const bus_message m = {.subject = slice_from_text(full), .payload = slice_from_text(payload)};
    uint64_t deadline = loop_now_ns(s->operator_machine.l) + REQUEST_NS;
    CHECK(bus_request_start(s->operator, & r->r, &m, deadline, on_answer, r, NULL) == STATUS_OK);
}

static void put_link(sim *s, sim_request *r) {
    char payload[256];
    r->is_link_put = true;
    r->source = below(s, SIM_COMPONENTS);
    r->target = below(s, SIM_COMPONENTS);
    r->name = below(s, SIM_LINK_NAMES);
    snprintf(payload, sizeof payload,
             "{\"source_id\":\"c%zu\",\"target\":\"c%zu\",\"name\":\"%s\",\"wit_namespace\":\"sim\","
             "\"wit_package\":\"test\",\"interfaces\":[\"api\"],\"source_config\":[],\"target_config\":[%s]}",
             r->source, r->target, sim_link_name(r->name), world_chance(&s->w, 200) ? "\"config0\"" : "");
    ask(s, r, "link.put", payload);
}

static void delete_link(sim *s, sim_request *r) {
    char payload[256];
    r->is_link_del = true;
    r->source = below(s, SIM_COMPONENTS);
    r->name = below(s, SIM_LINK_NAMES);
    if (s->broken == SIM_BREAK_ACKNOWLEDGE) {
        r->is_used = false;
        sim_oracle_acknowledged(r, true);
        return;
    }
    snprintf(payload, sizeof payload,
             "{\"source_id\":\"c%zu\",\"name\":\"%s\",\"wit_namespace\":\"sim\",\"wit_package\":\"test\"}",
             r->source, sim_link_name(r->name));
    ask(s, r, "link.del", payload);
}

static void change_config(sim *s, sim_request *r, bool is_put) {
    char subject[32], payload[64] = "";
    snprintf(subject, sizeof subject, "config.%s.config%zu", is_put ? "put" : "del",
             (size_t)below(s, SIM_CONFIGS));
    if (is_put) {
        snprintf(payload, sizeof payload, "{\"v\":\"%u\"}", (unsigned)below(s, 1000));
    }
    ask(s, r, subject, payload);
}

static void scale(sim *s, sim_request *r, uint32_t count_min) {
    char subject[128], payload[256];
    const sim_host *h = &s->hosts[below(s, s->host_count)];
    snprintf(subject, sizeof subject, "component.scale.%s", h->id.text);
    snprintf(payload, sizeof payload,
             "{\"component_ref\":\"file:///c.wasm\",\"component_id\":\"c%u\",\"count\":%u,\"config\":[],"
             "\"annotations\":{},\"allow_update\":false,\"host_id\":\"%s\"}",
             (unsigned)below(s, SIM_COMPONENTS), (unsigned)(count_min + below(s, 4 - count_min)), h->id.text);
    ask(s, r, subject, payload);
}

static void operate(sim *s) {
    sim_request *r = free_request(s);
    uint64_t choice = below(s, 100);
    if (r == NULL) {
        return;
    }
    if (choice < 35) {
        put_link(s, r);
    } else if (choice < 50) {
        delete_link(s, r);
    } else if (choice < 60) {
        change_config(s, r, choice < 57);
    } else {
        scale(s, r, choice < 92);
    }
}

// --- what goes wrong ---------------------------------------------------------------------------------------

static void pause_host(sim_host *h, bool is_paused) {
    if (h->is_alive) {
        sim_trace(h->s, "host %zu %s", h->number, is_paused ? "stands still" : "goes on");
        h->m.is_paused = is_paused;
        h->paused_ns = h->s->w.now_ns;
    }
}

static void split(sim *s) {
    sim_trace(s, "the lattice is split");
    for (size_t i = 0; i < s->host_count; i++) {
        if (s->hosts[i].is_alive) {
            bus_sim_set_part(s->hosts[i].b, (unsigned)below(s, 2));
        }
    }
}

static void fail_somewhere(sim *s) {
    sim_host *h = &s->hosts[below(s, s->host_count)];
    switch (below(s, 9)) {
    case 0:
        sim_host_crash(h);
        break;
    case 1:
        if (!h->m.is_paused) {
            sim_host_stop(h);
        }
        break;
    case 2:
        pause_host(h, true);
        break;
    case 3:
        if (h->is_alive) {
            sim_trace(s, "host %zu is cut off", h->number);
            bus_sim_set_connected(h->b, false);
        }
        break;
    case 4:
        split(s);
        break;
    case 5:
        if (h->is_alive) {
            bus_sim_break_watches(h->b);
        }
        break;
    default:
        break; // as bad as it is
    }
}

// Some of what is broken is mended, sooner or later all of it.
static void mend_somewhere(sim *s, bool all) {
    for (size_t i = 0; i < s->host_count; i++) {
        sim_host *h = &s->hosts[i];
        if (!all && !world_chance(&s->w, 300)) {
            continue;
        }
        if (!h->is_alive) {
            sim_host_start(h);
        } else {
            if (h->m.is_paused) {
                pause_host(h, false);
            }
            bus_sim_set_connected(h->b, true);
            bus_sim_set_part(h->b, 0);
        }
    }
}

static bus_sim_faults faults_of(sim *s) {
    bus_sim_faults f = {.delay_ns_min = 100000, .delay_ns_max = 5 * WORLD_MS};
    if (world_chance(&s->w, 300)) {
        f.delay_ns_max = 400 * WORLD_MS;
    }
    if (world_chance(&s->w, 700)) {
        f.lose = (unsigned)below(s, 60);
        f.duplicate = (unsigned)below(s, 100);
        f.reorder = (unsigned)below(s, 300);
    }
    f.replay = world_chance(&s->w, 500) ? (unsigned)below(s, 300) : 0;
    return f;
}

// --- a run -------------------------------------------------------------------------------------------------

static void run_for(sim *s, uint64_t ns) { world_run(&s->w, s->w.now_ns + ns); }

static void make_world(sim *s, uint64_t seed) {
    world_init(&s->w, seed * UINT64_C(0x9e3779b97f4a7c15) + 1);
    s->issuer = sim_key(NKEY_CLUSTER, SIM_HOSTS_MAX);
}

static void begin(sim *s, const bus_sim_faults *f, size_t hosts) {
    s->net = bus_net_new(&s->w, f);
    sim_oracle_init(s);
    machine_init(&s->operator_machine, &s->w, 0, 0);
    CHECK(bus_sim_new(s->net, &s->operator_machine, &s->operator) == STATUS_OK);
    s->host_count = hosts;
    s->hosts = mem_calloc(hosts, sizeof *s->hosts);
    for (size_t i = 0; i < hosts; i++) {
        sim_host_init(&s->hosts[i], s, i);
    }
}

static void begin_with_faults(sim *s, uint64_t seed) {
    make_world(s, seed);
    const bus_sim_faults f = faults_of(s);
    sim_trace(s, "delay up to %.1f ms, lost %u, twice %u, out of order %u of 1000",
              (double)f.delay_ns_max / (double)WORLD_MS, f.lose, f.duplicate, f.reorder);
    begin(s, &f, 3 + below(s, 3));
    for (size_t i = 0; i < s->host_count; i++) {
        sim_host_start(&s->hosts[i]);
    }
}

static void chaos(sim *s) {
    unsigned failing = (unsigned)below(s, 250);
    for (uint64_t until = s->w.now_ns + CHAOS_NS; s->w.now_ns < until && s->why[0] == '\0';) {
        run_for(s, world_between(&s->w, WORLD_MS, 300 * WORLD_MS));
        operate(s);
        if (world_chance(&s->w, failing)) {
            fail_somewhere(s);
        }
        if (world_chance(&s->w, 120)) {
            mend_somewhere(s, false);
        }
    }
}

static void calm(sim *s) {
    // Whoever says again what was said does not stop.
    const bus_sim_faults none = {.delay_ns_min = 100000, .delay_ns_max = 2 * WORLD_MS, .replay = 50};
    bus_net_set_faults(s->net, &none);
    mend_somewhere(s, true);
    run_for(s, WORLD_S);
    mend_somewhere(s, true); // those that were about to end
    s->is_calm = true;
    sim_trace(s, "all is mended");
    for (size_t i = 0; i < 6; i++) { // something is to run
        sim_request *r = free_request(s);
        if (r != NULL) {
            scale(s, r, 1);
        }
    }
    run_for(s, QUIET_NS);
}

static bool runs_somewhere(const sim *s, size_t component) {
    for (size_t i = 0; i < s->host_count; i++) {
        if (sim_host_runs(&s->hosts[i], component)) {
            return true;
        }
    }
    return false;
}

// Every component that runs calls through each of its links.
static void call_all(sim *s) {
    for (size_t i = 0; i < s->host_count * SIM_COMPONENTS * SIM_LINK_NAMES * SIM_COMPONENTS; i++) {
        sim_host *h = &s->hosts[i % s->host_count];
        size_t source = i / s->host_count % SIM_COMPONENTS;
        size_t name = i / s->host_count / SIM_COMPONENTS % SIM_LINK_NAMES;
        size_t target = i / s->host_count / SIM_COMPONENTS / SIM_LINK_NAMES;
        if (s->why[0] == '\0' && sim_host_runs(h, source) && runs_somewhere(s, target) &&
            sim_oracle_is_linked(s, source, name, target)) {
            sim_host_call(h, source, name, target, false, true);
            run_for(s, CALL_NS);
        }
    }
    run_for(s, 6 * WORLD_S);
}

static void end(sim *s) {
    for (size_t i = 0; i < s->host_count; i++) {
        sim_host_done(&s->hosts[i]);
    }
    bus_free(s->operator);
    machine_done(&s->operator_machine);
    sim_oracle_done(s);
    bus_net_free(s->net);
    mem_free(s->hosts);
    nkey_free(s->issuer);
    world_done(&s->w);
}

bool sim_run(uint64_t seed, sim_break broken, bool is_verbose, sim_outcome *ret) {
    sim *s = MEM_NEW(sim);
    s->broken = broken;
    s->is_verbose = is_verbose;
    begin_with_faults(s, seed);
    chaos(s);
    if (s->why[0] == '\0') {
        calm(s);
        sim_oracle_converged(s);
        call_all(s);
        sim_oracle_calls(s);
    }
    bool is_well = s->why[0] == '\0';
    *ret = (sim_outcome){.turns = s->w.turns,
                         .calls = s->counters.calls,
                         .ok = s->counters.ok,
                         .refused = s->counters.refused,
                         .lost = s->counters.lost,
                         .served = s->counters.served,
                         .lives = s->counters.lives,
                         .acknowledged = s->counters.acknowledged,
                         .random = world_random(&s->w)};
    snprintf(ret->why, sizeof ret->why, "%s", s->why);
    end(s);
    ret->refusals = s->counters.refusals;
    mem_free(s);
    return is_well;
}

// --- how much hosts say ------------------------------------------------------------------------------------

static bus_sim_traffic traffic_of(const sim *s, size_t from, size_t to) {
    bus_sim_traffic all = {0};
    for (size_t i = from; i < to; i++) {
        bus_sim_traffic one = bus_sim_count(s->hosts[i].b);
        all.out += one.out;
        all.out_bytes += one.out_bytes;
        all.in += one.in;
        all.in_bytes += one.in_bytes;
    }
    return all;
}

static bus_sim_traffic traffic_since(bus_sim_traffic now, bus_sim_traffic then) {
    return (bus_sim_traffic){now.out - then.out, now.out_bytes - then.out_bytes, now.in - then.in,
                             now.in_bytes - then.in_bytes};
}

static void serve(sim_host *h, size_t count) {
    char id[64];
    for (size_t i = 0; i < count; i++) {
        snprintf(id, sizeof id, "component-%zu-of-%zu", i, h->number);
        CHECK(presence_serve(h->presence, slice_from_text(id), false, 1, NULL) == STATUS_OK);
    }
}

// What the last host costs that joins when all others are there.
static void measure_join(sim *s, sim_traffic *ret) {
    sim_host *h = &s->hosts[s->host_count - 1];
    uint64_t began = s->w.now_ns;
    sim_host_start(h);
    while (peers_count(presence_peers(h->presence)) < s->host_count - 1) {
        run_for(s, 10 * WORLD_MS);
    }
    ret->join_s = (double)(s->w.now_ns - began) / (double)WORLD_S;
    ret->join_bytes = (double)bus_sim_count(h->b).in_bytes;
}

static void measure_steady(sim *s, sim_traffic *ret) {
    const double span_s = 120; // hosts tell the control interface of themselves each 30
    const double hosts = (double)(s->host_count - 1);
    bus_sim_traffic before = traffic_of(s, 0, s->host_count - 1);
    run_for(s, (uint64_t)span_s * WORLD_S);
    bus_sim_traffic t = traffic_since(traffic_of(s, 0, s->host_count - 1), before);
    ret->out_per_s = (double)t.out / hosts / span_s;
    ret->out_bytes_per_s = (double)t.out_bytes / hosts / span_s;
    ret->in_per_s = (double)t.in / hosts / span_s;
    ret->in_bytes_per_s = (double)t.in_bytes / hosts / span_s;
}

void sim_measure(size_t hosts, size_t components, sim_traffic *ret) {
    const bus_sim_faults none = {.delay_ns_min = 100000, .delay_ns_max = 2 * WORLD_MS};
    sim *s = MEM_NEW(sim);
    make_world(s, 1);
    begin(s, &none, hosts + 1);
    s->is_calm = true;
    *ret = (sim_traffic){.hosts = hosts};
    for (size_t i = 0; i < hosts; i++) {
        sim_host_start(&s->hosts[i]);
        serve(&s->hosts[i], components);
        run_for(s, 50 * WORLD_MS);
    }
    run_for(s, 30 * WORLD_S);
    measure_steady(s, ret);
    measure_join(s, ret);
    end(s);
    mem_free(s);
}
