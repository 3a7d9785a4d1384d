// SPDX-License-Identifier: Apache-2.0
// Work on other threads: that it runs elsewhere, in bounds, once, and that what has not begun can be
// cancelled.
#include "loop/work.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "test.h"

typedef struct gate { // holds the threads until the test opens it
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_open;
    int inside;
    int inside_max;
} gate;

typedef struct piece {
    loop_work work;
    gate *g;
    pthread_t thread;
    int ran;
    int done;
    int *order;
    int *order_count;
    int number;
    loop_work_pool *again; // started once more from `done`
} piece;

static void gate_init(gate *g, bool is_open) {
    *g = (gate){.is_open = is_open};
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, NULL);
}

static void gate_open(gate *g) {
    pthread_mutex_lock(&g->lock);
    g->is_open = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static void gate_wait_inside(gate *g, int count) {
    pthread_mutex_lock(&g->lock);
    while (g->inside < count) {
        pthread_cond_wait(&g->changed, &g->lock);
    }
    pthread_mutex_unlock(&g->lock);
}

static void run(void *arg) {
    piece *p = arg;
    pthread_mutex_lock(&p->g->lock);
    p->g->inside++;
    p->g->inside_max = p->g->inside > p->g->inside_max ? p->g->inside : p->g->inside_max;
    pthread_cond_broadcast(&p->g->changed);
    while (!p->g->is_open) {
        pthread_cond_wait(&p->g->changed, &p->g->lock);
    }
    p->g->inside--;
    pthread_mutex_unlock(&p->g->lock);
    p->thread = pthread_self();
    p->ran++;
}

static void done(void *arg) {
    piece *p = arg;
    p->done++;
    if (p->order != NULL) {
        p->order[(*p->order_count)++] = p->number;
    }
    if (p->again != NULL) {
        loop_work_pool *pool = p->again;
        p->again = NULL;
        EXPECT_OK(loop_work_start(pool, &p->work, run, done, p, NULL));
    }
}

static void run_until_idle(loop *l, const loop_work_pool *p) {
    while (!loop_work_pool_is_idle(p)) {
        loop_turn(l, true);
    }
}

TEST(runs_on_another_thread_and_comes_back) {
    loop *l = NULL;
    loop_work_pool *p = NULL;
    EXPECT_OK(loop_new(NULL, &l, NULL));
    EXPECT_OK(loop_work_pool_new(l, 2, 4, &p, NULL));
    gate g;
    gate_init(&g, true);
    piece w = {.g = &g, .again = p};
    EXPECT_OK(loop_work_start(p, &w.work, run, done, &w, NULL));
    EXPECT(loop_work_is_active(&w.work));
    run_until_idle(l, p);
    EXPECT_EQ(w.ran, 2);
    EXPECT_EQ(w.done, 2);
    EXPECT(!pthread_equal(w.thread, pthread_self()));
    EXPECT(!w.work.was_cancelled);
    EXPECT(!loop_work_is_active(&w.work));
    loop_work_pool_free(p);
    loop_free(l);
}

TEST(runs_no_more_than_allowed_and_queues_no_more) {
    loop *l = NULL;
    loop_work_pool *p = NULL;
    EXPECT_OK(loop_new(NULL, &l, NULL));
    EXPECT_OK(loop_work_pool_new(l, 2, 3, &p, NULL));
    gate g;
    gate_init(&g, false);
    piece w[6] = {0};
    for (int i = 0; i < 6; i++) {
        w[i].g = &g;
        EXPECT_STATUS(loop_work_start(p, &w[i].work, run, done, &w[i], NULL),
                      i < 5 ? STATUS_OK : STATUS_LIMIT);
    }
    gate_wait_inside(&g, 2);
    gate_open(&g);
    run_until_idle(l, p);
    for (int i = 0; i < 6; i++) {
        EXPECT_EQ(w[i].ran, i < 5);
        EXPECT_EQ(w[i].done, i < 5);
    }
    EXPECT(g.inside_max <= 2);
    loop_work_pool_free(p);
    loop_free(l);
}

TEST(one_lane_keeps_the_order_and_cancels_what_waits) {
    loop *l = NULL;
    loop_work_pool *p = NULL;
    EXPECT_OK(loop_new(NULL, &l, NULL));
    EXPECT_OK(loop_work_pool_new(l, 1, 8, &p, NULL));
    gate g;
    gate_init(&g, false);
    int order[5];
    int count = 0;
    piece w[5] = {0};
    for (int i = 0; i < 5; i++) {
        w[i] = (piece){.g = &g, .order = order, .order_count = &count, .number = i};
        EXPECT_OK(loop_work_start(p, &w[i].work, run, done, &w[i], NULL));
    }
    gate_wait_inside(&g, 1);
    loop_work_cancel(&w[0].work); // too late
    loop_work_cancel(&w[2].work);
    loop_work_cancel(&w[2].work);
    loop_work_cancel(&w[4].work);
    EXPECT_EQ(count, 0); // not from inside
    while (count < 2) {
        loop_turn(l, true);
    }
    EXPECT_EQ(order[0], 2);
    EXPECT_EQ(order[1], 4);
    EXPECT(w[2].work.was_cancelled && w[2].ran == 0);
    gate_open(&g);
    run_until_idle(l, p);
    EXPECT_EQ(count, 5);
    EXPECT_EQ(order[2], 0);
    EXPECT_EQ(order[3], 1);
    EXPECT_EQ(order[4], 3);
    EXPECT(!w[0].work.was_cancelled && w[0].ran == 1);
    loop_work_pool_free(p);
    loop_free(l);
}

TEST(what_libuv_has_not_begun_is_cancelled_too) {
    loop *l = NULL;
    loop_work_pool *p = NULL;
    EXPECT_OK(loop_new(NULL, &l, NULL));
    EXPECT_OK(loop_work_pool_new(l, LOOP_WORK_RUNNING_MAX, 0, &p, NULL));
    gate g;
    gate_init(&g, false);
    piece *w = mem_calloc(LOOP_WORK_RUNNING_MAX, sizeof *w);
    for (int i = 0; i < LOOP_WORK_RUNNING_MAX; i++) { // more than there are threads
        w[i].g = &g;
        EXPECT_OK(loop_work_start(p, &w[i].work, run, done, &w[i], NULL));
    }
    gate_wait_inside(&g, 1);
    loop_work_cancel(&w[LOOP_WORK_RUNNING_MAX - 1].work);
    gate_open(&g);
    run_until_idle(l, p);
    int ran = 0;
    for (int i = 0; i < LOOP_WORK_RUNNING_MAX; i++) {
        ran += w[i].ran;
        EXPECT_EQ(w[i].done, 1);
        EXPECT_EQ(w[i].ran, !w[i].work.was_cancelled);
    }
    EXPECT_EQ(ran, LOOP_WORK_RUNNING_MAX - 1);
    mem_free(w);
    loop_work_pool_free(p);
    loop_free(l);
}

TEST(cancel_accepts_zeroed_work) {
    loop_work w = {0};
    loop_work_cancel(&w);
    EXPECT(!loop_work_is_active(&w));
}
