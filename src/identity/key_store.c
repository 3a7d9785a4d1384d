// SPDX-License-Identifier: Apache-2.0
// A new file is written under another name and then linked, which fails when the name is taken, or renamed
// over it when that was asked for.
#include "identity/key_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "identity/sealed_key.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/private.h"
#include "os/random.h"

enum {
    FILE_BYTES_MAX = 4096,
    FILE_NAME_SIZE = KEY_NAME_BYTES_MAX + sizeof ".nk.enc",
    DIRECTORY_ENTRIES_MAX = 65536,
    SHOWN_BYTES = 400, // of a path in messages
};

struct key_store {
    int dir; // -1: does not exist
    char *path;
};

// --- names ------------------------------------------------------------------------------------------------

static bool is_name_byte(char c, bool is_first) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    return plain || (!is_first && (c == '.' || c == '-'));
}

static bool name_is_good(const char *name, size_t len) {
    bool good = len >= 1 && len <= KEY_NAME_BYTES_MAX;
    for (size_t i = 0; good && i < len; i++) {
        good = is_name_byte(name[i], i == 0);
    }
    return good;
}

status key_name_check(const char *name, err *e) {
    size_t len = strlen(name);
    // A seed in the place of a name would end up in messages and in the names of files.
    bool is_seed = len == NKEY_SEED_TEXT_LEN && name[0] == 'S';
    if (is_seed || !name_is_good(name, len)) {
        return err_set(e, STATUS_INVALID,
                       "%s: a key's name has up to %d letters, digits, \".\", \"_\" and \"-\", "
                       "and begins with none of the last two",
                       is_seed ? "this looks like a seed and not like a name" : "not a name of a key",
                       KEY_NAME_BYTES_MAX);
    }
    return STATUS_OK;
}

static void file_name(const char *name, bool is_sealed, char ret[FILE_NAME_SIZE]) {
    snprintf(ret, FILE_NAME_SIZE, "%s%s", name, is_sealed ? ".nk.enc" : ".nk");
}

// The name in "NAME.nk" or "NAME.nk.enc".
static bool name_of_file(const char *file, char ret[KEY_NAME_BYTES_MAX + 1], bool *ret_sealed) {
    static const char *const endings[] = {".nk", ".nk.enc"};
    size_t len = strlen(file);
    for (size_t i = 0; i < 2; i++) {
        size_t ending = strlen(endings[i]);
        if (len > ending && strcmp(file + len - ending, endings[i]) == 0 &&
            name_is_good(file, len - ending)) {
            memcpy(ret, file, len - ending);
            ret[len - ending] = '\0';
            *ret_sealed = i == 1;
            return true;
        }
    }
    return false;
}

// --- reading one file -------------------------------------------------------------------------------------

// The whole file, in memory that is fit for a seed.
static status read_file(int fd, const char *shown, secret *memory, slice *ret, err *e) {
    size_t len = 0;
    TRY(secret_new(FILE_BYTES_MAX + 1, memory, e));
    TRY(fd_read_at(fd, memory->data, memory->len, 0, &len, e));
    if (len > FILE_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "%s is larger than a key file may be (%d bytes)", shown,
                       FILE_BYTES_MAX);
    }
    *ret = slice_of(memory->data, len);
    return STATUS_OK;
}

static status open_sealed(slice text, const char *shown, const key_asker *asker, nkey **ret, err *e) {
    sealed_key sealed;
    auto_secret passphrase = {0};
    TRY(sealed_key_read(text, &sealed, e));
    TRY(asker->ask(asker->context, shown, &passphrase, e));
    return sealed_key_open(&sealed, secret_slice(&passphrase), ret, e);
}

static status load_open_file(int fd, const char *shown, const key_asker *asker, nkey **ret, err *e) {
    auto_secret memory = {0};
    slice text;
    TRY(read_file(fd, shown, &memory, &text, e));
    status s =
        sealed_key_is(text) ? open_sealed(text, shown, asker, ret, e) : nkey_from_seed_text(text, ret, e);
    return s == STATUS_OK ? s : err_wrap(e, "key %s", shown);
}

status key_file_load_path(const char *path, const key_asker *asker, nkey **ret, err *e) {
    auto_fd fd = -1;
    TRY(private_secret_open(-1, path, path, &fd, e));
    return load_open_file(fd, path, asker, ret, e);
}

// --- the store --------------------------------------------------------------------------------------------

status key_store_open(const char *path, bool make, key_store **ret, err *e) {
    auto_fd fd = -1;
    file_info info;
    if (make || file_info_at(AT_FDCWD, path, &info) != ENOENT) {
        if (private_directory_open(path, &fd, e) != STATUS_OK) {
            return err_wrap(e, "keys");
        }
    }
    key_store *s = MEM_NEW(key_store);
    s->dir = fd;
    s->path = mem_text_dup(path);
    fd = -1;
    *ret = s;
    return STATUS_OK;
}

