// SPDX-License-Identifier: Apache-2.0
// The part that TCP and UDP share: requests to the connector, the watch, options.
#include "capability/sockets/sockets_internal.h"

#include <netinet/tcp.h>

#include "os/fd.h"
#include "os/socket.h"

// The connector's own deadline; the guest may give up earlier by dropping the socket.
static const uint64_t request_ns_max = 60ull * 1000000000;

void guest_socket_init(guest_socket *s, bool is_v6) {
    s->is_v6 = is_v6;
    s->fd = -1;
    s->answer_error = SOCKET_NO_ERROR;
}

void guest_socket_close(guest_socket *s) {
    loop_watch_stop(&s->watch);
    fd_close(s->fd);
    s->fd = -1;
}

void guest_socket_done(guest_socket *s) {
    if (s->request_id != 0) {
        connector_cancel(s->base.instance->connector, s->request_id);
        s->request_id = 0;
    }
    guest_socket_close(s);
}

// --- requests ----------------------------------------------------------------------------------------------

static void apply_options(guest_socket *s);

static void on_answer(void *arg, const connect_result *result) {
    guest_socket *s = arg;
    s->request_id = 0;
    s->has_answer = true;
    s->answer_error = SOCKET_NO_ERROR;
    if (result->code == STATUS_OK) {
        s->fd = result->fd;
        apply_options(s);
    } else {
        s->answer_error = (int)socket_error_of_connect(result);
    }
    wasi_instance_wake(s->base.instance);
}

int guest_socket_request(guest_socket *s, connect_request *request) {
    wasi_instance *i = s->base.instance;
    if (i->connector == NULL || i->loop == NULL) {
        return WASI_SOCKETS_NETWORK_ERROR_CODE_ACCESS_DENIED;
    }
    request->purpose = CONNECT_SOCKETS;
    request->workload = i->workload->number;
    request->deadline_ns = loop_now_ns(i->loop) + request_ns_max;
    err e = {0};
    status code = connector_request(i->connector, request, on_answer, s, &s->request_id, &e);
    if (code != STATUS_OK) {
        connect_result refused = {.code = code, .fd = -1};
        return (int)socket_error_of_connect(&refused);
    }
    return SOCKET_NO_ERROR;
}

bool guest_socket_collect(guest_socket *s, int *ret_error) {
    if (!s->has_answer) {
        return false;
    }
    s->has_answer = false;
    *ret_error = s->answer_error;
    return true;
}

// --- waiting -----------------------------------------------------------------------------------------------

static void on_events(void *arg, unsigned events) {
    guest_socket *s = arg;
    // Level-triggered: what has been told is not asked for again until the guest waits for it once more.
    if ((events & LOOP_ERROR) == 0) {
        loop_watch_set(&s->watch, s->watch.events & ~events);
    }
    if (s->progress != NULL) {
        s->progress(s);
    }
    wasi_instance_wake(s->base.instance);
}

status guest_socket_arm(guest_socket *s, unsigned events, err *e) {
    if (s->fd < 0 || s->base.instance->loop == NULL) {
        return STATUS_OK;
    }
    if (!loop_watch_is_active(&s->watch)) {
        return loop_watch_start(&s->watch, s->base.instance->loop, s->fd, events, on_events, s, e);
    }
    loop_watch_set(&s->watch, s->watch.events | events);
    return STATUS_OK;
}

// --- options -----------------------------------------------------------------------------------------------

typedef struct option_place {
    int level;
    int name;
    int value_max;
    int value_default; // what a getter answers before there is a descriptor
} option_place;

