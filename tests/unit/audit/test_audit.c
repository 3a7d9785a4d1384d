// SPDX-License-Identifier: Apache-2.0
// Whatever is done to a log is found: removals, swaps, edits, cuts; and what happens to its writer is
// survived.
#include "audit/audit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/reader.h"
#include "base/mem.h"
#include "os/whole_file.h"
#include "test.h"

enum { SMALL_LINES = 6, TEXT_BYTES_MAX = 1 << 20, KILLED_LINES = 10000 };

// --- a place with a log -----------------------------------------------------------------------------------

typedef struct place {
    char dir[64];
    char log[128];
    nkey *key;
    nkey_public public_key;
    clock_wall clock;
    audit_options options;
} place;

static clock_wall place_now(void *arg) {
    place *p = arg;
    p->clock.seconds++;
    return p->clock;
}

static void place_init(place *p) {
    *p = (place){.dir = "/tmp/writ-audit-XXXXXX", .clock = {1800000000, 0}};
    EXPECT(mkdtemp(p->dir) != NULL);
    snprintf(p->log, sizeof p->log, "%s/audit.log", p->dir);
    EXPECT_OK(nkey_generate(NKEY_SERVER, &p->key, NULL));
    p->public_key = nkey_public_of(p->key);
    p->options = (audit_options){
        .path = p->log, .key = p->key, .by = "test", .now = place_now, .arg = p, .wait_ms = 50};
}

static void place_done(place *p) {
    DIR *d = opendir(p->dir);
    for (struct dirent *f; d != NULL && (f = readdir(d)) != NULL;) {
        (void)unlinkat(dirfd(d), f->d_name, 0);
    }
    closedir(d);
    EXPECT(rmdir(p->dir) == 0);
    nkey_free(p->key);
}

static audit *begin(place *p) {
    audit *a = NULL;
    err e = {0};
    EXPECT_STATUS_ERR(audit_open(&p->options, &a, &e), STATUS_OK, e);
    return a;
}

static status say(audit *a, int64_t number, err *e) {
    return audit_event(a, e, AUDIT_REFUSAL, audit_text("workload", "hello"), audit_number("number", number));
}

// The log's own first line, and then events up to `lines` in all.
static void write_lines(place *p, int lines) {
    audit *a = begin(p);
    for (int i = 1; i < lines && a != NULL; i++) {
        err e = {0};
        EXPECT_STATUS_ERR(say(a, i, &e), STATUS_OK, e);
    }
    audit_close(a);
}

static const char *beside(const place *p, const char *ending, char ret[192]) {
    snprintf(ret, 192, "%s%s", p->log, ending);
    return ret;
}

static void put_file(const char *path, slice bytes) {
    FILE *f = fopen(path, "wb");
    EXPECT(f != NULL && fwrite(bytes.data, 1, bytes.len, f) == bytes.len && fclose(f) == 0);
}

static void get_file(const char *path, buf *ret) {
    err e = {0};
    buf_init(ret, 1 << 26);
    EXPECT_STATUS_ERR(file_read_whole(path, 1 << 26, ret, &e), STATUS_OK, e);
}

// The first fault, or STATUS_OK.
static status verify(const place *p, const audit_mark *anchor, audit_fault *fault, audit_summary *sum) {
    audit_reader *r = NULL;
    err e = {0};
    audit_reader_options o = {.path = p->log, .key = &p->public_key, .anchor = anchor, .wait_ms = 1000};
    status s = audit_reader_open(&o, &r, &e);
    EXPECT_STATUS_ERR(s, STATUS_OK, e);
    while (s == STATUS_OK) {
        audit_line l;
        s = audit_reader_next(r, &l, fault, &e);
        audit_line_done(&l);
    }
    if (r != NULL && sum != NULL) {
        *sum = audit_reader_summary(r);
    }
    audit_reader_close(r);
    return s == STATUS_NOT_FOUND ? STATUS_OK : s;
}

