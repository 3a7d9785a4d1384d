// SPDX-License-Identifier: Apache-2.0
// With a clock that the test moves, and a backend that it answers for.
#include "secrets/pool.h"

#include <stdio.h>
#include <string.h>

#include "test.h"

enum { ITEMS = 4 };

typedef struct double_backend {
    secret_backend base; // first
    loop *l;
    loop_soon soon;
    secret_batch *batch;
    int batches;
    bool is_attached;
    bool is_unchanged;
    const char *value; // NULL: there is none
    status fails;
    bool fails_field; // alone
    uint64_t until_s;
} double_backend;

static status attach(secret_backend *b, loop *l, err *e) {
    (void)e;
    ((double_backend *)b)->l = l;
    ((double_backend *)b)->is_attached = true;
    return STATUS_OK;
}

static void detach(secret_backend *b) {
    loop_soon_cancel(&((double_backend *)b)->soon);
    ((double_backend *)b)->is_attached = false;
}

static void fill(const double_backend *d, secret_fetch *f) {
    bool fails = d->fails != STATUS_OK && (!d->fails_field || f->field != NULL);
    if (fails || d->value == NULL) {
        f->code = err_set(&f->e, fails ? d->fails : STATUS_NOT_FOUND, "not now");
        return;
    }
    f->value = (secret_value){.kind = SECRET_TEXT, .version = 1, .until_s = d->until_s};
    EXPECT_OK(secret_new(strlen(d->value), &f->value.bytes, NULL));
    memcpy(f->value.bytes.data, d->value, f->value.bytes.len);
}

static void answer(void *arg) {
    double_backend *d = arg;
    d->batches++;
    d->batch->is_unchanged = d->is_unchanged && !d->batch->is_whole;
    for (size_t i = 0; !d->batch->is_unchanged && i < d->batch->count; i++) {
        fill(d, &d->batch->items[i]);
    }
    d->batch->done(d->batch->arg);
}

static void fetch(secret_backend *b, secret_batch *batch) {
    double_backend *d = (double_backend *)b;
    d->batch = batch;
    loop_soon_init(&d->soon, answer, d);
    loop_soon_add(d->l, &d->soon);
}

static void keep(secret_backend *b) { (void)b; }

static const secret_backend_ops ops = {attach, detach, fetch, keep};

typedef struct fixture {
    double_backend a, b;
    secret_pool *pool;
    uint32_t item, later;
    loop *l;
    uint64_t now_ns, wall_s;
    int lost, back, changed, gone;
} fixture;

static uint64_t now_ns(void *arg) { return ((fixture *)arg)->now_ns; }
static uint64_t wall_s(void *arg) { return ((fixture *)arg)->wall_s; }

static void on_lost(void *context, uint32_t backend, const err *why) {
    (void)backend, (void)why;
    ((fixture *)context)->lost++;
}
static void on_back(void *context, uint32_t backend) {
    (void)backend;
    ((fixture *)context)->back++;
}
static void on_changed(void *context, uint32_t item, bool is_there) {
    fixture *f = context;
    (void)item;
    (*(is_there ? &f->changed : &f->gone))++;
}

static void set_up(fixture *f, uint64_t keep_ns) {
    const secret_pool_events events = {f, on_lost, on_back, on_changed};
    *f = (fixture){.wall_s = 1800000000, .now_ns = 1000000000};
    f->a = (double_backend){.base.ops = &ops, .value = "one"};
    f->b = (double_backend){.base.ops = &ops, .value = "two"};
    f->pool = secret_pool_new(&events, wall_s, f);
    uint32_t b = secret_pool_add_backend(f->pool, &(secret_pool_backend){&f->b.base, 1000000000, 0, true});
    uint32_t a =
        secret_pool_add_backend(f->pool, &(secret_pool_backend){&f->a.base, 1000000000, keep_ns, false});
    f->item = secret_pool_add(f->pool, a, "key", NULL, NULL);
    f->later = secret_pool_add(f->pool, b, "key", "field", "3");
    EXPECT_EQ(secret_pool_add(f->pool, a, "key", NULL, NULL), f->item);
    EXPECT(secret_pool_add(f->pool, a, "key", "field", NULL) != f->item);
    EXPECT_OK(loop_new(&(loop_clock){now_ns, f}, &f->l, NULL));
}

static void tear_down(fixture *f) {
    secret_pool_unwatch(f->pool);
    EXPECT(!f->a.is_attached && !f->b.is_attached);
    secret_pool_free(f->pool);
    loop_free(f->l);
}

