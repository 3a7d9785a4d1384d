// SPDX-License-Identifier: Apache-2.0
// Opening and reading. The order matters: the mark is read before the file, so that a change in between makes
// the file newer than the mark and never older.
#include "identity/secret_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/key_file.h"
#include "crypto/passphrase.h"
#include "identity/secret_store_internal.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/guarded.h"
#include "os/path.h"
#include "os/private.h"
#include "os/random.h"

enum { KEY_COUNT = 3, CONTENT_MEMORY_MAX = 64 << 20, VERSION_DIGITS_MAX = 20 };

static const char file_name[] = "store", passphrase_use[] = "of the secrets";

// --- names ------------------------------------------------------------------------------------------------

static bool is_name_byte(char c, bool is_first) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    return plain || (!is_first && (c == '.' || c == '-' || c == '/'));
}

status secret_name_check(const char *name, const char *what, err *e) {
    size_t len = strlen(name);
    bool good = len >= 1 && len <= SECRET_NAME_BYTES_MAX;
    for (size_t i = 0; good && i < len; i++) {
        good = is_name_byte(name[i], i == 0);
    }
    // Not repeated: it may be a value in the wrong place.
    return good ? STATUS_OK
                : err_set(e, STATUS_INVALID,
                          "not a name of %s: a name has up to %d letters, digits, \".\", \"_\", \"-\" and "
                          "\"/\", and begins with none of \".\", \"-\" and \"/\"",
                          what, SECRET_NAME_BYTES_MAX);
}

// --- keys -------------------------------------------------------------------------------------------------

// One key for each use.
static status keys_of(const uint8_t master[HASH_KEY_BYTES], secret_keys *ret, err *e) {
    static const char *const uses[KEY_COUNT] = {"writ secrets: values", "writ secrets: file",
                                                "writ secrets: seen"};
    TRY(secret_new((size_t)KEY_COUNT * HASH_BYTES, &ret->memory, e));
    for (size_t i = 0; i < KEY_COUNT; i++) {
        slice use = slice_from_text(uses[i]);
        hash_keyed(master, &use, 1, ret->memory.data + i * HASH_BYTES);
    }
    ret->values = ret->memory.data;
    ret->proof = ret->memory.data + HASH_BYTES;
    ret->seen = ret->memory.data + (size_t)2 * HASH_BYTES;
    return STATUS_OK;
}

static status keys_of_file(secret_store *s, bool make, err *e) {
    auto_secret master = {0};
    file_info info;
    if (!make && file_info_at(s->key_dir, s->key_name, &info) == ENOENT) {
        return err_set(e, STATUS_NOT_FOUND,
                       "the key of the secrets, %s, is missing: put it back, nothing can be read without it",
                       s->key_path);
    }
    TRY(secret_new(HASH_KEY_BYTES, &master, e));
    status loaded = key_file_load(s->key_dir, s->key_name, master.data, e);
    if (loaded != STATUS_OK) {
        return loaded == STATUS_INVALID
                   ? err_set(e, loaded, "the key of the secrets, %s, is damaged: put it back", s->key_path)
                   : err_wrap(e, "%s", s->key_path);
    }
    return keys_of(master.data, &s->keys, e);
}

static status ask_passphrase(const secret_store *s, secret *ret, err *e) {
    return s->asker != NULL ? s->asker->ask(s->asker->context, passphrase_use, ret, e)
                            : err_set(e, STATUS_DENIED, "the secrets in %s are under a passphrase", s->path);
}

static status keys_of_passphrase(secret_store *s, slice wrapped, err *e) {
    auto_secret passphrase = {0}, master = {0};
    TRY(ask_passphrase(s, &passphrase, e));
    if (passphrase_open(secret_slice(&passphrase), wrapped, &master, e) != STATUS_OK) {
        return err_wrap(e, "the secrets in %s", s->path);
    }
    return master.len == HASH_KEY_BYTES
               ? keys_of(master.data, &s->keys, e)
               : err_set(e, STATUS_INVALID, "the key of the secrets in %s is damaged", s->path);
}

static status know_keys(secret_store *s, const secret_file *f, err *e) {
    return s->keys.memory.len > 0              ? STATUS_OK
           : f->lock == SECRET_LOCK_PASSPHRASE ? keys_of_passphrase(s, f->wrapped_key, e)
                                               : keys_of_file(s, false, e);
}

// --- reading ----------------------------------------------------------------------------------------------