static bool is_good(const place *p, uint64_t lines) {
    audit_fault fault = {0};
    audit_summary sum = {0};
    status s = verify(p, NULL, &fault, &sum);
    if (s != STATUS_OK) {
        printf("    line %" PRIu64 ": %s: %s\n", fault.line, audit_rule_name(fault.rule), fault.message);
    }
    return s == STATUS_OK && (lines == 0 || sum.lines == lines);
}

static bool is_found(const place *p, uint64_t line, audit_rule rule) {
    audit_fault fault = {0};
    status s = verify(p, NULL, &fault, NULL);
    if (s != STATUS_DENIED || fault.line != line || fault.rule != rule) {
        printf("    %s; line %" PRIu64 ": %s: %s\n", status_name(s), fault.line, audit_rule_name(fault.rule),
               fault.message);
    }
    return s == STATUS_DENIED && fault.line == line && fault.rule == rule;
}

// --- a log in memory --------------------------------------------------------------------------------------

typedef struct text_log {
    place p;
    buf text;
    slice lines[SMALL_LINES];
    audit_seal head;
} text_log;

static void text_log_init(text_log *t) {
    char path[192];
    auto_buf head = {0};
    place_init(&t->p);
    write_lines(&t->p, SMALL_LINES);
    get_file(t->p.log, &t->text);
    get_file(beside(&t->p, ".head", path), &head);
    EXPECT_OK(audit_head_read(buf_slice(&head), &t->head, NULL));
    size_t at = 0;
    for (size_t i = 0; i < SMALL_LINES; i++) {
        size_t end = slice_find(buf_slice(&t->text), at, '\n');
        EXPECT(end != SIZE_MAX);
        t->lines[i] = slice_sub(buf_slice(&t->text), at, end);
        at = end + 1;
    }
    EXPECT_EQ(at, t->text.len);
}

static void text_log_done(text_log *t) {
    buf_done(&t->text);
    place_done(&t->p);
}

// The index of the first line that is found wrong, from 0; `count` when the end is; -1 when nothing is.
static int first_bad(const text_log *t, const slice *lines, size_t count) {
    audit_checker c = {.key = &t->p.public_key, .head = &t->head};
    audit_fault fault;
    for (size_t i = 0; i < count; i++) {
        audit_line l;
        bool good = audit_check_line(&c, lines[i], &l, &fault);
        audit_line_done(&l);
        if (!good) {
            return (int)i;
        }
    }
    return audit_check_end(&c, true, &fault) ? -1 : (int)count;
}

TEST(what_was_written_is_good) {
    text_log t;
    text_log_init(&t);
    EXPECT_EQ(first_bad(&t, t.lines, SMALL_LINES), -1);
    EXPECT(is_good(&t.p, SMALL_LINES));
    text_log_done(&t);
}

TEST(each_removed_line_is_found) {
    text_log t;
    text_log_init(&t);
    for (size_t gone = 0; gone < SMALL_LINES; gone++) {
        slice lines[SMALL_LINES];
        size_t count = 0;
        for (size_t i = 0; i < SMALL_LINES; i++) {
            if (i != gone) {
                lines[count++] = t.lines[i];
            }
        }
        EXPECT_EQ(first_bad(&t, lines, count), gone);
    }
    text_log_done(&t);
}

TEST(each_swap_of_two_lines_is_found) {
    text_log t;
    text_log_init(&t);
    for (size_t a = 0; a < SMALL_LINES; a++) {
        for (size_t b = a + 1; b < SMALL_LINES; b++) {
            slice lines[SMALL_LINES];
            memcpy(lines, t.lines, sizeof lines);
            lines[a] = t.lines[b];
            lines[b] = t.lines[a];
            EXPECT_EQ(first_bad(&t, lines, SMALL_LINES), a);
        }
    }
    text_log_done(&t);
}

TEST(each_doubled_line_is_found) {
    text_log t;
    text_log_init(&t);
    for (size_t twice = 0; twice < SMALL_LINES; twice++) {
        slice lines[SMALL_LINES + 1];
        for (size_t i = 0; i <= SMALL_LINES; i++) {
            lines[i] = t.lines[i > twice ? i - 1 : i];
        }
        EXPECT_EQ(first_bad(&t, lines, SMALL_LINES + 1), twice + 1);
    }
    text_log_done(&t);
}

