// SPDX-License-Identifier: Apache-2.0
// wasi:sockets/udp.
//
// The system call filter of a worker lets it send only on connected sockets: an address in a datagram would
// pass the allow-list by. So a socket that talks to several peers keeps, beside the bound descriptor that
// receives, one connected descriptor for each peer, which the connector makes from the same local address. A
// send to a new peer first asks for that descriptor; check-send permits nothing until it is there. Peers are
// bounded; the one unused for longest makes room. The kernel gives a peer's answers to its connected
// descriptor, so all are read in turn.
#include <errno.h>

#include "base/arena.h"
#include "base/mem.h"
#include "capability/sockets/sockets_internal.h"
#include "os/fd.h"
#include "os/socket.h"
#include "policy/network.h"
#include "wasi/sockets_udp.h"
#include "wasi/sockets_udp_create_socket.h"

enum { PEERS_MAX = 16, DATAGRAM_BYTES_MAX = 65535, DATAGRAMS_PER_CALL_MAX = 16 };

typedef wasi_sockets_udp_udp_socket udp_socket;
typedef wasi_sockets_udp_incoming_datagram_stream incoming;
typedef wasi_sockets_udp_outgoing_datagram_stream outgoing;
typedef wasi_sockets_udp_result_void_error_code void_result;
typedef wasi_sockets_udp_result_u64_error_code u64_result;

typedef enum udp_state { UDP_UNBOUND, UDP_BINDING, UDP_BOUND } udp_state;

// One connected descriptor. A guest_socket of its own, so that requests, options and watches work the same
// way.
typedef struct udp_peer {
    guest_socket socket;
    guest_address address;
    uint64_t last_used; // of udp_socket.clock
} udp_peer;

struct wasi_sockets_udp_udp_socket {
    guest_socket socket; // first; the bound descriptor
    udp_state state;
    bool has_remote; // set by `stream`: only this peer
    guest_address remote;
    uint32_t generation; // of streams: `stream` called again ends the earlier ones
    uint64_t clock;
    size_t peer_count;
    udp_peer peers[PEERS_MAX];
};

struct wasi_sockets_udp_incoming_datagram_stream {
    wasi_resource base;
    udp_socket *socket;
    uint32_t generation;
};

struct wasi_sockets_udp_outgoing_datagram_stream {
    wasi_resource base;
    udp_socket *socket;
    uint32_t generation;
    uint64_t permitted; // datagrams that the last check-send allowed
    int pending_error;  // of a peer that could not be had; told by the next check-send
};

// --- life --------------------------------------------------------------------------------------------------

static void drop_socket(wasi_resource *r) {
    udp_socket *s = (udp_socket *)(void *)r;
    if (s->state == UDP_BINDING) {
        guest_socket_done(&s->socket);
    }
}

static void free_socket(wasi_resource *r) {
    udp_socket *s = (udp_socket *)(void *)r;
    for (size_t i = 0; i < s->peer_count; i++) {
        guest_socket_done(&s->peers[i].socket);
    }
    guest_socket_done(&s->socket);
    mem_free(s);
}
static const wasi_resource_ops socket_ops = {.drop = drop_socket, .free = free_socket};

static void free_plain(wasi_resource *r) { mem_free(r); }
static const wasi_resource_ops stream_ops = {.free = free_plain};

void wasi_sockets_udp_udp_socket_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(rep);
}
void wasi_sockets_udp_incoming_datagram_stream_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(rep);
}
void wasi_sockets_udp_outgoing_datagram_stream_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(rep);
}

status wasi_sockets_udp_create_socket_create_udp_socket(
    host_call *call, wasi_sockets_network_ip_address_family family,
    wasi_sockets_udp_create_socket_result_udp_socket_error_code *ret, err *e) {
    *ret = (wasi_sockets_udp_create_socket_result_udp_socket_error_code){0};
    udp_socket *s = WASI_NEW(wasi_of(call), udp_socket, &socket_ops, WASI_CLASS_SOCKET, NULL, e);
    if (s == NULL) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_NEW_SOCKET_LIMIT);
    }
    guest_socket_init(&s->socket, family == WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6);
    ret->ok = s;
    return STATUS_OK;
}

