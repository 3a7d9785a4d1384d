// SPDX-License-Identifier: Apache-2.0
#include "agent/provider_desired.h"

typedef struct reading {
    const lattice_core *core;
    const provider_secret_source *source;
    arena *memory;
} reading;

static status full(err *e) {
    return err_set(e, STATUS_LIMIT, "there is no room for what its configuration and links say");
}

static status read_values(const reading *r, lattice_texts names, host_data_values *ret, err *e) {
    lattice_pairs pairs = {0};
    if (lattice_core_config_merge(r->core, names, r->memory, &pairs) != STATUS_OK) {
        return full(e);
    }
    host_data_value *items = ARENA_ARRAY(r->memory, host_data_value, pairs.count);
    if (items == NULL) {
        return full(e);
    }
    for (size_t i = 0; i < pairs.count; i++) {
        items[i] = (host_data_value){pairs.items[i].key, pairs.items[i].value};
    }
    *ret = (host_data_values){items, pairs.count};
    return STATUS_OK;
}

static bool get_secret(const reading *r, slice name, host_data_secret *ret) {
    return r->source != NULL && r->source->get(r->source->context, name, r->memory, ret);
}

static status read_secrets(const reading *r, lattice_texts names, host_data_secrets *ret, err *e) {
    host_data_secret *items = ARENA_ARRAY(r->memory, host_data_secret, names.count);
    size_t count = 0;
    if (items == NULL) {
        return full(e);
    }
    for (size_t i = 0; i < names.count; i++) {
        if (!lattice_is_secret_name(names.items[i])) {
            continue;
        }
        if (!get_secret(r, names.items[i], &items[count])) {
            return err_set(e, STATUS_NOT_FOUND, "the secret %.*s cannot be had on this host",
                           SLICE_ARG(names.items[i]));
        }
        count++;
    }
    *ret = (host_data_secrets){items, count};
    return STATUS_OK;
}

// Of the secrets only those for its own end: the other end's are none of its business.
static status read_link(const reading *r, slice id, const lattice_link *l, host_data_link *ret, err *e) {
    const lattice_texts none = {0};
    *ret = (host_data_link){
        .source_id = l->source,
        .target = l->target,
        .name = l->name,
        .wit_namespace = l->ns,
        .wit_package = l->package,
        .interfaces = l->interfaces.items,
        .interface_count = l->interfaces.count,
    };
    TRY(read_values(r, l->source_config, &ret->source_config, e));
    TRY(read_values(r, l->target_config, &ret->target_config, e));
    TRY(read_secrets(r, slice_equal(l->source, id) ? l->source_config : none, &ret->source_secrets, e));
    return read_secrets(r, slice_equal(l->target, id) ? l->target_config : none, &ret->target_secrets, e);
}

static size_t count_links(const lattice_core *c, slice id) {
    size_t count = 0;
    for (size_t i = 0; i < lattice_core_source_count(c); i++) {
        const lattice_link *links = NULL;
        size_t n = 0;
        slice source = lattice_core_source_at(c, i, &links, &n);
        for (size_t k = 0; k < n; k++) {
            count += slice_equal(source, id) || slice_equal(links[k].target, id);
        }
    }
    return count;
}

static status read_links(const reading *r, slice id, void (*skipped)(void *context, const lattice_link *l),
                         void *context, providers_wanted *ret, err *e) {
    host_data_link *items = ARENA_ARRAY(r->memory, host_data_link, count_links(r->core, id));
    if (items == NULL) {
        return full(e);
    }
    ret->links = items;
    for (size_t i = 0; i < lattice_core_source_count(r->core); i++) {
        const lattice_link *links = NULL;
        size_t n = 0;
        slice source = lattice_core_source_at(r->core, i, &links, &n);
        for (size_t k = 0; k < n; k++) {
            if (!slice_equal(source, id) && !slice_equal(links[k].target, id)) {
                continue;
            }
            status s = read_link(r, id, &links[k], &items[ret->link_count], e);
            if (s == STATUS_OK) {
                ret->link_count++;
            } else if (s != STATUS_NOT_FOUND) {
                return s;
            } else if (skipped != NULL) {
                skipped(context, &links[k]);
            }
        }
    }
    return STATUS_OK;
}

status provider_desired_read(const lattice_core *c, const lattice_provider *p,
                             const provider_secret_source *source,
                             void (*skipped)(void *context, const lattice_link *l), void *context,
                             arena *memory, providers_wanted *ret, err *e) {
    const reading r = {c, source, memory};
    *ret = (providers_wanted){.id = p->id, .image = p->ref, .program_fd = -1};
    TRY(read_values(&r, p->config, &ret->config, e));
    TRY(read_secrets(&r, p->config, &ret->secrets, e));
    return read_links(&r, p->id, skipped, context, ret, e);
}
