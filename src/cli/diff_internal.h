// SPDX-License-Identifier: Apache-2.0
// Parts of `writ diff` among themselves.
#pragma once

#include "cli/cli.h"
#include "component/component.h"
#include "identity/verify.h"

// What a difference means for the one who decides on an update.
typedef enum diff_effect {
    DIFF_MORE,  // the new version may do or reach what the old one could not, or is vouched for by less
    DIFF_LESS,  // the reverse
    DIFF_OTHER, // neither
} diff_effect;
enum { DIFF_EFFECT_COUNT = DIFF_OTHER + 1 };

enum { DIFF_FINDINGS_MAX = 4096, DIFF_ARENA_BYTES_MAX = 32 << 20, DIFF_TEXT_BYTES_MAX = 64 << 10 };

typedef struct diff_finding {
    diff_effect effect;
    const char *what; // stable word: "import", "allow", "issuer" ...
    slice text;       // a sentence; not yet safe for a terminal
} diff_finding;

// One of the two components.
typedef struct diff_side {
    const char *path;
    buf bytes;
    component *c;
    verification v;   // without trust
    bool is_believed; // its token is its own, whether or not it is valid at this time
} diff_side;

typedef struct diff_list {
    size_t count;
    diff_finding *at;
    bool is_cut; // there were more than DIFF_FINDINGS_MAX
    arena memory;
} diff_list;

// Adds a finding; what cannot be kept sets `is_cut`.
void diff_add(diff_list *list, diff_effect effect, const char *what, const char *format, ...)
    WRIT_FORMAT(4, 5);

// diff_imports.c: what they import and export, and how large they are.
void diff_components(const diff_side *old, const diff_side *new, diff_list *ret);
// diff_writ.c: who vouches for them, for how long, and what that allows.
void diff_writs(const diff_side *old, const diff_side *new, diff_list *ret);