// --- bind --------------------------------------------------------------------------------------------------

status wasi_sockets_udp_udp_socket_start_bind(host_call *call, udp_socket *s,
                                              wasi_sockets_network_network *network,
                                              const guest_address *local, void_result *ret, err *e) {
    (void)call, (void)network, (void)e;
    if (guest_address_is_v6(local) != s->socket.is_v6 || guest_address_is_mapped(local)) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT);
    }
    if (s->state != UDP_UNBOUND) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_STATE);
    }
    connect_request request = {
        .protocol = CONNECT_UDP, .action = CONNECT_BIND, .local = guest_address_to_loop(local)};
    int error = guest_socket_request(&s->socket, &request);
    s->state = error == SOCKET_NO_ERROR ? UDP_BINDING : UDP_UNBOUND;
    return SOCKET_RESULT(ret, error);
}

status wasi_sockets_udp_udp_socket_finish_bind(host_call *call, udp_socket *s, void_result *ret, err *e) {
    (void)call, (void)e;
    if (s->state != UDP_BINDING) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_NOT_IN_PROGRESS);
    }
    int error;
    if (!guest_socket_collect(&s->socket, &error)) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_WOULD_BLOCK);
    }
    s->state = error == SOCKET_NO_ERROR ? UDP_BOUND : UDP_UNBOUND;
    return SOCKET_RESULT(ret, error);
}

// --- peers -------------------------------------------------------------------------------------------------

static bool same_address(const guest_address *a, const guest_address *b) {
    loop_address x = guest_address_to_loop(a), y = guest_address_to_loop(b);
    if (x.any.sa_family != y.any.sa_family) {
        return false;
    }
    if (x.any.sa_family == AF_INET) {
        return x.v4.sin_port == y.v4.sin_port && x.v4.sin_addr.s_addr == y.v4.sin_addr.s_addr;
    }
    return x.v6.sin6_port == y.v6.sin6_port && memcmp(&x.v6.sin6_addr, &y.v6.sin6_addr, 16) == 0;
}

static udp_peer *find_peer(udp_socket *s, const guest_address *address) {
    for (size_t i = 0; i < s->peer_count; i++) {
        if (same_address(&s->peers[i].address, address)) {
            return &s->peers[i];
        }
    }
    return NULL;
}

// A free place, or the peer unused for longest, given up. A request that is under way keeps its place.
static udp_peer *make_room(udp_socket *s) {
    if (s->peer_count < PEERS_MAX) {
        return &s->peers[s->peer_count++];
    }
    udp_peer *oldest = NULL;
    for (size_t i = 0; i < s->peer_count; i++) {
        udp_peer *p = &s->peers[i];
        if (p->socket.request_id == 0 && (oldest == NULL || p->last_used < oldest->last_used)) {
            oldest = p;
        }
    }
    if (oldest != NULL) {
        guest_socket_done(&oldest->socket);
    }
    return oldest;
}

static int check_remote(const udp_socket *s, const guest_address *a) {
    bool bad = guest_address_is_v6(a) != s->socket.is_v6 || guest_address_is_mapped(a) ||
               guest_address_is_unspecified(a) || guest_address_port(a) == 0;
    return bad ? WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT : SOCKET_NO_ERROR;
}

static bool has_failed(const udp_peer *p) { return p->socket.fd < 0 && p->socket.request_id == 0; }

