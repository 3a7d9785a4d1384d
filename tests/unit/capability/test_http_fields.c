// SPDX-License-Identifier: Apache-2.0
// wasi:http/types fields: what a name and a value may be, who may change them, and how much they may take.
#include "capability/http/http_internal.h"
#include "helper_guest.h"
#include "test.h"

typedef wasi_http_types_fields fields;

static slice text(const char *s) { return slice_from_text(s); }

static fields *new_fields(guest *g) {
    fields *f = NULL;
    EXPECT_OK(wasi_http_types_fields_new(g, &f, NULL));
    return f;
}

// The tag of the error, or -1 when it went well.
static int append(guest *g, fields *f, slice name, slice value) {
    wasi_http_types_result_void_header_error r = {0};
    EXPECT_OK(wasi_http_types_fields_append(g, f, name, value, &r, NULL));
    return r.is_err ? r.err.tag : -1;
}

static int set(guest *g, fields *f, slice name, slice *values, size_t count) {
    wasi_http_types_result_void_header_error r = {0};
    wasi_http_types_list_field_value list = {values, count};
    EXPECT_OK(wasi_http_types_fields_set(g, f, name, &list, &r, NULL));
    return r.is_err ? r.err.tag : -1;
}

static int erase(guest *g, fields *f, slice name) {
    wasi_http_types_result_void_header_error r = {0};
    EXPECT_OK(wasi_http_types_fields_delete(g, f, name, &r, NULL));
    return r.is_err ? r.err.tag : -1;
}

static int from_list(guest *g, wasi_http_types_tuple_string_field_value *items, size_t count, fields **ret) {
    wasi_http_types_list_tuple_string_field_value list = {items, count};
    wasi_http_types_result_fields_header_error r = {0};
    EXPECT_OK(wasi_http_types_fields_from_list(g, &list, &r, NULL));
    *ret = r.is_err ? NULL : r.ok;
    return r.is_err ? r.err.tag : -1;
}

static bool has(guest *g, fields *f, const char *name) {
    bool found = false;
    EXPECT_OK(wasi_http_types_fields_has(g, f, text(name), &found, NULL));
    return found;
}

// "name=value|name=value|"
static const char *show(guest *g, fields *f) {
    static char shown[512];
    wasi_http_types_list_tuple_string_field_value list = {0};
    EXPECT_OK(wasi_http_types_fields_entries(g, f, &list, NULL));
    size_t len = 0;
    shown[0] = '\0';
    for (size_t i = 0; i < list.count; i++) {
        len += (size_t)snprintf(shown + len, sizeof shown - len, "%.*s=%.*s|", SLICE_ARG(list.items[i].f0),
                                SLICE_ARG(list.items[i].f1));
    }
    return shown;
}

static size_t count_of(guest *g, fields *f, const char *name) {
    wasi_http_types_list_field_value values = {0};
    EXPECT_OK(wasi_http_types_fields_get(g, f, text(name), &values, NULL));
    return values.count;
}

enum {
    BAD_SYNTAX = WASI_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX,
    FORBIDDEN = WASI_HTTP_TYPES_HEADER_ERROR_FORBIDDEN,
    IMMUTABLE = WASI_HTTP_TYPES_HEADER_ERROR_IMMUTABLE,
    GOOD = -1,
};

static void start(guest *g) {
    guest_init(g);
    guest_start(g);
}

// --- names and values --------------------------------------------------------------------------------------

TEST(names_compare_without_case_and_keep_theirs) {
    guest g;
    start(&g);
    fields *f = new_fields(&g);
    EXPECT_EQ(append(&g, f, text("X-One"), text("1")), GOOD);
    EXPECT_EQ(append(&g, f, text("Other"), text("")), GOOD);
    EXPECT_EQ(append(&g, f, text("x-oNE"), text("2")), GOOD);
    EXPECT_TEXT(show(&g, f), "X-One=1|Other=|x-oNE=2|"); // the order and the spelling are the guest's
    EXPECT_EQ(count_of(&g, f, "X-ONE"), 2);
    EXPECT_EQ(count_of(&g, f, "X-On"), 0);
    EXPECT_EQ(count_of(&g, f, "not a name"), 0);
    EXPECT(has(&g, f, "OTHER") && !has(&g, f, "X") && !has(&g, f, ""));
    slice values[] = {text("3"), text(" 4\t")};
    EXPECT_EQ(set(&g, f, text("x-one"), values, 2), GOOD); // in place of both
    EXPECT_TEXT(show(&g, f), "Other=|x-one=3|x-one=4|");
    EXPECT_EQ(set(&g, f, text("OTHER"), NULL, 0), GOOD); // set to nothing
    EXPECT_EQ(erase(&g, f, text("absent")), GOOD);
    EXPECT_TEXT(show(&g, f), "x-one=3|x-one=4|");
    EXPECT_EQ(erase(&g, f, text("X-One")), GOOD);
    EXPECT_TEXT(show(&g, f), "");
    guest_done(&g);
}

