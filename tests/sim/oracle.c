// SPDX-License-Identifier: Apache-2.0
// What must never be, whatever the network does:
//
//   - a call is served though the host that serves it was told that its link is gone
//   - a component has more calls at a time than it was granted instances
//   - a host serves a call of a life of another host that it knows to have ended
//   - one host serves a call twice; two do, of a call that may be done once
//   - a call ends twice, or never, or late; or with an answer that nobody gave
//   - a change of a link is acknowledged that was never made
//
// and what must be once the faults are over: all hosts know the same links and configurations, which are
// those of the buckets, know each other and what each serves, and every call through a link is answered.
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "codec/json.h"
#include "lattice_sim.h"

#define GRANT_NS (5 * WORLD_S) // for how long a host may take to begin with another count
#define LATE_NS (WORLD_S / 2)

void sim_fail(sim *s, const char *format, ...) {
    if (s->why[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, format);
    int len = snprintf(s->why, sizeof s->why, "at %.3f s: ", (double)s->w.now_ns / (double)WORLD_S);
    vsnprintf(s->why + len, sizeof s->why - (size_t)len, format, args);
    va_end(args);
}

// --- the truth ---------------------------------------------------------------------------------------------

static bool source_of_key(slice key, size_t *ret) {
    char id[32];
    for (size_t i = 0; i < SIM_COMPONENTS; i++) {
        snprintf(id, sizeof id, "COMPONENT_c%zu", i);
        if (slice_equal_text(key, id)) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static uint32_t bit_of_link(slice name, slice target) {
    size_t n = slice_equal_text(name, sim_link_name(0)) ? 0 : 1;
    return target.len == 2 ? sim_link_bit(n, (size_t)(target.data[1] - '0')) : 0;
}

static uint32_t links_of_value(slice value, size_t *ret_count) {
    json_value *v = NULL;
    uint32_t bits = 0;
    *ret_count = 0;
    if (value.len == 0 || json_parse(value, &v, NULL) != STATUS_OK) {
        return 0;
    }
    const json_value *links = json_get(v, "links");
    *ret_count = json_count(links);
    for (size_t i = 0; i < *ret_count; i++) {
        slice name, target;
        CHECK(json_as_text(json_get(json_at(links, i), "name"), &name) &&
              json_as_text(json_get(json_at(links, i), "target"), &target));
        bits |= bit_of_link(name, target);
    }
    json_free(v);
    return bits;
}

static void on_lattice_entry(void *arg, const bus_kv_entry *entry) {
    sim *s = arg;
    size_t source;
    if (!source_of_key(entry->key, &source) || s->change_count == SIM_HISTORY_MAX) {
        return;
    }
    sim_change *c = &s->changes[s->change_count++];
    *c = (sim_change){.source = source, .revision = entry->revision, .at_ns = s->w.now_ns};
    c->links = links_of_value(entry->value, &c->link_count);
    sim_trace(s, "links of c%zu are %x by revision %llu", source, c->links,
              (unsigned long long)entry->revision);
    if ((size_t)__builtin_popcount(c->links) != c->link_count) {
        sim_fail(s, "the links of c%zu are stored twice", source);
    }
}

static void on_config_entry(void *arg, const bus_kv_entry *entry) {
    sim *s = arg;
    char name[16];
    for (size_t i = 0; i < SIM_CONFIGS; i++) {
        snprintf(name, sizeof name, "config%zu", i);
        if (slice_equal_text(entry->key, name)) {
            mem_free(s->configs[i]);
            s->configs[i] = entry->kind == BUS_KV_PUT ? mem_slice_dup(entry->value) : NULL;
        }
    }
}

static void on_caught_up(void *arg) { (void)arg; }

static void on_no_bucket(void *arg, status code, const char *text) { (void)arg, (void)code, (void)text; }

void sim_oracle_init(sim *s) {
    s->calls = mem_calloc(SIM_CALLS_MAX, sizeof *s->calls);
    s->changes = mem_calloc(SIM_HISTORY_MAX, sizeof *s->changes);
    s->lattice_watch = (bus_kv_watch){
        .entry = on_lattice_entry, .caught_up = on_caught_up, .failed = on_no_bucket, .arg = s};
    s->config_watch =
        (bus_kv_watch){.entry = on_config_entry, .caught_up = on_caught_up, .failed = on_no_bucket, .arg = s};
    bus *server = bus_net_server(s->net);
    CHECK(bus_kv_watch_start(server, &s->lattice_watch, slice_from_text("LATTICEDATA_test"), NULL) ==
          STATUS_OK);
    CHECK(bus_kv_watch_start(server, &s->config_watch, slice_from_text("CONFIGDATA_test"), NULL) ==
          STATUS_OK);
}

void sim_oracle_done(sim *s) {
    bus_kv_watch_stop(&s->lattice_watch);
    bus_kv_watch_stop(&s->config_watch);
    for (size_t i = 0; i < SIM_CONFIGS; i++) {
        mem_free(s->configs[i]);
    }
    mem_free(s->calls);
    mem_free(s->changes);
}

// The links of a source as they are now.
static uint32_t links_now(const sim *s, size_t source, size_t *ret_count) {
    uint32_t links = 0;
    *ret_count = 0;
    for (size_t i = 0; i < s->change_count; i++) {
        if (s->changes[i].source == source) {
            links = s->changes[i].links;
            *ret_count = s->changes[i].link_count;
        }
    }
    return links;
}

bool sim_oracle_is_linked(const sim *s, size_t source, size_t name, size_t target) {
    size_t count;
    return (links_now(s, source, &count) & sim_link_bit(name, target)) != 0;
}

// --- what hosts are told -----------------------------------------------------------------------------------

void sim_oracle_delivered(sim_host *h, slice bucket, const bus_kv_entry *entry) {
    size_t source;
    if (slice_equal_text(bucket, "LATTICEDATA_test") && source_of_key(entry->key, &source) &&
        entry->revision > h->seen_revision[source]) {
        h->seen_revision[source] = entry->revision;
    }
}

void sim_oracle_command(sim_host *h, slice command, const bus_message *m) {
    json_value *v = NULL;
    slice id;
    int64_t count;
    if (!slice_equal_text(command, "component.scale") || json_parse(m->payload, &v, NULL) != STATUS_OK) {
        return;
    }
    CHECK(json_as_text(json_get(v, "component_id"), &id) && json_as_integer(json_get(v, "count"), &count));
    if (h->grant_count == SIM_GRANTS_MAX) {
        memmove(h->grants, h->grants + 1, (SIM_GRANTS_MAX - 1) * sizeof h->grants[0]);
        h->grant_count--;
    }
    h->grants[h->grant_count++] =
        (sim_grant){(size_t)(id.data[1] - '0'), (uint32_t)count, loop_now_ns(h->m.l)};
    json_free(v);
}

// The most that may be in force: the last count, and those before that it may not have ended yet.
static uint32_t granted(const sim_host *h, size_t component) {
    uint32_t most = 0;
    for (size_t i = h->grant_count; i-- > 0;) {
        if (h->grants[i].component == component) {
            most = h->grants[i].count > most ? h->grants[i].count : most;
            if (loop_now_ns(h->m.l) - h->grants[i].at_ns > GRANT_NS) {
                break;
            }
        }
    }
    return most;
}

static sim_host *host_of_key(sim *s, const nkey_public *key) {
    for (size_t i = 0; i < s->host_count; i++) {
        if (nkey_public_equal(&s->hosts[i].name, key)) {
            return &s->hosts[i];
        }
    }
    return NULL;
}

void sim_oracle_peer(sim_host *h, const peer *p, peer_news news) {
    sim_host *other = host_of_key(h->s, &p->host);
    if (other == NULL) {
        sim_fail(h->s, "host %zu knows a host that there is not", h->number);
        return;
    }
    uint64_t *life = news == PEER_LEFT ? &h->ended_life[other->number] : &h->heard_life[other->number];
    *life = p->epoch > *life ? p->epoch : *life;
}

// --- serving -----------------------------------------------------------------------------------------------

// Whether the host may believe that the link is there: by what it was told last, or by something newer, which
// it may have made itself.
static bool may_know_link(const sim_host *h, const sim_call *c) {
    uint64_t seen = h->seen_revision[c->source];
    uint32_t links = 0;
    for (size_t i = 0; i < h->s->change_count; i++) {
        const sim_change *x = &h->s->changes[i];
        if (x->source == c->source) {
            links = x->revision <= seen ? x->links : links | x->links;
        }
    }
    return (links & sim_link_bit(c->name, c->target)) != 0;
}

static void check_life(sim_host *h, const sim_call *c) {
    size_t from = c->from->number;
    if (c->from == h) {
        return;
    }
    if (c->life < h->heard_life[from] || c->life <= h->ended_life[from]) {
        sim_fail(h->s, "host %zu serves call %zu of host %zu, of a life that has ended: %llu, it heard %llu",
                 h->number, c->number, from, (unsigned long long)c->life,
                 (unsigned long long)h->heard_life[from]);
    }
    h->heard_life[from] = c->life > h->heard_life[from] ? c->life : h->heard_life[from];
}

static void check_caller(sim_host *h, const sim_call *c, const lattice_invocation *i) {
    const lattice_invocation *made = &c->call.invocation;
    bool is_right = slice_equal(i->source, made->source) && slice_equal(i->target, made->target) &&
                    slice_equal(i->link, made->link) && slice_equal(i->function, made->function);
    if (!is_right || (c->from != h && !slice_equal_text(i->source_host, c->from->id.text))) {
        sim_fail(h->s, "call %zu came to host %zu as another one than was made", c->number, h->number);
    }
}

void sim_oracle_served(sim_host *h, sim_component *x, const lattice_invocation *i, size_t number) {
    sim *s = h->s;
    sim_call *c = &s->calls[number];
    size_t component = (size_t)(x - h->components);
    s->counters.served++;
    check_life(h, c);
    if (h->s->broken != SIM_BREAK_SESSIONS) {
        check_caller(h, c, i);
    }
    if (!may_know_link(h, c)) {
        sim_fail(s, "host %zu serves call %zu, of c%zu to c%zu by \"%s\", a link that it knows to be gone",
                 h->number, number, c->source, c->target, sim_link_name(c->name));
    }
    if (x->in_flight > granted(h, component)) {
        sim_fail(s, "host %zu has %u calls of c%zu, and %u instances were granted", h->number, x->in_flight,
                 component, granted(h, component));
    }
    uint32_t bit = UINT32_C(1) << h->number;
    if ((c->served_by & bit) != 0 || (c->served_by != 0 && !c->call.invocation.is_idempotent)) {
        sim_fail(s, "call %zu is served once more, by host %zu", number, h->number);
    }
    c->served_by |= bit;
}

// --- calling -----------------------------------------------------------------------------------------------

void sim_oracle_called(sim_call *c) {
    c->s->counters.calls++;
    c->began_ns = c->s->w.now_ns;
    if (!may_know_link(c->from, c)) {
        sim_fail(c->s, "host %zu lets c%zu call through a link that it knows to be gone", c->from->number,
                 c->source);
    }
}

void sim_oracle_results(sim_call *c, slice results) {
    size_t space = slice_find(results, 0, ' ');
    uint64_t number = 0, host = SIM_HOSTS_MAX;
    bool is_read = space != SIZE_MAX && slice_to_u64(slice_sub(results, 0, space), &number) &&
                   slice_to_u64(slice_sub(results, space + 1, SIZE_MAX), &host);
    if (!is_read || number != c->number || host >= SIM_HOSTS_MAX || (c->served_by >> host & 1) == 0) {
        sim_fail(c->s, "call %zu has an answer that nobody gave: %.*s", c->number, SLICE_ARG(results));
    }
    if (++c->results > 1 || c->has_ended) {
        sim_fail(c->s, "call %zu has more than one answer", c->number);
    }
}

void sim_oracle_ended(sim_call *c, status code) {
    sim *s = c->s;
    sim_trace(s, "call %zu of host %zu to c%zu ended: %s %s", c->number, c->from->number, c->target,
              status_name(code), c->why);
    if (c->has_ended) {
        sim_fail(s, "call %zu ended twice", c->number);
    }
    c->has_ended = true;
    c->code = code;
    if (code == STATUS_OK && c->results != 1) {
        sim_fail(s, "call %zu ended well without an answer", c->number);
    }
    bool stood_still = c->from->paused_ns >= c->began_ns;
    if (s->w.now_ns > c->deadline_world_ns + LATE_NS && !stood_still) {
        sim_fail(s, "call %zu ended %llu ms after its deadline", c->number,
                 (unsigned long long)((s->w.now_ns - c->deadline_world_ns) / WORLD_MS));
    }
    if (c->must_succeed && code != STATUS_OK) {
        sim_fail(s, "all is well, and a call of c%zu on host %zu to c%zu failed: %s, %s", c->source,
                 c->from->number, c->target, status_name(code), c->why);
    }
    uint64_t *counter = code == STATUS_OK                                 ? &s->counters.ok
                        : code == STATUS_CLOSED || code == STATUS_TIMEOUT ? &s->counters.lost
                                                                          : &s->counters.refused;
    (*counter)++;
}

void sim_oracle_calls(sim *s) {
    for (size_t i = 0; i < s->call_count; i++) {
        if (!s->calls[i].has_ended && !s->calls[i].is_forgotten) {
            sim_fail(s, "call %zu never ended", i);
        }
    }
}

// --- acknowledgements --------------------------------------------------------------------------------------

static uint32_t bits_of_name(size_t name) {
    uint32_t bits = 0;
    for (size_t target = 0; target < SIM_COMPONENTS; target++) {
        bits |= sim_link_bit(name, target);
    }
    return bits;
}

static bool is_done(const sim_request *r, uint32_t links) {
    return r->is_link_put ? (links & sim_link_bit(r->name, r->target)) != 0
                          : (links & bits_of_name(r->name)) == 0;
}

// What was acknowledged was so at some time between the request and now.
void sim_oracle_acknowledged(sim_request *r, bool success) {
    const sim *s = r->s;
    uint32_t links = 0;
    bool was_so = false;
    if (!success || (!r->is_link_put && !r->is_link_del)) {
        return;
    }
    r->s->counters.acknowledged++;
    for (size_t i = 0; i < s->change_count; i++) {
        const sim_change *c = &s->changes[i];
        if (c->source == r->source) {
            was_so = was_so || (c->at_ns >= r->began_ns && is_done(r, links));
            links = c->links;
        }
    }
    if (!was_so && !is_done(r, links)) {
        sim_fail(r->s, "a change of the links of c%zu was acknowledged and is not made", r->source);
    }
}

// --- all is well again -------------------------------------------------------------------------------------

static void check_links(sim_host *h, size_t source) {
    const lattice_link *links;
    const lattice_core *core = lattice_control_core(h->control);
    size_t truth_count;
    uint32_t truth = links_now(h->s, source, &truth_count);
    size_t count = lattice_core_links_from(core, slice_from_text(h->components[source].id), &links);
    uint32_t bits = 0;
    for (size_t i = 0; i < count; i++) {
        bits |= bit_of_link(links[i].name, links[i].target);
    }
    if (bits != truth || count != truth_count) {
        sim_fail(h->s, "host %zu has other links of c%zu than the lattice: %x, not %x", h->number, source,
                 bits, truth);
    }
}

static void check_config(sim_host *h, size_t number) {
    char name[16];
    char text[64] = "";
    lattice_pairs values;
    snprintf(name, sizeof name, "config%zu", number);
    bool is_there = lattice_core_config(lattice_control_core(h->control), slice_from_text(name), &values);
    if (is_there && values.count == 1) {
        snprintf(text, sizeof text, "{\"v\":\"%.*s\"}", SLICE_ARG(values.items[0].value));
    }
    const char *truth = h->s->configs[number];
    if (strcmp(text, truth == NULL ? "" : truth) != 0) {
        sim_fail(h->s, "host %zu has %s as %s, and it is %s", h->number, name, text,
                 truth == NULL ? "not there" : truth);
    }
}

static void check_peer(sim_host *h, sim_host *other) {
    const peers *all = presence_peers(h->presence);
    const peer *p = peers_find(all, &other->name);
    if (p == NULL || p->epoch != other->life) {
        sim_fail(h->s, "host %zu does not know host %zu%s", h->number, other->number,
                 p == NULL ? "" : " as it lives now");
        return;
    }
    uint32_t told = 0;
    presence_item item;
    for (size_t at = 0; peers_serves_next(all, p, &at, &item);) {
        told |= UINT32_C(1) << (item.id.data[1] - '0');
    }
    for (size_t i = 0; i < SIM_COMPONENTS; i++) {
        bool runs = other->components[i].instances > 0;
        if (runs != ((told >> i & 1) != 0)) {
            sim_fail(h->s, "host %zu believes that host %zu %s c%zu", h->number, other->number,
                     runs ? "does not serve" : "serves", i);
        }
    }
}

void sim_oracle_converged(sim *s) {
    for (size_t n = 0; n < s->host_count; n++) {
        sim_host *h = &s->hosts[n];
        if (!lattice_control_is_ready(h->control)) {
            const char *trouble = lattice_control_trouble(h->control);
            sim_fail(s, "host %zu is not ready: %s", n, trouble == NULL ? "" : trouble);
            return;
        }
        for (size_t i = 0; i < SIM_COMPONENTS; i++) {
            check_links(h, i);
        }
        for (size_t i = 0; i < SIM_CONFIGS; i++) {
            check_config(h, i);
        }
        for (size_t i = 0; i < s->host_count; i++) {
            if (i != n) {
                check_peer(h, &s->hosts[i]);
            }
        }
        if (peers_count(presence_peers(h->presence)) != s->host_count - 1) {
            sim_fail(s, "host %zu knows hosts that there are not", n);
        }
    }
}
