// SPDX-License-Identifier: Apache-2.0
// Both buckets are opened and watched first; only when all that was in them is known are the subjects
// subscribed, so that whoever is answered is answered from what the lattice knows.
#include "lattice/control.h"

#include <stdio.h>

#include "base/mem.h"
#include "lattice/client.h"

enum {
    SUBSCRIPTIONS = 11,
    BUCKETS = 2,
    RETRY_NS = 1000000000,
    REASON_BYTES_MAX = 512,
};
#define OPERATION_TIMEOUT_NS 5000000000ull
#define MS 1000000ull

typedef struct operation { // of a bucket
    list_node node;
    lattice_control *c;
    uint64_t id;
    core_bucket bucket;
    bus_kv_op op;
    status failed; // to begin at all; told soon
} operation;

typedef struct watched {
    lattice_control *c;
    core_bucket bucket;
    char name[BUS_BUCKET_BYTES_MAX];
    bus_kv_op open;
    bool is_open;    // and watched
    bool is_missing; // somebody has removed it
    bus_kv_watch watch;
} watched;

struct lattice_control {
    bus *ctl;
    bus *rpc;
    lattice_control_options options;
    lattice_core *core;
    char prefix[LATTICE_PREFIX_BYTES_MAX + LATTICE_NAME_BYTES_MAX + 8]; // "wasmbus.ctl.v1.default"
    bool is_subscribed, is_ready, has_stopped;
    bus_kv_op settling;
    char trouble[REASON_BYTES_MAX];
    bus_watcher watcher;
    watched buckets[BUCKETS];
    bus_subscription subscriptions[SUBSCRIPTIONS];
    list_node operations;
    loop_timer tick;
    loop_timer retry;
    loop_soon begin;
    loop_soon tell; // the owner of changes, and the core of operations that could not begin
    unsigned changes;
};

static void trouble(lattice_control *c, const char *what, const char *why) {
    if (!c->is_ready) {
        (void)snprintf(c->trouble, sizeof c->trouble, "%s: %s", what, why);
    }
}

lattice_time lattice_control_now(lattice_control *c) { return c->options.now(c->options.arg); }

static void plan_tick(lattice_control *c) {
    uint64_t next = lattice_core_next_ns(c->core);
    if (next == UINT64_MAX) {
        loop_timer_stop(&c->tick);
    } else if (!loop_timer_is_active(&c->tick) || c->tick.deadline_ns != next) {
        loop_timer_start_at(&c->tick, next);
    }
}

static void on_tick(void *arg) {
    lattice_control *c = arg;
    lattice_core_tick(c->core, lattice_control_now(c));
    plan_tick(c);
}

// --- effects -----------------------------------------------------------------------------------------------

static void effect_publish(void *context, slice subject, slice payload) {
    static const char TOO_LARGE[] =
        "{\"success\":false,\"message\":\"the answer is larger than the bus carries\"}";
    lattice_control *c = context;
    bus_message m = {.subject = subject, .payload = payload};
    status s = bus_publish(c->ctl, &m, NULL);
    if (s == STATUS_LIMIT && !slice_starts_with(subject, "wasmbus.evt.")) {
        m.payload = slice_from_text(TOO_LARGE);
        s = bus_publish(c->ctl, &m, NULL);
    }
    (void)s; // without a connection nobody is told: events and answers come at most once
}

static void effect_publish_rpc(void *context, slice subject, slice payload) {
    lattice_control *c = context;
    const bus_message m = {.subject = subject, .payload = payload};
    (void)!bus_publish(c->rpc, &m, NULL); // likewise
}

static void end_operation(operation *o, const bus_kv_result *result) {
    lattice_control *c = o->c;
    uint64_t id = o->id;
    list_remove(&o->node);
    lattice_core_kv_ended(c->core, lattice_control_now(c), id, result);
    mem_free(o);
    plan_tick(c);
}

static void on_operation(void *arg, const bus_kv_result *result) { end_operation(arg, result); }

