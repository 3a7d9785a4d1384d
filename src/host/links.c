// SPDX-License-Identifier: Apache-2.0
#include "host/links.h"

#include "base/mem.h"
#include "crypto/secret.h"
#include "host/wire.h"

enum { NAME_BYTES_MAX = 1024 };

static void free_settings(host_setting *list, size_t count, bool are_secret) {
    for (size_t i = 0; i < count; i++) {
        if (are_secret) {
            secret_wipe(list[i].value, strlen(list[i].value));
        }
        mem_free(list[i].name);
        mem_free(list[i].value);
    }
    mem_free(list);
}

bool host_link_serves(const host_link *l, slice interface) {
    for (size_t i = 0; i < l->interface_count; i++) {
        if (slice_equal_text(interface, l->interfaces[i])) {
            return true;
        }
    }
    return false;
}

host_secret host_secret_copy(const host_secret *s) {
    return (host_secret){.name = mem_text_dup(s->name),
                         .key = mem_text_dup(s->key),
                         .field = s->field == NULL ? NULL : mem_text_dup(s->field),
                         .version = s->version == NULL ? NULL : mem_text_dup(s->version),
                         .backend = s->backend,
                         .origin = s->origin == NULL ? NULL : mem_text_dup(s->origin)};
}

void host_secret_done(host_secret *s) {
    mem_free(s->name);
    mem_free(s->key);
    mem_free(s->field);
    mem_free(s->version);
    mem_free(s->origin);
}

void host_link_done(host_link *l) {
    for (size_t i = 0; i < l->interface_count; i++) {
        mem_free(l->interfaces[i]);
    }
    mem_free(l->interfaces);
    free_settings(l->settings, l->setting_count, false);
    free_settings(l->credentials, l->credential_count, true);
    for (size_t i = 0; i < l->secret_count; i++) {
        host_secret_done(&l->secrets[i]);
    }
    mem_free(l->secrets);
    mem_free(l->name);
    mem_free(l->driver);
    mem_free(l->target);
    mem_free(l->target_name);
    mem_free(l->workload);
    *l = (host_link){0};
}

void host_links_done(host_links *l) {
    for (size_t i = 0; i < l->count; i++) {
        host_link_done(&l->items[i]);
    }
    mem_free(l->items);
    *l = (host_links){0};
}

// --- building ----------------------------------------------------------------------------------------------

// Room for one more in a list that doubles when it is full.
static void *grow(void *list, size_t count, size_t size) {
    bool is_full = (count & (count - 1)) == 0; // 0, 1, 2, 4 ...
    return is_full ? mem_resize(list, (count == 0 ? 1 : 2 * count) * size) : list;
}

status host_links_add(host_links *l, const char *name, const char *driver, host_link **ret, err *e) {
    if (l->count == HOST_LINKS_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d links", HOST_LINKS_MAX);
    }
    l->items = grow(l->items, l->count, sizeof *l->items);
    host_link *made = &l->items[l->count++];
    *made = (host_link){.name = mem_text_dup(name),
                        .driver = mem_text_dup(driver),
                        .workload = mem_text_dup(""),
                        .target = mem_text_dup(driver),
                        .target_name = mem_text_dup(driver)};
    *ret = made;
    return STATUS_OK;
}

status host_link_add_interface(host_link *l, slice interface, err *e) {
    if (l->interface_count == HOST_LINK_INTERFACES_MAX) {
        return err_set(e, STATUS_LIMIT, "link \"%s\" has more than %d interfaces", l->name,
                       HOST_LINK_INTERFACES_MAX);
    }
    l->interfaces = grow(l->interfaces, l->interface_count, sizeof *l->interfaces);
    l->interfaces[l->interface_count++] = mem_slice_dup(interface);
    return STATUS_OK;
}

static status add_setting(host_setting **list, size_t *count, slice name, slice value, err *e) {
    if (*count == HOST_LINK_SETTINGS_MAX || value.len > HOST_LINK_TEXT_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "a link has at most %d settings of at most %d bytes",
                       HOST_LINK_SETTINGS_MAX, HOST_LINK_TEXT_BYTES_MAX);
    }
    *list = grow(*list, *count, sizeof **list);
    (*list)[(*count)++] = (host_setting){mem_slice_dup(name), mem_slice_dup(value)};
    return STATUS_OK;
}

status host_link_add_setting(host_link *l, slice name, slice value, err *e) {
    return add_setting(&l->settings, &l->setting_count, name, value, e);
}

status host_link_add_credential(host_link *l, slice name, slice value, err *e) {
    return add_setting(&l->credentials, &l->credential_count, name, value, e);
}

status host_link_add_secret(host_link *l, const host_secret *added, err *e) {
    if (l->secret_count == HOST_LINK_SETTINGS_MAX) {
        return err_set(e, STATUS_LIMIT, "a link has at most %d credentials", HOST_LINK_SETTINGS_MAX);
    }
    for (size_t i = 0; i < l->secret_count; i++) {
        if (strcmp(l->secrets[i].name, added->name) == 0) {
            return err_set(e, STATUS_EXISTS, "%.60s is given twice", added->name);
        }
    }
    l->secrets = grow(l->secrets, l->secret_count, sizeof *l->secrets);
    l->secrets[l->secret_count++] = host_secret_copy(added);
    return STATUS_OK;
}

status host_link_put_secret(host_link *l, const host_secret *added, err *e) {
    for (size_t i = 0; i < l->secret_count; i++) {
        if (strcmp(l->secrets[i].name, added->name) == 0) {
            host_secret_done(&l->secrets[i]);
            l->secrets[i] = host_secret_copy(added);
            return STATUS_OK;
        }
    }
    return host_link_add_secret(l, added, e);
}