TEST(a_name_is_a_token) {
    guest g;
    start(&g);
    fields *f = new_fields(&g);
    const slice bad[] = {text(""),    text("a b"),       text("a:"),    text("a\n"),
                         text("(a)"), text("h\xc3\xa9"), text("a\x7f"), slice_of("a\0b", 3),
                         text(" a"),  text("a\r\nb: c")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        slice value = text("v");
        fields *made = NULL;
        wasi_http_types_tuple_string_field_value item = {bad[i], value};
        EXPECT_EQ(append(&g, f, bad[i], value), BAD_SYNTAX);
        EXPECT_EQ(set(&g, f, bad[i], &value, 1), BAD_SYNTAX);
        EXPECT_EQ(erase(&g, f, bad[i]), BAD_SYNTAX);
        EXPECT_EQ(from_list(&g, &item, 1, &made), BAD_SYNTAX);
    }
    EXPECT_EQ(append(&g, f, text("!#$%&'*+-.^_`|~09azAZ"), text("")), GOOD);
    guest_done(&g);
}

TEST(a_value_is_bytes_without_controls) {
    guest g;
    start(&g);
    fields *f = new_fields(&g);
    const slice bad[] = {text("a\nb"), text("a\r\nSet-Cookie: b"), slice_of("a\0b", 3), text("\x7f"),
                         text("\x1b[0m")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        slice values[] = {text("good"), bad[i]};
        fields *made = NULL;
        wasi_http_types_tuple_string_field_value items[] = {{text("a"), text("b")}, {text("n"), bad[i]}};
        EXPECT_EQ(append(&g, f, text("n"), bad[i]), BAD_SYNTAX);
        EXPECT_EQ(set(&g, f, text("n"), values, 2), BAD_SYNTAX);
        EXPECT_EQ(from_list(&g, items, 2, &made), BAD_SYNTAX);
    }
    EXPECT_TEXT(show(&g, f), ""); // nothing of a refused set stays
    EXPECT_EQ(append(&g, f, text("n"), text(" \t b\tc \xff\x80 \t")), GOOD);
    wasi_http_types_list_field_value values = {0};
    EXPECT_OK(wasi_http_types_fields_get(&g, f, text("N"), &values, NULL));
    REQUIRE(values.count == 1);
    EXPECT_BYTES(values.items[0], text("b\tc \xff\x80")); // blanks at the ends mean nothing
    guest_done(&g);
}

TEST(a_refused_set_leaves_what_was) {
    guest g;
    start(&g);
    fields *f = new_fields(&g);
    EXPECT_EQ(append(&g, f, text("n"), text("old")), GOOD);
    slice values[] = {text("new"), text("a\nb")};
    EXPECT_EQ(set(&g, f, text("n"), values, 2), BAD_SYNTAX);
    EXPECT_TEXT(show(&g, f), "n=old|");
    guest_done(&g);
}

TEST(fields_of_the_transport_are_forbidden) {
    static const char *const names[] = {"Connection",
                                        "keep-alive",
                                        "Proxy-Connection",
                                        "proxy-authenticate",
                                        "PROXY-AUTHORIZATION",
                                        "TE",
                                        "HOST",
                                        "Transfer-Encoding",
                                        "upgrade",
                                        "http2-settings",
                                        "Expect"};
    guest g;
    start(&g);
    fields *f = new_fields(&g);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        slice name = text(names[i]), value = text("v");
        fields *made = NULL;
        wasi_http_types_tuple_string_field_value item = {name, value};
        EXPECT_EQ(append(&g, f, name, value), FORBIDDEN);
        EXPECT_EQ(set(&g, f, name, &value, 1), FORBIDDEN);
        EXPECT_EQ(erase(&g, f, name), FORBIDDEN);
        EXPECT_EQ(from_list(&g, &item, 1, &made), FORBIDDEN);
    }
    static const char *const allowed[] = {"trailer", "Content-Length", "Hosts", "tea", "cookie", "date"};
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        EXPECT_EQ(append(&g, f, text(allowed[i]), text("1")), GOOD);
    }
    guest_done(&g);
}