static slice bucket_of(const lattice_control *c, core_bucket bucket) {
    return slice_from_text(c->buckets[bucket].name);
}

// Whether the core may believe it.
static bool is_vouched(lattice_control *c, core_bucket bucket, const bus_kv_entry *entry) {
    const lattice_time t = lattice_control_now(c);
    return c->options.vouch == NULL ||
           vouch_check(c->options.vouch, bucket_of(c, bucket), entry, t.unix_ns / MS, t.now_ns);
}

// What nobody vouches for is as if it were not there; the next change takes its place.
static void on_value(void *arg, const bus_kv_result *result) {
    static const char NO_LINKS[] = "{\"url\":\"\",\"links\":[]}";
    operation *o = arg;
    bus_kv_result r = *result;
    if (r.code == STATUS_OK && !is_vouched(o->c, o->bucket, &r.entry)) {
        r.entry.value = slice_from_text(NO_LINKS);
        r.code = o->bucket == CORE_CONFIG_DATA ? STATUS_NOT_FOUND : STATUS_OK;
    }
    end_operation(o, &r);
}

static operation *operation_new(lattice_control *c, uint64_t id, core_bucket bucket) {
    operation *o = MEM_NEW(operation);
    o->c = c;
    o->id = id;
    o->bucket = bucket;
    list_push_back(&c->operations, &o->node);
    return o;
}

static void began(operation *o, status s) {
    o->failed = s;
    if (s != STATUS_OK) {
        loop_soon_add(o->c->ctl->loop, &o->c->tell);
    }
}

static uint64_t deadline(const lattice_control *c) {
    return loop_now_ns(c->ctl->loop) + OPERATION_TIMEOUT_NS;
}

static void effect_get(void *context, uint64_t id, core_bucket bucket, slice key) {
    lattice_control *c = context;
    operation *o = operation_new(c, id, bucket);
    began(o, bus_kv_get(c->ctl, &o->op, bucket_of(c, bucket), key, deadline(c), on_value, o, NULL));
}

static void change(lattice_control *c, uint64_t id, core_bucket bucket, bus_kv_entry *what,
                   uint64_t expected) {
    auto_buf word = {0};
    operation *o = operation_new(c, id, bucket);
    status s = STATUS_OK;
    buf_init(&word, VOUCH_HEADERS_BYTES_MAX);
    if (c->options.vouch != NULL) {
        s = vouch_sign(c->options.vouch, bucket_of(c, bucket), what, lattice_control_now(c).unix_ns / MS,
                       &word, NULL);
        what->headers = buf_slice(&word);
    }
    began(o, s != STATUS_OK ? s
                            : bus_kv_change(c->ctl, &o->op, bucket_of(c, bucket), what, expected, deadline(c),
                                            on_operation, o, NULL));
}

static void effect_put(void *context, uint64_t id, core_bucket bucket, slice key, slice value,
                       uint64_t expected) {
    change(context, id, bucket, &(bus_kv_entry){.key = key, .value = value, .kind = BUS_KV_PUT}, expected);
}

static void effect_purge(void *context, uint64_t id, core_bucket bucket, slice key) {
    change(context, id, bucket, &(bus_kv_entry){.key = key, .kind = BUS_KV_PURGE}, BUS_KV_ANY);
}

static void effect_changed(void *context, unsigned changes) {
    lattice_control *c = context;
    c->changes |= changes;
    loop_soon_add(c->ctl->loop, &c->tell);
}

static void effect_stop(void *context, uint64_t timeout_ns) {
    lattice_control *c = context;
    c->options.owner.stop(c->options.owner.context, timeout_ns);
}

static void effect_random(void *context, void *ret, size_t len) {
    lattice_control *c = context;
    c->options.random(c->options.arg, ret, len);
}

static void effect_describe(void *context, json_value *writ) {
    lattice_control *c = context;
    if (c->options.owner.describe != NULL) {
        c->options.owner.describe(c->options.owner.context, writ);
    }
}

