// SPDX-License-Identifier: Apache-2.0
// Workloads that call each other: the two components of tests/guests/composed, which are not composed here.
// What the first answers is what it answers when they are.
#include "unit/host/helper_host.h"

#include "os/clock.h"

#define FRONT GUESTS "parts-front.wasm"
#define BACK GUESTS "parts-back.wasm"

#define NEED_PARTS()                                                             \
    do {                                                                         \
        if (access(FRONT, R_OK) != 0 || access(BACK, R_OK) != 0) {               \
            SKIP("build/guests has no parts-front.wasm and no parts-back.wasm"); \
        }                                                                        \
    } while (0)

static workload_config *add_front(fixture *f, const char *callee) {
    workload_config *w = add(f, "front", FRONT);
    EXPECT_OK(workload_config_add_route(w, NULL, "/", NULL));
    EXPECT_OK(workload_config_add_callee(w, "test:composed/catalog", "default", callee, NULL));
    return w;
}

static void expect_answers(const fixture *f) {
    EXPECT_CONTAINS(get(f, "a.test", "/"), "HELLO FROM TWO COMPONENTS");
    EXPECT_CONTAINS(get(f, "a.test", "/lists"),
                    "reversed: 250 3 2 1\ntotal: 7255999995.25\nupper: STRAßE, NAïVE, 🦀, END\n");
    EXPECT_CONTAINS(get(f, "a.test", "/spread"), "spread 4000195213\n");
    EXPECT_CONTAINS(get(f, "a.test", "/values"),
                    "put apple: 1\nput apricot: 2\nput 日本 🍵: 3\nput : an item needs a name\n"
                    "find \"日\": one\n  日本 🍵 [new] [größe] [] 7 unit 2 properties 5\n"
                    "find \"ap\": many\n  apple [new] [größe] [] 120 unit 2 properties 5\n"
                    "  apricot unit 2 properties 5\nfind \"pear\": nothing\nfind \"!no\": refused !no\n");
    for (int i = 0; i < 3; i++) { // nothing is left of the request before
        EXPECT_CONTAINS(get(f, "a.test", "/handles"),
                        "put a: 1\nput b: 1\nalive: 2\nmerged: 2\ncount: 2\nalive: 1\nalive: 0\n");
    }
}

static void expect_two_parts(int workers, uint32_t reuse) {
    fixture f;
    setup(&f);
    f.config.workers = workers;
    add_front(&f, "back")->limits.reuse_max = reuse;
    add(&f, "back", BACK);
    if (start(&f)) {
        expect_answers(&f);
        EXPECT_CONTAINS(get(&f, "a.test", "/fail"), "HTTP/1.1 500");
        expect_answers(&f);
    }
    teardown(&f);
}

TEST(a_workload_calls_another) {
    NEED_PARTS();
    expect_two_parts(1, 1);
}

TEST(a_workload_that_is_used_again_keeps_whom_it_called) {
    NEED_PARTS();
    expect_two_parts(1, 50);
}

TEST(workloads_of_one_process_call_each_other) {
    NEED_PARTS();
    expect_two_parts(0, 1);
}

TEST(what_is_called_must_be_there) {
    NEED_PARTS();
    fixture f;
    setup(&f);
    workload_config *w = add_front(&f, "nobody");
    EXPECT_CONTAINS(refusal_of(&f), "workload \"front\" is to call \"nobody\" for test:composed/catalog");
    mem_free(w->callees[0].workload);
    w->callees[0].workload = mem_text_dup("other");
    add(&f, "other", HTTP_GUEST);
    EXPECT_CONTAINS(refusal_of(&f), "other does not export test:composed/catalog");
    f.config.workloads[0].callee_count = 0;
    EXPECT_CONTAINS(refusal_of(&f), "nothing on this host offers this interface");
    f.config.workloads[0].callee_count = 1;
    teardown(&f);
}

// --- callees that fail -------------------------------------------------------------------------------------

#define CALLS GUESTS "calls-c.wasm"

#define NEED_CALLS()                                  \
    do {                                              \
        if (access(CALLS, R_OK) != 0) {               \
            SKIP("build/guests has no calls-c.wasm"); \
        }                                             \
    } while (0)