// In the place of `p`, which has failed, or in a new one when it is NULL.
static int ask_for_peer(udp_socket *s, const guest_address *address, udp_peer *p) {
    p = p == NULL ? make_room(s) : p;
    if (p == NULL) {
        return WASI_SOCKETS_NETWORK_ERROR_CODE_NEW_SOCKET_LIMIT;
    }
    *p = (udp_peer){.address = *address, .last_used = ++s->clock};
    p->socket.base.instance =
        s->socket.base.instance; // not a resource of its own: it needs the connector and the loop
    guest_socket_init(&p->socket, s->socket.is_v6);
    guest_socket_options_copy(&p->socket, &s->socket);
    char text[NETWORK_ADDRESS_TEXT_BYTES];
    connect_request request = {.protocol = CONNECT_UDP,
                               .action = CONNECT_TO,
                               .host = guest_address_literal(address, text),
                               .port = guest_address_port(address)};
    guest_address local;
    if (guest_socket_local(&s->socket, &local)) {
        request.local = guest_address_to_loop(&local);
    }
    int error = guest_socket_request(&p->socket, &request);
    if (error != SOCKET_NO_ERROR) {
        p->last_used = 0; // the first to make room
    }
    return error;
}

// --- streams -----------------------------------------------------------------------------------------------

typedef wasi_sockets_udp_result_tuple_incoming_datagram_stream_outgoing_datagram_stream_error_code
    streams_result;

static status new_streams(udp_socket *s, streams_result *ret, err *e) {
    wasi_instance *i = s->socket.base.instance;
    incoming *in = WASI_NEW(i, incoming, &stream_ops, WASI_CLASS_STREAM, &s->socket.base, e);
    outgoing *out =
        in == NULL ? NULL : WASI_NEW(i, outgoing, &stream_ops, WASI_CLASS_STREAM, &s->socket.base, e);
    if (out == NULL) {
        if (in != NULL) {
            wasi_resource_drop(&in->base);
        }
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_OUT_OF_MEMORY);
    }
    in->socket = out->socket = s;
    in->generation = out->generation = s->generation;
    out->pending_error = SOCKET_NO_ERROR;
    ret->ok.f0 = in;
    ret->ok.f1 = out;
    return STATUS_OK;
}

status wasi_sockets_udp_udp_socket_stream(host_call *call, udp_socket *s,
                                          const wasi_sockets_udp_option_ip_socket_address *remote,
                                          streams_result *ret, err *e) {
    (void)call;
    *ret = (streams_result){0};
    if (s->state != UDP_BOUND) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_STATE);
    }
    int error = remote->some ? check_remote(s, &remote->value) : SOCKET_NO_ERROR;
    if (error == SOCKET_NO_ERROR && remote->some) {
        udp_peer *p = find_peer(s, &remote->value);
        error = p == NULL || has_failed(p) ? ask_for_peer(s, &remote->value, p) : SOCKET_NO_ERROR;
    }
    if (error != SOCKET_NO_ERROR) {
        return SOCKET_FAIL(ret, error);
    }
    s->has_remote = remote->some;
    s->remote = remote->value;
    s->generation++;
    return new_streams(s, ret, e);
}

// --- receiving ---------------------------------------------------------------------------------------------

typedef struct receiver {
    arena *memory; // datagrams live as long as the call
    uint8_t *scratch;
    wasi_sockets_udp_incoming_datagram *items;
    size_t count;
    size_t max;
} receiver;

static bool is_wanted(const udp_socket *s, const guest_address *from) {
    if (s->has_remote) {
        return same_address(&s->remote, from);
    }
    // Anybody can send to a bound socket; the guest hears only those that it may talk to.
    char text[NETWORK_ADDRESS_TEXT_BYTES];
    const wasi_instance *i = s->socket.base.instance;
    return i->workload->net_policy != NULL &&
           network_policy_check_host(i->workload->net_policy, guest_address_literal(from, text),
                                     guest_address_port(from), "--allow-net", NULL) == STATUS_OK;
}

