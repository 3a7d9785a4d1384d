// SPDX-License-Identifier: Apache-2.0
// Reading of single values, with errors that say where and what to write.
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

#include "codec/utf.h"
#include "deploy/manifest_internal.h"

const char *manifest_path(manifest_reader *r, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const char *text = problems_text_list(r->found, format, arguments);
    va_end(arguments);
    return text;
}

void *manifest_array(manifest_reader *r, size_t count, size_t bytes, text_place at) {
    void *list = arena_calloc(r->found->memory, count, bytes);
    if (list == NULL) {
        problems_add(r->found, at, "limit", "split it", "the manifest needs too much memory");
    }
    return list;
}

static bool expect_kind(manifest_reader *r, const yaml_node *n, yaml_kind kind, const char *name,
                        const char *path) {
    if (n->kind != kind) {
        problems_add(r->found, n->at, "schema", NULL, "%s: expected %s, found %s", path, name,
                     yaml_kind_name(n));
    }
    return n->kind == kind;
}
bool manifest_expect_map(manifest_reader *r, const yaml_node *n, const char *path) {
    return expect_kind(r, n, YAML_KIND_MAP, "a map", path);
}
bool manifest_expect_list(manifest_reader *r, const yaml_node *n, const char *path) {
    return expect_kind(r, n, YAML_KIND_LIST, "a list", path);
}

static bool is_strict_text(const yaml_node *n) { return yaml_type_of(n) == YAML_TYPE_TEXT; }

bool manifest_read_text(manifest_reader *r, const yaml_node *n, const char *path, manifest_strictness how,
                        manifest_text *ret) {
    char shown[80];
    if (n->kind != YAML_KIND_SCALAR || (how == MANIFEST_STRICT && !is_strict_text(n))) {
        const char *advice =
            n->kind == YAML_KIND_SCALAR
                ? manifest_path(r, "put it in quotes: \"%s\"", utf8_shown(n->text, shown, sizeof shown))
                : NULL;
        problems_add(r->found, n->at, "schema", advice, "%s: expected text, found %s", path,
                     yaml_kind_name(n));
        return false;
    }
    if (n->text.len > 0 && memchr(n->text.data, 0, n->text.len) != NULL) {
        problems_add(r->found, n->at, "schema", "remove it", "%s: a NUL character in the text", path);
        return false;
    }
    *ret = (manifest_text){n->text, n->at};
    return true;
}

bool manifest_require(manifest_reader *r, const yaml_node *map, const char *path, const char *key,
                      const yaml_node **ret) {
    *ret = yaml_get(map, key);
    if (*ret == NULL) {
        problems_add(r->found, map->at, "schema", manifest_path(r, "add `%s:` here", key),
                     "%s: missing field `%s`", path, key);
    }
    return *ret != NULL;
}

bool manifest_require_text(manifest_reader *r, const yaml_node *map, const char *path, const char *key,
                           manifest_strictness how, manifest_text *ret) {
    const yaml_node *n;
    return manifest_require(r, map, path, key, &n) &&
           manifest_read_text(r, n, manifest_path(r, "%s.%s", path, key), how, ret);
}

bool manifest_optional_text(manifest_reader *r, const yaml_node *map, const char *path, const char *key,
                            manifest_strictness how, manifest_text *ret) {
    const yaml_node *n = yaml_get(map, key);
    return yaml_is_null(n) || manifest_read_text(r, n, manifest_path(r, "%s.%s", path, key), how, ret);
}

static int compare_pairs(const void *a, const void *b) {
    const manifest_pair *x = a, *y = b;
    return slice_compare(x->key, y->key);
}

static bool read_key(manifest_reader *r, const yaml_entry *e, const char *path, manifest_strictness how) {
    char shown[80];
    const yaml_node as_value = {.kind = YAML_KIND_SCALAR, .is_plain = e->key_is_plain, .text = e->key};
    if (e->key.len > 0 && memchr(e->key.data, 0, e->key.len) != NULL) {
        problems_add(r->found, e->key_at, "schema", "remove it", "%s: a NUL character in a key", path);
        return false;
    }
    if (how == MANIFEST_STRICT && !is_strict_text(&as_value)) {
        problems_add(r->found, e->key_at, "schema",
                     manifest_path(r, "put it in quotes: \"%s\"", utf8_shown(e->key, shown, sizeof shown)),
                     "%s: expected text as a key, found %s", path, yaml_kind_name(&as_value));
        return false;
    }
    return true;
}

bool manifest_read_map(manifest_reader *r, const yaml_node *n, const char *path, manifest_strictness how,
                       manifest_map *ret) {
    if (!manifest_expect_map(r, n, path)) {
        return false;
    }
    manifest_pair *pairs = MANIFEST_ARRAY(r, manifest_pair, n->count, n->at);
    bool ok = pairs != NULL;
    size_t count = 0;
    for (const yaml_entry *e = n->first; e != NULL && pairs != NULL; e = e->next) {
        char shown[80];
        manifest_text value;
        if (!read_key(r, e, path, how) ||
            !manifest_read_text(r, e->value,
                                manifest_path(r, "%s.%s", path, utf8_shown(e->key, shown, sizeof shown)), how,
                                &value)) {
            ok = false;
            continue;
        }
        pairs[count++] = (manifest_pair){e->key, value.value, e->key_at, value.at};
    }
    if (count > 0) {
        qsort(pairs, count, sizeof *pairs, compare_pairs);
    }
    *ret = (manifest_map){pairs, count};
    return ok;
}

const manifest_pair *manifest_map_find(const manifest_map *m, const char *key) {
    for (size_t i = 0; i < m->count; i++) {
        if (slice_equal_text(m->pairs[i].key, key)) {
            return &m->pairs[i];
        }
    }
    return NULL;
}

static bool is_known(slice key, const char *const *names) {
    for (; *names != NULL; names++) {
        if (slice_equal_text(key, *names)) {
            return true;
        }
    }
    return false;
}

static const char *list_names(manifest_reader *r, const char *const *names) {
    const char *text = manifest_path(r, "known are `%s`", names[0]);
    for (size_t i = 1; names[i] != NULL; i++) {
        text = manifest_path(r, "%s, `%s`", text, names[i]);
    }
    return text;
}

bool manifest_check_keys(manifest_reader *r, const yaml_node *map, const char *path, const char *const *names,
                         bool is_error) {
    bool ok = true;
    const char *advice = NULL;
    for (const yaml_entry *e = map->first; e != NULL; e = e->next) {
        char shown[80];
        if (is_known(e->key, names)) {
            continue;
        }
        advice = advice == NULL ? list_names(r, names) : advice;
        utf8_shown(e->key, shown, sizeof shown);
        if (is_error) {
            problems_add(r->found, e->key_at, "schema", advice, "%s: unknown field `%s`", path, shown);
            ok = false;
        } else {
            problems_warn(r->found, e->key_at, "ignored", advice,
                          "%s: the field `%s` means nothing and is ignored", path, shown);
        }
    }
    return ok;
}

char *manifest_file_path(const manifest *m, slice path) {
    const char *slash = strrchr(m->file, '/');
    size_t folder =
        slash == NULL || (path.len > 0 && path.data[0] == '/') ? 0 : (size_t)(slash - m->file) + 1;
    char *text = mem_zalloc(folder + path.len + 1);
    memcpy(text, m->file, folder);
    if (path.len > 0) {
        memcpy(text + folder, path.data, path.len);
    }
    return text;
}
