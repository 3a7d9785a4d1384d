// SPDX-License-Identifier: Apache-2.0
// A small test framework: one program per file, tests register themselves, main comes with this header.
//
//   #include "test.h"
//   TEST(adds) { EXPECT_EQ(1 + 1, 2); }
//
// Run with names (or parts of names) to run only those tests, with -v to see each. A failed expectation is
// printed and the test goes on; REQUIRE ends the test at once. The last line reads `N passed, N failed[, N
// skipped]`; the exit status is 1 when anything failed. Single-threaded: expectations belong to the thread of
// main.
#pragma once

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/slice.h"

typedef struct test_case {
    const char *name;
    void (*run)(void);
    struct test_case *next;
} test_case;

typedef struct test_state {
    test_case *first;
    test_case **last;
    int failures; // of the test that runs
    bool skipped;
    bool verbose;
} test_state;

static test_state test_run_state;

static inline void test_register(test_case *t) {
    if (test_run_state.last == NULL) {
        test_run_state.last = &test_run_state.first;
    }
    *test_run_state.last = t;
    test_run_state.last = &t->next;
}

#define TEST(name)                                                        \
    static void test_body_##name(void);                                   \
    static test_case test_case_##name = {#name, test_body_##name, NULL};  \
    __attribute__((constructor)) static void test_register_##name(void) { \
        test_register(&test_case_##name);                                 \
    }                                                                     \
    static void test_body_##name(void)

static inline void test_fail(const char *file, int line, const char *what) {
    test_run_state.failures++;
    printf("%s:%d: %s\n", file, line, what);
}

static inline bool test_expect(bool ok, const char *file, int line, const char *what) {
    if (!ok) {
        test_fail(file, line, what);
    }
    return ok;
}

static inline bool test_expect_eq(int64_t a, int64_t b, const char *file, int line, const char *what) {
    if (a != b) {
        test_fail(file, line, what);
        printf("    is %" PRId64 ", expected %" PRId64 "\n", a, b);
    }
    return a == b;
}

static inline bool test_expect_u64(uint64_t a, uint64_t b, const char *file, int line, const char *what) {
    if (a != b) {
        test_fail(file, line, what);
        printf("    is %" PRIu64 " (0x%" PRIx64 "), expected %" PRIu64 " (0x%" PRIx64 ")\n", a, a, b, b);
    }
    return a == b;
}

static inline bool test_expect_status(status a, status b, const err *e, const char *file, int line,
                                      const char *what) {
    if (a != b) {
        test_fail(file, line, what);
        printf("    is %s, expected %s%s%s\n", status_name(a), status_name(b), e == NULL ? "" : ": ",
               e == NULL ? "" : e->message);
    }
    return a == b;
}

static inline bool test_expect_text(const char *a, const char *b, const char *file, int line,
                                    const char *what) {
    bool ok = a != NULL && b != NULL && strcmp(a, b) == 0;
    if (!ok) {
        test_fail(file, line, what);
        printf("    is \"%s\", expected \"%s\"\n", a == NULL ? "(null)" : a, b == NULL ? "(null)" : b);
    }
    return ok;
}

static inline bool test_expect_contains(const char *a, const char *part, const char *file, int line,
                                        const char *what) {
    bool ok = a != NULL && strstr(a, part) != NULL;
    if (!ok) {
        test_fail(file, line, what);
        printf("    \"%s\" does not contain \"%s\"\n", a == NULL ? "(null)" : a, part);
    }
    return ok;
}

static inline void test_print_bytes(const char *label, slice s) {
    printf("    %s %zu bytes:", label, s.len);
    for (size_t i = 0; i < s.len && i < 64; i++) {
        printf(" %02x", s.data[i]);
    }
    printf("%s\n", s.len > 64 ? " ..." : "");
}

static inline bool test_expect_bytes(slice a, slice b, const char *file, int line, const char *what) {
    bool ok = slice_equal(a, b);
    if (!ok) {
        test_fail(file, line, what);
        test_print_bytes("is      ", a);
        test_print_bytes("expected", b);
    }
    return ok;
}

#define EXPECT(condition) test_expect((condition), __FILE__, __LINE__, "EXPECT(" #condition ")")
#define EXPECT_EQ(is, expected) \
    test_expect_eq((int64_t)(is), (int64_t)(expected), __FILE__, __LINE__, #is " == " #expected)
#define EXPECT_U64(is, expected) \
    test_expect_u64((uint64_t)(is), (uint64_t)(expected), __FILE__, __LINE__, #is " == " #expected)
#define EXPECT_STATUS(call, expected) \
    test_expect_status((call), (expected), NULL, __FILE__, __LINE__, #call " is " #expected)
// The same, and prints the message of `e` (an err) when the status is another one.
#define EXPECT_STATUS_ERR(call, expected, e) \
    test_expect_status((call), (expected), &(e), __FILE__, __LINE__, #call " is " #expected)
#define EXPECT_OK(call) EXPECT_STATUS(call, STATUS_OK)
#define EXPECT_TEXT(is, expected) test_expect_text((is), (expected), __FILE__, __LINE__, #is)
#define EXPECT_CONTAINS(text, part) test_expect_contains((text), (part), __FILE__, __LINE__, #text)
#define EXPECT_BYTES(is, expected) test_expect_bytes((is), (expected), __FILE__, __LINE__, #is)
// Ends the test when the condition does not hold; for what the rest of the test cannot do without.
#define REQUIRE(condition)                                                              \
    do {                                                                                \
        if (!test_expect((condition), __FILE__, __LINE__, "REQUIRE(" #condition ")")) { \
            return;                                                                     \
        }                                                                               \
    } while (0)
// Ends the test and counts it as skipped, for what this machine cannot do.
#define SKIP(why)                      \
    do {                               \
        printf("skip: %s\n", (why));   \
        test_run_state.skipped = true; \
        return;                        \
    } while (0)

// Under a sanitizer an allocation that cannot be had answers NULL, as it does without one.
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "allocator_may_return_null=1"; }

static inline bool test_is_chosen(const test_case *t, int argc, char **argv) {
    bool any = false;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-') {
            any = true;
            if (strstr(t->name, argv[i]) != NULL) {
                return true;
            }
        }
    }
    return !any;
}

int main(int argc, char **argv) {
    int passed = 0;
    int failed = 0;
    int skipped = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        test_run_state.verbose = test_run_state.verbose || strcmp(argv[i], "-v") == 0;
    }
    for (test_case *t = test_run_state.first; t != NULL; t = t->next) {
        if (!test_is_chosen(t, argc, argv)) {
            continue;
        }
        test_run_state.failures = 0;
        test_run_state.skipped = false;
        t->run();
        bool ok = test_run_state.failures == 0;
        *(!ok ? &failed : test_run_state.skipped ? &skipped : &passed) += 1;
        if (!ok || test_run_state.verbose) {
            printf("%s %s\n", !ok ? "FAIL" : test_run_state.skipped ? "skip" : "ok  ", t->name);
        }
    }
    printf("%d passed, %d failed", passed, failed);
    if (skipped > 0) {
        printf(", %d skipped", skipped);
    }
    printf("\n");
    return failed > 0 ? 1 : 0;
}
