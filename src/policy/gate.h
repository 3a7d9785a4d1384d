// SPDX-License-Identifier: Apache-2.0
// The rules of calls: may this workload call that function of that target through this link?
//
// Rules are asked in their order; the first that matches decides, and when none does the default does. A link
// is what makes a call possible at all; rules narrow what links allow. A decision says which rule made it, so
// that whoever is refused can be told why and what would change it.
//
// Decisions are kept in a table, because the same few questions come again with every request. A change of
// the rules empties it at once: every entry carries the generation of the rules that it was made with.
//
// Pure: no input or output. Not thread-safe.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/siphash.h"
#include "base/slice.h"

enum {
    GATE_RULES_MAX = 4096,
    GATE_NAME_BYTES_MAX = 512, // of one part of a question; longer ones match no rule and are refused
};

typedef enum gate_part {
    GATE_CALLER,    // name of the workload that calls
    GATE_ISSUER,    // public key of who signed it; empty when nobody did
    GATE_TENANT,    // whom the caller belongs to; empty on a host with one
    GATE_TARGET,    // workload or driver
    GATE_INTERFACE, // without version: "wasi:keyvalue/store"
    GATE_FUNCTION,  // "set"
    GATE_LINK,      // "default"
    GATE_PARTS,
} gate_part;

// What is asked. The slices are borrowed for the call.
typedef struct gate_question {
    slice parts[GATE_PARTS];
} gate_question;

typedef enum gate_effect { GATE_DENY, GATE_ALLOW } gate_effect;

// A pattern is a text in which each '*' stands for any characters, none included. An empty pattern matches
// everything.
typedef struct gate_rule {
    gate_effect effect;
    slice patterns[GATE_PARTS];
    slice source; // where it was written, for people: "bank.yaml:14"
    slice reason; // why, in the words of who wrote it; may be empty
} gate_rule;

typedef struct gate gate;

// `key` is random: callers choose names, and must not choose which entries of the table they share.
gate *gate_new(siphash_key key, gate_effect otherwise);
void gate_free(gate *g); // accepts NULL

// Takes the place of all rules; they are copied. STATUS_LIMIT over GATE_RULES_MAX, STATUS_INVALID for a
// pattern that is too long; then the rules stay as they were.
status gate_set_rules(gate *g, const gate_rule *rules, size_t count, err *e) WRIT_MUST_USE;

typedef struct gate_decision {
    bool is_allowed;
    const gate_rule
        *rule; // that decided, valid until the rules change; NULL: none did, and the default holds
} gate_decision;

// Whether a text fits a pattern of a rule.
bool gate_pattern_matches(slice pattern, slice text);

gate_decision gate_decide(gate *g, const gate_question *q);

// STATUS_OK, or STATUS_DENIED with who may not do what, the rule, and where it stands.
status gate_check(gate *g, const gate_question *q, err *e) WRIT_MUST_USE;

// The rules and, for each, whether it matches: what `writ explain` shows. Appends lines to `ret`.
status gate_explain(const gate *g, const gate_question *q, buf *ret) WRIT_MUST_USE;

typedef struct gate_counters {
    uint64_t asked;
    uint64_t evaluated; // not found in the table
    uint64_t denied;
    uint64_t generation;
} gate_counters;
gate_counters gate_count(const gate *g);
