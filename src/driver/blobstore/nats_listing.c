// SPDX-License-Identifier: Apache-2.0
// Listing: a consumer of the server gives what is kept of each object, and the names that come next behind
// the cursor, in the order of their bytes, are the page. So an object that is written while others are listed
// is named once, and the price is that each page looks at all of the container's objects.
#include <inttypes.h>
#include <stdio.h>

#include "base/jitter.h"
#include "base/mem.h"
#include "driver/blobstore/nats_objects.h"

enum { ROUND_MAX = 1000, SUBJECT_BYTES = 512 };

typedef struct listing {
    nats_job *job;
    nats_subscription answers;
    char inbox[NATS_INBOX_BYTES_MAX];
    char consumer[NATS_BUCKET_BYTES_MAX + 32]; // behind the name of the container
    uint64_t left;                             // of this round
    uint64_t pending;
    bool has_more; // names that did not find room
    size_t count;
    slice names[]; // sorted; each one's bytes are its own
} listing;

void nats_listing_drop(nats_job *j) {
    listing *l = j->listing;
    j->listing = NULL;
    if (l == NULL) {
        return;
    }
    nats_unsubscribe(&l->answers);
    for (size_t i = 0; i < l->count; i++) {
        mem_free((void *)l->names[i].data);
    }
    mem_free(l);
}

static void finish(listing *l) {
    nats_job *j = l->job;
    char subject[SUBJECT_BYTES];
    int len = snprintf(subject, sizeof subject, "$JS.API.CONSUMER.DELETE.OBJ_%s", l->consumer);
    const nats_message m = {.subject = slice_of(subject, (size_t)len)};
    (void)!nats_publish(j->link->client, &m, NULL);
    nats_job_reply(j, &(blobstore_answer){.names = l->names,
                                          .count = l->count,
                                          .has_cursor = l->has_more,
                                          .cursor = l->has_more ? l->names[l->count - 1] : slice_empty()});
}

// --- names -------------------------------------------------------------------------------------------------

// Where the name stands, or would.
static size_t place_of(const listing *l, slice name) {
    size_t low = 0;
    size_t high = l->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(l->names[middle], name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void add(listing *l, slice name) {
    const blobstore_call *c = nats_job_call(l->job);
    size_t at = place_of(l, name);
    if ((c->has_cursor && slice_compare(name, c->cursor) <= 0) ||
        (at < l->count && slice_equal(l->names[at], name))) {
        return;
    }
    l->has_more = l->has_more || l->count == c->limit;
    if (at == c->limit) {
        return;
    }
    if (l->count == c->limit) {
        mem_free((void *)l->names[--l->count].data);
    }
    memmove(l->names + at + 1, l->names + at, (l->count - at) * sizeof l->names[0]);
    l->names[at] = slice_of(mem_slice_dup(name), name.len);
    l->count++;
}

static void take(listing *l, const nats_message *m) {
    nats_meta meta;
    auto_buf name = {0};
    buf_init(&name, 2 * BLOBSTORE_OBJECT_BYTES_MAX);
    if (nats_meta_read(m->payload, &meta, NULL) == STATUS_OK && meta.is_there &&
        nats_meta_name(l->job->from.bucket, m->subject, &name) == STATUS_OK) {
        add(l, buf_slice(&name));
    }
}

// --- rounds ------------------------------------------------------------------------------------------------

static void next_round(listing *l) {
    nats_job *j = l->job;
    char subject[SUBJECT_BYTES];
    char text[64];
    err e;
    l->left = l->pending < ROUND_MAX ? l->pending : ROUND_MAX;
    int subject_len = snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.OBJ_%s", l->consumer);
    int len = snprintf(text, sizeof text, "{\"batch\":%" PRIu64 ",\"no_wait\":true}", l->left);
    const nats_message m = {.subject = slice_of(subject, (size_t)subject_len),
                            .reply = slice_from_text(l->inbox),
                            .payload = slice_of(text, (size_t)len)};
    status code = nats_publish(j->link->client, &m, &e);
    if (code != STATUS_OK) {
        nats_job_fail(j, code, e.message);
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
        nats_job_fail(l->job, STATUS_IO, "the server listed something that is no object");
        return;
    }
    l->pending = at.pending;
    take(l, m);
    if (l->pending == 0) {
        finish(l);
    } else if (--l->left == 0) {
        next_round(l);
    }
}

static void on_consumer(nats_job *j, const nats_message *m) {
    listing *l = j->listing;
    jetstream_fault fault;
    err e;
    if (jetstream_read_consumer(m->payload, &fault, &l->pending, &e) != STATUS_OK) {
        nats_job_fail(j, STATUS_IO, e.message);
    } else if (fault.number != 0) {
        nats_job_fault(j, &fault);
    } else if (l->pending == 0) {
        finish(l);
    } else {
        slice inbox = nats_inbox(j->link->client, l->inbox);
        status code =
            nats_subscribe(j->link->client, &l->answers, inbox, slice_empty(), 0, on_message, l, &e);
        if (code != STATUS_OK) {
            nats_job_fail(j, code, e.message);
        } else {
            next_round(l);
        }
    }
}

void nats_job_list(nats_job *j) {
    size_t limit = nats_job_call(j)->limit;
    const char *bucket = j->from.bucket;
    char config[2 * NATS_BUCKET_BYTES_MAX + 512];
    char name[24];
    listing *l = mem_zalloc(sizeof *l + limit * sizeof l->names[0]);
    l->job = j;
    j->listing = l;
    snprintf(name, sizeof name, "writ%016" PRIx64, jitter_next(&j->link->base.random));
    snprintf(l->consumer, sizeof l->consumer, "%s.%s", bucket, name);
    int len =
        snprintf(config, sizeof config,
                 "{\"stream_name\":\"OBJ_%s\",\"config\":{\"name\":\"%s\",\"filter_subject\":\"$O.%s.M.>\","
                 "\"deliver_policy\":\"last_per_subject\",\"ack_policy\":\"none\","
                 "\"replay_policy\":\"instant\",\"mem_storage\":true,\"num_replicas\":1,"
                 "\"inactive_threshold\":10000000000}}",
                 bucket, name, bucket);
    nats_job_ask(j, "CONSUMER.CREATE", l->consumer, slice_of(config, (size_t)len), on_consumer);
}
