// SPDX-License-Identifier: Apache-2.0
// Key-value in a SQLite file: the contract, what stays after closing, a full file, files that are none of
// ours, and two links to one file.
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/driver/keyvalue_contract.h"

static const driver_value usual[] = {KEYVALUE_CONTRACT_SETTINGS,
                                     {SLICE_LITERAL("sync"), SLICE_LITERAL("false")}};

static const char *open_it(kv *k) {
    const driver_values settings = {usual, sizeof usual / sizeof usual[0]};
    kv_start(k);
    EXPECT_OK(kv_open(k, &keyvalue_sqlite, &settings, NULL, NULL));
    return NULL;
}

KEYVALUE_CONTRACT(open_it, kv_stop)

TEST(values_stay_when_the_link_is_closed) {
    kv k = {0};
    kv_start(&k);
    EXPECT_OK(kv_open(&k, &keyvalue_sqlite, NULL, NULL, NULL));
    EXPECT(kv_set(&k, "b", "k", "v"));
    kv_close(&k);
    char path[128];
    snprintf(path, sizeof path, "%s/keyvalue.sqlite3", k.directory);
    struct stat s;
    EXPECT_EQ(stat(path, &s), 0);
    EXPECT_EQ(s.st_mode & 0777, 0600);
    EXPECT_OK(kv_open(&k, &keyvalue_sqlite, NULL, NULL, NULL));
    EXPECT(kv_is(&k, "b", "k", "v"));
    kv_stop(&k);
}

static size_t peak_bytes(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (size_t)u.ru_maxrss * 1024;
}

// Small calls with large answers, all of which wait when the thread looks.
TEST(a_flood_of_large_answers_takes_bounded_memory) {
    enum { CALLS = 160, KEYS = 15 };
    kv k = {0};
    kv_start(&k);
    EXPECT_OK(kv_open(&k, &keyvalue_sqlite, NULL, NULL, NULL));
    uint8_t *value = mem_zalloc(1 << 20);
    keyvalue_item items[KEYS];
    keyvalue_call set = kv_key_call(KEYVALUE_SET, "b", "k");
    set.value = slice_of(value, 1 << 20);
    EXPECT(kv_do(&k, &set));
    for (int i = 0; i < KEYS; i++) {
        items[i] = (keyvalue_item){.key = slice_from_text("k")};
    }
    keyvalue_call get = {
        .function = KEYVALUE_GET_MANY, .bucket = slice_from_text("b"), .items = items, .count = KEYS};
    kv_pending *p = mem_calloc(CALLS, sizeof *p);
    size_t before = peak_bytes();
    for (int i = 0; i < CALLS; i++) {
        kv_begin(&k, &p[i], &get, UINT64_MAX);
    }
    for (int i = 0; i < CALLS; i++) {
        kv_wait(&k, &p[i]);
        EXPECT_OK(p[i].code);
        EXPECT_EQ(p[i].answer.count, KEYS);
        kv_pending_done(&p[i]);
    }
    EXPECT(peak_bytes() - before < (size_t)1200 << 20); // all of them are more than 2 GiB
    mem_free(p);
    mem_free(value);
    kv_stop(&k);
}

TEST(an_answer_that_is_too_large_takes_no_memory) {
    enum { KEYS = 40 };
    kv k = {0};
    kv_start(&k);
    EXPECT_OK(kv_open(&k, &keyvalue_sqlite, NULL, NULL, NULL));
    uint8_t *value = mem_zalloc(1 << 20);
    keyvalue_item items[KEYS];
    keyvalue_call set = kv_key_call(KEYVALUE_SET, "b", "k");
    set.value = slice_of(value, 1 << 20);
    EXPECT(kv_do(&k, &set));
    for (int i = 0; i < KEYS; i++) {
        items[i] = (keyvalue_item){.key = slice_from_text("k")};
    }
    keyvalue_call get = {
        .function = KEYVALUE_GET_MANY, .bucket = slice_from_text("b"), .items = items, .count = KEYS};
    kv_pending p = {0};
    kv_call(&k, &get, &p);
    EXPECT_STATUS(p.code, STATUS_LIMIT);
    EXPECT_TEXT(p.message, "the answer is too large");
    kv_pending_done(&p);
    mem_free(value);
    kv_stop(&k);
}

TEST(links_to_one_file_lose_no_increment) {
    kv a = {0};
    kv b = {0};
    kv_start(&a);
    kv_start(&b);
    b.env.directory = a.directory;
    EXPECT_OK(kv_open(&a, &keyvalue_sqlite, NULL, NULL, NULL));
    EXPECT_OK(kv_open(&b, &keyvalue_sqlite, NULL, NULL, NULL));
    kv_wait_up(&a);
    kv_wait_up(&b);
    kv_pending *p = mem_calloc(400, sizeof *p);
    keyvalue_call c = kv_key_call(KEYVALUE_INCREMENT, "b", "n");
    c.delta = 1;
    for (int i = 0; i < 400; i++) { // two threads, in batches that grow while the other one writes
        kv_begin(i % 2 == 0 ? &a : &b, &p[i], &c, UINT64_MAX);
        if (i % 20 == 19) {
            loop_turn(a.l, false);
            loop_turn(b.l, false);
        }
    }
    for (int i = 0; i < 400; i++) {
        kv_wait(i % 2 == 0 ? &a : &b, &p[i]);
        EXPECT_STATUS(p[i].code, STATUS_OK);
        kv_pending_done(&p[i]);
    }
    EXPECT(kv_is(&a, "b", "n", "400"));
    EXPECT(kv_is(&b, "b", "n", "400"));
    mem_free(p);
    kv_stop(&b);
    kv_stop(&a);
}

