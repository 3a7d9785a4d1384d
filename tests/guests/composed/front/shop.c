// SPDX-License-Identifier: Apache-2.0
//
// The first component: an HTTP handler whose every answer needs the second one. Each route exercises one kind
// of value or handle and prints what came back; the test knows the right text.
#include "front.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    size_t length;
    char bytes[4096];
} answer;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t room = sizeof answer.bytes - answer.length;
    int length = vsnprintf(answer.bytes + answer.length, room, format, arguments);
    va_end(arguments);
    if (length > 0) {
        answer.length += (size_t)length < room ? (size_t)length : room - 1;
    }
}

static front_string_t words(const char *text) { return (front_string_t){(uint8_t *)text, strlen(text)}; }

static void put(catalog_own_shelf_t shelf, const char *name, bool priced, uint32_t price) {
    front_string_t tags[] = {words("new"), words("größe"), words("")};
    catalog_item_t item = {
        .name = words(name),
        .tags = {tags, priced ? 3 : 0},
        .price = {priced, price},
        .unit = CATALOG_UNIT_LITRE,
        .properties = CATALOG_PROPERTIES_FRAGILE | CATALOG_PROPERTIES_HEAVY,
    };
    uint32_t count;
    front_string_t error;
    if (catalog_method_shelf_put(catalog_borrow_shelf(shelf), &item, &count, &error)) {
        say("put %s: %u\n", name, count);
    } else {
        say("put %s: %.*s\n", name, (int)error.len, (char *)error.ptr);
        front_string_free(&error);
    }
}

static void say_item(const catalog_item_t *item) {
    say("  %.*s", (int)item->name.len, (char *)item->name.ptr);
    for (size_t i = 0; i < item->tags.len; i++) {
        say(" [%.*s]", (int)item->tags.ptr[i].len, (char *)item->tags.ptr[i].ptr);
    }
    if (item->price.is_some) {
        say(" %u", item->price.val);
    }
    say(" unit %d properties %d\n", item->unit, item->properties);
}

static void find(catalog_own_shelf_t shelf, const char *prefix) {
    front_string_t text = words(prefix);
    catalog_outcome_t outcome;
    catalog_method_shelf_find(catalog_borrow_shelf(shelf), &text, &outcome);
    say("find \"%s\": ", prefix);
    switch (outcome.tag) {
    case CATALOG_OUTCOME_NOTHING:
        say("nothing\n");
        break;
    case CATALOG_OUTCOME_ONE:
        say("one\n");
        say_item(&outcome.val.one);
        break;
    case CATALOG_OUTCOME_MANY:
        say("many\n");
        for (size_t i = 0; i < outcome.val.many.len; i++) {
            say_item(&outcome.val.many.ptr[i]);
        }
        break;
    default:
        say("refused %.*s\n", (int)outcome.val.refused.len, (char *)outcome.val.refused.ptr);
    }
    catalog_outcome_free(&outcome);
}

static void route_values(void) {
    front_string_t label = words("shelf one");
    catalog_own_shelf_t shelf = catalog_constructor_shelf(&label);
    put(shelf, "apple", true, 120);
    put(shelf, "apricot", false, 0);
    put(shelf, "日本 🍵", true, 7);
    put(shelf, "", false, 0);
    find(shelf, "日");
    find(shelf, "ap");
    find(shelf, "pear");
    find(shelf, "!no");
    catalog_shelf_drop_own(shelf);
}

static void route_handles(void) {
    front_string_t first = words("first"), second = words("second");
    catalog_own_shelf_t one = catalog_constructor_shelf(&first);
    catalog_own_shelf_t two = catalog_constructor_shelf(&second);
    put(one, "a", false, 0);
    put(two, "b", false, 0);
    say("alive: %u\n", catalog_alive());
    say("merged: %u\n", catalog_static_shelf_merge(one, catalog_borrow_shelf(two)));
    say("count: %u\n", catalog_method_shelf_count(catalog_borrow_shelf(two)));
    say("alive: %u\n", catalog_alive());
    catalog_shelf_drop_own(two);
    say("alive: %u\n", catalog_alive());
}

static void route_lists(void) {
    uint8_t bytes[] = {1, 2, 3, 250};
    front_list_u8_t in = {bytes, sizeof bytes}, out;
    catalog_reversed(&in, &out);
    say("reversed:");
    for (size_t i = 0; i < out.len; i++) {
        say(" %u", out.ptr[i]);
    }
    front_list_u8_free(&out);
    front_tuple3_u8_s64_f64_t values[] = {{1, -5, 0.5}, {255, 7000000000, -0.25}};
    front_list_tuple3_u8_s64_f64_t list = {values, 2};
    say("\ntotal: %.2f\n", catalog_total(&list));
    front_string_t text = words("straße, naïve, 🦀, end"), upper;
    catalog_upper(&text, &upper);
    say("upper: %.*s\n", (int)upper.len, (char *)upper.ptr);
    front_string_free(&upper);
}

static void route_spread(void) {
    uint16_t numbers[] = {65535, 1};
    front_list_u16_t list = {numbers, 2};
    front_string_t text = words("spread");
    front_tuple2_string_u64_t result;
    catalog_spread(255, -2, 4000000000u, -3, 1.5f, 2.5, 0x1F980, true, &text, &list, 1, 2, 3, 4, 5, &result);
    say("%.*s %llu\n", (int)result.f0.len, (char *)result.f0.ptr, (unsigned long long)result.f1);
    front_tuple2_string_u64_free(&result);
}

static void send(exports_handler_own_response_outparam_t out) {
    http_own_outgoing_response_t response = http_constructor_outgoing_response(http_constructor_fields());
    http_own_outgoing_body_t body;
    io_own_output_stream_t stream;
    if (!http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body) ||
        !http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream)) {
        abort();
    }
    http_result_own_outgoing_response_error_code_t result = {.is_err = false};
    result.val.ok = response;
    http_static_response_outparam_set(out, &result);
    front_list_u8_t chunk = {(uint8_t *)answer.bytes, answer.length};
    io_stream_error_t stream_error;
    if (!io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(stream), &chunk,
                                                          &stream_error)) {
        io_stream_error_free(&stream_error);
    }
    io_output_stream_drop_own(stream);
    http_error_code_t error;
    if (!http_static_outgoing_body_finish(body, NULL, &error)) {
        http_error_code_free(&error);
    }
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    answer.length = 0; // an instance may serve more than one request
    front_string_t path = {0};
    http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &path);
    if (path.len == 7 && memcmp(path.ptr, "/values", 7) == 0) {
        route_values();
    } else if (path.len == 8 && memcmp(path.ptr, "/handles", 8) == 0) {
        route_handles();
    } else if (path.len == 6 && memcmp(path.ptr, "/lists", 6) == 0) {
        route_lists();
    } else if (path.len == 7 && memcmp(path.ptr, "/spread", 7) == 0) {
        route_spread();
    } else if (path.len == 5 && memcmp(path.ptr, "/fail", 5) == 0) {
        catalog_fail();
    } else {
        front_string_t text = words("hello from two components"), upper;
        catalog_upper(&text, &upper);
        say("%.*s\n", (int)upper.len, (char *)upper.ptr);
        front_string_free(&upper);
    }
    front_string_free(&path);
    http_incoming_request_drop_own(request);
    send(out);
}
