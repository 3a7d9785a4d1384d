// SPDX-License-Identifier: Apache-2.0
#include "agent/provider_driver_links.h"

#include <stdio.h>

#include "base/mem.h"
#include "driver/driver.h"

enum { INTERFACE_BYTES_MAX = 256, FILE_NAME_BYTES_MAX = LATTICE_ID_BYTES_MAX + 16 };

typedef struct reading {
    const char *driver_name;
    slice id;
    const provider_wants *wants;
    provider_driver_links *made;
} reading;

// --- settings ----------------------------------------------------------------------------------------------

// Manifests of 1.x spell some names in capitals.
static const driver_setting *find_setting(const driver *d, slice key) {
    for (const driver_setting *s = d->settings; s->name != NULL; s++) {
        if (slice_equal_nocase(key, slice_from_text(s->name))) {
            return s;
        }
    }
    return driver_find_setting(d, key);
}

// As the driver spells it; one that takes any name gets the name as it is.
static slice spelled(const driver_setting *s, slice key) {
    return strcmp(s->name, DRIVER_ANY) == 0 ? key : slice_from_text(s->name);
}

static bool has_setting(const host_link *l, slice name, size_t *ret_at) {
    for (size_t i = 0; i < l->setting_count; i++) {
        if (slice_equal_text(name, l->settings[i].name)) {
            *ret_at = i;
            return true;
        }
    }
    return false;
}

// What is nearer to the link holds.
static status put_setting(host_link *l, slice name, slice value, err *e) {
    size_t at;
    if (!has_setting(l, name, &at)) {
        return host_link_add_setting(l, name, value, e);
    }
    mem_free(l->settings[at].value);
    l->settings[at].value = mem_slice_dup(value);
    return STATUS_OK;
}

static status put_values(const driver *d, host_link *l, const host_data_values *values, err *e) {
    for (size_t i = 0; i < values->count; i++) {
        const driver_setting *s = find_setting(d, values->items[i].name);
        if (s == NULL) {
            return err_set(e, STATUS_INVALID, "the driver %s has no setting %.*s", d->name,
                           SLICE_ARG(values->items[i].name));
        }
        if (!driver_setting_fits(s, false)) {
            return err_set(e, STATUS_INVALID, "%s of the driver %s is a credential: put it as a secret",
                           s->name, d->name);
        }
        TRY(put_setting(l, spelled(s, values->items[i].name), values->items[i].value, e));
    }
    return STATUS_OK;
}

static status put_secrets(const driver *d, host_link *l, const host_data_secrets *secrets, err *e) {
    for (size_t i = 0; i < secrets->count; i++) {
        const driver_setting *s = find_setting(d, secrets->items[i].name);
        if (!driver_setting_fits(s, true)) {
            return err_set(e, STATUS_INVALID, "the driver %s has no credential %.*s", d->name,
                           SLICE_ARG(secrets->items[i].name));
        }
        TRY(host_link_add_credential(l, spelled(s, secrets->items[i].name), secrets->items[i].value, e));
    }
    return STATUS_OK;
}

static status put_default(host_link *l, const char *name, slice value, err *e) {
    size_t at;
    return has_setting(l, slice_from_text(name), &at) ? STATUS_OK
                                                      : put_setting(l, slice_from_text(name), value, e);
}

// Two providers do not share files or buses of this host unless both name them.
static status put_defaults(const reading *r, const driver *d, host_link *l, err *e) {
    char file[FILE_NAME_BYTES_MAX];
    (void)snprintf(file, sizeof file, "%.*s.sqlite3", SLICE_ARG(r->id));
    if (strcmp(d->name, "local") == 0 && find_setting(d, slice_from_text("bus")) != NULL) {
        return put_default(l, "bus", r->id, e);
    }
    if (strcmp(d->name, "sqlite") == 0 && find_setting(d, slice_from_text("path")) != NULL) {
        return put_default(l, "path", slice_from_text(file), e);
    }
    return strcmp(d->name, "directory") == 0 ? put_default(l, "root", r->id, e) : STATUS_OK;
}

// --- links -------------------------------------------------------------------------------------------------

static slice interface_of(const host_data_link *l, size_t i, char text[INTERFACE_BYTES_MAX]) {
    int n = snprintf(text, INTERFACE_BYTES_MAX, "%.*s:%.*s/%.*s", SLICE_ARG(l->wit_namespace),
                     SLICE_ARG(l->wit_package), SLICE_ARG(l->interfaces[i]));
    return n > 0 && n < INTERFACE_BYTES_MAX ? slice_of(text, (size_t)n) : slice_empty();
}