// "one" serves and calls "two", which would call "one".
static workload_config *add_pair(fixture *f) {
    workload_config *one = add(f, "one", CALLS);
    EXPECT_OK(workload_config_add_route(one, NULL, "/", NULL));
    EXPECT_OK(workload_config_add_callee(one, "test:calls/work", "default", "two", NULL));
    EXPECT_OK(workload_config_add_callee(add(f, "two", CALLS), "test:calls/work", "default", "one", NULL));
    return &f->config.workloads[1];
}

TEST(a_callee_that_fails_is_an_answer_to_its_caller) {
    NEED_CALLS();
    fixture f;
    setup(&f);
    f.config.workers = 1;
    workload_config *two = add_pair(&f);
    two->limits.cpu_time_ns_max = SECOND_NS / 5;
    two->limits.memory_bytes_max = 8 << 20;
    if (start(&f)) {
        for (int i = 0; i < 2; i++) {
            EXPECT_CONTAINS(get(&f, "a.test", "/spin"),
                            "spin: error two: test:calls/work spin: over its CPU time limit");
            EXPECT_CONTAINS(get(&f, "a.test", "/fill"),
                            "fill: error two: test:calls/work fill: wasm `unreachable`");
            EXPECT_CONTAINS(get(&f, "a.test", "/leave"), "leave: error");
            EXPECT_CONTAINS(get(&f, "a.test", "/wait/20"), "wait: 20");
        }
    }
    teardown(&f);
}

// Nobody gets more by having others work.
TEST(cpu_time_of_a_callee_counts_for_its_caller) {
    NEED_CALLS();
    fixture f;
    setup(&f);
    f.config.workers = 1;
    (void)add_pair(&f);
    f.config.workloads[0].limits.cpu_time_ns_max = SECOND_NS / 5; // the callee has ten seconds
    if (start(&f)) {
        uint64_t begin = clock_now_ns();
        (void)get(&f, "a.test", "/spin"); // ends for the callee, and soon for the caller
        EXPECT(clock_now_ns() - begin < 8 * SECOND_NS);
        EXPECT_CONTAINS(get(&f, "a.test", "/wait/20"), "wait: 20");
    }
    teardown(&f);
}

TEST(callees_in_a_circle_end_at_the_depth_limit) {
    NEED_CALLS();
    fixture f;
    setup(&f);
    f.config.workers = 1;
    (void)add_pair(&f);
    if (start(&f)) {
        EXPECT_CONTAINS(get(&f, "a.test", "/deep/10"), "deep: 10");
        EXPECT_CONTAINS(get(&f, "a.test", "/deep/1000"), "to a depth of 16, the limit");
        EXPECT_CONTAINS(get(&f, "a.test", "/deep/10"), "deep: 10");
    }
    teardown(&f);
}

TEST(a_callee_that_waits_too_long_is_given_up) {
    NEED_CALLS();
    fixture f;
    setup(&f);
    f.config.workers = 1;
    workload_config *two = add_pair(&f);
    two->limits.wall_time_ns_max = SECOND_NS / 5;
    if (start(&f)) {
        EXPECT_CONTAINS(get(&f, "a.test", "/wait/60000"),
                        "wait: error two: test:calls/work wait: past its deadline, while it waited");
        EXPECT_CONTAINS(get(&f, "a.test", "/wait/20"), "wait: 20");
    }
    teardown(&f);
}

TEST(a_callee_is_bound_by_its_callers_deadline) {
    NEED_CALLS();
    fixture f;
    setup(&f);
    f.config.workers = 1;
    (void)add_pair(&f);
    f.config.workloads[0].limits.wall_time_ns_max = SECOND_NS / 5;
    if (start(&f)) {
        uint64_t begin = clock_now_ns();
        EXPECT_CONTAINS(get(&f, "a.test", "/wait/60000"), "HTTP/1.1 504");
        EXPECT_CONTAINS(get(&f, "a.test", "/spin"), "HTTP/1.1 504");
        EXPECT(clock_now_ns() - begin < 30 * SECOND_NS);
        EXPECT_CONTAINS(get(&f, "a.test", "/wait/20"), "wait: 20");
    }
    teardown(&f);
}

