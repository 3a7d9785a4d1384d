// SPDX-License-Identifier: Apache-2.0
// Calls as requests to JetStream, and the answers.
#include <stdio.h>

#include "base/mem.h"
#include "driver/keyvalue/nats_store.h"
#include "driver/nats_names.h"

static const char deleted[] = "NATS/1.0\r\nKV-Operation: DEL\r\n\r\n";

// Nobody answers for a bucket that was removed, so that it is looked for again after a while.
static const uint64_t direct_ns_max = 1000000000;

// --- ends --------------------------------------------------------------------------------------------------

static void cancel_parts(nats_task *x) {
    nats_part *parts = x->extra;
    for (size_t i = 0; x->parts_left > 0 && i < x->q->call.count; i++) {
        nats_request_cancel(&parts[i].request);
    }
}

// From wherever it is; the keyvalue_request stays.
static keyvalue_request *leave(nats_task *x) {
    keyvalue_request *q = x->q;
    if (!list_empty(&q->node)) {
        list_remove(&q->node);
    }
    nats_request_cancel(&x->request);
    if (q->call.function >= KEYVALUE_GET_MANY) {
        cancel_parts(x);
    } else if (q->call.function == KEYVALUE_LIST_KEYS) {
        nats_task_list_drop(x);
    }
    nats_hot_leave(x);
    if (x->bucket != NULL) {
        nats_bucket_give(x->bucket);
    }
    return q;
}

void nats_task_reply(nats_task *x, const keyvalue_answer *a) { keyvalue_reply(leave(x), a); }
void nats_task_other(nats_task *x, const char *text) { keyvalue_reply_other(leave(x), "%s", text); }
void nats_task_fail(nats_task *x, status code, const char *text) {
    keyvalue_fail(leave(x), code, "%s", text);
}

void nats_task_fault(nats_task *x, const jetstream_fault *fault) { nats_task_other(x, fault->text); }

void nats_task_failed(nats_task *x, const nats_result *r) {
    if (r->code == STATUS_DENIED) {
        nats_task_reply(x, &(keyvalue_answer){.is_error = true, .error = KEYVALUE_ACCESS_DENIED});
    } else if (r->code == STATUS_CLOSED && !keyvalue_is_read(x->q->call.function)) {
        nats_task_fail(x, r->code,
                       "the connection to the server was lost; it is not known whether it was done");
    } else {
        nats_task_fail(x, r->code, r->text);
    }
}

void nats_task_again(nats_task *x) {
    nats_bucket_forget(x->bucket);
    if (++x->tries == NATS_STORE_TRIES_MAX) {
        nats_task_fail(x, STATUS_CLOSED, "the bucket is removed again and again while it is used");
    } else {
        nats_bucket_run(x);
    }
}

// STATUS_OK, and the message of a request; everything else is answered.
static bool is_heard(nats_task *x, const nats_result *r) {
    if (r->code == STATUS_NOT_FOUND) { // nobody listens: nothing was done
        nats_task_again(x);
    } else if (r->code != STATUS_OK) {
        nats_task_failed(x, r);
    }
    return r->code == STATUS_OK;
}

// --- values ------------------------------------------------------------------------------------------------

bool nats_task_subject(nats_task *x, slice key, buf *ret) {
    buf_init(ret, NATS_STORE_SUBJECT_BYTES);
    status code = buf_append_format(ret, "$KV.%s.", x->bucket->name);
    code = code == STATUS_OK ? nats_key_write(key, ret) : code;
    if (code != STATUS_OK || ret->len > NATS_SUBJECT_BYTES_MAX - NATS_BUCKET_BYTES_MAX - 64) {
        nats_task_other(x, "the key is longer than the server takes");
        return false;
    }
    return true;
}

status nats_value_ask(nats_bucket *b, slice subject, nats_request *request, nats_ended ended, void *arg,
                      err *e) {
    char text[2 * NATS_STORE_SUBJECT_BYTES];
    char api[NATS_STORE_SUBJECT_BYTES + NATS_BUCKET_BYTES_MAX + 64];
    nats_message m = {0};
    uint64_t deadline = UINT64_MAX;
    if (b->is_direct) {
        deadline = loop_now_ns(b->link->base.l) + direct_ns_max;
        int len = snprintf(api, sizeof api, "$JS.API.DIRECT.GET.KV_%s.%.*s", b->name, SLICE_ARG(subject));
        m.subject = slice_of(api, (size_t)len);
    } else {
        int len = snprintf(text, sizeof text, "{\"last_by_subj\":\"%.*s\"}", SLICE_ARG(subject));
        m.payload = slice_of(text, (size_t)len);
        len = snprintf(api, sizeof api, "$JS.API.STREAM.MSG.GET.KV_%s", b->name);
        m.subject = slice_of(api, (size_t)len);
    }
    return nats_request_start(b->link->client, request, &m, deadline, ended, arg, e);
}

