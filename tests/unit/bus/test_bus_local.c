// SPDX-License-Identifier: Apache-2.0
#include "bus/bus_local.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/bus/bus_contract.h"

struct contract_more {
    bus *b;
    char directory[64];
    char path[128];
};

static bus *open_file(contract_place *p, const char *path, status expected) {
    bus_local_options o = {.l = p->l, .path = path, .random = 7};
    bus *b = NULL;
    err e = {0};
    EXPECT_STATUS_ERR(bus_local_new(&o, &b, &e), expected, e);
    return b;
}

static const char *contract_begin(contract_place *p) {
    p->more = MEM_NEW(struct contract_more);
    snprintf(p->more->directory, sizeof p->more->directory, "/tmp/writ-test-bus-XXXXXX");
    CHECK(mkdtemp(p->more->directory) != NULL);
    snprintf(p->more->path, sizeof p->more->path, "%s/state", p->more->directory);
    p->more->b = open_file(p, p->more->path, STATUS_OK);
    return NULL;
}

static bus *contract_open(contract_place *p) { return p->more->b; }
static void contract_close(contract_place *p, bus *b) { (void)p, (void)b; }

static void contract_done(contract_place *p) {
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    bus_free(p->more->b);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s%s", p->more->path, ends[i]);
        unlink(path);
    }
    EXPECT(rmdir(p->more->directory) == 0);
    mem_free(p->more);
}

// --- the file ----------------------------------------------------------------------------------------------

TEST(the_file_keeps_everything) {
    BEGIN(p);
    struct contract_more *m = p.more;
    struct stat st;
    keeper x;
    observer o = {0};
    open_bucket_of(&p, m->b, "B");
    open_bucket_of(&p, m->b, "empty");
    keep(&p, m->b, "a", "1", BUS_KV_ANY, STATUS_OK);
    keep(&p, m->b, "b", "2", BUS_KV_ANY, STATUS_OK);
    keep(&p, m->b, "a", "3", BUS_KV_ANY, STATUS_OK);
    uint64_t last = drop(&p, m->b, "b", BUS_KV_DELETE, BUS_KV_ANY, STATUS_OK);
    EXPECT(stat(m->path, &st) == 0 && (st.st_mode & 077) == 0);
    bus *none = open_file(&p, m->path, STATUS_EXISTS);
    EXPECT(none == NULL);
    bus_free(m->b);
    m->b = open_file(&p, m->path, STATUS_OK);
    REQUIRE(m->b != NULL);
    look_up(&p, m->b, "a", &x, STATUS_OK);
    EXPECT_TEXT(x.value, "3");
    look_up(&p, m->b, "b", &x, STATUS_NOT_FOUND);
    observe(m->b, &o, "empty");
    WAIT_FOR(&p, o.marks == 1);
    EXPECT_EQ(o.failures, 0);
    EXPECT_U64(keep(&p, m->b, "c", "4", 0, STATUS_OK), last + 1);
    bus_kv_watch_stop(&o.w);
    END(p);
}

TEST(another_file_is_refused) {
    BEGIN(p);
    bus_free(p.more->b);
    p.more->b = NULL;
    int fd = open(p.more->path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);
    static const char text[] = "this is a letter to somebody and no database at all, whatever its name says";
    EXPECT(write(fd, text, sizeof text) == (ssize_t)sizeof text);
    close(fd);
    (void)open_file(&p, p.more->path, STATUS_INVALID);
    (void)open_file(&p, "state", STATUS_INVALID);
    (void)open_file(&p, "/nonexistent/folder/state", STATUS_IO);
    END(p);
}

// --- bounds ------------------------------------------------------------------------------------------------

static bus *open_small(contract_place *p, const bus_local_options *small) {
    bus_local_options o = *small;
    bus *b = NULL;
    o.l = p->l;
    CHECK(bus_local_new(&o, &b, NULL) == STATUS_OK);
    return b;
}

