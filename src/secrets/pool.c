// SPDX-License-Identifier: Apache-2.0
#include "secrets/pool.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "os/clock.h"
#include "os/random.h"

#define BACK_OFF_NS_MIN 1000000000ull
#define BACK_OFF_NS_MAX 60000000000ull

enum { DOUBLINGS_MAX = 6 };

typedef struct item {
    uint32_t backend;
    char *key;
    char *field;
    char *version;
    status code; // of the last fetch
    char *message;
    bool is_there;
    secret_value value;
} item;

typedef struct source { // a backend and what is wanted of it
    secret_pool *pool;
    uint32_t number;
    secret_pool_backend is;
    uint32_t *items;
    secret_batch batch;
    loop_timer again;
    bool is_attached;
    bool is_busy;
    unsigned failures; // in a row
    uint64_t good_ns;  // when the last batch went well, of the loop
} source;

struct secret_pool {
    secret_pool_events events;
    uint64_t (*wall_s)(void *arg);
    void *arg;
    item *items;
    uint32_t item_count;
    source *sources[SECRET_POOL_BACKENDS_MAX];
    uint32_t source_count;
    loop *l;          // NULL when nothing goes on
    bool is_watching; // else the first fetch
    uint32_t busy;    // sources, of the first fetch
};

static uint64_t machine_wall_s(void *arg) {
    (void)arg;
    return clock_wall_now().seconds;
}

static uint64_t now_s(const secret_pool *p) { return p->wall_s(p->arg); }

// --- making ------------------------------------------------------------------------------------------------

secret_pool *secret_pool_new(const secret_pool_events *events, uint64_t (*wall_s)(void *arg), void *arg) {
    secret_pool *p = MEM_NEW(secret_pool);
    p->events = *events;
    p->wall_s = wall_s == NULL ? machine_wall_s : wall_s;
    p->arg = arg;
    return p;
}

static void free_source(source *s) {
    secret_backend_free(s->is.backend);
    mem_free(s->items);
    mem_free(s->batch.items);
    mem_free(s);
}

void secret_pool_free(secret_pool *p) {
    if (p == NULL) {
        return;
    }
    for (uint32_t i = 0; i < p->source_count; i++) {
        free_source(p->sources[i]);
    }
    for (uint32_t i = 0; i < p->item_count; i++) {
        item *m = &p->items[i];
        secret_value_free(&m->value);
        mem_free(m->key);
        mem_free(m->field);
        mem_free(m->version);
        mem_free(m->message);
    }
    mem_free(p->items);
    mem_free(p);
}

static void on_again(void *arg);

uint32_t secret_pool_add_backend(secret_pool *p, const secret_pool_backend *b) {
    CHECK(p->source_count < SECRET_POOL_BACKENDS_MAX);
    source *s = MEM_NEW(source);
    s->pool = p;
    s->number = p->source_count;
    s->is = *b;
    p->sources[p->source_count] = s;
    return p->source_count++;
}

