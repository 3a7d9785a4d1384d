// SPDX-License-Identifier: Apache-2.0
// Links from HTTP servers: the settings of the server of 1.x.
#include <stdlib.h>

#include "codec/utf.h"
#include "deploy/manifest_internal.h"

#define DEFAULT_ADDRESS "0.0.0.0:8000"

// The last configuration that has the key counts; keys are compared without case, as 1.x does.
static const manifest_pair *find_setting(const manifest_settings *s, const char *key) {
    const manifest_pair *found = NULL;
    for (size_t i = 0; i < s->config_count; i++) {
        const manifest_map *map = &s->configs[i].properties;
        for (size_t n = 0; n < map->count; n++) {
            found = slice_equal_nocase(map->pairs[n].key, slice_from_text(key)) ? &map->pairs[n] : found;
        }
    }
    return found;
}

static slice text_or(const manifest_pair *p, slice otherwise) { return p == NULL ? otherwise : p->value; }

static bool is_mode(const manifest_pair *mode, const char *name) {
    return mode != NULL && slice_equal_text(mode->value, name);
}

bool manifest_serving_of(const manifest_component *server, const manifest_link *l, manifest_serving *ret) {
    const manifest_pair *mode = find_setting(&server->settings, "routing_mode");
    slice address =
        text_or(find_setting(&server->settings, "default_address"), slice_from_text(DEFAULT_ADDRESS));
    bool handles = false;
    for (size_t i = 0; i < l->interface_count; i++) {
        handles |= slice_equal_text(l->interfaces[i].value, "incoming-handler");
    }
    if (server->reference.role != PROVIDER_HTTP_SERVER || !handles || l->target_component == NULL ||
        !slice_equal_text(l->wit_namespace.value, "wasi") ||
        !slice_equal_text(l->wit_package.value, "http")) {
        return false;
    }
    *ret = (manifest_serving){l->target_component, address, slice_empty(), slice_from_text("/"), l->at};
    if (is_mode(mode, "path")) {
        ret->path = text_or(find_setting(&l->source_settings, "path"), ret->path);
    } else if (is_mode(mode, "host")) {
        ret->host = text_or(find_setting(&l->source_settings, "host"), ret->host);
    } else {
        ret->address = text_or(find_setting(&l->source_settings, "address"), address);
    }
    return true;
}

static void check_server(manifest *m, const manifest_component *server) {
    const manifest_pair *mode = find_setting(&server->settings, "routing_mode");
    char shown[80];
    if (mode != NULL && !is_mode(mode, "address") && !is_mode(mode, "path") && !is_mode(mode, "host")) {
        problems_add(&m->found, mode->value_at, "local-http", "write address, path or host",
                     "unknown routing_mode: %s", utf8_shown(mode->value, shown, sizeof shown));
    }
}

static void check_link(manifest *m, const manifest_component *server, const manifest_link *l) {
    const manifest_pair *mode = find_setting(&server->settings, "routing_mode");
    const char *key = is_mode(mode, "path") ? "path" : is_mode(mode, "host") ? "host" : NULL;
    if (key != NULL && find_setting(&l->source_settings, key) == NULL) {
        problems_add(&m->found, l->at, "local-http",
                     problems_text(&m->found, "add `%s:` to the configuration of the link's source", key),
                     "the server routes by %s, and this link has none", key);
    }
}

static int compare_servings(const void *a, const void *b) {
    const manifest_serving *x = a, *y = b;
    int order = slice_compare(x->address, y->address);
    order = order != 0 ? order : slice_compare(x->host, y->host);
    order = order != 0 ? order : slice_compare(x->path, y->path);
    return order != 0 ? order : (x->at.line > y->at.line) - (x->at.line < y->at.line);
}

static bool is_same(const manifest_serving *x, const manifest_serving *y) {
    return slice_equal(x->address, y->address) && slice_equal(x->host, y->host) &&
           slice_equal(x->path, y->path);
}

static void report_claim(manifest *m, const manifest_serving *first, const manifest_serving *again) {
    char names[2][80], where[3][80];
    problems_add(&m->found, again->at, "local-http", "give one of them another address, host or path",
                 "`%s` and `%s` both claim the requests for %s on %s%s",
                 utf8_shown(first->component->name.value, names[0], sizeof names[0]),
                 utf8_shown(again->component->name.value, names[1], sizeof names[1]),
                 utf8_shown(again->path, where[0], sizeof where[0]),
                 again->host.len == 0
                     ? ""
                     : problems_text(&m->found, "%s at ", utf8_shown(again->host, where[1], sizeof where[1])),
                 utf8_shown(again->address, where[2], sizeof where[2]));
}

static size_t collect(manifest *m, manifest_serving *list) {
    size_t count = 0;
    for (size_t i = 0; i < m->component_count; i++) {
        const manifest_component *server = &m->components[i];
        if (server->reference.role != PROVIDER_HTTP_SERVER) {
            continue;
        }
        if (list != NULL) {
            check_server(m, server);
        }
        for (size_t t = 0; t < server->trait_count; t++) {
            manifest_serving one;
            if (!manifest_trait_is_link(&server->traits[t]) ||
                !manifest_serving_of(server, &server->traits[t].link, &one)) {
                continue;
            }
            if (list != NULL) {
                check_link(m, server, &server->traits[t].link);
                list[count] = one;
            }
            count++;
        }
    }
    return count;
}

void manifest_check_servings(manifest *m) {
    size_t count = collect(m, NULL);
    manifest_serving *list = ARENA_ARRAY(&m->memory, manifest_serving, count + 1);
    if (list == NULL) {
        return;
    }
    collect(m, list);
    if (count > 1) {
        qsort(list, count, sizeof *list, compare_servings);
    }
    for (size_t i = 1; i < count; i++) {
        if (is_same(&list[i - 1], &list[i]) && list[i - 1].component != list[i].component) {
            report_claim(m, &list[i - 1], &list[i]);
        }
    }
}