void key_store_close(key_store *s) {
    if (s != NULL) {
        fd_close(s->dir);
        mem_free(s->path);
        mem_free(s);
    }
}

// How messages call a file of the store.
static void shown_path(const key_store *s, const char *file, char ret[SHOWN_BYTES]) {
    snprintf(ret, SHOWN_BYTES, "%s/%s", s->path, file);
}

static status open_file(const key_store *s, const char *file, int *ret_fd, err *e) {
    char shown[SHOWN_BYTES];
    shown_path(s, file, shown);
    return private_secret_open(s->dir, file, shown, ret_fd, e);
}

static bool has_file(const key_store *s, const char *name, bool is_sealed) {
    char file[FILE_NAME_SIZE];
    file_info info;
    file_name(name, is_sealed, file);
    return s->dir >= 0 && file_info_at(s->dir, file, &info) == 0;
}

// Which of the two files holds the key of this name.
static status choose(const key_store *s, const char *name, bool *ret_sealed, char file[FILE_NAME_SIZE],
                     err *e) {
    TRY(key_name_check(name, e));
    bool plain = has_file(s, name, false), sealed = has_file(s, name, true);
    if (!plain && !sealed) {
        return err_set(e, STATUS_NOT_FOUND, "there is no key %s in %s; writ keys list shows those that are",
                       name, s->path);
    }
    if (plain && sealed) {
        return err_set(e, STATUS_INVALID, "there are two keys %s in %s, %s.nk and %s.nk.enc: remove one",
                       name, s->path, name, name);
    }
    file_name(name, sealed, file);
    *ret_sealed = sealed;
    return STATUS_OK;
}

status key_store_load(const key_store *s, const char *name, const key_asker *asker, nkey **ret, err *e) {
    char file[FILE_NAME_SIZE];
    bool is_sealed;
    auto_fd fd = -1;
    TRY(choose(s, name, &is_sealed, file, e));
    TRY(open_file(s, file, &fd, e));
    return load_open_file(fd, name, asker, ret, e);
}

// --- public keys, without a passphrase --------------------------------------------------------------------

static status public_of_text(slice text, bool is_sealed, nkey_public *ret, err *e) {
    if (is_sealed) {
        sealed_key sealed;
        TRY(sealed_key_read(text, &sealed, e));
        *ret = sealed.public_key;
        return STATUS_OK;
    }
    nkey *k = NULL;
    TRY(nkey_from_seed_text(text, &k, e));
    *ret = nkey_public_of(k);
    nkey_free(k);
    return STATUS_OK;
}

static status read_public(const key_store *s, const char *file, bool is_sealed, nkey_public *ret, err *e) {
    auto_fd fd = -1;
    auto_secret memory = {0};
    slice text;
    char shown[SHOWN_BYTES];
    shown_path(s, file, shown);
    TRY(open_file(s, file, &fd, e));
    TRY(read_file(fd, shown, &memory, &text, e));
    status read = public_of_text(text, is_sealed, ret, e);
    return read == STATUS_OK ? read : err_wrap(e, "%s", shown);
}

status key_store_find(const key_store *s, const char *name, key_store_entry *ret, err *e) {
    char file[FILE_NAME_SIZE];
    key_store_entry found = {.is_good = true};
    TRY(choose(s, name, &found.is_sealed, file, e));
    TRY(read_public(s, file, found.is_sealed, &found.public_key, e));
    snprintf(found.name, sizeof found.name, "%s", name);
    *ret = found;
    return STATUS_OK;
}

// --- all of them ------------------------------------------------------------------------------------------

typedef struct listing {
    key_store_entry *entries;
    size_t count;
    size_t capacity;
} listing;

static status add_entry(listing *l, const char *file, err *e) {
    key_store_entry found = {0};
    if (!name_of_file(file, found.name, &found.is_sealed)) {
        return STATUS_OK; // somebody's notes
    }
    if (l->count == KEY_STORE_KEYS_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d keys", KEY_STORE_KEYS_MAX);
    }
    if (l->count == l->capacity) {
        l->capacity = l->capacity == 0 ? 16 : 2 * l->capacity;
        l->entries = mem_resize(l->entries, l->capacity * sizeof *l->entries);
    }
    l->entries[l->count++] = found;
    return STATUS_OK;
}

static status read_names(const key_store *s, listing *l, err *e) {
    auto_fd fd = -1;
    int failed = file_open_component(s->dir, ".", O_RDONLY | O_DIRECTORY, &fd);
    file_listing files = {0};
    file_entry entry = {0};
    for (size_t i = 0; failed == 0 && i < DIRECTORY_ENTRIES_MAX; i++) {
        failed = file_next_entry(fd, &files, &entry);
        if (failed == 0 && entry.name == NULL) {
            return STATUS_OK;
        }
        if (failed == 0) {
            TRY(add_entry(l, entry.name, e));
        }
    }
    return failed != 0
               ? err_set_errno(e, failed, s->path)
               : err_set(e, STATUS_LIMIT, "%s has more than %d files", s->path, DIRECTORY_ENTRIES_MAX);
}