// --- who may change them -----------------------------------------------------------------------------------

TEST(headers_of_a_message_are_immutable) {
    guest g;
    start(&g);
    fields *f = new_fields(&g), *view = NULL, *again = NULL, *copy = NULL;
    EXPECT_EQ(append(&g, f, text("a"), text("1")), GOOD);
    wasi_http_types_outgoing_response *response = NULL;
    EXPECT_OK(wasi_http_types_outgoing_response_new(&g, f, &response, NULL));
    EXPECT_OK(wasi_http_types_outgoing_response_headers(&g, response, &view, NULL));
    EXPECT_OK(wasi_http_types_outgoing_response_headers(&g, response, &again, NULL));
    slice value = text("2");
    EXPECT_EQ(append(&g, view, text("a"), value), IMMUTABLE);
    EXPECT_EQ(set(&g, view, text("a"), &value, 1), IMMUTABLE);
    EXPECT_EQ(set(&g, view, text("host"), &value, 1), IMMUTABLE);
    EXPECT_EQ(erase(&g, view, text("a")), IMMUTABLE);
    EXPECT_TEXT(show(&g, view), "a=1|");
    EXPECT_OK(wasi_http_types_fields_clone(&g, view, &copy, NULL));
    EXPECT_EQ(append(&g, copy, text("b"), value), GOOD); // a copy is the guest's own
    EXPECT_TEXT(show(&g, copy), "a=1|b=2|");
    wasi_http_types_outgoing_response_drop(NULL, response);
    wasi_http_types_fields_drop(NULL, view);
    EXPECT_TEXT(show(&g, again), "a=1|"); // a view lives longer than its message
    guest_done(&g);
}

TEST(what_comes_over_the_wire_loses_the_transports_fields) {
    guest g;
    start(&g);
    const http_header wire[] = {{text("Host"), text("h")},
                                {text("X"), text("\xff")},
                                {text("connection"), text("close")},
                                {text("Content-Length"), text("3")},
                                {text("x"), text("")}};
    http_fields *list = NULL;
    fields *f = NULL;
    EXPECT_OK(http_fields_from_wire(g.instance, wire, 5, &list, NULL));
    EXPECT_OK(http_fields_resource_new(g.instance, list, true, &f, NULL));
    EXPECT_TEXT(show(&g, f), "X=\xff|Content-Length=3|x=|");
    guest_done(&g);
}

TEST(content_length_is_one_number) {
    static const struct {
        const char *first, *second;
        bool is_good;
        int64_t length;
    } rows[] = {{NULL, NULL, true, -1},
                {"0", NULL, true, 0},
                {"42", NULL, true, 42},
                {"9223372036854775807", NULL, true, INT64_MAX},
                {"9223372036854775808", NULL, false, 0},
                {"42", "42", false, 0},
                {"", NULL, false, 0},
                {"-1", NULL, false, 0},
                {"+1", NULL, false, 0},
                {"1, 1", NULL, false, 0},
                {"0x1", NULL, false, 0}};
    guest g;
    start(&g);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        http_fields *f = http_fields_new(g.instance);
        const char *values[] = {rows[i].first, rows[i].second};
        for (size_t k = 0; k < 2 && values[k] != NULL; k++) {
            EXPECT_OK(http_fields_append(f, text(k == 0 ? "Content-Length" : "content-length"),
                                         text(values[k]), NULL));
        }
        int64_t length = -2;
        EXPECT_EQ(http_fields_content_length(f, &length), rows[i].is_good);
        EXPECT_EQ(length, rows[i].is_good ? rows[i].length : -2);
        http_fields_unref(f);
    }
    guest_done(&g);
}

// --- how much ----------------------------------------------------------------------------------------------

static slice long_value(guest *g, size_t len) {
    uint8_t *bytes = arena_alloc(&g->arena, len);
    memset(bytes, 'v', len);
    return slice_of(bytes, len);
}

