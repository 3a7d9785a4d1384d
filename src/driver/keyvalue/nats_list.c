// SPDX-License-Identifier: Apache-2.0
// list-keys: a consumer of the server gives the messages of the stream without their values, from the cursor
// on, which is a message's number. It is made for one page and removed behind it (or by the server, when it
// is not).
#include <inttypes.h>
#include <stdio.h>

#include "base/jitter.h"
#include "driver/keyvalue/nats_store.h"
#include "driver/nats_names.h"

typedef struct listing { // in the arena of the call
    nats_task *op;
    nats_subscription answers;
    char inbox[NATS_INBOX_BYTES_MAX];
    char consumer[24];
    keyvalue_item *items;
    size_t count;
    size_t left; // messages of this round
    uint64_t from;
    uint64_t last; // the number of the last message that came
    uint64_t pending;
} listing;

void nats_task_list_drop(nats_task *x) {
    listing *l = x->extra;
    if (l != NULL) {
        nats_unsubscribe(&l->answers);
    }
}

static int api(const listing *l, const char *verb, char *ret, size_t size) {
    return snprintf(ret, size, "$JS.API.CONSUMER.%s.KV_%s.%s", verb, l->op->bucket->name, l->consumer);
}

static void finish(listing *l) {
    nats_task *x = l->op;
    char subject[NATS_BUCKET_BYTES_MAX + 96];
    const nats_message m = {.subject = slice_of(subject, (size_t)api(l, "DELETE", subject, sizeof subject))};
    (void)!nats_publish(x->link->client, &m, NULL);
    nats_task_reply(
        x, &(keyvalue_answer){
               .items = l->items, .count = l->count, .has_cursor = l->pending > 0, .cursor = l->last + 1});
}

// --- rounds ------------------------------------------------------------------------------------------------

static void next_round(listing *l) {
    nats_task *x = l->op;
    char subject[NATS_BUCKET_BYTES_MAX + 96];
    char text[64];
    size_t room = KEYVALUE_PAGE_KEYS_MAX - l->count;
    l->left = l->pending < room ? (size_t)l->pending : room;
    int len = snprintf(text, sizeof text, "{\"batch\":%zu,\"no_wait\":true}", l->left);
    const nats_message m = {.subject = slice_of(subject, (size_t)api(l, "MSG.NEXT", subject, sizeof subject)),
                            .reply = slice_from_text(l->inbox),
                            .payload = slice_of(text, (size_t)len)};
    err e;
    status code = nats_publish(x->link->client, &m, &e);
    if (code != STATUS_OK) {
        nats_task_fail(x, code, e.message);
    }
}

static void take_key(listing *l, const nats_message *m) {
    keyvalue_request *q = l->op->q;
    slice operation;
    size_t prefix = strlen("$KV..") + strlen(l->op->bucket->name);
    slice key;
    if (l->last >= l->from && !nats_headers_find(m->headers, "KV-Operation", &operation) &&
        m->subject.len > prefix &&
        nats_key_read(slice_sub(m->subject, prefix, m->subject.len), &q->memory, &key)) {
        l->items[l->count++].key = key;
    }
}

static void on_message(void *arg, nats_subscription *s, const nats_message *m) {
    listing *l = arg;
    jetstream_place at;
    slice text;
    (void)s;
    if (nats_headers_status(m->headers, &text) != 0) { // the server has no more for this round
        finish(l);
        return;
    }
    if (l->left == 0 || !jetstream_read_place(m->reply, &at)) {
        nats_task_fail(l->op, STATUS_IO, "the server listed something that is no message of the bucket");
        return;
    }
    l->last = at.sequence;
    l->pending = at.pending;
    take_key(l, m);
    if (l->pending == 0) {
        finish(l);
    } else if (--l->left == 0) {
        if (l->count == KEYVALUE_PAGE_KEYS_MAX) {
            finish(l);
        } else {
            next_round(l);
        }
    }
}

// --- the consumer ------------------------------------------------------------------------------------------

static void begin_rounds(listing *l) {
    nats_task *x = l->op;
    err e;
    slice inbox = nats_inbox(x->link->client, l->inbox);
    status code = nats_subscribe(x->link->client, &l->answers, inbox, slice_empty(), 0, on_message, l, &e);
    if (code != STATUS_OK) {
        nats_task_fail(x, code, e.message);
        return;
    }
    list_push_back(&x->link->lists, &x->q->node);
    next_round(l);
}

static void on_consumer(void *arg, const nats_result *r) {
    listing *l = arg;
    nats_task *x = l->op;
    jetstream_fault fault;
    err e;
    if (r->code == STATUS_NOT_FOUND) {
        nats_task_again(x);
    } else if (r->code != STATUS_OK) {
        nats_task_failed(x, r);
    } else if (jetstream_read_consumer(r->message.payload, &fault, &l->pending, &e) != STATUS_OK) {
        nats_task_fail(x, STATUS_IO, e.message);
    } else if (fault.number == JETSTREAM_NO_STREAM) {
        nats_task_again(x);
    } else if (fault.number != 0) {
        nats_task_fault(x, &fault);
    } else if (l->pending == 0) {
        finish(l);
    } else {
        begin_rounds(l);
    }
}

static status make_consumer(listing *l, err *e) {
    nats_task *x = l->op;
    char subject[NATS_BUCKET_BYTES_MAX + 96];
    char start[80];
    char config[NATS_BUCKET_BYTES_MAX + 512];
    if (x->bucket->has_history) { // older values of a key do not count
        snprintf(start, sizeof start, "\"deliver_policy\":\"last_per_subject\"");
    } else {
        snprintf(start, sizeof start, "\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":%" PRIu64,
                 l->from);
    }
    int len = snprintf(config, sizeof config,
                       "{\"stream_name\":\"KV_%s\",\"config\":{\"name\":\"%s\",%s,\"filter_subject\":\"$KV.%"
                       "s.>\",\"ack_policy\":\"none\","
                       "\"replay_policy\":\"instant\",\"headers_only\":true,\"mem_storage\":true,"
                       "\"num_replicas\":1,\"inactive_threshold\":10000000000}}",
                       x->bucket->name, l->consumer, start, x->bucket->name);
    const nats_message m = {.subject = slice_of(subject, (size_t)api(l, "CREATE", subject, sizeof subject)),
                            .payload = slice_of(config, (size_t)len)};
    return nats_request_start(x->link->client, &x->request, &m, UINT64_MAX, on_consumer, l, e);
}

void nats_task_list(nats_task *x) {
    listing *l = ARENA_NEW(&x->q->memory, listing);
    keyvalue_item *items = ARENA_ARRAY(&x->q->memory, keyvalue_item, KEYVALUE_PAGE_KEYS_MAX);
    err e;
    if (l == NULL || items == NULL) {
        nats_task_fail(x, STATUS_LIMIT, "no memory for a list");
        return;
    }
    uint64_t from = x->q->call.has_cursor ? x->q->call.cursor : 1;
    *l = (listing){.op = x, .items = items, .from = from > 0 && from <= INT64_MAX ? from : 1};
    snprintf(l->consumer, sizeof l->consumer, "writ%016" PRIx64, jitter_next(&x->link->base.random));
    x->extra = l;
    status code = make_consumer(l, &e);
    if (code != STATUS_OK) {
        nats_task_fail(x, code, e.message);
    }
}
