// SPDX-License-Identifier: Apache-2.0
// The trust store on disk. Readers take no lock: each file is always whole, old or new. Writers hold a lock
// and compare what is there with what they loaded.
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "identity/trust_internal.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/guarded.h"
#include "os/path.h"
#include "os/private.h"
#include "os/whole_file.h"

enum { PATH_BYTES_MAX = 4096, NOTE_ATTEMPTS_MAX = 5 };

static const char lists_name[] = "revocations";
static const char list_ending[] = ".jwt";
enum { LIST_ENDING_LEN = sizeof list_ending - 1, LIST_NAME_LEN = NKEY_PUBLIC_TEXT_LEN + LIST_ENDING_LEN };

typedef struct place {
    char directory[PATH_BYTES_MAX];
    char lists[PATH_BYTES_MAX];
    const char *name; // of the file in it
} place;

static status find_place(const char *path, place *ret, err *e) {
    if (strlen(path) + LIST_NAME_LEN + sizeof lists_name + 2 > PATH_BYTES_MAX ||
        !path_split(path, ret->directory, sizeof ret->directory, &ret->name) || ret->name[0] == '\0') {
        return err_set(e, STATUS_INVALID, "\"%.80s\" is no path of a trust store; name a file", path);
    }
    snprintf(ret->lists, sizeof ret->lists, "%.*s/%s", PATH_BYTES_MAX - 16, ret->directory, lists_name);
    return STATUS_OK;
}

// --- loading -----------------------------------------------------------------------------------------------

// The file's bytes; not there is STATUS_NOT_FOUND and nothing else.
static status read_file(const char *path, buf *ret, err *e) {
    return file_read_trusted(path, TRUST_BYTES_MAX, ret, e);
}

static status load_file(const char *path, trust_store *s, err *e) {
    auto_buf text = {0};
    status result = read_file(path, &text, e);
    if (result != STATUS_OK) {
        return result == STATUS_NOT_FOUND ? STATUS_OK : result;
    }
    slice bytes = buf_slice(&text);
    hash_sha256(&bytes, 1, s->digest);
    s->was_there = true;
    return trust_read_document(bytes, path, s, e);
}

static status load_list(const char *path, const char *name, trust_store *s, err *e) {
    auto_buf bytes = {0};
    TRY(file_read_trusted(path, TOKEN_BYTES_MAX + 2, &bytes, e));
    slice text = arena_copy(&s->memory, slice_trimmed(buf_slice(&bytes)));
    if (text.data == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for %s", path);
    }
    token_claims c;
    refusal why;
    if (trust_read_list(text, &s->memory, &c, &why, e) != STATUS_OK) {
        return err_wrap(e, "revocation list %s", path);
    }
    nkey_text issuer = nkey_public_text(&c.issuer);
    if (memcmp(issuer.text, name, NKEY_PUBLIC_TEXT_LEN) != 0) {
        return err_set(e, STATUS_INVALID, "%s is the revocation list of %s; name it %s%s", path, issuer.text,
                       issuer.text, list_ending);
    }
    if (trust_append_list(s, &c, text, false) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "there are more than %d revocation lists", TRUST_LISTS_MAX);
    }
    return STATUS_OK;
}

static status load_entry(const place *p, const char *name, trust_store *s, err *e) {
    if (name[0] == '.') { // the directory itself, its parent, a list that is being written
        return STATUS_OK;
    }
    if (strlen(name) != LIST_NAME_LEN || strcmp(name + NKEY_PUBLIC_TEXT_LEN, list_ending) != 0) {
        return err_set(e, STATUS_INVALID,
                       "%s/%.80s: only revocation lists belong here, named ISSUER%s; remove it", p->lists,
                       name, list_ending);
    }
    char path[2 * PATH_BYTES_MAX];
    snprintf(path, sizeof path, "%s/%s", p->lists, name);
    return load_list(path, name, s, e);
}

static status load_lists(const place *p, trust_store *s, err *e) {
    auto_fd dir = -1;
    status result = guarded_directory_open(p->lists, &dir, e);
    if (result != STATUS_OK) {
        return result == STATUS_NOT_FOUND ? STATUS_OK : result;
    }
    file_listing listing = {0};
    for (;;) {
        file_entry entry;
        int number = file_next_entry(dir, &listing, &entry);
        if (number != 0) {
            return err_set_errno(e, number, p->lists);
        }
        if (entry.name == NULL) {
            return STATUS_OK;
        }
        TRY(load_entry(p, entry.name, s, e));
    }
}

static status load(const char *path, trust_store *s, err *e) {
    place p;
    TRY(find_place(path, &p, e));
    auto_fd dir = -1;
    status result = guarded_directory_open(p.directory, &dir, e);
    if (result != STATUS_OK) {
        return result == STATUS_NOT_FOUND ? STATUS_OK : result;
    }
    TRY(load_file(path, s, e));
    return load_lists(&p, s, e);
}

status trust_store_load(const char *path, trust_store **ret, err *e) {
    trust_store *s = trust_store_new();
    status result = load(path, s, e);
    if (result != STATUS_OK) {
        trust_store_free(s);
        return result;
    }
    if (e != NULL) {
        err_clear(e);
    }
    *ret = s;
    return STATUS_OK;
}

// --- saving ------------------------------------------------------------------------------------------------

