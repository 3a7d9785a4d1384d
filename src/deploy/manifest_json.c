// SPDX-License-Identifier: Apache-2.0
// The normalised form of a manifest.
#include "deploy/manifest_internal.h"

// --- any YAML ----------------------------------------------------------------------------------------------

static json_value *scalar_json(const yaml_node *n) {
    int64_t integer;
    uint64_t large;
    double number;
    switch (yaml_type_of(n)) {
    case YAML_TYPE_NULL:
        return json_null_new();
    case YAML_TYPE_BOOL:
        return json_bool(n->text.data[0] == 't' || n->text.data[0] == 'T');
    case YAML_TYPE_INTEGER:
        if (yaml_as_i64(n, &integer)) {
            return json_integer_new(integer);
        }
        return yaml_as_u64(n, &large) ? json_number((double)large) : json_text(n->text);
    case YAML_TYPE_FLOAT:
        return yaml_as_double(n, &number) ? json_number(number) : json_text(n->text);
    default:
        return json_text(n->text);
    }
}

typedef struct level {
    json_value *value;
    const yaml_entry *next;
    bool is_list;
} level;

static json_value *open_json(const yaml_node *n) {
    return n->kind == YAML_KIND_LIST  ? json_array_new()
           : n->kind == YAML_KIND_MAP ? json_object_new()
                                      : scalar_json(n);
}

json_value *manifest_node_json(const yaml_node *n) {
    level stack[YAML_DEPTH_MAX + 1];
    size_t depth = 1;
    json_value *root = open_json(n);
    stack[0] = (level){root, n->first, n->kind == YAML_KIND_LIST};
    while (depth > 0) {
        level *top = &stack[depth - 1];
        const yaml_entry *e = top->next;
        if (e == NULL || depth > YAML_DEPTH_MAX) {
            depth--;
            continue;
        }
        top->next = e->next;
        json_value *child = open_json(e->value);
        if (top->is_list) {
            json_push(top->value, child);
        } else {
            const char key_end[] = "";
            auto_buf key;
            buf_init(&key, MANIFEST_BYTES_MAX + 1);
            const char *text = buf_append(&key, e->key) == STATUS_OK ? buf_text(&key) : NULL;
            json_put(top->value, text == NULL ? key_end : text, child);
        }
        stack[depth++] = (level){child, e->value->first, e->value->kind == YAML_KIND_LIST};
    }
    return root;
}

const char *manifest_node_text(manifest_reader *r, const yaml_node *n) {
    auto_buf text;
    buf_init(&text, 4 * MANIFEST_BYTES_MAX);
    json_value *v = manifest_node_json(n);
    bool ok = json_write_sorted(v, &text) == STATUS_OK && buf_append_byte(&text, 0) == STATUS_OK;
    json_free(v);
    return ok ? manifest_path(r, "%s", (const char *)text.data) : "...";
}

// --- the manifest ------------------------------------------------------------------------------------------

static void put_pair(json_value *object, slice key, slice value) {
    auto_buf name;
    buf_init(&name, MANIFEST_BYTES_MAX + 1);
    const char *text = buf_append(&name, key) == STATUS_OK ? buf_text(&name) : NULL;
    json_put_text(object, text == NULL ? "" : text, value);
}

static json_value *map_json(const manifest_map *m) {
    json_value *object = json_object_new();
    for (size_t i = 0; i < m->count; i++) {
        put_pair(object, m->pairs[i].key, m->pairs[i].value);
    }
    return object;
}

static void put_optional(json_value *object, const char *key, const manifest_text *t) {
    if (manifest_has(t)) {
        json_put_text(object, key, t->value);
    }
}
static void put_map(json_value *object, const char *key, const manifest_map *m) {
    if (m->count > 0) {
        json_put(object, key, map_json(m));
    }
}

static json_value *configs_json(const manifest_settings *s) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < s->config_count; i++) {
        json_value *row = json_object_new();
        json_put_text(row, "name", s->configs[i].name.value);
        if (s->configs[i].has_properties) {
            json_put(row, "properties", map_json(&s->configs[i].properties));
        }
        json_push(list, row);
    }
    return list;
}

static json_value *secrets_json(const manifest_settings *s) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < s->secret_count; i++) {
        const manifest_secret *one = &s->secrets[i];
        json_value *row = json_object_new(), *properties = json_object_new();
        json_put_text(row, "name", one->name.value);
        json_put_text(properties, "policy", one->policy.value);
        json_put_text(properties, "key", one->key.value);
        put_optional(properties, "field", &one->field);
        put_optional(properties, "version", &one->version);
        json_put(row, "properties", properties);
        json_push(list, row);
    }
    return list;
}

