// SPDX-License-Identifier: Apache-2.0
// Requests wait in the list of their workload until they may be sent, and in another until they are answered.
// Ids are never reused, so an answer to a cancelled request finds nothing and its descriptor is closed with
// its packet.
#include "host/remote_connector.h"

#include "base/check.h"
#include "base/list.h"
#include "base/mem.h"
#include "os/fd.h"

typedef struct request {
    list_node node;
    uint64_t id;
    connect_request wanted; // `host` points at the copy below
    char host[CONNECT_HOST_BYTES_MAX];
    connect_callback done;
    void *arg;
} request;

typedef struct remote_lane { // of one workload
    list_node waiting;
    list_node in_flight;
    uint32_t waiting_count;
    uint32_t in_flight_count;
} remote_lane;

typedef struct remote {
    connector base;
    loop *loop;
    channel *channel;
    uint64_t last_id;
    loop_soon soon; // sends what waits
    uint32_t share; // of the requests in flight, for each workload
    uint32_t first; // whose turn it is to be the first
    uint32_t lane_count;
    remote_lane lanes[]; // by number of the workload
} remote;

static remote *remote_of(connector *c) { return (remote *)c; }

static void free_list(list_node *head) {
    for (list_node *n; (n = list_pop_front(head)) != NULL;) {
        mem_free(LIST_ENTRY(n, request, node));
    }
}

static status remote_request(connector *c, const connect_request *wanted, connect_callback done, void *arg,
                             uint64_t *ret_id, err *e) {
    remote *r = remote_of(c);
    if (wanted->host.len > CONNECT_HOST_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "a host name has at most %d bytes", CONNECT_HOST_BYTES_MAX);
    }
    if (wanted->workload >= r->lane_count) {
        return err_set(e, STATUS_INTERNAL, "there is no workload %u", wanted->workload);
    }
    remote_lane *lane = &r->lanes[wanted->workload];
    if (lane->waiting_count >= REMOTE_WAITING_MAX) {
        return err_set(e, STATUS_LIMIT, "%d connections wait to be made already", REMOTE_WAITING_MAX);
    }
    request *q = MEM_NEW(request);
    q->id = ++r->last_id;
    q->wanted = *wanted;
    memcpy(q->host, wanted->host.len > 0 ? wanted->host.data : (const uint8_t *)"", wanted->host.len);
    q->wanted.host = slice_of(q->host, wanted->host.len);
    q->done = done;
    q->arg = arg;
    list_push_back(&lane->waiting, &q->node);
    lane->waiting_count++;
    loop_soon_add(r->loop, &r->soon);
    *ret_id = q->id;
    return STATUS_OK;
}

static request *find(list_node *head, uint64_t id) {
    for (list_node *n = head->next; n != head; n = n->next) {
        request *q = LIST_ENTRY(n, request, node);
        if (q->id == id) {
            return q;
        }
    }
    return NULL;
}

static bool cancel_in(remote *r, remote_lane *lane, uint64_t id) {
    request *q = find(&lane->waiting, id);
    if (q != NULL) {
        lane->waiting_count--;
    } else if ((q = find(&lane->in_flight, id)) != NULL) {
        lane->in_flight_count--;
        // If this cannot be sent, the supervisor's answer comes and is dropped.
        (void)!message_send_cancel(r->channel, id, NULL);
        loop_soon_add(r->loop, &r->soon);
    }
    if (q != NULL) {
        list_remove(&q->node);
        mem_free(q);
    }
    return q != NULL;
}

static void remote_cancel(connector *c, uint64_t id) {
    remote *r = remote_of(c);
    for (uint32_t i = 0; i < r->lane_count && !cancel_in(r, &r->lanes[i], id); i++) {
    }
}

static const connector_ops remote_ops = {remote_request, remote_cancel};