// Bits of each byte of each line. The wrong line itself is named, with the line after it for what only the
// chain can tell: nothing can, since every byte is under a signature.
TEST(each_edited_byte_is_found) {
    static const uint8_t flips[] = {0x01, 0x02, 0x20};
    text_log t;
    text_log_init(&t);
    for (size_t line = 0; line < SMALL_LINES; line++) {
        for (size_t at = 0; at < t.lines[line].len; at++) {
            for (size_t f = 0; f < sizeof flips; f++) {
                uint8_t *byte = (uint8_t *)(uintptr_t)&t.lines[line].data[at];
                *byte ^= flips[f];
                if (!EXPECT_EQ(first_bad(&t, t.lines, SMALL_LINES), line)) {
                    printf("    line %zu byte %zu\n", line, at);
                }
                *byte ^= flips[f];
            }
        }
    }
    EXPECT_EQ(first_bad(&t, t.lines, SMALL_LINES), -1);
    text_log_done(&t);
}

TEST(each_truncation_is_found) {
    text_log t;
    text_log_init(&t);
    uint64_t line = 1;
    for (size_t len = 0; len < t.text.len; len++) {
        put_file(t.p.log, slice_of(t.text.data, len));
        bool at_start = len == 0 || t.text.data[len - 1] == '\n';
        line += at_start && len > 0;
        audit_fault fault = {0};
        status s = verify(&t.p, NULL, &fault, NULL);
        bool ok = s == STATUS_DENIED && fault.rule == (at_start ? AUDIT_RULE_END : AUDIT_RULE_TORN);
        if (!EXPECT(ok && fault.line == line)) {
            printf("    %zu bytes: line %" PRIu64 ": %s\n", len, fault.line, fault.message);
        }
    }
    // Nothing is written behind it: the head knows of a line that is not there.
    audit *a = NULL;
    err e = {0};
    EXPECT_STATUS(audit_open(&t.p.options, &a, &e), STATUS_DENIED);
    EXPECT_CONTAINS(e.message, "missing");
    text_log_done(&t);
}

TEST(a_line_of_another_key_is_found) {
    text_log t, other;
    text_log_init(&t);
    text_log_init(&other);
    slice lines[SMALL_LINES];
    memcpy(lines, t.lines, sizeof lines);
    lines[0] = other.lines[0];
    EXPECT_EQ(first_bad(&t, lines, SMALL_LINES), 0);
    // A whole log of another key, with its head.
    t.p.public_key = other.p.public_key;
    EXPECT_EQ(first_bad(&t, t.lines, SMALL_LINES), 0);
    text_log_done(&t);
    text_log_done(&other);
}

TEST(a_line_of_another_log_of_the_same_key_is_found) {
    text_log t;
    text_log_init(&t);
    char moved[192], head[192];
    beside(&t.p, ".head", head);
    snprintf(moved, sizeof moved, "%s/old", t.p.dir);
    EXPECT(rename(t.p.log, moved) == 0 && unlink(head) == 0);
    auto_buf other = {0};
    write_lines(&t.p, SMALL_LINES);
    get_file(t.p.log, &other);
    size_t end = slice_find(buf_slice(&other), 0, '\n');
    slice lines[SMALL_LINES];
    memcpy(lines, t.lines, sizeof lines);
    lines[0] = slice_sub(buf_slice(&other), 0, end);
    EXPECT_EQ(first_bad(&t, lines, SMALL_LINES), 1); // its successor names another one
    text_log_done(&t);
}

// --- the head and anchors ---------------------------------------------------------------------------------

