// SPDX-License-Identifier: Apache-2.0
// Traits: links and scalers, each read as what its properties are, as 1.x does.
#include "codec/utf.h"
#include "deploy/manifest_internal.h"

// --- configuration and secrets -----------------------------------------------------------------------------

bool manifest_read_configs(manifest_reader *r, const yaml_node *n, const char *path, manifest_settings *ret) {
    static const char *const keys[] = {"name", "properties", NULL};
    if (n == NULL || !manifest_expect_list(r, n, path)) {
        return n == NULL;
    }
    manifest_config *list = MANIFEST_ARRAY(r, manifest_config, n->count, n->at);
    bool ok = list != NULL;
    size_t count = 0;
    for (const yaml_entry *e = n->first; e != NULL && list != NULL; e = e->next, count++) {
        const char *at = manifest_path(r, "%s[%zu]", path, count);
        manifest_config *c = &list[count];
        if (!manifest_expect_map(r, e->value, at)) {
            ok = false;
            continue;
        }
        const yaml_node *properties = yaml_get(e->value, "properties");
        ok &= manifest_check_keys(r, e->value, at, keys, true);
        ok &= manifest_require_text(r, e->value, at, "name", MANIFEST_STRICT, &c->name);
        if (!yaml_is_null(properties)) {
            c->has_properties = true;
            ok &= manifest_read_map(r, properties, manifest_path(r, "%s.properties", at), MANIFEST_STRICT,
                                    &c->properties);
        }
    }
    ret->configs = list;
    ret->config_count = count;
    return ok;
}

static bool read_secret(manifest_reader *r, const yaml_node *n, const char *path, manifest_secret *ret) {
    static const char *const keys[] = {"name", "properties", NULL};
    static const char *const property_keys[] = {"policy", "key", "field", "version", "type", NULL};
    const yaml_node *properties;
    if (!manifest_expect_map(r, n, path)) {
        return false;
    }
    bool ok = manifest_check_keys(r, n, path, keys, false);
    ok &= manifest_require_text(r, n, path, "name", MANIFEST_STRICT, &ret->name);
    const char *below = manifest_path(r, "%s.properties", path);
    if (!manifest_require(r, n, path, "properties", &properties) ||
        !manifest_expect_map(r, properties, below)) {
        return false;
    }
    ok &= manifest_check_keys(r, properties, below, property_keys, false);
    ok &= manifest_require_text(r, properties, below, "policy", MANIFEST_STRICT, &ret->policy);
    ok &= manifest_require_text(r, properties, below, "key", MANIFEST_STRICT, &ret->key);
    ok &= manifest_optional_text(r, properties, below, "field", MANIFEST_STRICT, &ret->field);
    return manifest_optional_text(r, properties, below, "version", MANIFEST_STRICT, &ret->version) && ok;
}

bool manifest_read_secrets(manifest_reader *r, const yaml_node *n, const char *path, manifest_settings *ret) {
    if (n == NULL || !manifest_expect_list(r, n, path)) {
        return n == NULL;
    }
    manifest_secret *list = MANIFEST_ARRAY(r, manifest_secret, n->count, n->at);
    bool ok = list != NULL;
    size_t count = 0;
    for (const yaml_entry *e = n->first; e != NULL && list != NULL; e = e->next, count++) {
        ok &= read_secret(r, e->value, manifest_path(r, "%s[%zu]", path, count), &list[count]);
    }
    ret->secrets = list;
    ret->secret_count = count;
    return ok;
}

// --- links -------------------------------------------------------------------------------------------------

static bool read_interfaces(manifest_reader *r, const yaml_node *n, const char *path, manifest_link *ret) {
    if (!manifest_expect_list(r, n, path)) {
        return false;
    }
    manifest_text *list = MANIFEST_ARRAY(r, manifest_text, n->count, n->at);
    bool ok = list != NULL;
    size_t count = 0;
    for (const yaml_entry *e = n->first; e != NULL && list != NULL; e = e->next, count++) {
        ok &= manifest_read_text(r, e->value, manifest_path(r, "%s[%zu]", path, count), MANIFEST_STRICT,
                                 &list[count]);
    }
    ret->interfaces = list;
    ret->interface_count = count;
    return ok;
}

// An end of a link: a map with `config` and `secrets`, and a `name` at the target.
static bool read_end(manifest_reader *r, const yaml_node *n, const char *path, manifest_text *name,
                     manifest_settings *ret) {
    static const char *const keys[] = {"config", "secrets", "name", NULL};
    static const char *const source_keys[] = {"config", "secrets", NULL};
    if (!manifest_expect_map(r, n, path)) {
        return false;
    }
    bool ok = manifest_check_keys(r, n, path, name == NULL ? source_keys : keys, false);
    if (name != NULL) {
        ok &= manifest_require_text(r, n, path, "name", MANIFEST_STRICT, name);
    }
    ok &= manifest_read_configs(r, yaml_get(n, "config"), manifest_path(r, "%s.config", path), ret);
    return manifest_read_secrets(r, yaml_get(n, "secrets"), manifest_path(r, "%s.secrets", path), ret) && ok;
}

