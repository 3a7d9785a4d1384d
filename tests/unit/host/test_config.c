// SPDX-License-Identifier: Apache-2.0
// How workloads share the instances of a host.
#include "host/config.h"

#include "test.h"

static void setup(host_config *c, size_t count) {
    host_config_init(c);
    for (size_t i = 0; i < count; i++) {
        EXPECT_OK(host_config_add_workload(c, &(workload_config *){NULL}, NULL));
    }
}

static uint32_t instances(const host_config *c, size_t i) { return c->workloads[i].limits.instances_max; }

TEST(one_workload_has_the_default) {
    host_config c;
    setup(&c, 1);
    EXPECT_U64(host_config_instances(&c), 1000);
    EXPECT_OK(host_config_share_instances(&c, 1000, NULL));
    EXPECT_EQ(instances(&c, 0), 1000);
    host_config_done(&c);
}

TEST(several_share_it_and_keep_what_was_named) {
    host_config c;
    setup(&c, 4);
    c.workloads[1].limits.instances_max = 3;
    EXPECT_U64(host_config_instances(&c), 3 * 250 + 3);
    EXPECT_OK(host_config_share_instances(&c, 5000, NULL));
    EXPECT_EQ(instances(&c, 0), 250);
    EXPECT_EQ(instances(&c, 1), 3);
    host_config_done(&c);
}

TEST(many_have_enough_each) {
    host_config c;
    setup(&c, 20);
    EXPECT_U64(host_config_instances(&c), 2000);
    EXPECT_OK(host_config_share_instances(&c, 2000, NULL));
    EXPECT_EQ(instances(&c, 19), 100);
    host_config_done(&c);
}

TEST(a_small_machine_gives_equal_parts) {
    host_config c;
    setup(&c, 3);
    c.workloads[2].limits.instances_max = 50;
    EXPECT_OK(host_config_share_instances(&c, 71, NULL));
    EXPECT_EQ(instances(&c, 0), 10);
    EXPECT_EQ(instances(&c, 1), 10);
    EXPECT_EQ(instances(&c, 2), 50);
    host_config_done(&c);
}

TEST(what_does_not_fit_is_refused_with_the_numbers) {
    host_config c;
    err e = {0};
    setup(&c, 2);
    c.workloads[0].limits.instances_max = 5000;
    EXPECT_STATUS(host_config_share_instances(&c, 5000, &e), STATUS_LIMIT);
    EXPECT_CONTAINS(e.message, "5000");
    EXPECT_CONTAINS(e.message, "ulimit -v");
    EXPECT_EQ(instances(&c, 1), 0);
    host_config_done(&c);
}

TEST(an_interface_is_linked_to_one_workload) {
    host_config c;
    workload_config *w;
    err e;
    host_config_init(&c);
    REQUIRE(host_config_add_workload(&c, &w, NULL) == STATUS_OK);
    EXPECT_OK(workload_config_add_callee(w, "a:b/c", "default", "one", NULL));
    EXPECT_STATUS(workload_config_add_callee(w, "a:b/c", "default", "two", &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "a:b/c is linked to workload \"one\" already");
    EXPECT_STATUS(workload_config_add_callee(w, "a:b/d@1.0.0", "default", "two", &e), STATUS_INVALID);
    EXPECT_STATUS(workload_config_add_callee(w, "d", "default", "two", &e), STATUS_INVALID);
    EXPECT(workload_config_callee(w, slice_from_text("a:b/c"), slice_from_text("default")) == &w->callees[0]);
    EXPECT(workload_config_callee(w, slice_from_text("a:b/d"), slice_from_text("default")) == NULL);
    host_config_done(&c);
}
