// SPDX-License-Identifier: Apache-2.0
#include "host/links.h"

#include "base/mem.h"
#include "test.h"

static void fill(host_links *l) {
    err e;
    host_link *a = NULL, *b = NULL;
    EXPECT_OK(host_links_add(l, "default", "redis", &a, &e));
    EXPECT_OK(host_link_add_interface(a, slice_from_text("wasi:keyvalue/store"), &e));
    EXPECT_OK(host_link_add_interface(a, slice_from_text("wasi:keyvalue/atomics"), &e));
    EXPECT_OK(host_link_add_interface(a, slice_from_text("wasi:keyvalue/batch"), &e));
    EXPECT_OK(host_link_add_setting(a, slice_from_text("url"), slice_from_text("redis://cache"), &e));
    EXPECT_OK(host_link_add_setting(a, slice_from_text("empty"), slice_empty(), &e));
    EXPECT_OK(host_link_add_credential(a, slice_from_text("password"), slice_from_text("hunter2"), &e));
    a->number = 3;
    a->timeout_ns = 5;
    EXPECT_OK(host_links_add(l, "second", "sqlite", &b, &e));
    EXPECT_OK(host_link_add_interface(b, slice_from_text("a:b/c"), &e));
}

TEST(drivers_read_what_was_written) {
    err e;
    buf bytes;
    host_links l = {0}, back = {0};
    fill(&l);
    buf_init(&bytes, HOST_LINKS_WIRE_BYTES_MAX);
    EXPECT_OK(host_links_write(&l, HOST_LINKS_FOR_DRIVERS, &bytes, &e));
    EXPECT_OK(host_links_read(buf_slice(&bytes), &back, &e));
    EXPECT_EQ(back.count, 2);
    const host_link *a = &back.items[0];
    EXPECT_EQ(a->number, 3);
    EXPECT_TEXT(a->name, "default");
    EXPECT_TEXT(a->driver, "redis");
    EXPECT_TEXT(a->target, "redis");
    EXPECT_EQ(a->timeout_ns, 5);
    EXPECT_EQ(a->interface_count, 3);
    EXPECT_TEXT(a->interfaces[2], "wasi:keyvalue/batch");
    EXPECT_EQ(a->setting_count, 2);
    EXPECT_TEXT(a->settings[0].value, "redis://cache");
    EXPECT_TEXT(a->settings[1].value, "");
    EXPECT_EQ(a->credential_count, 1);
    EXPECT_TEXT(a->credentials[0].value, "hunter2");
    EXPECT_TEXT(back.items[1].name, "second");
    host_links_done(&l);
    host_links_done(&back);
    buf_done(&bytes);
}

TEST(workers_get_neither_settings_nor_credentials) {
    err e;
    buf bytes;
    host_links l = {0}, back = {0};
    fill(&l);
    buf_init(&bytes, HOST_LINKS_WIRE_BYTES_MAX);
    EXPECT_OK(host_links_write(&l, HOST_LINKS_FOR_WORKERS, &bytes, &e));
    EXPECT(memmem(bytes.data, bytes.len, "hunter2", 7) == NULL);
    EXPECT(memmem(bytes.data, bytes.len, "redis://", 8) == NULL);
    EXPECT_OK(host_links_read(buf_slice(&bytes), &back, &e));
    EXPECT_EQ(back.items[0].setting_count, 0);
    EXPECT_EQ(back.items[0].credential_count, 0);
    EXPECT_EQ(back.items[0].interface_count, 3);
    host_links_done(&l);
    host_links_done(&back);
    buf_done(&bytes);
}

TEST(every_cut_is_malformed) {
    err e;
    buf bytes;
    host_links l = {0};
    fill(&l);
    buf_init(&bytes, HOST_LINKS_WIRE_BYTES_MAX);
    EXPECT_OK(host_links_write(&l, HOST_LINKS_FOR_DRIVERS, &bytes, &e));
    for (size_t n = 0; n < bytes.len; n++) {
        host_links back = {0};
        if (host_links_read(slice_of(bytes.data, n), &back, &e) != STATUS_INVALID) {
            EXPECT_EQ(n, bytes.len);
        }
        host_links_done(&back);
    }
    EXPECT_OK(buf_append_byte(&bytes, 0));
    host_links longer = {0};
    EXPECT_STATUS(host_links_read(buf_slice(&bytes), &longer, &e), STATUS_INVALID);
    host_links_done(&longer);
    host_links_done(&l);
    buf_done(&bytes);
}

TEST(numbers_have_limits) {
    err e;
    host_links l = {0};
    host_link *one = NULL;
    EXPECT_OK(host_links_add(&l, "default", "d", &one, &e));
    for (int i = 0; i < HOST_LINK_INTERFACES_MAX; i++) {
        EXPECT_OK(host_link_add_interface(one, slice_from_text("a:b/c"), &e));
    }
    EXPECT_STATUS(host_link_add_interface(one, slice_from_text("a:b/c"), &e), STATUS_LIMIT);
    for (int i = 0; i < HOST_LINK_SETTINGS_MAX; i++) {
        EXPECT_OK(host_link_add_setting(one, slice_from_text("n"), slice_from_text("v"), &e));
    }
    EXPECT_STATUS(host_link_add_setting(one, slice_from_text("n"), slice_from_text("v"), &e), STATUS_LIMIT);
    host_links_done(&l);
}

static host_link one(const char *workload, const char *name, const char *setting, const char *credential) {
    host_links l = {0};
    host_link *made = NULL;
    EXPECT_OK(host_links_add(&l, name, "redis", &made, NULL));
    EXPECT_OK(host_link_add_interface(made, slice_from_text("wasi:keyvalue/store"), NULL));
    EXPECT_OK(host_link_add_setting(made, slice_from_text("host"), slice_from_text(setting), NULL));
    EXPECT_OK(host_link_add_credential(made, slice_from_text("password"), slice_from_text(credential), NULL));
    mem_free(made->workload);
    made->workload = mem_text_dup(workload);
    host_link moved = *made;
    mem_free(l.items);
    return moved;
}

TEST(links_are_the_same_when_all_that_a_driver_sees_is) {
    static const struct {
        const char *workload, *name, *setting, *credential;
        bool is_same;
    } cases[] = {{"a", "default", "h", "p", true},
                 {"b", "default", "h", "p", false},
                 {"a", "other", "h", "p", false},
                 {"a", "default", "i", "p", false},
                 {"a", "default", "h", "q", false}};
    host_link first = one("a", "default", "h", "p");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        host_link other = one(cases[i].workload, cases[i].name, cases[i].setting, cases[i].credential);
        other.number = 7; // and its place does not count
        EXPECT_EQ(host_link_is_same(&first, &other), cases[i].is_same);
        host_link_done(&other);
    }
    host_link_done(&first);
}