// `target` as text, with its configuration beside it in `target_config`, is the old spelling.
static bool read_target(manifest_reader *r, const yaml_node *n, const char *path, manifest_link *ret) {
    const yaml_node *target = yaml_get(n, "target");
    const char *at = manifest_path(r, "%s.target", path);
    if (target != NULL && target->kind == YAML_KIND_MAP) {
        return read_end(r, target, at, &ret->target, &ret->target_settings);
    }
    ret->target = (manifest_text){slice_empty(), n->at};
    bool ok = target == NULL || manifest_read_text(r, target, at, MANIFEST_STRICT, &ret->target);
    const char *config_at = manifest_path(r, "%s.target_config", path);
    return manifest_read_configs(r, yaml_get(n, "target_config"), config_at, &ret->target_settings) && ok;
}

static bool read_source(manifest_reader *r, const yaml_node *n, const char *path, manifest_link *ret) {
    const yaml_node *source = yaml_get(n, "source");
    ret->has_source = source != NULL || yaml_find(n, "source_config") != NULL;
    if (source != NULL) {
        return read_end(r, source, manifest_path(r, "%s.source", path), NULL, &ret->source_settings);
    }
    const char *at = manifest_path(r, "%s.source_config", path);
    return manifest_read_configs(r, yaml_get(n, "source_config"), at, &ret->source_settings);
}

static void warn_old_spelling(manifest_reader *r, const yaml_node *n, const char *key, const char *place) {
    const yaml_entry *e = yaml_find(n, key);
    if (e != NULL) {
        problems_warn(r->found, e->key_at, "deprecated", NULL,
                      "one of the components' link trait contains a %s key, please use %s rather", key,
                      place);
    }
}

static bool read_link(manifest_reader *r, const yaml_node *n, const char *path, manifest_link *ret) {
    static const char *const keys[] = {"namespace", "package",       "interfaces",    "target", "source",
                                       "name",      "source_config", "target_config", NULL};
    const yaml_node *interfaces, *name = yaml_get(n, "name");
    if (!manifest_expect_map(r, n, path)) {
        return false;
    }
    ret->at = n->at;
    bool ok = manifest_check_keys(r, n, path, keys, false);
    ok &= manifest_require_text(r, n, path, "namespace", MANIFEST_STRICT, &ret->wit_namespace);
    ok &= manifest_require_text(r, n, path, "package", MANIFEST_STRICT, &ret->wit_package);
    ok &= manifest_require(r, n, path, "interfaces", &interfaces) &&
          read_interfaces(r, interfaces, manifest_path(r, "%s.interfaces", path), ret);
    ok &= name == NULL ||
          manifest_read_text(r, name, manifest_path(r, "%s.name", path), MANIFEST_STRICT, &ret->name);
    ok &= read_target(r, n, path, ret);
    ok &= read_source(r, n, path, ret);
    warn_old_spelling(r, n, "source_config", "source:config:");
    warn_old_spelling(r, n, "target_config", "target:config:");
    return ok;
}

slice manifest_link_name(const manifest_link *l) {
    return manifest_has(&l->name) ? l->name.value : slice_from_text(MANIFEST_DEFAULT_LINK);
}

// --- scalers -----------------------------------------------------------------------------------------------

static bool read_count(manifest_reader *r, const yaml_node *n, const char *path, uint64_t *ret) {
    if (!yaml_as_u64(n, ret)) {
        problems_add(r->found, n->at, "schema", "write a whole number without quotes",
                     "%s: expected a whole number, found %s", path, yaml_kind_name(n));
        return false;
    }
    return true;
}

static bool read_spread(manifest_reader *r, const yaml_node *n, const char *path, manifest_spread *ret) {
    static const char *const keys[] = {"name", "requirements", "weight", NULL};
    const yaml_node *requirements, *weight = yaml_get(n, "weight");
    if (!manifest_expect_map(r, n, path)) {
        return false;
    }
    bool ok = manifest_check_keys(r, n, path, keys, true);
    ok &= manifest_require_text(r, n, path, "name", MANIFEST_STRICT, &ret->name);
    ok &= manifest_require(r, n, path, "requirements", &requirements) &&
          manifest_read_map(r, requirements, manifest_path(r, "%s.requirements", path), MANIFEST_STRICT,
                            &ret->requirements);
    ret->weight = 100;
    ret->has_weight = !yaml_is_null(weight);
    return (!ret->has_weight || read_count(r, weight, manifest_path(r, "%s.weight", path), &ret->weight)) &&
           ok;
}

static bool read_instances(manifest_reader *r, const yaml_node *n, const char *path, manifest_scale *ret) {
    const yaml_entry *old = yaml_find(n, "replicas");
    const yaml_node *instances = yaml_get(n, "instances");
    if (old != NULL && instances != NULL) {
        problems_add(r->found, old->key_at, "schema", "leave `replicas` out",
                     "%s: duplicate field `instances`", path);
        return false;
    }
    if (old == NULL && !manifest_require(r, n, path, "instances", &instances)) {
        return false;
    }
    return read_count(r, old != NULL ? old->value : instances, manifest_path(r, "%s.instances", path),
                      &ret->instances);
}