static void pass(fixture *f, uint64_t ns) {
    f->now_ns += ns;
    for (int i = 0; i < 8; i++) {
        loop_turn(f->l, false);
    }
}

static bool is_value(const fixture *f, uint32_t item, const char *text) {
    const secret_value *v = secret_pool_get(f->pool, item);
    return text == NULL ? v == NULL : v != NULL && slice_equal_text(secret_slice(&v->bytes), text);
}

static void begin(fixture *f) {
    EXPECT_OK(secret_pool_fetch(f->pool, NULL));
    EXPECT_OK(secret_pool_watch(f->pool, f->l, NULL));
}

TEST(all_are_fetched_before_anything_runs) {
    fixture f;
    err e = {0};
    set_up(&f, 0);
    f.b.value = NULL;
    EXPECT_OK(secret_pool_fetch(f.pool, NULL));
    EXPECT(is_value(&f, f.item, "one") && is_value(&f, f.later, NULL));
    EXPECT_OK(secret_pool_state(f.pool, f.item, &e));
    EXPECT_EQ(secret_pool_state(f.pool, f.later, &e), STATUS_NOT_FOUND);
    EXPECT_TEXT(e.message, "not now");
    EXPECT_EQ(f.lost + f.changed + f.gone, 0);
    tear_down(&f);
}

TEST(a_new_value_is_seen_after_the_pause) {
    fixture f;
    set_up(&f, 0);
    begin(&f);
    f.a.value = "new";
    pass(&f, 900000000);
    EXPECT(is_value(&f, f.item, "one"));
    pass(&f, 200000000);
    EXPECT(is_value(&f, f.item, "new"));
    EXPECT_EQ(f.changed, 2); // both items of that backend
    pass(&f, 2000000000);
    EXPECT_EQ(f.changed, 2);
    f.a.is_unchanged = true;
    f.a.value = "unseen";
    pass(&f, 2000000000);
    EXPECT(is_value(&f, f.item, "new"));
    tear_down(&f);
}

TEST(what_is_gone_is_given_no_more) {
    fixture f;
    set_up(&f, 0);
    begin(&f);
    f.a.value = NULL;
    pass(&f, 1100000000);
    EXPECT(is_value(&f, f.item, NULL) && is_value(&f, f.later, "two"));
    EXPECT_EQ(f.gone, 2);
    f.a.value = "back";
    pass(&f, 1100000000);
    EXPECT(is_value(&f, f.item, "back"));
    tear_down(&f);
}

TEST(a_backend_that_is_lost_is_told_once_and_its_values_stay) {
    fixture f;
    set_up(&f, 0);
    begin(&f);
    f.a.fails = STATUS_CLOSED;
    for (int i = 0; i < 20; i++) {
        pass(&f, 60000000000);
    }
    EXPECT_EQ(f.lost, 1);
    EXPECT(f.a.batches > 5 && f.a.batches < 30); // it waits longer and longer
    EXPECT(is_value(&f, f.item, "one"));
    f.a.fails = STATUS_OK;
    f.a.is_unchanged = true; // which does not count after a failure
    f.a.value = "new";
    pass(&f, 60000000000);
    EXPECT_EQ(f.back, 1);
    EXPECT(is_value(&f, f.item, "new"));
    tear_down(&f);
}

TEST(values_are_kept_no_longer_than_was_said) {
    fixture f;
    set_up(&f, 5000000000);
    begin(&f);
    f.a.fails = STATUS_TIMEOUT;
    pass(&f, 4000000000);
    EXPECT(is_value(&f, f.item, "one"));
    pass(&f, 60000000000);
    EXPECT(is_value(&f, f.item, NULL));
    EXPECT_EQ(f.gone, 2);
    tear_down(&f);
}

TEST(a_secret_that_is_refused_takes_no_other_with_it) {
    fixture f;
    set_up(&f, 5000000000);
    begin(&f);
    f.a.fails = STATUS_DENIED;
    f.a.fails_field = true;
    for (int i = 0; i < 3; i++) {
        pass(&f, 60000000000);
        EXPECT(is_value(&f, f.item, "one"));
    }
    EXPECT_EQ(f.gone, 1);
    EXPECT_EQ(f.lost, 1);
    tear_down(&f);
}

TEST(a_version_ends_by_itself) {
    fixture f;
    set_up(&f, 0);
    f.a.until_s = f.wall_s + 10;
    begin(&f);
    EXPECT(is_value(&f, f.item, "one"));
    f.wall_s += 10;
    EXPECT(is_value(&f, f.item, NULL));
    tear_down(&f);
}