void secret_content_free(secret_content *c) {
    buf_done(&c->bytes);
    arena_done(&c->memory);
    *c = (secret_content){0};
}

static status read_bytes(const secret_store *s, buf *ret, bool *ret_exists, err *e) {
    char shown[SECRET_PATH_SIZE];
    auto_fd fd = -1;
    file_info info;
    size_t len = 0;
    uint8_t *to;
    snprintf(shown, sizeof shown, "%s/%s", s->path, file_name);
    status opened = private_secret_open(s->dir, file_name, shown, &fd, e);
    *ret_exists = opened != STATUS_NOT_FOUND;
    if (opened != STATUS_OK) {
        return opened == STATUS_NOT_FOUND ? STATUS_OK : opened;
    }
    int failed = file_info_of(fd, &info);
    if (failed != 0) {
        return err_set_errno(e, failed, shown);
    }
    buf_init(ret, SECRET_STORE_BYTES_MAX + 1);
    if (info.size > SECRET_STORE_BYTES_MAX || buf_reserve(ret, info.size + 1, &to) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "%s is larger than secrets may be (%d MiB)", shown,
                       SECRET_STORE_BYTES_MAX >> 20);
    }
    TRY(fd_read_at(fd, to, info.size + 1, 0, &len, e));
    ret->len = len;
    return STATUS_OK;
}

static status check_proof(const secret_store *s, slice bytes, err *e) {
    slice body, proof;
    uint8_t expected[HASH_BYTES];
    TRY(secret_file_split(bytes, &body, &proof, e));
    hash_keyed(s->keys.proof, &body, 1, expected);
    return hash_equal(expected, proof.data)
               ? STATUS_OK
               : err_set(e, STATUS_DENIED,
                         "%s/%s was changed by somebody who has not its key, or %s is not its key", s->path,
                         file_name, s->key_path);
}

// Nothing is there: right, unless something was.
static status check_absent(const secret_store *s, const secret_seen *seen, err *e) {
    return !seen->exists ? STATUS_OK
                         : err_set(e, STATUS_DENIED,
                                   "the secrets in %s are gone, and change %llu was written here: put them "
                                   "back, or remove %s.seen to begin anew",
                                   s->path, (unsigned long long)seen->generation, s->key_path);
}

static status load(secret_store *s, secret_content *c, err *e) {
    secret_seen seen;
    size_t ignored;
    TRY(secret_seen_read(s, &seen, e));
    TRY(read_bytes(s, &c->bytes, &c->exists, e));
    if (!c->exists) {
        return check_absent(s, &seen, e);
    }
    slice bytes = buf_slice(&c->bytes);
    TRY(secret_file_read_header(bytes, &c->file, &ignored, e));
    TRY(know_keys(s, &c->file, e));
    TRY(check_proof(s, bytes, e));
    arena_init(&c->memory, CONTENT_MEMORY_MAX);
    TRY(secret_file_read(bytes, &c->memory, &c->file, e));
    return secret_seen_check(s, &seen, &c->file, e);
}

status secret_store_load(secret_store *s, secret_content *ret, err *e) {
    secret_content c = {0};
    status loaded = s->dir >= 0 ? load(s, &c, e) : STATUS_OK;
    if (loaded != STATUS_OK) {
        secret_content_free(&c);
        return loaded;
    }
    *ret = c;
    return STATUS_OK;
}

