// SPDX-License-Identifier: Apache-2.0
// increment and compare-and-swap. The server stores a value on the condition that the one before has a
// certain number: what was read is changed here and written back, and read again when somebody was faster.
// Calls to one key do not race each other: those that come while a change is on its way are the next one
// together. A few short values are remembered, so that the next change need not read first: the server says
// so when they are old.
#include <stdio.h>

#include "base/mem.h"
#include "driver/keyvalue/nats_store.h"

enum { HEADERS_BYTES = 96, IDLE_MAX = 64, IDLE_BYTES_MAX = 64 };

struct nats_hot {
    driver_link *link;
    list_node node; // of the link
    nats_bucket *bucket;
    list_node waiting; // nats_task.q
    list_node batch;   // those that the change on its way is for
    nats_request request;
    bool is_idle;
    bool is_known; // what follows is what the key had when we last heard of it
    bool is_there;
    uint64_t sequence;
    buf value;
    buf next; // that is being written
    buf subject;
    uint64_t hash; // of it
};

static void step(nats_hot *h);
static void ask(nats_hot *h);

static nats_task *op_of(list_node *n) { return LIST_ENTRY(n, keyvalue_request, node)->data; }

// --- the ends of calls -------------------------------------------------------------------------------------

void nats_hot_leave(nats_task *x) { x->hot = NULL; } // it is in none of the lists any more

static nats_task *take(nats_hot *h) {
    list_node *n = list_pop_front(&h->batch);
    nats_task *x = n == NULL ? NULL : op_of(n);
    if (x != NULL) {
        x->hot = NULL;
    }
    return x;
}

static void fail_batch(nats_hot *h, const nats_result *r) {
    h->is_known = false;
    for (nats_task *x; (x = take(h)) != NULL;) {
        if (r->code == STATUS_NOT_FOUND) {
            nats_task_again(x);
        } else {
            nats_task_failed(x, r);
        }
    }
}

static void fault_batch(nats_hot *h, const jetstream_fault *fault) {
    h->is_known = false;
    for (nats_task *x; (x = take(h)) != NULL;) {
        nats_task_fault(x, fault);
    }
}

static void fail_with(nats_hot *h, status code, const char *text) {
    fail_batch(h, &(nats_result){.code = code, .text = text});
}

static void answer_batch(nats_hot *h) {
    for (nats_task *x; (x = take(h)) != NULL;) {
        if (x->problem != NULL) {
            nats_task_other(x, x->problem);
        } else {
            nats_task_reply(x, &(keyvalue_answer){.number = x->number, .is_there = x->is_swapped});
        }
    }
}

// --- changing ----------------------------------------------------------------------------------------------

typedef struct draft { // the value as calls change it, one after the other
    bool is_there;
    bool is_changed;
    slice value;
    char text[KEYVALUE_NUMBER_BYTES_MAX + 1];
} draft;

static void swap(draft *d, nats_task *x) {
    const keyvalue_call *c = &x->q->call;
    x->is_swapped = c->has_expected ? d->is_there && slice_equal(d->value, c->expected) : !d->is_there;
    if (x->is_swapped) {
        d->is_there = d->is_changed = true;
        d->value = c->value;
    }
}

static void add(draft *d, nats_task *x) {
    const keyvalue_call *c = &x->q->call;
    int64_t before = 0;
    int64_t sum = 0;
    if (d->is_there && !keyvalue_number_read(d->value, &before)) {
        x->problem = "the value is not a number";
    } else if (keyvalue_add(c->function, before, c->delta, &sum, &x->problem) &&
               c->function == KEYVALUE_INCREMENT && sum < 0) {
        x->problem = "the number is below 0";
    }
    if (x->problem == NULL) {
        x->number = (uint64_t)sum;
        d->is_there = d->is_changed = true;
        d->value = keyvalue_number_write(sum, d->text);
    }
}

static void on_stored(void *arg, const nats_result *r) {
    nats_hot *h = arg;
    jetstream_fault fault;
    uint64_t sequence = 0;
    err e;
    h->is_known = false;
    if (r->code != STATUS_OK) {
        fail_batch(h, r);
    } else if (jetstream_read_ack(r->message.payload, &fault, &sequence, &e) != STATUS_OK) {
        fail_with(h, STATUS_IO, e.message);
    } else if (fault.number == JETSTREAM_WRONG_SEQUENCE) {
        ask(h);
        return;
    } else if (fault.number != 0) {
        fault_batch(h, &fault);
    } else {
        buf old = h->value;
        h->value = h->next;
        h->next = old;
        h->sequence = sequence;
        h->is_known = h->is_there = true;
        answer_batch(h);
    }
    step(h);
}

static status store(nats_hot *h, slice value, err *e) {
    char headers[HEADERS_BYTES];
    int len = snprintf(headers, sizeof headers, "NATS/1.0\r\n" JETSTREAM_EXPECTED_SEQUENCE ": %llu\r\n\r\n",
                       (unsigned long long)h->sequence);
    buf_clear(&h->next);
    if (buf_append(&h->next, value) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "no memory for the value");
    }
    const nats_message m = {
        .subject = buf_slice(&h->subject), .headers = slice_of(headers, (size_t)len), .payload = value};
    uint64_t deadline = loop_now_ns(h->link->base.l) + h->link->base.time_ns_max;
    return nats_request_start(h->link->client, &h->request, &m, deadline, on_stored, h, e);
}