TEST(a_full_file_says_so_and_the_rest_of_the_batch_is_done) {
    kv k = {0};
    static const driver_value values[] = {{SLICE_LITERAL("total-bytes-max"), SLICE_LITERAL("200000")},
                                          {SLICE_LITERAL("sync"), SLICE_LITERAL("false")}};
    const driver_values settings = {values, 2};
    kv_start(&k);
    EXPECT_OK(kv_open(&k, &keyvalue_sqlite, &settings, NULL, NULL));
    uint8_t *big = mem_zalloc(500000);
    kv_pending p[3] = {0};
    keyvalue_call small = kv_key_call(KEYVALUE_INCREMENT, "b", "n");
    keyvalue_call large = kv_key_call(KEYVALUE_SET, "b", "l");
    small.delta = 1;
    large.value = slice_of(big, 500000);
    kv_begin(&k, &p[0], &small, UINT64_MAX);
    kv_begin(&k, &p[1], &large, UINT64_MAX);
    kv_begin(&k, &p[2], &small, UINT64_MAX);
    for (int i = 0; i < 3; i++) {
        kv_wait(&k, &p[i]);
    }
    EXPECT(p[0].code == STATUS_OK && p[0].answer.number == 1);
    EXPECT(p[1].code == STATUS_OK && p[1].answer.is_error &&
           slice_equal_text(p[1].answer.message, "the store is full"));
    EXPECT(p[2].code == STATUS_OK && p[2].answer.number == 2);
    for (int i = 0; i < 3; i++) {
        kv_pending_done(&p[i]);
    }
    EXPECT(kv_is(&k, "b", "n", "2"));
    mem_free(big);
    kv_stop(&k);
}

TEST(a_file_that_is_no_database_is_told_as_health) {
    kv k = {0};
    kv_start(&k);
    char path[128];
    snprintf(path, sizeof path, "%s/keyvalue.sqlite3", k.directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    EXPECT_EQ(write(fd,
                    "this is a letter, not a database. It is long enough to be read as one, though not "
                    "by those who look at its first bytes.",
                    120),
              120);
    close(fd);
    EXPECT_OK(kv_open(&k, &keyvalue_sqlite, NULL, NULL, NULL));
    keyvalue_call c = kv_key_call(KEYVALUE_GET, "b", "k");
    kv_pending p = {0};
    kv_call(&k, &c, &p);
    EXPECT_STATUS(p.code, STATUS_CLOSED);
    EXPECT_CONTAINS(p.message, "not a database");
    kv_pending_done(&p);
    driver_health h;
    k.d->health(k.link, &h);
    EXPECT_EQ(h.state, DRIVER_DOWN);
    EXPECT(h.next_try_ns != UINT64_MAX);
    unlink(path); // the next try makes a new one
    kv_wait_up(&k);
    EXPECT(kv_set(&k, "b", "k", "v"));
    kv_stop(&k);
}

TEST(calls_behind_a_locked_file_end_at_their_deadline) {
    kv k = {0};
    kv_start(&k);
    EXPECT_OK(kv_open(&k, &keyvalue_sqlite, NULL, NULL, NULL));
    kv_wait_up(&k);
    char path[128];
    sqlite3 *other = NULL;
    snprintf(path, sizeof path, "%s/keyvalue.sqlite3", k.directory);
    EXPECT_EQ(sqlite3_open(path, &other), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    keyvalue_call c = kv_key_call(KEYVALUE_SET, "b", "k");
    kv_pending p[3] = {0};
    kv_begin(&k, &p[0], &c, UINT64_MAX); // the thread's, which waits for the lock
    kv_begin(&k, &p[1], &c, loop_now_fresh_ns(k.l) + 20000000);
    kv_begin(&k, &p[2], &c, UINT64_MAX);
    kv_wait(&k, &p[1]);
    EXPECT_STATUS(p[1].code, STATUS_TIMEOUT);
    EXPECT(!p[0].is_done && !p[2].is_done);
    EXPECT_EQ(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    kv_wait(&k, &p[0]);
    kv_wait(&k, &p[2]);
    EXPECT_STATUS(p[0].code, STATUS_OK);
    EXPECT_STATUS(p[2].code, STATUS_OK);
    for (int i = 0; i < 3; i++) {
        kv_pending_done(&p[i]);
    }
    kv_stop(&k);
}

TEST(wrong_settings_are_refused) {
    static const driver_value cases[][1] = {
        {{SLICE_LITERAL("path"), SLICE_LITERAL("../x")}},
        {{SLICE_LITERAL("path"), SLICE_LITERAL("")}},
        {{SLICE_LITERAL("total-bytes-max"), SLICE_LITERAL("1")}},
        {{SLICE_LITERAL("sync"), SLICE_LITERAL("maybe")}},
        {{SLICE_LITERAL("nonsense"), SLICE_LITERAL("1")}},
        {{SLICE_LITERAL("key-bytes-max"), SLICE_LITERAL("5000")}},
    };
    kv k = {0};
    kv_start(&k);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const driver_values settings = {cases[i], 1};
        err e = {0};
        EXPECT_STATUS(kv_open(&k, &keyvalue_sqlite, &settings, NULL, &e), STATUS_INVALID);
        EXPECT_CONTAINS(e.message, i == 4 ? "nonsense" : "setting");
    }
    kv_stop(&k);
}
