// SPDX-License-Identifier: Apache-2.0
// Watches of the bus over NATS: a consumer that the server pushes from, made anew whenever it is not certain
// that everything has come.
#include <stdio.h>

#include "base/jitter.h"
#include "base/mem.h"
#include "bus/bus_nats_internal.h"
#include "bus/nats_parse.h"

enum { SILENCES_MAX = 3, STATUS_CONTROL = 100, CONFIG_BYTES = 1024 };

static const uint64_t answer_ns_max = 2000000000;
static const uint64_t retry_ns_min = 100000000;
static const uint64_t retry_ns_max = 2000000000;

typedef struct watch {
    list_node node;
    bus_nats *b;
    bus_kv_watch *w;
    nats_subscription sub;
    nats_request making;
    loop_timer timer; // of the next attempt, or of the server's silence
    uint64_t retry_ns;
    uint64_t number; // of messages of this consumer
    bool is_made;    // the consumer, or a message of it has come
    bool is_caught_up;
    bool was_told;      // something, by an earlier consumer
    bool has_restarted; // this consumer has told so
    char bucket[BUS_BUCKET_BYTES_MAX + 1];
} watch;

static void begin_anew(watch *x);

// --- telling -----------------------------------------------------------------------------------------------

// False when it was stopped by the callback.
static bool tell_restarted(watch *x) {
    if (!x->was_told || x->has_restarted) {
        x->was_told = x->has_restarted = true;
        return true;
    }
    bus_nats *b = x->b;
    x->has_restarted = true;
    b->told = x;
    x->w->restarted(x->w->arg);
    return b->told == x;
}

static bool tell_entry(watch *x, const bus_kv_entry *entry) {
    bus_nats *b = x->b;
    b->told = x;
    x->w->entry(x->w->arg, entry);
    return b->told == x;
}

static void tell_caught_up(watch *x) {
    if (!x->is_caught_up && tell_restarted(x)) {
        x->is_caught_up = true;
        x->retry_ns = retry_ns_min;
        x->w->caught_up(x->w->arg);
    }
}

// --- the consumer ------------------------------------------------------------------------------------------

static void silence_starts(watch *x) { loop_timer_start_in(&x->timer, SILENCES_MAX * x->b->heartbeat_ns); }

static void drop_consumer(watch *x) {
    nats_unsubscribe(&x->sub);
    nats_request_cancel(&x->making);
    loop_timer_stop(&x->timer);
    x->number = 0;
    x->is_made = x->is_caught_up = x->has_restarted = false;
}

// Ends this consumer and plans the next.
static void fail(watch *x, status code, const char *text) {
    drop_consumer(x);
    loop_timer_start_in(&x->timer, jitter_wait(&x->b->random, x->retry_ns));
    x->retry_ns = 2 * x->retry_ns < retry_ns_max ? 2 * x->retry_ns : retry_ns_max;
    x->w->failed(x->w->arg, code, text);
}

// The server's word about the consumer itself. Which number is the last tells whether all have come.
static void on_control(watch *x, const nats_message *m) {
    slice value;
    uint64_t last;
    if (m->reply.len > 0 || nats_headers_find(m->headers, "Nats-Consumer-Stalled", &value)) {
        const nats_message go_on = {.subject = m->reply.len > 0 ? m->reply : value};
        (void)!nats_publish(x->b->client, &go_on, NULL);
    }
    if (!nats_headers_find(m->headers, "Nats-Last-Consumer", &value) || !slice_to_u64(value, &last)) {
        return;
    }
    if (last != x->number) {
        begin_anew(x);
    } else if (x->is_made) {
        tell_caught_up(x); // nothing waits there
    }
}

static bool read_entry(const watch *x, const nats_message *m, uint64_t sequence, bus_kv_entry *ret) {
    size_t prefix = sizeof "$KV.." - 1 + strlen(x->bucket);
    *ret = (bus_kv_entry){.key = slice_sub(m->subject, prefix, m->subject.len),
                          .value = m->payload,
                          .revision = sequence,
                          .kind = bus_nats_kind(m->headers),
                          .headers = m->headers};
    ret->value = ret->kind == BUS_KV_PUT ? ret->value : slice_empty();
    // What others may have put there, and no host can have.
    return m->subject.len > prefix && bus_key_is_valid(ret->key);
}

static void on_entry(watch *x, const nats_message *m, const jetstream_place *at) {
    bus_kv_entry entry;
    bool is_good = read_entry(x, m, at->sequence, &entry);
    if (!tell_restarted(x)) {
        return;
    }
    bool is_told = is_good && !m->is_cut && (x->is_caught_up || entry.kind == BUS_KV_PUT);
    if (is_told && !tell_entry(x, &entry)) {
        return;
    }
    if (m->is_cut) {
        bus_nats *b = x->b;
        b->told = x;
        x->w->failed(x->w->arg, STATUS_LIMIT, "a value is longer than is taken");
        if (b->told != x) {
            return;
        }
    }
    if (at->pending == 0) {
        tell_caught_up(x);
    }
}

