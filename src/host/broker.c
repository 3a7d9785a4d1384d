// SPDX-License-Identifier: Apache-2.0
#include "host/broker.h"

#include "base/mem.h"
#include "host/remote_connector.h"
#include "os/fd.h"

// Nobody waits longer for a connection, whatever a worker says.
#define DURATION_NS_MAX 300000000000ull
typedef struct pending {
    broker *broker;
    uint64_t worker_id; // the worker's number for it; 0 = free
    uint64_t local_id;
} pending;

struct broker {
    loop *loop;
    connector *local;
    channel *channel;
    uint32_t workload_count;
    uint32_t max;
    pending pending[];
};

status broker_new(loop *l, connector *local, channel *c, uint32_t workload_count, broker **ret, err *e) {
    (void)e;
    // A request that was cancelled may still be on its way here when its successor comes.
    uint32_t max = 2 * workload_count * remote_connector_share(workload_count);
    broker *b = mem_zalloc(sizeof *b + max * sizeof b->pending[0]);
    b->workload_count = workload_count;
    b->max = max;
    b->loop = l;
    b->local = local;
    b->channel = c;
    *ret = b;
    return STATUS_OK;
}

void broker_free(broker *b) {
    if (b == NULL) {
        return;
    }
    for (size_t i = 0; i < b->max; i++) {
        if (b->pending[i].worker_id != 0) {
            connector_cancel(b->local, b->pending[i].local_id);
        }
    }
    mem_free(b);
}

static void on_done(void *arg, const connect_result *result) {
    pending *p = arg;
    message_connected m = {
        .id = p->worker_id,
        .code = result->code,
        .os_error = result->os_error,
        .peer = result->peer,
        .text = result->e == NULL ? slice_empty() : slice_from_text(result->e->message),
        .address_count = (uint32_t)result->address_count,
    };
    if (result->address_count > 0) {
        memcpy(m.addresses, result->addresses, result->address_count * sizeof m.addresses[0]);
    }
    p->worker_id = 0;
    // The channel holds the answers to all requests of a worker at once; one that does not read them times
    // out.
    (void)!message_send_connected(p->broker->channel, &m, result->fd, NULL);
    fd_close(result->fd);
}

static pending *find(broker *b, uint64_t worker_id) {
    for (size_t i = 0; i < b->max; i++) {
        if (b->pending[i].worker_id == worker_id) {
            return &b->pending[i];
        }
    }
    return NULL;
}

static void refuse(broker *b, uint64_t worker_id, const err *why) {
    message_connected m = {.id = worker_id, .code = why->code, .text = slice_from_text(why->message)};
    (void)!message_send_connected(b->channel, &m, -1, NULL);
}

status broker_request(broker *b, const channel_packet *p, err *e) {
    message_connect m;
    TRY(message_read_connect(p, &m, e));
    if (m.request.workload >= b->workload_count) {
        return err_set(e, STATUS_INVALID, "it asks for a connection of workload %u, which is none",
                       m.request.workload);
    }
    pending *slot = find(b, 0);
    if (slot == NULL || find(b, m.id) != NULL) {
        return err_set(e, STATUS_INVALID,
                       "it asks for too many connections at one time, or for the same one twice");
    }
    uint64_t duration = m.request.deadline_ns < DURATION_NS_MAX ? m.request.deadline_ns : DURATION_NS_MAX;
    m.request.deadline_ns = loop_now_ns(b->loop) + duration;
    slot->broker = b;
    err why;
    if (connector_request(b->local, &m.request, on_done, slot, &slot->local_id, &why) != STATUS_OK) {
        refuse(b, m.id, &why);
        return STATUS_OK;
    }
    slot->worker_id = m.id;
    return STATUS_OK;
}

status broker_cancel(broker *b, const channel_packet *p, err *e) {
    uint64_t id;
    TRY(message_read_cancel(p, &id, e));
    pending *slot = find(b, id);
    if (slot != NULL) {
        connector_cancel(b->local, slot->local_id);
        slot->worker_id = 0;
    }
    return STATUS_OK;
}
