// SPDX-License-Identifier: Apache-2.0
#include "host/outgoing.h"

#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "crypto/secret_line.h"
#include "host/local_connector.h"
#include "net/tunnel.h"

enum { LOGIN_BYTES_MAX = 512 };
static const char option[] = "--allow-http";

typedef struct passage { // one connection through the proxy, until it is made
    outgoing *owner;
    list_node node;
    uint64_t id;
    uint64_t inner_id; // of the connection to the proxy; 0 = it is made, or was never begun
    tunnel *tunnel;
    char host[CONNECT_HOST_BYTES_MAX];
    connect_request wanted;
    connect_callback done;
    void *arg;
} passage;

struct outgoing {
    connector base;
    loop *loop;
    const host_config *config;
    connector *direct;
    connector *to_proxy;
    connector *handed; // NULL = there is none
    secret authorization;
    list_node passages;
    uint64_t last_id;
    uint32_t share;   // passages of one workload
    uint32_t *counts; // of passages, by workload
};

static void passage_free(passage *p) {
    if (p->inner_id != 0) {
        connector_cancel(p->owner->to_proxy, p->inner_id);
    }
    tunnel_cancel(p->tunnel);
    list_remove(&p->node);
    p->owner->counts[p->wanted.workload]--;
    mem_free(p);
}

// --- the way -----------------------------------------------------------------------------------------------

static void answer(passage *p, connect_result *result) {
    connect_callback done = p->done;
    void *arg = p->arg;
    passage_free(p);
    done(arg, result);
}

static void fail(passage *p, status code, int os_error, const err *why) {
    err e;
    err_set(&e, code, "to %.*s port %u through the proxy: %s", SLICE_ARG(p->wanted.host), p->wanted.port,
            why != NULL ? why->message : status_name(code));
    connect_result result = {.code = code, .fd = -1, .os_error = os_error, .e = &e};
    answer(p, &result);
}

static void on_tunnel(void *arg, status code, int fd, const err *why) {
    passage *p = arg;
    p->tunnel = NULL;
    if (code != STATUS_OK) {
        fail(p, code, 0, why);
        return;
    }
    connect_result result = {.code = STATUS_OK, .fd = fd};
    answer(p, &result);
}

static void on_connected(void *arg, const connect_result *result) {
    passage *p = arg;
    p->inner_id = 0;
    if (result->code != STATUS_OK) {
        // A proxy that is not there is no refusal of the target.
        fail(p, result->code == STATUS_NOT_FOUND ? STATUS_IO : result->code, result->os_error, result->e);
        return;
    }
    const tunnel_request q = {.host = p->wanted.host,
                              .port = p->wanted.port,
                              .authorization = secret_slice(&p->owner->authorization),
                              .deadline_ns = p->wanted.deadline_ns};
    err e;
    status s = tunnel_start(p->owner->loop, result->fd, &q, on_tunnel, p, &p->tunnel, &e);
    if (s != STATUS_OK) {
        fail(p, s, 0, &e);
    }
}

// --- who may, and how --------------------------------------------------------------------------------------

static status check(const network_policy *policy, slice host, uint16_t port, err *e) {
    network_address literal;
    return network_address_parse(host, &literal)
               ? network_policy_check_address(policy, slice_empty(), &literal, port, option, e)
               : network_policy_check_host(policy, host, port, option, e);
}

static bool goes_through(const outgoing *o, const connect_request *q) {
    return q->purpose == CONNECT_HTTP && q->action == CONNECT_TO && q->protocol == CONNECT_TCP &&
           check(&o->config->no_proxy, q->host, q->port, NULL) != STATUS_OK;
}

// The last two bits of a number say whose it is.
enum { ID_BITS = 2, ID_DIRECT = 0, ID_PASSAGE = 1, ID_HANDED = 2, ID_MASK = 3 };

static status begin(outgoing *o, const connect_request *wanted, connect_callback done, void *arg,
                    uint64_t *ret_id, err *e) {
    passage *p = MEM_NEW(passage);
    *p = (passage){.owner = o, .id = o->last_id + 1, .wanted = *wanted, .done = done, .arg = arg};
    memcpy(p->host, wanted->host.data, wanted->host.len);
    p->wanted.host = slice_of(p->host, wanted->host.len);
    list_push_back(&o->passages, &p->node);
    o->counts[wanted->workload]++;
    const connect_request to_proxy = {.purpose = CONNECT_SOCKETS,
                                      .protocol = CONNECT_TCP,
                                      .action = CONNECT_TO,
                                      .host = slice_from_text(o->config->proxy_host),
                                      .port = o->config->proxy_port,
                                      .deadline_ns = wanted->deadline_ns};
    status s = connector_request(o->to_proxy, &to_proxy, on_connected, p, &p->inner_id, e);
    if (s != STATUS_OK) {
        passage_free(p);
        return s;
    }
    *ret_id = ++o->last_id << ID_BITS | ID_PASSAGE;
    return STATUS_OK;
}

