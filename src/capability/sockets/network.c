// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/network, instance-network and ip-name-lookup.
//
// The network handle carries nothing: the authority is the workload's allow-list, applied by the connector to
// each request, also to names (a query carries data out, so a name that is not allowed is never looked up).
#include "policy/network.h"
#include "base/mem.h"
#include "capability/sockets/sockets_internal.h"
#include "wasi/sockets_instance_network.h"
#include "wasi/sockets_ip_name_lookup.h"

static void free_plain(wasi_resource *r) { mem_free(r); }
static const wasi_resource_ops plain_ops = {.free = free_plain};

status wasi_sockets_instance_network_instance_network(host_call *call, wasi_sockets_network_network **ret,
                                                      err *e) {
    wasi_sockets_network_network *n =
        WASI_NEW(wasi_of(call), wasi_sockets_network_network, &plain_ops, WASI_CLASS_OTHER, NULL, e);
    if (n == NULL) {
        return STATUS_TRAP; // the interface has no error here
    }
    *ret = n;
    return STATUS_OK;
}

void wasi_sockets_network_network_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(rep);
}

// --- name lookup -------------------------------------------------------------------------------------------

typedef wasi_sockets_ip_name_lookup_resolve_address_stream address_stream;

struct wasi_sockets_ip_name_lookup_resolve_address_stream {
    wasi_resource base;
    uint64_t request_id; // 0 = answered
    int error;           // socket_error or SOCKET_NO_ERROR
    size_t count;
    size_t next;
    wasi_sockets_network_ip_address addresses[LOOP_RESOLVE_ADDRESSES_MAX];
};

static void drop_lookup(wasi_resource *r) {
    address_stream *s = (address_stream *)(void *)r;
    if (s->request_id != 0) {
        connector_cancel(r->instance->connector, s->request_id);
        s->request_id = 0;
    }
}
static const wasi_resource_ops lookup_ops = {.drop = drop_lookup, .free = free_plain};

void wasi_sockets_ip_name_lookup_resolve_address_stream_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(rep);
}

static void on_addresses(void *arg, const connect_result *result) {
    address_stream *s = arg;
    s->request_id = 0;
    s->error = result->code == STATUS_OK ? SOCKET_NO_ERROR : (int)socket_error_of_connect(result);
    if (result->code == STATUS_IO) {
        s->error = WASI_SOCKETS_NETWORK_ERROR_CODE_TEMPORARY_RESOLVER_FAILURE;
    }
    for (size_t i = 0;
         result->code == STATUS_OK && i < result->address_count && i < LOOP_RESOLVE_ADDRESSES_MAX; i++) {
        s->addresses[s->count++] = guest_ip_from_loop(&result->addresses[i]);
    }
    wasi_instance_wake(s->base.instance);
}

static int start_lookup(address_stream *s, slice name) {
    wasi_instance *i = s->base.instance;
    network_address literal;
    if (network_address_parse(name, &literal)) { // answered without a query and without authority
        loop_address a = {0};
        a.any.sa_family = literal.is_v6 ? AF_INET6 : AF_INET;
        memcpy(literal.is_v6 ? (void *)&a.v6.sin6_addr : (void *)&a.v4.sin_addr, literal.bytes,
               literal.is_v6 ? 16 : 4);
        s->addresses[s->count++] = guest_ip_from_loop(&a);
        return SOCKET_NO_ERROR;
    }
    if (i->connector == NULL || i->loop == NULL) {
        return WASI_SOCKETS_NETWORK_ERROR_CODE_ACCESS_DENIED;
    }
    connect_request request = {.purpose = CONNECT_SOCKETS,
                               .action = CONNECT_RESOLVE,
                               .host = name,
                               .deadline_ns = loop_now_ns(i->loop) + 30ull * 1000000000,
                               .workload = i->workload->number};
    err e = {0};
    status code = connector_request(i->connector, &request, on_addresses, s, &s->request_id, &e);
    connect_result refused = {.code = code, .fd = -1};
    return code == STATUS_OK ? SOCKET_NO_ERROR : (int)socket_error_of_connect(&refused);
}

status wasi_sockets_ip_name_lookup_resolve_addresses(
    host_call *call, wasi_sockets_network_network *network, slice name,
    wasi_sockets_ip_name_lookup_result_resolve_address_stream_error_code *ret, err *e) {
    (void)network;
    *ret = (wasi_sockets_ip_name_lookup_result_resolve_address_stream_error_code){0};
    if (name.len == 0 || name.len > CONNECT_HOST_BYTES_MAX) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT);
    }
    address_stream *s = WASI_NEW(wasi_of(call), address_stream, &lookup_ops, WASI_CLASS_SOCKET, NULL, e);
    if (s == NULL) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_OUT_OF_MEMORY);
    }
    s->error = SOCKET_NO_ERROR;
    int error = start_lookup(s, name);
    if (error != SOCKET_NO_ERROR) {
        wasi_resource_drop(&s->base);
        return SOCKET_FAIL(ret, error);
    }
    ret->ok = s;
    return STATUS_OK;
}

status wasi_sockets_ip_name_lookup_resolve_address_stream_resolve_next_address(
    host_call *call, address_stream *s, wasi_sockets_ip_name_lookup_result_option_ip_address_error_code *ret,
    err *e) {
    (void)call, (void)e;
    *ret = (wasi_sockets_ip_name_lookup_result_option_ip_address_error_code){0};
    if (s->request_id != 0) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_WOULD_BLOCK);
    }
    if (s->error != SOCKET_NO_ERROR) {
        return SOCKET_FAIL(ret, s->error);
    }
    if (s->next < s->count) {
        ret->ok.some = true;
        ret->ok.value = s->addresses[s->next++];
    }
    return STATUS_OK;
}

static bool lookup_ready(wasi_io_poll_pollable *p) { return ((address_stream *)p->source)->request_id == 0; }
static const wasi_pollable_ops lookup_pollable_ops = {.ready = lookup_ready};

status wasi_sockets_ip_name_lookup_resolve_address_stream_subscribe(host_call *call, address_stream *s,
                                                                    wasi_io_poll_pollable **ret, err *e) {
    return wasi_pollable_new(wasi_of(call), &lookup_pollable_ops, &s->base, s, ret, e);
}
