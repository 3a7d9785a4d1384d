// SPDX-License-Identifier: Apache-2.0
// One host with many workloads. The guests are those of the scenario tests (build/guests).
#include "unit/host/helper_host.h"

#include "os/clock.h"

#define COMMAND_GUEST GUESTS "cli-c.wasm"

static bool has_guests(void) { return access(HTTP_GUEST, R_OK) == 0 && access(COMMAND_GUEST, R_OK) == 0; }

#define NEED_GUESTS()                                                  \
    do {                                                               \
        if (!has_guests()) {                                           \
            SKIP("build/guests has no http-c.wasm and no cli-c.wasm"); \
        }                                                              \
    } while (0)

static workload_config *add_at(fixture *f, const char *name, const char *host) {
    workload_config *w = add(f, name, HTTP_GUEST);
    EXPECT_OK(workload_config_add_route(w, host, "/", NULL));
    EXPECT_OK(workload_config_add_variable(w, "WHO", name, NULL));
    return w;
}

// --- tests -------------------------------------------------------------------------------------------------

static void expect_two_workloads(int workers) {
    fixture f;
    setup(&f);
    f.config.workers = workers;
    add_at(&f, "one", "one.test");
    add_at(&f, "two", "*.two.test");
    if (start(&f)) {
        EXPECT_CONTAINS(get(&f, "one.test", "/env"), "WHO=one");
        EXPECT_CONTAINS(get(&f, "a.two.test", "/env"), "WHO=two");
        EXPECT_CONTAINS(get(&f, "one.test", "/trap"), "HTTP/1.1 500");
        EXPECT_CONTAINS(get(&f, "three.test", "/env"), "HTTP/1.1 404");
        EXPECT_CONTAINS(get(&f, "two.test", "/env"), "no workload of this host has a route");
    }
    teardown(&f);
}

TEST(two_workloads_share_a_listener) {
    NEED_GUESTS();
    expect_two_workloads(2);
}

TEST(two_workloads_share_a_process) {
    NEED_GUESTS();
    expect_two_workloads(0);
}

enum { HOGS = INSTANCES == 0 ? 40 : 20 };

// Many guests that compute without end, in the only worker: another workload still gets its half.
TEST(a_workload_that_takes_all_it_can_does_not_starve_another) {
    NEED_GUESTS();
    fixture f;
    setup(&f);
    f.config.workers = 1;
    f.config.drain_ns_max = SECOND_NS / 10;
    workload_config *hog = add_at(&f, "hog", "hog.test");
    hog->limits.instances_max = HOGS;
    hog->limits.queue_max = 1;
    hog->limits.cpu_time_ns_max = 20 * SECOND_NS;
    add_at(&f, "other", "other.test");
    if (start(&f)) {
        int fds[HOGS + 1];
        EXPECT_CONTAINS(get(&f, "other.test", "/env"), "WHO=other");
        for (size_t i = 0; i <= HOGS; i++) {
            fds[i] = send_request(&f, "hog.test", "/spin");
        }
        EXPECT_CONTAINS(get(&f, "hog.test", "/env"), "HTTP/1.1 503");
        uint64_t begin = clock_now_ns();
        for (int i = 0; i < 20; i++) {
            EXPECT_CONTAINS(get(&f, "other.test", "/env"), "WHO=other");
        }
        // Behind the hogs it would be 40 slices of a millisecond or more for each turn that a request takes.
        uint64_t each_us = (clock_now_ns() - begin) / 20000;
        if (!EXPECT(each_us < 100000)) {
            printf("    %llu us for each request\n", (unsigned long long)each_us);
        }
        for (size_t i = 0; i <= HOGS; i++) {
            close(fds[i]);
        }
    }
    teardown(&f);
}

static void write_empty_component(const char *path) {
    static const unsigned char bytes[] = {0, 'a', 's', 'm', 0x0d, 0, 1, 0};
    FILE *file = fopen(path, "wb");
    REQUIRE(file != NULL);
    EXPECT_EQ(fwrite(bytes, 1, sizeof bytes, file), sizeof bytes);
    EXPECT_EQ(fclose(file), 0);
}

TEST(a_library_runs_beside_others_only) {
    NEED_GUESTS();
    fixture f;
    char path[64];
    setup(&f);
    (void)snprintf(path, sizeof path, "%s/library.wasm", f.folder);
    write_empty_component(path);
    workload_config *library = add(&f, "library", path);
    EXPECT_CONTAINS(refusal_of(&f), "so there is nothing to run");
    add_at(&f, "one", NULL);
    library = &f.config.workloads[0];
    EXPECT_OK(workload_config_add_route(library, "x.test", "/", NULL));
    EXPECT_CONTAINS(refusal_of(&f), "\"library\" has a route, but");
    library->route_count = 0;
    mem_free(library->routes[0].host);
    mem_free(library->routes[0].path);
    f.config.workers = 1;
    if (start(&f)) {
        EXPECT_CONTAINS(get(&f, "any.test", "/env"), "WHO=one");
    }
    teardown(&f);
}

TEST(what_cannot_run_together_is_refused_with_the_names) {
    NEED_GUESTS();
    fixture f;
    setup(&f);
    EXPECT_CONTAINS(refusal_of(&f), "no workload");
    add(&f, "one", HTTP_GUEST);
    add(&f, "two", HTTP_GUEST);
    EXPECT_CONTAINS(refusal_of(&f), "no workload has a route");
    EXPECT_OK(workload_config_add_route(&f.config.workloads[0], "A.test", "/x", NULL));
    EXPECT_OK(workload_config_add_route(&f.config.workloads[1], "a.test", "/x/", NULL));
    EXPECT_CONTAINS(refusal_of(&f), "\"one\" and \"two\" have the same route (host A.test, path /x)");
    add(&f, "tool", COMMAND_GUEST);
    EXPECT_CONTAINS(refusal_of(&f), "workload \"tool\": the component exports wasi:cli/run");
    add(&f, "one", HTTP_GUEST);
    EXPECT_CONTAINS(refusal_of(&f), "two workloads have the name \"one\"");
    teardown(&f);
}

TEST(more_instances_than_fit_are_refused_with_the_numbers) {
    NEED_GUESTS();
    fixture f;
    setup(&f);
    add_at(&f, "one", "one.test")->limits.instances_max = 900000;
    add_at(&f, "two", "two.test")->limits.instances_max = 0;
    const char *text = refusal_of(&f);
    EXPECT_CONTAINS(text, "900000 instances");
    EXPECT_CONTAINS(text, "ulimit -v");
    teardown(&f);
}
