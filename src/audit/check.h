// SPDX-License-Identifier: Apache-2.0
// Holds the lines of a log against each other, one after the other: their form, numbers, hashes, signatures.
// Pure: reads no file.
#pragma once

#include "audit/line.h"

typedef enum audit_rule {
    AUDIT_RULE_FORMAT,    // it is no line of a log
    AUDIT_RULE_SEQUENCE,  // its number does not follow
    AUDIT_RULE_CHAIN,     // it names another line before it
    AUDIT_RULE_HOST,      // another host wrote it
    AUDIT_RULE_SIGNATURE, // the host's key did not sign it
    AUDIT_RULE_START,     // lines before the first are missing
    AUDIT_RULE_END,       // lines after the last are missing
    AUDIT_RULE_TORN,      // the last line is incomplete
    AUDIT_RULE_HEAD,      // the head is missing, malformed or not of this log
    AUDIT_RULE_ANCHOR,    // the log does not go through the place that was noted
} audit_rule;
const char *audit_rule_name(audit_rule rule); // "format", ...

typedef struct audit_fault {
    audit_rule rule;
    char file[256];
    uint64_t line; // in that file, from 1; 0 when it is about the whole
    uint64_t seq;  // 0 when it cannot be told
    char message[256];
} audit_fault;

typedef struct audit_checker {
    const nkey_public *key;   // NULL: signatures are not checked
    const audit_mark *anchor; // NULL: there is none; else lines before it may be elsewhere
    const audit_seal *head;   // NULL: not compared
    bool is_lenient;          // goes on after what is wrong: the next line counts from what it says
    audit_mark last;          // where the chain stands
    audit_mark first;         // of the first line
    uint64_t count;
    uint64_t clock_backs; // lines that say that the clock was set back
    bool has_anchor;      // it was passed
} audit_checker;

// The next line, without its line feed. False when a rule is broken: `fault` has all but file and line. `ret`
// is then given when the form is right and the checker lenient, else zeroed. Needs audit_line_done.
bool audit_check_line(audit_checker *c, slice text, audit_line *ret, audit_fault *fault) WRIT_MUST_USE;
// After the last one. `has_head`: a head belongs to the log, even if `head` is NULL.
bool audit_check_end(const audit_checker *c, bool has_head, audit_fault *fault) WRIT_MUST_USE;

bool audit_fault_set(audit_fault *f, audit_rule rule, uint64_t seq, const char *format, ...)
    WRIT_FORMAT(4, 5); // returns false