TEST(one_list_is_bounded) {
    guest g;
    err e = {0};
    start(&g);
    fields *f = new_fields(&g);
    slice value = long_value(&g, HTTP_FIELDS_BYTES_MAX - 32 - 1);
    wasi_http_types_result_void_header_error r = {0};
    EXPECT_EQ(append(&g, f, text("n"), value), GOOD); // to the last byte
    EXPECT_STATUS(wasi_http_types_fields_append(&g, f, text("m"), text(""), &r, &e), STATUS_LIMIT);
    EXPECT_CONTAINS(e.message, "header fields over 131072 bytes");
    EXPECT_EQ(erase(&g, f, text("N")), GOOD);
    EXPECT_EQ(append(&g, f, text("m"), text("")), GOOD); // room again
    slice over = long_value(&g, HTTP_FIELDS_BYTES_MAX - 32);
    wasi_http_types_tuple_string_field_value item = {text("n"), over};
    wasi_http_types_list_tuple_string_field_value list = {&item, 1};
    wasi_http_types_result_fields_header_error made = {0};
    EXPECT_STATUS(wasi_http_types_fields_from_list(&g, &list, &made, &e), STATUS_LIMIT);
    guest_done(&g);
}

TEST(small_fields_count_with_what_they_cost) {
    guest g;
    start(&g);
    fields *f = new_fields(&g);
    wasi_http_types_result_void_header_error r = {0};
    size_t count = 0;
    while (count < 10000 &&
           wasi_http_types_fields_append(&g, f, text("n"), text(""), &r, NULL) == STATUS_OK) {
        count++;
    }
    EXPECT_EQ(count, HTTP_FIELDS_BYTES_MAX / 33);
    guest_done(&g);
}

TEST(replacing_for_ever_takes_no_more) {
    guest g;
    start(&g);
    fields *f = new_fields(&g);
    slice value = long_value(&g, 60000);
    EXPECT_EQ(append(&g, f, text("kept"), text("here")), GOOD);
    for (int i = 0; i < 200; i++) {
        EXPECT_EQ(set(&g, f, text("n"), &value, 1), GOOD);
    }
    EXPECT(http_account_of(g.instance)->bytes < 4 * HTTP_FIELDS_BYTES_MAX);
    EXPECT_EQ(count_of(&g, f, "kept"), 1);
    wasi_http_types_list_field_value values = {0};
    EXPECT_OK(wasi_http_types_fields_get(&g, f, text("n"), &values, NULL));
    REQUIRE(values.count == 1);
    EXPECT_BYTES(values.items[0], value); // the text moved with its fields
    wasi_http_types_fields_drop(NULL, f);
    EXPECT_EQ(http_account_of(g.instance)->bytes, 0);
    guest_done(&g);
}

TEST(all_lists_of_an_instance_are_bounded_together) {
    guest g;
    err e = {0};
    start(&g);
    slice value = long_value(&g, HTTP_FIELDS_BYTES_MAX - 32 - 1);
    size_t count = 0;
    fields *first = NULL, *f = NULL;
    wasi_http_types_result_void_header_error r = {0};
    status s = STATUS_OK;
    while (s == STATUS_OK && count <= HTTP_MESSAGES_BYTES_MAX / HTTP_FIELDS_BYTES_MAX) {
        f = new_fields(&g);
        first = first == NULL ? f : first;
        s = wasi_http_types_fields_append(&g, f, text("n"), value, &r, &e);
        count++;
    }
    EXPECT_STATUS(s, STATUS_LIMIT);
    EXPECT_CONTAINS(e.message, "the messages of the instance take more than");
    EXPECT_EQ(count, HTTP_MESSAGES_BYTES_MAX / HTTP_FIELDS_BYTES_MAX + 1);
    wasi_http_types_fields_drop(NULL, first);
    EXPECT_EQ(append(&g, f, text("n"), value), GOOD);
    guest_done(&g);
}

TEST(resources_are_counted) {
    guest g;
    err e = {0};
    guest_init(&g);
    g.workload.limits.resources_max = 2;
    guest_start(&g);
    fields *a = new_fields(&g), *b = new_fields(&g), *c = NULL;
    EXPECT(a != NULL && b != NULL);
    EXPECT_STATUS(wasi_http_types_fields_new(&g, &c, &e), STATUS_LIMIT);
    EXPECT_STATUS(wasi_http_types_fields_clone(&g, a, &c, &e), STATUS_LIMIT);
    guest_done(&g);
}