// Reads datagrams until there are none or the call has enough. At most as many again are thrown away. A
// connected descriptor hears its peer only, whom the connector allowed.
static int receive_from(udp_socket *s, int fd, bool is_connected, receiver *r) {
    for (size_t tries = 0; r->count < r->max && tries < 2 * DATAGRAMS_PER_CALL_MAX; tries++) {
        struct sockaddr_storage storage;
        socklen_t length;
        long n = socket_receive_from(fd, r->scratch, DATAGRAM_BYTES_MAX, &storage, &length);
        if (n < 0) {
            return n == -EAGAIN ? SOCKET_NO_ERROR : (int)socket_error_of_errno((int)-n);
        }
        loop_address from;
        memcpy(&from, &storage, sizeof from);
        guest_address address = guest_address_from_loop(&from);
        bool wanted = (is_connected && !s->has_remote) || is_wanted(s, &address);
        slice data = wanted ? arena_copy(r->memory, slice_of(r->scratch, (size_t)n)) : slice_empty();
        if (data.data != NULL) {
            r->items[r->count++] =
                (wasi_sockets_udp_incoming_datagram){.data = data, .remote_address = address};
        }
    }
    return SOCKET_NO_ERROR;
}

static int receive_all(udp_socket *s, receiver *r) {
    int error = receive_from(s, s->socket.fd, false, r);
    for (size_t i = 0; i < s->peer_count && error == SOCKET_NO_ERROR; i++) {
        if (s->peers[i].socket.fd >= 0) {
            error = receive_from(s, s->peers[i].socket.fd, true, r);
        }
    }
    return r->count > 0 ? SOCKET_NO_ERROR : error; // an error waits until what came before it was read
}

status wasi_sockets_udp_incoming_datagram_stream_receive(
    host_call *call, incoming *in, uint64_t max_results,
    wasi_sockets_udp_result_list_incoming_datagram_error_code *ret, err *e) {
    *ret = (wasi_sockets_udp_result_list_incoming_datagram_error_code){0};
    udp_socket *s = in->socket;
    if (in->generation != s->generation) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_STATE);
    }
    receiver r = {.memory = host_call_arena(call), .scratch = wasi_instance_scratch(wasi_of(call))};
    r.max = max_results < DATAGRAMS_PER_CALL_MAX ? (size_t)max_results : DATAGRAMS_PER_CALL_MAX;
    r.items = ARENA_ARRAY(r.memory, wasi_sockets_udp_incoming_datagram, r.max);
    if (r.items == NULL) {
        return err_set(e, STATUS_TRAP, "no memory to receive datagrams");
    }
    int error = receive_all(s, &r);
    if (error != SOCKET_NO_ERROR) {
        return SOCKET_FAIL(ret, error);
    }
    ret->ok.items = r.items;
    ret->ok.count = r.count;
    return STATUS_OK;
}

static bool incoming_ready(wasi_io_poll_pollable *p) {
    incoming *in = p->source;
    udp_socket *s = in->socket;
    if (in->generation != s->generation || socket_is_readable(s->socket.fd)) {
        return true;
    }
    for (size_t i = 0; i < s->peer_count; i++) {
        if (s->peers[i].socket.fd >= 0 && socket_is_readable(s->peers[i].socket.fd)) {
            return true;
        }
    }
    return false;
}

static status incoming_arm(wasi_io_poll_pollable *p, err *e) {
    udp_socket *s = ((incoming *)p->source)->socket;
    TRY(guest_socket_arm(&s->socket, LOOP_READABLE, e));
    for (size_t i = 0; i < s->peer_count; i++) {
        TRY(guest_socket_arm(&s->peers[i].socket, LOOP_READABLE, e));
    }
    return STATUS_OK;
}
static const wasi_pollable_ops incoming_ops = {.ready = incoming_ready, .arm = incoming_arm};

status wasi_sockets_udp_incoming_datagram_stream_subscribe(host_call *call, incoming *in,
                                                           wasi_io_poll_pollable **ret, err *e) {
    return wasi_pollable_new(wasi_of(call), &incoming_ops, &in->base, in, ret, e);
}

// --- sending -----------------------------------------------------------------------------------------------

// No request for a peer may be under way, and the fixed peer (or any) must have room.
static bool may_send(const udp_socket *s) {
    for (size_t i = 0; i < s->peer_count; i++) {
        const udp_peer *p = &s->peers[i];
        if (p->socket.request_id != 0 ||
            (s->has_remote && p->socket.fd >= 0 && same_address(&p->address, &s->remote) &&
             !socket_is_writable(p->socket.fd))) {
            return false;
        }
    }
    return true;
}

