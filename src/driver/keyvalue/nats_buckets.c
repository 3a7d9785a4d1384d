// SPDX-License-Identifier: Apache-2.0
// Which buckets there are: asked once for a connection, made when something is to be written.
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "driver/keyvalue/nats_store.h"
#include "driver/nats_names.h"

static void ask(nats_bucket *b);

// --- finding -----------------------------------------------------------------------------------------------

static void free_bucket(nats_bucket *b) {
    CHECK(list_empty(&b->waiting));
    nats_request_cancel(&b->request);
    list_remove(&b->node);
    b->link->bucket_count--;
    mem_free(b);
}

// The one that was used longest ago, and that nobody uses now.
static void make_room(driver_link *k) {
    for (list_node *n = k->buckets.next; n != &k->buckets && k->bucket_count >= NATS_STORE_BUCKETS_MAX;) {
        nats_bucket *b = LIST_ENTRY(n, nats_bucket, node);
        n = n->next;
        if (b->users == 0) {
            free_bucket(b);
        }
    }
}

static nats_bucket *find(driver_link *k, slice name) {
    for (list_node *n = k->buckets.prev; n != &k->buckets; n = n->prev) {
        nats_bucket *b = LIST_ENTRY(n, nats_bucket, node);
        if (slice_equal_text(name, b->name)) {
            return b;
        }
    }
    return NULL;
}

static nats_bucket *add(driver_link *k, slice name) {
    nats_bucket *b = mem_zalloc(sizeof *b + name.len + 1);
    memcpy(b->name, name.data, name.len);
    b->link = k;
    list_init(&b->node);
    list_init(&b->waiting);
    k->bucket_count++;
    return b;
}

nats_bucket *nats_bucket_take(nats_task *x) {
    driver_link *k = x->link;
    auto_buf name = {0};
    buf_init(&name, 2 * NATS_BUCKET_BYTES_MAX);
    if (nats_bucket_write(x->q->call.bucket, &name) != STATUS_OK) {
        nats_task_other(x, "the name of the bucket is longer than the server takes");
        return NULL;
    }
    nats_bucket *b = find(k, buf_slice(&name));
    if (b == NULL) {
        make_room(k);
        if (k->bucket_count >= NATS_STORE_BUCKETS_MAX) {
            nats_task_fail(x, STATUS_LIMIT, "calls to too many buckets are on their way");
            return NULL;
        }
        b = add(k, buf_slice(&name));
    }
    list_remove(&b->node);
    list_push_back(&k->buckets, &b->node);
    b->users++;
    return b;
}

void nats_bucket_give(nats_bucket *b) { b->users--; }

void nats_bucket_forget(nats_bucket *b) {
    if (b->state == NATS_BUCKET_THERE) {
        b->state = NATS_BUCKET_UNKNOWN;
    }
}

void nats_buckets_reset(driver_link *k) {
    for (list_node *n = k->buckets.next; n != &k->buckets; n = n->next) {
        nats_bucket_forget(LIST_ENTRY(n, nats_bucket, node));
    }
}

void nats_buckets_done(driver_link *k) {
    while (!list_empty(&k->buckets)) {
        free_bucket(LIST_ENTRY(k->buckets.next, nats_bucket, node));
    }
}

// --- what it is --------------------------------------------------------------------------------------------

static nats_task *next_waiting(nats_bucket *b) {
    list_node *n = list_pop_front(&b->waiting);
    return n == NULL ? NULL : (nats_task *)LIST_ENTRY(n, keyvalue_request, node)->data;
}

static void fail_all(nats_bucket *b, const nats_result *r) {
    b->state = NATS_BUCKET_UNKNOWN;
    b->users++; // stays while they leave
    for (nats_task *x; (x = next_waiting(b)) != NULL;) {
        nats_task_failed(x, r);
    }
    b->users--;
}

static void fault_all(nats_bucket *b, const jetstream_fault *fault) {
    b->state = NATS_BUCKET_UNKNOWN;
    b->users++;
    for (nats_task *x; (x = next_waiting(b)) != NULL;) {
        nats_task_fault(x, fault);
    }
    b->users--;
}

static void nonsense_all(nats_bucket *b, const err *e) {
    fail_all(b, &(nats_result){.code = STATUS_IO, .text = e->message});
}

static void run_all(nats_bucket *b) {
    b->state = NATS_BUCKET_THERE;
    b->users++;
    for (nats_task *x; (x = next_waiting(b)) != NULL;) {
        nats_task_run(x);
    }
    b->users--;
}

