// SPDX-License-Identifier: Apache-2.0
#include "secrets/sealed.h"

#include "base/mem.h"
#include "secrets/threaded.h"

typedef struct sealed {
    threaded_backend base;
    secret_store *store;
} sealed;

static void get(sealed *s, secret_fetch *f, uint64_t now_s) {
    secret_source source = secret_store_source(s->store);
    f->code = source.get(source.context, f->key, f->field, f->version, now_s, &f->value, &f->e);
}

static void read_store(threaded_backend *t, secret_batch *b) {
    sealed *s = (sealed *)t;
    bool is_new = true;
    err e = {0};
    if (secret_store_refresh(s->store, &is_new, &e) != STATUS_OK) {
        secret_batch_fail(b, e.code == STATUS_NOT_FOUND ? STATUS_IO : e.code, e.message);
        return;
    }
    b->is_unchanged = !is_new && !b->is_whole;
    for (size_t i = 0; !b->is_unchanged && i < b->count; i++) {
        get(s, &b->items[i], b->now_s);
    }
}

static void release(threaded_backend *t) { mem_free(t); }

secret_backend *sealed_backend_new(secret_store *store) {
    sealed *s = MEM_NEW(sealed);
    threaded_backend_init(&s->base, read_store, release);
    s->store = store;
    return &s->base.base;
}
