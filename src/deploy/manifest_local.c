// SPDX-License-Identifier: Apache-2.0
// Whether one host, without a lattice and a registry, can run a manifest.
#include <stdlib.h>

#include "codec/utf.h"
#include "deploy/manifest_internal.h"

typedef struct local {
    manifest *m;
    problems *found;
} local;

static void check_component_image(local *l, const manifest_component *c) {
    char shown[300];
    utf8_shown(c->image.value, shown, sizeof shown);
    switch (c->reference.kind) {
    case IMAGE_REGISTRY:
        problems_add(l->found, c->image.at, "local-image",
                     "write the path of a .wasm file, such as file://./build/NAME.wasm",
                     "`%s` is in a registry, from which this version does not fetch", shown);
        break;
    case IMAGE_FILE:
        if (c->reference.name.len == 0) {
            problems_add(l->found, c->image.at, "local-image", "write file://./build/NAME.wasm",
                         "the image has no path");
        }
        break;
    case IMAGE_NONE:
        problems_add(l->found, c->image.at, "local-image", "write file://./build/NAME.wasm",
                     "the image is empty");
        break;
    case IMAGE_BUILTIN:
    case IMAGE_UNKNOWN:
        problems_add(l->found, c->image.at, "local-image",
                     "write the path of a .wasm file, such as file://./build/NAME.wasm",
                     "`%s` cannot be the image of a component", shown);
        break;
    }
}

static void check_provider_image(local *l, const manifest_component *c) {
    char shown[300];
    if (c->reference.role != PROVIDER_NONE) {
        return;
    }
    const char *advice = problems_text(l->found, "built-in drivers stand for %s", image_known_providers);
    utf8_shown(c->image.value, shown, sizeof shown);
    if (c->reference.kind == IMAGE_FILE) {
        problems_add(l->found, c->image.at, "local-image", advice,
                     "`%s` is a provider archive, which this version does not run", shown);
    } else {
        problems_add(l->found, c->image.at, "local-image", advice, "no built-in driver stands for `%s`",
                     shown);
    }
}

static void check_image(local *l, manifest_component *c) {
    if (manifest_has(&c->shared_application)) {
        problems_add(l->found, c->shared_application.at, "local-shared",
                     "add the component itself, with its image",
                     "components of other applications cannot be used on a single host");
        return;
    }
    if (!manifest_has(&c->image)) {
        return;
    }
    c->reference = image_parse(c->image.value);
    (c->is_capability ? check_provider_image : check_component_image)(l, c);
}

static void check_configs(local *l, const manifest_settings *s) {
    for (size_t i = 0; i < s->config_count; i++) {
        char shown[80];
        if (!s->configs[i].has_properties && manifest_has(&s->configs[i].name)) {
            problems_add(
                l->found, s->configs[i].name.at, "local-config", "add `properties:` with its values",
                "the configuration `%s` has no properties, and there is no lattice that could have it",
                utf8_shown(s->configs[i].name.value, shown, sizeof shown));
        }
    }
}

static void check_scale(local *l, const manifest_trait *t) {
    if (t->form == MANIFEST_SCALE && manifest_trait_is_scaler(t) &&
        t->scale.instances > MANIFEST_INSTANCES_MAX) {
        problems_add(l->found, t->at, "local-scale", "write a smaller number", "more than %d instances",
                     MANIFEST_INSTANCES_MAX);
    }
}

static void check_component(local *l, manifest_component *c) {
    char shown[80];
    check_image(l, c);
    check_configs(l, &c->settings);
    for (size_t t = 0; t < c->trait_count; t++) {
        const manifest_trait *trait = &c->traits[t];
        check_scale(l, trait);
        if (manifest_trait_is_link(trait)) {
            check_configs(l, &trait->link.source_settings);
            check_configs(l, &trait->link.target_settings);
        }
    }
    if (!c->is_capability && !manifest_has(&c->shared_application) && manifest_has(&c->name) &&
        manifest_instances(c) == 0) {
        problems_warn(l->found, c->at, "scale", "add a trait of type spreadscaler with `instances: N`",
                      "`%s` has no instances and never runs", utf8_shown(c->name.value, shown, sizeof shown));
    }
}

static int compare_ids(const void *a, const void *b) {
    const manifest_component *const *x = a, *const *y = b;
    int order = slice_compare((*x)->id, (*y)->id);
    return order != 0 ? order : (*x > *y) - (*x < *y);
}

// Names that differ only in case or punctuation lead to one id; 1.x does not notice.
static void check_ids(local *l) {
    size_t count = l->m->component_count;
    const manifest_component **list =
        (const manifest_component **)arena_calloc(&l->m->memory, count + 1, sizeof *list);
    for (size_t i = 0; i < count && list != NULL; i++) {
        list[i] = &l->m->components[i];
    }
    if (list == NULL || count < 2) {
        return;
    }
    qsort(list, count, sizeof *list, compare_ids);
    for (size_t i = 1; i < count; i++) {
        char shown[80];
        const manifest_component *one = list[i], *before = list[i - 1];
        if (slice_equal(one->id, before->id) && !slice_equal(one->name.value, before->name.value) &&
            !(manifest_has(&one->explicit_id) && manifest_has(&before->explicit_id))) {
            problems_add(l->found, one->at, "local-id",
                         problems_text(l->found,
                                       "the other begins in line %u; rename one, or give it an `id`",
                                       before->at.line),
                         "two components get the same id `%s`", utf8_shown(one->id, shown, sizeof shown));
        }
    }
}

status manifest_check_local(manifest *m) {
    local l = {m, &m->found};
    for (size_t i = 0; i < m->component_count; i++) {
        check_component(&l, &m->components[i]);
    }
    check_ids(&l);
    manifest_check_servings(m);
    manifest_check_secrets(m);
    problems_sort(&m->found);
    return m->found.error_count > 0 ? STATUS_INVALID : STATUS_OK;
}
