// SPDX-License-Identifier: Apache-2.0
#include "agent/provider_wants.h"

#include <stdlib.h>

// What does not fit is told once, at the end: the arena gives nothing more then.

static bool copy_text(arena *a, slice *text) {
    *text = arena_copy(a, *text);
    return text->len == 0 || text->data != NULL;
}

static bool copy_values(arena *a, host_data_values *v) {
    host_data_value *items = ARENA_ARRAY(a, host_data_value, v->count);
    bool fits = items != NULL;
    for (size_t i = 0; fits && i < v->count; i++) {
        items[i] = v->items[i];
        fits = copy_text(a, &items[i].name) && copy_text(a, &items[i].value);
    }
    v->items = items;
    return fits;
}

static bool copy_secrets(arena *a, host_data_secrets *v) {
    host_data_secret *items = ARENA_ARRAY(a, host_data_secret, v->count);
    bool fits = items != NULL;
    for (size_t i = 0; fits && i < v->count; i++) {
        items[i] = v->items[i];
        fits = copy_text(a, &items[i].name) && copy_text(a, &items[i].value);
    }
    v->items = items;
    return fits;
}

static bool copy_texts(arena *a, const slice **texts, size_t count) {
    slice *items = ARENA_ARRAY(a, slice, count);
    bool fits = items != NULL;
    for (size_t i = 0; fits && i < count; i++) {
        items[i] = (*texts)[i];
        fits = copy_text(a, &items[i]);
    }
    *texts = items;
    return fits;
}

static bool copy_link(arena *a, host_data_link *l) {
    return copy_text(a, &l->source_id) && copy_text(a, &l->target) && copy_text(a, &l->name) &&
           copy_text(a, &l->wit_namespace) && copy_text(a, &l->wit_package) &&
           copy_texts(a, &l->interfaces, l->interface_count) && copy_values(a, &l->source_config) &&
           copy_values(a, &l->target_config) && copy_secrets(a, &l->source_secrets) &&
           copy_secrets(a, &l->target_secrets);
}

static int compare_links(const void *a, const void *b) {
    const host_data_link *x = a, *y = b;
    const slice left[] = {x->source_id, x->target, x->name, x->wit_namespace, x->wit_package};
    const slice right[] = {y->source_id, y->target, y->name, y->wit_namespace, y->wit_package};
    int order = 0;
    for (size_t i = 0; order == 0 && i < sizeof left / sizeof left[0]; i++) {
        order = slice_compare(left[i], right[i]);
    }
    return order;
}

static bool copy_all(provider_wants *w) {
    host_data_link *links = ARENA_ARRAY(&w->memory, host_data_link, w->link_count);
    bool fits = links != NULL && copy_values(&w->memory, &w->config) && copy_secrets(&w->memory, &w->secrets);
    for (size_t i = 0; fits && i < w->link_count; i++) {
        links[i] = w->links[i];
        fits = copy_link(&w->memory, &links[i]);
    }
    if (fits) {
        qsort(links, w->link_count, sizeof *links, compare_links);
    }
    w->links = links;
    return fits;
}

status provider_wants_copy(const providers_wanted *wanted, provider_wants *ret, err *e) {
    provider_wants w = {.config = wanted->config,
                        .secrets = wanted->secrets,
                        .links = wanted->links,
                        .link_count = wanted->link_count};
    arena_init(&w.memory, PROVIDER_WANTS_BYTES_MAX);
    if (!copy_all(&w)) {
        provider_wants_done(&w);
        return err_set(e, STATUS_LIMIT,
                       "configuration and links of provider %.*s have more than %d bytes; let it have fewer",
                       SLICE_ARG(wanted->id), PROVIDER_WANTS_BYTES_MAX);
    }
    *ret = w;
    return STATUS_OK;
}

void provider_wants_done(provider_wants *w) {
    arena_done(&w->memory);
    *w = (provider_wants){0};
}