TEST(who_cannot_keep_up_loses_messages) {
    BEGIN(p);
    const bus_local_options small = {.subscriber_bytes_max = 4000, .queued_bytes_max = 8000};
    bus *b = open_small(&p, &small);
    listener x, y;
    listen_to(b, &x, "a.>", "");
    listen_to(b, &y, "a.b", "");
    static const uint8_t zeros[1000];
    const bus_message m = {.subject = slice_from_text("a.b"), .payload = slice_of(zeros, sizeof zeros)};
    int taken = 0;
    status code = STATUS_OK;
    for (; taken < 100; taken++) {
        EXPECT_OK(bus_publish(b, &m, NULL)); // what nobody gets takes no room
    }
    WAIT_FOR(&p, x.count == 3 && y.count == 3);
    EXPECT_U64(bus_dropped(b), 2 * 97);
    bus_unsubscribe(&x.s);
    bus_unsubscribe(&y.s);
    listener z[10];
    for (int i = 0; i < 10; i++) {
        char subject[8];
        snprintf(subject, sizeof subject, "b.%d", i);
        listen_to(b, &z[i], subject, "");
    }
    for (taken = 0; taken < 10; taken++) {
        char subject[8];
        snprintf(subject, sizeof subject, "b.%d", taken);
        const bus_message n = {.subject = slice_from_text(subject), .payload = slice_of(zeros, sizeof zeros)};
        code = bus_publish(b, &n, NULL);
        if (code != STATUS_OK) {
            break;
        }
    }
    EXPECT_STATUS(code, STATUS_LIMIT);
    EXPECT_EQ(taken, 7);
    bus_free(b);
    END(p);
}

TEST(a_bus_keeps_no_more_than_it_may) {
    BEGIN(p);
    const bus_local_options small = {.stored_bytes_max = 1000};
    bus *b = open_small(&p, &small);
    static const char text[] = "0123456789012345678901234567890123456789012345678901234567890123456789";
    open_bucket_of(&p, b, "B");
    keep(&p, b, "a", text, BUS_KV_ANY, STATUS_OK);
    keep(&p, b, "b", text, BUS_KV_ANY, STATUS_OK);
    keep(&p, b, "c", text, BUS_KV_ANY, STATUS_OK);
    keep(&p, b, "d", text, BUS_KV_ANY, STATUS_OK);
    keep(&p, b, "e", text, BUS_KV_ANY, STATUS_OK);
    keep(&p, b, "f", text, BUS_KV_ANY, STATUS_LIMIT);
    keep(&p, b, "a", text, BUS_KV_ANY, STATUS_OK); // in place of its old value
    drop(&p, b, "b", BUS_KV_DELETE, BUS_KV_ANY, STATUS_OK);
    keep(&p, b, "f", text, BUS_KV_ANY, STATUS_OK);
    for (int i = 0; i < BUS_LOCAL_BUCKETS_MAX - 1; i++) {
        char name[16];
        snprintf(name, sizeof name, "bucket-%d", i);
        open_bucket_of(&p, b, name);
    }
    keeper x = {0};
    wait_kept(&p, &x, STATUS_LIMIT,
              bus_kv_open(b, &x.o, slice_from_text("more"), soon(&p), on_kept, &x, NULL));
    bus_free(b);
    END(p);
}

// --- life --------------------------------------------------------------------------------------------------

static void free_from_message(void *arg, bus_subscription *s, const bus_message *m) {
    (void)s;
    EXPECT_BYTES(m->payload, slice_from_text("end"));
    bus_free(*(bus **)arg);
    EXPECT_BYTES(m->payload, slice_from_text("end")); // valid during the call
    *(bus **)arg = NULL;
}

static void free_from_entry(void *arg, const bus_kv_entry *entry) {
    (void)entry;
    bus_free(*(bus **)arg);
    *(bus **)arg = NULL;
}

static void free_from_result(void *arg, const bus_kv_result *r) {
    (void)r;
    bus_free(*(bus **)arg);
    *(bus **)arg = NULL;
}

