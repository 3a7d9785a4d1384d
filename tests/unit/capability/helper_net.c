// SPDX-License-Identifier: Apache-2.0
#include "helper_net.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>

#include "base/check.h"
#include "os/fd.h"
#include "os/socket_open.h"

static socket_address to_socket_address(const loop_address *a) {
    socket_address s = {0};
    if (a->any.sa_family != AF_UNSPEC) {
        s.length = a->any.sa_family == AF_INET6 ? sizeof a->v6 : sizeof a->v4;
        memcpy(&s.storage, a, s.length);
    }
    return s;
}

// The loopback interface answers at once, so waiting here is no waiting.
static int connect_now(const net_request *r, int type, int *ret_fd) {
    socket_address local = to_socket_address(&r->wanted.local), to;
    slice host = slice_from_text(r->host);
    if (!socket_address_parse(host, r->wanted.port, &to)) { // a name: all lead to the same place
        CHECK(socket_address_parse(slice_from_text("127.0.0.1"), r->wanted.port, &to));
    }
    int error = socket_open_connecting(type, &to, &local, ret_fd);
    if (error != 0) {
        return error;
    }
    struct pollfd writable = {.fd = *ret_fd, .events = POLLOUT};
    CHECK(poll(&writable, 1, -1) == 1);
    error = socket_error(*ret_fd);
    if (error != 0) {
        fd_close(*ret_fd);
        *ret_fd = -1;
    }
    return error;
}

static void answer(void *arg) {
    net_request *r = arg;
    net_connector *c = r->owner;
    err e = {0};
    connect_result result = {.code = c->refuses, .fd = -1, .os_error = c->os_error, .e = &e};
    int type = r->wanted.protocol == CONNECT_UDP ? SOCK_DGRAM : SOCK_STREAM;
    if (c->refuses == STATUS_OK && r->wanted.action == CONNECT_RESOLVE) {
        result.addresses = c->addresses;
        result.address_count = c->address_count;
    } else if (c->refuses == STATUS_OK) {
        socket_address local = to_socket_address(&r->wanted.local);
        result.os_error = r->wanted.action == CONNECT_TO
                              ? connect_now(r, type, &result.fd)
                              : socket_open_bound(type, local.storage.ss_family, &local, &result.fd);
        result.code = result.os_error == 0 ? STATUS_OK : STATUS_IO;
    }
    if (result.code != STATUS_OK) {
        err_set(&e, result.code, "refused by the test");
    }
    r->is_used = false;
    r->done(r->arg, &result);
}

static status request(connector *base, const connect_request *wanted, connect_callback done, void *arg,
                      uint64_t *ret_id, err *e) {
    net_connector *c = (net_connector *)base;
    c->asked++;
    c->last = *wanted;
    (void)snprintf(c->last_host, sizeof c->last_host, "%.*s", SLICE_ARG(wanted->host));
    c->last.host = slice_from_text(c->last_host);
    if (c->refuses_at_once != STATUS_OK) {
        return err_set(e, c->refuses_at_once, "refused at once by the test");
    }
    for (size_t i = 0; i < NET_REQUESTS_MAX; i++) {
        net_request *r = &c->requests[i];
        if (!r->is_used) {
            *r = (net_request){.owner = c, .is_used = true, .wanted = *wanted, .done = done, .arg = arg};
            memcpy(r->host, c->last_host, sizeof r->host);
            loop_soon_init(&r->soon, answer, r);
            if (!c->is_mute) {
                loop_soon_add(c->l, &r->soon);
            }
            *ret_id = i + 1;
            return STATUS_OK;
        }
    }
    return err_set(e, STATUS_LIMIT, "too many connection requests");
}

static void cancel(connector *base, uint64_t id) {
    net_connector *c = (net_connector *)base;
    CHECK(id > 0 && id <= NET_REQUESTS_MAX);
    if (c->requests[id - 1].is_used) {
        c->cancelled++;
        loop_soon_cancel(&c->requests[id - 1].soon);
        c->requests[id - 1].is_used = false;
    }
}

static const connector_ops ops = {request, cancel};

void net_connector_init(net_connector *c, guest *g) {
    *c = (net_connector){.base = {&ops}, .l = g->loop};
    g->instance->connector = &c->base;
}

void net_settle(guest *g) {
    for (int i = 0; i < 20; i++) {
        loop_turn(g->loop, false);
    }
}

int net_listen(uint16_t *ret_port) {
    socket_address a;
    int fd = -1;
    CHECK(socket_address_parse(slice_from_text("127.0.0.1"), 0, &a));
    CHECK(socket_listen_group(&a, 1, &fd, NULL) == STATUS_OK);
    *ret_port = socket_address_port(&a);
    return fd;
}

int net_connect(uint16_t port) {
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}
