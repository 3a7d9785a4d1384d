// SPDX-License-Identifier: Apache-2.0
// Every comparison is an interval of the order of versions, and a range their intersection; pre-releases are
// the exception, since only those count whose release somebody named together with a pre-release.
#include "codec/version_range.h"

static bool same_release(const semver *a, const semver *b) {
    return a->major == b->major && a->minor == b->minor && a->patch == b->patch;
}

// --- parsing -----------------------------------------------------------------------------------------------

static bool parse_comparison(slice text, version_comparison *ret) {
    static const struct {
        const char *sign;
        version_comparison_kind kind;
    } signs[] = {{">=", VERSION_AT_LEAST}, {"<=", VERSION_AT_MOST},   {">", VERSION_ABOVE},
                 {"<", VERSION_BELOW},     {"^", VERSION_COMPATIBLE}, {"=", VERSION_EXACT}};
    ret->kind = VERSION_EXACT;
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (slice_starts_with(text, signs[i].sign)) {
            ret->kind = signs[i].kind;
            text = slice_sub(text, strlen(signs[i].sign), text.len);
            break;
        }
    }
    return semver_parse(text, &ret->version);
}

bool version_range_parse(slice text, version_range *ret) {
    version_range r = {0};
    if (text.len == 0 || slice_equal_text(text, "*")) {
        *ret = r;
        return true;
    }
    for (size_t at = 0;;) {
        size_t comma = slice_find(text, at, ',');
        if (r.count == VERSION_RANGE_COMPARISONS_MAX ||
            !parse_comparison(slice_sub(text, at, comma), &r.comparisons[r.count])) {
            return false;
        }
        r.count++;
        if (comma == SIZE_MAX) {
            *ret = r;
            return true;
        }
        at = comma + 1;
    }
}

// --- bounds ------------------------------------------------------------------------------------------------

typedef struct bound {
    bool is_given;
    bool is_inclusive;
    semver version;
} bound;

// "0" is the lowest pre-release that there is, so this stands below all of a release and its pre-releases.
static semver lowest_of(uint32_t major, uint32_t minor, uint32_t patch) {
    return (semver){major, minor, patch, SLICE_LITERAL("0")};
}

// The end of the compatibility track, which a number at its maximum moves on to the next larger track.
static bound end_of_track(const semver *v) {
    bound b = {.is_given = true};
    if (v->major == 0 && v->minor == 0 && v->patch < UINT32_MAX) {
        b.version = lowest_of(0, 0, v->patch + 1);
    } else if (v->major == 0 && v->minor < UINT32_MAX) {
        b.version = lowest_of(0, v->minor + 1, 0);
    } else if (v->major < UINT32_MAX) {
        b.version = lowest_of(v->major + 1, 0, 0);
    } else {
        b.is_given = false;
    }
    return b;
}

static bound lower_of(const version_comparison *c) {
    switch (c->kind) {
    case VERSION_EXACT:
    case VERSION_COMPATIBLE:
    case VERSION_AT_LEAST:
        return (bound){true, true, c->version};
    case VERSION_ABOVE:
        return (bound){true, false, c->version};
    case VERSION_AT_MOST:
    case VERSION_BELOW:
        break;
    }
    return (bound){0};
}

static bound upper_of(const version_comparison *c) {
    switch (c->kind) {
    case VERSION_EXACT:
    case VERSION_AT_MOST:
        return (bound){true, true, c->version};
    case VERSION_BELOW:
        return (bound){true, false, c->version};
    case VERSION_COMPATIBLE:
        return end_of_track(&c->version);
    case VERSION_AT_LEAST:
    case VERSION_ABOVE:
        break;
    }
    return (bound){0};
}

// Whether everything above `inner` is above `outer` (sign 1), or everything below it below (sign -1).
static bool bound_within(const bound *outer, const bound *inner, int sign) {
    if (!outer->is_given || !inner->is_given) {
        return !outer->is_given;
    }
    int order = semver_compare(&inner->version, &outer->version) * sign;
    return order > 0 || (order == 0 && (outer->is_inclusive || !inner->is_inclusive));
}

// --- covering ----------------------------------------------------------------------------------------------

static bool names_pre_of(const version_range *r, const semver *release) {
    for (size_t i = 0; i < r->count; i++) {
        if (r->comparisons[i].version.pre.len > 0 && same_release(&r->comparisons[i].version, release)) {
            return true;
        }
    }
    return false;
}

bool version_range_covers(const version_range *r, const semver *version) {
    if (r->count == 0 || version == NULL) {
        return r->count == 0;
    }
    bound b = {true, true, *version};
    for (size_t i = 0; i < r->count; i++) {
        bound lower = lower_of(&r->comparisons[i]), upper = upper_of(&r->comparisons[i]);
        if (!bound_within(&lower, &b, 1) || !bound_within(&upper, &b, -1)) {
            return false;
        }
    }
    return version->pre.len == 0 || names_pre_of(r, version);
}

// The bounds of all comparisons together.
static void bounds_of(const version_range *r, bound *ret_lower, bound *ret_upper) {
    *ret_lower = (bound){true, true, lowest_of(0, 0, 0)};
    *ret_upper = (bound){0};
    for (size_t i = 0; i < r->count; i++) {
        bound lower = lower_of(&r->comparisons[i]), upper = upper_of(&r->comparisons[i]);
        *ret_lower = bound_within(ret_lower, &lower, 1) ? lower : *ret_lower;
        *ret_upper = bound_within(ret_upper, &upper, -1) ? upper : *ret_upper;
    }
    // "<0.3.0" covers no pre-release of 0.3.0 unless one is named, so it ends where "^0.2.0" does.
    semver *end = &ret_upper->version;
    if (ret_upper->is_given && !ret_upper->is_inclusive && !names_pre_of(r, end)) {
        *end = lowest_of(end->major, end->minor, end->patch);
    }
}

bool version_range_within(const version_range *outer, const version_range *inner) {
    if (outer->count == 0 || inner->count == 0) {
        return outer->count == 0;
    }
    bound lower, upper;
    bounds_of(inner, &lower, &upper);
    for (size_t i = 0; i < outer->count; i++) {
        bound outer_lower = lower_of(&outer->comparisons[i]), outer_upper = upper_of(&outer->comparisons[i]);
        if (!bound_within(&outer_lower, &lower, 1) || !bound_within(&outer_upper, &upper, -1)) {
            return false;
        }
    }
    for (size_t i = 0; i < inner->count; i++) {
        const semver *named = &inner->comparisons[i].version;
        if (named->pre.len > 0 && !names_pre_of(outer, named)) {
            return false;
        }
    }
    return true;
}