static bool is_same(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static char *copy(const char *text) { return text == NULL ? NULL : mem_text_dup(text); }

uint32_t secret_pool_add(secret_pool *p, uint32_t backend, const char *key, const char *field,
                         const char *version) {
    source *s = p->sources[backend];
    for (size_t i = 0; i < s->batch.count; i++) {
        const item *m = &p->items[s->items[i]];
        if (is_same(m->key, key) && is_same(m->field, field) && is_same(m->version, version)) {
            return s->items[i];
        }
    }
    CHECK(p->item_count < SECRET_POOL_ITEMS_MAX);
    p->items = mem_resize(p->items, (p->item_count + 1u) * sizeof p->items[0]);
    p->items[p->item_count] = (item){.backend = backend,
                                     .key = copy(key),
                                     .field = copy(field),
                                     .version = copy(version),
                                     .code = STATUS_NOT_FOUND};
    s->items = mem_resize(s->items, (s->batch.count + 1) * sizeof s->items[0]);
    s->items[s->batch.count++] = p->item_count;
    return p->item_count++;
}

// --- what a batch brings -----------------------------------------------------------------------------------

static bool is_same_value(const secret_value *a, const secret_value *b) {
    return a->kind == b->kind && slice_equal(secret_slice(&a->bytes), secret_slice(&b->bytes));
}

static void tell_change(const secret_pool *p, uint32_t number, bool is_there) {
    if (p->is_watching && p->events.changed != NULL) {
        p->events.changed(p->events.context, number, is_there);
    }
}

static void drop(secret_pool *p, uint32_t number) {
    item *m = &p->items[number];
    bool was_there = m->is_there;
    secret_value_free(&m->value);
    m->value = (secret_value){0};
    m->is_there = false;
    if (was_there) {
        tell_change(p, number, false);
    }
}

static void keep_value(secret_pool *p, uint32_t number, secret_value *value) {
    item *m = &p->items[number];
    bool is_new = !m->is_there || !is_same_value(&m->value, value);
    secret_value_free(&m->value);
    m->value = *value;
    m->is_there = true;
    *value = (secret_value){0};
    if (is_new) {
        tell_change(p, number, true);
    }
}

static void take(secret_pool *p, uint32_t number, secret_fetch *f) {
    item *m = &p->items[number];
    mem_free(m->message);
    m->message = f->code == STATUS_OK ? NULL : mem_text_dup(f->e.message);
    m->code = f->code;
    if (f->code == STATUS_OK) {
        keep_value(p, number, &f->value);
    } else if (f->code == STATUS_NOT_FOUND) {
        drop(p, number);
    }
}

// The first failure that says nothing about whether the secret is there.
static const secret_fetch *take_all(source *s) {
    const secret_fetch *failed = NULL;
    for (size_t i = 0; i < s->batch.count && !s->batch.is_unchanged; i++) {
        secret_fetch *f = &s->batch.items[i];
        take(s->pool, s->items[i], f);
        if (failed == NULL && f->code != STATUS_OK && f->code != STATUS_NOT_FOUND) {
            failed = f;
        }
    }
    return failed;
}

// --- again and again ---------------------------------------------------------------------------------------

static uint64_t back_off(unsigned failures) {
    unsigned doublings = failures - 1 < DOUBLINGS_MAX ? failures - 1 : DOUBLINGS_MAX;
    uint64_t delay = BACK_OFF_NS_MIN << doublings;
    delay = delay < BACK_OFF_NS_MAX ? delay : BACK_OFF_NS_MAX;
    return delay / 2 + random_u64() % (delay / 2 + 1);
}

// Those that could not be had again; others of the backend are as good as ever.
static void give_up_values(source *s) {
    for (size_t i = 0; i < s->batch.count; i++) {
        if (s->pool->items[s->items[i]].code != STATUS_OK) {
            drop(s->pool, s->items[i]);
        }
    }
}

static void on_bad(source *s, const err *why) {
    const secret_pool_events *events = &s->pool->events;
    uint64_t lost_ns = loop_now_ns(s->pool->l) - s->good_ns;
    s->failures++;
    if (s->failures == 1 && events->lost != NULL) {
        events->lost(events->context, s->number, why);
    }
    if (s->is.keep_ns != 0 && lost_ns >= s->is.keep_ns) {
        give_up_values(s);
    }
    loop_timer_start_in(&s->again, back_off(s->failures));
}

static void on_good(source *s) {
    const secret_pool_events *events = &s->pool->events;
    if (s->failures > 0 && events->back != NULL) {
        events->back(events->context, s->number);
    }
    s->failures = 0;
    s->good_ns = loop_now_ns(s->pool->l);
    loop_timer_start_in(&s->again, s->is.pause_ns);
}

static void on_batch(void *arg) {
    source *s = arg;
    secret_pool *p = s->pool;
    s->is_busy = false;
    const secret_fetch *failed = take_all(s);
    if (!p->is_watching) {
        s->good_ns = loop_now_ns(p->l);
        if (--p->busy == 0) {
            loop_stop(p->l);
        }
    } else if (failed != NULL) {
        on_bad(s, &failed->e);
    } else {
        on_good(s);
    }
}

static void fetch(source *s) {
    secret_pool *p = s->pool;
    for (size_t i = 0; i < s->batch.count; i++) {
        const item *m = &p->items[s->items[i]];
        s->batch.items[i] = (secret_fetch){.key = m->key, .field = m->field, .version = m->version};
    }
    s->batch.now_s = now_s(p);
    // What failed is not what the last batch gave.
    s->batch.is_whole = !p->is_watching || s->failures > 0;
    s->batch.is_unchanged = false;
    s->batch.done = on_batch;
    s->batch.arg = s;
    s->is_busy = true;
    s->is.backend->ops->fetch(s->is.backend, &s->batch);
}

static void on_again(void *arg) { fetch(arg); }

// --- beginning and end -------------------------------------------------------------------------------------

static status attach_all(secret_pool *p, loop *l, err *e) {
    p->l = l;
    for (uint32_t i = 0; i < p->source_count; i++) {
        source *s = p->sources[i];
        loop_timer_init(&s->again, l, on_again, s);
        TRY(s->is.backend->ops->attach(s->is.backend, l, e));
        s->is_attached = true;
    }
    return STATUS_OK;
}

// What came of a batch that nobody waits for any more.
static void drop_batch(source *s) {
    for (size_t i = 0; s->is_busy && i < s->batch.count; i++) {
        secret_value_free(&s->batch.items[i].value);
    }
    s->is_busy = false;
}

static void detach_all(secret_pool *p) {
    for (uint32_t i = 0; i < p->source_count; i++) {
        source *s = p->sources[i];
        loop_timer_stop(&s->again);
        if (s->is_attached) {
            s->is.backend->ops->detach(s->is.backend);
        }
        drop_batch(s);
        s->is_attached = false;
    }
    p->l = NULL;
}

static void fetch_round(secret_pool *p, bool later) {
    for (uint32_t i = 0; i < p->source_count; i++) {
        if (p->sources[i]->is.comes_later == later && p->sources[i]->batch.count > 0) {
            p->busy++;
            fetch(p->sources[i]);
        }
    }
    if (p->busy > 0) {
        loop_run(p->l);
    }
}

status secret_pool_fetch(secret_pool *p, err *e) {
    loop *l = NULL;
    TRY(loop_new(NULL, &l, e));
    for (uint32_t i = 0; i < p->source_count; i++) {
        source *s = p->sources[i];
        s->batch.items = mem_calloc(s->batch.count + 1, sizeof s->batch.items[0]);
    }
    status attached = attach_all(p, l, e);
    if (attached == STATUS_OK) {
        fetch_round(p, false);
        fetch_round(p, true);
    }
    detach_all(p);
    loop_free(l);
    return attached;
}

status secret_pool_state(const secret_pool *p, uint32_t number, err *e) {
    const item *m = &p->items[number];
    return m->code == STATUS_OK
               ? STATUS_OK
               : err_set(e, m->code, "%s", m->message == NULL ? "it was not fetched" : m->message);
}

status secret_pool_watch(secret_pool *p, loop *l, err *e) {
    p->is_watching = true;
    status attached = attach_all(p, l, e);
    for (uint32_t i = 0; attached == STATUS_OK && i < p->source_count; i++) {
        source *s = p->sources[i];
        s->good_ns = loop_now_ns(l);
        if (s->batch.count > 0) {
            loop_timer_start_in(&s->again, s->is.pause_ns);
        }
    }
    if (attached != STATUS_OK) {
        detach_all(p);
    }
    return attached;
}

void secret_pool_unwatch(secret_pool *p) {
    if (p != NULL && p->l != NULL) {
        detach_all(p);
        p->is_watching = false;
    }
}

const secret_value *secret_pool_get(const secret_pool *p, uint32_t number) {
    const item *m = &p->items[number];
    bool is_over = m->value.until_s != 0 && now_s(p) >= m->value.until_s;
    return m->is_there && !is_over ? &m->value : NULL;
}
