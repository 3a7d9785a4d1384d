// SPDX-License-Identifier: Apache-2.0
#include "audit/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "audit/files.h"
#include "base/mem.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/private.h"

enum { TAIL_BYTES = 2 * (AUDIT_LINE_BYTES_MAX + 1), MISSED_REASON_BYTES = 200 };

struct audit {
    audit_place place;
    audit_options options;
    int lock;
    int log; // -1: there is none
    int head;
    uint64_t inode;
    uint64_t size;
    audit_mark last;
    audit_seal last_seal;
    uint64_t last_ms;  // of the last line's time
    uint32_t unsynced; // lines
    uint64_t missed;   // events that could not be written
    char missed_reason[MISSED_REASON_BYTES];
    bool is_broken; // a sync failed: what is on the disk is not known
};

static audit_file_name log_name(const audit *a) { return audit_name_with(&a->place, ""); }

static status failed_at(err *e, int number, const char *what) {
    err_set_errno(e, number, what);
    return err_wrap(e, "audit log");
}

// --- the head ---------------------------------------------------------------------------------------------

// One sector, written in place: it is never half the old and half the new.
static status write_head(audit *a, const audit_seal *s, bool sync, err *e) {
    char text[AUDIT_HEAD_BYTES];
    size_t len = 0;
    audit_head_write(s, text);
    int failed = file_write(a->head, text, sizeof text, 0, &len);
    if (failed == 0 && len == sizeof text && sync) {
        failed = file_sync(a->head, true);
    }
    return failed == 0 && len == sizeof text ? STATUS_OK
                                             : failed_at(e, failed != 0 ? failed : EIO, "write the head");
}

// A log begins with its head: one without was cut.
static status make_head(audit *a, err *e) {
    const uint8_t zeros[HASH_BYTES] = {0};
    audit_seal none;
    TRY(audit_seal_make(0, zeros, a->options.key, &none, e));
    int failed = private_file_create(a->place.dir, audit_name_with(&a->place, ".head").text, &a->head);
    if (failed != 0) {
        return failed_at(e, failed, "make the head");
    }
    TRY(write_head(a, &none, true, e));
    failed = file_sync(a->place.dir, false);
    return failed == 0 ? STATUS_OK : failed_at(e, failed, "sync the directory");
}

// --- where the log ends -----------------------------------------------------------------------------------

typedef struct tail {
    bool has_line;
    audit_line line;     // the last complete one
    uint64_t good_bytes; // up to the end of it
    uint64_t torn_bytes; // after it
    buf bytes;           // the end of the file; the torn bytes are its last
} tail;

static void tail_done(tail *t) {
    audit_line_done(&t->line);
    buf_done(&t->bytes);
}

static status read_end(int fd, uint64_t size, buf *ret, err *e) {
    uint8_t *to;
    uint64_t from = size > TAIL_BYTES ? size - TAIL_BYTES : 0;
    buf_init(ret, TAIL_BYTES);
    if (size == 0) {
        return STATUS_OK;
    }
    TRY(buf_reserve(ret, (size_t)(size - from), &to));
    size_t len;
    TRY(fd_read_at(fd, to, (size_t)(size - from), from, &len, e));
    ret->len = len;
    return STATUS_OK;
}

static size_t find_back(slice s, size_t end) { // index behind the last line feed before `end`
    while (end > 0 && s.data[end - 1] != '\n') {
        end--;
    }
    return end;
}

static status read_tail(int fd, uint64_t size, const char *name, tail *t, err *e) {
    TRY(read_end(fd, size, &t->bytes, e));
    slice all = buf_slice(&t->bytes);
    size_t end = find_back(all, all.len);
    t->torn_bytes = all.len - end;
    t->good_bytes = size - t->torn_bytes;
    if (t->torn_bytes > AUDIT_LINE_BYTES_MAX) {
        return err_set(e, STATUS_DENIED, "audit log: %s does not end with a line", name);
    }
    if (end == 0) {
        return STATUS_OK;
    }
    if (audit_line_read(slice_sub(all, find_back(all, end - 1), end - 1), &t->line, e) != STATUS_OK) {
        return err_set(e, STATUS_DENIED, "audit log: the last line of %s is malformed; writ audit verify",
                       name);
    }
    t->has_line = true;
    return STATUS_OK;
}