status wasi_sockets_udp_outgoing_datagram_stream_check_send(host_call *call, outgoing *out, u64_result *ret,
                                                            err *e) {
    (void)call, (void)e;
    *ret = (u64_result){0};
    if (out->generation != out->socket->generation) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_STATE);
    }
    if (out->pending_error != SOCKET_NO_ERROR) {
        int error = out->pending_error;
        out->pending_error = SOCKET_NO_ERROR;
        return SOCKET_FAIL(ret, error);
    }
    out->permitted = ret->ok = may_send(out->socket) ? DATAGRAMS_PER_CALL_MAX : 0;
    return STATUS_OK;
}

// SOCKET_NO_ERROR with *ret_sent false: the peer's descriptor is on its way, try again after check-send.
static int send_one(outgoing *out, const wasi_sockets_udp_outgoing_datagram *d, bool *ret_sent) {
    udp_socket *s = out->socket;
    *ret_sent = false;
    if (!d->remote_address.some && !s->has_remote) {
        return WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT;
    }
    const guest_address *to = d->remote_address.some ? &d->remote_address.value : &s->remote;
    if (s->has_remote && !same_address(to, &s->remote)) {
        return WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT;
    }
    int error = check_remote(s, to);
    if (error != SOCKET_NO_ERROR) {
        return error;
    }
    udp_peer *p = find_peer(s, to);
    if (p == NULL) {
        return ask_for_peer(s, to, NULL);
    }
    if (has_failed(p)) { // told once: the next datagram asks again
        p->last_used = 0;
        return guest_socket_collect(&p->socket, &error) ? error : ask_for_peer(s, to, p);
    }
    p->last_used = ++s->clock;
    if (p->socket.fd < 0) {
        return SOCKET_NO_ERROR;
    }
    long n = socket_send(p->socket.fd, d->data.data, d->data.len);
    *ret_sent = n >= 0;
    return n >= 0 || n == -EAGAIN ? SOCKET_NO_ERROR : (int)socket_error_of_errno((int)-n);
}

status
wasi_sockets_udp_outgoing_datagram_stream_send(host_call *call, outgoing *out,
                                               const wasi_sockets_udp_list_outgoing_datagram *datagrams,
                                               u64_result *ret, err *e) {
    (void)call;
    *ret = (u64_result){0};
    if (out->generation != out->socket->generation) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_STATE);
    }
    if (datagrams->count > out->permitted) {
        return err_set(e, STATUS_TRAP, "send of %zu datagrams, but check-send permitted %llu",
                       datagrams->count, (unsigned long long)out->permitted);
    }
    for (size_t i = 0; i < datagrams->count; i++) {
        bool sent;
        int error = send_one(out, &datagrams->items[i], &sent);
        if (error != SOCKET_NO_ERROR && ret->ok == 0) {
            return SOCKET_FAIL(ret, error);
        }
        if (!sent) {
            out->pending_error = error;
            break;
        }
        ret->ok++;
        out->permitted--;
    }
    return STATUS_OK;
}

static bool outgoing_ready(wasi_io_poll_pollable *p) {
    outgoing *out = p->source;
    return out->generation != out->socket->generation || may_send(out->socket);
}
static status outgoing_arm(wasi_io_poll_pollable *p, err *e) {
    udp_socket *s = ((outgoing *)p->source)->socket;
    udp_peer *peer = s->has_remote ? find_peer(s, &s->remote) : NULL;
    return peer == NULL ? STATUS_OK : guest_socket_arm(&peer->socket, LOOP_WRITABLE, e);
}
static const wasi_pollable_ops outgoing_ops = {.ready = outgoing_ready, .arm = outgoing_arm};

status wasi_sockets_udp_outgoing_datagram_stream_subscribe(host_call *call, outgoing *out,
                                                           wasi_io_poll_pollable **ret, err *e) {
    return wasi_pollable_new(wasi_of(call), &outgoing_ops, &out->base, out, ret, e);
}

// --- what it is --------------------------------------------------------------------------------------------