static bool is_same_time(const file_time *a, const file_time *b) {
    return a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

// Each change is a new file.
static bool is_same_file(const file_info *a, const file_info *b) {
    return a->inode == b->inode && a->device == b->device && a->size == b->size &&
           is_same_time(&a->modified, &b->modified) && is_same_time(&a->changed, &b->changed);
}

status secret_store_refresh(secret_store *s, bool *ret_changed, err *e) {
    secret_content c;
    file_info found = {0};
    bool is_there = s->dir >= 0 && file_info_at(s->dir, file_name, &found) == 0;
    if (is_there && s->content.exists && is_same_file(&found, &s->read)) {
        *ret_changed = false;
        return STATUS_OK;
    }
    s->read = (file_info){0};
    TRY(secret_store_load(s, &c, e));
    s->read = found;
    *ret_changed = c.exists != s->content.exists || c.file.generation != s->content.file.generation ||
                   memcmp(c.file.id, s->content.file.id, sizeof c.file.id) != 0;
    secret_content_free(&s->content);
    s->content = c;
    return STATUS_OK;
}

// --- making and saving ------------------------------------------------------------------------------------

status secret_store_lock(const secret_store *s, int *ret_fd, err *e) {
    return guarded_lock(s->dir, file_name, ret_fd, e);
}

static status new_keys_by_passphrase(secret_store *s, const key_asker *asker, buf *ret_wrapped, err *e) {
    auto_secret passphrase = {0}, master = {0};
    TRY(asker->ask(asker->context, passphrase_use, &passphrase, e));
    TRY(secret_new(HASH_KEY_BYTES, &master, e));
    random_fill(master.data, master.len);
    TRY(passphrase_seal(secret_slice(&passphrase), secret_slice(&master), ret_wrapped, e));
    return keys_of(master.data, &s->keys, e);
}

status secret_store_make(secret_store *s, const key_asker *asker, uint64_t now_s, err *e) {
    auto_buf wrapped;
    secret_file f = {.lock = asker != NULL ? SECRET_LOCK_PASSPHRASE : SECRET_LOCK_KEY_FILE,
                     .generation = 1,
                     .changed_s = now_s};
    buf_init(&wrapped, SECRET_FILE_WRAPPED_BYTES_MAX);
    TRY(asker != NULL ? new_keys_by_passphrase(s, asker, &wrapped, e) : keys_of_file(s, true, e));
    f.wrapped_key = buf_slice(&wrapped);
    random_fill(f.id, sizeof f.id);
    return secret_store_save(s, &f, e);
}

status secret_store_save(secret_store *s, const secret_file *f, err *e) {
    auto_buf bytes;
    uint8_t proof[HASH_BYTES];
    secret_content c;
    buf_init(&bytes, SECRET_STORE_BYTES_MAX);
    TRY(secret_file_write(f, &bytes, e));
    slice body = buf_slice(&bytes);
    hash_keyed(s->keys.proof, &body, 1, proof);
    if (buf_append(&bytes, slice_of(proof, sizeof proof)) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "the secrets would be larger than %d MiB; remove some",
                       SECRET_STORE_BYTES_MAX >> 20);
    }
    if (guarded_replace(s->dir, file_name, buf_slice(&bytes), e) != STATUS_OK) {
        return err_wrap(e, "the secrets in %s", s->path);
    }
    TRY(secret_seen_write(s, f, e));
    TRY(secret_store_load(s, &c, e));
    secret_content_free(&s->content);
    s->content = c;
    return STATUS_OK;
}

// --- opening ----------------------------------------------------------------------------------------------

static status open_key_place(secret_store *s, err *e) {
    char directory[SECRET_PATH_SIZE];
    if (!path_split(s->key_path, directory, sizeof directory, &s->key_name) || s->key_name[0] == '\0' ||
        strlen(s->key_name) > SECRET_NAME_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "%s is not the name of a key file", s->key_path);
    }
    status opened = guarded_directory_open(directory, &s->key_dir, e);
    return opened == STATUS_OK ? opened : err_wrap(e, "the key of the secrets");
}

static status open_places(secret_store *s, const secret_store_options *o, err *e) {
    char path[SECRET_PATH_SIZE];
    file_info info;
    s->path = mem_text_dup(o->directory);
    if (!o->make && file_info_at(AT_FDCWD, o->directory, &info) == ENOENT) {
        return STATUS_OK;
    }
    if (private_directory_open(o->directory, &s->dir, e) != STATUS_OK) {
        return err_wrap(e, "secrets");
    }
    if (snprintf(path, sizeof path, "%s/%s", o->directory, "key") >= (int)sizeof path) {
        return err_set(e, STATUS_LIMIT, "the path of the secrets is longer than %d bytes", SECRET_PATH_SIZE);
    }
    s->key_path = mem_text_dup(o->key_file != NULL ? o->key_file : path);
    return open_key_place(s, e);
}

static status make_first(secret_store *s, const secret_store_options *o, err *e) {
    auto_fd lock = -1;
    secret_content c;
    TRY(secret_store_lock(s, &lock, e));
    TRY(secret_store_load(s, &c, e)); // another process may have been faster
    if (c.exists) {
        secret_content_free(&s->content);
        s->content = c;
        return STATUS_OK;
    }
    return secret_store_make(s, o->make_asker, clock_wall_now().seconds, e);
}

