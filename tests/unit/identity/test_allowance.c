// SPDX-License-Identifier: Apache-2.0
#include "identity/allowance.h"

#include "test.h"

enum { MEMORY_BYTES = 4 << 20 };

static status read_json(const char *text, arena *memory, allowance *ret, err *e) {
    json_value *v = NULL;
    TRY(json_parse(slice_from_text(text), &v, e));
    status s = allowance_from_json(v, memory, ret, e);
    json_free(v);
    return s;
}

// One or more capabilities in their text form, separated by spaces.
static allowance list(const char *text, arena *memory) {
    slice all = slice_from_text(text);
    allowance_entry *entries = ARENA_ARRAY(memory, allowance_entry, 16);
    size_t count = 0;
    for (size_t at = 0; at < all.len;) {
        size_t space = slice_find(all, at, ' ');
        err e = {0};
        if (allowance_entry_parse(slice_sub(all, at, space), memory, &entries[count++], &e) != STATUS_OK) {
            printf("%s\n", e.message);
            EXPECT(false);
        }
        at = space == SIZE_MAX ? all.len : space + 1;
    }
    return (allowance){.count = count, .entries = entries};
}

static bool covers(const allowance *a, const char *interface, const char *version) {
    semver v;
    bool has_version = version != NULL && semver_parse(slice_from_text(version), &v);
    return allowance_covers(a, slice_from_text(interface), has_version ? &v : NULL);
}

TEST(json_with_everything) {
    auto_arena memory;
    arena_init(&memory, MEMORY_BYTES);
    allowance a;
    err e = {0};
    EXPECT(read_json("[{\"interface\":\"wasi:http/outgoing-handler\",\"versions\":\"^0.2.0\",\"hosts\":"
                     "[\"api.example.com:443\",\"10.0.0.0/8\"]},"
                     "{\"interface\":\"wasi:keyvalue\",\"buckets\":[\"cart-*\"]},"
                     "{\"interface\":\"wasmcloud:messaging/consumer\",\"subjects\":[]},"
                     "{\"interface\":\"*\"}]",
                     &memory, &a, &e) == STATUS_OK);
    EXPECT(a.count == 4);
    EXPECT(a.entries[0].names[ALLOWANCE_HOSTS].count == 2);
    EXPECT(!a.entries[0].names[ALLOWANCE_BUCKETS].is_given);
    EXPECT(a.entries[2].names[ALLOWANCE_SUBJECTS].is_given);
    EXPECT(a.entries[2].names[ALLOWANCE_SUBJECTS].count == 0);
}

TEST(json_that_is_refused) {
    static const char *const bad[] = {
        "{}",
        "null",
        "[null]",
        "[[]]",
        "[\"wasi:http\"]",
        "[{}]",
        "[{\"interface\":7}]",
        "[{\"interface\":\"\"}]",
        "[{\"interface\":\"wasi\"}]",
        "[{\"interface\":\"wasi:http/\"}]",
        "[{\"interface\":\":http\"}]",
        "[{\"interface\":\"Wasi:http\"}]",
        "[{\"interface\":\"wasi:http/types/x\"}]",
        "[{\"interface\":\"wasi:http/types@0.2.0\"}]",
        "[{\"interface\":\"wasi:http/-types\"}]",
        "[{\"interface\":\"wasi:http/types-\"}]",
        "[{\"interface\":\"wasi:*\"}]",
        "[{\"interface\":\"wasi:http \"}]",
        "[{\"interface\":\"wasi:http\",\"versions\":\"latest\"}]",
        "[{\"interface\":\"wasi:http\",\"versions\":2}]",
        "[{\"interface\":\"wasi:http\",\"versions\":null}]",
        "[{\"interface\":\"wasi:http\",\"hosts\":\"a.org\"}]",
        "[{\"interface\":\"wasi:http\",\"hosts\":null}]",
        "[{\"interface\":\"wasi:http\",\"hosts\":{}}]",
        "[{\"interface\":\"wasi:http\",\"hosts\":[1]}]",
        "[{\"interface\":\"wasi:http\",\"hosts\":[\"http://a.org\"]}]",
        "[{\"interface\":\"wasi:http\",\"hosts\":[\"a.org\",\"a.org\"]}]",
        "[{\"interface\":\"wasi:http\",\"hosts\":[\"a.org:0\"]}]",
        "[{\"interface\":\"wasi:http\",\"buckets\":[\"a*b\"]}]",
        "[{\"interface\":\"wasi:http\",\"buckets\":[\"\"]}]",
        "[{\"interface\":\"wasi:http\",\"buckets\":[\"a,b\"]}]",
        "[{\"interface\":\"wasi:http\",\"buckets\":[\"a\\u0007\"]}]",
        "[{\"interface\":\"wasi:http\",\"subjects\":[\"a..b\"]}]",
        "[{\"interface\":\"wasi:http\",\"subjects\":[\">.a\"]}]",
        "[{\"interface\":\"wasi:http\",\"subjects\":[\"ord*\"]}]",
        "[{\"interface\":\"wasi:http\",\"subjects\":[\"a.\"]}]",
        "[{\"interface\":\"wasi:http\",\"methods\":[\"GET\"]}]", // a restriction of tomorrow
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        auto_arena memory;
        arena_init(&memory, MEMORY_BYTES);
        allowance a = {.count = 77};
        err e = {0};
        if (read_json(bad[i], &memory, &a, &e) != STATUS_INVALID || e.message[0] == '\0') {
            printf("%s: %s\n", bad[i], e.message);
            EXPECT(false);
        }
        EXPECT(a.count == 77);
    }
}

