// SPDX-License-Identifier: Apache-2.0
#include "policy/call_pattern.h"
#include "policy/gate.h"
#include "test.h"

static void expect(const char *text, const char *interface, const char *function) {
    call_pattern p = {0};
    err e = {0};
    EXPECT_STATUS_ERR(call_pattern_parse(slice_from_text(text), &p, &e), STATUS_OK, e);
    EXPECT(slice_equal_text(p.interface, interface));
    EXPECT(slice_equal_text(p.function, function));
}

TEST(calls_as_people_write_them) {
    expect("wasi:keyvalue/store.set", "wasi:keyvalue/store", "set");
    expect("wasi:keyvalue/store.*", "wasi:keyvalue/store", "*");
    expect("wasi:keyvalue/store", "wasi:keyvalue/store", "");
    expect("wasi:keyvalue/*", "wasi:keyvalue/*", "");
    expect("wasi:keyvalue/*.get-many", "wasi:keyvalue/*", "get-many");
    expect("*.set", "*", "set");
    expect("*", "*", "");
    expect("shop:cart/cart.[method]cart.add", "shop:cart/cart", "[method]cart.add");
}

TEST(what_is_no_call_is_refused) {
    static const char *const wrong[] = {"",
                                        ".set",
                                        "wasi:keyvalue",
                                        "wasi:keyvalue/",
                                        "keyvalue/store",
                                        "store.set",
                                        ":/",
                                        "wasi:/store",
                                        "wasi:kv/store.",
                                        "wasi:kv/store.a b",
                                        "wasi:kv/st ore",
                                        "wasi:kv/store.s,t",
                                        "a:b/c\xc3\xa4",
                                        "wasi:kv/store.set@2",
                                        "wasi:keyvalue/store@0.2.0",
                                        "wasi:keyvalue/store@0.2.0-draft.set"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        call_pattern p;
        err e;
        EXPECT_STATUS(call_pattern_parse(slice_from_text(wrong[i]), &p, &e), STATUS_INVALID);
        EXPECT_CONTAINS(e.message, "write");
    }
}

TEST(names_are_bounded) {
    static char text[GATE_NAME_BYTES_MAX + 8];
    call_pattern p;
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "a:b/c", 5);
    EXPECT_STATUS(call_pattern_parse(slice_from_text(text), &p, NULL), STATUS_INVALID);
}
