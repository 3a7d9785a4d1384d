// SPDX-License-Identifier: Apache-2.0
// Operations on buckets of the bus over NATS: each is one request to JetStream, or a few.
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "bus/bus_nats_internal.h"

enum { TRIES_MAX = 3, MESSAGE_BYTES_MAX = 2 * BUS_PAYLOAD_BYTES_MAX };

static const uint64_t again_ns = 250000000;    // until the next attempt
static const uint64_t attempt_ns = 2000000000; // for one that changes nothing

typedef struct op {
    list_node node;
    bus_nats *b;
    bus_kv_op *o;
    nats_request request;
    uint64_t deadline_ns;
    loop_timer timer; // of the next attempt
    status (*start)(struct op *x, err *e);
    slice bucket;
    bus_kv_entry change;
    uint64_t expected; // of the server: the revision of a mark, where there must be no value
    bool must_be_none;
    unsigned tries;
    uint8_t bytes[]; // of the names and the value
} op;

// --- ends --------------------------------------------------------------------------------------------------

static void forget(op *x) {
    nats_request_cancel(&x->request);
    loop_timer_stop(&x->timer);
    list_remove(&x->node);
    x->b->op_count--;
    mem_free(x);
}

static void end_op(op *x, const bus_kv_result *result) {
    const bus_kv_op was = *x->o;
    *x->o = (bus_kv_op){0};
    forget(x);
    was.ended(was.arg, result);
}

static void fail(op *x, status code, const char *text) {
    end_op(x, &(bus_kv_result){.code = code, .text = text});
}

status bus_nats_fault(const jetstream_fault *fault) {
    switch (fault->number) {
    case JETSTREAM_NO_MESSAGE:
    case JETSTREAM_NO_STREAM:
        return STATUS_NOT_FOUND;
    case JETSTREAM_WRONG_SEQUENCE:
        return STATUS_EXISTS;
    case JETSTREAM_TOO_LONG:
    case JETSTREAM_FULL:
        return STATUS_LIMIT;
    default:
        return STATUS_IO;
    }
}

status bus_nats_unanswered(status code, const char **text) {
    if (code == STATUS_NOT_FOUND) {
        *text = "the server keeps nothing: JetStream is off there, or has no such domain";
        return STATUS_UNSUPPORTED;
    }
    return code;
}

static void try_again(op *x, const char *why) {
    if (x->deadline_ns <= loop_now_ns(x->b->base.loop)) {
        fail(x, STATUS_TIMEOUT, why);
    } else {
        loop_timer_start_in(&x->timer, again_ns);
    }
}

static void on_timer(void *arg) {
    op *x = arg;
    err e;
    status code = x->start(x, &e);
    if (code != STATUS_OK) {
        fail(x, code, e.message);
    }
}

// A fault of the server's own; STATUS_OK for none. False when there will be another attempt.
static bool is_settled(op *x, const jetstream_fault *fault) {
    bool is_temporary = fault->number == JETSTREAM_NO_CLUSTER || fault->number == JETSTREAM_NO_LEADER ||
                        fault->number == JETSTREAM_NO_PEERS;
    if (is_temporary) {
        try_again(x, fault->text);
    }
    return !is_temporary;
}

// Whether the server's API has answered; else the operation has ended, or there will be another attempt.
static bool is_answered(op *x, const nats_result *r) {
    const char *text = r->text;
    status code = bus_nats_unanswered(r->code, &text);
    if (code == STATUS_TIMEOUT) {
        try_again(x, text);
    } else if (code != STATUS_OK) {
        fail(x, code, text);
    }
    return code == STATUS_OK;
}

// The same, and whether what it says of a stream can be read.
static bool is_told(op *x, const nats_result *r, jetstream_fault *fault) {
    err e;
    if (!is_answered(x, r)) {
        return false;
    }
    if (jetstream_read_done(r->message.payload, fault, &e) != STATUS_OK) {
        fail(x, STATUS_IO, e.message);
        return false;
    }
    return true;
}

// --- asking ------------------------------------------------------------------------------------------------

