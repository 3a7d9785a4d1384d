// SPDX-License-Identifier: Apache-2.0
#include "cli/host_connector.h"

#include "api/control_place.h"
#include "base/mem.h"

typedef struct host_connector {
    connector base; // first
    loop *loop;
    const char *host;
    connect_callback done; // NULL: nothing is asked for
    void *arg;
    uint64_t id;
    loop_soon soon;
} host_connector;

static void connect_it(void *arg) {
    host_connector *h = arg;
    err e;
    connect_result r = {.fd = -1};
    connect_callback done = h->done;
    h->done = NULL;
    r.code = control_place_connect(h->host, HOST_BUS_SOCKET, &r.fd, &e);
    r.e = r.code == STATUS_OK ? NULL : &e;
    done(h->arg, &r);
}

static status request(connector *c, const connect_request *wanted, connect_callback done, void *arg,
                      uint64_t *ret_id, err *e) {
    host_connector *h = (host_connector *)c;
    if (h->done != NULL || wanted->action != CONNECT_TO) {
        return err_set(e, STATUS_LIMIT, "there is one connection at a time");
    }
    h->done = done;
    h->arg = arg;
    *ret_id = ++h->id;
    loop_soon_add(h->loop, &h->soon);
    return STATUS_OK;
}

static void cancel(connector *c, uint64_t id) {
    host_connector *h = (host_connector *)c;
    if (id == h->id) {
        h->done = NULL;
        loop_soon_cancel(&h->soon);
    }
}

static const connector_ops ops = {request, cancel};

connector *host_connector_new(loop *l, const char *host) {
    host_connector *h = MEM_NEW(host_connector);
    *h = (host_connector){.base = {&ops}, .loop = l, .host = host};
    loop_soon_init(&h->soon, connect_it, h);
    return &h->base;
}

void host_connector_free(connector *c) {
    if (c != NULL) {
        loop_soon_cancel(&((host_connector *)c)->soon);
        mem_free(c);
    }
}
