// SPDX-License-Identifier: Apache-2.0
#include "host/admission.h"

#include <pthread.h>

#include "test.h"

TEST(the_bound_holds_over_all_workers) {
    admission_page page = {0};
    admission a = {&page, 0, 2}, b = {&page, 1, 2};
    EXPECT(admission_take(&a, ADMISSION_RUNNING, 2));
    EXPECT(admission_take(&a, ADMISSION_RUNNING, 2)); // one worker may have all
    EXPECT(!admission_take(&b, ADMISSION_RUNNING, 2));
    EXPECT(admission_take(&b, ADMISSION_WAITING, 1)); // another bound
    admission_give(&a, ADMISSION_RUNNING);
    EXPECT(admission_take(&b, ADMISSION_RUNNING, 2));
    EXPECT(!admission_take(&a, ADMISSION_RUNNING, 2));
}

TEST(a_bound_of_nothing_lets_nothing_in) {
    admission_page page = {0};
    admission a = {&page, 0, 1};
    EXPECT(!admission_take(&a, ADMISSION_WAITING, 0));
    EXPECT(page.rows[0][ADMISSION_WAITING] == 0);
}

TEST(the_places_of_a_dead_worker_are_free_again) {
    admission_page page = {0};
    admission a = {&page, 0, 2}, b = {&page, 1, 2};
    EXPECT(admission_take(&a, ADMISSION_RUNNING, 1));
    EXPECT(!admission_take(&b, ADMISSION_RUNNING, 1));
    admission_clear(&page, 0);
    EXPECT(admission_take(&b, ADMISSION_RUNNING, 1));
}

TEST(lies_of_another_worker_only_refuse) {
    admission_page page = {0};
    admission a = {&page, 0, 3};
    page.rows[1][ADMISSION_RUNNING] = UINT32_MAX;
    page.rows[2][ADMISSION_RUNNING] = UINT32_MAX;
    EXPECT(!admission_take(&a, ADMISSION_RUNNING, 1000)); // the sum does not wrap
}

enum { THREADS = 4, ROUNDS = 20000, PLACES = 2 };
typedef struct contender {
    admission view;
    _Atomic uint32_t *inside;
    _Atomic uint32_t *broken;
} contender;

static void *contend(void *arg) {
    contender *c = arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (admission_take(&c->view, ADMISSION_RUNNING, PLACES)) {
            if (atomic_fetch_add(c->inside, 1) >= PLACES) {
                atomic_fetch_add(c->broken, 1);
            }
            atomic_fetch_sub(c->inside, 1);
            admission_give(&c->view, ADMISSION_RUNNING);
        }
    }
    return NULL;
}

// Threads stand for workers: the page works the same between processes.
TEST(never_more_than_the_bound_at_one_time) {
    static admission_page page;
    _Atomic uint32_t inside = 0, broken = 0;
    pthread_t threads[THREADS];
    contender contenders[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        contenders[i] = (contender){{&page, i, THREADS}, &inside, &broken};
        EXPECT(pthread_create(&threads[i], NULL, contend, &contenders[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    EXPECT(broken == 0);
    EXPECT(page.rows[0][ADMISSION_RUNNING] == 0);
}