static const driver *choose_driver(const reading *r, const host_data_link *l, err *e) {
    const driver *d = NULL;
    for (size_t i = 0; i < l->interface_count; i++) {
        char text[INTERFACE_BYTES_MAX];
        slice interface = interface_of(l, i, text);
        d = driver_find(slice_from_text(r->driver_name), interface);
        if (d == NULL) {
            err_set(e, STATUS_UNSUPPORTED, "the driver %s has no interface %.*s", r->driver_name,
                    SLICE_ARG(interface));
            return NULL;
        }
    }
    if (d == NULL) {
        err_set(e, STATUS_INVALID, "it names no interface");
    }
    return d;
}

static status find_workload(host_config *c, slice name, workload_config **ret, err *e) {
    uint32_t at = host_config_find(c, name);
    if (at < c->workload_count) {
        *ret = &c->workloads[at];
        return STATUS_OK;
    }
    TRY(host_config_add_workload(c, ret, e));
    mem_free((*ret)->name);
    (*ret)->name = mem_slice_dup(name);
    return STATUS_OK;
}

static host_link *find_named(const host_links *links, slice name) {
    for (size_t i = 0; i < links->count; i++) {
        if (slice_equal_text(name, links->items[i].name)) {
            return &links->items[i];
        }
    }
    return NULL;
}

static status fill(const reading *r, const driver *d, const host_data_link *from, host_link *l, bool is_new,
                   err *e) {
    bool is_source = slice_equal(from->source_id, r->id);
    for (size_t i = 0; i < from->interface_count; i++) {
        char text[INTERFACE_BYTES_MAX];
        slice interface = interface_of(from, i, text);
        if (!host_link_serves(l, interface)) {
            TRY(host_link_add_interface(l, interface, e));
        }
    }
    if (is_new) {
        TRY(put_values(d, l, &r->wants->config, e));
        TRY(put_secrets(d, l, &r->wants->secrets, e));
    }
    TRY(put_values(d, l, is_source ? &from->source_config : &from->target_config, e));
    TRY(put_secrets(d, l, is_source ? &from->source_secrets : &from->target_secrets, e));
    return put_defaults(r, d, l, e);
}

static status add_link(const reading *r, const host_data_link *from, err *e) {
    slice other = slice_equal(from->source_id, r->id) ? from->target : from->source_id;
    const driver *d = choose_driver(r, from, e);
    workload_config *w = NULL;
    if (d == NULL) {
        return STATUS_INVALID;
    }
    TRY(find_workload(&r->made->config, other, &w, e));
    host_link *l = find_named(&w->links, from->name);
    bool is_new = l == NULL;
    if (is_new) {
        char *name = mem_slice_dup(from->name);
        status s = host_links_add(&w->links, name, r->driver_name, &l, e);
        mem_free(name);
        TRY(s);
    }
    status s = fill(r, d, from, l, is_new, e);
    if (s != STATUS_OK && is_new) {
        host_link_done(l);
        w->links.count--;
    }
    return s;
}

status provider_driver_links_read(const char *driver_name, slice id, const provider_wants *w,
                                  provider_driver_links *ret, buf *trouble, err *e) {
    provider_driver_links made = {0};
    const reading r = {driver_name, id, w, &made};
    host_config_init(&made.config);
    for (size_t i = 0; i < w->link_count; i++) {
        err why = {0};
        if (add_link(&r, &w->links[i], &why) != STATUS_OK) {
            (void)!buf_append_format(trouble, "the link %.*s of %.*s to %.*s is left out: %s\n",
                                     SLICE_ARG(w->links[i].name), SLICE_ARG(w->links[i].source_id),
                                     SLICE_ARG(w->links[i].target), why.message);
        }
    }
    status s = host_config_number_links(&made.config, &made.count, e);
    if (s != STATUS_OK) {
        provider_driver_links_done(&made);
        return s;
    }
    *ret = made;
    return STATUS_OK;
}

void provider_driver_links_done(provider_driver_links *l) {
    host_config_done(&l->config);
    *l = (provider_driver_links){0};
}

// --- looking -----------------------------------------------------------------------------------------------

const host_link *provider_driver_links_find(const provider_driver_links *l, slice source, slice name,
                                            slice interface) {
    uint32_t at = host_config_find(&l->config, source);
    if (at >= l->config.workload_count) {
        return NULL;
    }
    const host_link *found = find_named(&l->config.workloads[at].links, name);
    return found != NULL && host_link_serves(found, interface) ? found : NULL;
}

const host_link *provider_driver_links_at(const provider_driver_links *l, uint32_t number) {
    for (size_t i = 0; i < l->config.workload_count; i++) {
        const host_links *links = &l->config.workloads[i].links;
        if (links->count > 0 && number - links->items[0].number < links->count) {
            return &links->items[number - links->items[0].number];
        }
    }
    return NULL;
}