static void put_settings(json_value *object, const manifest_settings *s) {
    if (s->config_count > 0) {
        json_put(object, "config", configs_json(s));
    }
    if (s->secret_count > 0) {
        json_put(object, "secrets", secrets_json(s));
    }
}

static json_value *link_json(const manifest_link *l) {
    json_value *object = json_object_new(), *list = json_array_new(), *target = json_object_new();
    for (size_t i = 0; i < l->interface_count; i++) {
        json_push(list, json_text(l->interfaces[i].value));
    }
    json_put_text(object, "namespace", l->wit_namespace.value);
    json_put_text(object, "package", l->wit_package.value);
    json_put(object, "interfaces", list);
    if (l->has_source) {
        json_value *source = json_object_new();
        put_settings(source, &l->source_settings);
        json_put(object, "source", source);
    }
    json_put_text(target, "name", l->target.value);
    put_settings(target, &l->target_settings);
    json_put(object, "target", target);
    put_optional(object, "name", &l->name);
    return object;
}

static json_value *scale_json(const manifest_scale *s) {
    json_value *object = json_object_new(), *list = json_array_new();
    json_put(object, "instances",
             s->instances > INT64_MAX ? json_number((double)s->instances)
                                      : json_integer_new((int64_t)s->instances));
    for (size_t i = 0; i < s->spread_count; i++) {
        const manifest_spread *one = &s->spreads[i];
        json_value *row = json_object_new();
        json_put_text(row, "name", one->name.value);
        put_map(row, "requirements", &one->requirements);
        if (one->has_weight) {
            json_put_integer(row, "weight", (int64_t)(one->weight > INT64_MAX ? INT64_MAX : one->weight));
        }
        json_push(list, row);
    }
    if (s->spread_count > 0) {
        json_put(object, "spread", list);
    } else {
        json_free(list);
    }
    return object;
}

static json_value *traits_json(const manifest_component *c) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < c->trait_count; i++) {
        const manifest_trait *t = &c->traits[i];
        json_value *row = json_object_new();
        json_put_text(row, "type", t->type.value);
        json_put(row, "properties",
                 t->form == MANIFEST_LINK    ? link_json(&t->link)
                 : t->form == MANIFEST_SCALE ? scale_json(&t->scale)
                                             : manifest_node_json(t->other));
        json_push(list, row);
    }
    return list;
}

static json_value *component_json(const manifest_component *c) {
    json_value *object = json_object_new(), *properties = json_object_new();
    json_put_text(object, "name", c->name.value);
    json_put_text(object, "type", slice_from_text(c->is_capability ? "capability" : "component"));
    put_optional(properties, "image", &c->image);
    if (manifest_has(&c->shared_application)) {
        json_value *shared = json_object_new();
        json_put_text(shared, "name", c->shared_application.value);
        json_put_text(shared, "component", c->shared_component.value);
        json_put(properties, "application", shared);
    }
    put_optional(properties, "id", &c->explicit_id);
    put_settings(properties, &c->settings);
    json_put(object, "properties", properties);
    if (c->has_traits) {
        json_put(object, "traits", traits_json(c));
    }
    return object;
}

static json_value *policies_json(const manifest *m) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < m->policy_count; i++) {
        json_value *row = json_object_new();
        json_put_text(row, "name", m->policies[i].name.value);
        json_put(row, "properties", map_json(&m->policies[i].properties));
        json_put_text(row, "type", m->policies[i].type.value);
        json_push(list, row);
    }
    return list;
}

json_value *manifest_to_json(const manifest *m) {
    json_value *root = json_object_new(), *metadata = json_object_new(), *spec = json_object_new(),
               *components = json_array_new();
    json_put_text(root, "apiVersion", m->api_version.value);
    json_put_text(root, "kind", m->kind.value);
    json_put_text(metadata, "name", m->name.value);
    put_map(metadata, "annotations", &m->annotations);
    put_map(metadata, "labels", &m->labels);
    for (size_t i = 0; i < m->component_count; i++) {
        json_push(components, component_json(&m->components[i]));
    }
    json_put(root, "metadata", metadata);
    json_put(spec, "components", components);
    if (m->policy_count > 0) {
        json_put(spec, "policies", policies_json(m));
    }
    json_put(root, "spec", spec);
    return root;
}