static status request(nats_bucket *b, const char *verb, slice payload, nats_ended ended, err *e) {
    char subject[NATS_BUCKET_BYTES_MAX + 64];
    snprintf(subject, sizeof subject, "$JS.API.STREAM.%s.KV_%s", verb, b->name);
    const nats_message m = {.subject = slice_from_text(subject), .payload = payload};
    uint64_t deadline = loop_now_ns(b->link->base.l) + b->link->base.time_ns_max;
    return nats_request_start(b->link->client, &b->request, &m, deadline, ended, b, e);
}

// The fault of an answer that says no more; 0 when it could not be read (then all was told).
static bool read_result(nats_bucket *b, const nats_result *r) {
    if (r->code == STATUS_OK) {
        return true;
    }
    static const char off[] = "the server keeps nothing: its JetStream is off";
    fail_all(b, r->code == STATUS_NOT_FOUND ? &(nats_result){.code = STATUS_UNSUPPORTED, .text = off} : r);
    return false;
}

static void on_created(void *arg, const nats_result *r) {
    nats_bucket *b = arg;
    jetstream_fault fault;
    err e;
    if (!read_result(b, r)) {
        return;
    }
    if (jetstream_read_done(r->message.payload, &fault, &e) != STATUS_OK) {
        nonsense_all(b, &e);
    } else if (fault.number != 0 && fault.number != JETSTREAM_NAME_IN_USE) {
        fault_all(b, &fault);
    } else {
        ask(b); // what it is in the end: another one may have made it
    }
}

static status create(nats_bucket *b, err *e) {
    auto_buf config = {0};
    buf_init(&config, 2 * NATS_BUCKET_BYTES_MAX + 512);
    TRY(jetstream_write_bucket(b->name, b->link->replicas, b->link->in_memory, &config));
    b->state = NATS_BUCKET_CREATING;
    return request(b, "CREATE", buf_slice(&config), on_created, e);
}

// Of a bucket that is not there. False when it has to be made for this call.
static bool answer_without(nats_task *x) {
    const keyvalue_call *c = &x->q->call;
    if (!x->link->creates) {
        nats_task_reply(x, &(keyvalue_answer){.is_error = true, .error = KEYVALUE_NO_SUCH_STORE});
        return true;
    }
    if (!keyvalue_is_read(c->function) && c->function != KEYVALUE_DELETE &&
        c->function != KEYVALUE_DELETE_MANY) {
        return false;
    }
    keyvalue_answer a = {.count = c->function == KEYVALUE_GET_MANY ? c->count : 0};
    keyvalue_item *items = ARENA_ARRAY(&x->q->memory, keyvalue_item, a.count);
    for (size_t i = 0; items != NULL && i < a.count; i++) {
        items[i].key = c->items[i].key;
    }
    a.items = items;
    if (items == NULL) {
        nats_task_fail(x, STATUS_LIMIT, "no memory for the answer");
    } else {
        nats_task_reply(x, &a);
    }
    return true;
}

static void on_missing(nats_bucket *b) {
    list_node writers;
    list_init(&writers);
    b->state = NATS_BUCKET_UNKNOWN;
    b->users++;
    for (nats_task *x; (x = next_waiting(b)) != NULL;) {
        keyvalue_request *q = x->q;
        if (!answer_without(x)) {
            list_push_back(&writers, &q->node);
        }
    }
    for (list_node *n; (n = list_pop_front(&writers)) != NULL;) {
        list_push_back(&b->waiting, n);
    }
    err e;
    status code = list_empty(&b->waiting) ? STATUS_OK : create(b, &e);
    if (code != STATUS_OK) {
        fail_all(b, &(nats_result){.code = code, .text = e.message});
    }
    b->users--;
}

static void on_info(void *arg, const nats_result *r) {
    nats_bucket *b = arg;
    jetstream_stream s = {0};
    jetstream_fault fault;
    err e;
    if (!read_result(b, r)) {
        return;
    }
    if (jetstream_read_stream(r->message.payload, &fault, &s, &e) != STATUS_OK) {
        nonsense_all(b, &e);
    } else if (fault.number == JETSTREAM_NO_STREAM) {
        on_missing(b);
    } else if (fault.number != 0) {
        fault_all(b, &fault);
    } else {
        b->is_direct = s.has_direct && s.replicas == 1; // else another server may answer, which is behind
        b->has_history = s.history != 1;
        run_all(b);
    }
}

static void ask(nats_bucket *b) {
    err e;
    b->state = NATS_BUCKET_ASKING;
    status code = request(b, "INFO", slice_empty(), on_info, &e);
    if (code != STATUS_OK) {
        fail_all(b, &(nats_result){.code = code, .text = e.message});
    }
}

void nats_bucket_run(nats_task *x) {
    nats_bucket *b = x->bucket;
    if (b->state == NATS_BUCKET_THERE) {
        nats_task_run(x);
        return;
    }
    list_push_back(&b->waiting, &x->q->node);
    if (b->state == NATS_BUCKET_UNKNOWN) {
        ask(b);
    }
}
