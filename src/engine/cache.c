// SPDX-License-Identifier: Apache-2.0
#include "engine/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/key_file.h"
#include "engine/fingerprint.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/private.h"
#include "os/random.h"

enum {
    TRAILER_BYTES = 96,
    TRAILER_MAC_AT = 64,
    FORMAT_VERSION = 1,
    CHUNK_BYTES = 256 * 1024,
    ENTRIES_MAX = 65536, // of a directory that is looked through for eviction
    NAME_BYTES = HASH_HEX_BYTES + 8,
    ABANDONED_AFTER_S = 3600, // a temporary file whose writer has died
};

static const char magic[8] = {'w', 'r', 'i', 't', 'c', 'o', 'd', 'e'};
static const char suffix[] = ".code";
static const char temporary_prefix[] = "new-";

struct engine_cache {
    int dir;
    uint8_t key[HASH_KEY_BYTES];
    char fingerprint[ENGINE_FINGERPRINT_BYTES];
    uint64_t bytes_max;
    void (*report)(void *context, const char *text);
    void *context;
    uint8_t chunk[CHUNK_BYTES];
};

status engine_cache_open(const engine_cache_options *options, engine_cache **ret, err *e) {
    engine_cache *c = MEM_NEW(engine_cache);
    c->dir = -1;
    c->bytes_max = options->bytes_max;
    c->report = options->report;
    c->context = options->context;
    engine_fingerprint(options->engine, c->fingerprint);
    status s = private_directory_open(options->directory, &c->dir, e);
    if (s == STATUS_OK) {
        s = key_file_load(c->dir, "key", c->key, e);
    }
    if (s != STATUS_OK) {
        engine_cache_close(c);
        return err_wrap(e, "cache of compiled code in %s", options->directory);
    }
    *ret = c;
    return STATUS_OK;
}

void engine_cache_close(engine_cache *c) {
    if (c == NULL) {
        return;
    }
    fd_close(c->dir);
    key_wipe(c->key);
    mem_free(c);
}

// --- names and trailers -----------------------------------------------------------------------------------

typedef struct entry {
    uint8_t hash[HASH_BYTES];
    char name[NAME_BYTES];
} entry;

static entry entry_of(const engine_cache *c, slice wasm) {
    entry x;
    slice parts[] = {slice_of(magic, sizeof magic), slice_of(c->fingerprint, strlen(c->fingerprint) + 1),
                     wasm};
    hash_sha256(parts, sizeof parts / sizeof parts[0], x.hash);
    char hex[HASH_HEX_BYTES];
    hash_hex(x.hash, hex);
    snprintf(x.name, sizeof x.name, "%s%s", hex, suffix);
    return x;
}

static void put_le(uint8_t *to, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        to[i] = (uint8_t)(value >> (8 * i));
    }
}

// Everything but the hash.
static void trailer_fill(uint8_t trailer[TRAILER_BYTES], const entry *x, uint64_t artifact_bytes) {
    memset(trailer, 0, TRAILER_BYTES);
    memcpy(trailer, magic, sizeof magic);
    put_le(trailer + 8, FORMAT_VERSION, 4);
    put_le(trailer + 16, artifact_bytes, 8);
    memcpy(trailer + 24, x->hash, HASH_BYTES);
}

static void cache_report(const engine_cache *c, const char *name, const char *why) {
    if (c->report != NULL) {
        char text[256];
        snprintf(text, sizeof text, "compiled code %s is not used: %s; compiling it again", name, why);
        c->report(c->context, text);
    }
}

// --- finding ----------------------------------------------------------------------------------------------

// NULL when the file is what we wrote, otherwise what is wrong with it.
static const char *file_fault(engine_cache *c, int fd, const entry *x) {
    file_info info;
    if (!private_file_is_ours(fd, false)) {
        return "it belongs to another user or others may write to it";
    }
    if (file_info_of(fd, &info) != 0 || info.size < TRAILER_BYTES) {
        return "it is too short";
    }
    uint64_t artifact_bytes = info.size - TRAILER_BYTES;
    uint8_t expected[TRAILER_BYTES];
    trailer_fill(expected, x, artifact_bytes);
    hash_keyed_state hash;
    hash_keyed_begin(&hash, c->key);
    for (uint64_t at = 0; at < artifact_bytes;) {
        uint64_t rest = artifact_bytes - at;
        size_t want = rest < CHUNK_BYTES ? (size_t)rest : CHUNK_BYTES;
        size_t got = 0;
        if (fd_read_at(fd, c->chunk, want, at, &got, NULL) != STATUS_OK || got != want) {
            return "it cannot be read";
        }
        hash_keyed_add(&hash, slice_of(c->chunk, got));
        at += got;
    }
    hash_keyed_add(&hash, slice_of(expected, TRAILER_MAC_AT));
    hash_keyed_end(&hash, expected + TRAILER_MAC_AT);
    uint8_t trailer[TRAILER_BYTES];
    size_t got = 0;
    if (fd_read_at(fd, trailer, sizeof trailer, artifact_bytes, &got, NULL) != STATUS_OK ||
        got != sizeof trailer || memcmp(trailer, expected, TRAILER_MAC_AT) != 0) {
        return "its trailer is not one of this version";
    }
    return hash_equal(trailer + TRAILER_MAC_AT, expected + TRAILER_MAC_AT)
               ? NULL
               : "its contents are not what was written";
}