// Others are served meanwhile, and whoever goes away takes whom it called along.
TEST(callees_of_requests_whose_clients_have_gone_are_given_up) {
    NEED_CALLS();
    fixture f;
    setup(&f);
    f.config.workers = 1;
    workload_config *two = add_pair(&f);
    two->limits.instances_max = 2;
    if (start(&f)) {
        int first = send_request(&f, "a.test", "/wait/60000"),
            second = send_request(&f, "a.test", "/wait/60000");
        uint64_t end = clock_now_ns() + 20 * SECOND_NS;
        while (clock_now_ns() < end && strstr(get(&f, "a.test", "/wait/1"), "which is its limit") == NULL) {
        }
        EXPECT_CONTAINS(get(&f, "a.test", "/wait/1"), "it runs 2 instances already, which is its limit");
        close(first);
        close(second);
        while (clock_now_ns() < end && strstr(get(&f, "a.test", "/wait/1"), "wait: 1") == NULL) {
        }
        EXPECT_CONTAINS(get(&f, "a.test", "/wait/1"), "wait: 1");
    }
    teardown(&f);
}

// A component that is called as often as it goes must not keep the one that it calls from serving others.
TEST(a_caller_leaves_instances_for_others) {
    NEED_CALLS();
    enum { FLOOD = 12 };
    int flood[FLOOD];
    fixture f;
    setup(&f);
    f.config.workers = 1;
    workload_config *two = add_pair(&f);
    two->limits.instances_max = 4;
    EXPECT_OK(workload_config_add_route(two, "b.test", "/", NULL));
    if (start(&f)) {
        for (int i = 0; i < FLOOD; i++) {
            flood[i] = send_request(&f, "a.test", "/wait/60000");
        }
        uint64_t end = clock_now_ns() + 20 * SECOND_NS;
        while (clock_now_ns() < end && strstr(get(&f, "a.test", "/wait/1"), "which is its share") == NULL) {
        }
        EXPECT_CONTAINS(get(&f, "a.test", "/wait/1"),
                        "2 of its 4 instances run for this caller, which is its share");
        for (int i = 0; i < 5; i++) {
            EXPECT_CONTAINS(get(&f, "b.test", "/wait/20"), "wait: 20");
        }
        for (int i = 0; i < FLOOD; i++) {
            close(flood[i]);
        }
    }
    teardown(&f);
}

// --- rules of calls ----------------------------------------------------------------------------------------

static void deny(fixture *f, const char *target, const char *function) {
    gate_rule rule = {.effect = GATE_DENY, .source = slice_from_text("the test")};
    rule.patterns[GATE_TARGET] = slice_from_text(target);
    rule.patterns[GATE_FUNCTION] = slice_from_text(function);
    EXPECT_OK(host_config_add_rule(&f->config, &rule, NULL));
}

TEST(a_call_that_a_rule_denies_never_starts_a_callee) {
    NEED_CALLS();
    fixture f;
    setup(&f);
    f.config.workers = 1;
    (void)add_pair(&f);
    deny(&f, "two", "spin");
    deny(&f, "one", ""); // what "two" would call
    if (start(&f)) {
        EXPECT_CONTAINS(get(&f, "a.test", "/spin"),
                        "spin: error two: test:calls/work spin: one may not call spin of test:calls/work at "
                        "two: denied by the rule at the test");
        EXPECT_CONTAINS(get(&f, "a.test", "/wait/20"), "wait: 20");
        EXPECT_CONTAINS(get(&f, "a.test", "/deep/10"), "two may not call");
        EXPECT_CONTAINS(get(&f, "a.test", "/wait/20"), "wait: 20");
    }
    teardown(&f);
}

// "upper" has no error to answer with.
TEST(a_call_that_a_rule_denies_traps_where_the_contract_has_no_error) {
    NEED_PARTS();
    fixture f;
    setup(&f);
    f.config.workers = 1;
    add_front(&f, "back");
    add(&f, "back", BACK);
    deny(&f, "back", "upper");
    if (start(&f)) {
        EXPECT_CONTAINS(get(&f, "a.test", "/lists"), "HTTP/1.1 500");
        EXPECT_CONTAINS(get(&f, "a.test", "/spread"), "spread 4000195213\n");
    }
    teardown(&f);
}
