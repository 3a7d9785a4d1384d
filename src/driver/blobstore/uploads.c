// SPDX-License-Identifier: Apache-2.0
// The uploads of one link. Their names are random, so that who was not told one cannot write to it.
#include "base/check.h"
#include "driver/blobstore/blobstore.h"
#include "os/random.h"

void blobstore_uploads_init(blobstore_uploads *t, loop *l, const blobstore_limits *limits,
                            void (*expired)(void *arg, blobstore_upload *u), void *arg) {
    *t = (blobstore_uploads){.l = l, .limits = limits, .expired = expired, .arg = arg};
    list_init(&t->items);
}

static void on_idle(void *arg) {
    blobstore_upload *u = arg;
    blobstore_uploads *t = u->owner;
    blobstore_uploads_remove(u);
    t->expired(t->arg, u);
}

bool blobstore_uploads_add(blobstore_uploads *t, blobstore_upload *u) {
    static const char letters[] = "0123456789abcdefghijklmnopqrstuv"; // 5 bits each
    if (t->count >= t->limits->uploads_max) {
        return false;
    }
    random_fill(u->name, BLOBSTORE_UPLOAD_BYTES);
    for (size_t i = 0; i < BLOBSTORE_UPLOAD_BYTES; i++) {
        u->name[i] = letters[(uint8_t)u->name[i] % 32];
    }
    u->name[BLOBSTORE_UPLOAD_BYTES] = '\0';
    u->owner = t;
    u->bytes = 0;
    u->is_busy = u->is_doomed = false;
    list_push_back(&t->items, &u->node);
    t->count++;
    loop_timer_init(&u->idle, t->l, on_idle, u);
    loop_timer_start_in(&u->idle, t->limits->upload_idle_ns);
    return true;
}

void blobstore_uploads_remove(blobstore_upload *u) {
    if (u->owner != NULL) {
        loop_timer_stop(&u->idle);
        list_remove(&u->node);
        u->owner->count--;
        u->owner = NULL;
    }
}

static blobstore_upload *find(const blobstore_uploads *t, slice name) {
    for (list_node *n = t->items.next; n != &t->items; n = n->next) {
        blobstore_upload *u = LIST_ENTRY(n, blobstore_upload, node);
        if (slice_equal_text(name, u->name)) {
            return u;
        }
    }
    return NULL;
}

static bool fits(const blobstore_uploads *t, const blobstore_upload *u, const blobstore_call *c,
                 blobstore_error *ret_problem) {
    *ret_problem = BLOBSTORE_NO_UPLOAD;
    if (c->step == BLOBSTORE_APPEND && c->offset == u->bytes &&
        c->bytes.len > t->limits->object_bytes_max - u->bytes) {
        *ret_problem = BLOBSTORE_TOO_LARGE;
        return false;
    }
    return c->step == BLOBSTORE_ABORT || c->offset == u->bytes;
}

blobstore_upload *blobstore_uploads_begin_step(blobstore_uploads *t, blobstore_request *q) {
    blobstore_upload *u = find(t, q->call.upload);
    blobstore_error problem = BLOBSTORE_NO_UPLOAD;
    if (u != NULL && u->is_busy && q->call.step == BLOBSTORE_ABORT) {
        u->is_doomed = true;
        blobstore_reply(q, &(blobstore_answer){0});
        return NULL;
    }
    if (u == NULL || u->is_busy || u->is_doomed) {
        blobstore_reply_error(q, problem);
        return NULL;
    }
    if (!fits(t, u, &q->call, &problem)) {
        blobstore_uploads_remove(u);
        blobstore_reply_error(q, problem);
        t->expired(t->arg, u);
        return NULL;
    }
    u->is_busy = true;
    loop_timer_stop(&u->idle);
    return u;
}

void blobstore_uploads_end_step(blobstore_upload *u, uint64_t added) {
    blobstore_uploads *t = u->owner;
    CHECK(u->is_busy && t != NULL);
    u->is_busy = false;
    u->bytes += added;
    if (u->is_doomed) {
        blobstore_uploads_remove(u);
        t->expired(t->arg, u);
        return;
    }
    loop_timer_start_in(&u->idle, t->limits->upload_idle_ns);
}

blobstore_upload *blobstore_uploads_take(blobstore_uploads *t) {
    for (list_node *n = t->items.next; n != &t->items; n = n->next) {
        blobstore_upload *u = LIST_ENTRY(n, blobstore_upload, node);
        if (!u->is_busy) {
            blobstore_uploads_remove(u);
            return u;
        }
    }
    return NULL;
}
