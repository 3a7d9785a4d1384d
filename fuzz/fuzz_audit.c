// SPDX-License-Identifier: Apache-2.0
// Any bytes as a log, line after line: each is refused with a reason or is one that can be told again. The
// first AUDIT_HEAD_BYTES are also read as a head. Nothing here can have a good signature, so that the readers
// behind the signature are reached without a key.
//
// links: audit
#include "audit/check.h"
#include "base/check.h"
#include "fuzz.h"

static void check_mark(const audit_line *l) {
    char text[AUDIT_MARK_TEXT_BYTES];
    audit_mark again;
    CHECK(audit_mark_parse(slice_from_text(audit_mark_text(&l->mark, text)), &again));
    CHECK(again.seq == l->mark.seq && hash_equal(again.hash, l->mark.hash));
}

static void read_lines(slice all, const nkey_public *key, bool is_lenient) {
    audit_checker c = {.key = key, .is_lenient = is_lenient};
    audit_fault fault;
    for (size_t at = 0; at < all.len;) {
        size_t end = slice_find(all, at, '\n');
        end = end == SIZE_MAX ? all.len : end;
        audit_line l;
        bool good = audit_check_line(&c, slice_sub(all, at, end), &l, &fault);
        CHECK(good ? l.root != NULL : fault.message[0] != '\0');
        if (l.root != NULL) {
            CHECK(l.mark.seq > 0 && l.time.len == 24 && json_is_object(l.about));
            check_mark(&l);
        }
        audit_line_done(&l);
        at = end + 1;
    }
    (void)!audit_check_end(&c, true, &fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    slice all = slice_of(data, size);
    nkey_public key = {.kind = NKEY_SERVER};
    audit_seal head;
    audit_mark mark;
    err e = {0};
    read_lines(all, NULL, false);
    read_lines(all, &key, true);
    if (audit_head_read(slice_sub(all, 0, AUDIT_HEAD_BYTES), &head, &e) == STATUS_OK) {
        char text[AUDIT_HEAD_BYTES];
        audit_seal again;
        audit_head_write(&head, text);
        CHECK(audit_head_read(slice_of(text, sizeof text), &again, &e) == STATUS_OK && again.seq == head.seq);
    }
    (void)!audit_mark_parse(all, &mark);
    return 0;
}
