// SPDX-License-Identifier: Apache-2.0
// Compiled code on disk. What it returns is as trustworthy as what the compiler made: an artifact is native
// code, so every file is authenticated with a key that only this user has (<directory>/key), and a file that
// is damaged, foreign or not ours is reported, removed and treated as absent.
//
// File `<name>.code`, where name = SHA-256(format, engine/fingerprint.h, WebAssembly): the artifact as the
// engine wrote it (the engine maps the file, so it stands first), then a trailer of 96 bytes, integers
// little-endian:
//     0  8  "writcode"
//     8  4  format version, 1
//    12  4  zero
//    16  8  length of the artifact
//    24 32  name
//    56  8  zero
//    64 32  BLAKE2b-256 with the key, over the artifact and the trailer up to here
//
// Several processes may use one directory. Files are written under another name and renamed, never changed,
// so a mapping of one stays valid when it is replaced or evicted. Not thread-safe.
#pragma once

#include "engine/engine.h"

typedef struct engine_cache engine_cache;

typedef struct engine_cache_options {
    const char *directory;        // made when missing; must be ours and writable by nobody else
    const engine_options *engine; // with its level chosen
    uint64_t bytes_max;           // of all files; the least recently used go first
    // A file was refused, or could not be written: a sentence for the log. May be NULL.
    void (*report)(void *context, const char *text);
    void *context;
} engine_cache_options;

status engine_cache_open(const engine_cache_options *options, engine_cache **ret, err *e) WRIT_MUST_USE;
void engine_cache_close(engine_cache *c); // accepts NULL

// The verified file of this module, for engine_module_load_fd; the caller closes it. STATUS_NOT_FOUND when it
// must be compiled.
status engine_cache_find(engine_cache *c, slice wasm, int *ret_fd, err *e) WRIT_MUST_USE;

// Keeps an artifact that the compiler of this host made from `wasm`, and returns its file like
// engine_cache_find.
status engine_cache_store(engine_cache *c, slice wasm, slice artifact, int *ret_fd, err *e) WRIT_MUST_USE;