static status ask(op *x, const nats_message *m, uint64_t deadline_ns, nats_ended ended, err *e) {
    return nats_request_start(x->b->client, &x->request, m, deadline_ns, ended, x, e);
}

static status ask_api(op *x, const char *verb, slice payload, nats_ended ended, err *e) {
    char room[BUS_NATS_SUBJECT_BYTES];
    int len = snprintf(room, sizeof room, "%sSTREAM.%s.KV_%.*s", x->b->api, verb, SLICE_ARG(x->bucket));
    const nats_message m = {.subject = slice_of(room, (size_t)len), .payload = payload};
    uint64_t end_ns = loop_now_ns(x->b->base.loop) + attempt_ns; // who was asked may be gone
    return ask(x, &m, end_ns < x->deadline_ns ? end_ns : x->deadline_ns, ended, e);
}

// From a callback: a failure ends the operation.
static void go_on(op *x, status code, const err *e) {
    if (code != STATUS_OK) {
        fail(x, code, e->message);
    }
}

static status begin(bus *base, bus_kv_op *o, slice bucket, const bus_kv_entry *change, uint64_t deadline_ns,
                    status (*start)(op *x, err *e), op **ret, err *e) {
    bus_nats *b = bus_nats_of(base);
    if (b->op_count == BUS_NATS_OPS_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d operations on buckets are on their way",
                       BUS_NATS_OPS_MAX);
    }
    op *x =
        mem_try_calloc(1, sizeof *x + bucket.len + change->key.len + change->value.len + change->headers.len);
    if (x == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for a value of %zu bytes", change->value.len);
    }
    slice *const to[] = {&x->bucket, &x->change.key, &x->change.value, &x->change.headers};
    const slice from[] = {bucket, change->key, change->value, change->headers};
    for (size_t i = 0, at = 0; i < sizeof to / sizeof to[0]; at += from[i++].len) {
        *to[i] = slice_of(x->bytes + at, from[i].len);
        if (from[i].len > 0) {
            memcpy(x->bytes + at, from[i].data, from[i].len);
        }
    }
    x->b = b;
    x->o = o;
    x->start = start;
    x->change.kind = change->kind;
    x->deadline_ns = deadline_ns;
    loop_timer_init(&x->timer, base->loop, on_timer, x);
    list_push_back(&b->ops, &x->node);
    b->op_count++;
    *ret = x;
    return STATUS_OK;
}

static status begun(op *x, err *e) {
    status code = x->start(x, e);
    if (code != STATUS_OK) {
        forget(x);
    } else {
        x->o->impl = x;
    }
    return code;
}

void bus_nats_kv_cancel(bus_kv_op *o) { forget(o->impl); }

void bus_nats_kv_stop(bus_nats *b) {
    while (!list_empty(&b->ops)) {
        bus_kv_cancel(LIST_ENTRY(b->ops.next, op, node)->o);
    }
}

// --- opening -----------------------------------------------------------------------------------------------

static void on_created(void *arg, const nats_result *r) {
    op *x = arg;
    jetstream_fault fault;
    if (!is_told(x, r, &fault) || !is_settled(x, &fault)) {
        return;
    }
    if (fault.number != 0 && fault.number != JETSTREAM_NAME_IN_USE) {
        fail(x, bus_nats_fault(&fault), fault.text);
    } else {
        end_op(x, &(bus_kv_result){0});
    }
}

static status create(op *x, err *e) {
    char name[BUS_BUCKET_BYTES_MAX + 1];
    auto_buf config = {0};
    buf_init(&config, 2 * BUS_BUCKET_BYTES_MAX + 512);
    snprintf(name, sizeof name, "%.*s", SLICE_ARG(x->bucket));
    TRY(jetstream_write_bucket(name, x->b->replicas, x->b->in_memory, &config));
    return ask_api(x, "CREATE", buf_slice(&config), on_created, e);
}

static void on_info(void *arg, const nats_result *r) {
    op *x = arg;
    jetstream_fault fault;
    err e;
    if (!is_told(x, r, &fault) || !is_settled(x, &fault)) {
        return;
    }
    if (fault.number == JETSTREAM_NO_STREAM) {
        go_on(x, create(x, &e), &e);
    } else if (fault.number != 0) {
        fail(x, bus_nats_fault(&fault), fault.text);
    } else {
        end_op(x, &(bus_kv_result){0});
    }
}

