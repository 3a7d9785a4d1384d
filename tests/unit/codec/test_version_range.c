// SPDX-License-Identifier: Apache-2.0
#include "codec/version_range.h"

#include "test.h"

static version_range range(const char *text) {
    version_range r = {0};
    EXPECT(version_range_parse(slice_from_text(text), &r));
    return r;
}

static bool covers(const char *text, const char *version) {
    version_range r = range(text);
    semver v;
    return semver_parse(slice_from_text(version), &v) && version_range_covers(&r, &v);
}

static bool within(const char *outer, const char *inner) {
    version_range o = range(outer), i = range(inner);
    return version_range_within(&o, &i);
}

TEST(malformed_ranges) {
    static const char *const bad[] = {"1",       "1.2",    "^",       ">=",           "=>1.2.3",
                                      "1.2.x",   "1.2.3,", ",1.2.3",  "1.2.3, 2.0.0", " 1.2.3",
                                      "*,1.0.0", "~1.2.3", "^^1.2.3", "01.2.3",       "1.2.4294967296",
                                      "**",      "1.0.0-", "1.0.0,*"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        version_range r;
        EXPECT(!version_range_parse(slice_from_text(bad[i]), &r));
    }
}

TEST(as_many_comparisons_as_the_limit) {
    version_range r;
    EXPECT(version_range_parse(slice_from_text("1.0.0,1.0.0,1.0.0,1.0.0,1.0.0,1.0.0,1.0.0,1.0.0"), &r));
    EXPECT(
        !version_range_parse(slice_from_text("1.0.0,1.0.0,1.0.0,1.0.0,1.0.0,1.0.0,1.0.0,1.0.0,1.0.0"), &r));
}

TEST(any_covers_also_what_has_no_version) {
    version_range any = range("*"), empty = range(""), exact = range("1.0.0");
    EXPECT(version_range_covers(&any, NULL));
    EXPECT(version_range_covers(&empty, NULL));
    EXPECT(!version_range_covers(&exact, NULL));
    EXPECT(covers("*", "0.0.1-alpha"));
}

TEST(comparisons) {
    static const struct {
        const char *range, *version;
        bool covers;
    } rows[] = {
        {"0.2.3", "0.2.3", true},
        {"0.2.3", "0.2.4", false},
        {"=0.2.3", "0.2.3+build", true},
        {"^0.2.3", "0.2.3", true},
        {"^0.2.3", "0.2.99", true},
        {"^0.2.3", "0.2.2", false},
        {"^0.2.3", "0.3.0", false},
        {"^1.2.3", "1.99.0", true},
        {"^1.2.3", "2.0.0", false},
        {"^0.0.3", "0.0.3", true},
        {"^0.0.3", "0.0.4", false},
        {">0.2.3", "0.2.3", false},
        {">0.2.3", "0.2.4", true},
        {"<=0.2.3", "0.2.3", true},
        {"<0.2.3", "0.2.3", false},
        {">=0.2.0,<0.3.0", "0.2.9", true},
        {">=0.2.0,<0.3.0", "0.3.0", false},
        // Pre-releases.
        {"^0.2.0", "0.2.1-rc.1", false},
        {"<0.3.0", "0.3.0-rc.1", false},
        {"^0.2.0-rc.1", "0.2.0-rc.2", true},
        {"^0.2.0-rc.2", "0.2.0-rc.1", false},
        {"^0.2.0-rc.1", "0.2.1-rc.1", false},
        {"^0.2.0-rc.1", "0.2.1", true},
        {">=0.2.0-rc.1,<0.3.0", "0.2.0-rc.2", true},
        {"^0.2.0,<0.3.0-rc.2", "0.3.0-rc.1", false},
        {"0.2.0-rc.1", "0.2.0", false},
        // The largest numbers.
        {"^4294967295.0.0", "4294967295.4294967295.4294967295", true},
        {"^0.4294967295.1", "0.4294967295.2", true},
        {"^0.4294967295.1", "1.0.0", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (covers(rows[i].range, rows[i].version) != rows[i].covers) {
            printf("%s %s\n", rows[i].range, rows[i].version);
            EXPECT(false);
        }
    }
}

TEST(one_range_in_another) {
    static const struct {
        const char *outer, *inner;
        bool within;
    } rows[] = {
        {"*", "1.0.0", true},
        {"*", "*", true},
        {">=0.0.0", "*", false},
        {"^0.2.0", "0.2.3", true},
        {"^0.2.0", "^0.2.3", true},
        {"^0.2.3", "^0.2.0", false},
        {"^0.2.0", ">=0.2.0,<0.3.0", true},
        {">=0.2.0,<0.3.0", "^0.2.0", true},
        {"^0.2.0", ">=0.2.0,<=0.3.0", false},
        {"^0.2.0", ">=0.2.0", false},
        {">=0.2.0", "^0.2.0", true},
        {">=0.2.0", "^1.0.0", true},
        {"^0.2.0", "^0.3.0", false},
        {"<1.0.0", "^0.2.0", true},
        {">0.2.0", ">=0.2.0", false},
        {">=0.2.0", ">0.2.0", true},
        {"^0.2.0", "0.2.1-rc.1", false},
        {"0.2.1-rc.1", "0.2.1-rc.1", true},
        {"^0.2.1-rc.1", "0.2.1-rc.2", true},
        {"^0.2.1-rc.1", "^0.2.1", true},
        {"^0.2.0,<0.2.5", "^0.2.0", false},
        {"^0.2.0", "^0.2.0,<0.2.5", true},
        {"1.0.0", "1.0.0-rc.1", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (within(rows[i].outer, rows[i].inner) != rows[i].within) {
            printf("%s around %s\n", rows[i].outer, rows[i].inner);
            EXPECT(false);
        }
    }
}

// What is said to be within must hold for every version that can tell.
TEST(within_agrees_with_covers) {
    static const char *const ranges[] = {
        "*",      "0.2.0",      "^0.2.0",      "^0.2.1",         ">=0.2.0,<0.3.0", ">0.1.9",
        "<0.3.0", "<=0.2.1",    "^0.2.0-rc.1", ">=0.2.0-rc.1",   "<0.3.0-rc.2",    "^0.3.0-rc.1",
        "^1.0.0", "0.2.0-rc.1", "^0.0.3",      ">=0.2.1,<0.2.1", ">0.2.0,<0.2.2",  "^0.2.0,>=0.2.1-rc.1"};
    static const char *const versions[] = {
        "0.0.3",      "0.0.4",      "0.1.9", "0.2.0-rc.0", "0.2.0-rc.1", "0.2.0-rc.2", "0.2.0",
        "0.2.1-rc.0", "0.2.1-rc.1", "0.2.1", "0.2.2",      "0.3.0-rc.0", "0.3.0-rc.1", "0.3.0-rc.2",
        "0.3.0",      "1.0.0-0",    "1.0.0", "1.9.0",      "2.0.0"};
    enum { RANGES = sizeof ranges / sizeof ranges[0], VERSIONS = sizeof versions / sizeof versions[0] };
    for (size_t o = 0; o < RANGES; o++) {
        EXPECT(within(ranges[o], ranges[o]));
        for (size_t i = 0; i < RANGES; i++) {
            for (size_t v = 0; within(ranges[o], ranges[i]) && v < VERSIONS; v++) {
                if (covers(ranges[i], versions[v]) && !covers(ranges[o], versions[v])) {
                    printf("%s around %s, %s\n", ranges[o], ranges[i], versions[v]);
                    EXPECT(false);
                }
            }
        }
    }
}
