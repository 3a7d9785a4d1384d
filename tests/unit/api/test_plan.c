// SPDX-License-Identifier: Apache-2.0
#include "api/plan.h"

#include <string.h>

#include "base/mem.h"
#include "test.h"

static plan_change scale(const char *file, const char *workload, uint32_t n) {
    return (plan_change){.file = mem_text_dup(file), .workload = mem_text_dup(workload), .instances_max = n};
}

TEST(a_manifest_that_is_taken_again_forgets_what_was_done_by_hand) {
    plan p = {0};
    EXPECT_OK(plan_take(&p, "/a.yaml", false, NULL));
    EXPECT_OK(plan_take(&p, "/b.yaml", true, NULL));
    p.applications[0].text = mem_text_dup("old");
    p.applications[1].text = mem_text_dup("other");
    plan_change a = scale("/a.yaml", "a-web", 5), b = scale("/b.yaml", "b-web", 6),
                again = scale("/b.yaml", "b-web", 7);
    EXPECT_OK(plan_put(&p, &a, NULL));
    EXPECT_OK(plan_put(&p, &b, NULL));
    EXPECT_OK(plan_put(&p, &again, NULL));
    EXPECT_EQ(p.change_count, 2); // one for each thing
    EXPECT_EQ(p.changes[1].instances_max, 7);
    EXPECT_OK(plan_take(&p, "/a.yaml", true, NULL));
    EXPECT_EQ(p.application_count, 2);
    EXPECT(p.applications[0].text == NULL && p.applications[0].is_unsigned);
    EXPECT_TEXT(p.applications[1].text, "other");
    EXPECT_EQ(p.change_count, 1);
    EXPECT_TEXT(p.changes[0].workload, "b-web");
    plan_take_all(&p, true);
    EXPECT(p.applications[1].text == NULL);
    EXPECT_EQ(p.change_count, 1);
    plan_take_all(&p, false);
    EXPECT_EQ(p.change_count, 0);
    plan_done(&p);
}

TEST(an_application_goes_with_its_changes) {
    plan p = {0};
    err e;
    EXPECT_OK(plan_take(&p, "/a.yaml", false, NULL));
    EXPECT_OK(plan_take(&p, "/b.yaml", false, NULL));
    p.applications[0].name = mem_text_dup("a");
    p.applications[1].name = mem_text_dup("b");
    plan_change a = scale("/a.yaml", "a-web", 5);
    EXPECT_OK(plan_put(&p, &a, NULL));
    EXPECT_STATUS(plan_remove(&p, slice_from_text("c"), &e), STATUS_NOT_FOUND);
    EXPECT_CONTAINS(e.message, "there are: a, b");
    EXPECT_OK(plan_remove(&p, slice_from_text("a"), &e));
    EXPECT_EQ(p.application_count, 1);
    EXPECT_TEXT(p.applications[0].name, "b");
    EXPECT_EQ(p.change_count, 0);
    plan_done(&p);
}

static const char shop[] =
    "{\"applications\":[{\"file\":\"/a.yaml\",\"name\":\"shop\",\"text\":\"t\",\"unsigned\":true}],"
    "\"changes\":[{\"file\":\"/a.yaml\",\"workload\":\"shop-web\",\"instances\":9},"
    "{\"file\":\"/"
    "a.yaml\",\"workload\":\"shop-web\",\"link\":{\"name\":\"cache\",\"interfaces\":[\"wasi:keyvalue\"],"
    "\"driver\":\"redis\",\"settings\":{\"host\":\"h\"},\"secrets\":{\"password\":{\"key\":\"k\"}}}}]}";

static void add_link(workload_config *w, const char *name, const char *interface) {
    host_link *l;
    EXPECT_OK(host_links_add(&w->links, name, "memory", &l, NULL));
    EXPECT_OK(host_link_add_interface(l, slice_from_text(interface), NULL));
}

TEST(a_plan_changes_what_it_is_about) {
    plan p = {0};
    host_config c;
    workload_config *w;
    host_config_init(&c);
    EXPECT_OK(host_config_add_workload(&c, &w, NULL));
    w->name = mem_text_dup("shop-web");
    add_link(w, "default", "wasi:keyvalue/store");
    add_link(w, "cache", "wasi:keyvalue/store");
    add_link(w, "cache", "wasi:blobstore/container");
    EXPECT_OK(plan_read(slice_from_text(shop), &p, NULL));
    EXPECT(p.applications[0].is_unsigned);
    plan_apply(&p, &c);
    EXPECT_EQ(w->limits.instances_max, 9);
    EXPECT_TEXT(w->links.items[0].driver, "memory");
    EXPECT_TEXT(w->links.items[1].driver, "redis");
    EXPECT_TEXT(w->links.items[1].interfaces[0], "wasi:keyvalue/store");
    EXPECT_TEXT(w->links.items[1].settings[0].value, "h");
    EXPECT_TEXT(w->links.items[1].secrets[0].key, "k");
    EXPECT_TEXT(w->links.items[1].target_name, "memory"); // as rules know it
    EXPECT_TEXT(w->links.items[2].driver, "memory");
    plan_done(&p);
    host_config_done(&c);
}

TEST(what_is_no_plan_is_refused) {
    static const char *const texts[] = {
        "",
        "[]",
        "{\"applications\":[{}]}",
        "{\"other\":1}",
        "{\"applications\":[{\"file\":\"\"}]}",
        "{\"changes\":[{\"file\":\"f\",\"workload\":\"w\",\"instances\":0}]}",
        "{\"changes\":[{\"file\":\"f\",\"workload\":\"w\",\"link\":{\"interfaces\":[]}}]}",
        "{\"changes\":[{\"file\":\"f\",\"workload\":\"w\",\"link\":{\"interfaces\":[\"a\"],\"settings\":[]}}]"
        "}",
        "{\"changes\":[{\"file\":\"f\",\"workload\":\"w\",\"link\":{\"interfaces\":[\"a\"],\"secrets\":{"
        "\"x\":{}}}}]}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        plan p = {0};
        err e = {0};
        EXPECT(plan_read(slice_from_text(texts[i]), &p, &e) != STATUS_OK);
        EXPECT(e.message[0] != '\0');
        plan_done(&p);
    }
}
