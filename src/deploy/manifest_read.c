// SPDX-License-Identifier: Apache-2.0
// The manifest as a whole: YAML to the model, every error in one pass.
#include "base/mem.h"
#include "codec/utf.h"
#include "deploy/manifest_internal.h"

enum { MEMORY_BYTES_MAX = 64 << 20 };

static const yaml_limits limits = {
    .bytes_max = MANIFEST_BYTES_MAX, .depth_max = MANIFEST_DEPTH_MAX, .nodes_max = MANIFEST_NODES_MAX};

// --- metadata ----------------------------------------------------------------------------------------------

// Nothing at all, which counts as an empty map here; the word null does not.
static bool is_blank(const yaml_node *n) {
    return n->kind == YAML_KIND_SCALAR && n->is_plain && n->text.len == 0;
}

static void read_metadata(manifest_reader *r, const yaml_node *n) {
    static const char path[] = "metadata";
    static const char *const keys[] = {"name", "annotations", "labels", NULL};
    const yaml_node *annotations, *labels = yaml_get(n, "labels");
    if (!manifest_expect_map(r, n, path)) {
        return;
    }
    manifest_check_keys(r, n, path, keys, false);
    manifest_require_text(r, n, path, "name", MANIFEST_LOOSE, &r->m->name);
    if (manifest_require(r, n, path, "annotations", &annotations) && !is_blank(annotations)) {
        manifest_read_map(r, annotations, "metadata.annotations", MANIFEST_LOOSE, &r->m->annotations);
    }
    if (labels != NULL && !is_blank(labels)) {
        manifest_read_map(r, labels, "metadata.labels", MANIFEST_LOOSE, &r->m->labels);
    }
}

// --- components --------------------------------------------------------------------------------------------

static void read_shared(manifest_reader *r, const yaml_node *n, const char *path, manifest_component *c) {
    static const char *const keys[] = {"name", "component", NULL};
    if (yaml_is_null(n) || !manifest_expect_map(r, n, path)) {
        return;
    }
    manifest_check_keys(r, n, path, keys, false);
    manifest_require_text(r, n, path, "name", MANIFEST_STRICT, &c->shared_application);
    manifest_require_text(r, n, path, "component", MANIFEST_STRICT, &c->shared_component);
}

static void read_properties(manifest_reader *r, const yaml_node *n, const char *path, manifest_component *c) {
    static const char *const keys[] = {"image", "application", "id", "config", "secrets", NULL};
    if (!manifest_expect_map(r, n, path)) {
        return;
    }
    c->properties_at = n->at;
    manifest_check_keys(r, n, path, keys, true);
    if (!manifest_optional_text(r, n, path, "image", MANIFEST_STRICT, &c->image)) {
        c->properties_at.line = 0; // it has one, only not a right one
    }
    manifest_optional_text(r, n, path, "id", MANIFEST_STRICT, &c->explicit_id);
    read_shared(r, yaml_get(n, "application"), manifest_path(r, "%s.application", path), c);
    manifest_read_configs(r, yaml_get(n, "config"), manifest_path(r, "%s.config", path), &c->settings);
    manifest_read_secrets(r, yaml_get(n, "secrets"), manifest_path(r, "%s.secrets", path), &c->settings);
}

static void read_traits(manifest_reader *r, const yaml_node *n, const char *path, manifest_component *c) {
    if (yaml_is_null(n) || !manifest_expect_list(r, n, path)) {
        return;
    }
    manifest_trait *list = MANIFEST_ARRAY(r, manifest_trait, n->count, n->at);
    size_t count = 0, index = 0;
    for (const yaml_entry *e = n->first; e != NULL && list != NULL; e = e->next, index++) {
        count += manifest_read_trait(r, e->value, manifest_path(r, "%s[%zu]", path, index), &list[count]);
    }
    c->has_traits = true;
    c->traits = list;
    c->trait_count = count;
}

static void read_type(manifest_reader *r, const yaml_node *n, const char *path, manifest_component *c) {
    manifest_text type;
    char shown[80];
    if (!manifest_require_text(r, n, path, "type", MANIFEST_STRICT, &type)) {
        return;
    }
    c->is_capability = slice_equal_text(type.value, "capability");
    if (!c->is_capability && !slice_equal_text(type.value, "component") &&
        !slice_equal_text(type.value, "actor")) {
        problems_add(r->found, type.at, "schema", "write `component` or `capability`",
                     "%s: unknown variant `%s`, expected one of `actor`, `component`, `capability`", path,
                     utf8_shown(type.value, shown, sizeof shown));
    }
}

