// SPDX-License-Identifier: Apache-2.0
#include "cli/diff_internal.h"

#include <stdio.h>

enum { ITEMS_MAX = 4096, ITEMS_ALL_MAX = 65536 };

typedef const component_item *(*item_at)(const component *, size_t);
typedef size_t (*item_count)(const component *);

// Imports or exports, and the words for them.
typedef struct kind {
    const char *what;
    item_count count;
    item_at at;
    diff_effect added, removed;
    const char *added_text, *removed_text;
    const char *func_added, *func_removed;
} kind;

#define SHOWN(s) SLICE_ARG(slice_sub((s), 0, 200))

static slice base_name(const component_item *item) {
    slice name;
    semver version;
    component_name_split(component_item_interface(item), &name, &version);
    return name;
}

// An import under a name of its own is another one when it implements another interface.
static bool is_same(const component_item *a, const component_item *b, bool by_base) {
    return slice_equal(component_item_label(a), component_item_label(b)) &&
           (by_base ? slice_equal(base_name(a), base_name(b))
                    : slice_equal(component_item_interface(a), component_item_interface(b)));
}

typedef struct title { // "wasi:keyvalue/store@0.2.0", "cache: wasi:keyvalue/store@0.2.0"
    char text[256];
} title;

static title title_of(const component_item *item) {
    title t;
    slice label = slice_sub(component_item_label(item), 0, 80);
    slice interface = slice_sub(component_item_interface(item), 0, 160);
    (void)snprintf(t.text, sizeof t.text, "%.*s%s%.*s", SLICE_ARG(label), label.len > 0 ? ": " : "",
                   SLICE_ARG(interface));
    return t;
}

static const component_item *find(const component *c, const kind *k, const component_item *like,
                                  bool by_base) {
    for (size_t i = 0; i < k->count(c); i++) {
        if (is_same(k->at(c, i), like, by_base)) {
            return k->at(c, i);
        }
    }
    return NULL;
}

static bool has_func(const component_item *interface, slice name) {
    for (size_t i = 0; i < interface->item_count; i++) {
        if (interface->items[i].kind == COMPONENT_FUNC && slice_equal(interface->items[i].name, name)) {
            return true;
        }
    }
    return false;
}

// Functions of `wider` that `narrower`, the other version of the same import, does not have.
static void compare_funcs(const kind *k, const component_item *wider, const component_item *narrower,
                          diff_effect effect, const char *verb, diff_list *ret) {
    for (size_t i = 0; i < wider->item_count; i++) {
        const component_item *item = &wider->items[i];
        if (item->kind == COMPONENT_FUNC && !has_func(narrower, item->name)) {
            diff_add(ret, effect, k->what, "%s: %s %.*s", title_of(wider).text, verb, SHOWN(item->name));
        }
    }
}

static void compare_new(const diff_side *old, const component_item *item, const kind *k, diff_list *ret) {
    const component_item *was = find(old->c, k, item, false);
    if (was == NULL) {
        was = find(old->c, k, item, true);
        if (was == NULL) {
            diff_add(ret, k->added, k->what, "%s %s", k->added_text, title_of(item).text);
            return;
        }
        diff_add(ret, DIFF_OTHER, k->what, "%s instead of %s", title_of(item).text, title_of(was).text);
    }
    compare_funcs(k, item, was, k->added, k->func_added, ret);
    compare_funcs(k, was, item, k->removed, k->func_removed, ret);
}

// Comparing takes the square of them.
static bool are_few(const component *c, const kind *k) {
    size_t items = 0, count = k->count(c);
    for (size_t i = 0; i < count && i < ITEMS_MAX; i++) {
        size_t within = k->at(c, i)->item_count;
        items += within <= ITEMS_MAX ? within : ITEMS_ALL_MAX + 1;
    }
    return count <= ITEMS_MAX && items <= ITEMS_ALL_MAX;
}

static void compare_items(const diff_side *old, const diff_side *new, const kind *k, diff_list *ret) {
    if (!are_few(old->c, k) || !are_few(new->c, k)) {
        diff_add(ret, DIFF_MORE, k->what, "more than %d of them: not compared", ITEMS_MAX);
        return;
    }
    for (size_t i = 0; i < k->count(new->c) && !ret->is_cut; i++) {
        compare_new(old, k->at(new->c, i), k, ret);
    }
    for (size_t i = 0; i < k->count(old->c) && !ret->is_cut; i++) {
        const component_item *item = k->at(old->c, i);
        if (find(new->c, k, item, false) == NULL && find(new->c, k, item, true) == NULL) {
            diff_add(ret, k->removed, k->what, "%s %s", k->removed_text, title_of(item).text);
        }
    }
}

static void compare_sizes(const diff_side *old, const diff_side *new, diff_list *ret) {
    size_t modules_old = component_module_count(old->c), modules_new = component_module_count(new->c);
    if (slice_equal(buf_slice(&old->bytes), buf_slice(&new->bytes))) {
        diff_add(ret, DIFF_OTHER, "content", "both files are the same, byte for byte");
        return;
    }
    if (memcmp(old->v.envelope.hash, new->v.envelope.hash, HASH_BYTES) == 0 && old->v.envelope.is_canonical &&
        new->v.envelope.is_canonical) {
        diff_add(ret, DIFF_OTHER, "content", "the code is the same; only its token differs");
        return;
    }
    if (old->bytes.len != new->bytes.len) {
        diff_add(ret, DIFF_OTHER, "size", "%zu bytes instead of %zu", new->bytes.len, old->bytes.len);
    } else {
        diff_add(ret, DIFF_OTHER, "content", "other bytes of the same size");
    }
    if (modules_old != modules_new) {
        diff_add(ret, DIFF_OTHER, "modules", "%zu core modules instead of %zu", modules_new, modules_old);
    }
}

void diff_components(const diff_side *old, const diff_side *new, diff_list *ret) {
    static const kind imports = {"import",        component_import_count, component_import_at, DIFF_MORE,
                                 DIFF_LESS,       "now imports",          "no longer imports", "now uses",
                                 "no longer uses"};
    static const kind exports = {"export",       component_export_count, component_export_at, DIFF_OTHER,
                                 DIFF_OTHER,     "now exports",          "no longer exports", "now has",
                                 "no longer has"};
    compare_items(old, new, &imports, ret);
    compare_items(old, new, &exports, ret);
    compare_sizes(old, new, ret);
}