static status start_open(op *x, err *e) { return ask_api(x, "INFO", slice_empty(), on_info, e); }

status bus_nats_kv_open(bus *b, bus_kv_op *o, slice bucket, uint64_t deadline_ns, err *e) {
    op *x;
    TRY(begin(b, o, bucket, &(bus_kv_entry){0}, deadline_ns, start_open, &x, e));
    return begun(x, e);
}

// --- reading -----------------------------------------------------------------------------------------------

bus_kv_kind bus_nats_kind(slice headers) {
    slice operation;
    if (!nats_headers_find(headers, "KV-Operation", &operation)) {
        return BUS_KV_PUT;
    }
    return slice_equal_text(operation, "PURGE") ? BUS_KV_PURGE : BUS_KV_DELETE;
}

// The last message of a key, which may be a mark that it was removed. STATUS_CANCELLED: there will be another
// attempt.
static status read_last(op *x, const nats_result *r, arena *a, jetstream_message *ret, err *e) {
    jetstream_fault fault;
    if (jetstream_read_message(r->message.payload, a, &fault, ret, e) != STATUS_OK) {
        return err_set(e, STATUS_IO, "the server answered with something that is no message");
    }
    if (!is_settled(x, &fault)) {
        return STATUS_CANCELLED;
    }
    return fault.number == 0 ? STATUS_OK : err_set(e, bus_nats_fault(&fault), "%s", fault.text);
}

static status ask_last(op *x, nats_ended ended, err *e) {
    char text[BUS_NATS_SUBJECT_BYTES];
    int len = snprintf(text, sizeof text, "{\"last_by_subj\":\"$KV.%.*s.%.*s\"}", SLICE_ARG(x->bucket),
                       SLICE_ARG(x->change.key));
    return ask_api(x, "MSG.GET", slice_of(text, (size_t)len), ended, e);
}

static void on_value(void *arg, const nats_result *r) {
    op *x = arg;
    jetstream_message m;
    auto_arena memory = {0};
    err e;
    if (!is_answered(x, r)) {
        return;
    }
    arena_init(&memory, MESSAGE_BYTES_MAX);
    status code = read_last(x, r, &memory, &m, &e);
    if (code == STATUS_OK && bus_nats_kind(m.headers) != BUS_KV_PUT) {
        code = err_set(&e, STATUS_NOT_FOUND, "the key was removed");
    }
    if (code == STATUS_CANCELLED) {
        return;
    }
    if (code != STATUS_OK) {
        fail(x, code, e.message);
        return;
    }
    char key[BUS_KEY_BYTES_MAX + 1];
    snprintf(key, sizeof key, "%.*s", SLICE_ARG(x->change.key));
    end_op(x, &(bus_kv_result){.entry = {.key = slice_from_text(key),
                                         .value = m.payload,
                                         .revision = m.sequence,
                                         .headers = m.headers}});
}

static status start_get(op *x, err *e) { return ask_last(x, on_value, e); }

status bus_nats_kv_get(bus *b, bus_kv_op *o, slice bucket, slice key, uint64_t deadline_ns, err *e) {
    op *x;
    TRY(begin(b, o, bucket, &(bus_kv_entry){.key = key}, deadline_ns, start_get, &x, e));
    return begun(x, e);
}

// --- changes -----------------------------------------------------------------------------------------------

static status write_change(op *x, err *e);

// Where there must be no value, and there is something: it may be the mark of a removed one.
static void on_found(void *arg, const nats_result *r) {
    op *x = arg;
    jetstream_message m;
    auto_arena memory = {0};
    err e;
    if (!is_answered(x, r)) {
        return;
    }
    arena_init(&memory, MESSAGE_BYTES_MAX);
    status code = read_last(x, r, &memory, &m, &e);
    if (code == STATUS_CANCELLED) {
        return;
    }
    if (code == STATUS_NOT_FOUND) {
        x->expected = 0;
        go_on(x, write_change(x, &e), &e);
    } else if (code != STATUS_OK) {
        fail(x, code, e.message);
    } else if (bus_nats_kind(m.headers) == BUS_KV_PUT || ++x->tries == TRIES_MAX) {
        fail(x, STATUS_EXISTS, "the key has a value");
    } else if (x->change.kind != BUS_KV_PUT) {
        end_op(x, &(bus_kv_result){0}); // it is removed
    } else {
        x->expected = m.sequence;
        go_on(x, write_change(x, &e), &e);
    }
}