TEST(it_can_be_freed_from_every_callback) {
    BEGIN(p);
    const bus_local_options small = {0};
    listener x;
    bus *b = open_small(&p, &small);
    bus_subscription s = {0};
    EXPECT_OK(bus_subscribe(b, &s, slice_from_text("a"), slice_empty(), free_from_message, &b, NULL));
    listen_to(b, &x, "a", "");
    EXPECT_OK(say(b, "a", "end"));
    EXPECT_OK(say(b, "a", "more"));
    WAIT_FOR(&p, b == NULL);
    EXPECT_EQ(x.count, 0);
    b = open_small(&p, &small);
    observer o = {0};
    bus_kv_watch w = {.entry = free_from_entry, .caught_up = on_restarted, .arg = &b};
    open_bucket_of(&p, b, "B");
    keep(&p, b, "a", "1", BUS_KV_ANY, STATUS_OK);
    keep(&p, b, "b", "1", BUS_KV_ANY, STATUS_OK);
    EXPECT_OK(bus_kv_watch_start(b, &w, slice_from_text("B"), NULL));
    observe(b, &o, "B");
    WAIT_FOR(&p, b == NULL);
    EXPECT_EQ(o.entries, 0);
    b = open_small(&p, &small);
    bus_kv_op op = {0};
    keeper k = {0};
    EXPECT_OK(bus_kv_open(b, &op, slice_from_text("B"), soon(&p), free_from_result, &b, NULL));
    EXPECT_OK(bus_kv_open(b, &k.o, slice_from_text("B"), soon(&p), on_kept, &k, NULL));
    WAIT_FOR(&p, b == NULL);
    EXPECT_EQ(k.ends, 0);
    asker a;
    gatherer g = {0};
    b = open_small(&p, &small);
    listen_to(b, &x, "a", "");
    start_asking(&p, b, &a, "a", 100 * second_ns);
    gather(&p, b, &g, "a", 100 * second_ns, 0, 0);
    observe(b, &o, "B");
    bus_free(b);
    EXPECT(x.s.b == NULL && a.r.b == NULL && g.g.b == NULL && o.w.b == NULL);
    END(p);
}

TEST(who_comes_to_watch_hears_nothing_of_what_is_gone) {
    BEGIN(p);
    bus *b = contract_open(&p);
    observer o = {0};
    keeper k = {0};
    open_bucket_of(&p, b, "B");
    keep(&p, b, "a", "1", BUS_KV_ANY, STATUS_OK);
    observe(b, &o, "B"); // in the same turn
    EXPECT_OK(bus_kv_remove(b, &k.o, slice_from_text("B"), slice_from_text("a"), BUS_KV_DELETE, BUS_KV_ANY,
                            soon(&p), on_kept, &k, NULL));
    WAIT_FOR(&p, o.marks == 1);
    EXPECT_TEXT(o.seen, "| ");
    bus_kv_watch_stop(&o.w);
    END(p);
}

// --- crashes -----------------------------------------------------------------------------------------------

static void write_and_die(contract_place *p, int told) {
    struct contract_more *m = p->more;
    m->b = open_file(p, m->path, STATUS_OK);
    open_bucket_of(p, m->b, "B");
    for (int i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "key.%d", i % 50);
        uint64_t revision = keep(p, m->b, key, "value", BUS_KV_ANY, STATUS_OK);
        if (write(told, &revision, sizeof revision) != (ssize_t)sizeof revision) {
            break;
        }
    }
    for (;;) {
        pause();
    }
}

TEST(what_was_told_outlives_a_crash) {
    BEGIN(p);
    struct contract_more *m = p.more;
    int told[2];
    bus_free(m->b);
    m->b = NULL;
    CHECK(pipe2(told, O_CLOEXEC) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        loop *l; // the parent's descriptors are not to be shared
        CHECK(loop_new(NULL, &l, NULL) == STATUS_OK);
        p.l = l;
        loop_timer_init(&p.tick, l, contract_tick, NULL);
        write_and_die(&p, told[1]);
    }
    close(told[1]);
    uint64_t revision = 0;
    for (int i = 0; i < 120; i++) { // somewhere in the middle
        EXPECT(read(told[0], &revision, sizeof revision) == (ssize_t)sizeof revision);
    }
    kill(child, SIGKILL);
    CHECK(waitpid(child, NULL, 0) == child);
    while (read(told[0], &revision, sizeof revision) == (ssize_t)sizeof revision) {
    }
    close(told[0]);
    m->b = open_file(&p, m->path, STATUS_OK);
    REQUIRE(m->b != NULL);
    uint64_t next = keep(&p, m->b, "last", "x", 0, STATUS_OK);
    EXPECT(next > revision && next <= revision + 2); // one may have been done and not told
    observer o = {0};
    observe(m->b, &o, "B");
    WAIT_FOR(&p, o.marks == 1);
    EXPECT_EQ(o.entries, 51);
    bus_kv_watch_stop(&o.w);
    END(p);
}