TEST(a_head_that_is_gone_or_edited_is_found) {
    place p;
    char path[192];
    auto_buf head = {0};
    place_init(&p);
    write_lines(&p, 3);
    get_file(beside(&p, ".head", path), &head);
    EXPECT_EQ(head.len, AUDIT_HEAD_BYTES);
    EXPECT(unlink(path) == 0);
    EXPECT(is_found(&p, 4, AUDIT_RULE_HEAD));
    audit *a = NULL;
    err e = {0};
    EXPECT_STATUS(audit_open(&p.options, &a, &e), STATUS_DENIED);
    for (size_t at = 0; at < 60; at++) { // number and hash
        head.data[at] ^= 1;
        put_file(path, buf_slice(&head));
        audit_fault fault = {0};
        EXPECT_STATUS(verify(&p, NULL, &fault, NULL), STATUS_DENIED);
        head.data[at] ^= 1;
    }
    put_file(path, buf_slice(&head));
    EXPECT(is_good(&p, 3));
    place_done(&p);
}

// Log and head together put back to an older state: no file can tell, what was noted elsewhere can.
TEST(a_rollback_is_found_by_an_anchor_alone) {
    place p;
    char path[192];
    auto_buf log = {0}, head = {0};
    place_init(&p);
    write_lines(&p, 3);
    get_file(p.log, &log);
    get_file(beside(&p, ".head", path), &head);
    audit *a = begin(&p);
    EXPECT_OK(say(a, 4, NULL));
    audit_mark noted = audit_last(a);
    audit_close(a);
    audit_fault fault = {0};
    EXPECT_U64(noted.seq, 4);
    EXPECT_OK(verify(&p, &noted, &fault, NULL));
    put_file(p.log, buf_slice(&log));
    put_file(path, buf_slice(&head));
    EXPECT(is_good(&p, 3));
    EXPECT_STATUS(verify(&p, &noted, &fault, NULL), STATUS_DENIED);
    EXPECT_EQ(fault.rule, AUDIT_RULE_END);
    a = begin(&p); // rewritten by who has the key
    EXPECT_OK(say(a, 5, NULL));
    audit_close(a);
    EXPECT(is_good(&p, 4));
    EXPECT_STATUS(verify(&p, &noted, &fault, NULL), STATUS_DENIED);
    EXPECT_EQ(fault.rule, AUDIT_RULE_ANCHOR);
    EXPECT_U64(fault.line, 4);
    place_done(&p);
}

TEST(anchors_have_one_spelling) {
    audit_mark m = {.seq = 12}, again;
    char text[AUDIT_MARK_TEXT_BYTES];
    memset(m.hash, 0xab, sizeof m.hash);
    EXPECT(audit_mark_parse(slice_from_text(audit_mark_text(&m, text)), &again));
    EXPECT(again.seq == 12 && hash_equal(again.hash, m.hash));
    text[5] = 'A';
    EXPECT(!audit_mark_parse(slice_from_text(text), &again));
    EXPECT(!audit_mark_parse(slice_from_text("12"), &again));
    EXPECT(!audit_mark_parse(slice_from_text("12:"), &again));
    EXPECT(!audit_mark_parse(slice_from_text(":00"), &again));
}

// --- what happens to writers ------------------------------------------------------------------------------

TEST(an_incomplete_line_is_set_aside_and_recorded) {
    place p;
    char path[192];
    auto_buf log = {0};
    place_init(&p);
    write_lines(&p, 3);
    for (size_t len = 1; len < 200; len += 33) {
        uint64_t seq = 4 + (len - 1) / 33;
        get_file(p.log, &log);
        EXPECT_OK(buf_append(&log, slice_of(log.data, len)));
        put_file(p.log, buf_slice(&log));
        EXPECT(is_found(&p, seq, AUDIT_RULE_TORN));
        write_lines(&p, 1);
        EXPECT(is_good(&p, seq)); // one line more, which says so
        char ending[32];
        auto_buf torn = {0}, now = {0};
        snprintf(ending, sizeof ending, ".torn-%" PRIu64, seq);
        get_file(beside(&p, ending, path), &torn);
        EXPECT_BYTES(buf_slice(&torn), slice_of(log.data, len));
        get_file(p.log, &now);
        EXPECT_CONTAINS(buf_text(&now), ending);
        buf_done(&log);
    }
    place_done(&p);
}