static status request_of(connector *c, uint64_t mark, const connect_request *q, connect_callback done,
                         void *arg, uint64_t *ret_id, err *e) {
    uint64_t id;
    TRY(connector_request(c, q, done, arg, &id, e));
    *ret_id = id << ID_BITS | mark;
    return STATUS_OK;
}

static status request(connector *base, const connect_request *q, connect_callback done, void *arg,
                      uint64_t *ret_id, err *e) {
    outgoing *o = (outgoing *)base;
    if (q->workload >= o->config->workload_count || q->host.len > CONNECT_HOST_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "there is no such workload, or its host name is too long");
    }
    if (o->handed != NULL && q->purpose == CONNECT_HTTP && o->config->workloads[q->workload].is_http_linked) {
        return request_of(o->handed, ID_HANDED, q, done, arg, ret_id, e);
    }
    if (o->config->proxy_host == NULL || !goes_through(o, q)) {
        return request_of(o->direct, ID_DIRECT, q, done, arg, ret_id, e);
    }
    TRY(check(&o->config->workloads[q->workload].http_policy, q->host, q->port, e));
    if (o->counts[q->workload] >= o->share) {
        return err_set(e, STATUS_LIMIT, "%u connections of this workload are being made already", o->share);
    }
    return begin(o, q, done, arg, ret_id, e);
}

static void cancel(connector *base, uint64_t id) {
    outgoing *o = (outgoing *)base;
    if ((id & ID_MASK) != ID_PASSAGE) {
        connector_cancel((id & ID_MASK) == ID_HANDED ? o->handed : o->direct, id >> ID_BITS);
        return;
    }
    for (list_node *n = o->passages.next; n != &o->passages; n = n->next) {
        passage *found = LIST_ENTRY(n, passage, node);
        if (found->id == id >> ID_BITS) {
            passage_free(found);
            return;
        }
    }
}

static const connector_ops outgoing_ops = {request, cancel};

// --- credentials -------------------------------------------------------------------------------------------

// "Basic" and what the file says (RFC 7617), in memory for secrets; the copies on the way are wiped.
static status read_login(const char *path, secret *ret, err *e) {
    auto_secret login = {0};
    buf encoded;
    TRY(secret_line_read(path, LOGIN_BYTES_MAX, &login, e));
    if (slice_find(secret_slice(&login), 0, ':') == SIZE_MAX) {
        return err_set(e, STATUS_INVALID, "%s: its first line is USER:PASSWORD", path);
    }
    buf_init(&encoded, TUNNEL_AUTHORIZATION_BYTES_MAX);
    status s = buf_append_text(&encoded, "Basic ");
    s = s == STATUS_OK ? base64_encode(BASE64_STANDARD, secret_slice(&login), &encoded) : s;
    s = s == STATUS_OK ? secret_new(encoded.len, ret, e) : s;
    if (s == STATUS_OK) {
        memcpy(ret->data, encoded.data, encoded.len);
    }
    secret_wipe(encoded.data, encoded.len);
    buf_done(&encoded);
    return s;
}

static status read_credentials(outgoing *o, err *e) {
    const char *path = o->config->proxy_login_file;
    status s = path == NULL ? STATUS_OK : read_login(path, &o->authorization, e);
    return s == STATUS_OK ? s : err_wrap(e, "credentials of the proxy");
}

static status open_ways(outgoing *o, err *e) {
    TRY(local_connector_new(o->loop, o->config, &o->direct, e));
    if (o->config->proxy_host == NULL) {
        return STATUS_OK;
    }
    TRY(local_connector_new(o->loop, NULL, &o->to_proxy, e));
    return read_credentials(o, e);
}

status outgoing_new(loop *l, const host_config *config, outgoing **ret, err *e) {
    outgoing *o = MEM_NEW(outgoing);
    uint32_t count = (uint32_t)config->workload_count, share = LOCAL_CONNECTIONS_MAX / (count + 1);
    *o = (outgoing){.base.ops = &outgoing_ops, .loop = l, .config = config};
    o->share = share > LOCAL_SHARE_MIN ? share : LOCAL_SHARE_MIN;
    o->counts = mem_calloc(count + 1u, sizeof *o->counts);
    list_init(&o->passages);
    status s = open_ways(o, e);
    if (s != STATUS_OK) {
        outgoing_free(o);
        return s;
    }
    *ret = o;
    return STATUS_OK;
}

void outgoing_free(outgoing *o) {
    if (o == NULL) {
        return;
    }
    while (!list_empty(&o->passages)) {
        passage_free(LIST_ENTRY(o->passages.next, passage, node));
    }
    handed_connector_free(o->handed);
    local_connector_free(o->to_proxy);
    local_connector_free(o->direct);
    secret_free(&o->authorization);
    mem_free(o->counts);
    mem_free(o);
}

void outgoing_hand(outgoing *o, handed_open open, void *context) {
    o->handed = handed_connector_new(o->loop, open, context);
}

connector *outgoing_connector(outgoing *o) {
    return o->config->proxy_host == NULL && o->handed == NULL ? o->direct : &o->base;
}
