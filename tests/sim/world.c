// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include "base/check.h"
#include "base/jitter.h"

#define MACHINE_START_NS (1000 * WORLD_S)
enum { MILLION = 1000000 };

// --- time --------------------------------------------------------------------------------------------------

static uint64_t world_now(void *arg) { return ((world *)arg)->now_ns; }

static uint64_t drift_of(const machine *m, uint64_t ns) {
    return ns / MILLION * (uint64_t)(MILLION + m->drift_ppm) + ns % MILLION;
}

static uint64_t machine_now(void *arg) {
    const machine *m = arg;
    return m->offset_ns + drift_of(m, m->w->now_ns);
}

// When the machine's clock shows that, or a little later.
static uint64_t world_time_of(const machine *m, uint64_t local_ns) {
    if (local_ns == UINT64_MAX) {
        return UINT64_MAX;
    }
    if (local_ns <= machine_now((void *)m)) {
        return m->w->now_ns;
    }
    uint64_t ns = local_ns - m->offset_ns;
    return ns / (uint64_t)(MILLION + m->drift_ppm) * MILLION + MILLION;
}

uint64_t machine_wall_ms(void *arg) {
    const machine *m = arg;
    return (uint64_t)((int64_t)(WORLD_START_S * 1000 + m->w->now_ns / WORLD_MS) + m->wall_skew_ms);
}

// --- chance ------------------------------------------------------------------------------------------------

uint64_t world_random(world *w) { return jitter_next(&w->random); }

uint64_t world_between(world *w, uint64_t from, uint64_t to) {
    return from + world_random(w) % (to - from + 1);
}

bool world_chance(world *w, unsigned per_mille) { return world_random(w) % 1000 < per_mille; }

// --- life --------------------------------------------------------------------------------------------------

void world_init(world *w, uint64_t seed) {
    *w = (world){.random = seed};
    const loop_clock clock = {world_now, w};
    CHECK(loop_new(&clock, &w->net, NULL) == STATUS_OK);
    list_init(&w->machines);
}

void world_done(world *w) {
    CHECK(list_empty(&w->machines));
    loop_free(w->net);
}

void machine_init(machine *m, world *w, int64_t wall_skew_ms, int32_t drift_ppm) {
    *m = (machine){.w = w, .wall_skew_ms = wall_skew_ms, .drift_ppm = drift_ppm};
    m->offset_ns = MACHINE_START_NS + world_between(w, 0, 1000 * WORLD_S);
    const loop_clock clock = {machine_now, m};
    CHECK(loop_new(&clock, &m->l, NULL) == STATUS_OK);
    list_push_back(&w->machines, &m->node);
}

void machine_done(machine *m) {
    list_remove(&m->node);
    loop_free(m->l);
}

// --- running -----------------------------------------------------------------------------------------------

static uint64_t net_next(const world *w) {
    uint64_t next = loop_next_ns(w->net);
    return next < w->now_ns ? w->now_ns : next;
}

static uint64_t machine_next(const machine *m) {
    return m->is_paused ? UINT64_MAX : world_time_of(m, loop_next_ns(m->l));
}

static uint64_t world_next(const world *w) {
    uint64_t next = net_next(w);
    for (list_node *n = w->machines.next; n != &w->machines; n = n->next) {
        uint64_t at = machine_next(LIST_ENTRY(n, machine, node));
        next = at < next ? at : next;
    }
    return next;
}

static void turn(world *w, loop *l) {
    w->turns++;
    loop_turn(l, false);
}

// One round over all that have something to do now.
static void round_of_turns(world *w) {
    if (net_next(w) <= w->now_ns) {
        turn(w, w->net);
    }
    for (list_node *n = w->machines.next; n != &w->machines;) {
        machine *m = LIST_ENTRY(n, machine, node);
        n = n->next;
        if (machine_next(m) <= w->now_ns) {
            turn(w, m->l);
        }
    }
}

void world_run(world *w, uint64_t until_ns) {
    for (uint64_t next; (next = world_next(w)) <= until_ns;) {
        w->now_ns = next;
        round_of_turns(w);
    }
    w->now_ns = until_ns;
}
