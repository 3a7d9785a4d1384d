// SPDX-License-Identifier: Apache-2.0
#include "loop/mailbox.h"

#include <pthread.h>

#include "base/check.h"
#include "base/mem.h"
#include "loop/loop_internal.h"

struct loop_mailbox {
    uv_async_t wake; // first, so that libuv's pointer is ours
    loop_mailbox_callback fn;
    void *arg;
    pthread_mutex_t lock; // guards the rest
    size_t capacity;
    size_t first;
    size_t count;
    void *messages[];
};

static bool take(loop_mailbox *m, void **ret) {
    pthread_mutex_lock(&m->lock);
    bool any = m->count > 0;
    if (any) {
        *ret = m->messages[m->first];
        m->first = (m->first + 1) % m->capacity;
        m->count--;
    }
    pthread_mutex_unlock(&m->lock);
    return any;
}

// At most as many as it holds, so that busy senders cannot keep the loop here. The callback must not free the
// mailbox before the last message; after it, nothing here is touched.
static void on_posted(uv_async_t *wake) {
    loop_mailbox *m = (loop_mailbox *)wake;
    size_t capacity = m->capacity;
    void *message = NULL;
    for (size_t i = 0; i < capacity && !uv_is_closing((uv_handle_t *)wake) && take(m, &message); i++) {
        m->fn(m->arg, message);
    }
    if (!uv_is_closing((uv_handle_t *)wake)) {
        pthread_mutex_lock(&m->lock);
        bool more = m->count > 0;
        pthread_mutex_unlock(&m->lock);
        if (more) {
            uv_async_send(&m->wake);
        }
    }
}

status loop_mailbox_new(loop *l, size_t messages_max, loop_mailbox_callback fn, void *arg, loop_mailbox **ret,
                        err *e) {
    CHECK(messages_max > 0 && messages_max <= LOOP_MAILBOX_MESSAGES_MAX);
    loop_mailbox *m = mem_zalloc(sizeof *m + messages_max * sizeof(void *));
    int failed = uv_async_init(&l->uv, &m->wake, on_posted);
    if (failed != 0) {
        mem_free(m);
        return loop_err_uv(e, failed, "mailbox");
    }
    pthread_mutex_init(&m->lock, NULL);
    m->fn = fn;
    m->arg = arg;
    m->capacity = messages_max;
    *ret = m;
    return STATUS_OK;
}

static void on_closed(uv_handle_t *handle) {
    loop_mailbox *m = (loop_mailbox *)handle;
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

void loop_mailbox_free(loop_mailbox *m, void (*discard)(void *message)) {
    if (m == NULL) {
        return;
    }
    for (void *message; take(m, &message);) {
        if (discard != NULL) {
            discard(message);
        }
    }
    uv_close((uv_handle_t *)&m->wake, on_closed);
}

bool loop_mailbox_post(loop_mailbox *m, void *message) {
    pthread_mutex_lock(&m->lock);
    bool fits = m->count < m->capacity;
    if (fits) {
        m->messages[(m->first + m->count) % m->capacity] = message;
        m->count++;
        uv_async_send(&m->wake); // with the lock held, so that the mailbox cannot be gone
    }
    pthread_mutex_unlock(&m->lock);
    return fits;
}
