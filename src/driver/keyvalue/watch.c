// SPDX-License-Identifier: Apache-2.0
// Telling components what was written: wasi:keyvalue/watcher, which a component exports.
//
//   on-set(bucket, key: string, value: list<u8>)
//   on-delete(bucket, key: string)
//
// Links that name the same `feed` tell each other their writes, once they are done; those of others on the
// same server are not seen. Each link that watches has a queue of its own, bounded in number and bytes, and
// hands over one event after the other, in the order in which the writes were answered. An event is tried
// once: what the handler answers with, and whether it fails, changes nothing. It is lost when the queue is
// full.
#include "base/mem.h"
#include "codec/values.h"
#include "driver/keyvalue/keyvalue.h"

enum { EVENTS_MAX = 1024, BYTES_MAX = 16 << 20 };

#define PAUSE_NS_MIN 5000000ull
#define PAUSE_NS_MAX 500000000ull
#define WATCHER "wasi:keyvalue/watcher"

typedef struct feed {
    driver_shared base;
    list_node watchers;
} feed;

typedef struct event {
    list_node node;
    bool is_delete;
    buf payload;
} event;

struct keyvalue_watch {
    feed *feed;
    list_node node; // of the feed's watchers
    driver_link_options options;
    slice buckets; // that are watched; empty: none
    list_node events;
    size_t count, bytes;
    driver_delivery delivery; // of the first event
    bool is_on_its_way;
    loop_timer pause;
    uint64_t pause_ns;
    uint64_t random;
};

// --- handing over ------------------------------------------------------------------------------------------

static void pump(keyvalue_watch *w);

static void on_pause_over(void *arg) { pump(arg); }

static void pause_watch(keyvalue_watch *w) {
    w->pause_ns = w->pause_ns == 0 ? PAUSE_NS_MIN : w->pause_ns * 2;
    w->pause_ns = w->pause_ns > PAUSE_NS_MAX ? PAUSE_NS_MAX : w->pause_ns;
    loop_timer_start_in(&w->pause, driver_wait(&w->random, w->pause_ns));
}

static void drop_first(keyvalue_watch *w) {
    event *x = LIST_ENTRY(list_pop_front(&w->events), event, node);
    w->count--;
    w->bytes -= x->payload.len;
    buf_done(&x->payload);
    mem_free(x);
}

static void lose(const keyvalue_watch *w, status why) {
    if (w->options.on_lost != NULL) {
        w->options.on_lost(w->options.arg, "a write that it watches", why);
    }
}

static void on_ended(driver_delivery *d, status code, slice payload, const err *e) {
    keyvalue_watch *w = LIST_ENTRY(d, keyvalue_watch, delivery);
    (void)payload, (void)e;
    w->is_on_its_way = false;
    if (code == STATUS_LIMIT) { // it was not called
        pause_watch(w);
        return;
    }
    w->pause_ns = 0;
    if (code == STATUS_CLOSED || code == STATUS_UNSUPPORTED || code == STATUS_INVALID) {
        lose(w, code); // of the others the workload has its own line
    }
    drop_first(w);
    pump(w);
}

static void pump(keyvalue_watch *w) {
    if (w->is_on_its_way || list_empty(&w->events) || loop_timer_is_active(&w->pause)) {
        return;
    }
    const event *x = LIST_ENTRY(w->events.next, event, node);
    w->delivery = (driver_delivery){.interface = SLICE_LITERAL(WATCHER),
                                    .function = slice_from_text(x->is_delete ? "on-delete" : "on-set"),
                                    .payload = buf_slice(&x->payload),
                                    .deadline_ns = UINT64_MAX,
                                    .ended = on_ended};
    w->is_on_its_way = w->options.deliver(w->options.arg, &w->delivery, NULL) == STATUS_OK;
    if (!w->is_on_its_way) {
        pause_watch(w);
    }
}

// --- what was written --------------------------------------------------------------------------------------

static bool has_room(const keyvalue_watch *w, size_t bytes) {
    return w->count < EVENTS_MAX && (w->count == 0 || w->bytes + bytes <= BYTES_MAX);
}

