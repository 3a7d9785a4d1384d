// SPDX-License-Identifier: Apache-2.0
// A message waits in the queue, or holds one of the places for handlers: while it is on its way, and while it
// rests before the next attempt, so that one that fails again and again does not let the others be tried as
// fast as they can fail. What was not begun goes back to where it was in the queue.
#include <stdio.h>

#include "base/mem.h"
#include "codec/utf.h"
#include "driver/messaging/messaging.h"

#define PAUSE_NS_MIN 5000000ull
#define PAUSE_NS_MAX 500000000ull
#define REST_NS_MIN 100000000ull
#define REST_NS_MAX 10000000000ull

typedef struct item {
    driver_delivery delivery; // first
    messaging_feed *feed;
    list_node node; // of waiting or running
    uint64_t number;
    bool is_running;
    bool is_on_its_way;
    uint64_t failures;
    loop_timer rest;
    size_t body_bytes;
    void *tag;
    slice reply_to; // in `payload`
    buf payload;
} item;

struct messaging_feed {
    messaging_feed_options options;
    list_node waiting; // in the order of their numbers
    list_node running;
    uint64_t next_number;
    size_t waiting_bytes;
    loop_timer pause; // nothing is started while it runs
    uint64_t pause_ns;
    messaging_feed_counters counters;
};

static void pump(messaging_feed *f);

static void on_pause_over(void *arg) { pump(arg); }

messaging_feed *messaging_feed_new(const messaging_feed_options *o) {
    messaging_feed *f = MEM_NEW(messaging_feed);
    f->options = *o;
    list_init(&f->waiting);
    list_init(&f->running);
    loop_timer_init(&f->pause, o->l, on_pause_over, f);
    return f;
}

// --- lists -------------------------------------------------------------------------------------------------

static void enqueue(messaging_feed *f, item *x) {
    list_node *at = &f->waiting; // before the first with a greater number, nearly always at the end
    while (at->prev != &f->waiting && LIST_ENTRY(at->prev, item, node)->number > x->number) {
        at = at->prev;
    }
    list_push_back(at, &x->node);
    x->is_running = false;
    f->counters.waiting++;
    f->waiting_bytes += x->body_bytes;
}

static void leave(item *x) {
    messaging_feed *f = x->feed;
    list_remove(&x->node);
    if (x->is_running) {
        f->counters.running--;
    } else {
        f->counters.waiting--;
        f->waiting_bytes -= x->body_bytes;
    }
}

static void free_item(item *x) {
    leave(x);
    loop_timer_stop(&x->rest);
    buf_done(&x->payload);
    mem_free(x);
}

static void settle(item *x, messaging_fate fate) {
    messaging_feed *f = x->feed;
    void *tag = x->tag;
    f->counters.handled += fate == MESSAGING_HANDLED;
    f->counters.dropped += fate == MESSAGING_DROPPED;
    free_item(x);
    if (f->options.settled != NULL) {
        f->options.settled(f->options.arg, tag, fate);
    }
}

// --- deliveries --------------------------------------------------------------------------------------------

static void pause_feed(messaging_feed *f) {
    f->pause_ns = f->pause_ns == 0 ? PAUSE_NS_MIN : f->pause_ns * 2;
    f->pause_ns = f->pause_ns > PAUSE_NS_MAX ? PAUSE_NS_MAX : f->pause_ns;
    loop_timer_start_in(&f->pause, driver_wait(&f->options.random, f->pause_ns));
}

static void put_back(item *x) {
    leave(x);
    enqueue(x->feed, x);
    pause_feed(x->feed);
}

// What a handler did wrong stands in the log of its workload.
static void give_up(item *x, status why) {
    const driver_link_options *o = x->feed->options.link;
    bool is_known = why == STATUS_OK || why == STATUS_TRAP || why == STATUS_TIMEOUT || why == STATUS_DENIED;
    if (o->on_lost != NULL && (!is_known || x->failures > 0)) {
        messaging_message m = {0};
        char subject[128], text[256];
        (void)!messaging_message_decode(buf_slice(&x->payload), &m, NULL);
        (void)snprintf(text, sizeof text, "a message for %s, at attempt %llu: %s",
                       utf8_shown(m.subject, subject, sizeof subject), (unsigned long long)x->failures + 1,
                       why == STATUS_OK ? "its handler answers with an error" : status_name(why));
        o->on_lost(o->arg, text, why == STATUS_OK ? STATUS_TRAP : why);
    }
    settle(x, MESSAGING_DROPPED);
}

static void on_failed(item *x, status why) {
    messaging_feed *f = x->feed;
    if (x->failures == f->options.settings->redeliver) {
        give_up(x, why);
        return;
    }
    uint64_t rest = REST_NS_MIN << (x->failures < 8 ? x->failures : 8);
    x->failures++;
    f->counters.redelivered++;
    loop_timer_start_in(&x->rest, driver_wait(&f->options.random, rest < REST_NS_MAX ? rest : REST_NS_MAX));
}

static void on_answered(item *x, slice payload) {
    bool is_error = true;
    slice error;
    status s = messaging_handled_decode(payload, &is_error, &error, NULL);
    x->feed->pause_ns = 0;
    if (s == STATUS_OK && !is_error) {
        settle(x, MESSAGING_HANDLED);
    } else {
        on_failed(x, s); // the worker has logged what the handler says
    }
}

