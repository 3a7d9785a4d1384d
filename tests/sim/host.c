// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "base/check.h"
#include "base/jitter.h"
#include "base/mem.h"
#include "codec/base32.h"
#include "lattice/cluster.h"
#include "lattice_sim.h"

#define INSTANCE "sim:test/api@0.1.0"
#define INTERFACE "sim:test/api"
enum { TOKEN_S = 24 * 3600, SEED_BODY_BYTES = 36 };

// --- keys --------------------------------------------------------------------------------------------------

static uint16_t crc16(const uint8_t *bytes, size_t len) {
    uint16_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc = (uint16_t)(crc ^ bytes[i] << 8);
        for (int bit = 0; bit < 8; bit++) {
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
        }
    }
    return crc;
}

nkey *sim_key(nkey_kind kind, uint8_t number) {
    uint8_t body[SEED_BODY_BYTES];
    char text[NKEY_SEED_TEXT_LEN];
    nkey *key = NULL;
    uint8_t role = (uint8_t)((nkey_kind_letter(kind) - 'A') << 3);
    body[0] = (uint8_t)(('S' - 'A') << 3 | role >> 5);
    body[1] = (uint8_t)(role << 3);
    memset(body + 2, number + 1, SIGN_SEED_BYTES);
    uint16_t crc = crc16(body, SEED_BODY_BYTES - 2);
    body[SEED_BODY_BYTES - 2] = (uint8_t)crc;
    body[SEED_BODY_BYTES - 1] = (uint8_t)(crc >> 8);
    base32_encode(slice_of(body, sizeof body), text);
    CHECK(nkey_from_seed_text(slice_of(text, sizeof text), &key, NULL) == STATUS_OK);
    return key;
}

// --- what runs ---------------------------------------------------------------------------------------------

static lattice_core *core_of(const sim_host *h) { return lattice_control_core(h->control); }

static uint64_t host_between(sim_host *h, uint64_t from, uint64_t to) {
    return from + jitter_next(&h->random) % (to - from + 1);
}

static bool host_chance(sim_host *h, unsigned per_mille) {
    return jitter_next(&h->random) % 1000 < per_mille;
}

bool sim_host_runs(const sim_host *h, size_t component) {
    return h->is_alive && !h->is_ending && h->components[component].instances > 0;
}

static void set_instances(sim_component *c, uint32_t instances) {
    sim_host *h = c->h;
    bool ran = c->instances > 0;
    c->instances = instances;
    if (instances > 0 && !ran) {
        CHECK(presence_serve(h->presence, slice_from_text(c->id), false, 1, NULL) == STATUS_OK);
    } else if (instances == 0 && ran && h->s->broken != SIM_BREAK_PRESENCE) {
        presence_withdraw(h->presence, slice_from_text(c->id));
    }
}

// It has begun, has changed, or has ended, as was wished a while ago.
static void on_apply(void *arg) {
    sim_component *c = arg;
    sim_host *h = c->h;
    lattice_component wished;
    slice id = slice_from_text(c->id);
    if (!lattice_core_component(core_of(h), id, &wished)) {
        c->is_known = false;
        set_instances(c, 0);
        return;
    }
    bool fails = !h->s->is_calm && c->instances == 0 && wished.max_instances > 0 && host_chance(h, 50);
    c->generation = wished.generation;
    if (!fails) {
        set_instances(c, wished.max_instances);
    }
    lattice_core_component_is(core_of(h), lattice_control_now(h->control), id, wished.generation, NULL,
                              fails ? "it does not start" : NULL);
}

static void on_changed(void *context, unsigned changes) {
    sim_host *h = context;
    if ((changes & CORE_CHANGED_COMPONENTS) == 0) {
        return;
    }
    for (size_t i = 0; i < SIM_COMPONENTS; i++) {
        sim_component *c = &h->components[i];
        lattice_component wished;
        bool is_wished = lattice_core_component(core_of(h), slice_from_text(c->id), &wished);
        bool is_new = is_wished ? wished.generation != c->generation : c->is_known;
        c->is_known = c->is_known || is_wished;
        if (is_new && !loop_timer_is_active(&c->apply)) {
            loop_timer_start_in(&c->apply, host_between(h, WORLD_MS, 200 * WORLD_MS));
        }
    }
}

