// SPDX-License-Identifier: Apache-2.0
//
// One call of a contract for each request; ../README.md lists the routes. Errors of a contract are answers,
// too.
#include "links.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 16384, NAME_BYTES_MAX = 256, KEYS_MAX = 8 };

typedef struct answer {
    uint16_t status;
    size_t length;
    char text[TEXT_BYTES_MAX];
} answer;

static void add(answer *a, const void *bytes, size_t length) {
    size_t room = TEXT_BYTES_MAX - a->length;
    length = length < room ? length : room;
    memcpy(a->text + a->length, bytes, length);
    a->length += length;
}

__attribute__((format(printf, 2, 3))) static void say(answer *a, const char *format, ...) {
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    add(a, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

static links_string_t text_of(const char *s) { return (links_string_t){(uint8_t *)s, strlen(s)}; }

// --- what is asked -----------------------------------------------------------------------------------------

static char path[1024];

// The value of NAME in the query, as it stands; "" without it.
static const char *asked(const char *name, char *value) {
    size_t len = strlen(name);
    value[0] = '\0';
    for (const char *at = strchr(path, '?'); at != NULL; at = strchr(at, '&')) {
        at++;
        if (strncmp(at, name, len) == 0 && at[len] == '=') {
            size_t n = strcspn(at + len + 1, "&");
            n = n < NAME_BYTES_MAX - 1 ? n : NAME_BYTES_MAX - 1;
            memcpy(value, at + len + 1, n);
            value[n] = '\0';
            break;
        }
    }
    return value;
}

static uint64_t asked_number(const char *name, uint64_t otherwise) {
    char value[NAME_BYTES_MAX];
    return asked(name, value)[0] == '\0' ? otherwise : strtoull(value, NULL, 10);
}

// --- key-value ---------------------------------------------------------------------------------------------

static void say_error(answer *a, const keyvalue_error_t *e) {
    a->status = 502;
    switch (e->tag) {
    case KEYVALUE_ERROR_NO_SUCH_STORE:
        say(a, "no-such-store\n");
        break;
    case KEYVALUE_ERROR_ACCESS_DENIED:
        say(a, "access-denied\n");
        break;
    default:
        say(a, "other: ");
        add(a, e->val.other.ptr, e->val.other.len);
        say(a, "\n");
    }
}

static void get(answer *a, keyvalue_borrow_bucket_t bucket, links_string_t key) {
    keyvalue_error_t e;
    links_option_list_u8_t value;
    for (uint64_t times = asked_number("times", 1); times > 1; times--) {
        if (keyvalue_method_bucket_get(bucket, &key, &value, &e)) {
            links_option_list_u8_free(&value);
        }
    }
    if (!keyvalue_method_bucket_get(bucket, &key, &value, &e)) {
        say_error(a, &e);
    } else if (value.is_some) {
        add(a, value.val.ptr, value.val.len);
    } else {
        a->status = 404;
        say(a, "nothing\n");
    }
}

static void set(answer *a, keyvalue_borrow_bucket_t bucket, links_string_t key) {
    char value[NAME_BYTES_MAX];
    keyvalue_error_t e;
    asked("value", value);
    uint64_t repeat = asked_number("repeat", 1);
    links_list_u8_t bytes = {malloc(strlen(value) * repeat + 1), strlen(value) * repeat};
    for (uint64_t i = 0; i < repeat; i++) {
        memcpy(bytes.ptr + i * strlen(value), value, strlen(value));
    }
    if (!keyvalue_method_bucket_set(bucket, &key, &bytes, &e)) {
        say_error(a, &e);
    }
}

static void list(answer *a, keyvalue_borrow_bucket_t bucket) {
    keyvalue_error_t e;
    keyvalue_key_response_t page;
    links_option_u64_t cursor = {0};
    do {
        if (!keyvalue_method_bucket_list_keys(bucket, cursor.is_some ? &cursor.val : NULL, &page, &e)) {
            say_error(a, &e);
            return;
        }
        for (size_t i = 0; i < page.keys.len; i++) {
            add(a, page.keys.ptr[i].ptr, page.keys.ptr[i].len);
            say(a, "\n");
        }
        cursor = page.cursor;
    } while (cursor.is_some);
}

// "many": sets k0..k(n-1) at once, reads them and one more at once, deletes the first.
static void many(answer *a, keyvalue_borrow_bucket_t bucket) {
    static char names[KEYS_MAX + 1][8];
    links_tuple2_string_list_u8_t pairs[KEYS_MAX];
    links_string_t keys[KEYS_MAX + 1];
    keyvalue_error_t e;
    for (size_t i = 0; i <= KEYS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "k%zu", i);
        keys[i] = text_of(names[i]);
    }
    for (size_t i = 0; i < KEYS_MAX; i++) {
        pairs[i].f0 = keys[i];
        pairs[i].f1 = (links_list_u8_t){keys[i].ptr, keys[i].len};
    }
    links_list_tuple2_string_list_u8_t all = {pairs, KEYS_MAX};
    links_list_string_t names_all = {keys, KEYS_MAX + 1}, first = {keys, 1};
    links_list_option_tuple2_string_list_u8_t found;
    if (!batch_set_many(bucket, &all, &e) || !batch_get_many(bucket, &names_all, &found, &e) ||
        !batch_delete_many(bucket, &first, &e)) {
        say_error(a, &e);
        return;
    }
    for (size_t i = 0; i < found.len; i++) {
        say(a, "%s\n", found.ptr[i].is_some ? names[i] : "-");
    }
}

static void increment(answer *a, keyvalue_borrow_bucket_t bucket, links_string_t key) {
    uint64_t sum;
    keyvalue_error_t e;
    uint64_t times = asked_number("times", 1);
    for (uint64_t i = 0; i < times; i++) {
        if (!atomics_increment(bucket, &key, asked_number("delta", 1), &sum, &e)) {
            say_error(a, &e);
            return;
        }
    }
    say(a, "%" PRIu64 "\n", sum);
}

static void exists(answer *a, keyvalue_borrow_bucket_t bucket, links_string_t key) {
    bool is_there;
    keyvalue_error_t e;
    if (!keyvalue_method_bucket_exists(bucket, &key, &is_there, &e)) {
        say_error(a, &e);
        return;
    }
    say(a, is_there ? "yes\n" : "no\n");
}

static void delete(answer *a, keyvalue_borrow_bucket_t bucket, links_string_t key) {
    keyvalue_error_t e;
    if (!keyvalue_method_bucket_delete(bucket, &key, &e)) {
        say_error(a, &e);
    }
}

static bool is(const char *function) {
    size_t n = strlen(function);
    return strncmp(path, "/kv/", 4) == 0 && strncmp(path + 4, function, n) == 0 &&
           (path[4 + n] == '\0' || path[4 + n] == '?');
}

static void keyvalue(answer *a) {
    char name[NAME_BYTES_MAX], key_text[NAME_BYTES_MAX];
    keyvalue_own_bucket_t bucket;
    keyvalue_error_t e;
    links_string_t identifier = text_of(asked("bucket", name)), key = text_of(asked("key", key_text));
    if (!keyvalue_open(&identifier, &bucket, &e)) {
        say_error(a, &e);
        return;
    }
    keyvalue_borrow_bucket_t b = keyvalue_borrow_bucket(bucket);
    if (is("get")) {
        get(a, b, key);
    } else if (is("set")) {
        set(a, b, key);
    } else if (is("delete")) {
        delete (a, b, key);
    } else if (is("exists")) {
        exists(a, b, key);
    } else if (is("list")) {
        list(a, b);
    } else if (is("many")) {
        many(a, b);
    } else if (is("increment")) {
        increment(a, b, key);
    } else {
        a->status = 404;
    }
    keyvalue_bucket_drop_own(bucket);
}

// --- the others --------------------------------------------------------------------------------------------

static void configuration(answer *a) {
    char name[NAME_BYTES_MAX];
    config_error_t e;
    links_option_string_t value;
    links_list_tuple2_string_string_t all;
    links_string_t key = text_of(asked("key", name));
    if (key.len == 0 && config_get_all(&all, &e)) {
        for (size_t i = 0; i < all.len; i++) {
            add(a, all.ptr[i].f0.ptr, all.ptr[i].f0.len);
            say(a, "=");
            add(a, all.ptr[i].f1.ptr, all.ptr[i].f1.len);
            say(a, "\n");
        }
    } else if (key.len > 0 && config_get(&key, &value, &e) && value.is_some) {
        add(a, value.val.ptr, value.val.len);
    } else {
        a->status = 404;
    }
}

static void log_something(answer *a) {
    char message[NAME_BYTES_MAX];
    links_string_t context = text_of("links"), text = text_of(asked("message", message));
    logging_log((logging_level_t)asked_number("level", LOGGING_LEVEL_INFO), &context, &text);
    say(a, "logged\n");
}

// Before anything else: ?link=NAME chooses among the links of key-value.
static void choose_link(answer *a) {
    char name[NAME_BYTES_MAX];
    links_string_t chosen = text_of(asked("link", name)), ns = text_of("wasi"), package = text_of("keyvalue");
    links_string_t store = text_of("store"), atomics = text_of("atomics"), e;
    if (chosen.len == 0) {
        return;
    }
    lattice_own_call_target_interface_t targets[] = {
        lattice_constructor_call_target_interface(&ns, &package, &store),
        lattice_constructor_call_target_interface(&ns, &package, &atomics),
    };
    lattice_list_own_call_target_interface_t list = {targets, 2};
    if (!lattice_set_link_name(&chosen, &list, &e)) {
        a->status = 502;
        say(a, "set-link-name: ");
        add(a, e.ptr, e.len);
        say(a, "\n");
    }
}

static void send(exports_handler_own_response_outparam_t out, const answer *a) {
    http_own_outgoing_response_t response = http_constructor_outgoing_response(http_constructor_fields());
    http_own_outgoing_body_t body;
    io_own_output_stream_t stream;
    http_method_outgoing_response_set_status_code(http_borrow_outgoing_response(response), a->status);
    http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body);
    http_result_own_outgoing_response_error_code_t result = {.is_err = false, .val.ok = response};
    http_static_response_outparam_set(out, &result);
    http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream);
    for (size_t at = 0; at < a->length; at += 4096) {
        links_list_u8_t piece = {(uint8_t *)a->text + at, a->length - at < 4096 ? a->length - at : 4096};
        io_stream_error_t e;
        if (!io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(stream), &piece, &e)) {
            break;
        }
    }
    io_output_stream_drop_own(stream);
    http_error_code_t e;
    http_static_outgoing_body_finish(body, NULL, &e);
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    static answer a;
    links_string_t asked_path = {0};
    a.status = 200;
    if (http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &asked_path)) {
        size_t n = asked_path.len < sizeof path - 1 ? asked_path.len : sizeof path - 1;
        memcpy(path, asked_path.ptr, n);
    }
    choose_link(&a);
    if (a.status != 200) {
    } else if (strncmp(path, "/kv/", 4) == 0) {
        keyvalue(&a);
    } else if (strncmp(path, "/config", 7) == 0) {
        configuration(&a);
    } else if (strncmp(path, "/log", 4) == 0) {
        log_something(&a);
    } else {
        a.status = 404;
    }
    send(out, &a);
    http_incoming_request_drop_own(request);
}
