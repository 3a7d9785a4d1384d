// SPDX-License-Identifier: Apache-2.0
// Semantic versions (semver.org 2.0.0) and the compatibility rule of interface names.
#pragma once

#include "base/attributes.h"
#include "base/slice.h"

typedef struct semver {
    uint32_t major;
    uint32_t minor;
    uint32_t patch;
    slice pre; // borrowed from the parsed text; empty for a release
} semver;

#define SEMVER(major_, minor_, patch_) \
    { .major = (major_), .minor = (minor_), .patch = (patch_) }

// Parses MAJOR.MINOR.PATCH[-PRE][+BUILD]; the build part is checked and dropped. False when malformed.
bool semver_parse(slice text, semver *ret) WRIT_MUST_USE;

// Precedence as in section 11 of the specification: <0, 0, >0.
int semver_compare(const semver *a, const semver *b);

// Whether two versions are on one compatibility track (Explainer.md, "canonical interface name"): equal major
// when it is not 0, else equal minor when it is not 0, else equal patch; pre-releases are compatible only
// when equal.
bool semver_compatible(const semver *a, const semver *b);
