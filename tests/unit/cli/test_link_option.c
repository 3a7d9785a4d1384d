// SPDX-License-Identifier: Apache-2.0
#include "cli/link_option.h"

#include "test.h"

static status add(host_links *l, const char *text, err *e) {
    return link_option_add(l, slice_from_text(text), e);
}

TEST(a_package_stands_for_its_interfaces) {
    host_links l = {0};
    EXPECT_OK(add(&l, "wasi:keyvalue=memory", NULL));
    EXPECT_EQ(l.count, 1);
    EXPECT_TEXT(l.items[0].name, "default");
    EXPECT_TEXT(l.items[0].driver, "memory");
    EXPECT_EQ(l.items[0].interface_count, 4);
    EXPECT_EQ(l.items[0].setting_count, 0);
    host_links_done(&l);
}

TEST(one_interface_with_a_name_and_settings) {
    host_links l = {0};
    EXPECT_OK(add(&l, "wasi:keyvalue/store@cache=redis,host=::1,prefix=a=b,user=", NULL));
    const host_link *one = &l.items[0];
    EXPECT_TEXT(one->name, "cache");
    EXPECT_EQ(one->interface_count, 1);
    EXPECT_TEXT(one->interfaces[0], "wasi:keyvalue/store");
    EXPECT_EQ(one->setting_count, 3);
    EXPECT_TEXT(one->settings[0].value, "::1");
    EXPECT_TEXT(one->settings[1].value, "a=b");
    EXPECT_TEXT(one->settings[2].value, "");
    host_links_done(&l);
}

TEST(what_is_wrong_is_said) {
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "is not INTERFACES"},
        {"wasi:keyvalue", "is not INTERFACES"},
        {"=memory", "is not INTERFACES"},
        {"@a=memory", "is not INTERFACES"},
        {"wasi:keyvalue=", "is not INTERFACES"},
        {"wasi:keyvalue=,a=b", "is not INTERFACES"},
        {"wasi:keyvalue=memory,", ""},
        {"wasi:keyvalue=memory,a", "\"a\" is not SETTING=VALUE"},
        {"wasi:keyvalue=memory,=a", "is not SETTING=VALUE"},
        {"wasi:keyvalue/stor=memory", "no driver serves wasi:keyvalue/stor"},
        {"wasi:keyval=memory", "no driver serves wasi:keyval"},
        {"wasi:keyvalue=nothing", "there is no driver \"nothing\" for wasi:keyvalue; there are: memory, "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        host_links l = {0};
        err e = {0};
        status s = add(&l, cases[i].text, &e);
        EXPECT_EQ(s, cases[i].words[0] == '\0' ? STATUS_OK : STATUS_INVALID);
        EXPECT_CONTAINS(e.message, cases[i].words);
        host_links_done(&l);
    }
}

TEST(a_driver_that_has_any_interface) {
    host_links l = {0};
    EXPECT_OK(add(&l, "wasi:keyvalue=provider,server=127.0.0.1:1,key=@k,password=@p,path=x.db", NULL));
    EXPECT_EQ(l.items[0].interface_count, 4); // those that drivers here have, each once
    EXPECT_EQ(l.items[0].setting_count, 2);
    EXPECT_EQ(l.items[0].secret_count, 2);
    EXPECT_OK(add(&l, "example:dice/roller@two=provider,server=127.0.0.1:1,key=@k", NULL));
    EXPECT_EQ(l.items[1].interface_count, 1);
    EXPECT_TEXT(l.items[1].interfaces[0], "example:dice/roller");
    static const char *const bad[] = {
        "example:dice=provider", "example:dice/=provider", "dice/roller=provider", "example:/roller=provider",
        ":dice/roller=provider", "a:b/c/d=provider",       "a:b/\x80=provider"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        err e = {0};
        EXPECT_STATUS(add(&l, bad[i], &e), STATUS_INVALID);
        EXPECT_CONTAINS(e.message, "name the interface");
    }
    err e = {0};
    EXPECT_STATUS(add(&l, "wasi:keyvalue=provider,server=127.0.0.1:1,key=in-clear", &e), STATUS_INVALID);
    EXPECT(strstr(e.message, "in-clear") == NULL);
    host_links_done(&l);
}