static bool read_scale(manifest_reader *r, const yaml_node *n, const char *path, manifest_scale *ret) {
    static const char *const keys[] = {"instances", "spread", "replicas", NULL};
    const yaml_node *spreads = yaml_get(n, "spread");
    if (!manifest_expect_map(r, n, path)) {
        return false;
    }
    bool ok = manifest_check_keys(r, n, path, keys, true);
    ok &= read_instances(r, n, path, ret);
    const char *at = manifest_path(r, "%s.spread", path);
    if (spreads == NULL || !manifest_expect_list(r, spreads, at)) {
        return spreads == NULL && ok;
    }
    manifest_spread *list = MANIFEST_ARRAY(r, manifest_spread, spreads->count, spreads->at);
    size_t count = 0;
    ok &= list != NULL;
    for (const yaml_entry *e = spreads->first; e != NULL && list != NULL; e = e->next, count++) {
        ok &= read_spread(r, e->value, manifest_path(r, "%s[%zu]", at, count), &list[count]);
    }
    ret->spreads = list;
    ret->spread_count = count;
    return ok;
}

bool manifest_trait_is_scaler(const manifest_trait *t) {
    return slice_equal_text(t->type.value, "spreadscaler") || slice_equal_text(t->type.value, "daemonscaler");
}

// --- which of them -----------------------------------------------------------------------------------------

// Reads into `ret` with findings of its own, which the caller takes or drops.
static bool attempt_link(manifest_reader *r, const yaml_node *n, const char *path, problems *found,
                         manifest_link *ret) {
    manifest_reader own = {r->m, found};
    problems_init(found, r->found->memory, r->found->max);
    return read_link(&own, n, path, ret);
}
static bool attempt_scale(manifest_reader *r, const yaml_node *n, const char *path, problems *found,
                          manifest_scale *ret) {
    manifest_reader own = {r->m, found};
    problems_init(found, r->found->memory, r->found->max);
    return read_scale(&own, n, path, ret);
}

static void check_target_of_other(manifest_reader *r, const yaml_node *n) {
    const yaml_node *target = yaml_get(n, "target"), *name = yaml_get(target, "name");
    if (target == NULL) {
        problems_add(r->found, n->at, "link", "write `target: {name: COMPONENT}`",
                     "custom link is missing 'target' property");
    } else if (yaml_type_of(name) != YAML_TYPE_TEXT) {
        problems_add(r->found, target->at, "link", "write `target: {name: COMPONENT}`",
                     "custom link is missing 'target' name property");
    }
}

// A link or scaler that cannot be read as one: the message of 1.x, and beside it what exactly is wrong.
static void report_other(manifest_reader *r, const yaml_node *n, const char *what, problems *why) {
    problems_add(r->found, n->at, "trait", NULL,
                 "%s trait deserialized as custom trait, ensure fields are correct: %s", what,
                 manifest_node_text(r, n));
    problems_take(r->found, why);
}

static void read_body(manifest_reader *r, const yaml_node *n, const char *path, manifest_trait *ret) {
    problems of_link, of_scale;
    bool should_be_link = slice_equal_text(ret->type.value, "link");
    if (attempt_link(r, n, path, &of_link, &ret->link)) {
        ret->form = MANIFEST_LINK;
        problems_take(r->found, &of_link);
        if (manifest_trait_is_scaler(ret)) {
            problems_warn(r->found, ret->type.at, "trait", "write `type: link`",
                          "a scaler with the properties of a link does nothing");
        }
        return;
    }
    if (attempt_scale(r, n, path, &of_scale, &ret->scale) && !should_be_link) {
        ret->form = MANIFEST_SCALE;
        problems_take(r->found, &of_scale);
        return;
    }
    ret->form = MANIFEST_OTHER;
    ret->other = n;
    if (should_be_link) {
        check_target_of_other(r, n);
        report_other(r, n, "Link", &of_link);
    } else if (manifest_trait_is_scaler(ret)) {
        report_other(r, n, "Scaler", &of_scale);
    }
}

bool manifest_read_trait(manifest_reader *r, const yaml_node *n, const char *path, manifest_trait *ret) {
    static const char *const keys[] = {"type", "properties", NULL};
    const yaml_node *properties;
    char shown[80];
    if (!manifest_expect_map(r, n, path)) {
        return false;
    }
    ret->at = n->at;
    manifest_check_keys(r, n, path, keys, true);
    bool ok = manifest_require_text(r, n, path, "type", MANIFEST_LOOSE, &ret->type);
    if (!manifest_require(r, n, path, "properties", &properties) || !ok) {
        return false;
    }
    if (!slice_equal_text(ret->type.value, "link") && !manifest_trait_is_scaler(ret)) {
        problems_warn(r->found, ret->type.at, "ignored", "known are link, spreadscaler and daemonscaler",
                      "a trait of type `%s` is ignored", utf8_shown(ret->type.value, shown, sizeof shown));
    }
    read_body(r, properties, manifest_path(r, "%s.properties", path), ret);
    return true;
}
