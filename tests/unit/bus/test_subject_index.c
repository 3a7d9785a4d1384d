// SPDX-License-Identifier: Apache-2.0
#include "bus/subject_index.h"

#include "base/check.h"
#include "base/jitter.h"
#include "codec/subject.h"
#include "test.h"

static const siphash_key key = {1, 2};

enum { PATTERNS = 400, ROUNDS = 3000, TEXT_BYTES = 32 };

static size_t choose(uint64_t *random, size_t below) { return jitter_next(random) % below; }

// Of few letters, so that many fit.
static slice make_subject(uint64_t *random, bool is_pattern, char ret[TEXT_BYTES]) {
    size_t tokens = 1 + choose(random, 5);
    size_t at = 0;
    for (size_t i = 0; i < tokens; i++) {
        size_t kind = is_pattern ? choose(random, 8) : 7;
        bool is_rest = kind == 0 && i + 1 == tokens;
        ret[at++] = (char)(is_rest ? '>' : kind <= 2 ? '*' : 'a' + (char)choose(random, 3));
        ret[at++] = '.';
    }
    return slice_of(ret, at - 1);
}

static void count_it(void *arg, subject_node *n) {
    (void)arg;
    n->count++;
}

TEST(it_finds_what_a_comparison_finds) {
    subject_index x;
    char texts[PATTERNS][TEXT_BYTES];
    slice patterns[PATTERNS];
    subject_node *nodes[PATTERNS] = {0};
    uint64_t random = 42;
    int found = 0;
    subject_index_init(&x, key);
    for (int round = 0; round < ROUNDS; round++) {
        size_t at = choose(&random, PATTERNS); // one comes or goes
        if (nodes[at] != NULL) {
            subject_index_give(&x, nodes[at]);
            nodes[at] = NULL;
        } else {
            patterns[at] = make_subject(&random, true, texts[at]);
            nodes[at] = subject_index_take(&x, patterns[at]);
        }
        char text[TEXT_BYTES];
        slice subject = make_subject(&random, false, text);
        for (size_t i = 0; i < PATTERNS; i++) {
            if (nodes[i] != NULL) {
                nodes[i]->count = 0;
            }
        }
        subject_index_match(&x, subject, count_it, NULL);
        for (size_t i = 0; i < PATTERNS; i++) {
            uint64_t expected = nodes[i] != NULL && subject_covers(patterns[i], subject);
            found += (int)expected;
            if (nodes[i] != NULL && nodes[i]->count != expected) {
                printf("    %.*s and %.*s\n", SLICE_ARG(patterns[i]), SLICE_ARG(subject));
                EXPECT_U64(nodes[i]->count, expected);
            }
        }
    }
    EXPECT(found > ROUNDS);
    for (size_t i = 0; i < PATTERNS; i++) {
        if (nodes[i] != NULL) {
            subject_index_give(&x, nodes[i]);
        }
    }
    EXPECT_U64(x.count, 0);
    subject_index_done(&x);
}

TEST(one_node_stands_for_equal_patterns) {
    subject_index x;
    subject_index_init(&x, key);
    subject_node *a = subject_index_take(&x, slice_from_text("a.*.>"));
    subject_node *b = subject_index_take(&x, slice_from_text("a.*.>"));
    EXPECT(a == b);
    subject_index_give(&x, a);
    b->count = 0;
    subject_index_match(&x, slice_from_text("a.b.c.d"), count_it, NULL);
    EXPECT_U64(b->count, 1);
    subject_index_match(&x, slice_from_text("a.b"), count_it, NULL); // '>' stands for at least one
    EXPECT_U64(b->count, 1);
    subject_index_give(&x, b);
    subject_index_done(&x);
}

// The worst that patterns can do to a subject: every one of its tokens may be taken two ways.
TEST(wildcards_everywhere_cost_what_there_is) {
    enum { DEPTH = 12 };
    subject_index x;
    static subject_node *nodes[1 << DEPTH];
    char text[2 * DEPTH];
    size_t visits = 0;
    subject_index_init(&x, key);
    for (unsigned i = 0; i < 1 << DEPTH; i++) {
        for (unsigned k = 0; k < DEPTH; k++) {
            text[2 * k] = (i >> k & 1) != 0 ? '*' : 'a';
            text[2 * k + 1] = '.';
        }
        nodes[i] = subject_index_take(&x, slice_of(text, sizeof text - 1));
    }
    for (unsigned k = 0; k < DEPTH; k++) {
        text[2 * k] = 'a';
    }
    subject_index_match(&x, slice_of(text, sizeof text - 1), count_it, NULL);
    for (unsigned i = 0; i < 1 << DEPTH; i++) {
        visits += nodes[i]->count;
        subject_index_give(&x, nodes[i]);
    }
    EXPECT_U64(visits, 1 << DEPTH);
    subject_index_done(&x);
}

TEST(the_longest_subject_is_matched) {
    subject_index x;
    char text[512];
    subject_index_init(&x, key);
    for (size_t i = 0; i < sizeof text - 1; i++) {
        text[i] = i % 2 == 0 ? 'a' : '.';
    }
    slice subject = slice_of(text, sizeof text - 1);
    subject_node *n = subject_index_take(&x, subject);
    for (size_t i = 0; i < sizeof text - 1; i += 2) {
        text[i] = '*';
    }
    subject_node *w = subject_index_take(&x, subject);
    for (size_t i = 0; i < sizeof text - 1; i += 2) {
        text[i] = 'a';
    }
    subject_index_match(&x, subject, count_it, NULL);
    EXPECT_U64(n->count, 1);
    EXPECT_U64(w->count, 1);
    subject_index_give(&x, n);
    subject_index_give(&x, w);
    subject_index_done(&x);
}
