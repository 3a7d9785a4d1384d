// SPDX-License-Identifier: Apache-2.0
// 72 bytes: "WRITSEEN", u64 1, generation, identity of the store, and what authenticates them.
#include <stdio.h>

#include "identity/secret_store_internal.h"
#include "os/fd.h"
#include "os/guarded.h"
#include "os/private.h"

enum { AT_GENERATION = 16, AT_ID = 24, AT_PROOF = 40 };

static const uint8_t magic[AT_GENERATION] = {'W', 'R', 'I', 'T', 'S', 'E', 'E', 'N', 1};

_Static_assert(AT_PROOF + HASH_BYTES == sizeof((secret_seen *)0)->bytes, "the layout");

// "key.seen"; a store under a passphrase has no key, but the mark all the same.
static void seen_name(const secret_store *s, char *ret, size_t size) {
    snprintf(ret, size, "%s.seen", s->key_name);
}

static void prove(const secret_store *s, const uint8_t *bytes, uint8_t ret[HASH_BYTES]) {
    slice part = slice_of(bytes, AT_PROOF);
    hash_keyed(s->keys.seen, &part, 1, ret);
}

static uint64_t generation_of(const uint8_t *bytes) {
    uint64_t n = 0;
    for (size_t i = 8; i > 0; i--) {
        n = n << 8 | bytes[AT_GENERATION + i - 1];
    }
    return n;
}

status secret_seen_read(const secret_store *s, secret_seen *ret, err *e) {
    char name[SECRET_PATH_SIZE], shown[SECRET_PATH_SIZE];
    auto_fd fd = -1;
    secret_seen seen = {.exists = true};
    uint8_t more[sizeof seen.bytes + 1];
    size_t len = 0;
    seen_name(s, name, sizeof name);
    snprintf(shown, sizeof shown, "%s.seen", s->key_path);
    *ret = (secret_seen){0};
    status opened = private_secret_open(s->key_dir, name, shown, &fd, e);
    if (opened == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    TRY(opened);
    TRY(fd_read_at(fd, more, sizeof more, 0, &len, e));
    if (len != sizeof seen.bytes || memcmp(more, magic, sizeof magic) != 0) {
        return err_set(e, STATUS_INVALID,
                       "%s is damaged; remove it if you are sure that the secrets are yours", shown);
    }
    memcpy(seen.bytes, more, sizeof seen.bytes);
    seen.generation = generation_of(seen.bytes);
    memcpy(seen.id, seen.bytes + AT_ID, sizeof seen.id);
    *ret = seen;
    return STATUS_OK;
}

status secret_seen_check(const secret_store *s, const secret_seen *seen, const secret_file *f, err *e) {
    uint8_t proof[HASH_BYTES];
    if (!seen->exists) {
        return STATUS_OK;
    }
    prove(s, seen->bytes, proof);
    if (!hash_equal(proof, seen->bytes + AT_PROOF)) {
        return err_set(e, STATUS_DENIED,
                       "%s.seen was not written with this key; remove it if you are sure that the secrets "
                       "are yours",
                       s->key_path);
    }
    if (memcmp(seen->id, f->id, sizeof f->id) != 0) {
        return err_set(e, STATUS_DENIED,
                       "the secrets in %s are not those that were written with this key before; remove "
                       "%s.seen if that is right",
                       s->path, s->key_path);
    }
    if (seen->generation > f->generation) {
        return err_set(e, STATUS_DENIED,
                       "the secrets in %s are an older copy: change %llu, and change %llu was written here; "
                       "remove %s.seen if you put the copy there",
                       s->path, (unsigned long long)f->generation, (unsigned long long)seen->generation,
                       s->key_path);
    }
    return STATUS_OK;
}

status secret_seen_write(const secret_store *s, const secret_file *f, err *e) {
    char name[SECRET_PATH_SIZE];
    uint8_t bytes[AT_PROOF + HASH_BYTES];
    seen_name(s, name, sizeof name);
    memcpy(bytes, magic, sizeof magic);
    for (size_t i = 0; i < 8; i++) {
        bytes[AT_GENERATION + i] = (uint8_t)(f->generation >> 8 * i);
    }
    memcpy(bytes + AT_ID, f->id, sizeof f->id);
    prove(s, bytes, bytes + AT_PROOF);
    return guarded_replace(s->key_dir, name, slice_of(bytes, sizeof bytes), e) == STATUS_OK
               ? STATUS_OK
               : err_wrap(e, "the secrets were written, but not the mark %s.seen", s->key_path);
}
