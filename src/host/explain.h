// SPDX-License-Identifier: Apache-2.0
// Whether a workload may make a call, found out without starting it, step by step in the order in which a
// start and then the call itself would be stopped: the claim (its writ and the trust in its issuer), the
// import (the gate's decision at the start), the link, the name that is reached (a host, a secret), the rules
// of calls. Each step asks the code that decides when it runs.
#pragma once

#include "host/examination.h"

typedef enum explain_kind {
    EXPLAIN_CLAIM,
    EXPLAIN_IMPORT,
    EXPLAIN_LINK,
    EXPLAIN_NAME,
    EXPLAIN_RULE,
    EXPLAIN_KINDS,
} explain_kind;

enum { EXPLAIN_TEXT_BYTES_MAX = ERR_MESSAGE_BYTES_MAX, EXPLAIN_RULES_BYTES_MAX = 4 << 20 };

typedef struct explain_step {
    bool is_asked; // false: it does not apply, or something before it leaves nothing to ask
    bool is_good;
    char text[EXPLAIN_TEXT_BYTES_MAX]; // one sentence
} explain_step;

typedef struct explain_question {
    slice interface; // without a version
    slice function;  // empty: all of the interface that the component imports
    slice link;      // empty: the one to `target`, else "default"
    slice target;    // component, driver, HOST[:PORT] or the name of a secret; empty: whatever is linked
} explain_question;

typedef struct explanation {
    bool is_allowed;
    explain_kind denied_by; // when it is not
    explain_step steps[EXPLAIN_KINDS];
    char target[EXPLAIN_TEXT_BYTES_MAX];     // as rules know it; empty: there is none
    buf rules;                               // a line for each rule that was looked at, in their order
    char change[4 * EXPLAIN_TEXT_BYTES_MAX]; // the smallest that would allow it, in lines; all of them
} explanation;

// STATUS_LIMIT when there are too many rules to tell about, STATUS_INVALID for a target that is no host.
// `config` is that of the examination.
status explain_call(const host_config *config, const examination *x, const explain_question *q,
                    explanation *ret, err *e) WRIT_MUST_USE;
void explanation_done(explanation *x);

// The workload that a name stands for: its own, or that of a component in a manifest ("shop" for
// "APPLICATION-shop"), when only one fits. HOST_WORKLOADS_MAX when none or several do.
uint32_t explain_find(const host_config *config, slice name);

// The functions of an interface that its component imports and calls through a link, as rules call them:
// "set" of a contract that a driver serves, "[method]cart.add" of another component. Empty after the last
// one.
slice explain_function_at(const examination *x, slice interface, slice link, size_t index);