// The last line of the newest full file that has one.
static status read_last_full(const audit *a, tail *t, err *e) {
    uint32_t *full = NULL;
    size_t count;
    TRY(audit_list_full(&a->place, &full, &count, e));
    status read = STATUS_OK;
    for (size_t i = count; i > 0 && read == STATUS_OK && !t->has_line; i--) {
        auto_fd fd = -1;
        uint64_t size;
        tail_done(t);
        *t = (tail){0};
        audit_file_name name = audit_name_full(&a->place, full[i - 1]);
        read = audit_open_file(&a->place, name, O_RDONLY, &fd, &size, e);
        if (read == STATUS_OK) {
            read = read_tail(fd, size, name.text, t, e);
        }
        if (read == STATUS_OK && t->torn_bytes > 0) {
            read = err_set(e, STATUS_DENIED, "audit log: the last line of %s is incomplete", name.text);
        }
    }
    mem_free(full);
    return read;
}

// --- an incomplete line -----------------------------------------------------------------------------------

static audit_file_name torn_name(const audit *a, uint64_t seq) {
    char ending[32];
    snprintf(ending, sizeof ending, ".torn-%" PRIu64, seq);
    return audit_name_with(&a->place, ending);
}

// Several, if the power goes again and again, stand in one file one after the other.
static int keep_torn(const audit *a, slice bytes, uint64_t seq) {
    auto_fd fd = -1;
    audit_file_name name = torn_name(a, seq);
    int failed = private_file_create(a->place.dir, name.text, &fd);
    if (failed == EEXIST) {
        failed = file_open_component(a->place.dir, name.text, O_WRONLY, &fd);
    }
    file_info info;
    size_t len = 0;
    failed = failed == 0 ? file_info_of(fd, &info) : failed;
    failed = failed == 0 ? file_write(fd, bytes.data, bytes.len, info.size, &len) : failed;
    failed = failed == 0 && len != bytes.len ? ENOSPC : failed;
    failed = failed == 0 ? file_sync(fd, false) : failed;
    return failed == 0 ? file_sync(a->place.dir, false) : failed;
}

// The bytes are safe elsewhere before they are cut off. The line that says so follows from the file's name,
// so that it is also written when the power goes in between.
static status set_aside(audit *a, const tail *t, err *e) {
    slice bytes = slice_sub(buf_slice(&t->bytes), t->bytes.len - (size_t)t->torn_bytes, t->bytes.len);
    int failed = keep_torn(a, bytes, a->last.seq + 1);
    failed = failed == 0 ? file_set_size(a->log, t->good_bytes) : failed;
    failed = failed == 0 ? file_sync(a->log, false) : failed;
    a->size = t->good_bytes;
    return failed == 0 ? STATUS_OK : failed_at(e, failed, "set an incomplete line aside");
}

// --- catching up ------------------------------------------------------------------------------------------

static status cut(err *e, uint64_t from, uint64_t to) {
    return err_set(e, STATUS_DENIED,
                   "audit log: lines %" PRIu64 " to %" PRIu64 " are missing from its end; look at it with "
                   "writ audit verify, and move all of its files away to begin a new one",
                   from, to);
}

static status check_tail(const audit *a, const tail *t, const audit_seal *head, err *e) {
    nkey_public key = nkey_public_of(a->options.key);
    if (!audit_seal_is_of(head, &key) || (t->has_line && !audit_seal_is_of(&t->line.seal, &key))) {
        return err_set(e, STATUS_DENIED,
                       "audit log: the %s is not signed by this host (%s); use its own key, or move all of "
                       "its files away to begin a new one",
                       audit_seal_is_of(head, &key) ? "last line" : "head", nkey_public_text(&key).text);
    }
    uint64_t last = t->has_line ? t->line.mark.seq : 0;
    if (head->seq > last) {
        return cut(e, last + 1, head->seq);
    }
    if (head->seq == last && t->has_line && !hash_equal(head->body_hash, t->line.seal.body_hash)) {
        return err_set(e, STATUS_DENIED, "audit log: line %" PRIu64 " is not the one that the head names",
                       last);
    }
    return STATUS_OK;
}