// What is late already is not sent; it is answered here.
static void answer_late(remote_lane *lane, request *q) {
    err e;
    err_set(&e, STATUS_TIMEOUT, "no connection in time");
    connect_result result = {.code = STATUS_TIMEOUT, .fd = -1, .e = &e};
    list_remove(&q->node);
    lane->waiting_count--;
    q->done(q->arg, &result);
    mem_free(q);
}

// False when the channel is full: the next answer brings us back.
static bool send_first(remote *r, remote_lane *lane) {
    request *q = LIST_ENTRY(lane->waiting.next, request, node);
    uint64_t now = loop_now_ns(r->loop);
    if (q->wanted.deadline_ns <= now) {
        answer_late(lane, q);
        return true;
    }
    message_connect m = {.id = q->id, .request = q->wanted};
    m.request.deadline_ns -= now;
    if (message_send_connect(r->channel, &m, NULL) != STATUS_OK) {
        return false;
    }
    list_remove(&q->node);
    list_push_back(&lane->in_flight, &q->node);
    lane->waiting_count--;
    lane->in_flight_count++;
    return true;
}

static bool send_of_lane(remote *r, remote_lane *lane) {
    while (!list_empty(&lane->waiting) && lane->in_flight_count < r->share) {
        if (!send_first(r, lane)) {
            return false;
        }
    }
    return true;
}

// Each time another workload is the first, in case the channel does not take those of all.
void remote_connector_flush(connector *c) {
    remote *r = remote_of(c);
    uint32_t first = r->first++;
    for (uint32_t i = 0; i < r->lane_count && send_of_lane(r, &r->lanes[(first + i) % r->lane_count]); i++) {
    }
}

static void on_soon(void *arg) { remote_connector_flush(arg); }

static request *find_in_flight(remote *r, uint64_t id) {
    for (uint32_t i = 0; i < r->lane_count; i++) {
        request *q = find(&r->lanes[i].in_flight, id);
        if (q != NULL) {
            return q;
        }
    }
    return NULL;
}

void remote_connector_answer(connector *c, channel_packet *p) {
    remote *r = remote_of(c);
    message_connected m;
    CHECK(message_read_connected(p, &m, NULL) == STATUS_OK); // the supervisor is trusted
    request *q = find_in_flight(r, m.id);
    if (q == NULL) {
        return;
    }
    list_remove(&q->node);
    r->lanes[q->wanted.workload].in_flight_count--;
    err e;
    connect_result result = {
        .code = m.code,
        .fd = channel_packet_take(p, 0),
        .peer = m.peer,
        .addresses = m.addresses,
        .address_count = m.address_count,
        .os_error = m.os_error,
    };
    if (m.code != STATUS_OK) {
        err_set(&e, m.code, "%.*s", SLICE_ARG(m.text));
        result.e = &e;
    }
    q->done(q->arg, &result);
    mem_free(q);
    loop_soon_add(r->loop, &r->soon);
}

status remote_connector_new(loop *l, channel *c, uint32_t workload_count, connector **ret, err *e) {
    (void)e;
    remote *r = mem_zalloc(sizeof *r + workload_count * sizeof r->lanes[0]);
    r->base.ops = &remote_ops;
    r->loop = l;
    r->channel = c;
    r->share = remote_connector_share(workload_count);
    r->lane_count = workload_count;
    for (uint32_t i = 0; i < workload_count; i++) {
        list_init(&r->lanes[i].waiting);
        list_init(&r->lanes[i].in_flight);
    }
    loop_soon_init(&r->soon, on_soon, &r->base);
    *ret = &r->base;
    return STATUS_OK;
}

void remote_connector_free(connector *c) {
    if (c != NULL) {
        remote *r = remote_of(c);
        loop_soon_cancel(&r->soon);
        for (uint32_t i = 0; i < r->lane_count; i++) {
            free_list(&r->lanes[i].waiting);
            free_list(&r->lanes[i].in_flight);
        }
        mem_free(r);
    }
}