// --- serving -----------------------------------------------------------------------------------------------

static sim_component *component_of(sim_host *h, slice id) {
    for (size_t i = 0; i < SIM_COMPONENTS; i++) {
        if (slice_equal_text(id, h->components[i].id)) {
            return &h->components[i];
        }
    }
    return NULL;
}

static bool on_paths(void *context, slice target, slice instance, slice function, lattice_paths *ret_up,
                     lattice_paths *ret_down) {
    sim_host *h = context;
    (void)function;
    *ret_up = *ret_down = (lattice_paths){0};
    const sim_component *c = component_of(h, target);
    return c != NULL && c->instances > 0 && slice_equal_text(instance, INSTANCE);
}

static void free_served(sim_served *x) {
    loop_timer_stop(&x->work);
    list_remove(&x->node);
    x->c->in_flight--;
    mem_free(x);
}

static void on_served_ended(lattice_served *q, status code) {
    (void)code;
    free_served(q->data);
}

static const lattice_served_ops served_ops = {.ended = on_served_ended};

static void on_work_done(void *arg) {
    sim_served *x = arg;
    sim_host *h = x->h;
    if (h->s->broken == SIM_BREAK_ANSWERS && h->s->is_calm) {
        return;
    }
    if (host_chance(h, 20) && !h->s->is_calm) {
        x->q->transport->fail(x->q, STATUS_TRAP, "it trapped");
        return;
    }
    char results[32];
    int len = snprintf(results, sizeof results, "%zu %zu", x->number, h->number);
    x->q->transport->answer(x->q, slice_of(results, (size_t)len));
}

static status on_check(void *context, const lattice_invocation *i, err *e) {
    sim_host *h = context;
    const lattice_link *l = lattice_core_route(core_of(h), i->source, i->link, slice_from_text(INTERFACE));
    bool is_linked = l != NULL && slice_equal(l->target, i->target);
    if (is_linked || h->s->broken == SIM_BREAK_LINKS) {
        return STATUS_OK;
    }
    return err_set(e, STATUS_DENIED, "no link");
}

static void on_call(void *context, lattice_served *q) {
    sim_host *h = context;
    sim_component *c = component_of(h, q->invocation.target);
    uint64_t number;
    CHECK(slice_to_u64(q->invocation.params, &number) && number < h->s->call_count);
    sim_served *x = MEM_NEW(sim_served);
    *x = (sim_served){.h = h, .c = c, .q = q, .number = (size_t)number};
    loop_timer_init(&x->work, h->m.l, on_work_done, x);
    list_init(&x->node);
    list_push_back(&h->serving, &x->node);
    q->ops = &served_ops;
    q->data = x;
    uint32_t room = c->instances + (h->s->broken == SIM_BREAK_INSTANCES ? 1 : 0);
    c->in_flight++;
    if (c->in_flight > room || h->is_ending) {
        q->transport->fail(q, c->instances == 0 ? STATUS_NOT_FOUND : STATUS_LIMIT, "no room");
        return;
    }
    sim_oracle_served(h, c, &q->invocation, x->number);
    if (h->s->broken == SIM_BREAK_ONCE && host_chance(h, 20)) {
        sim_oracle_served(h, c, &q->invocation, x->number);
    }
    loop_timer_start_in(&x->work, host_between(h, 0, 60 * WORLD_MS));
}

// --- calling -----------------------------------------------------------------------------------------------

static void on_results(lattice_call *call, slice results) { sim_oracle_results((sim_call *)call, results); }

static void on_ended(lattice_call *call, status code, const err *e) {
    sim_call *c = (sim_call *)call;
    snprintf(c->why, sizeof c->why, "%.100s", e == NULL ? "" : e->message);
    sim_oracle_ended(c, code);
    if (c->s->broken == SIM_BREAK_ENDS && c->number % 50 == 0) {
        sim_oracle_ended(c, code);
    }
}

static const lattice_call_ops call_ops = {.on_results = on_results, .ended = on_ended};