// The head of a log that exists. One that is about to begin gets its first.
static status load_head(audit *a, bool is_new, audit_seal *ret, err *e) {
    status read = audit_read_head(&a->place, ret, e);
    if (read == STATUS_NOT_FOUND && is_new) {
        TRY(make_head(a, e));
        return audit_read_head(&a->place, ret, e);
    }
    if (read == STATUS_NOT_FOUND || read == STATUS_INVALID) {
        return err_set(
            e, STATUS_DENIED,
            "audit log: its head %s is %s, so lines could have been cut off; move all of its files "
            "away to begin a new one",
            audit_name_with(&a->place, ".head").text, read == STATUS_NOT_FOUND ? "missing" : "malformed");
    }
    TRY(read);
    uint64_t size;
    fd_close(a->head);
    a->head = -1;
    return audit_open_file(&a->place, audit_name_with(&a->place, ".head"), O_RDWR, &a->head, &size, e);
}

// Takes over where the log ends; `t` is of the open file.
static status take_over(audit *a, tail *t, err *e) {
    tail before = {0};
    audit_seal head;
    status done = t->has_line ? STATUS_OK : read_last_full(a, &before, e);
    const tail *from = t->has_line ? t : &before;
    bool is_new = !from->has_line && t->torn_bytes == 0;
    if (done == STATUS_OK) {
        done = load_head(a, is_new, &head, e);
    }
    if (done == STATUS_OK) {
        done = check_tail(a, from, &head, e);
    }
    if (done == STATUS_OK) {
        a->last = from->line.mark;
        a->last_seal = from->has_line ? from->line.seal : head;
        a->last_ms = from->line.at_ms;
    }
    tail_done(&before);
    return done == STATUS_OK && t->torn_bytes > 0 ? set_aside(a, t, e) : done;
}

static status make_log(audit *a, err *e) {
    int failed = private_file_create(a->place.dir, log_name(a).text, &a->log);
    failed = failed == 0 ? file_sync(a->place.dir, false) : failed;
    return failed == 0 ? STATUS_OK : failed_at(e, failed, log_name(a).text);
}

// Reads anew where the log ends. The file is made after the head, which is made with the first line.
static status load(audit *a, err *e) {
    tail t = {0};
    file_info info;
    fd_close(a->log);
    a->log = -1;
    status opened = audit_open_file(&a->place, log_name(a), O_RDWR | O_APPEND, &a->log, &a->size, e);
    if (opened == STATUS_OK && !private_file_is_ours(a->log, false)) {
        return err_set(e, STATUS_DENIED, "audit log: %s could have been written by others: chmod go-w it",
                       log_name(a).text);
    }
    if (opened == STATUS_OK) {
        opened = read_tail(a->log, a->size, log_name(a).text, &t, e);
    } else if (opened == STATUS_NOT_FOUND) {
        opened = STATUS_OK;
    }
    if (opened == STATUS_OK) {
        opened = take_over(a, &t, e);
    }
    if (opened == STATUS_OK && a->log < 0) {
        a->size = 0;
        opened = make_log(a, e);
    }
    tail_done(&t);
    TRY(opened);
    int failed = file_info_of(a->log, &info);
    a->inode = info.inode;
    return failed == 0 ? STATUS_OK : failed_at(e, failed, log_name(a).text);
}

// --- lines ------------------------------------------------------------------------------------------------

static status sync_log(audit *a, bool with_head, err *e) {
    int failed = file_sync(a->log, true);
    if (failed != 0) {
        a->is_broken = true;
        return failed_at(e, failed, "sync");
    }
    a->unsynced = 0;
    return write_head(a, &a->last_seal, with_head, e);
}

