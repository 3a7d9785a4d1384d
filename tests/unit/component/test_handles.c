// SPDX-License-Identifier: Apache-2.0
#include "component/handles.h"

#include "test.h"

static const ctype_resource host_stream = {.interface = SLICE_LITERAL("a:b/c"),
                                           .name = SLICE_LITERAL("stream")};
static const handle_type host_type = {.host = &host_stream, .name = SLICE_LITERAL("stream")};
static const handle_type guest_type = {.instance = 1, .destructor = HANDLE_NO_DESTRUCTOR};
static const handle_type other_type = {.instance = 2, .destructor = HANDLE_NO_DESTRUCTOR};

TEST(indices_start_at_one_and_freed_ones_come_back_last_first) {
    handle_table t;
    err e;
    handle_table_init(&t, 1000);
    for (uint32_t i = 1; i <= 3; i++) {
        uint32_t index = 0;
        EXPECT_STATUS_ERR(handle_add(&t, &guest_type, i * 100, NULL, &index, &e), STATUS_OK, e);
        EXPECT_EQ(index, i);
    }
    handle out;
    EXPECT_STATUS_ERR(handle_remove(&t, 1, &guest_type, &out, &e), STATUS_OK, e);
    EXPECT_STATUS_ERR(handle_remove(&t, 2, &guest_type, &out, &e), STATUS_OK, e);
    EXPECT_EQ(out.rep, 200);
    uint32_t index = 0;
    EXPECT_STATUS_ERR(handle_add(&t, &guest_type, 7, NULL, &index, &e), STATUS_OK, e);
    EXPECT_EQ(index, 2);
    EXPECT_STATUS_ERR(handle_add(&t, &guest_type, 8, NULL, &index, &e), STATUS_OK, e);
    EXPECT_EQ(index, 1);
    EXPECT_STATUS_ERR(handle_add(&t, &guest_type, 9, NULL, &index, &e), STATUS_OK, e);
    EXPECT_EQ(index, 4);
    handle_table_done(&t);
}

TEST(bad_indices_and_types_trap) {
    handle_table t;
    err e;
    handle *h;
    handle_table_init(&t, 1000);
    EXPECT_STATUS_ERR(handle_get(&t, 0, &guest_type, &h, &e), STATUS_TRAP, e);
    EXPECT_CONTAINS(e.message, "unknown handle index 0");
    EXPECT_STATUS_ERR(handle_get(&t, 1, &guest_type, &h, &e), STATUS_TRAP, e);
    EXPECT_STATUS_ERR(handle_get(&t, UINT32_MAX, &guest_type, &h, &e), STATUS_TRAP, e);
    uint32_t index = 0;
    EXPECT_STATUS_ERR(handle_add(&t, &guest_type, 5, NULL, &index, &e), STATUS_OK, e);
    EXPECT_STATUS_ERR(handle_get(&t, index, &other_type, &h, &e), STATUS_TRAP, e);
    EXPECT_CONTAINS(e.message,
                    "expected guest-defined resource but found a different guest-defined resource");
    EXPECT_STATUS_ERR(handle_get(&t, index, &host_type, &h, &e), STATUS_TRAP, e);
    EXPECT_STATUS_ERR(handle_get(&t, 0, &guest_type, &h, &e), STATUS_TRAP, e);
    handle out;
    EXPECT_STATUS_ERR(handle_remove(&t, index, &guest_type, &out, &e), STATUS_OK, e);
    EXPECT_STATUS_ERR(handle_get(&t, index, &guest_type, &h, &e), STATUS_TRAP, e);
    handle_table_done(&t);
}

TEST(the_table_is_bounded) {
    handle_table t;
    err e;
    uint32_t index = 0;
    handle_table_init(&t, 5);
    for (int i = 0; i < 4; i++) {
        EXPECT_STATUS_ERR(handle_add(&t, &guest_type, 0, NULL, &index, &e), STATUS_OK, e);
    }
    EXPECT_STATUS_ERR(handle_add(&t, &guest_type, 0, NULL, &index, &e), STATUS_TRAP, e);
    EXPECT_CONTAINS(e.message, "full");
    handle out;
    EXPECT_STATUS_ERR(handle_remove(&t, 3, &guest_type, &out, &e), STATUS_OK, e);
    EXPECT_STATUS_ERR(handle_add(&t, &guest_type, 0, NULL, &index, &e), STATUS_OK, e);
    EXPECT_EQ(index, 3);
    handle_table_done(&t);
}

TEST(a_lent_handle_can_neither_be_dropped_nor_given_away) {
    handle_table t;
    err e;
    handle_lends lends;
    handle_table_init(&t, 100);
    handle_lends_init(&lends, &t);
    uint32_t index = 0;
    uintptr_t rep = 0;
    handle out;
    handle *h;
    EXPECT_STATUS_ERR(handle_add(&t, &host_type, 77, NULL, &index, &e), STATUS_OK, e);
    EXPECT_STATUS_ERR(handle_lend(&t, index, &host_type, &lends, &rep, &e), STATUS_OK, e);
    EXPECT_EQ(rep, 77);
    EXPECT_STATUS_ERR(handle_remove(&t, index, &host_type, &out, &e), STATUS_TRAP, e);
    EXPECT_CONTAINS(e.message, "cannot remove owned resource while borrowed");
    EXPECT_STATUS_ERR(handle_check_own(&t, index, &host_type, &h, &e), STATUS_TRAP, e);
    EXPECT_STATUS_ERR(handle_take_own(&t, index, &host_type, &rep, &e), STATUS_TRAP, e);
    handle_lends_done(&lends);
    EXPECT_STATUS_ERR(handle_take_own(&t, index, &host_type, &rep, &e), STATUS_OK, e);
    EXPECT_STATUS_ERR(handle_take_own(&t, index, &host_type, &rep, &e), STATUS_TRAP,
                      e); // one handle passed twice
    handle_table_done(&t);
}

TEST(many_lends_of_one_call_are_all_given_back) {
    handle_table t;
    err e;
    handle_lends lends;
    handle_table_init(&t, 100);
    handle_lends_init(&lends, &t);
    uint32_t index = 0;
    uintptr_t rep;
    EXPECT_STATUS_ERR(handle_add(&t, &guest_type, 1, NULL, &index, &e), STATUS_OK, e);
    for (int i = 0; i < 1000; i++) {
        EXPECT_STATUS_ERR(handle_lend(&t, index, &guest_type, &lends, &rep, &e), STATUS_OK, e);
    }
    handle_lends_done(&lends);
    handle out;
    EXPECT_STATUS_ERR(handle_remove(&t, index, &guest_type, &out, &e), STATUS_OK, e);
    handle_table_done(&t);
}

TEST(borrows_count_in_their_scope_and_cannot_become_own) {
    handle_table t;
    err e;
    handle_scope scope = {0};
    handle_table_init(&t, 100);
    uint32_t index = 0;
    handle *h;
    EXPECT_STATUS_ERR(handle_add(&t, &guest_type, 1, &scope, &index, &e), STATUS_OK, e);
    EXPECT_EQ(scope.borrow_count, 1);
    EXPECT_STATUS_ERR(handle_check_own(&t, index, &guest_type, &h, &e), STATUS_TRAP, e);
    EXPECT_CONTAINS(e.message, "cannot lift own resource from a borrow");
    handle out;
    EXPECT_STATUS_ERR(handle_remove(&t, index, &guest_type, &out, &e), STATUS_OK, e);
    EXPECT(!out.own);
    EXPECT_EQ(scope.borrow_count, 0);
    handle_table_done(&t);
}
