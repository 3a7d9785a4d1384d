// SPDX-License-Identifier: Apache-2.0
// A request lives on the stack of the guest's task, which keeps its place while it is suspended. Ids are
// never reused, so an answer to one that was given up finds nothing.
#include "host/remote_secrets.h"

#include "base/check.h"
#include "base/list.h"
#include "base/mem.h"

typedef struct request {
    list_node node;
    uint64_t id;
    uint32_t workload;
    slice name;
    wasi_instance *instance;
    bool is_done;
    status code;
    secret_value value;
    size_t have; // bytes of it
    err e;
} request;

struct remote_secrets {
    channel *channel;
    uint64_t last_id;
    list_node waiting, in_flight;
    uint32_t in_flight_count;
};

remote_secrets *remote_secrets_new(channel *c) {
    remote_secrets *r = MEM_NEW(remote_secrets);
    r->channel = c;
    list_init(&r->waiting);
    list_init(&r->in_flight);
    return r;
}

void remote_secrets_free(remote_secrets *r) { mem_free(r); }

static void end(request *q, status code) {
    q->is_done = true;
    q->code = code;
    wasi_instance_wake(q->instance);
}

static void send_waiting(remote_secrets *r) {
    while (r->in_flight_count < REMOTE_SECRETS_IN_FLIGHT_MAX && !list_empty(&r->waiting)) {
        request *q = LIST_ENTRY(list_pop_front(&r->waiting), request, node);
        const message_reveal m = {q->id, q->workload, q->name};
        status s = message_send_reveal(r->channel, &m, &q->e);
        if (s != STATUS_OK) {
            end(q, s);
            continue;
        }
        list_push_back(&r->in_flight, &q->node);
        r->in_flight_count++;
    }
}

// An answer to it is still to come when it was sent, and takes its place until then.
static void give_up(request *q) { list_remove(&q->node); }

static void take_out(remote_secrets *r, request *q) {
    list_remove(&q->node);
    r->in_flight_count--;
    send_waiting(r);
}

static status reveal(void *context, uint32_t number, host_call *call, slice name, secret_value *ret, err *e) {
    remote_secrets *r = context;
    request q = {.id = ++r->last_id, .workload = number, .name = name, .instance = wasi_of(call)};
    list_push_back(&r->waiting, &q.node);
    send_waiting(r);
    while (!q.is_done) {
        status s = wasi_instance_suspend(call, e);
        if (s != STATUS_OK) {
            if (!q.is_done) {
                give_up(&q);
            }
            secret_value_free(&q.value);
            return s;
        }
    }
    if (q.code != STATUS_OK) {
        secret_value_free(&q.value);
        return err_set(e, q.code, "%s", q.e.message);
    }
    *ret = q.value;
    return STATUS_OK;
}

secret_teller remote_secrets_teller(remote_secrets *r) { return (secret_teller){r, reveal}; }

// --- answers -----------------------------------------------------------------------------------------------

static request *find(remote_secrets *r, uint64_t id) {
    for (list_node *n = r->in_flight.next; n != &r->in_flight; n = n->next) {
        request *q = LIST_ENTRY(n, request, node);
        if (q->id == id) {
            return q;
        }
    }
    return NULL;
}

static bool is_last(const message_revealed *m) {
    return m->code != STATUS_OK || m->offset + m->part.len == m->total;
}

static status keep_part(request *q, const message_revealed *m) {
    if (m->code != STATUS_OK) {
        return err_set(&q->e, m->code, "%.*s", SLICE_ARG(m->text));
    }
    if (m->offset == 0) {
        TRY(secret_new(m->total, &q->value.bytes, &q->e));
        q->value.kind = m->kind;
        q->value.version = m->version;
    }
    CHECK(m->offset == q->have && m->total == q->value.bytes.len); // the supervisor is trusted
    memcpy(q->value.bytes.data + q->have, m->part.data, m->part.len);
    q->have += m->part.len;
    return STATUS_OK;
}

static void answer(remote_secrets *r, const channel_packet *p) {
    message_revealed m;
    CHECK(message_read_revealed(p, &m, NULL) == STATUS_OK);
    request *q = find(r, m.id);
    if (q == NULL) { // it was given up
        r->in_flight_count -= is_last(&m);
        send_waiting(r);
        return;
    }
    status s = keep_part(q, &m);
    if (is_last(&m)) {
        take_out(r, q);
        end(q, s);
    } else if (s != STATUS_OK) {
        give_up(q);
        end(q, s);
    }
}

void remote_secrets_answer(remote_secrets *r, channel_packet *p) {
    answer(r, p);
    secret_wipe(p->payload, sizeof p->payload);
}
