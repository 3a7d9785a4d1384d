// SPDX-License-Identifier: Apache-2.0
// Messages within a process: who gets one is decided when it is published, and a list in the order of
// publishing is handed over in the next turn of the loop.
#include "bus/bus_local.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/jitter.h"
#include "base/mem.h"
#include "bus/bus_local_internal.h"

enum {
    PAYLOAD_BYTES = 1 << 20,
    SUBSCRIBER_BYTES = 64 << 20,
    QUEUED_BYTES = 256 << 20,
    STORED_BYTES = 256 << 20,
};

typedef struct local_message { // shared by its deliveries
    size_t refs;
    size_t cost; // bytes
    bus_message m;
    uint8_t bytes[];
} local_message;

typedef struct local_subscription {
    list_node node;
    list_node peers; // in the node of the subject
    bus_local *b;
    bus_subscription *s;
    subject_node *subject;
    subject_node *queue; // NULL = none
    list_node deliveries;
    size_t queued_bytes;
} local_subscription;

typedef struct local_delivery {
    list_node node;
    list_node of_subscription;
    local_subscription *to;
    local_message *message;
} local_delivery;

typedef struct local_request {
    bus_request *r;
    bus_local *b;
    uint64_t number;
    loop_timer deadline;
} local_request;

// --- publishing --------------------------------------------------------------------------------------------

static slice put(uint8_t **to, slice bytes) {
    slice copy = slice_of(*to, bytes.len);
    if (bytes.len > 0) {
        memcpy(*to, bytes.data, bytes.len);
    }
    *to += bytes.len;
    return copy;
}

static local_message *copy_message(bus_local *b, const bus_message *m) {
    size_t len = m->subject.len + m->reply.len + m->headers.len + m->payload.len;
    if (len > b->options.queued_bytes_max - b->queued_bytes) {
        return NULL;
    }
    local_message *copy = mem_try_alloc(sizeof *copy + len);
    if (copy != NULL) {
        uint8_t *to = copy->bytes;
        copy->refs = 0;
        copy->cost = sizeof *copy + len;
        copy->m.subject = put(&to, m->subject);
        copy->m.reply = put(&to, m->reply);
        copy->m.headers = put(&to, m->headers);
        copy->m.payload = put(&to, m->payload);
        b->queued_bytes += copy->cost;
    }
    return copy;
}

static void release_message(bus_local *b, local_message *m) {
    if (m->refs == 0) {
        b->queued_bytes -= m->cost;
        mem_free(m);
    }
}

typedef struct publishing {
    bus_local *b;
    const bus_message *m;
    local_message *copy; // NULL until somebody gets it
    bool was_heard;
    bool is_full;
} publishing;

static void queue_delivery(publishing *p, local_subscription *s) {
    bus_local *b = p->b;
    if (p->copy == NULL && !p->is_full) {
        p->copy = copy_message(b, p->m);
        p->is_full = p->copy == NULL;
    }
    if (p->is_full) {
        return;
    }
    if (s->queued_bytes + p->copy->cost > b->options.subscriber_bytes_max) {
        b->dropped++;
        return;
    }
    local_delivery *d = MEM_NEW(local_delivery);
    d->to = s;
    d->message = p->copy;
    p->copy->refs++;
    s->queued_bytes += p->copy->cost;
    list_push_back(&b->deliveries, &d->node);
    list_push_back(&s->deliveries, &d->of_subscription);
    loop_soon_add(b->base.loop, &b->soon);
}

static void deliver_or_choose(publishing *p, local_subscription *s) {
    bus_local *b = p->b;
    subject_node *queue = s->queue;
    p->was_heard = true;
    if (queue == NULL) {
        queue_delivery(p, s);
        return;
    }
    if (queue->round != b->round) {
        queue->round = b->round;
        queue->count = 0;
    }
    // Of those seen so far each is the one with the same chance.
    if (jitter_next(&b->random) % ++queue->count == 0) {
        queue->chosen = s;
    }
}

static void on_match(void *arg, subject_node *n) {
    for (list_node *i = n->items.next; i != &n->items; i = i->next) {
        deliver_or_choose(arg, LIST_ENTRY(i, local_subscription, peers));
    }
}

static void on_match_again(void *arg, subject_node *n) {
    for (list_node *i = n->items.next; i != &n->items; i = i->next) {
        local_subscription *s = LIST_ENTRY(i, local_subscription, peers);
        if (s->queue != NULL && s->queue->chosen == s) {
            s->queue->chosen = NULL;
            queue_delivery(arg, s);
        }
    }
}

static status send_to_all(bus_local *b, const bus_message *m, bool *ret_was_heard, err *e) {
    publishing p = {.b = b, .m = m};
    b->round++;
    subject_index_match(&b->subjects, m->subject, on_match, &p);
    if (p.was_heard && b->queues.count > 0) {
        subject_index_match(&b->subjects, m->subject, on_match_again, &p);
    }
    if (p.copy != NULL) {
        release_message(b, p.copy);
    }
    if (p.is_full) {
        return err_set(e, STATUS_LIMIT, "messages of more than %zu bytes wait on the bus",
                       b->options.queued_bytes_max);
    }
    *ret_was_heard = p.was_heard;
    return STATUS_OK;
}

