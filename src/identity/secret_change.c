// SPDX-License-Identifier: Apache-2.0
// Changes: the content is read anew under the lock, a changed list of secrets is made in an arena of its own,
// and all of it is written. Versions whose time is over go with every change.
#include "base/mem.h"
#include "codec/utf.h"
#include "crypto/aead.h"
#include "identity/secret_store_internal.h"
#include "os/fd.h"

enum { CHANGE_MEMORY_MAX = 128 << 20 };

typedef struct change { // what is about to be written
    secret_store *store;
    arena memory;
    secret_file file;
    secret_record *records; // of `file`; room for one more
    uint64_t now_s;
} change;

static status no_memory(err *e) { return err_set(e, STATUS_LIMIT, "no memory for this change of secrets"); }

static bool is_over(const secret_version *v, uint64_t now_s) {
    return v->until_s != 0 && now_s >= v->until_s;
}

// The versions of a secret that are still given, with room for one more.
static status copy_record(change *c, const secret_record *from, secret_record *ret, err *e) {
    secret_version *kept = ARENA_ARRAY(&c->memory, secret_version, from->version_count + 1);
    if (kept == NULL) {
        return no_memory(e);
    }
    *ret = (secret_record){.name = from->name, .versions = kept};
    for (size_t i = 0; i < from->version_count; i++) {
        if (!is_over(&from->versions[i], c->now_s)) {
            kept[ret->version_count++] = from->versions[i];
        }
    }
    return STATUS_OK;
}

static status begin(change *c, err *e) {
    const secret_file *was = &c->store->content.file;
    c->file = *was;
    c->file.generation++;
    c->file.changed_s = c->now_s;
    c->records = ARENA_ARRAY(&c->memory, secret_record, was->record_count + 1);
    if (c->records == NULL) {
        return no_memory(e);
    }
    for (size_t i = 0; i < was->record_count; i++) {
        TRY(copy_record(c, &was->records[i], &c->records[i], e));
    }
    c->file.records = c->records;
    return STATUS_OK;
}

// --- put --------------------------------------------------------------------------------------------------

static status seal(change *c, slice name, slice field, secret_kind kind, slice value, secret_field *ret,
                   err *e) {
    auto_buf about;
    size_t len = value.len + AEAD_OVERHEAD_BYTES;
    uint8_t *sealed = arena_alloc(&c->memory, len);
    buf_init(&about, 512);
    if (sealed == NULL ||
        secret_file_about(&c->file, name, c->file.generation, field, kind, &about) != STATUS_OK) {
        return no_memory(e);
    }
    aead_seal(c->store->keys.values, buf_slice(&about), value, sealed);
    *ret = (secret_field){.name = field, .kind = kind, .sealed = slice_of(sealed, len)};
    return STATUS_OK;
}

static status carry_over(change *c, slice name, const secret_version *from, const secret_field *field,
                         secret_field *ret, err *e) {
    auto_secret_value value = {0};
    TRY(secret_store_open_value(c->store, &c->file, name, from, field, &value, e));
    return seal(c, name, field->name, field->kind, secret_slice(&value.bytes), ret, e);
}

static status check_fields(const secret_change *what, const secret_version *before, err *e) {
    bool was_single = before != NULL && before->fields[0].name.len == 0;
    if (before != NULL && was_single != (what->field == NULL)) {
        return was_single
                   ? err_set(e, STATUS_INVALID, "the secret %s has one value and no fields; remove it first",
                             what->name)
                   : err_set(e, STATUS_INVALID, "the secret %s has fields; name one of them", what->name);
    }
    return STATUS_OK;
}

// The fields of the version before, with the new value in its place.
static status new_fields(change *c, const secret_change *what, slice name, const secret_version *before,
                         secret_version *ret, err *e) {
    size_t old = before != NULL ? before->field_count : 0, at = 0;
    slice field = arena_copy(&c->memory, slice_from_text(what->field));
    secret_field *fields = ARENA_ARRAY(&c->memory, secret_field, old + 1);
    bool is_put = false;
    if (fields == NULL || field.data == NULL) {
        return no_memory(e);
    }
    for (size_t i = 0; i <= old; i++) {
        const secret_field *f = i < old ? &before->fields[i] : NULL;
        int order = f == NULL ? 1 : slice_compare(f->name, field);
        if (!is_put && order >= 0) {
            TRY(seal(c, name, field, what->kind, what->value, &fields[at++], e));
            is_put = true;
        }
        if (f != NULL && order != 0) {
            TRY(carry_over(c, name, before, f, &fields[at++], e));
        }
    }
    ret->fields = fields;
    ret->field_count = at;
    return at <= SECRET_FIELDS_MAX ? STATUS_OK
                                   : err_set(e, STATUS_LIMIT, "the secret %s would have more than %d fields",
                                             what->name, SECRET_FIELDS_MAX);
}

// The place of the secret in the list, made when there is none.
static status place_of(change *c, const secret_change *what, secret_record **ret, err *e) {
    slice name = slice_from_text(what->name);
    size_t at = 0;
    while (at < c->file.record_count && slice_compare(c->records[at].name, name) < 0) {
        at++;
    }
    *ret = &c->records[at];
    if (at < c->file.record_count && slice_equal(c->records[at].name, name)) {
        return STATUS_OK;
    }
    if (what->must_exist) {
        return err_set(e, STATUS_NOT_FOUND, "there is no secret %s; writ secrets set %s makes one",
                       what->name, what->name);
    }
    if (c->file.record_count == SECRET_STORE_SECRETS_MAX) {
        return err_set(e, STATUS_LIMIT, "there are %d secrets already; remove some",
                       SECRET_STORE_SECRETS_MAX);
    }
    memmove(&c->records[at + 1], &c->records[at], (c->file.record_count - at) * sizeof c->records[0]);
    c->file.record_count++;
    secret_version *versions = ARENA_NEW(&c->memory, secret_version);
    c->records[at] = (secret_record){.name = arena_copy(&c->memory, name), .versions = versions};
    return versions != NULL && c->records[at].name.data != NULL ? STATUS_OK : no_memory(e);
}