static bool is_mark(slice headers) {
    slice operation;
    return nats_headers_find(headers, "KV-Operation", &operation);
}

static status read_direct(const nats_message *m, nats_value *ret, err *e) {
    *ret = (nats_value){0};
    status code = jetstream_read_direct(m->headers, &ret->sequence, e);
    if (code == STATUS_OK) {
        ret->is_there = !is_mark(m->headers);
        ret->value = m->payload;
    }
    return code == STATUS_NOT_FOUND ? STATUS_OK : code;
}

status nats_value_read(const nats_bucket *b, const nats_message *m, arena *a, nats_value *ret,
                       jetstream_fault *fault, err *e) {
    jetstream_message found = {0};
    *fault = (jetstream_fault){0};
    if (b->is_direct) {
        return read_direct(m, ret, e);
    }
    TRY(jetstream_read_message(m->payload, a, fault, &found, e));
    *ret = (nats_value){0};
    if (fault->number == JETSTREAM_NO_MESSAGE) {
        *fault = (jetstream_fault){0};
    } else if (fault->number == JETSTREAM_NO_STREAM) {
        return STATUS_NOT_FOUND;
    } else if (fault->number == 0) {
        *ret = (nats_value){
            .is_there = !is_mark(found.headers), .sequence = found.sequence, .value = found.payload};
    }
    return STATUS_OK;
}

static void on_value(void *arg, const nats_result *r) {
    nats_task *x = arg;
    nats_value v;
    jetstream_fault fault;
    err e;
    if (r->code == STATUS_TIMEOUT) {
        nats_task_again(x);
        return;
    }
    if (!is_heard(x, r)) {
        return;
    }
    status code = nats_value_read(x->bucket, &r->message, &x->q->memory, &v, &fault, &e);
    if (code == STATUS_NOT_FOUND) {
        nats_task_again(x);
    } else if (code != STATUS_OK) {
        nats_task_fail(x, STATUS_IO, e.message);
    } else if (fault.number != 0) {
        nats_task_fault(x, &fault);
    } else {
        nats_task_reply(x, &(keyvalue_answer){.is_there = v.is_there, .value = v.value});
    }
}

static void get(nats_task *x) {
    auto_buf subject = {0};
    err e;
    if (!nats_task_subject(x, x->q->call.key, &subject)) {
        return;
    }
    status code = nats_value_ask(x->bucket, buf_slice(&subject), &x->request, on_value, x, &e);
    if (code != STATUS_OK) {
        nats_task_fail(x, code, e.message);
    }
}

// --- writes ------------------------------------------------------------------------------------------------

static void on_written(void *arg, const nats_result *r) {
    nats_task *x = arg;
    jetstream_fault fault;
    uint64_t sequence;
    err e;
    if (!is_heard(x, r)) {
        return;
    }
    if (jetstream_read_ack(r->message.payload, &fault, &sequence, &e) != STATUS_OK) {
        nats_task_fail(x, STATUS_IO, e.message);
    } else if (fault.number != 0) {
        nats_task_fault(x, &fault);
    } else {
        nats_task_reply(x, &(keyvalue_answer){0});
    }
}

static void write_one(nats_task *x, slice headers) {
    auto_buf subject = {0};
    err e;
    if (!nats_task_subject(x, x->q->call.key, &subject)) {
        return;
    }
    const nats_message m = {.subject = buf_slice(&subject), .headers = headers, .payload = x->q->call.value};
    status code = nats_request_start(x->link->client, &x->request, &m, UINT64_MAX, on_written, x, &e);
    if (code == STATUS_LIMIT && m.payload.len > nats_payload_max(x->link->client)) {
        nats_task_other(x, "the value is longer than the server takes");
    } else if (code != STATUS_OK) {
        nats_task_fail(x, code, e.message);
    }
}

// --- many keys ---------------------------------------------------------------------------------------------

// The end of the whole, with the first thing that went wrong.
static bool part_failed(nats_task *x, const nats_result *r) {
    if (r->code == STATUS_NOT_FOUND || r->code == STATUS_TIMEOUT) {
        nats_bucket_forget(x->bucket);
        nats_task_fail(x, STATUS_CLOSED, "the bucket was removed while it was used, or does not answer");
    } else if (r->code != STATUS_OK) {
        nats_task_failed(x, r);
    }
    return r->code != STATUS_OK;
}

