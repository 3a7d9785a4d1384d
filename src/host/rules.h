// SPDX-License-Identifier: Apache-2.0
// The rules of calls as configuration, and the gate that a worker makes of them (policy/gate.h).
//
// The default is to allow: a link is what makes a call possible at all, and somebody gave it. A rule may
// deny; a rule that denies everything to a caller, after rules that allow it some calls, turns the default
// around for that caller.
#pragma once

#include "policy/gate.h"

struct wire_reader;
struct wire_writer;

typedef struct host_rule {
    gate_rule rule; // its texts are those below
    uint8_t *texts;
} host_rule;

typedef struct host_rules { // asked in this order
    host_rule *items;
    size_t count;
} host_rules;

void host_rules_done(host_rules *r); // accepts a zeroed list

// Copies. STATUS_LIMIT over GATE_RULES_MAX, STATUS_INVALID for texts that are too long.
status host_rules_add(host_rules *r, const gate_rule *rule, err *e) WRIT_MUST_USE;

// `key` as for gate_new.
status host_rules_gate(const host_rules *r, siphash_key key, gate **ret, err *e) WRIT_MUST_USE;

// As part of a larger message. Fills a zeroed list; what is malformed fails the reader.
void host_rules_put(const host_rules *r, struct wire_writer *w);
void host_rules_take(struct wire_reader *r, host_rules *ret);