sim_call *sim_host_call(sim_host *h, size_t source, size_t name, size_t target, bool is_idempotent,
                        bool must_succeed) {
    sim *s = h->s;
    if (s->call_count == SIM_CALLS_MAX) {
        return NULL;
    }
    sim_call *c = &s->calls[s->call_count];
    uint64_t wait = must_succeed ? 5 * WORLD_S : host_between(h, WORLD_S / 2, 3 * WORLD_S);
    *c = (sim_call){.s = s,
                    .from = h,
                    .number = s->call_count++,
                    .life = h->life,
                    .source = source,
                    .target = target,
                    .name = name,
                    .must_succeed = must_succeed,
                    .deadline_world_ns = s->w.now_ns + wait};
    int len = snprintf(c->params, sizeof c->params, "%zu", c->number);
    c->call = (lattice_call){.ops = &call_ops,
                             .invocation = {.source = slice_from_text(h->components[source].id),
                                            .link = slice_from_text(sim_link_name(name)),
                                            .target = slice_from_text(h->components[target].id),
                                            .instance = slice_from_text(INSTANCE),
                                            .function = slice_from_text("go"),
                                            .params = slice_of(c->params, (size_t)len),
                                            .is_idempotent = is_idempotent,
                                            .deadline_ns = loop_now_ns(h->m.l) + wait}};
    sim_oracle_called(c);
    err e = {0};
    status code = lattice_call_start(router_transport(h->router), &c->call, &e);
    if (code != STATUS_OK) {
        snprintf(c->why, sizeof c->why, "%.100s", e.message);
        sim_oracle_ended(c, code);
    }
    return c;
}

// A component that runs here calls through one of its links.
static void on_call_soon(void *arg) {
    sim_host *h = arg;
    loop_timer_start_in(&h->call_soon, host_between(h, 20 * WORLD_MS, 400 * WORLD_MS));
    size_t source = host_between(h, 0, SIM_COMPONENTS - 1);
    size_t name = host_between(h, 0, SIM_LINK_NAMES - 1);
    if (!sim_host_runs(h, source) || h->s->is_calm) {
        return;
    }
    const lattice_link *l =
        lattice_core_route(core_of(h), slice_from_text(h->components[source].id),
                           slice_from_text(sim_link_name(name)), slice_from_text(INTERFACE));
    if (l != NULL) {
        const sim_component *target = component_of(h, l->target);
        sim_host_call(h, source, name, (size_t)(target - h->components), host_chance(h, 300), false);
    }
}

static lattice_transport *on_here(void *context, const lattice_invocation *i) {
    sim_host *h = context;
    const sim_component *c = component_of(h, i->target);
    return c != NULL && c->instances > 0 ? lattice_within_transport(h->within) : NULL;
}

static lattice_transport *on_to_host(void *context, const nkey_public *host) {
    return sealed_to(((sim_host *)context)->sealed, host);
}

// --- life --------------------------------------------------------------------------------------------------

// For the oracle to notice: what was sent in an earlier life is served once more.
static void serve_old_call(sim_host *h, const peer *p) {
    sim *s = h->s;
    for (size_t i = 0; i < s->call_count; i++) {
        sim_call *c = &s->calls[i];
        if (c->from != h && c->life < p->epoch && nkey_public_equal(&c->from->name, &p->host)) {
            sim_oracle_served(h, &h->components[c->target], &c->call.invocation, i);
            return;
        }
    }
}

static void on_peer(void *arg, const peer *p, peer_news news) {
    sim_host *h = arg;
    static const char *const names[] = {"came", "changed", "restarted", "left", "is lost"};
    sim_trace(h->s, "host %zu hears that %.5s %s", h->number, nkey_public_text(&p->host).text, names[news]);
    sim_oracle_peer(h, p, news);
    if (h->s->broken == SIM_BREAK_SESSIONS) {
        serve_old_call(h, p);
    }
    uint64_t over = peer_over_before(p, news);
    if (over != 0) {
        sealed_host_ended(h->sealed, &p->host, over);
    }
    router_look_again(h->router, false);
}

static void on_settled(void *arg) { router_look_again(((sim_host *)arg)->router, true); }

