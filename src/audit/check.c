// SPDX-License-Identifier: Apache-2.0
#include "audit/check.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const rule_names[] = {
    [AUDIT_RULE_FORMAT] = "format",       [AUDIT_RULE_SEQUENCE] = "sequence", [AUDIT_RULE_CHAIN] = "chain",
    [AUDIT_RULE_HOST] = "host",           [AUDIT_RULE_START] = "start",       [AUDIT_RULE_END] = "end",
    [AUDIT_RULE_SIGNATURE] = "signature", [AUDIT_RULE_TORN] = "torn",         [AUDIT_RULE_HEAD] = "head",
    [AUDIT_RULE_ANCHOR] = "anchor",
};

const char *audit_rule_name(audit_rule rule) { return rule_names[rule]; }

bool audit_fault_set(audit_fault *f, audit_rule rule, uint64_t seq, const char *format, ...) {
    f->rule = rule;
    f->seq = seq;
    va_list args;
    va_start(args, format);
    vsnprintf(f->message, sizeof f->message, format, args);
    va_end(args);
    return false;
}

// The first line begins a log, or follows the place that was noted.
static bool check_first(const audit_checker *c, const audit_line *l, audit_fault *f) {
    const uint8_t zeros[HASH_BYTES] = {0};
    const audit_mark *before = c->anchor;
    if (l->mark.seq == 1) {
        return hash_equal(l->prev, zeros) ||
               audit_fault_set(f, AUDIT_RULE_CHAIN, 1, "it is the first and names a line before it");
    }
    if (before != NULL && before->seq + 1 == l->mark.seq) {
        return hash_equal(l->prev, before->hash) ||
               audit_fault_set(f, AUDIT_RULE_ANCHOR, l->mark.seq,
                               "the line before it is not the one that the anchor names");
    }
    return audit_fault_set(f, AUDIT_RULE_START, l->mark.seq,
                           "the log begins here, so that lines 1 to %" PRIu64 " are missing",
                           l->mark.seq - 1);
}

static bool check_place(const audit_checker *c, const audit_line *l, audit_fault *f) {
    uint64_t expected = c->last.seq + 1, is = l->mark.seq;
    if (c->count == 0) {
        return check_first(c, l, f);
    }
    if (is > expected) {
        return is == expected + 1
                   ? audit_fault_set(f, AUDIT_RULE_SEQUENCE, is, "line %" PRIu64 " is missing", expected)
                   : audit_fault_set(f, AUDIT_RULE_SEQUENCE, is,
                                     "lines %" PRIu64 " to %" PRIu64 " are missing", expected, is - 1);
    }
    if (is < expected) {
        return audit_fault_set(f, AUDIT_RULE_SEQUENCE, is,
                               "number %" PRIu64 " stands where %" PRIu64 " belongs", is, expected);
    }
    return hash_equal(l->prev, c->last.hash) ||
           audit_fault_set(f, AUDIT_RULE_CHAIN, is, "the line before it is not the one that it names");
}

static bool check_signature(const audit_checker *c, const audit_line *l, audit_fault *f) {
    if (c->key == NULL) {
        return true;
    }
    if (!slice_equal_text(l->host, nkey_public_text(c->key).text)) {
        return audit_fault_set(f, AUDIT_RULE_HOST, l->mark.seq, "another host wrote it than %s",
                               nkey_public_text(c->key).text);
    }
    return audit_seal_is_of(&l->seal, c->key) ||
           audit_fault_set(f, AUDIT_RULE_SIGNATURE, l->mark.seq, "its signature is not that of the host");
}

// Whether the line is the one that was noted with its number, where it was.
static bool check_noted(const audit_checker *c, const audit_line *l, audit_fault *f) {
    if (c->anchor != NULL && c->anchor->seq == l->mark.seq && !hash_equal(c->anchor->hash, l->mark.hash)) {
        return audit_fault_set(f, AUDIT_RULE_ANCHOR, l->mark.seq, "it is not the line that the anchor names");
    }
    if (c->head != NULL && c->head->seq == l->mark.seq &&
        !hash_equal(c->head->body_hash, l->seal.body_hash)) {
        return audit_fault_set(f, AUDIT_RULE_HEAD, l->mark.seq, "it is not the line that the head names");
    }
    return true;
}

static void step(audit_checker *c, const audit_line *l) {
    c->first = c->count == 0 ? l->mark : c->first;
    c->last = l->mark;
    c->count++;
    c->clock_backs += l->back_ms > 0;
    bool before = c->anchor != NULL && c->count == 1 && c->anchor->seq + 1 == l->mark.seq;
    c->has_anchor = c->has_anchor || before || (c->anchor != NULL && c->anchor->seq == l->mark.seq);
}

bool audit_check_line(audit_checker *c, slice text, audit_line *ret, audit_fault *fault) {
    err e = {0};
    audit_line l;
    *ret = (audit_line){0};
    if (audit_line_read(text, &l, &e) != STATUS_OK) {
        return audit_fault_set(fault, AUDIT_RULE_FORMAT, 0, "%.*s", (int)sizeof fault->message - 1,
                               e.message);
    }
    bool good = check_place(c, &l, fault) && check_signature(c, &l, fault) && check_noted(c, &l, fault);
    if (!good && !c->is_lenient) {
        audit_line_done(&l);
        return false;
    }
    step(c, &l);
    *ret = l;
    return good;
}

static bool check_head(const audit_checker *c, audit_fault *f) {
    const audit_seal *head = c->head;
    if (head == NULL) {
        return audit_fault_set(f, AUDIT_RULE_HEAD, 0,
                               "the head is missing or malformed, so lines could have been cut off the end");
    }
    if (c->key != NULL && !audit_seal_is_of(head, c->key)) {
        return audit_fault_set(f, AUDIT_RULE_HEAD, head->seq, "the host did not sign the head");
    }
    if (head->seq > c->last.seq) {
        return audit_fault_set(f, AUDIT_RULE_END, c->last.seq + 1,
                               "lines %" PRIu64 " to %" PRIu64 " (at least) are missing", c->last.seq + 1,
                               head->seq);
    }
    return true;
}

bool audit_check_end(const audit_checker *c, bool has_head, audit_fault *fault) {
    if (has_head && !check_head(c, fault)) {
        return false;
    }
    if (c->anchor != NULL && c->anchor->seq > 0 && !c->has_anchor) {
        return c->anchor->seq > c->last.seq
                   ? audit_fault_set(fault, AUDIT_RULE_END, c->last.seq + 1,
                                     "the log ends before line %" PRIu64 ", which the anchor names",
                                     c->anchor->seq)
                   : audit_fault_set(fault, AUDIT_RULE_ANCHOR, c->anchor->seq,
                                     "the log begins after line %" PRIu64 ", which the anchor names",
                                     c->anchor->seq);
    }
    return true;
}
