// SPDX-License-Identifier: Apache-2.0
// The connection, messages and requests of the bus over NATS.
#include "bus/bus_nats.h"

#include <stdio.h>

#include "base/check.h"
#include "base/jitter.h"
#include "base/mem.h"
#include "bus/bus_nats_internal.h"
#include "codec/subject.h"
#include "codec/utf.h"

static const uint64_t heartbeat_ns = 1000000000;
// A lattice is whole again soon after its network is.
static const uint64_t ping_ns = 2000000000;
static const uint64_t retry_ns_max = 2000000000;

typedef struct subscription {
    list_node node;
    bus_subscription *s;
    nats_subscription sub;
} subscription;

typedef struct request {
    list_node node;
    bus_request *r;
    nats_request q;
} request;

// --- messages ----------------------------------------------------------------------------------------------

static nats_message to_nats(const bus_message *m) {
    return (nats_message){
        .subject = m->subject, .reply = m->reply, .headers = m->headers, .payload = m->payload};
}

static bus_message from_nats(const nats_message *m) {
    return (bus_message){m->subject, m->reply, m->headers, m->payload};
}

static status publish(bus *base, const bus_message *m, err *e) {
    const nats_message sent = to_nats(m);
    return nats_publish(bus_nats_of(base)->client, &sent, e);
}

static void on_message(void *arg, nats_subscription *sub, const nats_message *m) {
    bus_subscription *s = ((subscription *)arg)->s;
    const bus_message told = from_nats(m);
    (void)sub;
    // Nobody above expects names that could not be published here.
    if (m->subject.len > BUS_SUBJECT_BYTES_MAX || m->reply.len > BUS_SUBJECT_BYTES_MAX) {
        bus_nats_of(s->b)->dropped++;
        return;
    }
    s->on_message(s->arg, s, &told);
}

static status subscribe(bus *base, bus_subscription *s, slice subject, slice queue, err *e) {
    bus_nats *b = bus_nats_of(base);
    subscription *x = MEM_NEW(subscription);
    x->s = s;
    status code = nats_subscribe(b->client, &x->sub, subject, queue, 0, on_message, x, e);
    if (code != STATUS_OK) {
        mem_free(x);
        return code;
    }
    list_push_back(&b->subscriptions, &x->node);
    s->impl = x;
    return STATUS_OK;
}

static void unsubscribe(bus_subscription *s) {
    subscription *x = s->impl;
    nats_unsubscribe(&x->sub);
    list_remove(&x->node);
    mem_free(x);
}

static slice inbox(bus *base, char ret[BUS_INBOX_BYTES_MAX]) {
    _Static_assert((int)BUS_INBOX_BYTES_MAX == (int)NATS_INBOX_BYTES_MAX, "the same names");
    return nats_inbox(bus_nats_of(base)->client, ret);
}

// --- requests ----------------------------------------------------------------------------------------------

static void forget_request(request *x) {
    nats_request_cancel(&x->q);
    list_remove(&x->node);
    mem_free(x);
}

static void request_cancel(bus_request *r) { forget_request(r->impl); }

static void on_answer(void *arg, const nats_result *result) {
    request *x = arg;
    const bus_request was = *x->r;
    const bus_result told = {result->code, from_nats(&result->message), result->text};
    *x->r = (bus_request){0};
    forget_request(x);
    was.ended(was.arg, &told);
}

static status start_request(bus *base, bus_request *r, const bus_message *m, uint64_t deadline_ns, err *e) {
    bus_nats *b = bus_nats_of(base);
    const nats_message sent = to_nats(m);
    request *x = MEM_NEW(request);
    x->r = r;
    status code = nats_request_start(b->client, &x->q, &sent, deadline_ns, on_answer, x, e);
    if (code != STATUS_OK) {
        mem_free(x);
        return code;
    }
    list_push_back(&b->requests, &x->node);
    r->impl = x;
    return STATUS_OK;
}

// --- the connection ----------------------------------------------------------------------------------------

static void on_state(void *arg, nats_state state, status why, const char *reason) {
    bus_nats *b = arg;
    (void)why;
    b->holds++;
    if (state == NATS_UP) {
        bus_nats_watches_up(b);
    } else {
        bus_nats_watches_down(b);
    }
    if (!b->is_freed) {
        bus_tell_watchers(&b->base, state == NATS_UP, reason);
    }
    bus_nats_release(b);
}