static void child_writes(place *p, int ready) {
    audit *a = NULL;
    if (audit_open(&p->options, &a, NULL) != STATUS_OK) {
        _exit(1);
    }
    for (int i = 0; i < KILLED_LINES; i++) {
        uint64_t seq = audit_last(a).seq + 1;
        if (say(a, i, NULL) != STATUS_OK || write(ready, &seq, sizeof seq) != sizeof seq) {
            _exit(1);
        }
    }
    _exit(0);
}

// The child says after each line that it is written: at least those are there, and at most one more.
TEST(a_writer_that_is_killed_loses_at_most_its_last_line) {
    place p;
    place_init(&p);
    uint64_t before = 0;
    for (int round = 0; round < 8; round++) {
        int pipes[2], lines = round % 2 == 0 ? 20 + round * 7 : 1000 + round * 333;
        p.options.sync_every = round % 2 == 0 ? 1 : AUDIT_SYNC_NEVER;
        EXPECT(pipe(pipes) == 0);
        pid_t child = fork();
        if (child == 0) {
            close(pipes[0]);
            child_writes(&p, pipes[1]);
        }
        close(pipes[1]);
        uint64_t said = before, next;
        for (int n = 0; read(pipes[0], &next, sizeof next) == sizeof next; n++) {
            said = next;
            if (n == lines) {
                kill(child, SIGKILL);
            }
        }
        int how;
        EXPECT(waitpid(child, &how, 0) == child && WIFSIGNALED(how));
        close(pipes[0]);
        audit *a = begin(&p);
        REQUIRE(a != NULL);
        uint64_t last = audit_last(a).seq;
        EXPECT(last == said || last == said + 1);
        before = last;
        audit_close(a);
        EXPECT(is_good(&p, last));
    }
    place_done(&p);
}

TEST(two_writers_take_turns) {
    place p;
    place_init(&p);
    audit *a = begin(&p), *b = begin(&p);
    REQUIRE(a != NULL && b != NULL);
    for (int i = 0; i < 20; i++) {
        err e = {0};
        EXPECT_STATUS_ERR(say(i % 3 == 0 ? a : b, i, &e), STATUS_OK, e);
    }
    audit_close(b);
    EXPECT_OK(say(a, 20, NULL));
    audit_close(a);
    EXPECT(is_good(&p, 22));
    place_done(&p);
}

TEST(two_processes_take_turns) {
    place p;
    place_init(&p);
    p.options.wait_ms = 30000;
    pid_t children[2];
    for (int c = 0; c < 2; c++) {
        children[c] = fork();
        if (children[c] == 0) {
            audit *a = NULL;
            bool ok = audit_open(&p.options, &a, NULL) == STATUS_OK;
            for (int i = 0; ok && i < 100; i++) {
                ok = say(a, i, NULL) == STATUS_OK;
            }
            audit_close(a);
            _exit(ok ? 0 : 1);
        }
    }
    for (int c = 0; c < 2; c++) {
        int how;
        EXPECT(waitpid(children[c], &how, 0) == children[c] && WIFEXITED(how) && WEXITSTATUS(how) == 0);
    }
    EXPECT(is_good(&p, 201));
    place_done(&p);
}

TEST(a_lock_that_is_held_is_waited_for_and_its_holder_named) {
    place p;
    int pipes[2];
    place_init(&p);
    write_lines(&p, 2);
    EXPECT(pipe(pipes) == 0);
    pid_t child = fork();
    if (child == 0) {
        char path[192], pid[32];
        int fd = open(beside(&p, ".lock", path), O_RDWR);
        snprintf(pid, sizeof pid, "%-15d\n", (int)getpid());
        bool ok = fd >= 0 && flock(fd, LOCK_EX) == 0 && pwrite(fd, pid, 16, 0) == 16;
        _exit(write(pipes[1], ok ? "y" : "n", 1) == 1 && pause() != 0 ? 0 : 1);
    }
    char said = 0, who[32];
    EXPECT(read(pipes[0], &said, 1) == 1 && said == 'y');
    audit *a = NULL;
    err e = {0};
    EXPECT_STATUS(audit_open(&p.options, &a, &e), STATUS_TIMEOUT);
    snprintf(who, sizeof who, "process %d ", (int)child);
    EXPECT_CONTAINS(e.message, who);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(pipes[0]);
    close(pipes[1]);
    write_lines(&p, 2);
    EXPECT(is_good(&p, 3));
    place_done(&p);
}