static void add_event(keyvalue_watch *w, slice bucket, slice key, const slice *value) {
    event *x = MEM_NEW(event);
    buf_init(&x->payload, KEYVALUE_CALL_BYTES_MAX);
    values_writer v = values_writer_of(&x->payload);
    values_write_bytes(&v, bucket);
    values_write_string(&v, key);
    if (value != NULL) {
        values_write_bytes(&v, *value);
    }
    x->is_delete = value == NULL;
    if (values_write_end(&v, "event", NULL) != STATUS_OK || !has_room(w, x->payload.len)) {
        lose(w, STATUS_LIMIT);
        buf_done(&x->payload);
        mem_free(x);
        return;
    }
    list_push_back(&w->events, &x->node);
    w->count++;
    w->bytes += x->payload.len;
    pump(w);
}

static bool watches(const keyvalue_watch *w, slice bucket) {
    return slice_equal_text(w->buckets, "*") || (w->buckets.len > 0 && driver_list_has(w->buckets, bucket));
}

// `value` NULL: it was deleted.
static void tell(const keyvalue_watch *from, slice bucket, slice key, const slice *value) {
    for (list_node *n = from->feed->watchers.next; n != &from->feed->watchers; n = n->next) {
        keyvalue_watch *w = LIST_ENTRY(n, keyvalue_watch, node);
        if (watches(w, bucket)) {
            add_event(w, bucket, key, value);
        }
    }
}

void keyvalue_watch_tell(keyvalue_watch *w, const keyvalue_call *c, const keyvalue_answer *a) {
    char text[KEYVALUE_NUMBER_BYTES_MAX + 1];
    slice number = slice_empty();
    if (w == NULL || a->is_error || keyvalue_is_read(c->function)) {
        return;
    }
    switch (c->function) {
    case KEYVALUE_SET:
        tell(w, c->bucket, c->key, &c->value);
        break;
    case KEYVALUE_COMPARE_AND_SWAP:
        if (a->is_there) {
            tell(w, c->bucket, c->key, &c->value);
        }
        break;
    case KEYVALUE_INCREMENT:
    case KEYVALUE_INCREMENT_SIGNED:
        number = keyvalue_number_write((int64_t)a->number, text);
        tell(w, c->bucket, c->key, &number);
        break;
    case KEYVALUE_DELETE:
        tell(w, c->bucket, c->key, NULL);
        break;
    default: // set-many, delete-many
        for (size_t i = 0; i < c->count; i++) {
            const keyvalue_item *x = &c->items[i];
            tell(w, c->bucket, x->key, c->function == KEYVALUE_SET_MANY ? &x->value : NULL);
        }
        break;
    }
}

// --- the link ----------------------------------------------------------------------------------------------

status keyvalue_watch_open(const driver_environment *env, const driver_link_options *options,
                           keyvalue_limits *l, err *e) {
    slice name = slice_empty(), buckets = slice_empty();
    bool has_feed = driver_values_text(&options->settings, "feed", &name) == STATUS_OK && name.len > 0;
    (void)!driver_values_text(&options->settings, "watch", &buckets);
    if (!has_feed && buckets.len == 0) {
        return STATUS_OK;
    }
    if (buckets.len > 0 && options->deliver == NULL) {
        return err_set(e, STATUS_INVALID, "the setting watch needs a workload that can be called");
    }
    driver_environment alone = *env;
    alone.shared = has_feed ? env->shared : NULL;
    keyvalue_watch *w = MEM_NEW(keyvalue_watch);
    w->feed = (feed *)driver_share(&alone, &keyvalue_interfaces, name, sizeof(feed));
    if (w->feed->base.users == 1) {
        list_init(&w->feed->watchers);
    }
    w->options = *options;
    w->buckets = slice_of(mem_slice_dup(buckets), buckets.len);
    w->random = env->random;
    list_init(&w->events);
    loop_timer_init(&w->pause, env->l, on_pause_over, w);
    list_push_back(&w->feed->watchers, &w->node);
    l->watch = w;
    return STATUS_OK;
}

void keyvalue_watch_close(keyvalue_watch *w) {
    if (w == NULL) {
        return;
    }
    if (w->is_on_its_way) {
        w->options.deliver_cancel(w->options.arg, &w->delivery);
    }
    while (!list_empty(&w->events)) {
        drop_first(w);
    }
    loop_timer_stop(&w->pause);
    list_remove(&w->node);
    if (driver_unshare(&w->feed->base)) {
        driver_shared_free(&w->feed->base);
    }
    mem_free((void *)(uintptr_t)w->buckets.data);
    mem_free(w);
}
