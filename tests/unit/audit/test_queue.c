// SPDX-License-Identifier: Apache-2.0
// The order of events, when they are on the disk, and what a writer that is killed has lost.
#include "audit/queue.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/reader.h"
#include "base/mem.h"
#include "test.h"

typedef struct fixture {
    char directory[64], path[128];
    nkey *key;
    audit *log;
    loop *l;
    audit_queue *queue;
    int good, bad;
    bool is_inside;
} fixture;

static void open_log(fixture *f) {
    const audit_options o = {.path = f->path, .key = f->key, .by = "test", .sync_every = AUDIT_SYNC_NEVER};
    EXPECT_OK(audit_open(&o, &f->log, NULL));
    EXPECT_OK(audit_queue_new(f->log, f->l, &f->queue, NULL));
}

static void set_up(fixture *f) {
    *f = (fixture){.directory = "/tmp/writ-queue-XXXXXX"};
    REQUIRE(mkdtemp(f->directory) != NULL);
    snprintf(f->path, sizeof f->path, "%s/audit.log", f->directory);
    EXPECT_OK(nkey_generate(NKEY_SERVER, &f->key, NULL));
    EXPECT_OK(loop_new(NULL, &f->l, NULL));
    open_log(f);
}

static void close_log(fixture *f) {
    audit_queue_free(f->queue);
    audit_close(f->log);
    f->queue = NULL;
    f->log = NULL;
}

static void tear_down(fixture *f) {
    close_log(f);
    loop_free(f->l);
    nkey_free(f->key);
    DIR *d = opendir(f->directory);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    EXPECT(rmdir(f->directory) == 0);
}

static void on_done(void *arg, status code, const err *e) {
    fixture *f = arg;
    EXPECT(!f->is_inside);
    EXPECT((code == STATUS_OK) == (e == NULL));
    f->good += code == STATUS_OK;
    f->bad += code != STATUS_OK;
}

static status add(fixture *f, int64_t number, audit_queue_done done, uint64_t *ret_id) {
    char text[32];
    snprintf(text, sizeof text, "text %lld", (long long)number); // which is copied
    const audit_field fields[] = {audit_number("number", number), audit_text("text", text)};
    f->is_inside = true;
    status s = audit_queue_add(f->queue, AUDIT_NOTE, fields, 2, done, f, ret_id, NULL);
    f->is_inside = false;
    return s;
}

typedef struct order {
    int64_t next;
    bool is_right;
} order;

static void look(fixture *f, order *o) {
    char line[4096];
    FILE *in = fopen(f->path, "r");
    *o = (order){0, true};
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        const char *at = strstr(line, "\"number\":");
        if (at != NULL) {
            o->is_right = o->is_right && strtoll(at + 9, NULL, 10) == o->next;
            o->next++;
        }
    }
    if (in != NULL) {
        fclose(in);
    }
}

// The first of the tests: ThreadSanitizer wants no threads where a process is copied.

// Says the number of each event when it is done.
static void on_said(void *arg, status code, const err *e) {
    fixture *f = arg;
    (void)e;
    int64_t number = f->good++;
    if (code != STATUS_OK || write(f->bad, &number, sizeof number) != sizeof number) {
        _exit(1);
    }
}

static _Noreturn void child(fixture *f, int out) {
    f->bad = out;
    for (int64_t i = 0;; i++) {
        while (add(f, i, on_said, NULL) != STATUS_OK) {
            loop_turn(f->l, true);
        }
        loop_turn(f->l, false);
    }
}

// Whatever was said to be on the disk is there, in order, and what follows it is at most one torn line, which
// the next writer sets aside.
TEST(a_killed_writer_has_lost_nothing_that_was_told) {
    for (int round = 0; round < 6; round++) {
        fixture f;
        int pipes[2], how;
        int64_t said = -1, number;
        order o;
        f = (fixture){.directory = "/tmp/writ-queue-XXXXXX"};
        REQUIRE(mkdtemp(f.directory) != NULL);
        snprintf(f.path, sizeof f.path, "%s/audit.log", f.directory);
        EXPECT_OK(nkey_generate(NKEY_SERVER, &f.key, NULL));
        EXPECT(pipe(pipes) == 0);
        pid_t pid = fork();
        if (pid == 0) {
            close(pipes[0]);
            EXPECT_OK(loop_new(NULL, &f.l, NULL));
            open_log(&f);
            child(&f, pipes[1]);
        }
        close(pipes[1]);
        while (read(pipes[0], &number, sizeof number) == sizeof number) {
            said = number;
            if (number == 20 + 100 * round) {
                kill(pid, SIGKILL);
            }
        }
        close(pipes[0]);
        EXPECT(waitpid(pid, &how, 0) == pid && WIFSIGNALED(how));
        EXPECT_OK(loop_new(NULL, &f.l, NULL));
        open_log(&f); // sets aside what is torn, and refuses what is not as it was
        look(&f, &o);
        EXPECT(o.is_right && o.next > said);
        tear_down(&f);
    }
}

TEST(events_are_written_in_order_and_then_told) {
    enum { EVENTS = 500 };
    fixture f;
    order o;
    set_up(&f);
    for (int i = 0; i < EVENTS; i++) {
        EXPECT_OK(add(&f, i, on_done, NULL));
        if (i % 50 == 0) {
            loop_turn(f.l, false);
        }
    }
    while (f.good < EVENTS) {
        loop_turn(f.l, true);
    }
    look(&f, &o);
    EXPECT(o.is_right && o.next == EVENTS);
    EXPECT_EQ(f.bad, 0);
    tear_down(&f);
}

TEST(what_was_taken_is_written_before_the_end) {
    fixture f;
    order o;
    uint64_t id;
    set_up(&f);
    EXPECT_OK(add(&f, 0, NULL, NULL));
    EXPECT_OK(add(&f, 1, on_done, &id));
    EXPECT_OK(add(&f, 2, on_done, NULL));
    audit_queue_forget(f.queue, id);
    audit_queue_forget(f.queue, 4711);
    audit_queue_free(f.queue);
    f.queue = NULL;
    EXPECT_EQ(f.good, 1);
    look(&f, &o);
    EXPECT(o.is_right && o.next == 3);
    tear_down(&f);
}

TEST(what_waits_is_bounded) {
    fixture f;
    int taken = 0;
    set_up(&f);
    while (taken <= AUDIT_QUEUE_EVENTS_MAX && add(&f, taken, on_done, NULL) == STATUS_OK) {
        taken++;
    }
    EXPECT_EQ(taken, AUDIT_QUEUE_EVENTS_MAX);
    while (f.good < taken) {
        loop_turn(f.l, true);
    }
    EXPECT_OK(add(&f, taken, on_done, NULL));
    tear_down(&f);
}

TEST(what_cannot_be_written_is_told) {
    fixture f;
    struct rlimit before;
    set_up(&f);
    (void)signal(SIGXFSZ, SIG_IGN);
    EXPECT(getrlimit(RLIMIT_FSIZE, &before) == 0);
    EXPECT_OK(add(&f, 0, on_done, NULL));
    while (f.good + f.bad < 1) {
        loop_turn(f.l, true);
    }
    EXPECT(setrlimit(RLIMIT_FSIZE, &(struct rlimit){700, before.rlim_max}) == 0);
    EXPECT_OK(add(&f, 1, on_done, NULL));
    EXPECT_OK(add(&f, 2, on_done, NULL));
    while (f.good + f.bad < 3) {
        loop_turn(f.l, true);
    }
    EXPECT(setrlimit(RLIMIT_FSIZE, &before) == 0);
    EXPECT(f.bad > 0);
    tear_down(&f);
}
