// SPDX-License-Identifier: Apache-2.0
// The options that say how long a token is valid: --for, --until, --not-before, and --at for its date.
#pragma once

#include "base/err.h"
#include "identity/token.h"

typedef struct cli_validity {
    const char *lasts_for; // a span, counted from when it becomes valid
    const char *until;     // a date or a span from now: the first moment at which it is no longer valid
    const char *not_before;
    const char *at; // instead of now
} cli_validity;

#define CLI_OPTION_FOR(setter) \
    { "for", 0, "SPAN", "how long it is valid, such as 90d (without end)", setter }
#define CLI_OPTION_UNTIL(setter) \
    { "until", 0, "DATE", "the same as a date, such as 2027-01-31", setter }
#define CLI_OPTION_NOT_BEFORE(setter) \
    { "not-before", 0, "DATE", "when it becomes valid: a date, or a span from now (now)", setter }

// For the check of a command line: each is well formed, and they fit together.
status cli_validity_check(const cli_validity *v, err *e) WRIT_MUST_USE;

// Sets the dates of the claims; an end or a beginning that no option gives stays as it is. `now_s` is the
// clock's.
status cli_validity_fill(const cli_validity *v, uint64_t now_s, token_claims *c, err *e) WRIT_MUST_USE;