// --- comparing ---------------------------------------------------------------------------------------------

bool provider_wants_same_values(const host_data_values *a, const host_data_values *b) {
    bool is_same = a->count == b->count;
    for (size_t i = 0; is_same && i < a->count; i++) {
        is_same = slice_equal(a->items[i].name, b->items[i].name) &&
                  slice_equal(a->items[i].value, b->items[i].value);
    }
    return is_same;
}

static bool same_secrets(const host_data_secrets *a, const host_data_secrets *b) {
    bool is_same = a->count == b->count;
    for (size_t i = 0; is_same && i < a->count; i++) {
        is_same = slice_equal(a->items[i].name, b->items[i].name) &&
                  slice_equal(a->items[i].value, b->items[i].value) &&
                  a->items[i].is_bytes == b->items[i].is_bytes;
    }
    return is_same;
}

bool provider_wants_equal_links(const host_data_link *a, const host_data_link *b) {
    bool is_equal = compare_links(a, b) == 0 && a->interface_count == b->interface_count;
    for (size_t i = 0; is_equal && i < a->interface_count; i++) {
        is_equal = slice_equal(a->interfaces[i], b->interfaces[i]);
    }
    return is_equal && provider_wants_same_values(&a->source_config, &b->source_config) &&
           provider_wants_same_values(&a->target_config, &b->target_config) &&
           same_secrets(&a->source_secrets, &b->source_secrets) &&
           same_secrets(&a->target_secrets, &b->target_secrets);
}

bool provider_wants_equal(const provider_wants *a, const provider_wants *b) {
    bool is_equal = a->link_count == b->link_count && provider_wants_same_values(&a->config, &b->config) &&
                    same_secrets(&a->secrets, &b->secrets);
    for (size_t i = 0; is_equal && i < a->link_count; i++) {
        is_equal = provider_wants_equal_links(&a->links[i], &b->links[i]);
    }
    return is_equal;
}

const host_data_link *provider_wants_find_link(const provider_wants *w, const host_data_link *l) {
    return w->link_count == 0 ? NULL : bsearch(l, w->links, w->link_count, sizeof *l, compare_links);
}

static bool is_before(const host_data_link *l, slice source, slice target) {
    int order = slice_compare(l->source_id, source);
    return order < 0 || (order == 0 && slice_compare(l->target, target) < 0);
}

const host_data_link *provider_wants_between(const provider_wants *w, slice source, slice target,
                                             size_t *ret_count) {
    size_t from = 0, to = w->link_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (is_before(&w->links[middle], source, target)) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    for (to = from; to < w->link_count && slice_equal(w->links[to].source_id, source) &&
                    slice_equal(w->links[to].target, target);) {
        to++;
    }
    *ret_count = to - from;
    return w->links + from;
}

static bool has_interface(const host_data_link *l, slice interface) {
    size_t colon = slice_find(interface, 0, ':'), slash = slice_find(interface, 0, '/');
    bool has_it = false;
    if (colon == SIZE_MAX || slash == SIZE_MAX || slash < colon ||
        !slice_equal(l->wit_namespace, slice_sub(interface, 0, colon)) ||
        !slice_equal(l->wit_package, slice_sub(interface, colon + 1, slash))) {
        return false;
    }
    for (size_t i = 0; i < l->interface_count && !has_it; i++) {
        has_it = slice_equal(l->interfaces[i], slice_sub(interface, slash + 1, interface.len));
    }
    return has_it;
}

const host_data_link *provider_wants_link_for(const provider_wants *w, slice source, slice target, slice name,
                                              slice interface) {
    size_t count = 0;
    const host_data_link *found = NULL, *all = provider_wants_between(w, source, target, &count);
    for (size_t i = 0; i < count; i++) {
        bool is_named = slice_equal(all[i].name, name);
        if (has_interface(&all[i], interface) && (found == NULL || is_named)) {
            found = &all[i];
        }
    }
    return found;
}
