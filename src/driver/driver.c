// SPDX-License-Identifier: Apache-2.0
#include "driver/driver.h"

#include <stdio.h>

#include "base/check.h"
#include "base/jitter.h"
#include "base/mem.h"
#include "driver/blobstore/blobstore.h"
#include "driver/cron/cron.h"
#include "driver/keys/keys.h"
#include "driver/keyvalue/keyvalue.h"
#include "driver/messaging/messaging.h"
#include "driver/provider/provider.h"
#include "driver/sql/sql.h"

static const driver *const all[] = {
    &blobstore_directory, &blobstore_nats,  &blobstore_s3,   &cron_timer,      &keys_local,
    &keyvalue_memory,     &keyvalue_nats,   &keyvalue_redis, &keyvalue_sqlite, &messaging_local,
    &messaging_nats,      &provider_remote, &sql_postgres,   &sql_sqlite,      NULL,
};

const driver *const *driver_all(void) { return all; }

static bool is_any(const char *name) { return strcmp(name, DRIVER_ANY) == 0; }

bool driver_has_any_interface(const driver *d) {
    return d->interfaces[0] != NULL && is_any(d->interfaces[0]);
}

bool driver_has_interface(const driver *d, slice interface) {
    for (size_t i = 0; d->interfaces[i] != NULL; i++) {
        if (is_any(d->interfaces[i]) || slice_equal_text(interface, d->interfaces[i])) {
            return true;
        }
    }
    return false;
}

const driver *driver_choose(const driver *const *table, slice name, const slice *interfaces, size_t count) {
    for (size_t i = 0; table[i] != NULL; i++) {
        bool fits = name.len == 0 || slice_equal_text(name, table[i]->name);
        for (size_t n = 0; n < count && fits; n++) {
            fits = driver_has_interface(table[i], interfaces[n]);
        }
        if (fits) {
            return table[i];
        }
    }
    return NULL;
}

const driver *driver_find(slice name, slice interface) {
    return name.len == 0 ? NULL : driver_choose(all, name, &interface, 1);
}

void driver_fail(driver_call *c, status code, const char *format, ...) {
    CHECK(code != STATUS_OK);
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err e = {0};
    err_set(&e, code, "%s", text);
    c->end(c, code, slice_empty(), &e);
}

// --- what links have together ------------------------------------------------------------------------------

driver_shared *driver_share(const driver_environment *env, const void *owner, slice name, size_t size) {
    for (list_node *n = env->shared == NULL ? NULL : env->shared->next; n != NULL && n != env->shared;
         n = n->next) {
        driver_shared *s = LIST_ENTRY(n, driver_shared, node);
        if (s->owner == owner && slice_equal(s->name, name)) {
            s->users++;
            return s;
        }
    }
    driver_shared *s = mem_zalloc(size);
    s->owner = owner;
    s->name = slice_of(mem_slice_dup(name), name.len);
    s->users = 1;
    list_init(&s->node);
    if (env->shared != NULL) {
        list_push_back(env->shared, &s->node);
    }
    return s;
}

bool driver_unshare(driver_shared *s) {
    if (--s->users == 0) {
        list_remove(&s->node); // whoever comes now gets another
        return true;
    }
    return false;
}

void driver_shared_free(driver_shared *s) {
    mem_free((void *)(uintptr_t)s->name.data);
    mem_free(s);
}

// --- settings ----------------------------------------------------------------------------------------------