// The head says which lines are on the disk: without syncs it stays behind, and goes with each.
TEST(lines_are_synced_together_when_asked) {
    place p;
    char path[192];
    auto_buf head = {0};
    audit_seal seal;
    place_init(&p);
    p.options.sync_every = AUDIT_SYNC_NEVER;
    audit *a = begin(&p), *b = begin(&p);
    EXPECT_OK(say(a, 1, NULL));
    EXPECT_OK(say(b, 2, NULL));
    get_file(beside(&p, ".head", path), &head);
    EXPECT_OK(audit_head_read(buf_slice(&head), &seal, NULL));
    EXPECT_U64(seal.seq, 0);
    EXPECT_OK(audit_sync(a, NULL)); // also of lines that another wrote behind ours
    buf_done(&head);
    get_file(path, &head);
    EXPECT_OK(audit_head_read(buf_slice(&head), &seal, NULL));
    EXPECT_U64(seal.seq, 3);
    EXPECT_OK(audit_sync(a, NULL));
    EXPECT_OK(say(a, 3, NULL));
    audit_close(b);
    audit_close(a);
    EXPECT(is_good(&p, 4));
    place_done(&p);
}

TEST(full_files_get_numbers_and_the_chain_goes_on) {
    place p;
    char path[192];
    struct stat st;
    place_init(&p);
    p.options.file_bytes_max = AUDIT_FILE_BYTES_MIN;
    p.options.sync_every = AUDIT_SYNC_NEVER;
    write_lines(&p, 1000);
    EXPECT(stat(beside(&p, ".000001", path), &st) == 0 && st.st_size <= AUDIT_FILE_BYTES_MIN);
    EXPECT(stat(beside(&p, ".000002", path), &st) == 0);
    EXPECT(is_good(&p, 1000));
    write_lines(&p, 2);
    EXPECT(is_good(&p, 1001));
    // A power loss between two files: the full one has its name, the next is not there.
    EXPECT(rename(p.log, beside(&p, ".000999", path)) == 0);
    EXPECT(is_good(&p, 1001));
    write_lines(&p, 2);
    EXPECT(is_good(&p, 1002));
    // The first file moved to an archive: the log does not begin at its beginning, unless that is known.
    audit_fault fault = {0};
    EXPECT(unlink(beside(&p, ".000001", path)) == 0);
    EXPECT_STATUS(verify(&p, NULL, &fault, NULL), STATUS_DENIED);
    EXPECT_EQ(fault.rule, AUDIT_RULE_START);
    EXPECT_U64(fault.line, 1);
    // One in the middle is gone.
    EXPECT(unlink(beside(&p, ".000002", path)) == 0);
    EXPECT_STATUS(verify(&p, NULL, &fault, NULL), STATUS_DENIED);
    place_done(&p);
}

TEST(an_anchor_stands_for_files_that_are_elsewhere) {
    place p;
    char path[192];
    audit_fault fault = {0};
    place_init(&p);
    p.options.file_bytes_max = AUDIT_FILE_BYTES_MIN;
    p.options.sync_every = AUDIT_SYNC_NEVER;
    write_lines(&p, 500);
    auto_buf first = {0};
    get_file(beside(&p, ".000001", path), &first);
    size_t end = first.len - 1, from = end;
    while (first.data[from - 1] != '\n') {
        from--;
    }
    audit_line l = {0};
    EXPECT_OK(audit_line_read(slice_of(first.data + from, end - from), &l, NULL));
    EXPECT(unlink(path) == 0);
    EXPECT_OK(verify(&p, &l.mark, &fault, NULL));
    l.mark.hash[0] ^= 1;
    EXPECT_STATUS(verify(&p, &l.mark, &fault, NULL), STATUS_DENIED);
    EXPECT_EQ(fault.rule, AUDIT_RULE_ANCHOR);
    audit_line_done(&l);
    place_done(&p);
}