status engine_cache_find(engine_cache *c, slice wasm, int *ret_fd, err *e) {
    entry x = entry_of(c, wasm);
    auto_fd fd = -1;
    int failed = file_open_component(c->dir, x.name, O_RDONLY, &fd);
    if (failed != 0) {
        if (failed != ENOENT) {
            cache_report(c, x.name, strerror(failed));
        }
        return err_set(e, STATUS_NOT_FOUND, "no compiled code in the cache");
    }
    const char *fault = file_fault(c, fd, &x);
    if (fault != NULL) {
        cache_report(c, x.name, fault);
        (void)!file_remove(c->dir, x.name);
        return err_set(e, STATUS_NOT_FOUND, "no valid compiled code in the cache");
    }
    file_times now = {.access_mode = FILE_TIME_NOW, .modify_mode = FILE_TIME_NOW}; // for eviction
    (void)!file_set_times(fd, &now);
    *ret_fd = fd;
    fd = -1;
    return STATUS_OK;
}

// --- storing ----------------------------------------------------------------------------------------------

static status file_write_entry(engine_cache *c, int fd, const entry *x, slice artifact, err *e) {
    uint8_t trailer[TRAILER_BYTES];
    trailer_fill(trailer, x, artifact.len);
    slice parts[] = {artifact, slice_of(trailer, TRAILER_MAC_AT)};
    hash_keyed(c->key, parts, 2, trailer + TRAILER_MAC_AT);
    TRY(fd_write_all(fd, artifact, e));
    return fd_write_all(fd, slice_of(trailer, sizeof trailer), e);
}

typedef struct stored {
    char name[NAME_BYTES];
    file_time modified;
    uint64_t bytes;
} stored;

static int stored_older_first(const void *a, const void *b) {
    const file_time *x = &((const stored *)a)->modified;
    const file_time *y = &((const stored *)b)->modified;
    if (x->seconds != y->seconds) {
        return x->seconds < y->seconds ? -1 : 1;
    }
    return x->nanoseconds < y->nanoseconds ? -1 : x->nanoseconds > y->nanoseconds;
}

static bool is_entry_name(const char *name) {
    size_t len = strlen(name);
    return len == HASH_HEX_BYTES - 1 + sizeof suffix - 1 && strcmp(name + HASH_HEX_BYTES - 1, suffix) == 0;
}

static void remove_abandoned(engine_cache *c, const char *name) {
    file_info info;
    int64_t now_s = (int64_t)clock_wall_now().seconds;
    if (strncmp(name, temporary_prefix, sizeof temporary_prefix - 1) == 0 &&
        file_info_at(c->dir, name, &info) == 0 && info.modified.seconds < now_s - ABANDONED_AFTER_S) {
        (void)!file_remove(c->dir, name);
    }
}

// The files of the directory; also clears away what writers have left behind.
static stored *directory_read(engine_cache *c, size_t *ret_count, uint64_t *ret_bytes) {
    size_t capacity = 64;
    size_t count = 0;
    uint64_t bytes = 0;
    stored *list = mem_calloc(capacity, sizeof *list);
    auto_fd fd = -1;
    file_listing *l = MEM_NEW(file_listing);
    file_entry x = {0};
    bool is_open = file_open_component(c->dir, ".", O_RDONLY | O_DIRECTORY, &fd) == 0;
    while (is_open && count < ENTRIES_MAX && file_next_entry(fd, l, &x) == 0 && x.name != NULL) {
        file_info info;
        if (!is_entry_name(x.name) || file_info_at(c->dir, x.name, &info) != 0) {
            remove_abandoned(c, x.name);
            continue;
        }
        if (count == capacity) {
            capacity *= 2;
            list = mem_resize(list, capacity * sizeof *list);
        }
        stored *s = &list[count++];
        snprintf(s->name, sizeof s->name, "%s", x.name);
        s->modified = info.modified;
        s->bytes = info.size;
        bytes += info.size;
    }
    mem_free(l);
    *ret_count = count;
    *ret_bytes = bytes;
    return list;
}

// Other processes may do the same at the same time: then a file is gone already, and that is fine.
static void cache_evict(engine_cache *c, const char *keep) {
    size_t count = 0;
    uint64_t bytes = 0;
    stored *list = directory_read(c, &count, &bytes);
    qsort(list, count, sizeof *list, stored_older_first);
    for (size_t i = 0; i < count && bytes > c->bytes_max; i++) {
        if (strcmp(list[i].name, keep) != 0) {
            (void)!file_remove(c->dir, list[i].name);
            bytes -= list[i].bytes;
        }
    }
    mem_free(list);
}

static status entry_create(engine_cache *c, const entry *x, slice artifact, const char *temporary,
                           int *ret_fd, err *e) {
    auto_fd fd = -1;
    int failed = private_file_create(c->dir, temporary, &fd);
    if (failed != 0) {
        return err_set_errno(e, failed, "make a file");
    }
    TRY(file_write_entry(c, fd, x, artifact, e));
    failed =
        file_open_component(c->dir, temporary, O_RDONLY, ret_fd); // the one that is handed out cannot write
    return failed == 0 ? STATUS_OK : err_set_errno(e, failed, "open a file");
}

status engine_cache_store(engine_cache *c, slice wasm, slice artifact, int *ret_fd, err *e) {
    entry x = entry_of(c, wasm);
    char temporary[NAME_BYTES];
    snprintf(temporary, sizeof temporary, "%s%016" PRIx64, temporary_prefix, random_u64());
    auto_fd fd = -1;
    status s = entry_create(c, &x, artifact, temporary, &fd, e);
    if (s == STATUS_OK) {
        int failed = file_rename(c->dir, temporary, c->dir, x.name);
        s = failed == 0 ? STATUS_OK : err_set_errno(e, failed, "rename a file");
    }
    if (s != STATUS_OK) {
        (void)!file_remove(c->dir, temporary);
        return err_wrap(e, "keep compiled code in the cache");
    }
    cache_evict(c, x.name);
    *ret_fd = fd;
    fd = -1;
    return STATUS_OK;
}