status driver_values_text(const driver_values *v, const char *name, slice *ret) {
    for (size_t i = 0; i < v->count; i++) {
        if (slice_equal_text(v->values[i].name, name)) {
            *ret = v->values[i].value;
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}

status driver_values_number(const driver_values *v, const char *name, uint64_t min, uint64_t max,
                            uint64_t *ret, err *e) {
    slice text;
    if (driver_values_text(v, name, &text) != STATUS_OK) {
        return STATUS_OK;
    }
    uint64_t number = 0;
    if (!slice_to_u64(text, &number) || number < min || number > max) {
        return err_set(e, STATUS_INVALID, "the setting %s is a number from %llu to %llu, not \"%.*s\"", name,
                       (unsigned long long)min, (unsigned long long)max, SLICE_ARG(slice_sub(text, 0, 40)));
    }
    *ret = number;
    return STATUS_OK;
}

status driver_values_bool(const driver_values *v, const char *name, bool *ret, err *e) {
    slice text;
    if (driver_values_text(v, name, &text) != STATUS_OK) {
        return STATUS_OK;
    }
    bool is_true = slice_equal_text(text, "true");
    if (!is_true && !slice_equal_text(text, "false")) {
        return err_set(e, STATUS_INVALID, "the setting %s is true or false, not \"%.*s\"", name,
                       SLICE_ARG(slice_sub(text, 0, 40)));
    }
    *ret = is_true;
    return STATUS_OK;
}

status driver_path(const driver_environment *env, const char *name, slice text, char *ret, size_t size,
                   err *e) {
    bool is_absolute = text.len > 0 && text.data[0] == '/';
    if (text.len == 0 || memchr(text.data, 0, text.len) != NULL || (!is_absolute && env->directory == NULL)) {
        return err_set(e, STATUS_INVALID, "the setting %s names a file%s", name,
                       text.len == 0 ? "" : ", absolute when the host has no directory for data");
    }
    int len = is_absolute ? snprintf(ret, size, "%.*s", SLICE_ARG(text))
                          : snprintf(ret, size, "%s/%.*s", env->directory, SLICE_ARG(text));
    if (len < 0 || (size_t)len >= size) {
        return err_set(e, STATUS_INVALID, "the setting %s is too long", name);
    }
    if (!is_absolute && strstr(ret + strlen(env->directory), "/..") != NULL) {
        return err_set(e, STATUS_INVALID, "the setting %s leads out of the directory for data", name);
    }
    return STATUS_OK;
}

bool driver_list_has(slice list, slice name) {
    for (size_t at = 0; at <= list.len;) {
        size_t end = slice_find(list, at, ',');
        end = end == SIZE_MAX ? list.len : end;
        if (slice_equal(slice_sub(list, at, end), name)) {
            return true;
        }
        at = end + 1;
    }
    return false;
}

const driver_setting *driver_find_setting(const driver *d, slice name) {
    const driver_setting *any = NULL;
    for (const driver_setting *s = d->settings; s->name != NULL; s++) {
        if (slice_equal_text(name, s->name)) {
            return s;
        }
        any = is_any(s->name) ? s : any;
    }
    return any;
}

bool driver_setting_fits(const driver_setting *s, bool is_secret) {
    return s != NULL && (is_any(s->name) || s->is_secret == is_secret);
}

static status check_names(const driver *d, const driver_values *v, bool are_secret, err *e) {
    for (size_t i = 0; i < v->count; i++) {
        const driver_setting *s = driver_find_setting(d, v->values[i].name);
        slice shown = slice_sub(v->values[i].name, 0, 60);
        if (s == NULL) {
            return err_set(e, STATUS_INVALID, "the driver %s has no setting \"%.*s\"", d->name,
                           SLICE_ARG(shown));
        }
        if (s->is_secret && !driver_setting_fits(s, are_secret)) {
            return err_set(e, STATUS_INVALID, "%s is a credential: name a secret for it, not its value",
                           s->name);
        }
        if (!driver_setting_fits(s, are_secret)) {
            return err_set(e, STATUS_INVALID, "%s is no credential of the driver %s", s->name, d->name);
        }
        for (size_t j = 0; j < i; j++) {
            if (slice_equal(v->values[i].name, v->values[j].name)) {
                return err_set(e, STATUS_INVALID, "%.*s is given twice", SLICE_ARG(shown));
            }
        }
    }
    return STATUS_OK;
}

status driver_open(const driver *d, const driver_environment *env, const driver_link_options *options,
                   driver_link **ret, err *e) {
    CHECK(d->version == DRIVER_VERSION);
    TRY(check_names(d, &options->settings, false, e));
    TRY(check_names(d, &options->credentials, true, e));
    for (const driver_setting *s = d->settings; s->name != NULL; s++) {
        slice value;
        if (s->is_required && driver_values_text(&options->settings, s->name, &value) != STATUS_OK &&
            driver_values_text(&options->credentials, s->name, &value) != STATUS_OK) {
            return err_set(e, STATUS_INVALID, "the driver %s needs %s: %s", d->name, s->name, s->text);
        }
    }
    return d->link_open(env, options, ret, e);
}

status driver_renew(const driver *d, driver_link *link, const driver_values *credentials, err *e) {
    if (d->credentials == NULL) {
        return err_set(e, STATUS_UNSUPPORTED, "the driver %s has no credentials", d->name);
    }
    TRY(check_names(d, credentials, true, e));
    return d->credentials(link, credentials, e);
}

uint64_t driver_wait(uint64_t *random, uint64_t max) { return jitter_wait(random, max); }