static struct rlimit limit_files(rlim_t bytes) {
    struct rlimit before, now;
    EXPECT(getrlimit(RLIMIT_FSIZE, &before) == 0);
    now = (struct rlimit){bytes, before.rlim_max};
    EXPECT(setrlimit(RLIMIT_FSIZE, &now) == 0);
    return before;
}

TEST(a_full_disk_refuses_and_says_so_later) {
    place p;
    struct stat st;
    place_init(&p);
    signal(SIGXFSZ, SIG_IGN);
    audit *a = begin(&p);
    EXPECT_OK(say(a, 1, NULL));
    EXPECT(stat(p.log, &st) == 0);
    struct rlimit before = limit_files((rlim_t)st.st_size + 100); // a part of the next line fits
    for (int i = 0; i < 3; i++) {
        err e = {0};
        EXPECT_STATUS(say(a, 2, &e), STATUS_IO);
        EXPECT_CONTAINS(e.message, "not done");
    }
    off_t full_size = st.st_size;
    EXPECT(stat(p.log, &st) == 0 && st.st_size == full_size); // no part of it stays
    EXPECT(setrlimit(RLIMIT_FSIZE, &before) == 0);
    EXPECT_OK(say(a, 3, NULL));
    audit_close(a);
    EXPECT(is_good(&p, 4)); // start, 1, the gap, 3
    auto_buf log = {0};
    get_file(p.log, &log);
    EXPECT_CONTAINS(buf_text(&log), "\"kind\":\"log.gap\"");
    EXPECT_CONTAINS(buf_text(&log), "\"events\":3,\"actions\":\"refused\"");
    place_done(&p);
}

TEST(a_clock_that_is_set_back_is_recorded) {
    place p;
    audit_fault fault = {0};
    audit_summary sum = {0};
    place_init(&p);
    write_lines(&p, 3);
    p.clock.seconds -= 3600;
    write_lines(&p, 3); // also across openings
    EXPECT_OK(verify(&p, NULL, &fault, &sum));
    EXPECT_U64(sum.clock_backs, 1);
    auto_buf log = {0};
    get_file(p.log, &log);
    EXPECT_CONTAINS(buf_text(&log), "\"back_ms\":3599000");
    place_done(&p);
}

TEST(another_key_does_not_go_on_with_a_log) {
    place p;
    nkey *other = NULL;
    audit *a = NULL;
    err e = {0};
    place_init(&p);
    write_lines(&p, 2);
    EXPECT_OK(nkey_generate(NKEY_SERVER, &other, NULL));
    p.options.key = other;
    EXPECT_STATUS(audit_open(&p.options, &a, &e), STATUS_DENIED);
    EXPECT_CONTAINS(e.message, "not signed by this host");
    nkey_free(other);
    place_done(&p);
}

TEST(places_that_others_can_write_are_refused) {
    place p;
    audit *a = NULL;
    err e = {0};
    place_init(&p);
    write_lines(&p, 2);
    EXPECT(chmod(p.log, 0622) == 0);
    EXPECT_STATUS(audit_open(&p.options, &a, &e), STATUS_DENIED);
    EXPECT(chmod(p.log, 0600) == 0 && chmod(p.dir, 0777) == 0);
    EXPECT_STATUS(audit_open(&p.options, &a, &e), STATUS_DENIED);
    EXPECT(chmod(p.dir, 0700) == 0);
    p.options.path = "";
    EXPECT_STATUS(audit_open(&p.options, &a, &e), STATUS_INVALID);
    place_done(&p);
}

// --- what lines hold --------------------------------------------------------------------------------------

