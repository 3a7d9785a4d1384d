// SPDX-License-Identifier: Apache-2.0
// The table of uploads: names, bounds, and the end of those that nothing comes for, on a clock of the test's
// own.
#include "base/mem.h"
#include "driver/blobstore/blobstore.h"
#include "test.h"

typedef struct fixture {
    loop *l;
    uint64_t now_ns;
    blobstore_limits limits;
    blobstore_uploads table;
    blobstore_upload *expired;
    int count;
    char said[128];
} fixture;

static uint64_t now(void *arg) { return ((fixture *)arg)->now_ns; }

static void on_expired(void *arg, blobstore_upload *u) {
    fixture *f = arg;
    f->expired = u;
    f->count++;
}

static void start(fixture *f) {
    *f = (fixture){.now_ns = 1,
                   .limits = {.object_bytes_max = 100, .uploads_max = 2, .upload_idle_ns = 1000000000}};
    const loop_clock clock = {now, f};
    EXPECT_OK(loop_new(&clock, &f->l, NULL));
    blobstore_uploads_init(&f->table, f->l, &f->limits, on_expired, f);
}

static void wait(fixture *f, uint64_t ns) {
    f->now_ns += ns;
    loop_turn(f->l, false);
    loop_turn(f->l, false);
}

static void on_end(driver_call *c, status code, slice payload, const err *e) {
    fixture *f = c->host;
    auto_arena a;
    blobstore_answer answer;
    const blobstore_call asked = {.function = BLOBSTORE_WRITE, .step = BLOBSTORE_ABORT};
    arena_init(&a, 1 << 16);
    EXPECT(code == STATUS_OK && e == NULL);
    EXPECT_OK(blobstore_answer_decode(&asked, payload, &a, &answer, NULL));
    snprintf(f->said, sizeof f->said, "%.*s", SLICE_ARG(answer.message));
}

// The request of a step lives for one call.
static blobstore_upload *step(fixture *f, const char *name, blobstore_step which, uint64_t offset,
                              slice bytes) {
    blobstore_request *q = MEM_NEW(blobstore_request);
    driver_call c = {.end = on_end, .host = f};
    arena_init(&q->memory, 1 << 16);
    q->origin = &c;
    q->call = (blobstore_call){.function = BLOBSTORE_WRITE,
                               .step = which,
                               .upload = slice_from_text(name),
                               .offset = offset,
                               .bytes = bytes};
    snprintf(f->said, sizeof f->said, "nothing");
    blobstore_upload *u = blobstore_uploads_begin_step(&f->table, q);
    if (u != NULL) {
        blobstore_reply(q, &(blobstore_answer){0});
        snprintf(f->said, sizeof f->said, "begun");
    }
    return u;
}

TEST(uploads_that_hear_nothing_end) {
    fixture f;
    blobstore_upload a = {0}, b = {0}, c = {0};
    start(&f);
    EXPECT(blobstore_uploads_add(&f.table, &a) && blobstore_uploads_add(&f.table, &b));
    EXPECT(strcmp(a.name, b.name) != 0 && strlen(a.name) == BLOBSTORE_UPLOAD_BYTES);
    EXPECT(!blobstore_uploads_add(&f.table, &c));
    wait(&f, 600000000);
    EXPECT(step(&f, a.name, BLOBSTORE_APPEND, 0, slice_from_text("xy")) == &a);
    wait(&f, 5000000000); // a step takes as long as it takes
    EXPECT(f.count == 1 && f.expired == &b);
    blobstore_uploads_end_step(&a, 2);
    wait(&f, 600000000);
    EXPECT_EQ(f.count, 1);
    EXPECT(step(&f, a.name, BLOBSTORE_APPEND, 2, slice_from_text("z")) == &a);
    blobstore_uploads_end_step(&a, 1);
    wait(&f, 600000000);
    EXPECT_EQ(f.count, 1);
    wait(&f, 600000000);
    EXPECT(f.count == 2 && f.expired == &a);
    EXPECT(step(&f, a.name, BLOBSTORE_APPEND, 3, slice_from_text("z")) == NULL);
    EXPECT_TEXT(f.said, blobstore_error_text(BLOBSTORE_NO_UPLOAD));
    loop_free(f.l);
}

TEST(steps_that_do_not_fit_end_an_upload) {
    fixture f;
    blobstore_upload a = {0};
    uint8_t bytes[101] = {0};
    start(&f);
    EXPECT(blobstore_uploads_add(&f.table, &a));
    EXPECT(step(&f, a.name, BLOBSTORE_APPEND, 0, slice_of(bytes, 101)) == NULL);
    EXPECT_TEXT(f.said, blobstore_error_text(BLOBSTORE_TOO_LARGE));
    EXPECT(f.count == 1 && f.expired == &a);
    EXPECT(blobstore_uploads_add(&f.table, &a));
    EXPECT(step(&f, a.name, BLOBSTORE_APPEND, 0, slice_of(bytes, 100)) == &a);
    EXPECT(step(&f, a.name, BLOBSTORE_APPEND, 0, slice_of(bytes, 1)) == NULL); // busy: nothing happens
    EXPECT_EQ(f.count, 1);
    blobstore_uploads_end_step(&a, 100);
    EXPECT(step(&f, a.name, BLOBSTORE_APPEND, 100, slice_of(bytes, 1)) == NULL);
    EXPECT_TEXT(f.said, blobstore_error_text(BLOBSTORE_TOO_LARGE));
    EXPECT(blobstore_uploads_add(&f.table, &a));
    EXPECT(step(&f, a.name, BLOBSTORE_FINISH, 1, slice_empty()) == NULL);
    EXPECT_TEXT(f.said, blobstore_error_text(BLOBSTORE_NO_UPLOAD));
    EXPECT_EQ(f.count, 3);
    loop_free(f.l);
}

TEST(an_abort_waits_for_the_step_that_runs) {
    fixture f;
    blobstore_upload a = {0};
    start(&f);
    EXPECT(blobstore_uploads_add(&f.table, &a));
    EXPECT(step(&f, a.name, BLOBSTORE_APPEND, 0, slice_from_text("x")) == &a);
    EXPECT(step(&f, a.name, BLOBSTORE_ABORT, 0, slice_empty()) == NULL);
    EXPECT_TEXT(f.said, "");
    EXPECT_EQ(f.count, 0);
    blobstore_uploads_end_step(&a, 1);
    EXPECT(f.count == 1 && f.table.count == 0);
    loop_free(f.l);
}

TEST(a_link_that_closes_takes_what_is_not_busy) {
    fixture f;
    blobstore_upload a = {0}, b = {0};
    start(&f);
    EXPECT(blobstore_uploads_add(&f.table, &a) && blobstore_uploads_add(&f.table, &b));
    EXPECT(step(&f, a.name, BLOBSTORE_APPEND, 0, slice_from_text("x")) == &a);
    EXPECT(blobstore_uploads_take(&f.table) == &b);
    EXPECT(blobstore_uploads_take(&f.table) == NULL);
    blobstore_uploads_remove(&a);
    blobstore_uploads_remove(&a);
    EXPECT_EQ(f.table.count, 0);
    loop_free(f.l);
}