static json_value *many_entries(size_t count, size_t names) {
    json_value *array = json_array_new();
    for (size_t i = 0; i < count; i++) {
        json_value *entry = json_object_new(), *buckets = json_array_new();
        json_put_text(entry, "interface", slice_from_text("a:b"));
        for (size_t n = 0; n < names; n++) {
            char text[32];
            snprintf(text, sizeof text, "b%zu", n);
            json_push(buckets, json_text(slice_from_text(text)));
        }
        json_put(entry, "buckets", buckets);
        json_push(array, entry);
    }
    return array;
}

TEST(counts_are_bounded) {
    static const struct {
        size_t entries, names;
        status expected;
    } rows[] = {{ALLOWANCE_ENTRIES_MAX, 1, STATUS_OK},
                {ALLOWANCE_ENTRIES_MAX + 1, 1, STATUS_LIMIT},
                {1, ALLOWANCE_NAMES_MAX, STATUS_OK},
                {1, ALLOWANCE_NAMES_MAX + 1, STATUS_LIMIT},
                {4, 256, STATUS_OK},
                {5, 256, STATUS_LIMIT}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        auto_arena memory;
        arena_init(&memory, MEMORY_BYTES);
        allowance a;
        json_value *v = many_entries(rows[i].entries, rows[i].names);
        EXPECT(allowance_from_json(v, &memory, &a, NULL) == rows[i].expected);
        json_free(v);
    }
}

TEST(little_memory_is_an_error) {
    json_value *v = many_entries(20, 20);
    for (size_t bytes = 0; bytes < 30000; bytes += 512) {
        auto_arena memory;
        arena_init(&memory, bytes);
        allowance a;
        status s = allowance_from_json(v, &memory, &a, NULL);
        EXPECT(s == STATUS_LIMIT || s == STATUS_OK);
    }
    json_free(v);
}

TEST(text_there_and_back) {
    static const char *const good[] = {
        "*",
        "wasi:http",
        "wasi:http@0.2.3",
        "wasi:http/outgoing-handler@^0.2.0;hosts=api.example.com:443,*.example.org",
        "wasi:sockets@>=0.2.0,<0.3.0;hosts=[fd00::]/8:443,10.0.0.0/8",
        "wasi:keyvalue/store;buckets=a,b-*",
        "wasi:keyvalue/store;buckets=",
        "wasmcloud:messaging;subjects=orders.*.new,audit.>",
        "a:b/TLS-thing;hosts=;buckets=*;subjects=>",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        auto_arena memory;
        arena_init(&memory, MEMORY_BYTES);
        auto_buf text = {.max = 4096};
        allowance a = list(good[i], &memory);
        EXPECT(allowance_entry_format(&a.entries[0], &text) == STATUS_OK);
        EXPECT(slice_equal_text(buf_slice(&text), good[i]));
        json_value *v = allowance_to_json(&a);
        allowance again;
        EXPECT(allowance_from_json(v, &memory, &again, NULL) == STATUS_OK);
        buf_clear(&text);
        EXPECT(allowance_entry_format(&again.entries[0], &text) == STATUS_OK);
        EXPECT(slice_equal_text(buf_slice(&text), good[i]));
        json_free(v);
    }
}