static void tell_failed(lattice_control *c) {
    for (list_node *n = c->operations.next; n != &c->operations;) {
        operation *o = LIST_ENTRY(n, operation, node);
        n = n->next;
        if (o->failed != STATUS_OK) {
            const bus_kv_result r = {.code = o->failed, .text = "the bus did not take it"};
            o->failed = STATUS_OK;
            end_operation(o, &r);
            n = c->operations.next; // others may have come and gone
        }
    }
}

static void on_tell(void *arg) {
    lattice_control *c = arg;
    tell_failed(c);
    unsigned changes = c->changes;
    c->changes = 0;
    if (changes != 0 && c->is_ready) {
        c->options.owner.changed(c->options.owner.context, changes);
    }
}

// --- messages ----------------------------------------------------------------------------------------------

static void on_message(void *arg, bus_subscription *s, const bus_message *m) {
    lattice_control *c = arg;
    err e = {0};
    (void)s;
    slice command = lattice_core_command(c->core, m->subject);
    if (c->options.owner.permit != NULL && command.len > 0 &&
        c->options.owner.permit(c->options.owner.context, m, command, &e) != STATUS_OK) {
        lattice_core_refuse(c->core, m, slice_from_text(e.message));
        return;
    }
    lattice_core_message(c->core, lattice_control_now(c), m);
    plan_tick(c);
}

typedef enum audience {
    FOR_ALL,    // every host gets it
    FOR_HOST,   // this one
    FOR_ONE,    // one of all
    FOR_BIDDER, // every host, who may stay silent
} audience;

typedef struct subject {
    const char *tail; // after prefix, version and lattice
    audience audience;
    const char *queue;
} subject;

static const subject SUBJECTS[SUBSCRIPTIONS] = {
    {"registry.put", FOR_ALL, NULL},
    {"host.ping", FOR_ALL, NULL},
    {"component.*", FOR_HOST, NULL},
    {"provider.*", FOR_HOST, NULL},
    {"label.*", FOR_HOST, NULL},
    {"host.*", FOR_HOST, NULL},
    {"component.auction", FOR_BIDDER, NULL},
    {"provider.auction", FOR_BIDDER, NULL},
    {"link.*", FOR_ONE, "link"},
    {"claims.get", FOR_ONE, "claims"},
    {"config.>", FOR_ONE, "config"},
};

static bool is_refused(const lattice_control *c, const subject *s) {
    return (c->options.core.refuses_component_auctions && strcmp(s->tail, "component.auction") == 0) ||
           (c->options.core.refuses_provider_auctions && strcmp(s->tail, "provider.auction") == 0);
}

static status subscribe(lattice_control *c, size_t i, slice host, err *e) {
    const subject *s = &SUBJECTS[i];
    char text[BUS_SUBJECT_BYTES_MAX];
    char queue[BUS_SUBJECT_BYTES_MAX] = "";
    bool is_for_host = s->audience == FOR_HOST;
    (void)snprintf(text, sizeof text, "%s.%s%s%.*s", c->prefix, s->tail, is_for_host ? "." : "",
                   SLICE_ARG(is_for_host ? host : slice_empty()));
    if (s->queue != NULL) {
        (void)snprintf(queue, sizeof queue, "%s.%s", c->prefix, s->queue);
    }
    return bus_subscribe(c->ctl, &c->subscriptions[i], slice_from_text(text), slice_from_text(queue),
                         on_message, c, e);
}

static void unsubscribe_all(lattice_control *c) {
    for (size_t i = 0; i < SUBSCRIPTIONS; i++) {
        bus_unsubscribe(&c->subscriptions[i]);
    }
}

static status subscribe_all(lattice_control *c, err *e) {
    for (size_t i = 0; i < SUBSCRIPTIONS; i++) {
        status s = is_refused(c, &SUBJECTS[i]) ? STATUS_OK : subscribe(c, i, c->options.core.host_id, e);
        if (s != STATUS_OK) {
            return s;
        }
    }
    return STATUS_OK;
}

// --- beginning ---------------------------------------------------------------------------------------------