static status changed_meanwhile(const char *path, err *e) {
    return err_set(e, STATUS_EXISTS,
                   "%s was changed by somebody else since it was read; nothing was written: try again", path);
}

static status check_unchanged(const trust_store *s, const char *path, err *e) {
    auto_buf text = {0};
    err ignored = {0};
    status result = read_file(path, &text, &ignored);
    if (result == STATUS_NOT_FOUND) {
        return s->was_there ? changed_meanwhile(path, e) : STATUS_OK;
    }
    if (result != STATUS_OK) {
        return err_set(e, ignored.code, "%s", ignored.message);
    }
    uint8_t digest[HASH_BYTES];
    slice bytes = buf_slice(&text);
    hash_sha256(&bytes, 1, digest);
    return s->was_there && hash_equal(digest, s->digest) ? STATUS_OK : changed_meanwhile(path, e);
}

// Another process may have stored a newer list of this issuer.
static status check_list_is_newest(const char *path, const token_claims *c, err *e) {
    auto_buf bytes = {0};
    err ignored = {0};
    status result = file_read_trusted(path, TOKEN_BYTES_MAX + 2, &bytes, &ignored);
    if (result == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (result != STATUS_OK) {
        return err_set(e, ignored.code, "%s", ignored.message);
    }
    auto_arena memory;
    arena_init(&memory, TRUST_MEMORY_BYTES_MAX);
    token_claims there;
    refusal why;
    TRY(trust_read_list(slice_trimmed(buf_slice(&bytes)), &memory, &there, &why, e));
    return there.revocation_number < c->revocation_number ? STATUS_OK : changed_meanwhile(path, e);
}

static status save_list(const place *p, int dir, const trust_list *list, err *e) {
    char name[LIST_NAME_LEN + 1], path[2 * PATH_BYTES_MAX];
    snprintf(name, sizeof name, "%s%s", nkey_public_text(&list->claims.issuer).text, list_ending);
    snprintf(path, sizeof path, "%s/%s", p->lists, name);
    TRY(check_list_is_newest(path, &list->claims, e));
    auto_buf text;
    buf_init(&text, TOKEN_BYTES_MAX + 2);
    if (buf_append(&text, list->text) != STATUS_OK || buf_append_byte(&text, '\n') != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "revocation list %s is too large", path);
    }
    return guarded_replace(dir, name, buf_slice(&text), e);
}

static status save_lists(const place *p, trust_store *s, err *e) {
    auto_fd dir = -1;
    for (size_t i = 0; i < s->list_count; i++) {
        if (s->lists[i].is_changed) {
            if (dir < 0) {
                TRY(private_directory_open(p->lists, &dir, e));
            }
            TRY(save_list(p, dir, &s->lists[i], e));
            s->lists[i].is_changed = false;
        }
    }
    return STATUS_OK;
}

static status save_file(const place *p, int dir, trust_store *s, const char *path, err *e) {
    auto_buf text;
    buf_init(&text, TRUST_BYTES_MAX);
    TRY(trust_write_document(s, &text, e));
    slice bytes = buf_slice(&text);
    if (guarded_replace(dir, p->name, bytes, e) != STATUS_OK) {
        return err_wrap(e, "trust store %s", path);
    }
    hash_sha256(&bytes, 1, s->digest);
    s->was_there = true;
    s->is_changed = false;
    return STATUS_OK;
}

status trust_store_save(trust_store *s, const char *path, err *e) {
    place p;
    TRY(find_place(path, &p, e));
    auto_fd dir = -1, lock = -1;
    status result = guarded_directory_open(p.directory, &dir, e);
    if (result == STATUS_NOT_FOUND) {
        result = private_directory_open(p.directory, &dir, e);
    }
    TRY(result);
    if (guarded_lock(dir, p.name, &lock, e) != STATUS_OK) {
        return err_wrap(e, "trust store %s", path);
    }
    TRY(check_unchanged(s, path, e));
    TRY(save_lists(&p, s, e));
    return s->is_changed || !s->was_there ? save_file(&p, dir, s, path, e) : STATUS_OK;
}

// --- the ratchet -------------------------------------------------------------------------------------------

static status raise_minimum(const char *path, const trust_minimum *m, bool *ret_raised, err *e) {
    trust_store *s;
    TRY(trust_store_load(path, &s, e));
    const trust_minimum *before = trust_store_minimum_of(s, m);
    status result = STATUS_OK;
    bool is_higher = before == NULL || m->revision > before->revision;
    if (is_higher) {
        result = trust_store_set_minimum(s, m, e);
        if (result == STATUS_OK) {
            result = trust_store_save(s, path, e);
        }
    }
    trust_store_free(s);
    if (result == STATUS_OK) {
        *ret_raised = is_higher;
    }
    return result;
}

status trust_note_revision(const char *path, const trust_answer *answer, const token_claims *claims,
                           bool *ret_raised, err *e) {
    *ret_raised = false;
    trust_minimum m = {claims->subject, claims->has_revision ? claims->revision : 0, true, claims->issuer};
    if (!answer->ratchet || m.revision <= 0) {
        return STATUS_OK; // nothing is below 0
    }
    status result = STATUS_EXISTS;
    for (int i = 0; i < NOTE_ATTEMPTS_MAX && result == STATUS_EXISTS; i++) {
        result = raise_minimum(path, &m, ret_raised, e);
    }
    return result == STATUS_OK ? STATUS_OK : err_wrap(e, "raise the minimum revision");
}