static void on_ended(driver_delivery *d, status code, slice payload, const err *e) {
    (void)e;
    item *x = (item *)d;
    messaging_feed *f = x->feed;
    x->is_on_its_way = false;
    switch (code) {
    case STATUS_OK:
        on_answered(x, payload);
        break;
    case STATUS_LIMIT:
        put_back(x);
        break;
    case STATUS_DENIED:
    case STATUS_UNSUPPORTED:
    case STATUS_INVALID:
        give_up(x, code);
        break;
    default:
        on_failed(x, code);
        break;
    }
    pump(f);
}

static status start(item *x) {
    const driver_link_options *o = x->feed->options.link;
    if (o->deliver == NULL) {
        return STATUS_CLOSED;
    }
    x->delivery = (driver_delivery){.interface = SLICE_LITERAL(MESSAGING_HANDLER),
                                    .function = SLICE_LITERAL("handle-message"),
                                    .payload = buf_slice(&x->payload),
                                    .deadline_ns = UINT64_MAX,
                                    .ended = on_ended};
    status s = o->deliver(o->arg, &x->delivery, NULL);
    x->is_on_its_way = s == STATUS_OK;
    return s;
}

static void pump(messaging_feed *f) {
    while (!list_empty(&f->waiting) && !loop_timer_is_active(&f->pause) &&
           f->counters.running < f->options.settings->concurrency) {
        item *x = LIST_ENTRY(f->waiting.next, item, node);
        if (start(x) != STATUS_OK) {
            pause_feed(f);
            return;
        }
        leave(x);
        list_push_back(&f->running, &x->node);
        x->is_running = true;
        f->counters.running++;
    }
}

static void on_rested(void *arg) {
    item *x = arg;
    if (start(x) != STATUS_OK) {
        put_back(x);
    }
}

// --- in ----------------------------------------------------------------------------------------------------

bool messaging_feed_has_room(const messaging_feed *f, size_t body_bytes) {
    const messaging_settings *s = f->options.settings;
    return f->counters.waiting < s->queue_max &&
           (f->counters.waiting == 0 || // one of any length always fits
            (body_bytes <= s->queue_bytes_max && f->waiting_bytes <= s->queue_bytes_max - body_bytes));
}

status messaging_feed_put(messaging_feed *f, const messaging_message *m, void *tag, err *e) {
    if (!messaging_feed_has_room(f, m->body.len)) {
        return err_set(e, STATUS_LIMIT, "%u messages wait for the handler, which is the limit",
                       f->counters.waiting);
    }
    item *x = MEM_NEW(item);
    buf_init(&x->payload, MESSAGING_CALL_BYTES_MAX);
    status s = messaging_message_encode(m, &x->payload, e);
    if (s != STATUS_OK) {
        buf_done(&x->payload);
        mem_free(x);
        return s;
    }
    x->feed = f;
    x->number = f->next_number++;
    x->body_bytes = m->body.len;
    x->tag = tag;
    if (m->has_reply_to) { // its last part
        x->reply_to = slice_sub(buf_slice(&x->payload), x->payload.len - m->reply_to.len, x->payload.len);
    }
    loop_timer_init(&x->rest, f->options.l, on_rested, x);
    list_init(&x->node);
    enqueue(f, x);
    pump(f);
    return STATUS_OK;
}

static void move(item *x, messaging_feed *to) {
    loop_timer_stop(&x->rest);
    leave(x);
    x->feed = to;
    x->number = to->next_number++;
    enqueue(to, x);
}

static void move_list(list_node *list, messaging_feed *to, uintptr_t tags) {
    for (list_node *n = list->next, *next; n != list; n = next) {
        item *x = LIST_ENTRY(n, item, node);
        next = n->next;
        if (!x->is_on_its_way && (uintptr_t)x->tag < tags && messaging_feed_has_room(to, x->body_bytes)) {
            move(x, to);
        }
    }
}

void messaging_feed_move(messaging_feed *from, messaging_feed *to, uintptr_t tags) {
    move_list(&from->running, to, tags); // what rests before another attempt
    move_list(&from->waiting, to, tags);
    pump(to);
}

bool messaging_feed_is_asked(const messaging_feed *f, slice reply_to) {
    for (const list_node *n = f->running.next; n != &f->running; n = n->next) {
        const item *x = LIST_ENTRY(n, item, node);
        if (x->reply_to.len > 0 && slice_equal(x->reply_to, reply_to)) {
            return true;
        }
    }
    return false;
}

messaging_feed_counters messaging_feed_count(const messaging_feed *f) { return f->counters; }

static void free_all(messaging_feed *f, list_node *list) {
    while (!list_empty(list)) {
        item *x = LIST_ENTRY(list->next, item, node);
        if (x->is_on_its_way) {
            f->options.link->deliver_cancel(f->options.link->arg, &x->delivery);
        }
        free_item(x);
    }
}

void messaging_feed_free(messaging_feed *f) {
    if (f != NULL) {
        free_all(f, &f->running);
        free_all(f, &f->waiting);
        loop_timer_stop(&f->pause);
        mem_free(f);
    }
}