static void try_later(lattice_control *c, const char *what, const char *why) {
    trouble(c, what, why);
    loop_timer_start_in(&c->retry, RETRY_NS);
}

// A server that has answered this has heard of the subscriptions, which went before.
static void on_settled(void *arg, const bus_kv_result *r) {
    lattice_control *c = arg;
    (void)r; // whatever it is; after a lost connection subscriptions are made again
    c->is_ready = true;
    c->trouble[0] = '\0';
    c->options.owner.ready(c->options.owner.context);
    if (c->changes != 0) {
        loop_soon_add(c->ctl->loop, &c->tell);
    }
}

static void get_ready(lattice_control *c) {
    err e = {0};
    if (c->is_subscribed || c->has_stopped || !lattice_core_is_caught_up(c->core)) {
        return;
    }
    status s = subscribe_all(c, &e);
    s = s == STATUS_OK ? bus_kv_get(c->ctl, &c->settling, bucket_of(c, CORE_CONFIG_DATA),
                                    slice_from_text("settled"), deadline(c), on_settled, c, &e)
                       : s;
    if (s != STATUS_OK) {
        unsubscribe_all(c);
        try_later(c, "subscribe to the control interface", e.message);
        return;
    }
    c->is_subscribed = true;
    lattice_core_started(c->core, lattice_control_now(c));
    plan_tick(c);
}

static void on_watch_restarted(void *arg) {
    watched *w = arg;
    lattice_core_watch_restarted(w->c->core, w->bucket);
}

static void on_watch_entry(void *arg, const bus_kv_entry *entry) {
    watched *w = arg;
    if (!is_vouched(w->c, w->bucket, entry)) {
        return; // what was there before holds
    }
    lattice_core_entry(w->c->core, lattice_control_now(w->c), w->bucket, entry);
}

static void on_watch_caught_up(void *arg) {
    watched *w = arg;
    lattice_core_caught_up(w->c->core, lattice_control_now(w->c), w->bucket);
    get_ready(w->c);
}

static void on_watch_failed(void *arg, status code, const char *text) {
    watched *w = arg;
    trouble(w->c, w->name, text == NULL ? "the watch failed" : text);
    if (code == STATUS_NOT_FOUND) {
        w->is_missing = true; // the watch goes on by itself when it is there again
        loop_timer_start_in(&w->c->retry, RETRY_NS);
    }
}

static void watch_bucket(watched *w) {
    err e = {0};
    w->watch = (bus_kv_watch){.restarted = on_watch_restarted,
                              .entry = on_watch_entry,
                              .caught_up = on_watch_caught_up,
                              .failed = on_watch_failed,
                              .arg = w};
    w->is_open = bus_kv_watch_start(w->c->ctl, &w->watch, slice_from_text(w->name), &e) == STATUS_OK;
    if (!w->is_open) {
        try_later(w->c, w->name, e.message);
    }
}

static void on_open(void *arg, const bus_kv_result *r) {
    watched *w = arg;
    if (r->code != STATUS_OK) {
        try_later(w->c, w->name, r->text == NULL ? status_name(r->code) : r->text);
        return;
    }
    w->is_missing = false;
    if (!w->is_open) {
        watch_bucket(w);
    }
}

// Everything that has not begun yet.
static void on_begin(void *arg) {
    lattice_control *c = arg;
    if (c->has_stopped) {
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        watched *w = &c->buckets[i];
        err e = {0};
        if ((!w->is_open || w->is_missing) && w->open.b == NULL &&
            bus_kv_open(c->ctl, &w->open, slice_from_text(w->name), deadline(c), on_open, w, &e) !=
                STATUS_OK) {
            try_later(c, w->name, e.message);
        }
    }
    get_ready(c);
}

static void on_bus(void *arg, bool is_up, const char *reason) {
    lattice_control *c = arg;
    (void)reason;
    if (is_up) {
        loop_soon_add(c->ctl->loop, &c->begin);
    }
}

