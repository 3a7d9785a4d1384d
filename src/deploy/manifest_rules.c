// SPDX-License-Identifier: Apache-2.0
// The rules of 1.x for manifests, with its messages; the words after them are ours.
#include <stdlib.h>

#include "codec/utf.h"
#include "deploy/manifest_internal.h"

enum { SHOWN_BYTES = 600 };

typedef struct checker {
    manifest *m;
    problems *found;
    const manifest_component **by_name; // sorted
} checker;

static const char *shown(checker *c, slice text) {
    char line[SHOWN_BYTES];
    return problems_text(c->found, "%s", utf8_shown(text, line, sizeof line));
}

// --- metadata ----------------------------------------------------------------------------------------------

// Signs and symbols beyond ASCII that are in no word.
static bool is_sign(uint32_t code) {
    static const struct {
        uint32_t first, last;
    } blocks[] = {
        {0x80, 0xa9},     {0xab, 0xb4},     {0xb6, 0xb9},       {0xbb, 0xbf},     {0xd7, 0xd7},
        {0xf7, 0xf7},     {0x2000, 0x200b}, {0x200e, 0x203e},   {0x2041, 0x2053}, {0x2055, 0x2070},
        {0x20a0, 0x20cf}, {0x2190, 0x245f}, {0x249c, 0x24b5},   {0x24ea, 0x2bff}, {0x2e00, 0x2e2e},
        {0x2e30, 0x3004}, {0x3008, 0x3020}, {0xe000, 0xf8ff},   {0xfe10, 0xfe1f}, {0xfe35, 0xfe4c},
        {0xfe50, 0xfe6f}, {0xff00, 0xff0f}, {0x1f000, 0x1faff},
    };
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        if (code >= blocks[i].first && code <= blocks[i].last) {
            return true;
        }
    }
    return utf8_is_control(code);
}