status wasi_sockets_udp_udp_socket_local_address(host_call *call, udp_socket *s,
                                                 wasi_sockets_udp_result_ip_socket_address_error_code *ret,
                                                 err *e) {
    (void)call, (void)e;
    *ret = (wasi_sockets_udp_result_ip_socket_address_error_code){0};
    if (s->state != UDP_BOUND || !guest_socket_local(&s->socket, &ret->ok)) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_STATE);
    }
    return STATUS_OK;
}

status wasi_sockets_udp_udp_socket_remote_address(host_call *call, udp_socket *s,
                                                  wasi_sockets_udp_result_ip_socket_address_error_code *ret,
                                                  err *e) {
    (void)call, (void)e;
    *ret = (wasi_sockets_udp_result_ip_socket_address_error_code){0};
    if (!s->has_remote) {
        return SOCKET_FAIL(ret, WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_STATE);
    }
    ret->ok = s->remote;
    return STATUS_OK;
}

status wasi_sockets_udp_udp_socket_address_family(host_call *call, udp_socket *s,
                                                  wasi_sockets_network_ip_address_family *ret, err *e) {
    (void)call, (void)e;
    *ret = s->socket.is_v6 ? WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV6
                           : WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV4;
    return STATUS_OK;
}

static status set_option(udp_socket *s, socket_option option, uint64_t value, void_result *ret) {
    int error = guest_socket_option_set(&s->socket, option, value);
    for (size_t i = 0; i < s->peer_count && error == SOCKET_NO_ERROR; i++) {
        error = guest_socket_option_set(&s->peers[i].socket, option, value);
    }
    return SOCKET_RESULT(ret, error);
}

status wasi_sockets_udp_udp_socket_unicast_hop_limit(host_call *call, udp_socket *s,
                                                     wasi_sockets_udp_result_u8_error_code *ret, err *e) {
    (void)call, (void)e;
    SOCKET_OPTION_RESULT(ret, uint8_t, &s->socket, SOCKET_HOP_LIMIT);
    return STATUS_OK;
}
status wasi_sockets_udp_udp_socket_set_unicast_hop_limit(host_call *call, udp_socket *s, uint8_t value,
                                                         void_result *ret, err *e) {
    (void)call, (void)e;
    return set_option(s, SOCKET_HOP_LIMIT, value, ret);
}
status wasi_sockets_udp_udp_socket_receive_buffer_size(host_call *call, udp_socket *s, u64_result *ret,
                                                       err *e) {
    (void)call, (void)e;
    SOCKET_OPTION_RESULT(ret, uint64_t, &s->socket, SOCKET_RECEIVE_BUFFER);
    return STATUS_OK;
}
status wasi_sockets_udp_udp_socket_set_receive_buffer_size(host_call *call, udp_socket *s, uint64_t value,
                                                           void_result *ret, err *e) {
    (void)call, (void)e;
    return set_option(s, SOCKET_RECEIVE_BUFFER, value, ret);
}
status wasi_sockets_udp_udp_socket_send_buffer_size(host_call *call, udp_socket *s, u64_result *ret, err *e) {
    (void)call, (void)e;
    SOCKET_OPTION_RESULT(ret, uint64_t, &s->socket, SOCKET_SEND_BUFFER);
    return STATUS_OK;
}
status wasi_sockets_udp_udp_socket_set_send_buffer_size(host_call *call, udp_socket *s, uint64_t value,
                                                        void_result *ret, err *e) {
    (void)call, (void)e;
    return set_option(s, SOCKET_SEND_BUFFER, value, ret);
}

static bool socket_ready(wasi_io_poll_pollable *p) {
    return ((udp_socket *)p->source)->socket.request_id == 0;
}
static const wasi_pollable_ops socket_pollable_ops = {.ready = socket_ready};

status wasi_sockets_udp_udp_socket_subscribe(host_call *call, udp_socket *s, wasi_io_poll_pollable **ret,
                                             err *e) {
    return wasi_pollable_new(wasi_of(call), &socket_pollable_ops, &s->socket.base, s, ret, e);
}