static core_effects effects_of(lattice_control *c) {
    return (core_effects){.context = c,
                          .publish = effect_publish,
                          .publish_rpc = effect_publish_rpc,
                          .kv_get = effect_get,
                          .kv_put = effect_put,
                          .kv_purge = effect_purge,
                          .changed = effect_changed,
                          .stop = effect_stop,
                          .random = effect_random,
                          .describe = effect_describe};
}

static void name_buckets(lattice_control *c, slice lattice) {
    static const char *const names[BUCKETS] = {"LATTICEDATA", "CONFIGDATA"};
    for (size_t i = 0; i < BUCKETS; i++) {
        c->buckets[i].c = c;
        c->buckets[i].bucket = (core_bucket)i;
        (void)snprintf(c->buckets[i].name, sizeof c->buckets[i].name, "%s_%.*s", names[i],
                       SLICE_ARG(lattice));
    }
}

status lattice_control_new(const lattice_control_options *options, lattice_control **ret, err *e) {
    lattice_control *c = MEM_NEW(lattice_control);
    c->options = *options;
    const core_effects effects = effects_of(c);
    status s = lattice_core_new(&options->core, &effects, &c->core, e);
    if (s != STATUS_OK) {
        mem_free(c);
        return s;
    }
    slice prefix =
        options->core.prefix.len > 0 ? options->core.prefix : slice_from_text(LATTICE_PREFIX_DEFAULT);
    c->ctl = options->ctl;
    c->rpc = options->rpc;
    c->options.core.host_id = lattice_core_host_id(c->core); // the texts of `options` are the caller's
    (void)snprintf(c->prefix, sizeof c->prefix, "%.*s.v1.%.*s", SLICE_ARG(prefix),
                   SLICE_ARG(options->core.lattice));
    name_buckets(c, options->core.lattice);
    list_init(&c->operations);
    loop_timer_init(&c->tick, c->ctl->loop, on_tick, c);
    loop_timer_init(&c->retry, c->ctl->loop, on_begin, c);
    loop_soon_init(&c->begin, on_begin, c);
    loop_soon_init(&c->tell, on_tell, c);
    c->watcher.changed = on_bus;
    c->watcher.arg = c;
    bus_add_watcher(c->ctl, &c->watcher);
    loop_soon_add(c->ctl->loop, &c->begin);
    *ret = c;
    return STATUS_OK;
}

lattice_core *lattice_control_core(lattice_control *c) { return c->core; }
bool lattice_control_is_ready(const lattice_control *c) { return c->is_ready; }
const char *lattice_control_trouble(const lattice_control *c) {
    return c->trouble[0] == '\0' ? NULL : c->trouble;
}

// --- the end -----------------------------------------------------------------------------------------------

void lattice_control_drain(lattice_control *c) {
    for (size_t i = 0; i < SUBSCRIPTIONS; i++) {
        if (SUBJECTS[i].audience == FOR_ONE || SUBJECTS[i].audience == FOR_BIDDER) {
            bus_unsubscribe(&c->subscriptions[i]);
        }
    }
}

static void stop_all(lattice_control *c) {
    c->has_stopped = true;
    loop_timer_stop(&c->tick);
    loop_timer_stop(&c->retry);
    loop_soon_cancel(&c->begin);
    unsubscribe_all(c);
    bus_kv_cancel(&c->settling);
    for (size_t i = 0; i < BUCKETS; i++) {
        bus_kv_cancel(&c->buckets[i].open);
        bus_kv_watch_stop(&c->buckets[i].watch);
    }
}

void lattice_control_stopped(lattice_control *c) {
    lattice_core_stopped(c->core, lattice_control_now(c));
    stop_all(c);
}

void lattice_control_free(lattice_control *c) {
    if (c == NULL) {
        return;
    }
    stop_all(c);
    loop_soon_cancel(&c->tell);
    bus_remove_watcher(&c->watcher);
    while (!list_empty(&c->operations)) {
        operation *o = LIST_ENTRY(list_pop_front(&c->operations), operation, node);
        bus_kv_cancel(&o->op);
        mem_free(o);
    }
    lattice_core_free(c->core);
    mem_free(c);
}
