// SPDX-License-Identifier: Apache-2.0
// Ranges of semantic versions, as people write them in dependencies.
//
// "" or "*" is any version, and also covers what has none; "0.2.3" or "=0.2.3" is that one; "^0.2.3" is it
// and what is compatible with it and not older; ">=0.2.0,<0.3.0" is all of a list of comparisons (=, ^, >=,
// >, <=, <) at once, without spaces. A pre-release is covered only where some comparison of the list names a
// pre-release of the same MAJOR.MINOR.PATCH, or by "*".
#pragma once

#include "base/attributes.h"
#include "codec/semver.h"

enum { VERSION_RANGE_COMPARISONS_MAX = 8 };

typedef enum version_comparison_kind {
    VERSION_EXACT,
    VERSION_COMPATIBLE,
    VERSION_AT_LEAST,
    VERSION_ABOVE,
    VERSION_AT_MOST,
    VERSION_BELOW,
} version_comparison_kind;

typedef struct version_comparison {
    version_comparison_kind kind;
    semver version; // borrows from the text
} version_comparison;

typedef struct version_range {
    size_t count; // 0 = any
    version_comparison comparisons[VERSION_RANGE_COMPARISONS_MAX];
} version_range;

bool version_range_parse(slice text, version_range *ret) WRIT_MUST_USE; // borrows from the text
// `version` may be NULL: a name without a version, which only a range that is "any" covers.
bool version_range_covers(const version_range *r, const semver *version);
// Whether everything in `inner` is surely in `outer`; may answer false for ranges too clever for it.
bool version_range_within(const version_range *outer, const version_range *inner);