static option_place place_of(const guest_socket *s, socket_option option) {
    static const option_place places[SOCKET_OPTION_COUNT] = {
        [SOCKET_KEEP_ALIVE] = {SOL_SOCKET, SO_KEEPALIVE, 1, 0},
        [SOCKET_KEEP_ALIVE_IDLE] = {IPPROTO_TCP, TCP_KEEPIDLE, 32767, 7200},
        [SOCKET_KEEP_ALIVE_INTERVAL] = {IPPROTO_TCP, TCP_KEEPINTVL, 32767, 75},
        [SOCKET_KEEP_ALIVE_COUNT] = {IPPROTO_TCP, TCP_KEEPCNT, 127, 9},
        [SOCKET_HOP_LIMIT] = {IPPROTO_IP, IP_TTL, 255, 64},
        [SOCKET_RECEIVE_BUFFER] = {SOL_SOCKET, SO_RCVBUF, 1 << 30, 128 << 10},
        [SOCKET_SEND_BUFFER] = {SOL_SOCKET, SO_SNDBUF, 1 << 30, 128 << 10},
    };
    option_place p = places[option];
    if (option == SOCKET_HOP_LIMIT && s->is_v6) {
        p.level = IPPROTO_IPV6;
        p.name = IPV6_UNICAST_HOPS;
    }
    return p;
}

static bool is_buffer_size(socket_option o) { return o == SOCKET_RECEIVE_BUFFER || o == SOCKET_SEND_BUFFER; }

static int apply_option(guest_socket *s, socket_option option) {
    option_place p = place_of(s, option);
    // Linux doubles buffer sizes for its own bookkeeping; the guest sees what it asked for.
    int value = is_buffer_size(option) ? s->option_values[option] / 2 : s->option_values[option];
    int n = socket_option_set(s->fd, p.level, p.name, value);
    return n == 0 ? SOCKET_NO_ERROR : (int)socket_error_of_errno(-n);
}

// Options are wishes by now: the guest was already told that they were taken.
static void apply_options(guest_socket *s) {
    for (int o = 0; o < SOCKET_OPTION_COUNT; o++) {
        if (s->option_is_set[o]) {
            apply_option(s, (socket_option)o);
        }
    }
}

int guest_socket_option_set(guest_socket *s, socket_option option, uint64_t value) {
    if (value == 0 && option != SOCKET_KEEP_ALIVE) {
        return WASI_SOCKETS_NETWORK_ERROR_CODE_INVALID_ARGUMENT;
    }
    option_place p = place_of(s, option);
    // The interface allows to clamp silently what the platform cannot take.
    s->option_values[option] = value > (uint64_t)p.value_max ? p.value_max : (int)value;
    s->option_is_set[option] = true;
    return s->fd < 0 ? SOCKET_NO_ERROR : apply_option(s, option);
}

int guest_socket_option_get(guest_socket *s, socket_option option, uint64_t *ret) {
    option_place p = place_of(s, option);
    int value = s->option_is_set[option] ? s->option_values[option] : p.value_default;
    if (s->fd >= 0 && !is_buffer_size(option)) {
        int n = socket_option_get(s->fd, p.level, p.name, &value);
        if (n != 0) {
            return (int)socket_error_of_errno(-n);
        }
    }
    *ret = value < 0 ? 0 : (uint64_t)value;
    return SOCKET_NO_ERROR;
}

void guest_socket_options_copy(guest_socket *s, const guest_socket *from) {
    memcpy(s->option_is_set, from->option_is_set, sizeof s->option_is_set);
    memcpy(s->option_values, from->option_values, sizeof s->option_values);
}

// --- addresses ---------------------------------------------------------------------------------------------

static bool address_from_storage(const struct sockaddr_storage *storage, guest_address *ret) {
    if (storage->ss_family != AF_INET && storage->ss_family != AF_INET6) {
        return false;
    }
    loop_address a;
    memcpy(&a, storage, sizeof a);
    *ret = guest_address_from_loop(&a);
    return true;
}

bool guest_socket_local(const guest_socket *s, guest_address *ret) {
    struct sockaddr_storage storage;
    return s->fd >= 0 && socket_local(s->fd, &storage) == 0 && address_from_storage(&storage, ret);
}

bool guest_socket_peer(const guest_socket *s, guest_address *ret) {
    struct sockaddr_storage storage;
    return s->fd >= 0 && socket_peer(s->fd, &storage) == 0 && address_from_storage(&storage, ret);
}