TEST(text_that_is_refused) {
    static const char *const bad[] = {"",
                                      "@0.2.0",
                                      "wasi:http@",
                                      "wasi:http;",
                                      "wasi:http;host=a.org",
                                      "wasi:http;hosts",
                                      "wasi:http;hosts=a.org,",
                                      "wasi:http;hosts=,a.org",
                                      "wasi:http;hosts=a;hosts=b",
                                      "wasi:http;hosts=a.org,a.org",
                                      "wasi:http;hosts=a b",
                                      "wasi:http;methods=GET",
                                      "wasi:http@1",
                                      "wasi:http;hosts=a;;buckets=b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        auto_arena memory;
        arena_init(&memory, MEMORY_BYTES);
        allowance_entry entry;
        err e = {0};
        if (allowance_entry_parse(slice_from_text(bad[i]), &memory, &entry, &e) != STATUS_INVALID ||
            strstr(e.message, "capability \"") == NULL) {
            printf("%s: %s\n", bad[i], e.message);
            EXPECT(false);
        }
    }
}

TEST(interfaces_and_versions) {
    auto_arena memory;
    arena_init(&memory, MEMORY_BYTES);
    allowance a = list("wasi:http@^0.2.0 wasi:io/streams a:b/c@1.0.0", &memory);
    EXPECT(covers(&a, "wasi:http/types", "0.2.3"));
    EXPECT(covers(&a, "wasi:http/outgoing-handler", "0.2.0"));
    EXPECT(!covers(&a, "wasi:http/types", "0.3.0"));
    EXPECT(!covers(&a, "wasi:http/types", NULL));
    EXPECT(!covers(&a, "wasi:httpx/types", "0.2.0"));
    EXPECT(covers(&a, "wasi:io/streams", NULL));
    EXPECT(!covers(&a, "wasi:io/streams-two", "0.2.0"));
    EXPECT(!covers(&a, "wasi:io/poll", "0.2.0"));
    EXPECT(!covers(&a, "a:b/c", "1.0.1"));
    allowance all = list("*", &memory), none = list("", &memory);
    EXPECT(covers(&all, "x:y/z", "9.9.9-rc.1"));
    EXPECT(covers(&all, "plain", NULL));
    EXPECT(!covers(&none, "x:y/z", "1.0.0"));
}

static bool covers_name(const allowance *a, allowance_resource resource, const char *name) {
    return allowance_covers_name(a, slice_from_text("a:b/c"), NULL, resource, slice_from_text(name));
}

TEST(buckets) {
    auto_arena memory;
    arena_init(&memory, MEMORY_BYTES);
    allowance a = list("a:b;buckets=cart-*,users", &memory);
    EXPECT(covers_name(&a, ALLOWANCE_BUCKETS, "cart-1"));
    EXPECT(covers_name(&a, ALLOWANCE_BUCKETS, "cart-"));
    EXPECT(covers_name(&a, ALLOWANCE_BUCKETS, "users"));
    EXPECT(!covers_name(&a, ALLOWANCE_BUCKETS, "user"));
    EXPECT(!covers_name(&a, ALLOWANCE_BUCKETS, "users2"));
    EXPECT(!covers_name(&a, ALLOWANCE_BUCKETS, "cart"));
    EXPECT(!covers_name(&a, ALLOWANCE_BUCKETS, "Users"));
    EXPECT(covers_name(&a, ALLOWANCE_SUBJECTS, "any.thing")); // an absent list does not narrow
    allowance empty = list("a:b;buckets=", &memory), both = list("a:b;buckets= a:b/c;buckets=x", &memory);
    EXPECT(!covers_name(&empty, ALLOWANCE_BUCKETS, "x"));
    EXPECT(!covers_name(&empty, ALLOWANCE_BUCKETS, ""));
    EXPECT(covers_name(&both, ALLOWANCE_BUCKETS, "x")); // entries add up
    allowance free_too = list("a:b;buckets=x a:b", &memory);
    EXPECT(covers_name(&free_too, ALLOWANCE_BUCKETS, "y"));
}

