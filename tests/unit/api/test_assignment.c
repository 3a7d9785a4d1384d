// SPDX-License-Identifier: Apache-2.0
#include "api/assignment.h"

#include <string.h>

#include "base/mem.h"
#include "capability/links.h"
#include "test.h"

static workload_config *add(host_config *c, const char *name, const char *path, uint32_t instances) {
    workload_config *w;
    EXPECT_OK(host_config_add_workload(c, &w, NULL));
    w->name = mem_text_dup(name);
    w->component_path = mem_text_dup(path);
    w->limits.instances_max = instances;
    return w;
}

TEST(what_is_written_is_read) {
    host_config c, got;
    auto_buf text;
    buf_init(&text, ASSIGNMENT_BYTES_MAX);
    host_config_init(&c);
    host_config_init(&got);
    workload_config *w = add(&c, "front", "/images/a", 7);
    w->is_unsigned = true;
    w->limits.memory_bytes_max = 1 << 20;
    w->limits.wall_time_ns_max = 5000000000;
    EXPECT_OK(workload_config_add_value(w, "greeting", "Hello \"you\"\n", NULL));
    EXPECT_OK(workload_config_add_callee(w, "test:echo/echo", "default", "back", NULL));
    EXPECT_OK(workload_config_add_route(w, NULL, "/front", NULL));
    add(&c, "back", "/images/b", 1);
    EXPECT_OK(assignment_write(&c, &text, NULL));
    EXPECT_OK(assignment_read(buf_slice(&text), &got, NULL));
    EXPECT_EQ(got.workload_count, 2);
    const workload_config *g = &got.workloads[0];
    EXPECT(strcmp(g->name, "front") == 0 && strcmp(g->component_path, "/images/a") == 0 && g->is_unsigned);
    EXPECT_EQ(g->limits.instances_max, 7);
    EXPECT_EQ(g->limits.memory_bytes_max, 1 << 20);
    EXPECT_EQ(g->limits.wall_time_ns_max, 5000000000);
    EXPECT(g->value_count == 1 && strcmp(g->values[0].value, "Hello \"you\"\n") == 0);
    EXPECT(g->callee_count == 1 && strcmp(g->callees[0].workload, "back") == 0);
    EXPECT(g->route_count == 1 && strcmp(g->routes[0].path, "/front") == 0);
    EXPECT(!got.workloads[1].is_unsigned);
    host_config_done(&c);
    host_config_done(&got);
}

TEST(each_has_one_link_that_takes_every_interface) {
    host_config got;
    host_config_init(&got);
    EXPECT_OK(assignment_read(
        slice_from_text("{\"workloads\": [{\"name\": \"a\", \"component\": \"/a\", \"instances\": 1}]}"),
        &got, NULL));
    const host_links *l = &got.workloads[0].links;
    EXPECT_EQ(l->count, 1);
    EXPECT(strcmp(l->items[0].driver, ASSIGNMENT_DRIVER) == 0);
    EXPECT(strcmp(l->items[0].interfaces[0], WASI_LINK_ANY) == 0);
    host_config_done(&got);
}

TEST(nothing_is_an_assignment_too) {
    host_config got;
    host_config_init(&got);
    EXPECT_OK(assignment_read(slice_from_text("{\"workloads\": []}"), &got, NULL));
    EXPECT_EQ(got.workload_count, 0);
    host_config_done(&got);
}

TEST(what_is_wrong_is_refused) {
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"workloads\": [{}]}",
        "{\"workloads\": [{\"name\": \"a\", \"component\": \"/a\"}]}",
        "{\"workloads\": [{\"name\": \"a\", \"component\": \"/a\", \"instances\": -1}]}",
        "{\"workloads\": [{\"name\": 1, \"component\": \"/a\", \"instances\": 1}]}",
        "{\"workloads\": [{\"name\": \"a\", \"component\": \"/a\", \"instances\": 1, \"values\": {\"k\": "
        "1}}]}",
        "{\"workloads\": [{\"name\": \"a\", \"component\": \"/a\", \"instances\": 1, \"callees\": [{}]}]}",
        "{\"workloads\": [{\"name\": \"a\", \"component\": \"/a\", \"instances\": 1, \"routes\": [{}]}]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        host_config got;
        host_config_init(&got);
        EXPECT(assignment_read(slice_from_text(texts[i]), &got, NULL) != STATUS_OK);
        host_config_done(&got);
    }
}
