// SPDX-License-Identifier: Apache-2.0
#include "unit/net/helper_connector.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/mem.h"
#include "os/fd.h"

static void on_soon(void *arg) {
    direct_request *r = arg;
    direct_connector *c = r->owner;
    connect_callback done = r->done;
    void *done_arg = r->arg;
    r->is_used = false;
    err e = {0};
    connect_result result = {.code = c->refuses, .fd = -1, .e = &e};
    if (c->refuses != STATUS_OK) {
        err_set(&e, c->refuses, "refused by the test");
        done(done_arg, &result);
        return;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(r->port)};
    CHECK(connect(fd, (struct sockaddr *)&a, sizeof a) != 0 && errno == EINPROGRESS);
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    socklen_t len = sizeof result.os_error;
    CHECK(poll(&writable, 1, -1) == 1);
    CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &result.os_error, &len) == 0);
    if (result.os_error == 0) {
        result.fd = fd;
        result.e = NULL;
    } else {
        result.code = STATUS_IO;
        err_set_errno(&e, result.os_error, "connect");
        fd_close(fd);
    }
    done(done_arg, &result);
}

static status request(connector *base, const connect_request *wanted, connect_callback done, void *arg,
                      uint64_t *ret_id, err *e) {
    direct_connector *c = (direct_connector *)base;
    c->asked++;
    snprintf(c->last_host, sizeof c->last_host, "%.*s", SLICE_ARG(wanted->host));
    for (uint64_t i = 0; i < DIRECT_REQUESTS_MAX; i++) {
        direct_request *r = &c->requests[i];
        if (!r->is_used) {
            *r =
                (direct_request){.owner = c, .is_used = true, .done = done, .arg = arg, .port = wanted->port};
            loop_soon_init(&r->soon, on_soon, r);
            if (!c->never_answers) {
                loop_soon_add(c->l, &r->soon);
            }
            *ret_id = i + 1;
            return STATUS_OK;
        }
    }
    return err_set(e, STATUS_LIMIT, "too many connection requests");
}

static void cancel(connector *base, uint64_t id) {
    direct_connector *c = (direct_connector *)base;
    CHECK(id > 0 && id <= DIRECT_REQUESTS_MAX);
    if (c->requests[id - 1].is_used) {
        loop_soon_cancel(&c->requests[id - 1].soon);
        c->requests[id - 1].is_used = false;
    }
}

static const connector_ops ops = {request, cancel};

void direct_connector_init(direct_connector *c, loop *l) {
    *c = (direct_connector){.base = {&ops}, .l = l};
    c->requests = mem_calloc(DIRECT_REQUESTS_MAX, sizeof *c->requests);
}

void direct_connector_done(direct_connector *c) { mem_free(c->requests); }