static status add_version(change *c, const secret_change *what, err *e) {
    secret_record *r;
    TRY(place_of(c, what, &r, e));
    secret_version *versions = (secret_version *)(uintptr_t)r->versions; // made by copy_record or place_of
    secret_version *before = r->version_count > 0 ? &versions[r->version_count - 1] : NULL;
    secret_version made = {.number = c->file.generation, .made_s = c->now_s};
    TRY(check_fields(what, before, e));
    TRY(new_fields(c, what, r->name, before, &made, e));
    if (before != NULL && what->overlap_s > 0) {
        before->until_s = c->now_s + what->overlap_s;
    } else {
        r->version_count = 0; // also of those whose time was not over
    }
    if (r->version_count == SECRET_VERSIONS_MAX) {
        return err_set(e, STATUS_LIMIT,
                       "the secret %s has %d versions whose time is not over; remove some with --version",
                       what->name, SECRET_VERSIONS_MAX);
    }
    versions[r->version_count++] = made;
    return STATUS_OK;
}

static status check_change(const secret_change *c, err *e) {
    TRY(secret_name_check(c->name, "a secret", e));
    if (c->field != NULL) {
        TRY(secret_name_check(c->field, "a field", e));
    }
    if (c->value.len == 0 || c->value.len > SECRET_VALUE_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "a secret has 1 to %d bytes, and this one %zu",
                       SECRET_VALUE_BYTES_MAX, c->value.len);
    }
    if (c->kind == SECRET_TEXT && !utf8_valid(c->value)) {
        return err_set(e, STATUS_INVALID,
                       "the value is not UTF-8, so it is bytes and not text: write --bytes");
    }
    if (c->overlap_s > SECRET_OVERLAP_SECONDS_MAX) {
        return err_set(e, STATUS_INVALID, "versions overlap for ten years at most");
    }
    return STATUS_OK;
}

static status nothing_there(const secret_store *s, err *e) {
    return err_set(e, STATUS_NOT_FOUND, "there are no secrets in %s; writ secrets set NAME stores one",
                   s->path);
}

// Under the lock: reads, lets `edit` change, writes.
static status apply(secret_store *s, uint64_t now_s, status (*edit)(change *c, const void *arg, err *e),
                    const void *arg, err *e) {
    bool ignored;
    auto_fd lock = -1;
    if (s->dir < 0) {
        return nothing_there(s, e);
    }
    TRY(secret_store_lock(s, &lock, e));
    TRY(secret_store_refresh(s, &ignored, e));
    if (!s->content.exists) {
        return nothing_there(s, e);
    }
    change c = {.store = s, .now_s = now_s};
    arena_init(&c.memory, CHANGE_MEMORY_MAX);
    status done = begin(&c, e);
    done = done == STATUS_OK ? edit(&c, arg, e) : done;
    done = done == STATUS_OK ? secret_store_save(s, &c.file, e) : done;
    arena_done(&c.memory);
    return done;
}

static status edit_put(change *c, const void *arg, err *e) { return add_version(c, arg, e); }

status secret_store_put(secret_store *s, const secret_change *what, uint64_t now_s, uint64_t *ret_version,
                        err *e) {
    TRY(check_change(what, e));
    TRY(apply(s, now_s, edit_put, what, e));
    *ret_version = s->content.file.generation;
    return STATUS_OK;
}

// --- remove -----------------------------------------------------------------------------------------------

typedef struct removal {
    const char *name;
    uint64_t version;
} removal;

static status remove_version(secret_record *r, const removal *what, err *e) {
    secret_version *versions = (secret_version *)(uintptr_t)r->versions; // made by copy_record
    for (size_t i = 0; i < r->version_count; i++) {
        if (versions[i].number != what->version) {
            continue;
        }
        if (i + 1 == r->version_count) {
            return err_set(e, STATUS_INVALID,
                           "version %llu of %s is the newest one: set another value, or remove the secret",
                           (unsigned long long)what->version, what->name);
        }
        memmove(&versions[i], &versions[i + 1], (r->version_count - i - 1) * sizeof versions[0]);
        r->version_count--;
        return STATUS_OK;
    }
    return err_set(e, STATUS_NOT_FOUND, "the secret %s has no version %llu", what->name,
                   (unsigned long long)what->version);
}

static status edit_remove(change *c, const void *arg, err *e) {
    const removal *what = arg;
    size_t at = 0;
    while (at < c->file.record_count && !slice_equal_text(c->records[at].name, what->name)) {
        at++;
    }
    if (at == c->file.record_count) {
        return err_set(e, STATUS_NOT_FOUND, "there is no secret %s", what->name);
    }
    if (what->version != 0) {
        return remove_version(&c->records[at], what, e);
    }
    memmove(&c->records[at], &c->records[at + 1], (c->file.record_count - at - 1) * sizeof c->records[0]);
    c->file.record_count--;
    return STATUS_OK;
}

status secret_store_remove(secret_store *s, const char *name, uint64_t version, uint64_t now_s, err *e) {
    const removal what = {name, version};
    TRY(secret_name_check(name, "a secret", e));
    return apply(s, now_s, edit_remove, &what, e);
}
