// SPDX-License-Identifier: Apache-2.0
#include "host/application_secrets.h"

#include <stdio.h>

#include "base/mem.h"
#include "codec/utf.h"

enum { SHOWN = 80, NAME_BYTES = 512 };

void application_refuse_secrets(manifest *m, const manifest_settings *s, const char *advice) {
    for (size_t i = 0; i < s->secret_count; i++) {
        char shown[SHOWN];
        problems_add(&m->found, s->secrets[i].name.at, "local-secret", advice,
                     "nobody takes the secret `%s` from here",
                     utf8_shown(s->secrets[i].name.value, shown, sizeof shown));
    }
}

static char *text_or_null(const manifest_text *t) { return manifest_has(t) ? mem_slice_dup(t->value) : NULL; }

static char *origin_of(const manifest *m, const manifest_secret *one) {
    size_t n = strlen(m->file) + 32;
    char *text = mem_zalloc(n);
    (void)snprintf(text, n, "%s:%u:%u", m->file, one->name.at.line, one->name.at.column);
    return text;
}

static void resolve(const manifest *m, char **path) {
    if (*path != NULL) {
        char *whole = manifest_file_path(m, slice_from_text(*path));
        mem_free(*path);
        *path = whole;
    }
}

// The sealed store has no settings of its own.
static bool take_backend(manifest *m, const manifest_secret *one, host_config *config, uint32_t *ret) {
    secret_settings s;
    char name[NAME_BYTES], shown[SHOWN];
    err e;
    if (!manifest_secret_settings(m, one, &s)) {
        return false;
    }
    if (s.kind == SECRET_BACKEND_SEALED) {
        secret_settings_done(&s);
        *ret = 0;
        return true;
    }
    resolve(m, &s.directory);
    resolve(m, &s.ca_file);
    resolve(m, &s.credential_file);
    (void)snprintf(name, sizeof name, "the policy %s of %.200s",
                   utf8_shown(one->policy.value, shown, sizeof shown), m->file);
    if (host_config_add_secret_backend(config, name, &s, ret, &e) != STATUS_OK) {
        problems_add(&m->found, one->policy.at, "local", NULL, "%s", e.message);
        return false;
    }
    return true;
}

bool application_secret(manifest *m, const manifest_secret *one, host_config *config, host_secret *ret) {
    *ret = (host_secret){0};
    if (!manifest_has(&one->name) || !manifest_has(&one->key) ||
        !take_backend(m, one, config, &ret->backend)) {
        return false;
    }
    ret->name = mem_slice_dup(one->name.value);
    ret->key = mem_slice_dup(one->key.value);
    ret->field = text_or_null(&one->field);
    ret->version = text_or_null(&one->version);
    ret->origin = origin_of(m, one);
    return true;
}