TEST(hostile_texts_stay_in_their_line) {
    place p;
    static const char hostile[] = "a\nb\",\"sig\":\"x\"}\n{\"seq\":9}\x1b[31m\x7f\xff\xfe\xe2\x80\xae"
                                  "\xf0\x9f\x98\x80\0end";
    place_init(&p);
    audit *a = begin(&p);
    char long_text[2000];
    memset(long_text, 'x', sizeof long_text);
    memcpy(long_text + AUDIT_FIELD_BYTES_MAX - 1, "\xc3\xa4", 2);
    err e = {0};
    EXPECT_STATUS_ERR(audit_event(a, &e, AUDIT_NOTE, audit_slice("text", slice_of(hostile, sizeof hostile)),
                                  audit_slice("long", slice_of(long_text, sizeof long_text))),
                      STATUS_OK, e);
    audit_close(a);
    EXPECT(is_good(&p, 2));
    auto_buf log = {0};
    get_file(p.log, &log);
    for (size_t i = 0; i < log.len; i++) {
        EXPECT(log.data[i] == '\n' || (log.data[i] >= 0x20 && log.data[i] < 0x7f));
    }
    EXPECT_CONTAINS(buf_text(&log), "x... (2000 bytes)\"");
    EXPECT_CONTAINS(buf_text(&log), "\\ud83d\\ude00\\u2400end");
    place_done(&p);
}

TEST(the_longest_event_fits) {
    place p;
    char worst[AUDIT_FIELD_BYTES_MAX];
    audit_field fields[AUDIT_FIELDS_MAX];
    static const char *const names[AUDIT_FIELDS_MAX] = {"a", "b", "c", "d", "e", "f",
                                                        "g", "h", "i", "j", "k", "l"};
    memset(worst, 0x01, sizeof worst);
    place_init(&p);
    for (size_t i = 0; i < AUDIT_FIELDS_MAX; i++) {
        fields[i] = audit_slice(names[i], slice_of(worst, sizeof worst));
    }
    audit *a = begin(&p);
    err e = {0};
    EXPECT_STATUS_ERR(audit_append(a, AUDIT_GRANT, fields, AUDIT_FIELDS_MAX, &e), STATUS_OK, e);
    memset(worst, 0xff, sizeof worst);
    EXPECT_STATUS_ERR(audit_append(a, AUDIT_GRANT, fields, AUDIT_FIELDS_MAX, &e), STATUS_OK, e);
    audit_close(a);
    EXPECT(is_good(&p, 3));
    place_done(&p);
}

static int calls;
static const char *counted(void) {
    calls++;
    return "x";
}

TEST(without_a_log_nothing_is_done) {
    audit *none = NULL;
    calls = 0;
    EXPECT_OK(audit_event(none, NULL, AUDIT_REFUSAL, audit_text("reason", counted())));
    EXPECT_EQ(calls, 0);
    audit_close(none);
}

TEST(kinds_have_names_of_their_own) {
    for (int i = 0; i < AUDIT_KIND_COUNT; i++) {
        const char *name = audit_kind_name((audit_kind)i);
        EXPECT(name != NULL && name[0] != '\0');
        for (int k = 0; k < i; k++) {
            EXPECT(strcmp(name, audit_kind_name((audit_kind)k)) != 0);
        }
    }
}

// A reader that goes on tells each place that is wrong.
TEST(a_lenient_reader_goes_on) {
    text_log t;
    text_log_init(&t);
    ((uint8_t *)(uintptr_t)t.lines[1].data)[t.lines[1].len - 10] ^= 1; // a signature
    put_file(t.p.log, buf_slice(&t.text));
    audit_reader *r = NULL;
    audit_reader_options o = {.path = t.p.log, .key = &t.p.public_key, .is_lenient = true};
    EXPECT_OK(audit_reader_open(&o, &r, NULL));
    int faults = 0, lines = 0;
    for (status s = STATUS_OK; s == STATUS_OK || s == STATUS_DENIED;) {
        audit_line l;
        audit_fault fault;
        s = audit_reader_next(r, &l, &fault, NULL);
        faults += s == STATUS_DENIED;
        lines += l.root != NULL;
        audit_line_done(&l);
    }
    EXPECT(faults >= 1 && lines >= SMALL_LINES - 1);
    audit_reader_close(r);
    text_log_done(&t);
}
