// SPDX-License-Identifier: Apache-2.0
// Instances: the life of resources, limits, waking.
#include "capability/wasi.h"

#include "base/mem.h"
#include "helper_guest.h"
#include "test.h"

enum { EVENTS_MAX = 32 };

typedef struct recorder {
    char events[EVENTS_MAX]; // the names of what happened, in order: lower case dropped, upper case freed
    size_t count;
} recorder;

typedef struct probe {
    wasi_resource base;
    recorder *to;
    char name;
    struct probe *owns; // dropped with it
} probe;

static void record(recorder *r, char what) {
    if (r->count < EVENTS_MAX - 1) {
        r->events[r->count++] = what;
    }
}

static void probe_drop(wasi_resource *r) { record(((probe *)r)->to, ((probe *)r)->name); }

static void probe_free(wasi_resource *r) {
    probe *p = (probe *)r;
    record(p->to, (char)(p->name - 'a' + 'A'));
    if (p->owns != NULL) {
        wasi_resource_drop(&p->owns->base);
    }
    mem_free(p);
}

static const wasi_resource_ops probe_ops = {.drop = probe_drop, .free = probe_free};

static probe *probe_new(guest *g, recorder *to, char name, wasi_class class_, probe *parent) {
    probe *p = WASI_NEW(g->instance, probe, &probe_ops, class_, parent == NULL ? NULL : &parent->base, NULL);
    if (p != NULL) {
        p->to = to;
        p->name = name;
    }
    return p;
}

TEST(a_resource_is_freed_when_it_is_dropped) {
    guest g;
    recorder r = {0};
    guest_init(&g);
    guest_start(&g);
    probe *a = probe_new(&g, &r, 'a', WASI_CLASS_FILE, NULL);
    EXPECT_EQ(g.instance->resource_count, 1);
    EXPECT_EQ(g.instance->class_count[WASI_CLASS_FILE], 1);
    wasi_resource_drop(&a->base);
    EXPECT_EQ(g.instance->resource_count, 0);
    EXPECT_EQ(g.instance->class_count[WASI_CLASS_FILE], 0);
    EXPECT_TEXT(r.events, "aA");
    wasi_resource_drop(NULL);
    guest_done(&g);
}

TEST(children_keep_their_parents) {
    guest g;
    recorder r = {0};
    guest_init(&g);
    guest_start(&g);
    probe *a = probe_new(&g, &r, 'a', WASI_CLASS_OTHER, NULL);
    probe *b = probe_new(&g, &r, 'b', WASI_CLASS_OTHER, a);
    probe *c = probe_new(&g, &r, 'c', WASI_CLASS_OTHER, b);
    wasi_resource_drop(&a->base);
    wasi_resource_drop(&b->base);
    EXPECT_TEXT(r.events, "ab");
    EXPECT_EQ(g.instance->resource_count, 3); // still counted: their memory is there
    wasi_resource_drop(&c->base);
    EXPECT_TEXT(r.events, "abcCBA");
    EXPECT_EQ(g.instance->resource_count, 0);
    guest_done(&g);
}

TEST(the_end_of_an_instance_frees_what_is_left) {
    guest g;
    recorder r = {0};
    guest_init(&g);
    guest_start(&g);
    probe *a = probe_new(&g, &r, 'a', WASI_CLASS_OTHER, NULL);
    probe_new(&g, &r, 'b', WASI_CLASS_OTHER, a); // newest first, children before parents
    probe *c = probe_new(&g, &r, 'c', WASI_CLASS_OTHER, NULL);
    probe *d = probe_new(&g, &r, 'd', WASI_CLASS_OTHER, NULL); // owned by c: dropped once, by c
    d->base.is_held = true;
    c->owns = d;
    probe *e = probe_new(&g, &r, 'e', WASI_CLASS_OTHER, NULL); // held by somebody who forgot it
    e->base.is_held = true;
    guest_done(&g);
    EXPECT_TEXT(r.events, "cCdDbBaAeE");
}

TEST(a_dropped_parent_goes_with_its_last_child_at_the_end) {
    guest g;
    recorder r = {0};
    guest_init(&g);
    guest_start(&g);
    probe *a = probe_new(&g, &r, 'a', WASI_CLASS_OTHER, NULL);
    probe_new(&g, &r, 'b', WASI_CLASS_OTHER, a);
    wasi_resource_drop(&a->base);
    guest_done(&g);
    EXPECT_TEXT(r.events, "abBA");
}

TEST(limits) {
    static const struct {
        wasi_class class_;
        uint32_t max;
        const char *says;
    } cases[] = {
        {WASI_CLASS_STREAM, 2, "holds 2 streams already"},
        {WASI_CLASS_FILE, 3, "holds 3 files already"},
        {WASI_CLASS_SOCKET, 1, "holds 1 sockets already"},
        {WASI_CLASS_OTHER, 5, "holds 5 resources already"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        guest g;
        recorder r = {0};
        err e;
        guest_init(&g);
        g.workload.limits =
            (wasi_limits){.resources_max = 5, .streams_max = 2, .files_max = 3, .sockets_max = 1};
        guest_start(&g);
        probe *last = NULL;
        for (uint32_t n = 0; n < cases[i].max; n++) {
            last = probe_new(&g, &r, 'a', cases[i].class_, NULL);
            EXPECT(last != NULL);
        }
        EXPECT(wasi_resource_new(g.instance, sizeof(probe), &probe_ops, cases[i].class_, NULL, &e) == NULL);
        EXPECT_EQ(e.code, STATUS_LIMIT);
        EXPECT_CONTAINS(e.message, cases[i].says);
        EXPECT_EQ(g.instance->counters.limits_hit, 1);
        wasi_resource_drop(&last->base); // makes room
        EXPECT(probe_new(&g, &r, 'a', cases[i].class_, NULL) != NULL);
        guest_done(&g);
    }
}

static void wake_twice(host_call *call, void *arg) {
    (void)arg;
    wasi_instance_wake(call->instance);
    wasi_instance_wake(call->instance); // on_wake checks that only one arrives
}

TEST(waking) {
    guest g;
    err e;
    guest_init(&g);
    guest_start(&g);
    g.on_suspend = wake_twice;
    wasi_instance_wake(g.instance); // nobody waits: nothing happens
    EXPECT(!g.is_woken);
    EXPECT_OK(wasi_instance_suspend(&g, &e));
    EXPECT(g.is_woken);
    guest_done(&g);
}

static void count_free(void *state) { ++*(int *)state; }

TEST(slots_are_freed_after_resources) {
    guest g;
    recorder r = {0};
    int freed = 0;
    guest_init(&g);
    guest_start(&g);
    probe_new(&g, &r, 'a', WASI_CLASS_OTHER, NULL);
    g.instance->slots[WASI_SLOT_HTTP].state = &freed;
    g.instance->slots[WASI_SLOT_HTTP].free = count_free;
    guest_done(&g);
    EXPECT_EQ(freed, 1);
    EXPECT_TEXT(r.events, "aA");
    wasi_instance_free(NULL);
}
