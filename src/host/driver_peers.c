// SPDX-License-Identifier: Apache-2.0
#include "host/driver_peers.h"

#include "base/mem.h"
#include "driver/driver.h"

typedef struct peer {
    char *host;
    uint16_t port;
} peer;

struct driver_peers {
    connector base; // first
    connector *inner;
    peer *items;
    size_t count;
    size_t room;
};

static bool is_named(const driver_peers *p, slice host, uint16_t port) {
    for (size_t i = 0; i < p->count; i++) {
        if (p->items[i].port == port && slice_equal_text(host, p->items[i].host)) {
            return true;
        }
    }
    return false;
}

void driver_peers_name(driver_peers *p, slice host, uint16_t port) {
    if (is_named(p, host, port)) {
        return;
    }
    if (p->count == p->room) {
        p->room = p->room * 2 + 4;
        p->items = mem_resize(p->items, p->room * sizeof *p->items);
    }
    char *text = mem_alloc(host.len + 1);
    memcpy(text, host.data, host.len);
    text[host.len] = '\0';
    p->items[p->count++] = (peer){text, port};
}

static void on_peer(void *arg, slice host, uint16_t port) { driver_peers_name(arg, host, port); }

// Settings that do not read name nobody; the process with the drivers refuses them with all others.
static void add_link(driver_peers *p, const host_link *l) {
    if (l->interface_count == 0) {
        return;
    }
    const driver *d = driver_find(slice_from_text(l->driver), slice_from_text(l->interfaces[0]));
    if (d == NULL || d->peers == NULL) {
        return;
    }
    driver_value *values = mem_calloc(l->setting_count + 1, sizeof *values);
    for (size_t i = 0; i < l->setting_count; i++) {
        values[i] =
            (driver_value){slice_from_text(l->settings[i].name), slice_from_text(l->settings[i].value)};
    }
    const driver_values settings = {values, l->setting_count};
    (void)!d->peers(&settings, on_peer, p, NULL);
    mem_free(values);
}

static driver_peers *peers_of(connector *c) { return (driver_peers *)c; }

static status request(connector *c, const connect_request *wanted, connect_callback done, void *arg,
                      uint64_t *ret_id, err *e) {
    driver_peers *p = peers_of(c);
    bool is_plain = wanted->action == CONNECT_TO && wanted->protocol == CONNECT_TCP &&
                    wanted->local.any.sa_family == AF_UNSPEC;
    if (!is_plain || !is_named(p, wanted->host, wanted->port)) {
        return err_set(e, STATUS_DENIED, "nothing here names %.*s port %u as a server to connect to",
                       SLICE_ARG(wanted->host), wanted->port);
    }
    return connector_request(p->inner, wanted, done, arg, ret_id, e);
}

static void cancel(connector *c, uint64_t id) { connector_cancel(peers_of(c)->inner, id); }

static const connector_ops peers_ops = {request, cancel};

driver_peers *driver_peers_new(const host_links *links, connector *inner) {
    driver_peers *p = MEM_NEW(driver_peers);
    p->base.ops = &peers_ops;
    p->inner = inner;
    driver_peers_add(p, links);
    return p;
}

void driver_peers_add(driver_peers *p, const host_links *links) {
    for (size_t i = 0; i < links->count; i++) {
        add_link(p, &links->items[i]);
    }
}

static void forget_all(driver_peers *p) {
    for (size_t i = 0; i < p->count; i++) {
        mem_free(p->items[i].host);
    }
    p->count = 0;
}

void driver_peers_set(driver_peers *p, const host_links *links) {
    forget_all(p);
    driver_peers_add(p, links);
}

void driver_peers_free(driver_peers *p) {
    if (p == NULL) {
        return;
    }
    forget_all(p);
    mem_free(p->items);
    mem_free(p);
}

connector *driver_peers_connector(driver_peers *p) { return &p->base; }