TEST(subjects) {
    static const struct {
        const char *pattern, *name;
        bool covers;
    } rows[] = {
        {"orders.new", "orders.new", true},
        {"orders.new", "orders", false},
        {"orders.new", "orders.new.eu", false},
        {"orders.*", "orders.new", true},
        {"orders.*", "orders.new.eu", false},
        {"orders.*", "orders", false},
        {"orders.>", "orders.new.eu", true},
        {"orders.>", "orders", false},
        {"orders.>", "orders.>", true},
        {"orders.*", "orders.>", false},
        {"orders.*", "orders.*", true},
        {"orders.new", "orders.*", false},
        {"orders.>", "orders.*.x", true},
        {">", "a.b.c", true},
        {"*.new", "orders.new", true},
        {"*.new", "orders.old", false},
        {"orders.>", "orders.", false},
        {"orders.>", "orders..x", false},
        {"orders.>", "orders.x y.*z", false},
        {"Orders.*", "orders.new", false},
        {"*", "", false},
        {">", ">", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        auto_arena memory;
        arena_init(&memory, MEMORY_BYTES);
        char text[128];
        snprintf(text, sizeof text, "a:b;subjects=%s", rows[i].pattern);
        allowance a = list(text, &memory);
        if (covers_name(&a, ALLOWANCE_SUBJECTS, rows[i].name) != rows[i].covers) {
            printf("%s %s\n", rows[i].pattern, rows[i].name);
            EXPECT(false);
        }
    }
}

TEST(hosts_as_rules) {
    auto_arena memory;
    arena_init(&memory, MEMORY_BYTES);
    allowance a = list("a:b;hosts=api.example.com,10.0.0.0/8:5432", &memory);
    EXPECT(covers_name(&a, ALLOWANCE_HOSTS, "api.example.com:443"));
    EXPECT(covers_name(&a, ALLOWANCE_HOSTS, "api.example.com"));
    EXPECT(covers_name(&a, ALLOWANCE_HOSTS, "10.1.1.1:5432"));
    EXPECT(!covers_name(&a, ALLOWANCE_HOSTS, "10.1.1.1:5433"));
    EXPECT(!covers_name(&a, ALLOWANCE_HOSTS, "not a rule"));
    // A rule without a port in an entry of wasi:http means what it means to --allow-http.
    allowance http = list("wasi:http;hosts=a.org", &memory);
    slice handler = slice_from_text("wasi:http/outgoing-handler");
    EXPECT(allowance_covers_name(&http, handler, NULL, ALLOWANCE_HOSTS, slice_from_text("a.org:443")));
    EXPECT(allowance_covers_name(&http, handler, NULL, ALLOWANCE_HOSTS, slice_from_text("a.org")));
    EXPECT(!allowance_covers_name(&http, handler, NULL, ALLOWANCE_HOSTS, slice_from_text("a.org:8080")));
    // Nothing covers the interface.
    EXPECT(!allowance_covers_name(&http, slice_from_text("a:b/c"), NULL, ALLOWANCE_HOSTS,
                                  slice_from_text("a.org")));
}

TEST(one_list_in_another) {
    static const struct {
        const char *outer, *inner;
        bool within;
    } rows[] = {
        {"", "", true},
        {"*", "", true},
        {"", "a:b", false},
        {"*", "* a:b a:b/c@1.0.0;hosts=x.org", true},
        {"a:b", "*", false},
        {"a:b", "a:b/c", true},
        {"a:b/c", "a:b", false},
        {"a:b/c", "a:b/d", false},
        {"a:b@^1.0.0", "a:b/c@1.2.0", true},
        {"a:b@^1.0.0", "a:b/c", false},
        {"a:b;hosts=*.x.org", "a:b/c;hosts=y.x.org", true},
        {"a:b;hosts=*.x.org", "a:b/c;hosts=y.org", false},
        {"a:b;hosts=*.x.org", "a:b/c", false},
        {"a:b;hosts=", "a:b/c;hosts=", true},
        {"a:b", "a:b/c;hosts=", true},
        {"a:b;hosts=x.org a:b/c;hosts=y.org", "a:b/c;hosts=x.org,y.org", true}, // entries add up
        {"a:b;hosts=x.org:80 a:b/c;hosts=x.org:443", "wasi:http;hosts=x.org", false},
        {"wasi:http;hosts=x.org:80 *;hosts=x.org:443", "wasi:http;hosts=x.org", true},
        {"*;hosts=x.org", "wasi:http;hosts=x.org", true},
        {"wasi:http;hosts=x.org", "wasi:http;hosts=x.org:8080", false},
        {"a:b;buckets=p-*", "a:b;buckets=p-1,p-x*", true},
        {"a:b;buckets=p-*", "a:b;buckets=*", false},
        {"a:b;buckets=p", "a:b;buckets=p*", false},
        {"a:b;subjects=o.>", "a:b;subjects=o.*.x,o.>", true},
        {"a:b;subjects=o.*", "a:b;subjects=o.>", false},
        {"a:b;hosts=x.org", "a:b;hosts=x.org;buckets=q", true},
        {"a:b;hosts=x.org;buckets=q", "a:b;hosts=x.org", false},
        {"a:b@^1.0.0;buckets=x a:b@^2.0.0", "a:b@^1.0.0;buckets=y", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        auto_arena memory;
        arena_init(&memory, MEMORY_BYTES);
        allowance outer = list(rows[i].outer, &memory), inner = list(rows[i].inner, &memory);
        const allowance_entry *which = NULL;
        if (allowance_within(&outer, &inner, &which) != rows[i].within) {
            printf("%s around %s\n", rows[i].outer, rows[i].inner);
            EXPECT(false);
        }
        EXPECT(rows[i].within == (which == NULL));
    }
}