// ^[-\w]+$ : letters, marks and digits of any script, '_' and '-'. Beyond ASCII this goes by blocks; 1.x,
// which knows the class of every character, refuses a few more.
static bool is_name(slice text) {
    uint32_t at = 0, code;
    while (at < text.len) {
        if (!utf8_next(text.data, (uint32_t)text.len, &at, &code)) {
            return false;
        }
        bool ascii = (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') ||
                     (code >= '0' && code <= '9') || code == '_' || code == '-';
        if (code < 0x80 ? !ascii : is_sign(code)) {
            return false;
        }
    }
    return text.len > 0;
}

static bool is_alpha(uint8_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool is_alnum(uint8_t c) { return is_alpha(c) || (c >= '0' && c <= '9'); }

// 1 to 63 characters; the ends as told, in between also '-', and '_' and '.' where `is_name_part`.
static bool is_label(slice text, bool is_name_part) {
    if (text.len < 1 || text.len > 63 || !is_alnum(text.data[text.len - 1]) ||
        !(is_name_part ? is_alnum(text.data[0]) : is_alpha(text.data[0]))) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (!is_alnum(c) && c != '-' && !(is_name_part && (c == '_' || c == '.'))) {
            return false;
        }
    }
    return true;
}

static bool is_domain(slice text) {
    if (text.len > 253) {
        return false;
    }
    for (size_t at = 0; at <= text.len;) {
        size_t dot = slice_find(text, at, '.');
        size_t end = dot == SIZE_MAX ? text.len : dot;
        if (!is_label(slice_sub(text, at, end), false)) {
            return false;
        }
        at = end + 1;
    }
    return true;
}

// [DOMAIN/]NAME
static bool is_oam_key(slice key) {
    size_t slash = slice_find(key, 0, '/');
    if (slash == SIZE_MAX) {
        return is_label(key, true);
    }
    return is_domain(slice_sub(key, 0, slash)) && is_label(slice_sub(key, slash + 1, key.len), true);
}

static void check_keys(checker *c, const manifest_map *map, const char *what) {
    for (size_t i = 0; i < map->count; i++) {
        const manifest_pair *p = &map->pairs[i];
        if (!is_oam_key(p->key)) {
            problems_add(
                c->found, p->at, "oam-key",
                "write letters, digits and - _ . (63 at most), with a domain and / in front if you like",
                "Invalid OAM %s: (\"%s\", \"%s\")", what, shown(c, p->key), shown(c, p->value));
        }
    }
}

static void check_metadata(checker *c) {
    const manifest *m = c->m;
    const manifest_pair *version = manifest_map_find(&m->annotations, "version");
    if (manifest_has(&m->name) && !is_name(m->name.value)) {
        problems_add(c->found, m->name.at, "name", "write letters, digits, - and _ only",
                     "manifest name [%s] is not allowed (should match regex [^[-\\w]+$])",
                     shown(c, m->name.value));
    }
    if (version != NULL && slice_equal_text(version->value, "latest")) {
        problems_add(c->found, version->value_at, "version",
                     "write a version such as v1.0.0, or leave the annotation out",
                     "latest is not allowed in wadm");
    }
    check_keys(c, &m->labels, "label");
    check_keys(c, &m->annotations, "annotation");
}

// --- names of components -----------------------------------------------------------------------------------

static int compare_texts(const manifest_text *x, const manifest_text *y) {
    int order = slice_compare(x->value, y->value);
    return order != 0                 ? order
           : x->at.line != y->at.line ? (x->at.line < y->at.line ? -1 : 1)
                                      : (x->at.column > y->at.column) - (x->at.column < y->at.column);
}
static int compare_names(const void *a, const void *b) {
    const manifest_component *const *x = a, *const *y = b;
    return compare_texts(&(*x)->name, &(*y)->name);
}
static int compare_listed(const void *a, const void *b) { return compare_texts(a, b); }

// Reports each text that stands in the list a second time. The list gets sorted.
static void check_unique(checker *c, manifest_text *list, size_t count, const char *rule, const char *format,
                         const char *end) {
    if (count > 1) {
        qsort(list, count, sizeof *list, compare_listed);
    }
    for (size_t i = 1, first = 0; i < count; i++) {
        if (!slice_equal(list[i].value, list[first].value)) {
            first = i;
            continue;
        }
        const char *advice =
            problems_text(c->found, "the first is in line %u; rename one", list[first].at.line);
        problems_add(c->found, list[i].at, rule, advice, "%s%s%s", format, shown(c, list[i].value), end);
    }
}

static void check_names(checker *c) {
    size_t count = c->m->component_count, names = 0, ids = 0;
    manifest_text *list = ARENA_ARRAY(&c->m->memory, manifest_text, count * 2 + 1);
    if (list == NULL) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const manifest_component *one = &c->m->components[i];
        if (manifest_has(&one->name)) {
            list[names++] = one->name;
        }
        if (manifest_has(&one->explicit_id)) {
            list[count + ids++] = one->explicit_id;
        }
    }
    check_unique(c, list, names, "duplicate-component", "Duplicate component name in manifest: ", "");
    check_unique(c, list + count, ids, "duplicate-id", "Duplicate component identifier in manifest: ", "");
}

static void sort_by_name(checker *c) {
    size_t count = c->m->component_count;
    c->by_name = (const manifest_component **)arena_calloc(&c->m->memory, count + 1, sizeof *c->by_name);
    for (size_t i = 0; i < count && c->by_name != NULL; i++) {
        c->by_name[i] = &c->m->components[i];
    }
    if (c->by_name != NULL && count > 1) {
        qsort(c->by_name, count, sizeof *c->by_name, compare_names);
    }
}

