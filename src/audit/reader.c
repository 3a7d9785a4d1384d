// SPDX-License-Identifier: Apache-2.0
// What is being written is opened, and its length and the head are read, under the lock of the writers; full
// files do not change any more.
#include "audit/reader.h"

#include <fcntl.h>
#include <stdio.h>

#include "audit/files.h"
#include "base/mem.h"
#include "os/fd.h"
#include "os/lock.h"

enum { CHUNK_BYTES = AUDIT_LINE_BYTES_MAX + 1 };

struct audit_reader {
    audit_place place;
    audit_checker checker;
    audit_seal head;
    uint32_t *full; // numbers of the full files
    size_t full_count;
    size_t full_next; // which comes after the open one
    int current;      // the file that is being written; -1: there is none, or its turn has come
    uint64_t current_size;
    int fd; // the open one; -1: none
    uint64_t at;
    uint64_t size;
    uint64_t line;
    uint64_t files;
    audit_file_name name;
    uint8_t chunk[CHUNK_BYTES]; // bytes before `at`
    size_t chunk_from;
    size_t chunk_len;
    bool is_over;
};

// --- opening ----------------------------------------------------------------------------------------------

static status read_state(audit_reader *r, err *e) {
    status head = audit_read_head(&r->place, &r->head, e);
    r->checker.head = head == STATUS_OK ? &r->head : NULL;
    if (head != STATUS_OK && head != STATUS_NOT_FOUND && head != STATUS_INVALID) {
        return head;
    }
    TRY(audit_list_full(&r->place, &r->full, &r->full_count, e));
    status current = audit_open_file(&r->place, audit_name_with(&r->place, ""), O_RDONLY, &r->current,
                                     &r->current_size, e);
    if (current == STATUS_NOT_FOUND && (r->full_count > 0 || head != STATUS_NOT_FOUND)) {
        return STATUS_OK;
    }
    return current;
}

static status open_locked(audit_reader *r, const audit_reader_options *o, err *e) {
    auto_fd lock = -1;
    audit_file_name name = audit_name_with(&r->place, ".lock");
    status opened = lock_open(r->place.dir, name.text, false, &lock, e);
    if (opened != STATUS_OK && opened != STATUS_NOT_FOUND) { // a copy of a log has none
        return opened;
    }
    if (opened == STATUS_OK) {
        TRY(lock_take(lock, true, o->wait_ms, name.text, e));
    }
    return read_state(r, e);
}

status audit_reader_open(const audit_reader_options *o, audit_reader **ret, err *e) {
    audit_reader *r = MEM_NEW(audit_reader);
    r->fd = r->current = r->place.dir = -1;
    r->checker = (audit_checker){.key = o->key, .anchor = o->anchor, .is_lenient = o->is_lenient};
    status opened = audit_place_open(o->path, false, &r->place, e);
    if (opened == STATUS_OK) {
        r->name = audit_name_with(&r->place, "");
        opened = open_locked(r, o, e);
    }
    if (opened != STATUS_OK) {
        audit_reader_close(r);
        return opened;
    }
    *ret = r;
    return STATUS_OK;
}

void audit_reader_close(audit_reader *r) {
    if (r != NULL) {
        fd_close(r->fd);
        fd_close(r->current);
        audit_place_close(&r->place);
        mem_free(r->full);
        mem_free(r);
    }
}

// --- files ------------------------------------------------------------------------------------------------

// False after the last one.
static status next_file(audit_reader *r, bool *ret_has, err *e) {
    fd_close(r->fd);
    r->fd = -1;
    *ret_has = true;
    if (r->full_next < r->full_count) {
        r->name = audit_name_full(&r->place, r->full[r->full_next++]);
        TRY(audit_open_file(&r->place, r->name, O_RDONLY, &r->fd, &r->size, e));
    } else if (r->current >= 0) {
        r->name = audit_name_with(&r->place, "");
        r->fd = r->current;
        r->size = r->current_size;
        r->current = -1;
    } else {
        *ret_has = false;
        return STATUS_OK;
    }
    r->at = r->line = r->chunk_from = r->chunk_len = 0;
    r->files++;
    return STATUS_OK;
}