static void on_host_silent(void *arg, const nkey_public *host) {
    sim_host *h = arg;
    peers_avoid(presence_peers(h->presence), host, loop_now_ns(h->m.l));
}

static lattice_time on_now(void *arg) {
    sim_host *h = arg;
    return (lattice_time){loop_now_ns(h->m.l), machine_wall_ms(&h->m) * WORLD_MS};
}

static void on_random(void *arg, void *ret, size_t len) {
    sim_host *h = arg;
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)ret)[i] = (uint8_t)jitter_next(&h->random);
    }
}

static void on_stop(void *context, uint64_t timeout_ns) {
    (void)timeout_ns;
    sim_host_stop(context);
}

static void on_ready(void *context) { (void)context; }

static status on_permit(void *context, const bus_message *m, slice command, err *e) {
    (void)e;
    sim_oracle_command(context, command, m);
    return STATUS_OK;
}

static bool on_entry(void *arg, slice bucket, const bus_kv_entry *entry) {
    sim_host *h = arg;
    sim_oracle_delivered(h, bucket, entry);
    return h->s->broken != SIM_BREAK_WATCH || !host_chance(h, 100);
}

static void make_identity(sim_host *h) {
    const nkey_public issuer = nkey_public_of(h->s->issuer);
    h->cluster = cluster_new();
    CHECK(cluster_trust(h->cluster, &issuer, UINT64_MAX, NULL) == STATUS_OK);
    buf_init(&h->token, CLUSTER_TOKEN_BYTES_MAX);
    const cluster_admission a = {h->name, slice_from_text("a host"), slice_from_text("test"),
                                 WORLD_START_S - 3600, TOKEN_S};
    CHECK(cluster_admit(h->s->issuer, &a, &h->token, NULL) == STATUS_OK);
}

static void make_control(sim_host *h) {
    const lattice_control_options o = {
        .ctl = h->b,
        .rpc = h->b,
        .now = on_now,
        .random = on_random,
        .arg = h,
        .owner =
            {.context = h, .changed = on_changed, .stop = on_stop, .ready = on_ready, .permit = on_permit},
        .core = {.host_id = slice_from_text(h->id.text),
                 .friendly_name = slice_from_text("sim"),
                 .version = slice_from_text("0.1.0"),
                 .lattice = slice_from_text("test")},
    };
    CHECK(lattice_control_new(&o, &h->control, NULL) == STATUS_OK);
}

static void make_calls(sim_host *h) {
    const sealed_options o = {
        .bus = h->b,
        .session = {.key = h->key,
                    .token = buf_slice(&h->token),
                    .lattice = slice_from_text("test"),
                    .epoch = h->life,
                    .cluster = h->cluster,
                    .refusals = &h->refusals,
                    .random = on_random,
                    .random_arg = h},
        .server = h->server,
        .wall_ms = machine_wall_ms,
        .wall_arg = &h->m,
        .host_silent = on_host_silent,
        .arg = h,
    };
    CHECK(sealed_new(&o, &h->sealed, NULL) == STATUS_OK);
    h->within = lattice_within_new(h->m.l, &h->server);
}

static void make_presence(sim_host *h) {
    const presence_options o = {.bus = h->b,
                                .key = h->key,
                                .token = buf_slice(&h->token),
                                .lattice = slice_from_text("test"),
                                .epoch = h->life,
                                .version = slice_from_text("0.1.0"),
                                .cluster = h->cluster,
                                .refusals = &h->refusals,
                                .wall_ms = machine_wall_ms,
                                .wall_arg = &h->m,
                                .seed = jitter_next(&h->random),
                                .peer_changed = on_peer,
                                .settled = on_settled,
                                .arg = h};
    CHECK(presence_start(&o, &h->presence, NULL) == STATUS_OK);
    const router_options r = {.loop = h->m.l,
                              .peers = presence_peers(h->presence),
                              .context = h,
                              .here = on_here,
                              .to_host = on_to_host,
                              .is_settling = true};
    h->router = router_new(&r);
}

static void on_end(void *arg) { sim_host_crash(arg); }

