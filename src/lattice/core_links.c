// SPDX-License-Identifier: Apache-2.0
// Links: what is known of them, and what old peers are told.
#include <stdio.h>

#include "lattice/core_internal.h"

// --- what is known -----------------------------------------------------------------------------------------

size_t lattice_core_links_from(const lattice_core *c, slice source, const lattice_link **ret) {
    const core_source *s = core_table_find(&c->sources, source);
    *ret = s == NULL ? NULL : s->links;
    return s == NULL ? 0 : s->count;
}

size_t lattice_core_link_count(const lattice_core *c) { return c->link_count; }
size_t lattice_core_source_count(const lattice_core *c) { return c->sources.count; }

slice lattice_core_source_at(const lattice_core *c, size_t index, const lattice_link **ret,
                             size_t *ret_count) {
    const core_source *s = (const core_source *)(const void *)c->sources.items[index];
    *ret = s->links;
    *ret_count = s->count;
    return s->record.key;
}

bool core_link_has_interface(const lattice_link *link, slice interface) {
    for (size_t i = 0; i < link->interfaces.count; i++) {
        if (slice_equal(link->interfaces.items[i], interface)) {
            return true;
        }
    }
    return false;
}

const lattice_link *lattice_core_route(const lattice_core *c, slice source, slice name, slice interface) {
    const core_source *s = core_table_find(&c->sources, source);
    size_t colon = slice_find(interface, 0, ':');
    size_t slash = slice_find(interface, 0, '/');
    if (s == NULL || colon == SIZE_MAX || slash == SIZE_MAX || slash < colon) {
        return NULL;
    }
    slice ns = slice_sub(interface, 0, colon);
    slice package = slice_sub(interface, colon + 1, slash);
    slice last = slice_sub(interface, slash + 1, interface.len);
    for (size_t i = s->count; i > 0; i--) { // the last one holds
        const lattice_link *link = &s->links[i - 1];
        if (slice_equal(link->name, name) && slice_equal(link->ns, ns) &&
            slice_equal(link->package, package) && core_link_has_interface(link, last)) {
            return link;
        }
    }
    return NULL;
}

static size_t texts_bytes(lattice_texts texts) {
    size_t bytes = 0;
    for (size_t i = 0; i < texts.count; i++) {
        bytes += texts.items[i].len + 3;
    }
    return bytes;
}

// About as much as its JSON.
static size_t link_bytes(const lattice_link *link) {
    enum { NAMES_BYTES = 140 };
    return NAMES_BYTES + link->source.len + link->target.len + link->name.len + link->ns.len +
           link->package.len + texts_bytes(link->interfaces) + texts_bytes(link->source_config) +
           texts_bytes(link->target_config);
}

void core_on_link_get(core_request *q) {
    core_page page;
    if (!core_page_begin(q, &page)) {
        return;
    }
    for (size_t i = 0; i < q->c->sources.count && !page.is_full; i++) {
        const core_source *s = (const core_source *)(const void *)q->c->sources.items[i];
        for (size_t k = 0; k < s->count && !page.is_full; k++) {
            if (core_page_takes(&page, link_bytes(&s->links[k]))) {
                json_push(page.items, core_json_link(&s->links[k]));
            }
        }
    }
    core_page_answer(q, &page);
}

// --- what old peers are told -------------------------------------------------------------------------------

static void publish_link(lattice_core *c, const char *verb, const lattice_link *link, json_value *v) {
    auto_buf text;
    buf_init(&text, CORE_ANSWER_BYTES_MAX);
    if (json_write(v, 0, &text) == STATUS_OK) {
        const slice ends[] = {link->source, link->target};
        for (size_t i = 0; i < 2; i++) {
            char subject[CORE_SUBJECT_BYTES_MAX];
            (void)snprintf(subject, sizeof subject, "wasmbus.rpc.%.*s.%.*s.linkdefs.%s",
                           SLICE_ARG(c->settings.lattice), SLICE_ARG(ends[i]), verb);
            c->effects.publish_rpc(c->effects.context, slice_from_text(subject), buf_slice(&text));
        }
    }
    json_free(v);
}

static json_value *definition(const lattice_link *link, lattice_pairs source_config,
                              lattice_pairs target_config) {
    json_value *v = json_object_new();
    json_put_text(v, "source_id", link->source);
    json_put_text(v, "target", link->target);
    json_put_text(v, "name", link->name);
    json_put_text(v, "wit_namespace", link->ns);
    json_put_text(v, "wit_package", link->package);
    json_put(v, "interfaces", core_json_texts(link->interfaces));
    json_put(v, "source_config", core_json_pairs(source_config));
    json_put(v, "target_config", core_json_pairs(target_config));
    json_put(v, "source_secrets", json_null_new());
    json_put(v, "target_secrets", json_null_new());
    return v;
}

static bool has_secret(lattice_texts names) {
    for (size_t i = 0; i < names.count; i++) {
        if (lattice_is_secret_name(names.items[i])) {
            return true;
        }
    }
    return false;
}

void core_link_tell_put(lattice_core *c, const lattice_link *link) {
    if (!c->settings.allows_unsigned_peers || has_secret(link->source_config) ||
        has_secret(link->target_config)) {
        return;
    }
    arena memory;
    lattice_pairs source, target;
    arena_init(&memory, CORE_REQUEST_ARENA_BYTES);
    if (lattice_core_config_merge(c, link->source_config, &memory, &source) == STATUS_OK &&
        lattice_core_config_merge(c, link->target_config, &memory, &target) == STATUS_OK) {
        publish_link(c, "put", link, definition(link, source, target));
    }
    arena_done(&memory);
}

void core_link_tell_del(lattice_core *c, const lattice_link *link) {
    if (c->settings.allows_unsigned_peers) {
        publish_link(c, "del", link, definition(link, (lattice_pairs){0}, (lattice_pairs){0}));
    }
}