// The full file gets its number; the next line begins a new one, whose chain goes on.
static status rotate(audit *a, err *e) {
    uint32_t *full = NULL;
    size_t count;
    TRY(sync_log(a, true, e));
    TRY(audit_list_full(&a->place, &full, &count, e));
    uint32_t number = count == 0 ? 1 : full[count - 1] + 1;
    mem_free(full);
    if (number > AUDIT_FILE_NUMBER_MAX) {
        return err_set(e, STATUS_LIMIT, "audit log: more than %d files", AUDIT_FILE_NUMBER_MAX);
    }
    int failed =
        file_rename(a->place.dir, log_name(a).text, a->place.dir, audit_name_full(&a->place, number).text);
    return failed == 0 ? load(a, e) : failed_at(e, failed, "name a full file");
}

// One write for one line. What was written of a line that failed is taken back, and its caller told.
static status put_line(audit *a, slice line, err *e) {
    size_t len = 0;
    int failed = file_append(a->log, line.data, line.len, &len);
    if (failed == 0 && len == line.len) {
        return STATUS_OK;
    }
    if (len > 0 && file_set_size(a->log, a->size) != 0) {
        a->is_broken = true;
    }
    return failed != 0
               ? failed_at(e, failed, "write a line")
               : err_set(e, STATUS_IO,
                         "audit log: a line could be written in part alone: the disk is full, or a limit on "
                         "the size of files is reached");
}

static clock_wall now(const audit *a) {
    return a->options.now == NULL ? clock_wall_now() : a->options.now(a->options.arg);
}

static uint64_t to_ms(clock_wall t) { return t.seconds * 1000 + t.nanoseconds / 1000000; }

static status write_event(audit *a, audit_kind kind, const audit_field *fields, size_t count, err *e) {
    audit_event_facts f = {.kind = kind,
                           .at = now(a),
                           .by = a->options.by,
                           .previous = a->last,
                           .fields = fields,
                           .field_count = count};
    uint64_t at_ms = to_ms(f.at);
    audit_seal seal;
    auto_buf line;
    buf_init(&line, AUDIT_LINE_BYTES_MAX + 1);
    f.back_ms = at_ms < a->last_ms ? a->last_ms - at_ms : 0;
    TRY(audit_line_write(&f, a->options.key, &line, &seal, e));
    if (a->size > 0 && a->size + line.len > a->options.file_bytes_max) {
        TRY(rotate(a, e));
    }
    TRY(put_line(a, buf_slice(&line), e));
    slice text = slice_of(line.data, line.len - 1);
    hash_sha256(&text, 1, a->last.hash);
    a->last.seq++;
    a->last_seal = seal;
    a->last_ms = at_ms;
    a->size += line.len;
    a->unsynced++;
    return a->unsynced >= a->options.sync_every ? sync_log(a, false, e) : STATUS_OK;
}

// --- the log's own events ---------------------------------------------------------------------------------

static status record_torn(audit *a, err *e) {
    audit_file_name name = torn_name(a, a->last.seq + 1);
    file_info info;
    if (file_info_at(a->place.dir, name.text, &info) != 0) {
        return STATUS_OK;
    }
    const audit_field fields[] = {audit_text("file", name.text), audit_number("bytes", (int64_t)info.size)};
    return write_event(a, AUDIT_LOG_TORN, fields, 2, e);
}

static status record_start(audit *a, err *e) {
    const audit_field format = audit_number("format", 1);
    return a->last.seq > 0 ? STATUS_OK : write_event(a, AUDIT_LOG_START, &format, 1, e);
}

static status record_gap(audit *a, err *e) {
    if (a->missed == 0) {
        return STATUS_OK;
    }
    const audit_field fields[] = {
        audit_number("events", (int64_t)a->missed),
        audit_text("actions", "refused"),
        audit_text("reason", a->missed_reason),
    };
    TRY(write_event(a, AUDIT_LOG_GAP, fields, 3, e));
    a->missed = 0;
    return STATUS_OK;
}

// Whether another process has written since, or given the file its number.
static bool is_ours_still(const audit *a) {
    file_info info;
    return a->log >= 0 && file_info_at(a->place.dir, log_name(a).text, &info) == 0 &&
           info.inode == a->inode && info.size == a->size;
}

