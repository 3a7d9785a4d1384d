// SPDX-License-Identifier: Apache-2.0
// Where the values of secrets are kept: the sealed store of this machine, mounted files, a server. The host
// fetches from there when it starts, and again from time to time; nobody waits for a backend in between.
//
// The rules of a backend
// - It lives on one loop at a time. What blocks runs on loop/work.h; connections come from a connector.
// - A batch ends once, and by its deadline where somebody else is asked. One batch is on its way at a time.
// - Values go into locked memory at once. No message has one.
// - What it cannot have is STATUS_NOT_FOUND, for one secret: there is no such name, field or version, or its
//   time is over. Anything else (STATUS_DENIED, STATUS_CLOSED, STATUS_TIMEOUT, STATUS_INVALID, STATUS_IO)
//   says nothing about whether it is there.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "identity/secret_source.h"
#include "loop/loop.h"

typedef struct secret_fetch { // one secret
    const char *key;
    const char *field;   // NULL = the only one
    const char *version; // NULL = the newest
    // Filled by the backend.
    status code;
    secret_value value; // with STATUS_OK
    err e;
} secret_fetch;

typedef struct secret_batch { // the asker's, in place and unchanged until `done` was called
    secret_fetch *items;
    size_t count;
    uint64_t now_s;
    bool is_whole;     // all are wanted, also when nothing has changed since the last batch
    bool is_unchanged; // by the backend: what the last batch gave is right still, and no item was filled
    // From the loop, once, never from inside `fetch`.
    void (*done)(void *arg);
    void *arg;
} secret_batch;

typedef struct secret_backend secret_backend;

typedef struct secret_backend_ops {
    // From now on it lives on this loop; one that lived on another one was detached.
    status (*attach)(secret_backend *b, loop *l, err *e);
    // The batch that is on its way will not be done. May turn the loop, to wait for a thread.
    void (*detach)(secret_backend *b);
    void (*fetch)(secret_backend *b, secret_batch *batch);
    void (*free)(secret_backend *b); // when detached
} secret_backend_ops;

// Implementations begin with this.
struct secret_backend {
    const secret_backend_ops *ops;
};

static inline void secret_backend_free(secret_backend *b) {
    if (b != NULL) {
        b->ops->free(b);
    }
}

// Every item ends alike.
void secret_batch_fail(secret_batch *b, status code, const char *message);