static void read_component(manifest_reader *r, const yaml_node *n, const char *path, manifest_component *c) {
    static const char *const keys[] = {"name", "type", "properties", "traits", NULL};
    const yaml_node *properties;
    c->at = n->at;
    if (!manifest_expect_map(r, n, path)) {
        return;
    }
    manifest_check_keys(r, n, path, keys, false);
    manifest_require_text(r, n, path, "name", MANIFEST_LOOSE, &c->name);
    read_type(r, n, path, c);
    if (manifest_require(r, n, path, "properties", &properties)) {
        read_properties(r, properties, manifest_path(r, "%s.properties", path), c);
    }
    read_traits(r, yaml_get(n, "traits"), manifest_path(r, "%s.traits", path), c);
}

// As 1.x derives them: lower case, and '_' for all but letters and digits of ASCII.
static void derive_id(manifest_reader *r, manifest_component *c) {
    const slice parts[] = {manifest_has(&c->shared_application) ? c->shared_application.value
                                                                : r->m->name.value,
                           manifest_has(&c->shared_application) ? c->shared_component.value : c->name.value};
    if (manifest_has(&c->explicit_id)) {
        c->id = c->explicit_id.value;
        return;
    }
    uint8_t *id = MANIFEST_ARRAY(r, uint8_t, parts[0].len + 1 + parts[1].len, c->at);
    size_t length = 0;
    for (size_t p = 0; p < 2 && id != NULL; p++) {
        uint32_t at = 0, code;
        while (at < parts[p].len && utf8_next(parts[p].data, (uint32_t)parts[p].len, &at, &code)) {
            bool upper = code >= 'A' && code <= 'Z';
            bool kept = upper || (code >= 'a' && code <= 'z') || (code >= '0' && code <= '9');
            id[length++] = kept ? (uint8_t)(upper ? code + 32 : code) : '_';
        }
        if (p == 0) {
            id[length++] = '-';
        }
    }
    c->id = slice_of(id, length);
}

static void read_components(manifest_reader *r, const yaml_node *n) {
    static const char path[] = "spec.components";
    if (!manifest_expect_list(r, n, path)) {
        return;
    }
    if (n->count > MANIFEST_COMPONENTS_MAX) {
        problems_add(r->found, n->at, "limit", "split the application", "more than %d components",
                     MANIFEST_COMPONENTS_MAX);
        return;
    }
    r->m->components = MANIFEST_ARRAY(r, manifest_component, n->count, n->at);
    for (const yaml_entry *e = n->first; e != NULL && r->m->components != NULL; e = e->next) {
        manifest_component *c = &r->m->components[r->m->component_count];
        read_component(r, e->value, manifest_path(r, "%s[%zu]", path, r->m->component_count), c);
        derive_id(r, c);
        r->m->component_count++;
    }
}

// --- policies and the rest ---------------------------------------------------------------------------------

static void read_policies(manifest_reader *r, const yaml_node *n) {
    static const char *const keys[] = {"name", "type", "properties", NULL};
    const yaml_node *properties;
    if (yaml_is_null(n) || !manifest_expect_list(r, n, "spec.policies")) {
        return;
    }
    manifest_policy *list = MANIFEST_ARRAY(r, manifest_policy, n->count, n->at);
    size_t count = 0;
    for (const yaml_entry *e = n->first; e != NULL && list != NULL; e = e->next, count++) {
        const char *path = manifest_path(r, "spec.policies[%zu]", count);
        manifest_policy *p = &list[count];
        p->at = e->value->at;
        if (!manifest_expect_map(r, e->value, path)) {
            continue;
        }
        manifest_check_keys(r, e->value, path, keys, false);
        manifest_require_text(r, e->value, path, "name", MANIFEST_LOOSE, &p->name);
        manifest_require_text(r, e->value, path, "type", MANIFEST_LOOSE, &p->type);
        if (manifest_require(r, e->value, path, "properties", &properties) && !is_blank(properties)) {
            manifest_read_map(r, properties, manifest_path(r, "%s.properties", path), MANIFEST_LOOSE,
                              &p->properties);
        }
    }
    r->m->policies = list;
    r->m->policy_count = list == NULL ? 0 : count;
}