// False when nothing is on its way: all are answered.
static bool change(nats_hot *h, bool is_fresh) {
    draft d = {.is_there = h->is_there, .value = buf_slice(&h->value)};
    err e;
    for (list_node *n = h->batch.next; n != &h->batch; n = n->next) {
        nats_task *x = op_of(n);
        x->problem = NULL;
        x->is_swapped = false;
        if (x->q->call.function == KEYVALUE_COMPARE_AND_SWAP) {
            swap(&d, x);
        } else {
            add(&d, x);
        }
    }
    if (d.is_changed) {
        status code = store(h, d.value, &e);
        if (code != STATUS_OK) {
            fail_with(h, code, e.message);
        }
        return code == STATUS_OK;
    }
    if (is_fresh) {
        answer_batch(h);
        return false;
    }
    ask(h); // that nothing changes is true only of what is there now
    return true;
}

// --- reading -----------------------------------------------------------------------------------------------

static status keep(nats_hot *h, const nats_value *v) {
    buf_clear(&h->value);
    h->is_known = true;
    h->is_there = v->is_there;
    h->sequence = v->sequence;
    return v->is_there ? buf_append(&h->value, v->value) : STATUS_OK;
}

static void on_value(void *arg, const nats_result *r) {
    nats_hot *h = arg;
    auto_arena memory = {0};
    nats_value v;
    jetstream_fault fault;
    err e;
    if (r->code != STATUS_OK) { // nothing was done yet: a bucket that does not answer may be no more
        fail_batch(h, r->code == STATUS_TIMEOUT ? &(nats_result){.code = STATUS_NOT_FOUND} : r);
        step(h);
        return;
    }
    arena_init(&memory, 2 * KEYVALUE_VALUE_BYTES_MAX + 4096);
    status code = nats_value_read(h->bucket, &r->message, &memory, &v, &fault, &e);
    if (code == STATUS_OK && fault.number == 0) {
        code = keep(h, &v);
        if (code == STATUS_OK && change(h, true)) {
            return;
        }
    } else if (code == STATUS_OK) {
        fault_batch(h, &fault);
    }
    if (code != STATUS_OK) {
        fail_with(h, code, code == STATUS_LIMIT ? "the value is longer than the link allows" : e.message);
    }
    step(h);
}

static void ask(nats_hot *h) {
    err e;
    status code = nats_value_ask(h->bucket, buf_slice(&h->subject), &h->request, on_value, h, &e);
    if (code != STATUS_OK) {
        fail_with(h, code, e.message);
        step(h);
    }
}

// --- keys --------------------------------------------------------------------------------------------------

static void free_hot(nats_hot *h) {
    nats_request_cancel(&h->request);
    list_remove(&h->node);
    nats_bucket_give(h->bucket);
    buf_done(&h->value);
    buf_done(&h->next);
    buf_done(&h->subject);
    mem_free(h);
}

// Nobody wants to change it now.
static void rest(nats_hot *h) {
    driver_link *k = h->link;
    if (!h->is_known || h->value.len > IDLE_BYTES_MAX) {
        free_hot(h);
        return;
    }
    h->is_idle = true;
    list_remove(&h->node);
    list_push_back(&k->hots, &h->node);
    k->idle_hots++;
    for (list_node *n = k->hots.next; k->idle_hots > IDLE_MAX; n = n->next) {
        nats_hot *old = LIST_ENTRY(n, nats_hot, node);
        if (old->is_idle) {
            k->idle_hots--;
            free_hot(old);
            return;
        }
    }
}

// Nothing is on its way, the batch has ended.
static void step(nats_hot *h) {
    for (;;) {
        for (list_node *n; (n = list_pop_front(&h->waiting)) != NULL;) {
            list_push_back(&h->batch, n);
        }
        if (list_empty(&h->batch)) {
            rest(h);
            return;
        }
        if (!h->is_known) {
            ask(h);
            return;
        }
        if (change(h, false)) {
            return;
        }
    }
}

static nats_hot *find(driver_link *k, const nats_bucket *b, slice subject, uint64_t hash) {
    for (list_node *n = k->hots.next; n != &k->hots; n = n->next) {
        nats_hot *h = LIST_ENTRY(n, nats_hot, node);
        if (h->hash == hash && h->bucket == b && slice_equal(buf_slice(&h->subject), subject)) {
            return h;
        }
    }
    return NULL;
}

void nats_hot_add(nats_task *x) {
    driver_link *k = x->link;
    auto_buf subject = {0};
    if (!nats_task_subject(x, x->q->call.key, &subject)) {
        return;
    }
    uint64_t hash = siphash(k->hot_key, buf_slice(&subject));
    nats_hot *h = find(k, x->bucket, buf_slice(&subject), hash);
    bool is_new = h == NULL;
    if (is_new) {
        h = MEM_NEW(nats_hot);
        *h = (nats_hot){.link = k, .bucket = x->bucket, .subject = subject, .hash = hash};
        subject = (buf){0};
        x->bucket->users++;
        list_init(&h->waiting);
        list_init(&h->batch);
        buf_init(&h->value, KEYVALUE_VALUE_BYTES_MAX);
        buf_init(&h->next, KEYVALUE_VALUE_BYTES_MAX);
        list_push_back(&k->hots, &h->node);
    }
    x->hot = h;
    list_push_back(&h->waiting, &x->q->node);
    if (is_new || h->is_idle) {
        k->idle_hots -= h->is_idle;
        h->is_idle = false;
        step(h);
    }
}

void nats_hots_done(driver_link *k) {
    while (!list_empty(&k->hots)) {
        free_hot(LIST_ENTRY(k->hots.next, nats_hot, node));
    }
}