static status publish(bus *base, const bus_message *m, err *e) {
    static const char nobody[] = "NATS/1.0 503\r\n\r\n";
    bus_local *b = bus_local_of(base);
    bool was_heard = true;
    TRY(send_to_all(b, m, &was_heard, e));
    if (was_heard || m->reply.len == 0) {
        return STATUS_OK;
    }
    const bus_message answer = {.subject = m->reply, .headers = slice_from_text(nobody)};
    return send_to_all(b, &answer, &was_heard, e);
}

// --- handing over ------------------------------------------------------------------------------------------

static void drop_delivery(bus_local *b, local_delivery *d) {
    list_remove(&d->node);
    list_remove(&d->of_subscription);
    d->to->queued_bytes -= d->message->cost;
    d->message->refs--;
    release_message(b, d->message);
    mem_free(d);
}

static void hand_over(bus_local *b, local_delivery *d) {
    local_message *m = d->message;
    bus_subscription *s = d->to->s;
    m->refs++;
    drop_delivery(b, d);
    s->on_message(s->arg, s, &m->m);
    m->refs--;
    release_message(b, m);
}

// What is published meanwhile waits for the next turn.
static void on_soon(void *arg) {
    bus_local *b = arg;
    list_node end;
    b->holds++;
    list_push_back(&b->deliveries, &end);
    while (b->deliveries.next != &end) {
        hand_over(b, LIST_ENTRY(b->deliveries.next, local_delivery, node));
    }
    list_remove(&end);
    bus_local_release(b);
}

// --- subscriptions -----------------------------------------------------------------------------------------

static status subscribe(bus *base, bus_subscription *s, slice subject, slice queue, err *e) {
    bus_local *b = bus_local_of(base);
    if (b->subscription_count == BUS_LOCAL_SUBSCRIPTIONS_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d subscriptions", BUS_LOCAL_SUBSCRIPTIONS_MAX);
    }
    local_subscription *x = MEM_NEW(local_subscription);
    x->b = b;
    x->s = s;
    x->subject = subject_index_take(&b->subjects, subject);
    x->queue = queue.len > 0 ? subject_index_take(&b->queues, queue) : NULL;
    list_init(&x->deliveries);
    list_push_back(&x->subject->items, &x->peers);
    list_push_back(&b->subscriptions, &x->node);
    b->subscription_count++;
    s->impl = x;
    return STATUS_OK;
}

static void unsubscribe(bus_subscription *s) {
    local_subscription *x = s->impl;
    bus_local *b = x->b;
    while (!list_empty(&x->deliveries)) {
        drop_delivery(b, LIST_ENTRY(x->deliveries.next, local_delivery, of_subscription));
    }
    list_remove(&x->peers);
    list_remove(&x->node);
    b->subscription_count--;
    subject_index_give(&b->subjects, x->subject);
    if (x->queue != NULL) {
        subject_index_give(&b->queues, x->queue);
    }
    mem_free(x);
}

// --- requests ----------------------------------------------------------------------------------------------

static slice inbox(bus *base, char ret[BUS_INBOX_BYTES_MAX]) {
    bus_local *b = bus_local_of(base);
    int len = snprintf(ret, BUS_INBOX_BYTES_MAX, "%s.m.%" PRIu64, b->inbox, ++b->inbox_count);
    return slice_of(ret, (size_t)len);
}

static void forget_request(local_request *x) {
    nats_table_remove(&x->b->requests, x->number);
    loop_timer_stop(&x->deadline);
    mem_free(x);
}

static void request_cancel(bus_request *r) { forget_request(r->impl); }

static void end_request(local_request *x, const bus_result *result) {
    bus_request *r = x->r;
    forget_request(x);
    void (*ended)(void *, const bus_result *) = r->ended;
    void *arg = r->arg;
    *r = (bus_request){0};
    ended(arg, result);
}

static void on_deadline(void *arg) {
    end_request(arg, &(bus_result){.code = STATUS_TIMEOUT, .text = "no answer in time"});
}

static void on_answer(void *arg, bus_subscription *s, const bus_message *m) {
    bus_local *b = arg;
    size_t prefix = strlen(b->inbox) + 1;
    uint64_t number;
    (void)s;
    if (!slice_to_u64(slice_sub(m->subject, prefix, m->subject.len), &number)) {
        return;
    }
    local_request *x = nats_table_find(&b->requests, number);
    if (x == NULL) {
        return; // came late
    }
    if (bus_nobody_listens(m)) {
        end_request(x, &(bus_result){.code = STATUS_NOT_FOUND, .text = "nobody listens on the subject"});
    } else {
        end_request(x, &(bus_result){.code = STATUS_OK, .message = *m});
    }
}