static void on_error(void *arg, slice text) {
    char shown[NATS_REASON_BYTES_MAX];
    bus_tell_complaint(arg, utf8_shown(text, shown, sizeof shown));
}

static bool is_up(const bus *base) { return nats_state_of(((const bus_nats *)base)->client) == NATS_UP; }
static size_t payload_max(const bus *base) {
    size_t max = nats_payload_max(((const bus_nats *)base)->client);
    return max < BUS_PAYLOAD_BYTES_MAX ? max : BUS_PAYLOAD_BYTES_MAX;
}
static uint64_t dropped(const bus *base) {
    const bus_nats *b = (const bus_nats *)base;
    return b->dropped + nats_passed_over(b->client);
}
nats *bus_nats_client(bus *b) { return bus_nats_of(b)->client; }

// --- life --------------------------------------------------------------------------------------------------

void bus_nats_release(bus_nats *b) {
    if (--b->holds == 0 && b->is_freed) {
        mem_free(b);
    }
}

static void free_bus(bus *base) {
    bus_nats *b = bus_nats_of(base);
    CHECK(!b->is_freed);
    b->is_freed = true;
    b->holds++;
    bus_nats_watches_stop(b);
    bus_nats_kv_stop(b);
    while (!list_empty(&b->requests)) {
        bus_request_cancel(LIST_ENTRY(b->requests.next, request, node)->r);
    }
    while (!list_empty(&b->subscriptions)) {
        bus_unsubscribe(LIST_ENTRY(b->subscriptions.next, subscription, node)->s);
    }
    nats_free(b->client);
    bus_nats_release(b);
}

static status name_api(bus_nats *b, const char *domain, err *e) {
    if (domain == NULL || domain[0] == '\0') {
        snprintf(b->api, sizeof b->api, "$JS.API.");
        return STATUS_OK;
    }
    slice name = slice_from_text(domain);
    if (!subject_is_plain_within(name, BUS_NATS_DOMAIN_BYTES_MAX) || slice_find(name, 0, '.') != SIZE_MAX) {
        return err_set(e, STATUS_INVALID,
                       "\"%.*s\" is no name of a JetStream domain: 1 to %d bytes without "
                       "blanks, dots and wildcards",
                       SLICE_ARG(slice_sub(name, 0, BUS_NATS_DOMAIN_BYTES_MAX)), BUS_NATS_DOMAIN_BYTES_MAX);
    }
    snprintf(b->api, sizeof b->api, "$JS.%s.API.", domain);
    memcpy(b->written, b->api, sizeof b->api);
    return STATUS_OK;
}

static status start(bus_nats *b, const bus_nats_options *o, err *e) {
    nats_options client = o->nats;
    TRY(name_api(b, o->domain, e));
    client.ping_ns = client.ping_ns == 0 ? ping_ns : client.ping_ns;
    client.retry_ns_max = client.retry_ns_max == 0 ? retry_ns_max : client.retry_ns_max;
    client.on_state = on_state;
    client.on_error = on_error;
    client.arg = b;
    return nats_new(&client, &b->client, e);
}

status bus_nats_new(const bus_nats_options *options, bus **ret, err *e) {
    static const bus_ops ops = {.free = free_bus,
                                .is_up = is_up,
                                .payload_max = payload_max,
                                .dropped = dropped,
                                .inbox = inbox,
                                .publish = publish,
                                .subscribe = subscribe,
                                .unsubscribe = unsubscribe,
                                .request = start_request,
                                .request_cancel = request_cancel,
                                .kv_open = bus_nats_kv_open,
                                .kv_get = bus_nats_kv_get,
                                .kv_change = bus_nats_kv_change,
                                .kv_cancel = bus_nats_kv_cancel,
                                .watch = bus_nats_watch,
                                .watch_stop = bus_nats_watch_stop};
    bus_nats *b = MEM_NEW(bus_nats);
    bus_init(&b->base, &ops, options->nats.l);
    b->replicas = options->replicas == 0 ? 1 : options->replicas;
    b->in_memory = options->in_memory;
    b->heartbeat_ns = options->heartbeat_ns == 0 ? heartbeat_ns : options->heartbeat_ns;
    b->random = options->nats.random;
    list_init(&b->subscriptions);
    list_init(&b->requests);
    list_init(&b->ops);
    list_init(&b->watches);
    status code = start(b, options, e);
    if (code != STATUS_OK) {
        mem_free(b);
        return code;
    }
    *ret = &b->base;
    return STATUS_OK;
}