static void on_message(void *arg, nats_subscription *s, const nats_message *m) {
    watch *x = arg;
    bus_nats *b = x->b;
    jetstream_place at;
    slice text;
    (void)s;
    b->holds++;
    silence_starts(x);
    if (!m->is_cut && nats_headers_status(m->headers, &text) == STATUS_CONTROL) {
        on_control(x, m);
    } else if (jetstream_read_place(m->reply, &at)) {
        x->is_made = true;
        if (at.number == ++x->number) {
            on_entry(x, m, &at);
        } else {
            begin_anew(x); // one was lost
        }
    }
    b->told = NULL;
    bus_nats_release(b);
}

static void on_made(void *arg, const nats_result *r) {
    watch *x = arg;
    bus_nats *b = x->b;
    const char *why = r->text;
    status code = bus_nats_unanswered(r->code, &why);
    jetstream_fault fault = {0};
    uint64_t pending = 0;
    err e;
    if (code == STATUS_OK) {
        code = jetstream_read_consumer(r->message.payload, &fault, &pending, &e);
        why = e.message;
    }
    if (code == STATUS_OK && fault.number != 0) {
        code = bus_nats_fault(&fault);
        why = fault.number == JETSTREAM_NO_STREAM ? "there is no such bucket" : fault.text;
    }
    b->holds++;
    if (code != STATUS_OK) {
        fail(x, code, why);
    } else {
        x->is_made = true;
        if (pending == 0 && x->number == 0) {
            tell_caught_up(x);
        }
    }
    b->told = NULL;
    bus_nats_release(b);
}

static status make_consumer(watch *x, err *e) {
    char room[NATS_INBOX_BYTES_MAX];
    char subject[BUS_NATS_SUBJECT_BYTES];
    char config[CONFIG_BYTES];
    slice inbox = nats_inbox(x->b->client, room);
    TRY(nats_subscribe(x->b->client, &x->sub, inbox, slice_empty(), 0, on_message, x, e));
    x->sub.takes_cut = true;
    int len =
        snprintf(config, sizeof config,
                 "{\"stream_name\":\"KV_%s\",\"config\":{\"deliver_subject\":\"%.*s\",\"deliver_policy\":"
                 "\"last_per_subject\",\"ack_policy\":\"none\",\"max_deliver\":1,\"filter_subject\":"
                 "\"$KV.%s.>\",\"replay_policy\":\"instant\",\"flow_control\":true,\"idle_heartbeat\":%llu,"
                 "\"num_replicas\":1,\"mem_storage\":true}}",
                 x->bucket, SLICE_ARG(inbox), x->bucket, (unsigned long long)x->b->heartbeat_ns);
    snprintf(subject, sizeof subject, "%sCONSUMER.CREATE.KV_%s", x->b->api, x->bucket);
    const nats_message m = {.subject = slice_from_text(subject), .payload = slice_of(config, (size_t)len)};
    return nats_request_start(x->b->client, &x->making, &m, loop_now_ns(x->b->base.loop) + answer_ns_max,
                              on_made, x, e);
}

// From the loop.
static void begin_anew(watch *x) {
    err e;
    drop_consumer(x);
    status code = make_consumer(x, &e);
    if (code == STATUS_CLOSED) {
        drop_consumer(x); // goes on with the next connection
    } else if (code != STATUS_OK) {
        fail(x, code, e.message);
    } else {
        silence_starts(x);
    }
}

static void on_timer(void *arg) { begin_anew(arg); }

// --- life --------------------------------------------------------------------------------------------------

void bus_nats_watches_up(bus_nats *b) {
    for (list_node *n = b->watches.next; n != &b->watches; n = n->next) {
        watch *x = LIST_ENTRY(n, watch, node);
        drop_consumer(x);
        loop_timer_start_in(&x->timer, 0);
    }
}

void bus_nats_watches_down(bus_nats *b) {
    for (list_node *n = b->watches.next; n != &b->watches; n = n->next) {
        drop_consumer(LIST_ENTRY(n, watch, node));
    }
}

status bus_nats_watch(bus *base, bus_kv_watch *w, slice bucket, err *e) {
    bus_nats *b = bus_nats_of(base);
    if (b->watch_count == BUS_NATS_WATCHES_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d watch buckets", BUS_NATS_WATCHES_MAX);
    }
    watch *x = MEM_NEW(watch);
    x->b = b;
    x->w = w;
    x->retry_ns = retry_ns_min;
    memcpy(x->bucket, bucket.data, bucket.len);
    loop_timer_init(&x->timer, base->loop, on_timer, x);
    list_push_back(&b->watches, &x->node);
    b->watch_count++;
    w->impl = x;
    if (bus_is_up(base)) {
        loop_timer_start_in(&x->timer, 0);
    }
    return STATUS_OK;
}

void bus_nats_watch_stop(bus_kv_watch *w) {
    watch *x = w->impl;
    bus_nats *b = x->b;
    if (b->told == x) {
        b->told = NULL;
    }
    drop_consumer(x);
    list_remove(&x->node);
    b->watch_count--;
    mem_free(x);
}

void bus_nats_watches_stop(bus_nats *b) {
    while (!list_empty(&b->watches)) {
        bus_kv_watch_stop(LIST_ENTRY(b->watches.next, watch, node)->w);
    }
}
