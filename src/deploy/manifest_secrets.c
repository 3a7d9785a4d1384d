// SPDX-License-Identifier: Apache-2.0
// Secrets of a manifest, and the policies that say where they are kept, as a host on its own reads them.
#include "codec/utf.h"
#include "deploy/manifest_internal.h"

enum { SHOWN = 80, NAME_BYTES_MAX = 128 };

static const char *list_settings(problems *found, secret_backend_kind kind) {
    const char *list = "";
    for (const secret_setting *s = secret_backend_settings(kind); s->name != NULL; s++) {
        list = problems_text(found, "%s%s%s", list, list[0] == '\0' ? "it has " : ", ", s->name);
    }
    return list[0] == '\0' ? "it has none" : list;
}

static void set(problems *found, const manifest_pair *pair, secret_settings *s) {
    char name[SHOWN];
    err e;
    status code = secret_settings_set(s, pair->key, pair->value, &e);
    utf8_shown(pair->key, name, sizeof name);
    if (code == STATUS_NOT_FOUND && found != NULL) {
        problems_add(found, pair->at, "local-secret", list_settings(found, s->kind),
                     "the backend %s has no setting `%s`", secret_backend_name(s->kind), name);
    } else if (code != STATUS_OK && found != NULL) {
        problems_add(found, pair->value_at, "local-secret", problems_text(found, "%s", e.message),
                     "this is no `%s`", name);
    }
}

// `found` NULL: it was told before.
static bool read_policy(problems *found, const manifest_policy *p, secret_settings *ret) {
    const manifest_pair *backend = manifest_map_find(&p->properties, "backend");
    char shown[SHOWN];
    secret_backend_kind kind;
    err e;
    if (backend == NULL) {
        return false;
    }
    if (!secret_backend_find(backend->value, &kind)) {
        if (found != NULL) {
            problems_add(found, backend->value_at, "local-secret",
                         problems_text(found, "it has %s", secret_backend_names),
                         "a host on its own has no backend `%s`",
                         utf8_shown(backend->value, shown, sizeof shown));
        }
        return false;
    }
    size_t before = found == NULL ? 0 : found->error_count;
    secret_settings_init(ret, kind);
    for (size_t i = 0; i < p->properties.count; i++) {
        if (&p->properties.pairs[i] != backend) {
            set(found, &p->properties.pairs[i], ret);
        }
    }
    bool is_complete = secret_settings_check(ret, &e) == STATUS_OK;
    if (!is_complete && found != NULL && found->error_count == before) {
        problems_add(found, p->at, "local-secret", problems_text(found, "%s", e.message),
                     "the policy `%s` does not say enough", utf8_shown(p->name.value, shown, sizeof shown));
    }
    return true;
}

static bool is_secret_policy(const manifest_policy *p) {
    return slice_equal_text(p->type.value, MANIFEST_SECRET_POLICY);
}

bool manifest_secret_settings(const manifest *m, const manifest_secret *one, secret_settings *ret) {
    const manifest_policy *p = manifest_find_policy(m, one->policy.value);
    return p != NULL && is_secret_policy(p) && read_policy(NULL, p, ret);
}

// --- checking ----------------------------------------------------------------------------------------------

static void check_name(problems *found, secret_backend_kind kind, const char *what, const manifest_text *t) {
    err e;
    if (manifest_has(t) && secret_settings_check_name(kind, what, t->value, &e) != STATUS_OK) {
        // Not repeated: it may be a value in the wrong place.
        problems_add(found, t->at, "local-secret", problems_text(found, "%s", e.message),
                     "this cannot be the `%s` of a secret of the backend %s", what,
                     secret_backend_name(kind));
    }
}

static void check_secrets(manifest *m, const manifest_settings *s) {
    for (size_t i = 0; i < s->secret_count; i++) {
        const manifest_secret *one = &s->secrets[i];
        secret_settings settings;
        if (manifest_has(&one->name) && (one->name.value.len == 0 || one->name.value.len > NAME_BYTES_MAX)) {
            problems_add(&m->found, one->name.at, "local-secret", "write a shorter one",
                         "the name of a secret has 1 to %d bytes", NAME_BYTES_MAX);
        }
        if (manifest_secret_settings(m, one, &settings)) {
            check_name(&m->found, settings.kind, "key", &one->key);
            check_name(&m->found, settings.kind, "field", &one->field);
            check_name(&m->found, settings.kind, "version", &one->version);
            secret_settings_done(&settings);
        }
    }
}

void manifest_check_secrets(manifest *m) {
    for (size_t i = 0; i < m->policy_count; i++) {
        secret_settings settings;
        if (is_secret_policy(&m->policies[i]) && read_policy(&m->found, &m->policies[i], &settings)) {
            secret_settings_done(&settings);
        }
    }
    for (size_t i = 0; i < m->component_count; i++) {
        const manifest_component *c = &m->components[i];
        check_secrets(m, &c->settings);
        for (size_t t = 0; t < c->trait_count; t++) {
            if (manifest_trait_is_link(&c->traits[t])) {
                check_secrets(m, &c->traits[t].link.source_settings);
                check_secrets(m, &c->traits[t].link.target_settings);
            }
        }
    }
}