static bool are_settings_same(const host_setting *a, size_t a_count, const host_setting *b, size_t b_count) {
    bool is_same = a_count == b_count;
    for (size_t i = 0; is_same && i < a_count; i++) {
        is_same = strcmp(a[i].name, b[i].name) == 0 && strcmp(a[i].value, b[i].value) == 0;
    }
    return is_same;
}

bool host_link_is_same(const host_link *a, const host_link *b) {
    bool is_same = strcmp(a->workload, b->workload) == 0 && strcmp(a->name, b->name) == 0 &&
                   strcmp(a->driver, b->driver) == 0 && a->interface_count == b->interface_count;
    for (size_t i = 0; is_same && i < a->interface_count; i++) {
        is_same = strcmp(a->interfaces[i], b->interfaces[i]) == 0;
    }
    return is_same && are_settings_same(a->settings, a->setting_count, b->settings, b->setting_count) &&
           are_settings_same(a->credentials, a->credential_count, b->credentials, b->credential_count);
}

size_t host_link_credential_bytes(const host_link *l) {
    size_t bytes = 0;
    for (size_t i = 0; i < l->credential_count; i++) { // each with its length before it
        bytes += strlen(l->credentials[i].name) + strlen(l->credentials[i].value) + 2 * sizeof(uint32_t);
    }
    return bytes;
}

// --- writing -----------------------------------------------------------------------------------------------

static void write_settings(wire_writer *w, const host_setting *list, size_t count) {
    wire_write_u32(w, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        wire_write_bytes(w, slice_from_text(list[i].name));
        wire_write_bytes(w, slice_from_text(list[i].value));
    }
}

static void write_link(wire_writer *w, const host_link *l, bool is_for_drivers) {
    wire_write_u32(w, l->number);
    wire_write_bytes(w, slice_from_text(l->workload));
    wire_write_bytes(w, slice_from_text(l->name));
    wire_write_bytes(w, slice_from_text(l->driver));
    wire_write_bytes(w, slice_from_text(l->target));
    wire_write_bytes(w, slice_from_text(l->target_name));
    wire_write_u64(w, l->timeout_ns);
    wire_write_u32(w, (uint32_t)l->interface_count);
    for (size_t i = 0; i < l->interface_count; i++) {
        wire_write_bytes(w, slice_from_text(l->interfaces[i]));
    }
    write_settings(w, l->settings, is_for_drivers ? l->setting_count : 0);
    write_settings(w, l->credentials, is_for_drivers ? l->credential_count : 0);
}

void host_links_put(const host_links *l, host_links_audience audience, wire_writer *w) {
    wire_write_u32(w, (uint32_t)l->count);
    for (size_t i = 0; i < l->count; i++) {
        write_link(w, &l->items[i], audience == HOST_LINKS_FOR_DRIVERS);
    }
}

status host_links_write(const host_links *l, host_links_audience audience, buf *ret, err *e) {
    wire_writer w = wire_writer_of(ret);
    host_links_put(l, audience, &w);
    return w.has_failed ? err_set(e, STATUS_LIMIT, "the links together are too large") : STATUS_OK;
}

// --- reading -----------------------------------------------------------------------------------------------

static uint32_t read_count(wire_reader *r, uint32_t max) {
    uint32_t n = wire_read_u32(r);
    r->has_failed |= n > max;
    return r->has_failed ? 0 : n;
}

static char *read_text(wire_reader *r, size_t max) { return mem_slice_dup(wire_read_bytes(r, max)); }

static void read_settings(wire_reader *r, host_setting **list, size_t *count) {
    uint32_t n = read_count(r, HOST_LINK_SETTINGS_MAX);
    *list = mem_calloc(n + 1u, sizeof **list);
    for (uint32_t i = 0; i < n; i++) {
        (*list)[i].name = read_text(r, NAME_BYTES_MAX);
        (*list)[i].value = read_text(r, HOST_LINK_TEXT_BYTES_MAX);
        *count = i + 1u;
    }
}

static void read_link(wire_reader *r, host_link *l) {
    l->number = wire_read_u32(r);
    l->workload = read_text(r, NAME_BYTES_MAX);
    l->name = read_text(r, NAME_BYTES_MAX);
    l->driver = read_text(r, NAME_BYTES_MAX);
    l->target = read_text(r, NAME_BYTES_MAX);
    l->target_name = read_text(r, NAME_BYTES_MAX);
    l->timeout_ns = wire_read_u64(r);
    uint32_t n = read_count(r, HOST_LINK_INTERFACES_MAX);
    l->interfaces = mem_calloc(n + 1u, sizeof *l->interfaces);
    for (uint32_t i = 0; i < n; i++) {
        l->interfaces[i] = read_text(r, NAME_BYTES_MAX);
        l->interface_count = i + 1u;
    }
    read_settings(r, &l->settings, &l->setting_count);
    read_settings(r, &l->credentials, &l->credential_count);
}

void host_links_take(wire_reader *r, host_links *ret) {
    uint32_t n = read_count(r, HOST_LINKS_MAX);
    ret->items = mem_calloc(n + 1u, sizeof *ret->items);
    for (uint32_t i = 0; i < n && !r->has_failed; i++) {
        ret->count = i + 1u;
        read_link(r, &ret->items[i]);
    }
}

status host_links_read(slice bytes, host_links *ret, err *e) {
    wire_reader r = wire_reader_of(bytes);
    host_links_take(&r, ret);
    return wire_read_is_done(&r) ? STATUS_OK : err_set(e, STATUS_INVALID, "the list of links is malformed");
}
