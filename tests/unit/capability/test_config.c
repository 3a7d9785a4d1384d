// SPDX-License-Identifier: Apache-2.0
#include "helper_guest.h"
#include "test.h"
#include "wasi/config_runtime.h"
#include "wasi/config_store.h"

static const wasi_variable values[] = {
    {SLICE_LITERAL("greeting"), SLICE_LITERAL("hello")},
    {SLICE_LITERAL("empty"), SLICE_LITERAL("")},
};
static const wasi_config config = {values, 2};

TEST(what_is_there_is_told) {
    guest g;
    wasi_config_store_result_option_string_error one = {0};
    wasi_config_runtime_result_option_string_config_error older = {0};
    guest_init(&g);
    g.workload.config = &config;
    guest_start(&g);
    EXPECT_OK(wasi_config_store_get(&g, slice_from_text("greeting"), &one, NULL));
    EXPECT(!one.is_err && one.ok.some && slice_equal_text(one.ok.value, "hello"));
    EXPECT_OK(wasi_config_runtime_get(&g, slice_from_text("greeting"), &older, NULL));
    EXPECT(!older.is_err && older.ok.some && slice_equal_text(older.ok.value, "hello"));
    EXPECT_OK(wasi_config_store_get(&g, slice_from_text("empty"), &one, NULL));
    EXPECT(!one.is_err && one.ok.some && one.ok.value.len == 0);
    EXPECT_OK(wasi_config_store_get(&g, slice_from_text("greetin"), &one, NULL));
    EXPECT(!one.is_err && !one.ok.some);
    guest_done(&g);
}

TEST(all_in_their_order) {
    guest g;
    wasi_config_store_result_list_tuple_string_string_error all = {0};
    wasi_config_runtime_result_list_tuple_string_string_config_error older = {0};
    guest_init(&g);
    g.workload.config = &config;
    guest_start(&g);
    EXPECT_OK(wasi_config_store_get_all(&g, &all, NULL));
    EXPECT(!all.is_err);
    EXPECT_EQ(all.ok.count, 2);
    EXPECT(slice_equal_text(all.ok.items[0].f0, "greeting") && slice_equal_text(all.ok.items[0].f1, "hello"));
    EXPECT_OK(wasi_config_runtime_get_all(&g, &older, NULL));
    EXPECT_EQ(older.ok.count, 2);
    EXPECT(slice_equal_text(older.ok.items[1].f0, "empty"));
    guest_done(&g);
}

TEST(another_takes_its_place_between_two_calls) {
    static const wasi_variable changed[] = {{SLICE_LITERAL("greeting"), SLICE_LITERAL("salut")}};
    static const wasi_config next = {changed, 1};
    guest g;
    wasi_config_store_result_option_string_error one = {0};
    guest_init(&g);
    g.workload.config = &config;
    guest_start(&g);
    EXPECT_OK(wasi_config_store_get(&g, slice_from_text("greeting"), &one, NULL));
    g.workload.config = &next;
    EXPECT_OK(wasi_config_store_get(&g, slice_from_text("greeting"), &one, NULL));
    EXPECT(slice_equal_text(one.ok.value, "salut"));
    guest_done(&g);
}

TEST(none_is_empty) {
    guest g;
    wasi_config_store_result_option_string_error one = {.ok.some = true};
    wasi_config_store_result_list_tuple_string_string_error all = {.ok.count = 1};
    guest_init(&g);
    guest_start(&g);
    EXPECT_OK(wasi_config_store_get(&g, slice_from_text("greeting"), &one, NULL));
    EXPECT(!one.is_err && !one.ok.some);
    EXPECT_OK(wasi_config_store_get_all(&g, &all, NULL));
    EXPECT_EQ(all.ok.count, 0);
    guest_done(&g);
}
