// SPDX-License-Identifier: Apache-2.0
// One piece of work at a time: it takes all that waits. What it writes belongs to its thread until it is
// done; the list of those who wait for an answer does not.
#include "audit/queue.h"

#include <inttypes.h>

#include "base/check.h"
#include "base/mem.h"
#include "loop/work.h"

typedef struct event {
    list_node node;
    audit_kind kind;
    audit_field fields[AUDIT_FIELDS_MAX]; // texts are in `text`
    size_t field_count;
    size_t bytes;
    status code; // of writing
    err e;
    // Of the loop alone.
    uint64_t id;
    audit_queue_done done; // NULL = nobody waits
    void *arg;
    uint8_t text[];
} event;

struct audit_queue {
    audit *log;
    loop *l;
    loop_work_pool *pool;
    loop_work work;
    list_node waiting;
    list_node writing; // the thread's while `work` is active, but for who waits
    size_t count;      // of both
    size_t bytes;
    uint64_t last_id;
};

status audit_queue_new(audit *a, loop *l, audit_queue **ret, err *e) {
    loop_work_pool *pool = NULL;
    TRY(loop_work_pool_new(l, 1, 0, &pool, e));
    audit_queue *q = MEM_NEW(audit_queue);
    q->log = a;
    q->l = l;
    q->pool = pool;
    list_init(&q->waiting);
    list_init(&q->writing);
    *ret = q;
    return STATUS_OK;
}

void audit_queue_free(audit_queue *q) {
    if (q == NULL) {
        return;
    }
    while (q->count > 0 || !loop_work_pool_is_idle(q->pool)) {
        loop_turn(q->l, true);
    }
    loop_work_pool_free(q->pool);
    mem_free(q);
}

// --- writing, on another thread ----------------------------------------------------------------------------

static void write_all(void *arg) {
    audit_queue *q = arg;
    err why = {0};
    for (list_node *n = q->writing.next; n != &q->writing; n = n->next) {
        event *v = LIST_ENTRY(n, event, node);
        v->code = audit_append(q->log, v->kind, v->fields, v->field_count, &v->e);
    }
    status synced = audit_sync(q->log, &why);
    for (list_node *n = q->writing.next; n != &q->writing && synced != STATUS_OK; n = n->next) {
        event *v = LIST_ENTRY(n, event, node);
        if (v->code == STATUS_OK) {
            v->code = synced;
            v->e = why;
        }
    }
}

// --- on the loop -------------------------------------------------------------------------------------------

static void on_written(void *arg);

static void start(audit_queue *q) {
    list_node *n;
    if (loop_work_is_active(&q->work) || list_empty(&q->waiting)) {
        return;
    }
    while ((n = list_pop_front(&q->waiting)) != NULL) {
        list_push_back(&q->writing, n);
    }
    // The only piece of work, so there is room for it.
    CHECK(loop_work_start(q->pool, &q->work, write_all, on_written, q, NULL) == STATUS_OK);
}

static void on_written(void *arg) {
    audit_queue *q = arg;
    list_node *n;
    list_node ended;
    list_init(&ended);
    while ((n = list_pop_front(&q->writing)) != NULL) {
        list_push_back(&ended, n);
    }
    start(q);
    while ((n = list_pop_front(&ended)) != NULL) {
        event *v = LIST_ENTRY(n, event, node);
        q->count--;
        q->bytes -= v->bytes;
        if (v->done != NULL) {
            v->done(v->arg, v->code, v->code == STATUS_OK ? NULL : &v->e);
        }
        mem_free(v);
    }
}

static event *copy_event(audit_kind kind, const audit_field *fields, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += fields[i].is_number ? 0 : fields[i].text.len;
    }
    event *v = mem_zalloc(sizeof *v + bytes);
    v->kind = kind;
    v->field_count = count;
    v->bytes = sizeof *v + bytes;
    uint8_t *at = v->text;
    for (size_t i = 0; i < count; i++) {
        v->fields[i] = fields[i];
        if (!fields[i].is_number && fields[i].text.len > 0) {
            memcpy(at, fields[i].text.data, fields[i].text.len);
            v->fields[i].text.data = at;
            at += fields[i].text.len;
        }
    }
    return v;
}

status audit_queue_add(audit_queue *q, audit_kind kind, const audit_field *fields, size_t count,
                       audit_queue_done done, void *arg, uint64_t *ret_id, err *e) {
    CHECK(count <= AUDIT_FIELDS_MAX);
    if (q->count == AUDIT_QUEUE_EVENTS_MAX || q->bytes > AUDIT_QUEUE_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT,
                       "audit log: %zu events wait for the disk already; what cannot be recorded is not done",
                       q->count);
    }
    event *v = copy_event(kind, fields, count);
    v->id = ++q->last_id;
    v->done = done;
    v->arg = arg;
    q->count++;
    q->bytes += v->bytes;
    list_push_back(&q->waiting, &v->node);
    start(q);
    if (ret_id != NULL) {
        *ret_id = v->id;
    }
    return STATUS_OK;
}

static bool forget_in(list_node *list, uint64_t id) {
    for (list_node *n = list->next; n != list; n = n->next) {
        event *v = LIST_ENTRY(n, event, node);
        if (v->id == id) {
            v->done = NULL;
            return true;
        }
    }
    return false;
}

void audit_queue_forget(audit_queue *q, uint64_t id) {
    if (!forget_in(&q->waiting, id)) {
        (void)forget_in(&q->writing, id);
    }
}