static void read_spec(manifest_reader *r, const yaml_node *n) {
    static const char *const keys[] = {"components", "policies", NULL};
    const yaml_node *components;
    if (!manifest_expect_map(r, n, "spec")) {
        return;
    }
    manifest_check_keys(r, n, "spec", keys, false);
    if (manifest_require(r, n, "spec", "components", &components)) {
        read_components(r, components);
    }
    read_policies(r, yaml_get(n, "policies"));
}

static void warn_of_kind(manifest_reader *r, const manifest_text *t, const char *usual, const char *key) {
    char shown[80];
    if (manifest_has(t) && !slice_equal_text(t->value, usual)) {
        problems_warn(r->found, t->at, "kind", manifest_path(r, "write `%s: %s`", key, usual),
                      "%s is `%s`; nobody checks it, but it is not what a manifest has", key,
                      utf8_shown(t->value, shown, sizeof shown));
    }
}

static void read_root(manifest_reader *r, const yaml_node *n) {
    static const char *const keys[] = {"apiVersion", "kind", "metadata", "spec", NULL};
    const yaml_node *metadata, *spec;
    if (yaml_is_null(n)) {
        problems_add(r->found, n->at, "schema", "see docs/manifest.md for an example",
                     "the file has no manifest");
        return;
    }
    if (!manifest_expect_map(r, n, "the manifest")) {
        return;
    }
    manifest_check_keys(r, n, "the manifest", keys, true);
    manifest_require_text(r, n, "the manifest", "apiVersion", MANIFEST_LOOSE, &r->m->api_version);
    manifest_require_text(r, n, "the manifest", "kind", MANIFEST_LOOSE, &r->m->kind);
    warn_of_kind(r, &r->m->api_version, "core.oam.dev/v1beta1", "apiVersion");
    warn_of_kind(r, &r->m->kind, "Application", "kind");
    if (manifest_require(r, n, "the manifest", "metadata", &metadata)) {
        read_metadata(r, metadata);
    }
    if (manifest_require(r, n, "the manifest", "spec", &spec)) {
        read_spec(r, spec);
    }
}

static status status_of(const manifest *m, status reading) {
    return reading != STATUS_OK ? reading : m->found.error_count > 0 ? STATUS_INVALID : STATUS_OK;
}

status manifest_read(slice text, const char *file, manifest **ret) {
    manifest *m = MEM_NEW(manifest);
    const yaml_node *root;
    arena_init(&m->memory, MEMORY_BYTES_MAX);
    problems_init(&m->found, &m->memory, PROBLEMS_DEFAULT_MAX);
    m->file = file;
    manifest_reader r = {m, &m->found};
    status result = yaml_read(text, &limits, &m->memory, &m->found, &root);
    if (result == STATUS_OK) {
        read_root(&r, root);
        manifest_check_rules(m);
        manifest_read_workloads(&r);
        manifest_read_calls(&r);
    }
    problems_sort(&m->found);
    *ret = m;
    return status_of(m, result);
}

void manifest_free(manifest *m) {
    if (m != NULL) {
        arena_done(&m->memory);
        mem_free(m);
    }
}

// --- questions ---------------------------------------------------------------------------------------------

const manifest_component *manifest_find(const manifest *m, slice component_name) {
    for (size_t i = 0; i < m->component_count; i++) {
        if (manifest_has(&m->components[i].name) &&
            slice_equal(m->components[i].name.value, component_name)) {
            return &m->components[i];
        }
    }
    return NULL;
}

const manifest_policy *manifest_find_policy(const manifest *m, slice name) {
    // Of several with one name the last one counts, as in 1.x.
    for (size_t i = m->policy_count; i-- > 0;) {
        if (manifest_has(&m->policies[i].name) && slice_equal(m->policies[i].name.value, name)) {
            return &m->policies[i];
        }
    }
    return NULL;
}

uint64_t manifest_instances(const manifest_component *c) {
    uint64_t count = 0;
    bool has_scaler = false;
    for (size_t i = 0; i < c->trait_count; i++) {
        if (c->traits[i].form == MANIFEST_SCALE && manifest_trait_is_scaler(&c->traits[i])) {
            has_scaler = true;
            count = __builtin_add_overflow(count, c->traits[i].scale.instances, &count) ? UINT64_MAX : count;
        }
    }
    return has_scaler ? count : c->is_capability;
}
