// SPDX-License-Identifier: Apache-2.0
#include "codec/semver.h"

#include "test.h"

static semver parsed(const char *text) {
    semver v = {0};
    EXPECT(semver_parse(slice_from_text(text), &v));
    return v;
}

static int compare(const char *a, const char *b) {
    semver x = parsed(a), y = parsed(b);
    int order = semver_compare(&x, &y);
    return (order > 0) - (order < 0);
}

static bool compatible(const char *a, const char *b) {
    semver x = parsed(a), y = parsed(b);
    return semver_compatible(&x, &y) && semver_compatible(&y, &x);
}

TEST(malformed_versions) {
    static const char *const bad[] = {"",         "1",          "1.2",    "1.2.",       "1.2.3.",
                                      "01.2.3",   "1.02.3",     "1.2.3-", "1.2.3-a..b", "1.2.3+",
                                      "1.2.3-01", "v1.2.3",     "1.2.3 ", "1.2.3-ä",    "4294967296.0.0",
                                      "-1.0.0",   "1.2.3+a..b", "1.2.x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        semver v;
        EXPECT(!semver_parse(slice_from_text(bad[i]), &v));
    }
}

TEST(parts) {
    semver v = parsed("0.2.12-rc.1+build.5");
    EXPECT(v.major == 0 && v.minor == 2 && v.patch == 12);
    EXPECT(slice_equal_text(v.pre, "rc.1"));
    EXPECT(parsed("1.0.0+0.01").pre.len == 0); // leading zeros are fine in a build part
}

// The chain of section 11 of the specification.
TEST(precedence) {
    static const char *const chain[] = {"1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
                                        "1.0.0-beta",  "1.0.0-beta.2",  "1.0.0-beta.11",
                                        "1.0.0-rc.1",  "1.0.0",         "1.0.1",
                                        "1.1.0",       "2.0.0"};
    size_t count = sizeof chain / sizeof chain[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            EXPECT(compare(chain[i], chain[j]) == (i > j) - (i < j));
        }
    }
    EXPECT(compare("1.0.0+a", "1.0.0+b") == 0);
}

TEST(compatibility_tracks) {
    EXPECT(compatible("0.2.0", "0.2.12"));
    EXPECT(!compatible("0.2.0", "0.3.0"));
    EXPECT(compatible("1.0.0", "1.9.0"));
    EXPECT(!compatible("1.0.0", "2.0.0"));
    EXPECT(!compatible("0.0.1", "0.0.2"));
    EXPECT(!compatible("0.2.0-rc", "0.2.0"));
    EXPECT(compatible("0.2.0-rc", "0.2.0-rc"));
}