void sim_host_init(sim_host *h, sim *s, size_t number) {
    h->s = s;
    h->number = number;
    h->key = sim_key(NKEY_SERVER, (uint8_t)number);
    h->name = nkey_public_of(h->key);
    h->id = nkey_public_text(&h->name);
}

void sim_host_done(sim_host *h) {
    sim_host_crash(h);
    nkey_free(h->key);
}

static void init_components(sim_host *h) {
    for (size_t i = 0; i < SIM_COMPONENTS; i++) {
        sim_component *c = &h->components[i];
        *c = (sim_component){.h = h};
        snprintf(c->id, sizeof c->id, "c%zu", i);
        loop_timer_init(&c->apply, h->m.l, on_apply, c);
    }
}

static void forget_oracle(sim_host *h) {
    h->grant_count = 0;
    memset(h->seen_revision, 0, sizeof h->seen_revision);
    memset(h->heard_life, 0, sizeof h->heard_life);
    memset(h->ended_life, 0, sizeof h->ended_life);
}

void sim_host_start(sim_host *h) {
    world *w = &h->s->w;
    if (h->is_alive) {
        return;
    }
    h->life = w->now_ns / WORLD_MS + 1;
    h->random = world_random(w);
    h->refusals = (lattice_refusals){0};
    h->is_alive = true;
    h->is_ending = false;
    h->s->counters.lives++;
    sim_trace(h->s, "host %zu begins life %llu", h->number, (unsigned long long)h->life);
    machine_init(&h->m, w, (int64_t)world_between(w, 0, 28000) - 14000,
                 (int32_t)world_between(w, 0, 400) - 200);
    CHECK(bus_sim_new(h->s->net, &h->m, &h->b) == STATUS_OK);
    bus_sim_observe(h->b, on_entry, h);
    list_init(&h->serving);
    init_components(h);
    forget_oracle(h);
    make_identity(h);
    make_control(h);
    h->server = (lattice_server){h, on_paths, on_check, on_call};
    make_calls(h);
    make_presence(h);
    loop_timer_init(&h->call_soon, h->m.l, on_call_soon, h);
    loop_timer_init(&h->end, w->net, on_end, h); // not of its own loop, which goes with it
    loop_timer_start_in(&h->call_soon, WORLD_S);
}

static void forget_calls(sim_host *h) {
    for (size_t i = 0; i < h->s->call_count; i++) {
        sim_call *c = &h->s->calls[i];
        if (c->from == h && c->life == h->life && !c->has_ended) {
            lattice_call_cancel(&c->call);
            c->is_forgotten = true;
        }
    }
}

// Everything of it is gone, at once and without a word.
void sim_host_crash(sim_host *h) {
    if (!h->is_alive) {
        return;
    }
    sim_trace(h->s, "host %zu is gone", h->number);
    h->is_alive = false;
    forget_calls(h);
    for (int i = 0; i < LATTICE_REFUSED_COUNT; i++) {
        h->s->counters.refusals += h->refusals.counts[i];
    }
    router_free(h->router);
    sealed_free(h->sealed);
    lattice_within_free(h->within);
    CHECK(list_empty(&h->serving));
    presence_free(h->presence);
    lattice_control_free(h->control);
    cluster_free(h->cluster);
    buf_done(&h->token);
    loop_timer_stop(&h->call_soon);
    loop_timer_stop(&h->end);
    for (size_t i = 0; i < SIM_COMPONENTS; i++) {
        loop_timer_stop(&h->components[i].apply);
    }
    bus_free(h->b);
    machine_done(&h->m);
}

void sim_host_stop(sim_host *h) {
    if (!h->is_alive || h->is_ending) {
        return;
    }
    sim_trace(h->s, "host %zu ends", h->number);
    h->is_ending = true;
    for (size_t i = 0; i < SIM_COMPONENTS; i++) {
        loop_timer_stop(&h->components[i].apply);
        set_instances(&h->components[i], 0);
    }
    forget_calls(h);
    lattice_control_stopped(h->control);
    sealed_goodbye(h->sealed);
    presence_end(h->presence);
    loop_timer_start_at(&h->end, h->s->w.now_ns + host_between(h, 0, 200 * WORLD_MS));
}
