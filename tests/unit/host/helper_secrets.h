// SPDX-License-Identifier: Apache-2.0
// A backend of secrets that answers soon, as its switches say: the value of KEY is "value of KEY".
#pragma once

#include <stdio.h>
#include <string.h>

#include "secrets/backend.h"
#include "test.h"

typedef struct double_backend {
    secret_backend base; // first
    loop_soon soon;
    loop *l;
    secret_batch *batch;
    int batches;
    status code; // of every secret
    uint64_t version;
    uint64_t until_s;
    const char *value; // instead of "value of KEY"
} double_backend;

static inline status double_attach(secret_backend *b, loop *l, err *e) {
    (void)e;
    ((double_backend *)b)->l = l;
    return STATUS_OK;
}

static inline void double_detach(secret_backend *b) { loop_soon_cancel(&((double_backend *)b)->soon); }
static inline void double_free(secret_backend *b) { (void)b; }

static inline void double_fill(const double_backend *d, secret_fetch *f) {
    char text[64];
    f->code = d->code;
    if (d->code != STATUS_OK) {
        err_set(&f->e, d->code, "no %s", f->key);
        return;
    }
    snprintf(text, sizeof text, "%s%s", d->value == NULL ? "value of " : d->value,
             d->value == NULL ? f->key : "");
    f->value = (secret_value){.kind = SECRET_TEXT, .version = d->version, .until_s = d->until_s};
    EXPECT_OK(secret_new(strlen(text), &f->value.bytes, NULL));
    memcpy(f->value.bytes.data, text, f->value.bytes.len);
}

static inline void double_answer(void *arg) {
    double_backend *d = arg;
    d->batches++;
    for (size_t i = 0; i < d->batch->count; i++) {
        double_fill(d, &d->batch->items[i]);
    }
    d->batch->done(d->batch->arg);
}

static inline void double_fetch(secret_backend *b, secret_batch *batch) {
    double_backend *d = (double_backend *)b;
    d->batch = batch;
    loop_soon_init(&d->soon, double_answer, d);
    loop_soon_add(d->l, &d->soon);
}

static inline void double_backend_init(double_backend *d) {
    static const secret_backend_ops ops = {double_attach, double_detach, double_fetch, double_free};
    *d = (double_backend){.base.ops = &ops, .version = 1};
}
