// SPDX-License-Identifier: Apache-2.0
#include "host/served_link.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "host/switch_connector.h"

enum { LOST_TEXT_BYTES_MAX = 512 };
#define LOST_PAUSE_NS 1000000000ull

static status find_driver(const served_link_place *place, const host_link *l, const driver **ret, err *e) {
    slice name = slice_from_text(l->driver);
    for (size_t i = 0; i < l->interface_count; i++) {
        slice interface = slice_from_text(l->interfaces[i]);
        const driver *d = name.len == 0 ? NULL : driver_choose(place->drivers, name, &interface, 1);
        if (d == NULL) {
            return err_set(e, STATUS_NOT_FOUND, "there is no driver \"%s\" for %s", l->driver,
                           l->interfaces[i]);
        }
        if (*ret != NULL && *ret != d) {
            return err_set(e, STATUS_INVALID, "%s and %s are of two drivers: give each a link of its own",
                           l->interfaces[0], l->interfaces[i]);
        }
        *ret = d;
    }
    return *ret != NULL ? STATUS_OK : err_set(e, STATUS_INVALID, "it names no interface");
}

static driver_values values_of(driver_value *room, const host_setting *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        room[i] = (driver_value){slice_from_text(list[i].name), slice_from_text(list[i].value)};
    }
    return (driver_values){room, count};
}

static void on_health(void *arg, const driver_health *h) {
    served_link *l = arg;
    if (!l->is_closing) {
        l->events.health(l->events.context, l, h);
    }
}

static status deliver(void *arg, driver_delivery *d, err *e) {
    served_link *l = arg;
    return l->events.deliver(l, d, e);
}

static void deliver_cancel(void *arg, driver_delivery *d) {
    const served_link *l = arg;
    l->events.deliver_cancel(d);
}

static void on_lost(void *arg, const char *what, status why) {
    served_link *l = arg;
    uint64_t now = loop_now_ns(l->environment.l);
    char text[LOST_TEXT_BYTES_MAX];
    if (l->is_closing || now < l->lost_next_ns) {
        l->lost_unsaid++;
        return;
    }
    (void)snprintf(text, sizeof text, "%s", what);
    if (l->lost_unsaid > 0) {
        (void)snprintf(text, sizeof text, "%s (and %llu since the last line)", what,
                       (unsigned long long)l->lost_unsaid);
    }
    l->lost_next_ns = now + LOST_PAUSE_NS;
    l->lost_unsaid = 0;
    l->events.lost(l->events.context, l, why, text);
}

static void free_link(served_link *l) {
    switch_connector_free(l->connector);
    mem_free(l->values);
    host_link_done(&l->config);
    mem_free(l);
}

static void on_closed(void *arg) {
    served_link *l = arg;
    l->events.closed(l);
    list_remove(&l->node);
    free_link(l);
}

static status open_driver(served_link *l, const served_link_place *place, err *e) {
    const host_link *c = &l->config;
    l->environment = (driver_environment){.l = place->loop,
                                          .connector = l->connector,
                                          .roots = place->roots,
                                          .directory = place->directory,
                                          .random = place->random,
                                          .shared = place->shared,
                                          .context = place->context};
    TRY(find_driver(place, c, &l->driver, e));
    l->values = mem_calloc(c->setting_count + c->credential_count + 1, sizeof *l->values);
    slice interfaces[HOST_LINK_INTERFACES_MAX];
    for (size_t i = 0; i < c->interface_count; i++) {
        interfaces[i] = slice_from_text(c->interfaces[i]);
    }
    const driver_link_options options = {
        .interfaces = interfaces,
        .interface_count = c->interface_count,
        .settings = values_of(l->values, c->settings, c->setting_count),
        .workload = slice_from_text(c->workload),
        .credentials = values_of(l->values + c->setting_count, c->credentials, c->credential_count),
        .on_health = on_health,
        .on_closed = on_closed,
        .deliver = deliver,
        .deliver_cancel = deliver_cancel,
        .on_lost = on_lost,
        .arg = l,
    };
    return driver_open(l->driver, &l->environment, &options, &l->opened, e);
}

status served_link_open(const served_link_place *place, host_link *config, connector *way, served_link **ret,
                        err *e) {
    served_link *l = MEM_NEW(served_link);
    *l = (served_link){.config = *config, .events = place->events};
    list_init(&l->deliveries);
    if (way != NULL) {
        l->connector = switch_connector_new(place->loop);
        switch_connector_set(l->connector, way);
    }
    status opened = open_driver(l, place, e);
    if (opened != STATUS_OK) {
        l->config = (host_link){0}; // stays the caller's
        free_link(l);
        return opened;
    }
    *config = (host_link){0};
    list_init(&l->node);
    *ret = l;
    return STATUS_OK;
}

void served_link_close_unused(served_link *l) {
    if (l->references == 0 && l->calls == 0 && l->delivery_count == 0 && !l->is_closing) {
        l->is_closing = true;
        l->driver->link_close(l->opened);
    }
}

bool served_link_has_interface(const served_link *l, slice interface) {
    for (size_t i = 0; i < l->config.interface_count; i++) {
        const char *own = l->config.interfaces[i];
        if (strcmp(own, DRIVER_ANY) == 0 || slice_equal_text(interface, own)) {
            return true;
        }
    }
    return false;
}