// More bytes behind those that are there.
static status fill(audit_reader *r, bool *ret_more, err *e) {
    memmove(r->chunk, r->chunk + r->chunk_from, r->chunk_len);
    r->chunk_from = 0;
    size_t room = CHUNK_BYTES - r->chunk_len, len = 0;
    uint64_t left = r->size - r->at;
    if (room > 0 && left > 0) {
        size_t ask = left < room ? (size_t)left : room;
        TRY(fd_read_at(r->fd, r->chunk + r->chunk_len, ask, r->at, &len, e));
        r->at = len < ask ? r->size : r->at + len; // it has been cut short meanwhile
    }
    r->chunk_len += len;
    *ret_more = len > 0;
    return STATUS_OK;
}

typedef enum piece { PIECE_LINE, PIECE_TORN, PIECE_TOO_LONG, PIECE_NONE } piece;

static slice take(audit_reader *r, size_t len, size_t skip) {
    slice text = slice_of(r->chunk + r->chunk_from, len);
    r->chunk_from += len + skip;
    r->chunk_len -= len + skip;
    r->line++;
    return text;
}

static status next_piece(audit_reader *r, piece *ret, slice *ret_text, err *e) {
    for (;;) {
        size_t end = slice_find(slice_of(r->chunk + r->chunk_from, r->chunk_len), 0, '\n');
        if (end != SIZE_MAX) {
            *ret = PIECE_LINE;
            *ret_text = take(r, end, 1);
            return STATUS_OK;
        }
        bool has_more = false;
        if (r->fd >= 0) {
            TRY(fill(r, &has_more, e));
        }
        if (!has_more && r->chunk_len > 0) {
            *ret = r->chunk_len == CHUNK_BYTES ? PIECE_TOO_LONG : PIECE_TORN;
            *ret_text = take(r, r->chunk_len, 0);
            return STATUS_OK;
        }
        bool has_file = true;
        if (!has_more) {
            TRY(next_file(r, &has_file, e));
        }
        if (!has_file) {
            *ret = PIECE_NONE;
            return STATUS_OK;
        }
    }
}

// --- lines ------------------------------------------------------------------------------------------------

static status broken(audit_reader *r, audit_fault *fault) {
    snprintf(fault->file, sizeof fault->file, "%s", r->name.text);
    fault->line = r->line;
    r->is_over = r->is_over || !r->checker.is_lenient;
    return STATUS_DENIED;
}

static status at_end(audit_reader *r, audit_fault *fault) {
    r->is_over = true;
    bool good = audit_check_end(&r->checker, true, fault);
    r->line++; // what is missing would be there
    return good ? STATUS_NOT_FOUND : broken(r, fault);
}

status audit_reader_next(audit_reader *r, audit_line *ret, audit_fault *fault, err *e) {
    piece p;
    slice text = slice_empty();
    *ret = (audit_line){0};
    if (r->is_over) {
        return STATUS_NOT_FOUND;
    }
    TRY(next_piece(r, &p, &text, e));
    if (p == PIECE_NONE) {
        return at_end(r, fault);
    }
    if (p == PIECE_TORN) {
        audit_fault_set(fault, AUDIT_RULE_TORN, r->checker.last.seq + 1,
                        "the last line is incomplete (%zu bytes); the host sets it aside when it next "
                        "opens the log, and records that",
                        text.len);
        return broken(r, fault);
    }
    if (p == PIECE_TOO_LONG) {
        audit_fault_set(fault, AUDIT_RULE_FORMAT, 0, "the line is longer than %d bytes",
                        AUDIT_LINE_BYTES_MAX);
        return broken(r, fault);
    }
    return audit_check_line(&r->checker, text, ret, fault) ? STATUS_OK : broken(r, fault);
}

audit_summary audit_reader_summary(const audit_reader *r) {
    return (audit_summary){.lines = r->checker.count,
                           .files = r->files,
                           .first_seq = r->checker.first.seq,
                           .last = r->checker.last,
                           .clock_backs = r->checker.clock_backs};
}
