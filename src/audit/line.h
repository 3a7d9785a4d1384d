// SPDX-License-Identifier: Apache-2.0
// One line of the audit log, and the head that says which line is the last (docs/audit.md has the format).
//
// A line is a JSON object in printable ASCII. Its last member is a signature over its number and the SHA-256
// of the bytes before that member; `prev` is the SHA-256 of the whole line before, signature included. The
// same signature serves the head, which repeats number, hash and signature of the last line.
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "codec/json.h"
#include "crypto/hash.h"
#include "identity/nkey.h"
#include "os/clock.h"

enum {
    AUDIT_LINE_BYTES_MAX = 64 << 10, // without its line feed
    AUDIT_FIELDS_MAX = 12,
    AUDIT_FIELD_NAME_BYTES_MAX = 32,
    AUDIT_FIELD_BYTES_MAX = 512, // of a value; longer ones are cut, and say so
    AUDIT_BY_BYTES_MAX = 128,
    AUDIT_HEAD_BYTES = 512, // one sector: disks write it whole or not at all
    AUDIT_MARK_TEXT_BYTES = 88,
};

typedef enum audit_kind {
    AUDIT_HOST_START,
    AUDIT_HOST_END,
    AUDIT_WORKLOAD_START,
    AUDIT_WORKLOAD_END,
    AUDIT_REFUSAL,
    AUDIT_GRANT,
    AUDIT_LINK_PUT,
    AUDIT_LINK_CHANGE,
    AUDIT_LINK_CUT,
    AUDIT_SECRET_REVEAL, // the name, never the value
    AUDIT_POLICY_CHANGE,
    AUDIT_TRUST_CHANGE,
    AUDIT_SETTINGS_CHANGE,
    AUDIT_NOTE,      // an operator's words
    AUDIT_LOG_START, // these are the log's own
    AUDIT_LOG_TORN,  // the last line was incomplete and has been set aside
    AUDIT_LOG_GAP,   // events that could not be written
} audit_kind;
enum { AUDIT_KIND_COUNT = AUDIT_LOG_GAP + 1 };

const char *audit_kind_name(audit_kind kind); // "workload.start"

// What an event is about. The name is a constant of ours: a to z and "_".
typedef struct audit_field {
    const char *name;
    slice text;
    int64_t number;
    bool is_number;
} audit_field;

static inline audit_field audit_slice(const char *name, slice text) {
    return (audit_field){.name = name, .text = text};
}
static inline audit_field audit_text(const char *name, const char *text) {
    return audit_slice(name, slice_from_text(text));
}
static inline audit_field audit_number(const char *name, int64_t number) {
    return (audit_field){.name = name, .number = number, .is_number = true};
}

// A place in a log: the number of a line (from 1; 0 is before the first) and its SHA-256 (zeros for 0).
typedef struct audit_mark {
    uint64_t seq;
    uint8_t hash[HASH_BYTES];
} audit_mark;

// "SEQ:HASH", as people note it elsewhere.
const char *audit_mark_text(const audit_mark *m, char text[AUDIT_MARK_TEXT_BYTES]);
bool audit_mark_parse(slice text, audit_mark *ret) WRIT_MUST_USE;

// The signature of a line, and what it covers.
typedef struct audit_seal {
    uint64_t seq;
    uint8_t body_hash[HASH_BYTES];
    uint8_t signature[SIGN_SIGNATURE_BYTES];
} audit_seal;

bool audit_seal_is_of(const audit_seal *s, const nkey_public *key) WRIT_MUST_USE;
status audit_seal_make(uint64_t seq, const uint8_t body_hash[HASH_BYTES], const nkey *key, audit_seal *ret,
                       err *e) WRIT_MUST_USE;

// --- writing ----------------------------------------------------------------------------------------------

typedef struct audit_event_facts {
    audit_kind kind;
    clock_wall at;
    uint64_t back_ms; // by how much the clock is behind the line before; 0 when it is not
    const char *by;   // who did it
    audit_mark previous;
    const audit_field *fields;
    size_t field_count;
} audit_event_facts;

// Appends the line and its line feed.
status audit_line_write(const audit_event_facts *f, const nkey *key, buf *ret, audit_seal *ret_seal,
                        err *e) WRIT_MUST_USE;
// Exactly AUDIT_HEAD_BYTES.
void audit_head_write(const audit_seal *s, char ret[AUDIT_HEAD_BYTES]);

// --- reading ----------------------------------------------------------------------------------------------

// Slices are borrowed from `root` but `text`, which is the caller's.
typedef struct audit_line {
    json_value *root;
    slice text; // exact bytes, without the line feed
    audit_mark mark;
    uint8_t prev[HASH_BYTES];
    audit_seal seal;
    uint64_t at_ms; // since 1970
    uint64_t back_ms;
    slice time;
    slice kind;
    slice host; // public key
    slice by;
    const json_value *about; // an object of texts and numbers
} audit_line;

// Checks the form alone: neither the signature nor the chain. STATUS_INVALID.
status audit_line_read(slice text, audit_line *ret, err *e) WRIT_MUST_USE;
void audit_line_done(audit_line *l); // accepts a zeroed one

status audit_head_read(slice text, audit_seal *ret, err *e) WRIT_MUST_USE;
