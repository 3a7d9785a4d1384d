// SPDX-License-Identifier: Apache-2.0
#include "lattice/wrpc_names.h"

#include "test.h"

static void check_wire(const char *interface, wrpc_kind kind, const char *first, const char *second) {
    wrpc_wire_names names;
    REQUIRE(wrpc_names_to_wire(slice_from_text(interface), &names, NULL) == STATUS_OK);
    EXPECT_EQ(names.kind, kind);
    EXPECT_EQ(names.count, second != NULL ? 2 : 1);
    EXPECT_TEXT(names.items[0], first);
    if (second != NULL) {
        EXPECT_TEXT(names.items[1], second);
    }
}

TEST(contracts_have_names_of_their_own_on_the_wire) {
    check_wire("wasi:keyvalue/store@0.2.0-draft", WRPC_PLAIN, "wrpc:keyvalue/store@0.2.0-draft", NULL);
    check_wire("wasi:keyvalue/store", WRPC_PLAIN, "wrpc:keyvalue/store@0.2.0-draft", NULL);
    check_wire("wasi:keyvalue/watcher@0.2.0-draft2", WRPC_PLAIN, "wrpc:keyvalue/watcher@0.2.0-draft", NULL);
    check_wire("wasi:blobstore/container@0.2.0-draft", WRPC_BLOBSTORE, "wrpc:blobstore/blobstore@0.2.0",
               "wrpc:blobstore/blobstore@0.1.0");
    check_wire("wasi:http/incoming-handler@0.2.6", WRPC_HTTP, "wrpc:http/incoming-handler@0.1.0", NULL);
    check_wire("wasmcloud:messaging/incoming-handler@0.3.0", WRPC_PLAIN, "wasmcloud:messaging/handler@0.2.0",
               NULL);
    check_wire("wasmcloud:postgres/query", WRPC_PLAIN, "wasmcloud:postgres/query@0.1.1-draft", NULL);
}

TEST(others_keep_their_name_and_version) {
    check_wire("acme:orders/intake@1.2.0", WRPC_PLAIN, "acme:orders/intake@1.2.0", NULL);
    check_wire("acme:orders/intake", WRPC_PLAIN, "acme:orders/intake", NULL);
    check_wire("wasi:keyvalues/x@1.0.0", WRPC_PLAIN, "wasi:keyvalues/x@1.0.0", NULL);
}

TEST(what_each_host_has_is_not_called_on_others) {
    wrpc_wire_names names;
    static const char *const all[] = {"wasi:cli/run@0.2.0",       "wasi:http/types@0.2.0",
                                      "wasi:config/store",        "wasmcloud:bus/lattice@2.0.0",
                                      "wasi:keyvalue/wasi-types", "wasmcloud:secrets/store@0.1.0-draft"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        EXPECT_STATUS(wrpc_names_to_wire(slice_from_text(all[i]), &names, NULL), STATUS_UNSUPPORTED);
    }
    char longer[WRPC_INSTANCE_BYTES_MAX + 1];
    memset(longer, 'x', sizeof longer);
    EXPECT_STATUS(wrpc_names_to_wire(slice_of(longer, sizeof longer), &names, NULL), STATUS_LIMIT);
}

static void check_local(const char *instance, wrpc_kind kind, const char *interface, const char *version) {
    wrpc_local_name name = wrpc_names_from_wire(slice_from_text(instance));
    EXPECT_EQ(name.kind, kind);
    EXPECT(slice_equal_text(name.interface, interface));
    EXPECT(slice_equal_text(name.version, version));
}

TEST(names_of_the_wire_are_found_here) {
    check_local("wrpc:keyvalue/store@0.2.0-draft", WRPC_PLAIN, "wasi:keyvalue/store", "0.2.0-draft");
    check_local("wrpc:blobstore/blobstore@0.1.0", WRPC_BLOBSTORE, "wasi:blobstore/blobstore", "0.1.0");
    check_local("wrpc:http/incoming-handler@0.1.0", WRPC_HTTP, "wasi:http/incoming-handler", "0.1.0");
    check_local("wasmcloud:messaging/handler@0.2.0", WRPC_PLAIN, "wasmcloud:messaging/handler", "0.2.0");
    check_local("acme:orders/intake@1.2.0", WRPC_PLAIN, "acme:orders/intake", "1.2.0");
    check_local("wrpc:keyvalue/store@9.0.0", WRPC_PLAIN, "wrpc:keyvalue/store", "9.0.0");
    check_local("", WRPC_PLAIN, "", "");
}

TEST(functions_lose_their_bracket) {
    EXPECT(slice_equal_text(wrpc_names_function(slice_from_text("[method]res.m")), "res.m"));
    EXPECT(slice_equal_text(wrpc_names_function(slice_from_text("[constructor]res")), "res"));
    EXPECT(slice_equal_text(wrpc_names_function(slice_from_text("get")), "get"));
    EXPECT(slice_equal_text(wrpc_names_function(slice_from_text("[get")), "[get"));
    EXPECT_EQ(wrpc_names_function(slice_empty()).len, 0);
}

static void check_split(const char *text, const char *instance, const char *function) {
    slice i, f;
    REQUIRE(wrpc_names_split(slice_from_text(text), &i, &f));
    EXPECT_BYTES(i, slice_from_text(instance));
    EXPECT_BYTES(f, slice_from_text(function));
}

TEST(the_end_of_a_subject_is_an_instance_and_a_function) {
    slice i, f;
    check_split("wasi:a/b@0.2.0.handle", "wasi:a/b@0.2.0", "handle");
    check_split("wasi:a/b@0.2.0-draft.on-set", "wasi:a/b@0.2.0-draft", "on-set");
    check_split("wasi:a/b@0.2.0-rc.1.res.m", "wasi:a/b@0.2.0-rc.1", "res.m");
    check_split("wasi:a/b.run", "wasi:a/b", "run");
    check_split("run", "", "run");
    EXPECT(!wrpc_names_split(slice_from_text("wasi:a/b@0.2.0"), &i, &f));
    EXPECT(!wrpc_names_split(slice_from_text("wasi:a/b"), &i, &f));
    EXPECT(!wrpc_names_split(slice_from_text("wasi:a/b."), &i, &f));
    EXPECT(!wrpc_names_split(slice_empty(), &i, &f));
}

TEST(whether_each_function_gives_something_is_known_of_contracts) {
    wrpc_wire_names names;
    REQUIRE(wrpc_names_to_wire(slice_from_text("wasi:keyvalue/store"), &names, NULL) == STATUS_OK);
    EXPECT(names.has_results);
    REQUIRE(wrpc_names_to_wire(slice_from_text("wasi:keyvalue/watcher"), &names, NULL) == STATUS_OK);
    EXPECT(!names.has_results);
    REQUIRE(wrpc_names_to_wire(slice_from_text("acme:orders/intake@1.0.0"), &names, NULL) == STATUS_OK);
    EXPECT(!names.has_results);
}