// Under the lock: stands at the end of the log, with the log's own events written.
static status catch_up(audit *a, err *e) {
    if (!is_ours_still(a)) {
        TRY(load(a, e));
        TRY(record_torn(a, e));
    }
    TRY(record_start(a, e));
    return record_gap(a, e);
}

// --- the contract -----------------------------------------------------------------------------------------

static status take_lock(audit *a, err *e) {
    if (lock_take(a->lock, false, a->options.wait_ms, audit_name_with(&a->place, ".lock").text, e) !=
        STATUS_OK) {
        return err_wrap(e, "audit log");
    }
    return STATUS_OK;
}

static status open_all(audit *a, err *e) {
    TRY(audit_place_open(a->options.path, true, &a->place, e));
    TRY(lock_open(a->place.dir, audit_name_with(&a->place, ".lock").text, true, &a->lock, e));
    TRY(take_lock(a, e));
    status ready = catch_up(a, e);
    lock_give(a->lock);
    return ready;
}

status audit_open(const audit_options *o, audit **ret, err *e) {
    audit *a = MEM_NEW(audit);
    a->options = *o;
    a->options.sync_every = o->sync_every == 0 ? 1 : o->sync_every;
    a->options.wait_ms = o->wait_ms == 0 ? AUDIT_WAIT_MS : o->wait_ms;
    uint64_t bytes = o->file_bytes_max == 0 ? AUDIT_FILE_BYTES : o->file_bytes_max;
    a->options.file_bytes_max = bytes < AUDIT_FILE_BYTES_MIN ? AUDIT_FILE_BYTES_MIN : bytes;
    a->place.dir = a->lock = a->log = a->head = -1;
    status opened = open_all(a, e);
    if (opened != STATUS_OK) {
        a->unsynced = 0; // nothing of ours
        audit_close(a);
        return opened;
    }
    *ret = a;
    return STATUS_OK;
}

// What was missed is told if it can be now. A process that has written since has synced, or will.
static void finish(audit *a) {
    bool can_sync = a->missed == 0 ? is_ours_still(a) : catch_up(a, NULL) == STATUS_OK;
    if (can_sync && !a->is_broken) {
        WRIT_UNUSED status synced = sync_log(a, true, NULL);
    }
}

void audit_close(audit *a) {
    if (a == NULL) {
        return;
    }
    if ((a->unsynced > 0 || a->missed > 0) && !a->is_broken && take_lock(a, NULL) == STATUS_OK) {
        finish(a);
        lock_give(a->lock);
    }
    fd_close(a->log);
    fd_close(a->head);
    fd_close(a->lock);
    audit_place_close(&a->place);
    mem_free(a);
}

static status broken(err *e) {
    return err_set(e, STATUS_IO,
                   "audit log: it could not be synced before, so what is on the disk is not known; open it "
                   "again");
}

static status append_locked(audit *a, audit_kind kind, const audit_field *fields, size_t count, err *e) {
    if (a->is_broken) {
        return broken(e);
    }
    TRY(take_lock(a, e));
    status done = catch_up(a, e);
    if (done == STATUS_OK) {
        done = write_event(a, kind, fields, count, e);
    }
    lock_give(a->lock);
    return done;
}

status audit_append(audit *a, audit_kind kind, const audit_field *fields, size_t count, err *e) {
    err why = {0};
    status done = append_locked(a, kind, fields, count, &why);
    if (done == STATUS_OK) {
        return STATUS_OK;
    }
    a->missed++;
    snprintf(a->missed_reason, sizeof a->missed_reason, "%.*s", (int)sizeof a->missed_reason - 1,
             why.message);
    return err_set(e, done, "%s; what cannot be recorded is not done", why.message);
}

status audit_sync(audit *a, err *e) {
    if (a->is_broken) {
        return broken(e);
    }
    if (a->unsynced == 0) {
        return STATUS_OK;
    }
    TRY(take_lock(a, e));
    // Another process may have written since, and given the file its number, before which it has synced it.
    status done = is_ours_still(a) ? STATUS_OK : catch_up(a, e);
    if (done == STATUS_OK) {
        done = sync_log(a, false, e);
    }
    lock_give(a->lock);
    return done;
}

audit_mark audit_last(const audit *a) { return a->last; }