static status open_store(secret_store *s, const secret_store_options *o, err *e) {
    TRY(open_places(s, o, e));
    TRY(secret_store_load(s, &s->content, e));
    if (!s->content.exists && o->make) {
        TRY(make_first(s, o, e));
    }
    return s->content.exists && o->make_asker != NULL && s->content.file.lock != SECRET_LOCK_PASSPHRASE
               ? err_set(e, STATUS_EXISTS,
                         "the secrets in %s are under a key file already; name another directory for some "
                         "under a passphrase",
                         s->path)
               : STATUS_OK;
}

status secret_store_open(const secret_store_options *o, secret_store **ret, err *e) {
    secret_store *s = MEM_NEW(secret_store);
    s->dir = s->key_dir = -1;
    s->asker = o->asker;
    status opened = open_store(s, o, e);
    if (opened != STATUS_OK) {
        secret_store_close(s);
        return opened;
    }
    *ret = s;
    return STATUS_OK;
}

void secret_store_close(secret_store *s) {
    if (s != NULL) {
        secret_content_free(&s->content);
        secret_free(&s->keys.memory);
        fd_close(s->dir);
        fd_close(s->key_dir);
        mem_free(s->key_path);
        mem_free(s->path);
        mem_free(s);
    }
}

const secret_file *secret_store_content(const secret_store *s) { return &s->content.file; }

// --- values -----------------------------------------------------------------------------------------------

static const secret_version *find_version(const secret_record *r, uint64_t number, uint64_t now_s) {
    const secret_version *newest = &r->versions[r->version_count - 1];
    for (size_t i = 0; number != 0 && i < r->version_count; i++) {
        const secret_version *v = &r->versions[i];
        if (v->number == number) {
            return v->until_s == 0 || now_s < v->until_s ? v : NULL;
        }
    }
    return number == 0 ? newest : NULL;
}

static const secret_field *find_field(const secret_version *v, const char *name) {
    for (size_t i = 0; i < v->field_count; i++) {
        if (slice_equal(v->fields[i].name, slice_from_text(name))) {
            return &v->fields[i];
        }
    }
    return NULL;
}

status secret_store_open_value(const secret_store *s, const secret_file *f, slice name,
                               const secret_version *v, const secret_field *field, secret_value *ret,
                               err *e) {
    auto_buf about;
    buf_init(&about, 512);
    TRY(secret_file_about(f, name, v->number, field->name, field->kind, &about));
    secret_value value = {.kind = field->kind, .version = v->number, .until_s = v->until_s};
    if (aead_open(s->keys.values, buf_slice(&about), field->sealed, &value.bytes, e) != STATUS_OK) {
        return err_wrap(e, "the secret %.*s", SLICE_ARG(name));
    }
    *ret = value;
    return STATUS_OK;
}

status secret_store_get(const secret_store *s, const char *name, const char *field, uint64_t version,
                        uint64_t now_s, secret_value *ret, err *e) {
    TRY(secret_name_check(name, "a secret", e));
    if (field != NULL) {
        TRY(secret_name_check(field, "a field", e));
    }
    const secret_record *r = secret_file_find(&s->content.file, name);
    if (r == NULL) {
        return err_set(e, STATUS_NOT_FOUND, "there is no secret %s; writ secrets set %s makes one", name,
                       name);
    }
    const secret_version *v = find_version(r, version, now_s);
    if (v == NULL) {
        return err_set(e, STATUS_NOT_FOUND,
                       "the secret %s has no version %llu, or its time is over; writ secrets show %s tells "
                       "which it has",
                       name, (unsigned long long)version, name);
    }
    const secret_field *found = find_field(v, field);
    if (found == NULL) {
        return field == NULL
                   ? err_set(e, STATUS_NOT_FOUND, "the secret %s has fields: name one of them", name)
                   : err_set(e, STATUS_NOT_FOUND, "the secret %s has no field %s", name, field);
    }
    return secret_store_open_value(s, &s->content.file, r->name, v, found, ret, e);
}

static status get_as_source(const void *context, const char *key, const char *field, const char *version,
                            uint64_t now_s, secret_value *ret, err *e) {
    uint64_t number = 0;
    if (version != NULL && (!slice_to_u64(slice_from_text(version), &number) || number == 0)) {
        return err_set(e, STATUS_INVALID,
                       "the version of the secret must be a number, as writ secrets show tells it");
    }
    return secret_store_get(context, key, field, number, now_s, ret, e);
}

secret_source secret_store_source(const secret_store *s) { return (secret_source){s, get_as_source}; }