static int by_name(const void *a, const void *b) {
    const key_store_entry *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : (int)x->is_sealed - (int)y->is_sealed;
}

static void fill_entry(const key_store *s, key_store_entry *entry) {
    char file[FILE_NAME_SIZE];
    err e = {0};
    file_name(entry->name, entry->is_sealed, file);
    entry->is_good = read_public(s, file, entry->is_sealed, &entry->public_key, &e) == STATUS_OK;
    if (!entry->is_good) {
        snprintf(entry->problem, sizeof entry->problem, "%.*s", (int)sizeof entry->problem - 1, e.message);
    }
}

status key_store_list(const key_store *s, key_store_entry **ret, size_t *ret_count, err *e) {
    listing l = {0};
    status read = s->dir >= 0 ? read_names(s, &l, e) : STATUS_OK;
    if (read != STATUS_OK) {
        mem_free(l.entries);
        return read;
    }
    if (l.count > 0) {
        qsort(l.entries, l.count, sizeof *l.entries, by_name);
    }
    for (size_t i = 0; i < l.count; i++) {
        fill_entry(s, &l.entries[i]);
    }
    *ret = l.entries;
    *ret_count = l.count;
    return STATUS_OK;
}

// --- writing ----------------------------------------------------------------------------------------------

// Without a line feed: wash takes none.
static status write_seed(int fd, const nkey *k, err *e) {
    auto_secret seed = {0};
    TRY(nkey_seed_text(k, &seed, e));
    return fd_write_all(fd, secret_slice(&seed), e);
}

static status write_sealed(int fd, const nkey *k, slice passphrase, err *e) {
    sealed_key sealed;
    auto_buf text;
    buf_init(&text, SEALED_KEY_TEXT_BYTES_MAX);
    TRY(sealed_key_seal(k, passphrase, &sealed, e));
    TRY(sealed_key_write(&sealed, &text));
    return fd_write_all(fd, buf_slice(&text), e);
}

static status write_content(int fd, const nkey *k, slice passphrase, err *e) {
    TRY(passphrase.len > 0 ? write_sealed(fd, k, passphrase, e) : write_seed(fd, k, e));
    int failed = file_sync(fd, false);
    return failed == 0 ? STATUS_OK : err_set_errno(e, failed, "write a key file");
}

// Gives the finished file its name. The other form of the key goes when it is replaced.
static status put_in_place(key_store *s, const char *temporary, const char *name, bool is_sealed,
                           bool replace, err *e) {
    char file[FILE_NAME_SIZE], other[FILE_NAME_SIZE];
    file_name(name, is_sealed, file);
    file_name(name, !is_sealed, other);
    int failed =
        replace ? file_rename(s->dir, temporary, s->dir, file) : file_link(s->dir, temporary, s->dir, file);
    if (failed == 0 && replace) {
        int removed = file_remove(s->dir, other);
        failed = removed == ENOENT ? 0 : removed;
    }
    if (failed == 0) {
        failed = file_sync(s->dir, false);
    }
    return failed == 0        ? STATUS_OK
           : failed == EEXIST ? err_set(e, STATUS_EXISTS, "there is a key %s already", name)
                              : err_set_errno(e, failed, "name a key file");
}

status key_store_save(key_store *s, const char *name, const nkey *k, slice passphrase, bool replace, err *e) {
    TRY(key_name_check(name, e));
    if (s->dir < 0) {
        return err_set(e, STATUS_NOT_FOUND, "%s: no such directory", s->path);
    }
    if (!replace && (has_file(s, name, false) || has_file(s, name, true))) {
        return err_set(e, STATUS_EXISTS, "there is a key %s already in %s", name, s->path);
    }
    char temporary[64];
    snprintf(temporary, sizeof temporary, ".new-%016" PRIx64, random_u64());
    auto_fd fd = -1;
    int failed = private_file_create(s->dir, temporary, &fd);
    if (failed != 0) {
        return err_set_errno(e, failed, s->path);
    }
    status done = write_content(fd, k, passphrase, e);
    if (done == STATUS_OK) {
        done = put_in_place(s, temporary, name, passphrase.len > 0, replace, e);
    }
    (void)!file_remove(s->dir, temporary);
    return done;
}

status key_file_export(const char *path, const nkey *k, err *e) {
    auto_fd fd = -1;
    int failed = private_file_create(AT_FDCWD, path, &fd);
    if (failed == EEXIST) {
        return err_set(e, STATUS_EXISTS, "%s exists already, and a key is not written over it", path);
    }
    if (failed != 0) {
        return err_set_errno(e, failed, path);
    }
    status done = write_content(fd, k, slice_empty(), e);
    if (done != STATUS_OK) {
        (void)!file_remove(AT_FDCWD, path);
    }
    return done;
}