// Whether the bucket that nobody listens for is there.
static void on_why(void *arg, const nats_result *r) {
    op *x = arg;
    jetstream_fault fault;
    if (!is_told(x, r, &fault)) {
        return;
    }
    if (fault.number == JETSTREAM_NO_STREAM) {
        fail(x, STATUS_NOT_FOUND, "there is no such bucket");
    } else {
        try_again(x, "nobody leads the bucket");
    }
}

static void on_written(void *arg, const nats_result *r) {
    op *x = arg;
    jetstream_fault fault = {0};
    bus_kv_result result = {0};
    err e;
    if (r->code == STATUS_NOT_FOUND) { // nobody listens: there is no bucket, or no leader of it
        go_on(x, ask_api(x, "INFO", slice_empty(), on_why, &e), &e);
    } else if (r->code != STATUS_OK) {
        fail(x, r->code, r->text);
    } else if (jetstream_read_ack(r->message.payload, &fault, &result.entry.revision, &e) != STATUS_OK) {
        fail(x, STATUS_IO, e.message);
    } else if (!is_settled(x, &fault)) {
        return;
    } else if (fault.number == JETSTREAM_WRONG_SEQUENCE && x->must_be_none) {
        go_on(x, ask_last(x, on_found, &e), &e);
    } else if (fault.number != 0) {
        fail(x, bus_nats_fault(&fault), fault.text);
    } else {
        end_op(x, &result);
    }
}

static status write_headers(const op *x, buf *ret) {
    if (x->expected == BUS_KV_ANY && x->change.kind == BUS_KV_PUT && x->change.headers.len == 0) {
        return STATUS_OK;
    }
    slice name, value;
    TRY(nats_headers_begin(ret));
    for (size_t at = 0; nats_headers_next(x->change.headers, &at, &name, &value);) {
        TRY(nats_headers_put(ret, name, value));
    }
    if (x->change.kind == BUS_KV_DELETE) {
        TRY(buf_append_text(ret, "KV-Operation: DEL\r\n"));
    } else if (x->change.kind == BUS_KV_PURGE) {
        // No roll-up: one message is kept of each key anyhow, and servers (2.9.10) that roll up may pass over
        // what others who watch have not got yet.
        TRY(buf_append_text(ret, "KV-Operation: PURGE\r\n"));
    }
    if (x->expected != BUS_KV_ANY) {
        TRY(buf_append_format(ret, JETSTREAM_EXPECTED_SEQUENCE ": %llu\r\n",
                              (unsigned long long)x->expected));
    }
    return nats_headers_end(ret);
}

static status write_change(op *x, err *e) {
    char room[BUS_NATS_SUBJECT_BYTES];
    auto_buf headers = {0};
    buf_init(&headers, 256 + 2 * x->change.headers.len);
    TRY(write_headers(x, &headers));
    int len = snprintf(room, sizeof room, "%s$KV.%.*s.%.*s", x->b->written, SLICE_ARG(x->bucket),
                       SLICE_ARG(x->change.key));
    const nats_message m = {
        .subject = slice_of(room, (size_t)len), .headers = buf_slice(&headers), .payload = x->change.value};
    return ask(x, &m, x->deadline_ns, on_written, e); // once: it may have been done
}

status bus_nats_kv_change(bus *b, bus_kv_op *o, slice bucket, const bus_kv_entry *change, uint64_t expected,
                          uint64_t deadline_ns, err *e) {
    op *x;
    TRY(begin(b, o, bucket, change, deadline_ns, write_change, &x, e));
    x->expected = expected;
    x->must_be_none = expected == 0;
    return begun(x, e);
}