static void on_part_value(void *arg, const nats_result *r) {
    nats_part *p = arg;
    nats_task *x = p->op;
    nats_value v;
    jetstream_fault fault;
    err e;
    if (part_failed(x, r)) {
        return;
    }
    status code = nats_value_read(x->bucket, &r->message, &x->q->memory, &v, &fault, &e);
    slice kept = code == STATUS_OK ? arena_copy(&x->q->memory, v.value) : slice_empty();
    if (code != STATUS_OK) {
        nats_task_fail(x, code == STATUS_NOT_FOUND ? STATUS_CLOSED : STATUS_IO,
                       code == STATUS_NOT_FOUND ? "the bucket was removed while it was used" : e.message);
    } else if (fault.number != 0) {
        nats_task_fault(x, &fault);
    } else if (v.value.len > 0 && kept.data == NULL) {
        nats_task_fail(x, STATUS_LIMIT, "the values are more than one answer holds");
    } else {
        keyvalue_item *items = (keyvalue_item *)x->q->call.items; // of the arena
        items[p->index].is_there = v.is_there;
        items[p->index].value = v.is_there ? kept : slice_empty();
        if (--x->parts_left == 0) {
            nats_task_reply(x, &(keyvalue_answer){.items = items, .count = x->q->call.count});
        }
    }
}

static void on_part_written(void *arg, const nats_result *r) {
    nats_part *p = arg;
    nats_task *x = p->op;
    jetstream_fault fault;
    uint64_t sequence;
    err e;
    if (part_failed(x, r)) {
        return;
    }
    if (jetstream_read_ack(r->message.payload, &fault, &sequence, &e) != STATUS_OK) {
        nats_task_fail(x, STATUS_IO, e.message);
    } else if (fault.number != 0) {
        nats_task_fault(x, &fault);
    } else if (--x->parts_left == 0) {
        nats_task_reply(x, &(keyvalue_answer){0});
    }
}

// False when it was answered.
static bool start_part(nats_task *x, nats_part *p) {
    const keyvalue_call *c = &x->q->call;
    auto_buf subject = {0};
    err e;
    if (!nats_task_subject(x, c->items[p->index].key, &subject)) {
        return false;
    }
    nats_message m = {.subject = buf_slice(&subject)};
    status code;
    if (c->function == KEYVALUE_GET_MANY) {
        code = nats_value_ask(x->bucket, m.subject, &p->request, on_part_value, p, &e);
    } else {
        bool is_set = c->function == KEYVALUE_SET_MANY;
        m.headers = is_set ? slice_empty() : slice_from_text(deleted);
        m.payload = is_set ? c->items[p->index].value : slice_empty();
        code = nats_request_start(x->link->client, &p->request, &m, UINT64_MAX, on_part_written, p, &e);
    }
    if (code != STATUS_OK) {
        nats_task_fail(x, code, e.message);
    }
    return code == STATUS_OK;
}

// What would be refused on the way is refused before anything is written.
static bool check_many(nats_task *x) {
    const keyvalue_call *c = &x->q->call;
    for (size_t i = 0; i < c->count; i++) {
        auto_buf subject = {0};
        if (!nats_task_subject(x, c->items[i].key, &subject)) {
            return false;
        }
        if (c->function == KEYVALUE_SET_MANY && c->items[i].value.len > nats_payload_max(x->link->client)) {
            nats_task_other(x, "a value is longer than the server takes");
            return false;
        }
    }
    return true;
}

static void run_many(nats_task *x) {
    const keyvalue_call *c = &x->q->call;
    nats_part *parts = ARENA_ARRAY(&x->q->memory, nats_part, c->count);
    if (parts == NULL) {
        nats_task_fail(x, STATUS_LIMIT, "no memory for so many keys");
        return;
    }
    if (!check_many(x)) {
        return;
    }
    x->extra = parts;
    x->parts_left = (uint32_t)c->count;
    for (size_t i = 0; i < c->count; i++) {
        parts[i] = (nats_part){.op = x, .index = i};
        if (!start_part(x, &parts[i])) {
            return;
        }
    }
}

void nats_task_run(nats_task *x) {
    switch (x->q->call.function) {
    case KEYVALUE_GET:
    case KEYVALUE_EXISTS:
        get(x);
        break;
    case KEYVALUE_SET:
        write_one(x, slice_empty());
        break;
    case KEYVALUE_DELETE:
        write_one(x, slice_from_text(deleted));
        break;
    case KEYVALUE_LIST_KEYS:
        nats_task_list(x);
        break;
    case KEYVALUE_INCREMENT:
    case KEYVALUE_INCREMENT_SIGNED:
    case KEYVALUE_COMPARE_AND_SWAP:
        nats_hot_add(x);
        break;
    default:
        run_many(x);
        break;
    }
}