static status request(bus *base, bus_request *r, const bus_message *m, uint64_t deadline_ns, err *e) {
    bus_local *b = bus_local_of(base);
    char room[BUS_INBOX_BYTES_MAX];
    bus_message sent = *m;
    local_request *x = MEM_NEW(local_request);
    if (nats_table_add(&b->requests, x, &x->number) != STATUS_OK) {
        mem_free(x);
        return err_set(e, STATUS_LIMIT, "more than %d requests are on their way", BUS_LOCAL_REQUESTS_MAX);
    }
    int len = snprintf(room, sizeof room, "%s.%" PRIu64, b->inbox, x->number);
    sent.reply = slice_of(room, (size_t)len);
    x->r = r;
    x->b = b;
    loop_timer_init(&x->deadline, base->loop, on_deadline, x);
    status code = publish(base, &sent, e);
    if (code != STATUS_OK) {
        forget_request(x);
        return code;
    }
    if (deadline_ns != UINT64_MAX) {
        loop_timer_start_at(&x->deadline, deadline_ns);
    }
    r->impl = x;
    return STATUS_OK;
}

// --- life --------------------------------------------------------------------------------------------------

static bool is_up(const bus *base) {
    (void)base;
    return true;
}
static size_t payload_max(const bus *base) { return ((const bus_local *)base)->options.payload_bytes_max; }
static uint64_t dropped(const bus *base) { return ((const bus_local *)base)->dropped; }

void bus_local_release(bus_local *b) {
    if (--b->holds > 0 || !b->is_freed) {
        return;
    }
    bus_local_kv_done(b);
    subject_index_done(&b->subjects);
    subject_index_done(&b->queues);
    nats_table_done(&b->requests);
    mem_free(b);
}

static void free_bus(bus *base) {
    bus_local *b = bus_local_of(base);
    CHECK(!b->is_freed);
    b->is_freed = true;
    bus_local_kv_stop(b);
    for (uint32_t i = 0; i < b->requests.count; i++) {
        local_request *x = b->requests.places[i].item;
        if (x != NULL) {
            bus_request_cancel(x->r);
        }
    }
    while (!list_empty(&b->subscriptions)) {
        bus_unsubscribe(LIST_ENTRY(b->subscriptions.next, local_subscription, node)->s);
    }
    loop_soon_cancel(&b->soon);
    b->holds++;
    bus_local_release(b);
}

static void fill_defaults(bus_local_options *o) {
    o->payload_bytes_max = o->payload_bytes_max == 0 ? PAYLOAD_BYTES : o->payload_bytes_max;
    o->subscriber_bytes_max = o->subscriber_bytes_max == 0 ? SUBSCRIBER_BYTES : o->subscriber_bytes_max;
    o->queued_bytes_max = o->queued_bytes_max == 0 ? QUEUED_BYTES : o->queued_bytes_max;
    o->stored_bytes_max = o->stored_bytes_max == 0 ? STORED_BYTES : o->stored_bytes_max;
}

static status start(bus_local *b, err *e) {
    char all[sizeof b->inbox + 2];
    snprintf(all, sizeof all, "%s.*", b->inbox);
    TRY(bus_local_kv_init(b, e));
    return bus_subscribe(&b->base, &b->answers, slice_from_text(all), slice_empty(), on_answer, b, e);
}

status bus_local_new(const bus_local_options *options, bus **ret, err *e) {
    static const bus_ops ops = {.free = free_bus,
                                .is_up = is_up,
                                .payload_max = payload_max,
                                .dropped = dropped,
                                .inbox = inbox,
                                .publish = publish,
                                .subscribe = subscribe,
                                .unsubscribe = unsubscribe,
                                .request = request,
                                .request_cancel = request_cancel,
                                .kv_open = bus_local_kv_open,
                                .kv_get = bus_local_kv_get,
                                .kv_change = bus_local_kv_change,
                                .kv_cancel = bus_local_kv_cancel,
                                .watch = bus_local_watch,
                                .watch_stop = bus_local_watch_stop};
    bus_local *b = MEM_NEW(bus_local);
    bus_init(&b->base, &ops, options->l);
    b->options = *options;
    fill_defaults(&b->options);
    b->random = options->random;
    b->hash_key = (siphash_key){jitter_next(&b->random), jitter_next(&b->random)};
    nats_name_inbox(&b->random, b->inbox);
    subject_index_init(&b->subjects, b->hash_key);
    subject_index_init(&b->queues, b->hash_key);
    nats_table_init(&b->requests, BUS_LOCAL_REQUESTS_MAX);
    list_init(&b->subscriptions);
    list_init(&b->deliveries);
    loop_soon_init(&b->soon, on_soon, b);
    status code = start(b, e);
    if (code != STATUS_OK) {
        bus_free(&b->base);
        return code;
    }
    *ret = &b->base;
    return STATUS_OK;
}