static const manifest_component *find_component(const checker *c, slice name) {
    size_t low = 0, high = c->by_name == NULL ? 0 : c->m->component_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(c->by_name[middle]->name.value, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = c->by_name != NULL && low < c->m->component_count && manifest_has(&c->by_name[low]->name) &&
                 slice_equal(c->by_name[low]->name.value, name);
    return found ? c->by_name[low] : NULL;
}

// --- links -------------------------------------------------------------------------------------------------

typedef struct known_package {
    const char *wit_namespace;
    const char *package;
    const char *interfaces[5]; // NULL at the end
} known_package;

static const known_package known_packages[] = {
    {"wasi", "blobstore", {"blobstore", NULL}},
    {"wasi", "config", {"runtime", NULL}},
    {"wasi", "keyvalue", {"atomics", "store", "batch", "watch", NULL}},
    {"wasi", "http", {"incoming-handler", "outgoing-handler", NULL}},
    {"wasi", "logging", {"logging", NULL}},
    {"wrpc", "blobstore", {"blobstore", NULL}},
    {"wrpc", "keyvalue", {"atomics", "store", NULL}},
    {"wrpc", "http", {"incoming-handler", "outgoing-handler", NULL}},
    {"wasmcloud", "messaging", {"consumer", "handler", NULL}},
};

// False for an interface that a known namespace does not have.
static bool is_recognized(const manifest_link *l, slice interface) {
    bool knows_namespace = false;
    for (size_t i = 0; i < sizeof known_packages / sizeof known_packages[0]; i++) {
        const known_package *k = &known_packages[i];
        if (!slice_equal_text(l->wit_namespace.value, k->wit_namespace)) {
            continue;
        }
        knows_namespace = true;
        for (size_t n = 0; slice_equal_text(l->wit_package.value, k->package) && k->interfaces[n] != NULL;
             n++) {
            if (slice_equal_text(interface, k->interfaces[n])) {
                return true;
            }
        }
    }
    return !knows_namespace;
}

static void check_interfaces(checker *c, const manifest_link *l) {
    for (size_t i = 0; i < l->interface_count; i++) {
        if (!is_recognized(l, l->interfaces[i].value)) {
            problems_warn(c->found, l->interfaces[i].at, "interface", "check the spelling",
                          "unrecognized interface [%s:%s/%s]", shown(c, l->wit_namespace.value),
                          shown(c, l->wit_package.value), shown(c, l->interfaces[i].value));
        }
    }
}

static void check_target(checker *c, const manifest_link *l) {
    const char *target = shown(c, l->target.value);
    if (l->target_component != NULL) {
        return;
    }
    if (manifest_has(&l->name)) {
        problems_warn(c->found, l->target.at, "link", NULL,
                      "link (name [%s]) target [%s] is not a listed component", shown(c, l->name.value),
                      target);
    } else {
        problems_warn(c->found, l->target.at, "link", NULL,
                      "link (target [%s]) target [%s] is not a listed component", target, target);
    }
}

enum { MISSING_SHOWN_MAX = 50 };

typedef struct missing_list {
    const manifest_text *at[MISSING_SHOWN_MAX];
    size_t count;
} missing_list;

static void add_missing(missing_list *list, const manifest_text *target) {
    for (size_t i = 0; i < list->count; i++) {
        if (slice_equal(list->at[i]->value, target->value)) {
            return;
        }
    }
    if (list->count < MISSING_SHOWN_MAX) {
        list->at[list->count++] = target;
    }
}

// The targets that are no components, all in one message, at the first of them.
static void check_missing(checker *c) {
    missing_list list = {.count = 0};
    for (size_t i = 0; i < c->m->component_count; i++) {
        for (size_t t = 0; t < c->m->components[i].trait_count; t++) {
            const manifest_trait *trait = &c->m->components[i].traits[t];
            if (trait->form == MANIFEST_LINK && trait->link.target_component == NULL) {
                add_missing(&list, &trait->link.target);
            }
        }
    }
    const char *text = "";
    for (size_t i = 0; i < list.count; i++) {
        text = problems_text(c->found, "%s%s\"%s\"", text, i == 0 ? "" : ", ", shown(c, list.at[i]->value));
    }
    if (list.count > 0) {
        problems_add(c->found, list.at[0]->at, "missing-target",
                     "write the name of a component of this manifest, or add one of that name",
                     "The following capability component(s) are missing from the manifest: [%s]", text);
    }
}

static void check_links(checker *c) {
    for (size_t i = 0; i < c->m->component_count; i++) {
        for (size_t t = 0; t < c->m->components[i].trait_count; t++) {
            // The lists of the model are const for its readers; they are ours.
            manifest_trait *trait = (manifest_trait *)(uintptr_t)&c->m->components[i].traits[t];
            if (trait->form != MANIFEST_LINK) {
                if (trait->form == MANIFEST_OTHER && slice_equal_text(trait->type.value, "link")) {
                    const yaml_node *name = yaml_get(yaml_get(trait->other, "target"), "name");
                    if (yaml_type_of(name) == YAML_TYPE_TEXT && find_component(c, name->text) == NULL) {
                        problems_warn(c->found, name->at, "link", NULL,
                                      "custom link target [%s] is not a listed component",
                                      shown(c, name->text));
                    }
                }
                continue;
            }
            trait->link.target_component = find_component(c, trait->link.target.value);
            if (manifest_trait_is_link(trait)) {
                check_interfaces(c, &trait->link);
                check_target(c, &trait->link);
            }
        }
    }
    check_missing(c);
}

// --- links that stand twice --------------------------------------------------------------------------------

static size_t count_interfaces(const manifest_component *one) {
    size_t count = 0;
    for (size_t t = 0; t < one->trait_count; t++) {
        count += manifest_trait_is_link(&one->traits[t]) ? one->traits[t].link.interface_count : 0;
    }
    return count;
}

// Within one component a link name leads each interface to one target.
static void check_duplicate_links(checker *c, const manifest_component *one) {
    size_t count = count_interfaces(one), n = 0;
    manifest_text *list = ARENA_ARRAY(&c->m->memory, manifest_text, count + 1);
    if (list == NULL || count == 0) {
        return;
    }
    for (size_t t = 0; t < one->trait_count; t++) {
        const manifest_link *l = &one->traits[t].link;
        for (size_t i = 0; manifest_trait_is_link(&one->traits[t]) && i < l->interface_count; i++) {
            const char *text = problems_text(c->found, "%s (%s:%s/%s)", shown(c, manifest_link_name(l)),
                                             shown(c, l->wit_namespace.value), shown(c, l->wit_package.value),
                                             shown(c, l->interfaces[i].value));
            list[n++] = (manifest_text){slice_from_text(text), l->interfaces[i].at};
        }
    }
    const char *start =
        problems_text(c->found, "Duplicate link found inside component '%s': ", shown(c, one->name.value));
    check_unique(c, list, n, "duplicate-link", start, "");
}

static size_t collect_configs(const manifest_settings *s, manifest_text *list) {
    size_t count = 0;
    for (size_t i = 0; i < s->config_count; i++) {
        if (s->configs[i].has_properties && manifest_has(&s->configs[i].name)) {
            if (list != NULL) {
                list[count] = s->configs[i].name;
            }
            count++;
        }
    }
    return count;
}

static size_t collect_link_configs(const manifest *m, manifest_text *list) {
    size_t count = 0;
    for (size_t i = 0; i < m->component_count; i++) {
        for (size_t t = 0; t < m->components[i].trait_count; t++) {
            const manifest_trait *trait = &m->components[i].traits[t];
            if (manifest_trait_is_link(trait)) {
                count += collect_configs(&trait->link.source_settings, list == NULL ? NULL : list + count);
                count += collect_configs(&trait->link.target_settings, list == NULL ? NULL : list + count);
            }
        }
    }
    return count;
}

static void check_link_configs(checker *c) {
    size_t count = collect_link_configs(c->m, NULL);
    manifest_text *list = ARENA_ARRAY(&c->m->memory, manifest_text, count + 1);
    if (list != NULL) {
        collect_link_configs(c->m, list);
        check_unique(c, list, count, "duplicate-config", "Duplicate link config name found: '", "'");
    }
}

// --- secrets, images, shared applications ------------------------------------------------------------------

static void check_secrets(checker *c, const manifest_settings *s) {
    for (size_t i = 0; i < s->secret_count; i++) {
        const manifest_secret *one = &s->secrets[i];
        const char *secret = shown(c, one->name.value), *name = shown(c, one->policy.value);
        if (!manifest_has(&one->name) || !manifest_has(&one->policy)) {
            continue;
        }
        const manifest_policy *p = manifest_find_policy(c->m, one->policy.value);
        if (p == NULL) {
            problems_add(c->found, one->policy.at, "secret-policy",
                         "add a policy of that name and of type " MANIFEST_SECRET_POLICY " to spec.policies",
                         "secret '%s' is mapped to unknown policy '%s'", secret, name);
        } else if (!slice_equal_text(p->type.value, MANIFEST_SECRET_POLICY)) {
            problems_add(
                c->found, one->policy.at, "secret-policy", NULL,
                "secret '%s' is mapped to policy '%s' which is not a secret policy. Expected type '%s'",
                secret, name, MANIFEST_SECRET_POLICY);
        } else if (manifest_map_find(&p->properties, "backend") == NULL) {
            problems_add(c->found, one->policy.at, "secret-policy",
                         "add `backend:` to the policy's properties",
                         "secret '%s' is mapped to policy '%s' which does not include a 'backend' property",
                         secret, name);
        }
    }
}

static void check_image(checker *c, const manifest_component *one) {
    bool shared = manifest_has(&one->shared_application);
    if (one->properties_at.line == 0) {
        return;
    }
    if (manifest_has(&one->image) && shared) {
        problems_add(c->found, one->image.at, "image", "leave one of them out",
                     "Component cannot have both 'image' and 'application' properties");
    } else if (!manifest_has(&one->image) && !shared) {
        problems_add(c->found, one->properties_at, "image", "add `image: file://./build/NAME.wasm`",
                     "Component must have either 'image' or 'application' property");
    }
}

static void check_shared(checker *c, const manifest_component *one) {
    const char *name = shown(c, one->shared_application.value);
    text_place at = one->shared_application.at;
    if (!manifest_has(&one->shared_application)) {
        return;
    }
    if (one->settings.config_count > 0) {
        problems_add(c->found, at, "shared", "leave it out",
                     "Shared component '%s' cannot specify additional 'config'", name);
    }
    if (one->settings.secret_count > 0) {
        problems_add(c->found, at, "shared", "leave them out",
                     "Shared component '%s' cannot specify additional 'secrets'", name);
    }
    for (size_t t = 0; t < one->trait_count; t++) {
        if (manifest_trait_is_scaler(&one->traits[t])) {
            problems_add(c->found, one->traits[t].at, "shared", "leave it out",
                         "Shared component '%s' cannot include a scaler trait", name);
            break;
        }
    }
}

static void check_component(checker *c, const manifest_component *one) {
    check_image(c, one);
    check_shared(c, one);
    check_secrets(c, &one->settings);
    for (size_t t = 0; t < one->trait_count; t++) {
        if (manifest_trait_is_link(&one->traits[t])) {
            check_secrets(c, &one->traits[t].link.source_settings);
            check_secrets(c, &one->traits[t].link.target_settings);
        }
    }
    check_duplicate_links(c, one);
}

void manifest_check_rules(manifest *m) {
    checker c = {.m = m, .found = &m->found};
    sort_by_name(&c);
    check_metadata(&c);
    check_names(&c);
    check_links(&c);
    for (size_t i = 0; i < m->component_count; i++) {
        check_component(&c, &m->components[i]);
    }
    check_link_configs(&c);
}
